"""What a deployment is to the kit: roles at endpoints, and what it lets us see and do.

A stack knows how to reach a deployment and nothing of guarantees. It is a context manager: entering starts or attaches,
leaving ends whatever it started.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self


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


class StackError(Exception):
    """The deployment cannot be brought up or reached for a reason that is not the subject's: exit 2, one line."""


class Unavailable(Exception):  # noqa: N818 - a state of the world, not an error
    """This stack cannot have what was asked for (a binary is not installed, say): what needs it is unobservable."""


class Stack(ABC):
    """A deployment that can be observed. Thread-safe: observers run in parallel."""

    kind: str  # "compose" | "embedded" | "attached" | "static"; a recorded one has the kind that it was recorded from
    capabilities: frozenset[Capability]
    stand_ins: tuple[str, ...] = ()  # components that stand in for the real ones, in words for the report
    runs_reference: bool = False  # its Dask and Prefect workers can import pqrs_lakehouse

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
