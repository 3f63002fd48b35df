"""What a deployment is to the kit: roles at endpoints, and what it lets us see and do.

A stack knows how to reach a deployment and nothing of guarantees. It is a context manager: entering starts or attaches,
leaving ends whatever it started.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self


class Capability(enum.StrEnum):
    """What a stack lets the kit see or do."""

    SOURCE = "source"  # the repository's files
    COMPOSE = "compose"  # the Compose model, as authored and as resolved
    ENDPOINTS = "endpoints"  # the services over the network
    CONTAINERS = "containers"  # inspect and exec
    RESTART = "restart"  # stop a service and start it again on the same state
    KILL = "kill"  # end one process of a service without warning
    DISRUPT = "disrupt"  # also throw containers away and make them again from their volumes


class Plane(enum.StrEnum):
    """The four planes of ADR-0001."""

    CONTROL = "control"
    DATA = "data"
    COMPUTE = "compute"
    SERVING = "serving"


class Role(enum.StrEnum):
    """What a service is in the architecture."""

    POSTGRES = "postgres"
    OBJECT_STORE = "object_store"
    DASK_SCHEDULER = "dask_scheduler"
    DASK_WORKER = "dask_worker"
    PREFECT_SERVER = "prefect_server"
    PREFECT_WORKER = "prefect_worker"
    PROMETHEUS = "prometheus"
    GRAFANA = "grafana"
    OTHER = "other"


@dataclass(frozen=True)
class Endpoint:
    """Where one port of a service answers, seen from the kit."""

    role: Role
    service: str  # the service's own name in the deployment, for messages
    scheme: str  # "postgresql" | "http" | "tcp"
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True)
class PostgresAccess:
    """Credentials as the deployment configured them; ``host`` and ``port`` as the kit reaches them."""

    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)

    def dsn(self, database: str | None = None) -> str:
        """A libpq connection string (quoted by psycopg)."""
        from psycopg.conninfo import make_conninfo

        return make_conninfo(
            host=self.host, port=self.port, user=self.user, password=self.password,
            dbname=database or self.database, connect_timeout=5,
        )  # fmt: skip


@dataclass(frozen=True)
class ObjectStoreAccess:
    """An S3 endpoint with the keys that the deployment configured."""

    endpoint_url: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"


@dataclass(frozen=True)
class GrafanaAccess:
    """Grafana's address, and its administrator as the deployment configured it."""

    url: str
    user: str
    password: str = field(repr=False)


class Certainty(enum.StrEnum):
    """How sure it is that a service plays a role."""

    DECLARED = "declared"  # the author says so: conformance.toml or a label
    SURE = "sure"  # by its image or its command
    LIKELY = "likely"  # by its ports, its environment or its name


@dataclass(frozen=True)
class Finding:
    """A service that plays a role, and by what one knows."""

    service: str
    role: Role
    certainty: Certainty
    reason: str  # one line, in English: "image postgis/postgis"


@dataclass(frozen=True)
class ComposeModel:
    """A repository's Compose model. Whatever it says is the author's: the kit's own changes are not in it.

    ``raw`` is the YAML as it is written, ``authored`` what ``docker compose config --no-interpolate`` makes of it (all
    profiles, ``${…}`` kept), ``resolved`` the same with the values of the env file (all profiles, ``$$`` undone, bind
    sources absolute). All are empty when there is no file; ``authored`` and ``resolved`` when it does not resolve.
    """

    file: str = ""  # relative to the repository's root; empty: none was found
    problem: str = ""  # why it does not resolve, in Compose's own words with file and line; empty: it does
    raw: Mapping[str, Any] = field(default_factory=dict)
    authored: Mapping[str, Any] = field(default_factory=dict, repr=False)
    resolved: Mapping[str, Any] = field(default_factory=dict, repr=False)
    env_file: str = ""  # whose values were taken, relative where it is of the repository; empty: there is none
    env_generated: tuple[str, ...] = ()  # variables whose empty or placeholder value the kit replaced
    env_example: str = ""  # the file that documents the variables (.env.example, .template, .sample)
    env_documented: tuple[str, ...] = ()  # the variables that it names
    findings: tuple[Finding, ...] = ()

    def services_of(self, role: Role) -> tuple[str, ...]:
        """The services that play ``role``, in the model's order."""
        return tuple(finding.service for finding in self.findings if finding.role is role)


@dataclass(frozen=True)
class Container:
    """A container of the deployment, running or not."""

    id: str
    name: str
    service: str
    state: str  # created | running | paused | restarting | exited | dead
    exit_code: int
    restarts: int
    health: str  # healthy | unhealthy | starting; empty: it has no health check
    error: str = ""  # what the engine says of why it did not start


@dataclass(frozen=True)
class Executed:
    """How a command inside a container ended."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0


class StackError(Exception):
    """The deployment cannot be brought up or reached for a reason that is not the subject's: exit 2, one line."""


class Unavailable(Exception):  # noqa: N818 - a state of the world, not an error
    """This stack cannot have what was asked for (a binary is not installed, say): what needs it is unobservable."""


class AbsentRole(Unavailable):
    """The deployment has no service of that role, though it could: that is a promise of its own (CMP-01)."""


class Stack(ABC):
    """A deployment that can be observed. Thread-safe: observers run in parallel."""

    kind: str  # "compose" | "embedded" | "attached" | "static"; a recorded one has the kind that it was recorded from
    capabilities: frozenset[Capability]
    stand_ins: tuple[str, ...] = ()  # components that stand in for the real ones, in words for the report
    left_out: Mapping[str, str] = MappingProxyType({})  # services that this stack does not run, and why
    runs_reference: bool = False  # its Dask and Prefect workers can import pqrs_lakehouse
    direct: bool = False  # the kit reaches its services by the very ports by which people do

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @abstractmethod
    def roles(self) -> dict[Role, tuple[str, ...]]:
        """The services found for each role, by their names in the deployment."""

    @abstractmethod
    def endpoint(self, role: Role, port: str = "main") -> Endpoint:
        """Where ``role`` answers; waits until it does or its patience ends, and then answers all the same.

        Ports: ``main`` everywhere; besides, ``dashboard`` (HTTP) of the Dask scheduler and ``console`` of the store.

        Raises:
            Unavailable: this stack cannot have that role or port; the reason is for the report.
            StackError: the deployment broke for a reason that is not the subject's.
        """

    @abstractmethod
    def postgres(self) -> PostgresAccess:
        """Waits like :meth:`endpoint`."""

    @abstractmethod
    def object_store(self) -> ObjectStoreAccess:
        """Waits like :meth:`endpoint`."""

    @abstractmethod
    def secrets(self) -> frozenset[str]:
        """Every secret value of the deployment, so that no fact or log shows one."""

    @abstractmethod
    def logs(self) -> dict[str, Path]:
        """Log files by service name."""

    @abstractmethod
    def source(self) -> Path:
        """The checked repository's root (capability ``source``)."""

    def grafana(self) -> GrafanaAccess:
        """Waits like :meth:`endpoint`."""
        endpoint = self.endpoint(Role.GRAFANA)
        return GrafanaAccess(endpoint.url, "admin", "admin")

    # --- capability ``compose``

    def compose(self) -> ComposeModel:
        raise Unavailable(f"a {self.kind} stack has no Compose model")

    # --- capability ``containers``

    def containers(self) -> tuple[Container, ...]:
        """Every container of the deployment as it is now, in the order of the model; jobs that have ended as well."""
        raise Unavailable(f"a {self.kind} stack has no containers")

    def inspect(self, container: str) -> Mapping[str, Any]:
        """What the engine knows of a container (``docker inspect``), by its id."""
        raise Unavailable(f"a {self.kind} stack has no containers")

    def execute(
        self, service: str, argv: Sequence[str], *, stdin: bytes = b"", env: Mapping[str, str] | None = None,
        timeout: float = 30.0, container: str | None = None,
    ) -> Executed:  # fmt: skip
        """Run a command in a running container of ``service`` (the first, or the one of that id), without a shell.

        A command that is not there ends with 126 or 127, one that takes longer than ``timeout`` seconds with 124.

        Raises:
            Unavailable: the service has no running container.
        """
        raise Unavailable(f"a {self.kind} stack has no containers")

    # --- capability ``disrupt``

    def recreate(self, services: Sequence[str], *, wipe: bool = False) -> None:
        """Throw the services' containers away and make them again; ``wipe``: with empty state. Then wait for them.

        Nobody else may use them meanwhile. What does not come back is for the caller to see.

        Raises:
            Unavailable: their state cannot be removed, or is another's as well.
        """
        raise Unavailable(f"a {self.kind} stack cannot recreate containers")

    def down_and_up(self) -> None:
        """The whole deployment down, its volumes kept, and up again. Then wait for it like :meth:`recreate`."""
        raise Unavailable(f"a {self.kind} stack cannot be taken down and up")

    def scale(self, service: str, containers: int) -> None:
        """So many containers of ``service``, as ``up --scale`` would make them of the author's own model.

        Raises:
            StackError: the engine refuses, in its own words.
        """
        raise Unavailable(f"a {self.kind} stack cannot scale services")

    # --- capabilities ``restart`` and ``kill``

    def restart(self, role: Role) -> None:
        """Stop and start ``role`` on the same state and wait until it is ready (capability ``restart``)."""
        raise Unavailable(f"a {self.kind} stack cannot restart {role}")

    def kill_one(self, role: Role) -> str:
        """Kill one process of ``role`` without warning and name it (capability ``kill``). :meth:`heal` mends that."""
        raise Unavailable(f"a {self.kind} stack cannot kill {role}")

    def second_postgres(self) -> AbstractContextManager[PostgresAccess]:
        """A throw-away PostgreSQL server of the same make, with an empty database; gone when the context ends."""
        raise Unavailable(f"a {self.kind} stack has no throw-away PostgreSQL")

    def heal(self) -> None:
        """Bring back what :meth:`kill_one` ended and wait until it is ready.

        Raises:
            StackError: it did not come back.
        """
        raise Unavailable(f"a {self.kind} stack cannot bring anything back")
