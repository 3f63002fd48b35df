"""A Compose stack: brought up from a model of the kit's own making, reached on loopback ports, and removed whole."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pytest_docker.plugin import DockerComposeExecutor

from conformance.inputs import complain as tell
from conformance.inputs import one_line
from conformance.stacks.base import (
    AbsentRole,
    Capability,
    ComposeModel,
    Container,
    Endpoint,
    Executed,
    GrafanaAccess,
    ObjectStoreAccess,
    PostgresAccess,
    Role,
    Stack,
    StackError,
    Unavailable,
)
from conformance.stacks.compose import access, ownership
from conformance.stacks.compose.engine import SLOW, Engine, EngineError, complain
from conformance.stacks.compose.generate import RUN, Generated, generate
from conformance.stacks.compose.images import Images
from conformance.stacks.compose.jobs import why_job
from conformance.stacks.compose.reading import Reading, read
from conformance.stacks.compose.ready import Ready
from conformance.stacks.compose.staging import Staging
from conformance.stacks.ports import HOST, PortBlock

TIMEOUT = 240.0  # seconds after everything was started until a service that does not answer is taken as it is
HOPELESS = 4  # restarts after which a service that does not answer is not waited for any longer
JOBS = 90.0  # seconds that the author's own jobs get to prepare a service that answers already
POLL = 0.25
UPS = 3  # calls of `up` while services that others wait for become healthy late
NOTICE = 60.0  # seconds for Dask to miss a worker, and for a throw-away PostgreSQL to answer
RECOVERY = 60.0  # seconds that they get for it each time
LOG_LINES = 5_000
MODEL = "compose.json"
STOPPING = "the stack is being stopped"
UP_LOG = "compose-up"  # in the evidence: what Compose said when it started everything
SERVERS = {Role.DASK_WORKER: Role.DASK_SCHEDULER, Role.PREFECT_WORKER: Role.PREFECT_SERVER}
"""Who tells of those that nobody reaches from outside."""
SCHEMES = {Role.POSTGRES: "postgresql", Role.DASK_SCHEDULER: "tcp"}
NOT_THE_AUTHORS = re.compile(
    r"port is already allocated|address already in use|pull access denied|no such image|manifest unknown|"
    r"failed to resolve reference|no such host|i/o timeout|TLS handshake|all predefined address pools|"
    r"no space left on device",
    re.IGNORECASE,
)
"""What ``up`` says when it is not the model that keeps a service from starting."""
OF_THE_CLIENT = "env -u COMPOSE_FILE -u COMPOSE_PROFILES -u COMPOSE_PROJECT_NAME -u COMPOSE_ENV_FILES docker compose"
SHELL_SAFE = re.compile(r"[\w./-]+")


@dataclass(frozen=True)
class ComposeRequest:
    """What is brought up."""

    source: Path
    images: Images
    compose_file: Path | None = None
    env_file: Path | None = None
    trust: bool = False
    keep: bool = False
    timeout: float = TIMEOUT
    is_reference: bool = False


class ComposeStack(Stack):
    """A repository's Compose stack on this machine's engine, for as long as the context lasts.

    Entering starts everything and returns at once; whoever asks for a role waits for that role only. A service that
    does not come up is for the observers to see: its author's fault is no error here.
    """

    kind = "compose"
    capabilities = frozenset(Capability)

    def __init__(self, request: ComposeRequest) -> None:
        self._request = request
        self.runs_reference = request.is_reference
        self._reading = Reading()
        self._services: dict[Role, tuple[str, ...]] = {}
        self._jobs: frozenset[str] = frozenset()
        self._prepared = False
        self._ports: dict[str, dict[int, int]] = {}
        self._started = threading.Event()
        self._trouble: StackError | None = None  # why the deployment is lost, through nobody's fault
        self._ready: dict[Role, bool] = {}
        self._given_up: set[Role] = set()
        self._killed: list[str] = []
        self._closing = False
        self._turn = threading.Lock()  # one Compose command at a time

    # --- life ---------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """
        Raises:
            StackError: no engine, an image that cannot be had, a model that must not run; nothing is left behind.
        """
        request = self._request
        self._engine = Engine()
        ownership.sweep(self._engine)
        with contextlib.ExitStack() as cleanup:
            self._reading = read(
                request.source, compose_file=request.compose_file, env_file=request.env_file, trust=request.trust
            )
            model = self._reading.model
            self._owner = ownership.Ownership(keep=request.keep)
            cleanup.callback(self._remove)
            self._block = cleanup.enter_context(PortBlock())
            if not SHELL_SAFE.fullmatch(str(self._owner.folder)):  # pytest-docker's commands go through a shell
                raise StackError(f"the folder for temporary files has a name that no shell takes: {self._owner.folder}")
            self._staging = Staging(self._owner.folder)
            self._services = {
                role: services for role in Role if role is not Role.OTHER and (services := model.services_of(role))
            }
            self._jobs = frozenset(name for name in model.resolved.get("services", {}) if why_job(model, name))
            if self._services:
                self._generated = self._generate()
                self.left_out = self._generated.left_out
                self._compose = DockerComposeExecutor(
                    OF_THE_CLIENT, [str(self._owner.folder / MODEL)], self._owner.project
                )
                self._provide_images()
                self._starting = threading.Thread(target=self._start, name="compose up")
                cleanup.callback(self._end_commands)
                self._starting.start()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take everything down and remove it.

        Raises:
            StackError: something is left; names it.
        """
        self._cleanup.close()

    def _end_commands(self) -> None:
        """Let Compose begin nothing more, and wait for what it does.

        ``up`` waits for health that may never come. When its containers are gone it ends.
        """
        self._closing = True
        while not self._turn.acquire(timeout=POLL):
            if not self._request.keep:
                ownership.remove(self._engine, self._owner.marker, self._owner.folder)
        self._turn.release()
        if self._starting.ident is not None:
            self._starting.join()

    def _remove(self) -> None:
        if self._request.keep:
            return
        try:
            left = ownership.remove(self._engine, self._owner.marker, self._owner.folder)
            ownership.remove_folder(self._engine, self._owner.folder)
        finally:
            self._owner.release()
        left += [str(self._owner.folder)] if self._owner.folder.exists() else []
        if left:
            raise StackError(f"the Compose stack could not remove: {', '.join(left)}")

    def _generate(self) -> Generated:
        reading, request = self._reading, self._request
        for role, services in self._services.items():
            if role in (Role.DASK_WORKER, Role.PREFECT_WORKER):
                continue  # of these there may be several
            for service in services:
                targets = access.container_ports(role, self._resolved(service), request.source)
                self._ports[service] = {target: self._block.take() for target in sorted(set(targets.values()))}
        generated = generate(
            reading.document,
            project=self._owner.project,
            marker=self._owner.marker,
            labels=self._owner.labels,
            root=request.source.resolve(),
            findings=reading.model.findings,
            images=request.images,
            ports=self._ports,
            staging=self._staging,
            left_out=reading.left_out,
        )
        (self._owner.folder / MODEL).write_text(json.dumps(generated.document), encoding="utf-8")
        return generated

    def _provide_images(self) -> None:
        """
        Raises:
            StackError: an image is not here and cannot be had, or cannot be built; in one line.
        """
        services = self._generated.document["services"]
        wanted = {service["image"]: name for name, service in services.items() if not service.get("build")}
        for image, service in wanted.items():
            if self._engine.inspect("image", [image]):
                continue
            if not self._request.images.upstream and image.startswith("pqrs-offline/"):
                raise StackError(f"{image} ({service}) is not built yet: infra/images/offline/build makes it")
            tell(f"downloading {image} ({service})")
            try:
                self._engine.run("pull", "--quiet", image, timeout=SLOW)
            except EngineError as error:
                raise StackError(
                    f"the image {image} ({service}) is not here and cannot be had "
                    f"(without a registry: --images offline): {error}"
                ) from None
        if any(service.get("build") for service in services.values()):
            self._run("build --quiet", EngineError, timeout=SLOW)
        cleaner = next(iter(wanted), None)
        if cleaner:
            (self._owner.folder / ownership.CLEANER).write_text(cleaner, encoding="utf-8")
        self.stand_ins = tuple(dict.fromkeys(self._stand_ins(wanted)))

    def _stand_ins(self, images: Collection[str]) -> Iterator[str]:
        """What the labels of the images say, and the map."""
        labelled: set[str] = set()
        for image in images:
            for told in self._engine.inspect("image", [image]):
                labels = (told.get("Config") or {}).get("Labels") or {}
                if real := labels.get("pqrs.stands-in-for"):
                    labelled.add(image)
                    yield f"{labels.get('pqrs.stand-in', image)} stands in for {real}"
        for service, entry in self._generated.images.items():
            if entry.stands_in_for and entry.image not in labelled:
                yield f"{self._resolved(service).get('image')}: {entry.stands_in_for}"
        for service, why in self._generated.left_out.items():
            yield f"{service} was left out: {why}"

    def _start(self) -> None:
        try:
            self._up(attempts=UPS)
        except StackError as error:
            self._trouble = error
        finally:
            self._started.set()

    def _up(self, rest: str = "", attempts: int = 1) -> None:
        """``docker compose up``. What it says of a service that did not start is kept as a log.

        A service that takes longer on this machine than its author's health check allows keeps those that wait for it
        from starting; whoever calls ``up`` again when it is healthy has them. So does this, ``attempts`` times.

        Raises:
            StackError: it is not the model that keeps a service from starting.
        """
        for attempt in range(attempts):
            try:
                return self._run(f"up --detach --no-build --pull never {rest}", NotStartedError)
            except NotStartedError as error:
                with (self._owner.folder / f"{UP_LOG}.log").open("a", encoding="utf-8") as log:
                    log.write(error.said)
                if NOT_THE_AUTHORS.search(error.said):
                    raise StackError(f"the stack cannot be started: {one_line(error.said)[-500:]}") from None
                if attempt == attempts - 1 or not self._recovers():
                    return None
        return None

    def _recovers(self) -> bool:
        """Whether every service that runs becomes healthy after all."""

        def healthy() -> bool:
            running = [one for found in self._by_service().values() for one in found if one.state == "running"]
            return all(one.health in ("", "healthy") for one in running)

        return _until(lambda: self._closing or healthy(), RECOVERY) and not self._closing

    def _run(self, command: str, failure: type[EngineError], timeout: float = SLOW) -> None:
        """A command of Compose on this run's own model, through pytest-docker.

        Raises:
            failure: Compose ended with an error.
            StackError: the engine is gone, the disk is full, or the stack is being stopped.
        """
        with self._turn:
            if self._closing:
                raise StackError(STOPPING)
            try:
                self._compose.execute(f"--progress plain {command}")
            except Exception as error:  # pytest-docker raises just that
                said = str(error).partition('"""')[2].removesuffix('""".')
                complain(said)
                raise failure(f"docker compose {command.split()[0]}", said) from None

    # --- what base.Stack promises -------------------------------------------------------------------------------------

    def roles(self) -> dict[Role, tuple[str, ...]]:
        return dict(self._services)

    def endpoint(self, role: Role, port: str = "main") -> Endpoint:
        self._wait(role)
        if role in (Role.DASK_WORKER, Role.PREFECT_WORKER):
            raise Unavailable(f"the kit does not reach {role} from outside; it listens for its own network only")
        return self._endpoint(role, port)

    def _endpoint(self, role: Role, port: str = "main") -> Endpoint:
        service = self._service(role)
        ports = access.container_ports(role, self._resolved(service), self._request.source)
        if port not in ports:
            raise Unavailable(f"{service} has no port {port!r}")
        scheme = SCHEMES.get(role, "http") if port == "main" else "http"
        return Endpoint(role, service, scheme, HOST, self._ports[service][ports[port]])

    def postgres(self) -> PostgresAccess:
        return self._postgres(self.endpoint(Role.POSTGRES))

    def _postgres(self, endpoint: Endpoint) -> PostgresAccess:
        told = access.postgres(self._reading.model, endpoint.service, self._request.source)
        return PostgresAccess(endpoint.host, endpoint.port, told.user, told.database, told.password)

    def object_store(self) -> ObjectStoreAccess:
        endpoint = self.endpoint(Role.OBJECT_STORE)
        told = access.object_store(self._reading.model, endpoint.service, self._request.source)
        return ObjectStoreAccess(endpoint.url, told.access_key, told.secret_key, told.region)

    def grafana(self) -> GrafanaAccess:
        endpoint = self.endpoint(Role.GRAFANA)
        told = access.grafana(self._reading.model, endpoint.service, self._request.source)
        return GrafanaAccess(endpoint.url, told.user, told.password)

    def secrets(self) -> frozenset[str]:
        return self._reading.secrets

    def logs(self) -> dict[str, Path]:
        """The logs of every service so far, those of containers that were thrown away first."""
        folder = self._owner.folder / "logs"
        folder.mkdir(exist_ok=True)
        with contextlib.suppress(StackError):
            for service, containers in self._by_service().items():
                part = folder / f"{service}.{threading.get_ident()}.part"  # others may be reading the log
                with part.open("wb") as log:
                    before = self._owner.folder / "logs-before" / f"{service}.log"
                    log.write(before.read_bytes() if before.exists() else b"")
                    log.flush()
                    for container in containers:
                        self._engine.write_logs(container.id, log, LOG_LINES)
                part.replace(folder / f"{service}.log")
        logs = {path.stem: path for path in sorted(folder.glob("*.log"))}
        up = self._owner.folder / f"{UP_LOG}.log"
        return logs | ({UP_LOG: up} if up.exists() else {})

    def source(self) -> Path:
        return self._request.source

    def compose(self) -> ComposeModel:
        return self._reading.model

    # --- containers ---------------------------------------------------------------------------------------------------

    def containers(self) -> tuple[Container, ...]:
        if self._services:
            self._wait_until_started()
        by_service = self._by_service()
        order = [name for name in self._reading.model.resolved.get("services", {}) if name in by_service]
        return tuple(container for service in order for container in by_service[service])

    def _by_service(self) -> dict[str, list[Container]]:
        found: dict[str, list[Container]] = {}
        for told in self._engine.inspect("container", self._engine.listed("container", **self._mine())):
            labels, state = told["Config"]["Labels"], told["State"]
            service = labels.get("com.docker.compose.service", "")
            if labels.get("com.docker.compose.oneoff") != "True":
                found.setdefault(service, []).append(
                    Container(
                        id=told["Id"],
                        name=told["Name"].lstrip("/").removeprefix(f"{self._owner.project}-"),
                        service=service,
                        state=state["Status"],
                        exit_code=state["ExitCode"],
                        restarts=told["RestartCount"],
                        health=(state.get("Health") or {}).get("Status", ""),
                        error=state.get("Error", ""),
                    )
                )
        return {service: sorted(containers, key=lambda one: one.name) for service, containers in found.items()}

    def _mine(self) -> dict[str, str]:
        return {RUN: self._owner.marker}

    def inspect(self, container: str) -> Mapping[str, Any]:
        told = self._engine.inspect("container", [container])
        if not told:
            raise Unavailable("the container is not there any more")
        return told[0]

    def execute(
        self, service: str, argv: Sequence[str], *, stdin: bytes = b"", env: Mapping[str, str] | None = None,
        timeout: float = 30.0, container: str | None = None,
    ) -> Executed:  # fmt: skip
        if container is None:
            running = [one for one in self._by_service().get(service, ()) if one.state == "running"]
            if not running:
                raise Unavailable(f"{service} has no running container")
            container = running[0].id
        variables = [word for name, value in (env or {}).items() for word in ("--env", f"{name}={value}")]
        return self._engine.attempt(
            ["exec", "--interactive", *variables, container, *argv], stdin=stdin, timeout=timeout
        )

    # --- disruptions --------------------------------------------------------------------------------------------------

    def restart(self, role: Role) -> None:
        services = shlex.join(self._services[role])
        self._run(f"restart --timeout 10 {services}", EngineError)
        self._wait_again(role)

    def kill_one(self, role: Role) -> str:
        """Kill a container; wait until Dask's scheduler has lost its worker."""
        victim = next((one for one in reversed(self._containers_of(role)) if one.state == "running"), None)
        if victim is None:
            raise Unavailable(f"no container of {role} is left to kill")
        before = self._ready_of(Role.DASK_SCHEDULER).workers()
        self._killed.append(victim.id)
        self._engine.run("kill", victim.id)

        def noticed() -> bool:
            now = self._ready_of(Role.DASK_SCHEDULER).workers()
            return before is None or (now is not None and now < before)

        _until(noticed, NOTICE)
        return victim.name

    def heal(self) -> None:
        while self._killed:
            self._engine.run("start", self._killed.pop())
        self._wait_again(Role.DASK_WORKER)

    def recreate(self, services: Sequence[str], *, wipe: bool = False) -> None:
        states = {service: list(self._state(service)) for service in services} if wipe else {}
        self._keep_logs(services)
        names = shlex.join(services)
        if wipe:
            self._run(f"rm --stop --force --volumes {names}", EngineError)
        kept = [service for service, state in states.items() if not self._empty(service, state)]
        self._up(f"--no-deps --force-recreate --timeout 10 {names}")
        for role, mine in self._services.items():
            if set(mine) & set(services):
                self._wait_again(role)
        if kept:
            raise Unavailable(f"the state of {', '.join(kept)} could not be removed")

    def _state(self, service: str) -> Iterator[str]:
        """The volumes of a service and the folders that hold its state, as ``docker run --mount`` names them.

        Raises:
            Unavailable: what plays another role keeps its state there as well.
        """
        players = {one: role for role, mine in self._services.items() for one in mine}
        services = self._generated.document["services"]
        mounted = {
            name: {mount.get("source") for mount in one.get("volumes", []) if mount.get("type") == "volume"} - {None}
            for name, one in services.items()
        }
        for volume in sorted(mounted[service]):
            for other, volumes in mounted.items():
                if volume in volumes and players.get(other, players.get(service)) != players.get(service):
                    raise Unavailable(f"the state of {service} lies in {volume}, which {other} uses as well")
            yield f"type=volume,source={self._owner.project}_{volume}"
        for folder in self._staging.state.get(service, ()):
            yield f"type=bind,source={folder}"

    def _empty(self, service: str, state: Sequence[str]) -> bool:
        """Whether nothing is left in the mounts; done in a container, since others may hold them and own the files."""
        image = self._generated.document["services"][service]["image"]
        return all(
            self._engine.attempt(
                ["run", "--rm", "--network=none", "--user=0", "--entrypoint=/bin/sh",
                 "--mount", f"{mount},target=/conformance", image, "-c", "find /conformance -mindepth 1 -delete"],
            ).ok
            for mount in state
        )  # fmt: skip

    def down_and_up(self) -> None:
        self._keep_logs(list(self._generated.document["services"]))
        with (self._owner.folder / ownership.ORPHANS).open("a", encoding="utf-8") as orphans:
            orphans.write("".join(f"{volume}\n" for volume in self._nameless_volumes()))
        self._run("down --timeout 10", EngineError)
        self._prepared = False
        self._up(attempts=UPS)
        for role in self._services:
            self._wait_again(role)

    def _nameless_volumes(self) -> list[str]:
        """The volumes that images declare and nobody named: Compose gives them no label."""
        told = self._engine.inspect("container", self._engine.listed("container", **self._mine()))
        mounts = [mount for container in told for mount in container.get("Mounts") or ()]
        names = [str(mount.get("Name", "")) for mount in mounts if mount.get("Type") == "volume"]
        return [name for name in names if re.fullmatch(r"[0-9a-f]{64}", name)]

    def scale(self, service: str, containers: int) -> None:
        self._run(
            f"up --detach --no-build --pull never --no-deps --no-recreate --scale {shlex.quote(service)}={containers} "
            f"{shlex.quote(service)}",
            EngineError,
        )

    def _keep_logs(self, services: Sequence[str]) -> None:
        """Containers take their logs with them."""
        folder = self._owner.folder / "logs-before"
        folder.mkdir(exist_ok=True)
        for service, containers in self._by_service().items():
            if service in services:
                with (folder / f"{service}.log").open("ab") as log:
                    for container in containers:
                        self._engine.write_logs(container.id, log, LOG_LINES)

    @contextlib.contextmanager
    def second_postgres(self) -> Iterator[PostgresAccess]:
        """Another server of the same image, with nothing in it and without the author's init scripts."""
        service = self._generated.document["services"][self._service(Role.POSTGRES)]
        port, password = self._block.take(), secrets.token_hex(16)
        labels = [f"--label={name}={value}" for name, value in {**self._mine(), **self._owner.labels}.items()]
        container = self._engine.run(
            "run", "--detach", *labels, "--label=com.docker.compose.oneoff=True",
            "--env", f"POSTGRES_PASSWORD={password}", "--env", f"POSTGRESQL_PASSWORD={password}",
            "--publish", f"{HOST}:{port}:5432", service["image"],
        ).strip()  # fmt: skip
        try:
            found = PostgresAccess(HOST, port, "postgres", "postgres", password)
            if not _until(lambda: Ready.of_postgres(found), NOTICE):
                raise Unavailable("a throw-away PostgreSQL of the same image does not answer")
            yield found
        finally:
            self._engine.attempt(["rm", "--force", "--volumes", container])
            self._block.give_back(port)

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _wait(self, role: Role) -> None:
        """Until ``role`` answers and the jobs have had their time, or nothing more can be expected of it.

        Raises:
            AbsentRole: the deployment has no such service.
            StackError: the deployment is lost.
        """
        self._service(role)
        deadline: float | None = None
        answered: float | None = None
        while not self._ready.get(role):
            if self._trouble:
                raise StackError(str(self._trouble)) from self._trouble
            if self._closing:
                raise StackError(STOPPING)
            if self._answers(role):
                answered = answered or time.monotonic()
                if self._are_jobs_done() or time.monotonic() > answered + JOBS:
                    self._ready[role] = True
                else:
                    time.sleep(POLL)
            elif self._started.is_set():
                deadline = deadline or time.monotonic() + self._request.timeout
                if time.monotonic() > deadline or self._is_hopeless(role):
                    self._ready[role] = True  # as ready as it gets
                    self._given_up.add(role)
                    return
                time.sleep(POLL)
            else:
                self._started.wait(POLL)

    def _wait_again(self, role: Role) -> None:
        self._ready.pop(role, None)
        self._given_up.discard(role)
        self._wait(role)

    def _wait_until_started(self) -> None:
        self._started.wait()
        if self._trouble:
            raise StackError(str(self._trouble)) from self._trouble

    def _is_hopeless(self, role: Role) -> bool:
        """No container of the role runs or will, they do nothing but start again, or who tells of them does not."""
        if SERVERS.get(role) in self._given_up:
            return True
        containers = self._containers_of(role)
        gone = all(one.state in ("exited", "dead", "created") for one in containers)
        return gone or all(one.restarts >= HOPELESS for one in containers)

    def _are_jobs_done(self) -> bool:
        """What the author's jobs prepare (schemas, buckets, flows) is there, or they will not do it any more."""
        if not self._prepared and self._started.is_set():
            by_service = self._by_service()
            containers = [one for name in self._jobs for one in by_service.get(name, ())]
            self._prepared = not any(
                one.state in ("running", "restarting") and one.restarts < HOPELESS for one in containers
            )
        return self._prepared or not self._jobs

    def _answers(self, role: Role) -> bool:
        if server := SERVERS.get(role):
            if server not in self._services or not self._answers(server):
                return False
            if role is Role.PREFECT_WORKER:
                return self._ready_of(server).has_a_worker()
            expected = len([one for one in self._containers_of(role) if one.state == "running"])
            return 0 < expected <= (self._ready_of(server).workers() or 0)
        return self._ready_of(role).answers()

    def _containers_of(self, role: Role) -> list[Container]:
        by_service = self._by_service()
        return [one for service in self._services.get(role, ()) for one in by_service.get(service, ())]

    def _ready_of(self, role: Role) -> Ready:
        endpoint = self._endpoint(role)
        dashboard = None
        with contextlib.suppress(Unavailable):
            dashboard = self._endpoint(role, "dashboard")
        return Ready(endpoint, dashboard, lambda: self._postgres(endpoint))

    def _service(self, role: Role) -> str:
        services = self._services.get(role)
        if not services:
            raise AbsentRole(f"the Compose file has no service that is a {role}")
        return services[0]

    def _resolved(self, service: str) -> Mapping[str, Any]:
        told: Mapping[str, Any] = self._reading.model.resolved["services"][service]
        return told


class NotStartedError(EngineError):
    """Some services were not started; ``said`` has Compose's words."""


def _until(condition: Callable[[], bool], within: float) -> bool:
    """Whether ``condition`` comes true in so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True
