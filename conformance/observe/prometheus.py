"""Prometheus: the configuration it loaded, the targets it scrapes, the roles it watches, and whether metrics move."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from conformance.observe import mounts, naming
from conformance.observe.dask import work
from conformance.observe.facts import Attempt, Facts, Observer, Probe
from conformance.observe.last_words import last_words
from conformance.observe.web import Answer, brief, fetch
from conformance.stacks.base import Capability, Endpoint, Role, Stack, Unavailable

PATIENCE_S = 75.0  # the default scrape interval is one minute
MAX_TARGETS = 20  # in facts
MAX_LISTED = 50  # jobs of a configuration, targets of a job
MAX_FILE = 1024 * 1024
WORK = "conformance-metrics"  # the prefix of the experiment's task names
TASKS = 20
COUNTER = f'dask_scheduler_prefix_state_totals_total{{task_prefix_name="{WORK}",state="memory"}}'

# Series that only the role itself, or its usual exporter, has.
SIGNATURES: dict[Role, str] = {
    Role.POSTGRES: "pg_up|pg_static|pg_stat_database_numbackends",
    Role.OBJECT_STORE: "rustfs_.+|minio_.+|SeaweedFS_.+",
    Role.DASK_SCHEDULER: "dask_scheduler_.+",
    Role.DASK_WORKER: "dask_worker_.+",
    Role.PREFECT_SERVER: "prefect_.+",
    Role.PROMETHEUS: "prometheus_build_info",
    Role.GRAFANA: "grafana_build_info",
}


class Job(Facts):
    """A scrape job: its static targets, and the kinds of discovery that find it others."""

    name: str
    targets: tuple[str, ...]
    discovery: tuple[str, ...] = ()


class Target(Facts):
    """An active target."""

    job: str
    url: str
    health: str  # up | down | unknown
    last_error: str = ""
    left_out: bool = False  # of a service that this stack does not run


class Watched(Facts):
    """A role that Prometheus watches: by targets of its address, and by series that only it has."""

    role: str
    targets: tuple[str, ...]  # scrape URLs
    series: bool


class Counter(Facts):
    """Finished tasks of the experiment as Prometheus counts them."""

    work: Attempt  # the tasks were done
    tasks: int
    before: float | None = None  # None: no such series
    after: float | None = None
    waited_s: float = 0.0


class PrometheusFacts(Facts):
    """``mounted`` is the configuration file that the deployment gives to Prometheus, where the kit can see it."""

    ready: Answer
    complaints: str = ""  # where it is not ready: how its containers are, and their last words
    version: str = ""
    loaded: tuple[Job, ...] | None = None  # None: it does not tell
    mounted: tuple[Job, ...] | None = None  # None: the kit cannot see the file, or it does not parse
    mounted_file: str = ""  # its name, or why it cannot be had
    mounted_nothing: str = ""  # the path of the configuration in the container, where nothing is mounted there
    target_count: int = 0
    targets: tuple[Target, ...] = ()  # those that are not up first
    watched: tuple[Watched, ...] = ()
    counter: Counter | None = None  # None: nothing answers


def collect(stack: Stack, probe: Probe) -> PrometheusFacts:
    """Look at targets once their services are there and scraped; then let Dask work and look at its counter."""
    endpoint = stack.endpoint(Role.PROMETHEUS)
    ready = fetch(f"{endpoint.url}/-/ready").answer
    if not ready.ok:
        return PrometheusFacts(ready=ready, complaints=last_words(stack, Role.PROMETHEUS))
    loaded = _jobs(str(_api(endpoint, "status/config").get("yaml", "")))
    places = {role: _places(stack, role, services) for role, services in stack.roles().items()}  # waits for each
    targets = _scraped_targets(endpoint, _hosts(stack, tuple(stack.left_out))) if loaded else ()
    watched = tuple(_watched(stack, endpoint, places, targets))
    return PrometheusFacts(
        ready=ready,
        version=brief(_api(endpoint, "status/buildinfo").get("version", ""), 40),
        loaded=loaded,
        **_mounted(stack, endpoint),
        target_count=len(targets),
        targets=tuple(sorted(targets, key=lambda target: target.health == "up")[:MAX_TARGETS]),
        watched=watched,
        counter=_counter(stack, endpoint, probe, worth_waiting=any(one.role == Role.DASK_SCHEDULER for one in watched)),
    )


OBSERVER = Observer("prometheus", PrometheusFacts, collect)


def _api(prometheus: Endpoint, path: str, **params: str) -> dict[str, Any]:
    """``data`` of an answer of the HTTP API; empty when there is none."""
    told = fetch(f"{prometheus.url}/api/v1/{path}", params=params).json()
    data = told.get("data") if isinstance(told, dict) else None
    return data if isinstance(data, dict) else {}


def _scraped_targets(prometheus: Endpoint, left_out: set[str]) -> tuple[Target, ...]:
    """The active targets once there are some and all are up but those that nobody runs, or when patience ends."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        targets = tuple(
            Target(
                job=brief(target.get("labels", {}).get("job", ""), 100),
                url=brief(target.get("scrapeUrl", "")),
                health=str(target.get("health", "")),
                last_error=brief(target.get("lastError", "")),
                left_out=urlsplit(target.get("scrapeUrl", "")).hostname in left_out,
            )
            for target in _api(prometheus, "targets", state="active").get("activeTargets", [])
        )
        up = bool(targets) and all(target.health == "up" or target.left_out for target in targets)
        if up or time.monotonic() > deadline:
            return targets
        time.sleep(0.5)


def _jobs(text: str) -> tuple[Job, ...] | None:
    """The scrape jobs of a configuration; None when it is none."""
    import yaml

    try:
        return tuple(_job(job) for job in (yaml.safe_load(text).get("scrape_configs") or ())[:MAX_LISTED])
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return None


def _job(job: dict[str, Any]) -> Job:
    groups = (job.get("static_configs") or ())[:MAX_LISTED]
    targets = [target for group in groups for target in (group.get("targets") or ())[:MAX_LISTED]]
    return Job(
        name=brief(job["job_name"], 100) if isinstance(job["job_name"], str) else "",
        targets=tuple(sorted(brief(target, 200) for target in targets if isinstance(target, str))[:MAX_LISTED]),
        discovery=tuple(sorted(key for key in job if isinstance(key, str) and key.endswith("_sd_configs"))),
    )


def _mounted(stack: Stack, prometheus: Endpoint) -> dict[str, Any]:
    """The jobs of the file that Prometheus was started with, as the repository or this machine holds it."""
    path = str(_api(prometheus, "status/flags").get("config.file", ""))
    if stack.kind == "embedded":
        return _parsed(_content(Path(path)), Path(path).name)
    if Capability.COMPOSE not in stack.capabilities or not path:
        return {"mounted_file": "the file that the service mounts is not visible to this stack"}
    model = stack.compose()
    path = str(PurePosixPath(_working_folder(stack, prometheus.service), path))
    text = mounts.content(model, stack.source(), prometheus.service, path)
    if text is not None:
        return _parsed(text, path)
    if any(PurePosixPath(path).is_relative_to(mount.target) for mount in mounts.mounts(model, prometheus.service)):
        return {"mounted_file": brief(f"{path} does not come from the repository")}
    if naming.service(model, prometheus.service).get("build") is not None:
        return {"mounted_file": brief(f"{path} comes with an image of the repository's own")}
    return {"mounted_file": brief(f"nothing is mounted at {path}"), "mounted_nothing": brief(path)}


def _working_folder(stack: Stack, service: str) -> str:
    with suppress(Unavailable):
        containers = [one for one in stack.containers() if one.service == service]
        return (
            str((stack.inspect(containers[0].id).get("Config") or {}).get("WorkingDir") or "/") if containers else "/"
        )
    return "/"


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_FILE)
    except OSError:
        return b""


def _parsed(text: bytes, name: str) -> dict[str, Any]:
    jobs = _jobs(text.decode("utf-8", errors="replace"))
    return {"mounted": jobs, "mounted_file": brief(name if jobs is not None else f"{name} holds no configuration")}


def _watched(
    stack: Stack, prometheus: Endpoint, places: dict[Role, set[tuple[str, int | None]]], targets: tuple[Target, ...]
) -> Iterator[Watched]:
    for role, services in stack.roles().items():
        if role is Role.OTHER:
            continue
        hosts = _hosts(stack, services)
        urls = tuple(
            target.url
            for target in targets
            if (url := urlsplit(target.url)) and (url.hostname in hosts or (url.hostname, url.port) in places[role])
        )
        series = role in SIGNATURES and bool(_query(prometheus, f'group({{__name__=~"{SIGNATURES[role]}"}})'))
        if urls or series:
            yield Watched(role=role, targets=urls[:MAX_TARGETS], series=series)


def _hosts(stack: Stack, services: tuple[str, ...]) -> set[str]:
    """The names of services inside the deployment and, as discovery by DNS has them, their containers' addresses."""
    hosts = {name.lower() for name in services}
    with suppress(Unavailable):
        model = stack.compose()
        hosts.update(name.lower() for service in services for name in naming.names(model, service))
    with suppress(Unavailable):
        for container in stack.containers():
            if container.service in services:
                networks = (stack.inspect(container.id).get("NetworkSettings") or {}).get("Networks") or {}
                hosts.update(network["IPAddress"] for network in networks.values() if network.get("IPAddress"))
    return hosts


def _places(stack: Stack, role: Role, services: tuple[str, ...]) -> set[tuple[str, int | None]]:
    """Where the role answers: its ports by name, and where there are several processes, each by its own."""
    places: set[tuple[str, int | None]] = set()
    for port in ("main", "dashboard", "metrics", *services):
        with suppress(Unavailable):
            endpoint = stack.endpoint(role, port)
            places.add((endpoint.host, endpoint.port))
    return places


def _query(prometheus: Endpoint, query: str) -> list[float]:
    """The values of an instant vector."""
    result = _api(prometheus, "query", query=query).get("result", [])
    return [float(sample["value"][1]) for sample in result]


def _counter(stack: Stack, prometheus: Endpoint, probe: Probe, *, worth_waiting: bool) -> Counter:
    """Let Dask do tasks of a name of their own, once it has been seen idle, and wait until Prometheus counts them.

    ``worth_waiting``: Prometheus watches the scheduler.
    """
    probe.observation("dask")
    before = sum(_query(prometheus, COUNTER)) if _query(prometheus, 'group({__name__=~"dask_scheduler_.+"})') else None
    probe.progress("do the task counters move?")
    try:
        done = work(stack, WORK, TASKS)
    except Unavailable as reason:
        done = Attempt(ok=False, detail=brief(reason))
    if not done.ok:
        return Counter(work=done, tasks=TASKS, before=before)
    started = time.monotonic()
    after = None
    while time.monotonic() - started < PATIENCE_S:
        counted = _query(prometheus, COUNTER)
        after = sum(counted) if counted else None
        if not worth_waiting or (after is not None and after >= (before or 0) + TASKS):
            break
        time.sleep(0.5)
    waited = round(time.monotonic() - started, 1)
    return Counter(work=done, tasks=TASKS, before=before, after=after, waited_s=waited)
