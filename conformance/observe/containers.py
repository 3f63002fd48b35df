"""The containers: whether they stay up, what runs in them and as whom, what is mounted, and who reaches whom.

What a service is meant to be is its author's Compose model; what it is, its containers. Nothing in them is changed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from conformance.observe import mounts as authored
from conformance.observe import naming
from conformance.observe.containers_doors import POSTGRESQL, S3, Door, doors
from conformance.observe.containers_homes import Home, Mount, homes, mounts, within
from conformance.observe.containers_inside import Inside, host, look
from conformance.observe.containers_processes import Process, interpreters, main_uid, process
from conformance.observe.containers_reach import Reach, addresses, reach
from conformance.observe.containers_watch import Watch
from conformance.observe.facts import Facts, Observer, Probe
from conformance.observe.last_words import complaints, tail
from conformance.observe.web import brief
from conformance.stacks.base import ComposeModel, Container, Role, Stack, Unavailable
from conformance.stacks.compose.access import container_ports

MAX_CONTAINERS = 40
MAX_LISTED = 20
MAX_PROBES = 4  # workers that reachability is tried from
MAX_REACHES = 8
AT_WORK = ("postgres", "objects", "dask", "prefect", "prometheus", "grafana", "pipeline")
"""Subjects whose experiments the containers must survive."""
STATEFUL = (Role.POSTGRES, Role.OBJECT_STORE)
STATELESS = (Role.DASK_SCHEDULER, Role.DASK_WORKER, Role.PREFECT_SERVER, Role.PREFECT_WORKER)
MARKERS = ("_delta_log", "PG_VERSION", ".rustfs.sys", ".minio.sys")
LAYERS = frozenset({"bronze", "silver", "gold", "bronce", "plata", "oro"})
SEARCH = (
    "find %s -xdev -maxdepth 6 \\( -name _delta_log -o -name PG_VERSION -o -name .rustfs.sys -o -name .minio.sys"
    " -o -name '*.parquet' -o -name '*.py' \\) -print 2>/dev/null | head -n 400"
)


class ContainerFacts(Facts):
    """A container after the other observations' experiments, beside what its service is meant to be."""

    service: str
    name: str
    image: str
    role: str = ""  # that the service was found to play
    builds: bool = False  # its image is built from the repository
    state: str = "running"  # created | running | paused | restarting | exited | dead
    exit_code: int = 0
    error: str = ""  # what the engine says of why it did not start
    health: str = ""  # healthy | unhealthy | starting; empty: it has no health check
    health_check: str = ""  # image | model: whose it is; empty: none
    oom_killed: bool = False
    restarts: int = 0
    settled: bool = True  # it ran for some time without being started again
    restarts_since: int = 0  # that
    last_words: str = ""  # where it is not well: of its health check if that fails ("health check: …"), of its log
    user: str = ""  # as the model or else the image says; empty: root
    user_of_model: bool = False
    uid: int | None = None  # of the main process, as it runs; None: cannot be told
    processes: tuple[Process, ...] = ()  # the first 20
    listening: tuple[int, ...] | None = None  # TCP ports open to others; None: cannot be told
    mounts: tuple[Mount, ...] = ()
    doors: tuple[Door, ...] = ()


class ContainersFacts(Facts):
    """``stores``: services that keep the catalogue or the lake; those whose folders cannot be told have no home."""

    named: dict[str, ContainerFacts] = Field(default={})  # by their names: dask-worker-1
    stores: tuple[str, ...] = ()
    homes: tuple[Home, ...] = ()
    from_serving: tuple[Reach, ...] = ()  # Grafana to the object stores
    from_compute: tuple[Reach, ...] = ()  # Dask's workers to PostgreSQL and the object store

    @property
    def containers(self) -> tuple[ContainerFacts, ...]:
        return tuple(self.named.values())


@dataclass(frozen=True)
class _Seen:
    """A container, looked at."""

    container: Container
    role: Role
    inspected: Mapping[str, Any]
    inside: Inside
    mounts: tuple[Mount, ...]
    doors: tuple[Door, ...]

    def speaking(self, protocol: str) -> tuple[int, ...]:
        """The container's ports at which that protocol is spoken."""
        return tuple(door.port for door in self.doors if door.speaks == protocol)

    @property
    def is_running(self) -> bool:
        return self.container.state == "running"


def collect(stack: Stack, probe: Probe) -> ContainersFacts:
    """Once every role is there: look into the containers and try who reaches whom; then see who is still up.

    Raises:
        Unavailable: the stack has no containers, or nothing of it was started.
    """
    model = stack.compose()
    for role in stack.roles():
        with suppress(Unavailable):
            stack.endpoint(role)  # waits
    watch = Watch(stack)
    containers = watch.look()
    if not containers:
        raise Unavailable("no container was made")
    probe.progress("looking into the containers")
    with ThreadPoolExecutor(3) as pool:
        seen = list(pool.map(lambda one: _look(stack, model, one), containers[:MAX_CONTAINERS]))
        found = tuple(home for some in pool.map(lambda one: _homes(stack, one), seen) for home in some)
        tasks = [pool.submit(_with_data, stack, model, one, found) for one in seen]
        serving = pool.submit(_from_serving, stack, model, seen)
        compute = pool.submit(_from_compute, stack, model, seen)
        watch.settle()
    looked_at = {one.container.id: one for one in (task.result() for task in tasks)}
    for subject in filter(probe.observes, AT_WORK):
        with suppress(ValueError):  # it waits for this one: then this one does not wait for it
            probe.observation(subject)
    containers = watch.settle()
    logs = stack.logs()
    return ContainersFacts(
        named={
            brief(container.name, 100): _facts(
                model, looked_at[container.id], container, watch, _words(stack, container, logs.get(container.service))
            )
            for container in containers
            if container.id in looked_at
        },
        stores=tuple(one.container.service for one in seen if one.role in STATEFUL),
        homes=found,
        from_serving=serving.result(),
        from_compute=compute.result(),
    )


OBSERVER = Observer("containers", ContainersFacts, collect)


def _look(stack: Stack, model: ComposeModel, container: Container) -> _Seen:
    inspected: Mapping[str, Any] = {}
    with suppress(Unavailable):
        inspected = stack.inspect(container.id)
    running = container.state == "running"
    role = next((role for role, services in stack.roles().items() if container.service in services), Role.OTHER)
    return _Seen(
        container,
        role,
        inspected,
        look(stack, container, inspected) if running else Inside((), None),
        mounts(inspected, naming.service(model, container.service).get("volumes") or ()),
        doors(role, inspected) if running else (),
    )


def _facts(model: ComposeModel, seen: _Seen, now: Container, watch: Watch, words: str) -> ContainerFacts:
    config, service = seen.inspected.get("Config") or {}, naming.service(model, now.service)
    stays = now.state == "running" and watch.settled(now) and not watch.restarts_since(now)
    well = (stays and now.health != "unhealthy") or (now.state == "exited" and now.exit_code == 0)
    return ContainerFacts(
        service=now.service,
        name=brief(now.name, 100),
        image=brief(config.get("Image", ""), 200),
        role="" if seen.role is Role.OTHER else seen.role,
        builds=service.get("build") is not None,
        state=now.state,
        exit_code=now.exit_code,
        error=brief(now.error),
        health=now.health,
        health_check=_health_check(config, service),
        oom_killed=bool((seen.inspected.get("State") or {}).get("OOMKilled")),
        restarts=now.restarts,
        settled=watch.settled(now),
        restarts_since=watch.restarts_since(now),
        last_words="" if well else words,
        user=brief(config.get("User", ""), 60),
        user_of_model=service.get("user") is not None,
        uid=main_uid(seen.inside.processes),
        processes=tuple(map(process, seen.inside.processes[:MAX_LISTED])),
        listening=seen.inside.listening,
        mounts=seen.mounts[:MAX_LISTED],
        doors=seen.doors,
    )


def _health_check(config: Mapping[str, Any], service: Mapping[str, Any]) -> str:
    test = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    if test[0] == "NONE":
        return ""
    return "model" if (service.get("healthcheck") or {}).get("test") else "image"


def _words(stack: Stack, container: Container, log: Path | None) -> str:
    said = [_of_health_check(stack, container)] if container.health == "unhealthy" else []
    if log is not None:
        said += (complaints(log) or [brief(line) for line in tail(log)])[-3:]
    return "\n".join(filter(None, said))


def _of_health_check(stack: Stack, container: Container) -> str:
    """What the health check said last: https://docs.docker.com/reference/api/engine/ (State.Health.Log)."""
    with suppress(Unavailable):
        tries = ((stack.inspect(container.id).get("State") or {}).get("Health") or {}).get("Log") or ()
        said = next((str(one["Output"]).strip() for one in reversed(tries) if one.get("Output")), "")
        return f"health check: {brief(said)}" if said else ""
    return ""


# --- data -------------------------------------------------------------------------------------------------------------


def _homes(stack: Stack, seen: _Seen) -> tuple[Home, ...]:
    if seen.role not in STATEFUL:
        return ()
    directory = _data_directory(stack, seen) if seen.role is Role.POSTGRES and seen.is_running else ""
    return homes(stack, seen.role, seen.container, seen.inspected, seen.inside.processes, seen.mounts, directory)


def _data_directory(stack: Stack, seen: _Seen) -> str:
    """What the server says of itself; empty where it lets nobody in who may know."""
    import psycopg

    if stack.roles()[Role.POSTGRES][0] != seen.container.service:  # the kit knows the way into the first one only
        return ""
    try:
        with psycopg.connect(stack.postgres().dsn()) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
    except psycopg.Error:
        return ""
    return str(row[0]) if row else ""


def _with_data(stack: Stack, model: ComposeModel, seen: _Seen, found: Sequence[Home]) -> _Seen:
    """A container of compute or of the orchestrator, with what its mounts hold of the catalogue and the lake."""
    if seen.role not in STATELESS:
        return seen
    shared = _shared(stack, model, seen.container.service, found)
    told = tuple(
        mount.model_copy(
            update={
                "shared_with": shared.get(mount.target, ()),
                "holds": _holds(stack, seen.container, mount.target) if seen.is_running else "",
            }
        )
        for mount in seen.mounts
    )
    return replace(seen, mounts=told)


def _shared(stack: Stack, model: ComposeModel, service: str, found: Sequence[Home]) -> dict[str, tuple[str, ...]]:
    """By target of the service's mounts: the services that keep their data in what is mounted there."""
    kept: list[tuple[str, authored.Mount]] = []
    for store in {home.service for home in found}:
        places = {home.mount for home in found if home.service == store}
        kept += [(store, mount) for mount in authored.mounts(model, store) if mount.target in places]
    project = posixpath.normpath(posixpath.join(stack.source().resolve(), posixpath.dirname(model.file)))
    shared: dict[str, tuple[str, ...]] = {}
    for mount in authored.mounts(model, service):
        owners = {store for store, data in kept if _is_same_data(mount, data, project)}
        shared[mount.target] = tuple(sorted(owners))
    return shared


def _is_same_data(mount: authored.Mount, data: authored.Mount, project: str) -> bool:
    """Whether what is mounted is what holds the data, a part of it, or a folder around it that is not the project's."""
    if mount.kind != data.kind or not mount.source:
        return False
    if mount.kind != "bind":
        return mount.kind == "volume" and mount.source == data.source
    if within(mount.source, data.source):
        return True
    return within(data.source, mount.source) and not within(project, mount.source)


def _holds(stack: Stack, container: Container, folder: str) -> str:
    """The first thing in a folder that is of a lake or a catalogue; nothing of a folder with code in it."""
    try:
        listed = host(stack, container).run(SEARCH, folder).stdout.splitlines()
    except Unavailable:
        return ""
    if any(path.endswith(".py") for path in listed):
        return ""
    return next((brief(path, 200) for path in listed if _is_of_a_lake(path[len(folder) :])), "")


def _is_of_a_lake(path: str) -> bool:
    *folders, name = path.strip("/").split("/")
    return name in MARKERS or (
        name.endswith(".parquet") and not LAYERS.isdisjoint(folder.lower() for folder in folders)
    )


# --- reachability -----------------------------------------------------------------------------------------------------


def _from_serving(stack: Stack, model: ComposeModel, seen: Sequence[_Seen]) -> tuple[Reach, ...]:
    """From each Grafana to each object store, by its names and by its addresses on the author's networks."""
    return tuple(
        reach(
            stack,
            model,
            grafana.container,
            store.container.service,
            "tcp",
            _ports(stack, model, store, S3),
            addresses(store.inspected, naming.networks(model, store.container.service)),
        )
        for grafana in seen
        for store in seen
        if grafana.role is Role.GRAFANA and grafana.is_running and store.role is Role.OBJECT_STORE
    )[:MAX_REACHES]


def _from_compute(stack: Stack, model: ComposeModel, seen: Sequence[_Seen]) -> tuple[Reach, ...]:
    """From Dask's workers to the main PostgreSQL and the main object store, by name."""
    targets = [
        (one, protocol)
        for role, protocol in ((Role.POSTGRES, POSTGRESQL), (Role.OBJECT_STORE, S3))
        for one in seen
        if one.container.service in stack.roles().get(role, ())[:1]
    ]
    workers = [one for one in seen if one.role is Role.DASK_WORKER and one.is_running][:MAX_PROBES]
    return tuple(
        reach(
            stack,
            model,
            worker.container,
            target.container.service,
            protocol,
            _ports(stack, model, target, protocol),
            pythons=interpreters(worker.inside.processes),
        )
        for worker in workers
        for target, protocol in targets
    )


def _ports(stack: Stack, model: ComposeModel, seen: _Seen, protocol: str) -> tuple[int, ...]:
    """Where a service speaks the protocol in its container; where that is not seen, where it is configured to."""
    configured = container_ports(seen.role, naming.service(model, seen.container.service), stack.source())
    return seen.speaking(protocol) or (configured["main"],)
