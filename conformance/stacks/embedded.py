"""The reference stack as child processes on loopback ports: for machines without a container engine.

Everything starts in parallel, with ports and credentials of its own. Whoever asks for a role waits for that role only.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from conformance.stacks import clusters, scraping, services
from conformance.stacks.base import (
    Capability,
    Endpoint,
    ObjectStoreAccess,
    PostgresAccess,
    Role,
    Stack,
    StackError,
    Unavailable,
)
from conformance.stacks.ports import HOST, AskedPort, PortBlock, asked_ports
from conformance.stacks.processes import Child, Command, Processes, tail

if TYPE_CHECKING:
    from pqrs_lakehouse.settings import Settings

TIMEOUT = (
    180.0  # seconds until a service that does not answer is given up: a cold first start on a slow disk is a minute
)
POLL = 0.05  # seconds between two questions whether a service answers
ATTEMPTS = 3  # starts of a service that finds its port taken
DATABASE = USER = "pqrs"
WORKERS = ("dask-worker-1", "dask-worker-2")
PORTS = ("POSTGRES_PORT", "S3_PORT", "DASK_SCHEDULER_PORT", "DASK_DASHBOARD_PORT", "PREFECT_PORT", "PROMETHEUS_PORT")
SERVICES: dict[Role, tuple[str, ...]] = {
    Role.POSTGRES: ("postgres",),
    Role.OBJECT_STORE: ("seaweedfs",),
    Role.DASK_SCHEDULER: ("dask-scheduler",),
    Role.DASK_WORKER: WORKERS,
    Role.PREFECT_SERVER: ("prefect-server",),
    Role.PREFECT_WORKER: ("prefect-worker",),
    Role.PROMETHEUS: ("prometheus",),
}
ABSENT = {
    Role.PROMETHEUS: "prometheus is not on PATH",
    Role.GRAFANA: "the embedded stack runs no Grafana: grafana-server is not on PATH",
}
PROMETHEUS_CONFIG = Path("infra", "prometheus", "prometheus.yml")
RESTARTABLE = (Role.POSTGRES, Role.OBJECT_STORE)
RESTART_PATIENCE = 10.0  # seconds, as Docker gives a container
PORT_TAKEN = re.compile(r"address already in use|port \S+ is already in use|EADDRINUSE", re.IGNORECASE)


@dataclass(frozen=True)
class Plan:
    """What a role is started with, where it will answer, and what tells that it does."""

    commands: Sequence[Command]
    endpoints: Mapping[str, Endpoint]
    answers: Callable[[], bool]
    initialise: Callable[[], object] = bool  # what is done once, when it answers for the first time


@dataclass
class Running:
    """A role that has answered."""

    plan: Plan
    children: list[Child]


class EmbeddedStack(Stack):
    """PostgreSQL, SeaweedFS, Dask, Prefect and (where it is installed) Prometheus, for as long as the context lasts."""

    kind = "embedded"
    capabilities = frozenset({Capability.SOURCE, Capability.ENDPOINTS, Capability.RESTART, Capability.KILL})
    stand_ins: tuple[str, ...] = ("SeaweedFS stands in for RustFS",)
    runs_reference = True

    def __init__(
        self, source: Path, env_file: Path | None = None, keep: bool = False, timeout: float = TIMEOUT
    ) -> None:
        self._source = source.resolve()
        self._env_file = env_file
        self._keep = keep
        self._timeout = timeout
        self._asked: dict[str, AskedPort] = {}
        self._roles: dict[Role, Future[Running]] = {}
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._failure: StackError | None = None
        self._password = secrets.token_urlsafe(24)
        self._access_key = secrets.token_hex(10).upper()
        self._secret_key = secrets.token_urlsafe(30)
        self._second_password = secrets.token_urlsafe(24)
        self._prometheus = shutil.which("prometheus")
        if self._prometheus:
            self.stand_ins = (*self.stand_ins, "the kit's exporter stands in for postgres_exporter")

    # --- life ---------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start everything and return at once.

        Raises:
            StackError: a binary is missing, or the env file fixes a port that cannot be had.
        """
        clusters.installation()
        services.weed_binary()
        services.require_modules()
        if self._env_file:
            self._asked = asked_ports(self._env_file, PORTS)
        with contextlib.ExitStack() as cleanup:
            self._block = cleanup.enter_context(PortBlock())
            cleanup.callback(self._join)
            self._processes = Processes(self._keep)
            cleanup.callback(self._processes.close)
            cleanup.callback(self._stopping.set)
            self._scheduler_file = self._processes.directory / "scheduler.json"
            self._prefect_is_up = self._processes.directory / "prefect-is-up"
            prefect_port = self._port("PREFECT_PORT")
            self._prefect = Endpoint(Role.PREFECT_SERVER, "prefect-server", "http", HOST, prefect_port)
            plans: dict[Role, Callable[[], Plan]] = {
                Role.PREFECT_SERVER: self._plan_prefect_server,  # the slowest
                Role.OBJECT_STORE: self._plan_object_store,
                Role.POSTGRES: self._plan_postgres,
                Role.DASK_SCHEDULER: self._plan_scheduler,
                Role.DASK_WORKER: self._plan_workers,
                Role.PREFECT_WORKER: self._plan_prefect_worker,
            }
            if self._prometheus:
                plans[Role.PROMETHEUS] = self._plan_prometheus
            self._roles = {role: Future() for role in plans}
            for role, plan in plans.items():
                thread = threading.Thread(target=self._bring_up, args=(role, plan), name=f"start-{role}")
                self._threads.append(thread)
                thread.start()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _bring_up(self, role: Role, plan: Callable[[], Plan]) -> None:
        try:
            self._roles[role].set_result(self._launch(plan))
        except Exception as error:
            if not self._stopping.is_set():
                self._fail(error if isinstance(error, StackError) else StackError(f"{role} did not start: {error!r}"))
            self._roles[role].set_exception(self._failure or error)

    def _fail(self, error: StackError) -> None:
        """A service that does not start ends the others: without it the stack is of no use."""
        self._failure = error
        self._stopping.set()
        self._processes.end_all()

    def _launch(self, plan: Callable[[], Plan]) -> Running:
        """Start what is planned and wait until it answers; plan again when a port was taken meanwhile."""
        for attempt in range(ATTEMPTS):
            planned = plan()
            children = [self._processes.start(command) for command in planned.commands]
            try:
                self._wait(children, planned.answers)
            except StackError as error:
                if attempt + 1 == ATTEMPTS or not PORT_TAKEN.search(str(error)) or self._stopping.is_set():
                    raise
                self._processes.end(children)
            else:
                planned.initialise()
                return Running(planned, children)
        raise AssertionError("the last attempt returns or raises")

    def _wait(self, children: Sequence[Child], answers: Callable[[], bool]) -> None:
        """Until ``answers``.

        Raises:
            StackError: a process ended, or the patience did; with the end of its log.
        """
        deadline = time.monotonic() + self._timeout
        while not answers():
            for child in children:
                if not child.running():
                    raise StackError(
                        f"{child.command.service} ended with {child.process.returncode} while it started; "
                        f"its log ends with:\n{tail(child.log, self.secrets())}"
                    )
            if time.monotonic() > deadline:
                names = ", ".join(child.command.service for child in children)
                ends = "\n".join(tail(child.log, self.secrets()) for child in children)
                raise StackError(f"{names} did not answer within {self._timeout:.0f} s; the log ends with:\n{ends}")
            if self._stopping.wait(POLL):
                raise StackError("the stack is being stopped")

    def _port(self, variable: str) -> int:
        asked = self._asked.get(variable)
        return asked.port if asked else self._block.take()

    # --- plans --------------------------------------------------------------------------------------------------------

    def _plan_postgres(self) -> Plan:
        access = PostgresAccess(HOST, self._port("POSTGRES_PORT"), USER, DATABASE, self._password)
        command = clusters.create(self._processes, "postgres", access)
        endpoint = Endpoint(Role.POSTGRES, "postgres", "postgresql", HOST, access.port)
        return Plan(
            [command],
            {"main": endpoint},
            answers=lambda: services.postgres_answers(access),
            initialise=lambda: self._initialise(access),
        )

    def _initialise(self, access: PostgresAccess) -> None:
        """Make the database and apply the reference's script. Its failure is for observers to see, and in the log."""
        import psycopg
        from psycopg import sql

        from pqrs_lakehouse import warehouse

        with psycopg.connect(access.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(access.database)))
        try:
            warehouse.init_db(self._settings(access, services.NOWHERE))
        except Exception as error:
            self._processes.note("postgres", f"psql:init-postgres.sql: ERROR: {error}")

    def _plan_object_store(self) -> Plan:
        port = self._port("S3_PORT")
        endpoint = Endpoint(Role.OBJECT_STORE, "seaweedfs", "http", HOST, port)
        access = ObjectStoreAccess(endpoint.url, self._access_key, self._secret_key)
        metrics = replace(endpoint, port=self._block.take())
        command = services.seaweedfs(self._processes, "seaweedfs", access, port, metrics.port, self._block)
        endpoints = {"main": endpoint, "metrics": metrics}
        return Plan([command], endpoints, lambda: services.object_store_answers(access))

    def _plan_scheduler(self) -> Plan:
        main = Endpoint(Role.DASK_SCHEDULER, "dask-scheduler", "tcp", HOST, self._port("DASK_SCHEDULER_PORT"))
        dashboard = replace(main, scheme="http", port=self._port("DASK_DASHBOARD_PORT"))
        command = services.dask_scheduler(
            self._processes, "dask-scheduler", main.port, dashboard.port, self._scheduler_file
        )
        answers = services.Scheduler(main.url, dashboard.url).answers
        return Plan([command], {"main": main, "dashboard": dashboard}, answers)

    def _plan_workers(self) -> Plan:
        dashboards = {name: self._block.take() for name in WORKERS}
        commands = [
            services.dask_worker(self._processes, name, port, self._scheduler_file) for name, port in dashboards.items()
        ]
        endpoints = {name: Endpoint(Role.DASK_WORKER, name, "http", HOST, port) for name, port in dashboards.items()}
        return Plan(
            commands, {"main": endpoints[WORKERS[0]], **endpoints}, lambda: self._scheduler().workers() >= set(WORKERS)
        )

    def _scheduler(self) -> services.Scheduler:
        endpoints = self._running(Role.DASK_SCHEDULER).plan.endpoints
        return services.Scheduler(endpoints["main"].url, endpoints["dashboard"].url)

    def _plan_prefect_server(self) -> Plan:
        url = self._prefect.url
        command = services.prefect_server(self._processes, "prefect-server", url, self._prefect.port)

        def initialise() -> None:
            services.make_pool(url)
            self._prefect_is_up.touch()

        return Plan([command], {"main": self._prefect}, lambda: services.prefect_answers(url), initialise)

    def _plan_prefect_worker(self) -> Plan:
        """The worker and the reference's deployment: started when Dask leaves them a processor."""
        url, gate, name = self._prefect.url, self._prefect_is_up, "prefect-worker"
        settings = self.settings()
        worker = services.prefect_worker(self._processes, name, url, gate)
        deploying = self._processes.start(
            services.deployment(self._processes, "prefect-deploy", url, gate, settings.to_env())
        )
        return Plan([worker], {}, answers=lambda: not deploying.running() and services.worker_is_online(url, name))

    def _plan_prometheus(self) -> Plan:
        assert self._prometheus
        port, exporter = self._port("PROMETHEUS_PORT"), self._block.take()
        own = Endpoint(Role.PROMETHEUS, "prometheus", "http", HOST, port)
        workers = self._running(Role.DASK_WORKER).plan.endpoints
        config = scraping.rewritten(
            self._source / PROMETHEUS_CONFIG,
            targets={
                "prometheus": [f"{HOST}:{port}"],
                "prefect": [f"{HOST}:{self._prefect.port}"],
                "postgres": [f"{HOST}:{exporter}"],
                "dask-scheduler": [f"{HOST}:{self.endpoint(Role.DASK_SCHEDULER, 'dashboard').port}"],
                "dask-worker": [f"{HOST}:{workers[name].port}" for name in WORKERS],
            },
            added={"seaweedfs": [f"{HOST}:{self.endpoint(Role.OBJECT_STORE, 'metrics').port}"]},
        )
        commands = [
            services.prometheus(self._processes, "prometheus", self._prometheus, port, config),
            services.postgres_exporter(self._processes, "postgres-exporter", exporter, self.postgres()),
        ]
        return Plan(commands, {"main": own}, lambda: services.prometheus_answers(own.url))

    # --- what base.Stack promises -------------------------------------------------------------------------------------

    def roles(self) -> dict[Role, tuple[str, ...]]:
        return {role: SERVICES[role] for role in self._roles}

    def endpoint(self, role: Role, port: str = "main") -> Endpoint:
        endpoints = self._running(role).plan.endpoints
        if port not in endpoints:
            raise Unavailable(f"{role} of the embedded stack has no port {port!r}")
        return endpoints[port]

    def postgres(self) -> PostgresAccess:
        endpoint = self.endpoint(Role.POSTGRES)
        return PostgresAccess(endpoint.host, endpoint.port, USER, DATABASE, self._password)

    def object_store(self) -> ObjectStoreAccess:
        return ObjectStoreAccess(self.endpoint(Role.OBJECT_STORE).url, self._access_key, self._secret_key)

    def secrets(self) -> frozenset[str]:
        return frozenset({self._password, self._second_password, self._access_key, self._secret_key})

    def logs(self) -> dict[str, Path]:
        return self._processes.logs()

    def source(self) -> Path:
        return self._source

    def settings(self) -> Settings:
        """How the lakehouse reaches this stack. Waits for the stores and for Dask, not for Prefect."""
        self._running(Role.DASK_WORKER)
        return self._settings(
            self.postgres(),
            self.object_store(),
            dask_scheduler_address=self.endpoint(Role.DASK_SCHEDULER).url,
            prefect_api_url=f"{self._prefect.url}/api",
        )

    def _settings(self, postgres: PostgresAccess, store: ObjectStoreAccess, **more: str) -> Settings:
        from pqrs_lakehouse.settings import Settings

        return Settings(
            postgres_host=postgres.host,
            postgres_port=postgres.port,
            postgres_user=postgres.user,
            postgres_password=postgres.password,
            postgres_db=postgres.database,
            s3_endpoint_url=store.endpoint_url,
            s3_access_key=store.access_key,
            s3_secret_key=store.secret_key,
            s3_region=store.region,
            **more,  # type: ignore[arg-type]
        )

    def _running(self, role: Role) -> Running:
        if role not in self._roles:
            raise Unavailable(ABSENT.get(role, f"the embedded stack has no {role}"))
        try:
            return self._roles[role].result()
        except Exception as error:
            raise StackError(str(self._failure or error)) from error

    def restart(self, role: Role) -> None:
        if role not in RESTARTABLE:
            super().restart(role)
        running = self._running(role)
        self._roles[role] = Future()
        try:
            self._processes.end(running.children, RESTART_PATIENCE)
            children = [self._processes.start(command) for command in running.plan.commands]
            self._wait(children, running.plan.answers)
        except Exception as error:
            self._roles[role].set_exception(error)
            raise
        self._roles[role].set_result(Running(running.plan, children))

    def kill_one(self, role: Role) -> str:
        """Kill a Dask worker, and its nanny, which would replace it; wait until the scheduler has lost it."""
        if role is not Role.DASK_WORKER:
            return super().kill_one(role)
        running = self._running(role)
        victim = next((child for child in reversed(running.children) if child.running()), None)
        if victim is None:
            raise StackError("no Dask worker is left to kill")
        self._processes.kill(victim)
        name = victim.command.service
        deadline = time.monotonic() + self._timeout
        while name in self._scheduler().workers() and time.monotonic() < deadline:
            self._stopping.wait(POLL)
        return name

    def heal(self) -> None:
        running = self._running(Role.DASK_WORKER)
        for index, child in enumerate(running.children):
            if not child.running():
                running.children[index] = self._processes.start(child.command)
        self._wait(running.children, running.plan.answers)

    @contextlib.contextmanager
    def second_postgres(self) -> Iterator[PostgresAccess]:
        """Another cluster of the same binaries, empty but for the database; gone when the context ends."""
        access = PostgresAccess(HOST, self._block.take(), USER, "postgres", self._second_password)
        child = self._processes.start(clusters.create(self._processes, "postgres-second", access))
        try:
            self._wait([child], lambda: services.postgres_answers(access))
            yield access
        finally:
            self._processes.end([child])


def reference_root() -> Path:
    """Where the reference's own repository is: what this stack runs when nothing else is named."""
    from pqrs_lakehouse.reference import root

    return root()
