"""The reference stack as child processes on loopback ports: for machines without a container engine.

Everything starts in parallel, with ports and credentials of its own. Whoever asks for a role waits for that role only.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

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
from conformance.stacks.launching import Launcher, Plan
from conformance.stacks.ports import HOST, AskedPort, PortBlock, asked_ports
from conformance.stacks.processes import Processes
from conformance.stacks.services import dask, postgres, prefect, prometheus, seaweedfs
from conformance.stacks.services.asking import answers, require

if TYPE_CHECKING:
    from pqrs_lakehouse.settings import Settings

TIMEOUT = 300.0  # seconds until a service that does not answer is given up; Prefect needs two minutes on a busy machine
DATABASE = USER = "pqrs"
WORKERS = ("dask-worker-1", "dask-worker-2")
SERVICES: dict[Role, tuple[str, ...]] = {
    Role.POSTGRES: ("postgres",),
    Role.OBJECT_STORE: ("seaweedfs",),
    Role.DASK_SCHEDULER: ("dask-scheduler",),
    Role.DASK_WORKER: WORKERS,
    Role.PREFECT_SERVER: ("prefect-server",),
    Role.PREFECT_WORKER: ("prefect-worker",),
    Role.PROMETHEUS: ("prometheus",),
}
PORTS = ("POSTGRES_PORT", "S3_PORT", "DASK_SCHEDULER_PORT", "DASK_DASHBOARD_PORT", "PREFECT_PORT", "PROMETHEUS_PORT")
PROMETHEUS_CONFIG = Path("infra", "prometheus", "prometheus.yml")
RESTARTABLE = (Role.POSTGRES, Role.OBJECT_STORE)


class EmbeddedStack(Stack):
    """PostgreSQL, SeaweedFS, Dask, Prefect and (where it is installed) Prometheus, for as long as the context lasts.

    Args:
        source: the repository that is checked; its Prometheus configuration is used.
        env_file: fixes ports, by the variables in :data:`PORTS`; everything else in it is left aside.
        keep: leave the stack's folders, with data and logs, where they are.
        timeout: seconds that each service may take to answer.
    """

    kind = "embedded"
    capabilities = frozenset({Capability.SOURCE, Capability.ENDPOINTS, Capability.RESTART, Capability.KILL})
    stand_ins: tuple[str, ...] = ("SeaweedFS stands in for RustFS",)
    runs_reference = True
    direct = True

    def __init__(
        self, source: Path, env_file: Path | None = None, keep: bool = False, timeout: float = TIMEOUT
    ) -> None:
        self._source = source.resolve()
        self._env_file = env_file
        self._keep = keep
        self._timeout = timeout
        self._asked: dict[str, AskedPort] = {}
        self._password = secrets.token_urlsafe(24)
        self._second_password = secrets.token_urlsafe(24)
        self._access_key = secrets.token_hex(10).upper()
        self._secret_key = secrets.token_urlsafe(30)
        self._absent = {Role.GRAFANA: "the embedded stack runs no Grafana: pip has no package of it"}
        self._prometheus = shutil.which("prometheus") or ""
        if not self._prometheus:
            self._absent[Role.PROMETHEUS] = "prometheus is not on PATH"
        elif not (self._source / PROMETHEUS_CONFIG).is_file():
            self._absent[Role.PROMETHEUS] = f"the repository has no {PROMETHEUS_CONFIG}"
        else:
            self.stand_ins = (*self.stand_ins, "the kit's exporter stands in for postgres_exporter")

    # --- life ---------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start everything and return at once.

        Raises:
            StackError: a binary is missing, or the env file fixes a port that cannot be had.
        """
        postgres.installation()
        seaweedfs.installation()
        require("distributed", "dask[distributed]")
        require("prefect", "prefect")
        if self._env_file:
            self._asked = asked_ports(self._env_file, PORTS)
        with contextlib.ExitStack() as cleanup:
            self._block = cleanup.enter_context(PortBlock())
            self._processes = Processes(self.secrets(), self._keep)
            self._launcher = Launcher(self._processes, self._timeout)
            for step in (self._processes.close, self._launcher.join, self._processes.end_all, self._launcher.stop):
                cleanup.callback(step)  # the last comes first
            self._scheduler_file = self._processes.directory / "scheduler.json"
            self._prefect_is_up = self._processes.directory / "prefect-is-up"
            port = self._port("PREFECT_PORT")  # fixed from the start: settings tell it before Prefect answers
            self._prefect = Endpoint(Role.PREFECT_SERVER, "prefect-server", "http", HOST, port)
            plans = {
                Role.PREFECT_SERVER: self._plan_prefect_server,  # the slowest
                Role.OBJECT_STORE: self._plan_object_store,
                Role.POSTGRES: self._plan_postgres,
                Role.DASK_SCHEDULER: self._plan_scheduler,
                Role.DASK_WORKER: self._plan_workers,
                Role.PREFECT_WORKER: self._plan_prefect_worker,
                Role.PROMETHEUS: self._plan_prometheus,
            }
            self._launcher.launch({role: plan for role, plan in plans.items() if role not in self._absent})
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything and remove what it wrote.

        Raises:
            StackError: something is left; names it.
        """
        self._cleanup.close()

    # --- what base.Stack promises -------------------------------------------------------------------------------------

    def roles(self) -> dict[Role, tuple[str, ...]]:
        return {role: SERVICES[role] for role in self._launcher.roles}

    def endpoint(self, role: Role, port: str = "main") -> Endpoint:
        """Besides: ``metrics`` of the object store, and each Dask worker's HTTP by its name."""
        if role not in self._launcher.roles:
            raise Unavailable(self._absent.get(role, f"the embedded stack has no {role}"))
        endpoints = self._launcher.running(role).plan.endpoints
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

    def restart(self, role: Role) -> None:
        if role not in RESTARTABLE:
            super().restart(role)
        self._launcher.restart(role)

    def kill_one(self, role: Role) -> str:
        """Kill a Dask worker, and its nanny, which would replace it; wait until the scheduler has lost it."""
        if role is not Role.DASK_WORKER:
            return super().kill_one(role)
        children = self._launcher.running(role).children
        victim = next((child for child in reversed(children) if child.running()), None)
        if victim is None:
            raise StackError("no Dask worker is left to kill")
        self._processes.kill(victim)
        self._launcher.wait([], lambda: victim.name not in self._scheduler().workers())
        return victim.name

    def heal(self) -> None:
        running = self._launcher.running(Role.DASK_WORKER)
        for index, child in enumerate(running.children):
            if not child.running():
                running.children[index] = self._processes.start(child.command)
        self._launcher.wait(running.children, running.plan.answers)

    # --- what only this stack has -------------------------------------------------------------------------------------

    def settings(self) -> Settings:
        """How the lakehouse reaches this stack. Waits for the stores and for Dask, not for Prefect."""
        self._launcher.running(Role.DASK_WORKER)
        return self._settings(
            self.postgres(),
            self.object_store(),
            dask_scheduler_address=self.endpoint(Role.DASK_SCHEDULER).url,
            prefect_api_url=f"{self._prefect.url}/api",
        )

    @contextlib.contextmanager
    def second_postgres(self) -> Iterator[PostgresAccess]:
        """Another cluster of the same binaries, with nothing in it; gone when the context ends."""
        access = PostgresAccess(HOST, self._block.take(), USER, "postgres", self._second_password)
        command = postgres.cluster(self._processes, "postgres-second", access)
        child = self._processes.start(command)
        try:
            self._launcher.wait([child], lambda: postgres.answers(access))
            yield access
        finally:
            self._processes.end([child])
            shutil.rmtree(command.cwd, ignore_errors=True)
            self._block.give_back(access.port)

    # --- plans --------------------------------------------------------------------------------------------------------

    def _plan_postgres(self) -> Plan:
        access = PostgresAccess(HOST, self._port("POSTGRES_PORT"), USER, DATABASE, self._password)
        return Plan(
            [postgres.cluster(self._processes, "postgres", access)],
            {"main": Endpoint(Role.POSTGRES, "postgres", "postgresql", HOST, access.port)},
            answers=lambda: postgres.answers(access),
            initialise=lambda: self._initialise(access),
        )

    def _initialise(self, access: PostgresAccess) -> None:
        """Make the database and apply the reference's script. Its failure is for observers to see, and in the log."""
        from pqrs_lakehouse import warehouse

        postgres.create_database(access)
        try:
            warehouse.init_db(self._settings(access, seaweedfs.NOWHERE))
        except Exception as error:
            self._processes.note("postgres", f"psql:init-postgres.sql: ERROR: {error}")

    def _plan_object_store(self) -> Plan:
        main = Endpoint(Role.OBJECT_STORE, "seaweedfs", "http", HOST, self._port("S3_PORT"))
        ports = {"s3": main.port, "master": self._block.take(), "metrics": self._block.take()}
        access = ObjectStoreAccess(main.url, self._access_key, self._secret_key)
        return Plan(
            [seaweedfs.server(self._processes, main.service, access, ports, self._block)],
            {"main": main, "metrics": replace(main, port=ports["metrics"])},
            answers=lambda: seaweedfs.answers(access, ports["master"]),
        )

    def _plan_scheduler(self) -> Plan:
        main = Endpoint(Role.DASK_SCHEDULER, "dask-scheduler", "tcp", HOST, self._port("DASK_SCHEDULER_PORT"))
        http = replace(main, scheme="http", port=self._port("DASK_DASHBOARD_PORT"))
        file = self._processes.folder(main.service) / "scheduler.json"
        return Plan(
            [dask.scheduler(self._processes, main.service, main.port, http.port, file)],
            {"main": main, "dashboard": http},
            answers=dask.Scheduler(main.url, http.url).answers,
            initialise=lambda: file.replace(self._scheduler_file),  # the workers may come
        )

    def _plan_workers(self) -> Plan:
        endpoints = {name: Endpoint(Role.DASK_WORKER, name, "http", HOST, self._block.take()) for name in WORKERS}
        return Plan(
            [dask.worker(self._processes, name, http.port, self._scheduler_file) for name, http in endpoints.items()],
            {"main": endpoints[WORKERS[0]], **endpoints},
            answers=lambda: self._scheduler().workers() >= set(WORKERS),
        )

    def _scheduler(self) -> dask.Scheduler:
        endpoints = self._launcher.running(Role.DASK_SCHEDULER).plan.endpoints
        return dask.Scheduler(endpoints["main"].url, endpoints["dashboard"].url)

    def _plan_prefect_server(self) -> Plan:
        url = self._prefect.url

        def initialise() -> None:
            prefect.make_pool(url)
            self._prefect_is_up.touch()

        return Plan(
            [prefect.server(self._processes, self._prefect.service, url, self._prefect.port)],
            {"main": self._prefect},
            answers=lambda: answers(f"{url}/api/ready"),
            initialise=initialise,
        )

    def _plan_prefect_worker(self) -> Plan:
        """The worker, and the reference's deployment: started when Dask leaves them a processor."""
        url, gate, name = self._prefect.url, self._prefect_is_up, "prefect-worker"
        environment = self.settings().to_env()
        deploying = self._processes.start(prefect.deployment(self._processes, "prefect-deploy", url, gate, environment))
        return Plan(
            [prefect.worker(self._processes, name, url, gate)],
            {},  # it listens nowhere
            answers=lambda: not deploying.running() and prefect.worker_is_online(url, name),
        )

    def _plan_prometheus(self) -> Plan:
        main = Endpoint(Role.PROMETHEUS, "prometheus", "http", HOST, self._port("PROMETHEUS_PORT"))
        exporter = self._block.take()
        workers = [self.endpoint(Role.DASK_WORKER, name) for name in WORKERS]
        ports = {
            "prometheus": [main.port],
            "prefect": [self._prefect.port],
            "postgres": [exporter],
            "dask-scheduler": [self.endpoint(Role.DASK_SCHEDULER, "dashboard").port],
            "dask-worker": [worker.port for worker in workers],
        }
        config = prometheus.rewritten(
            self._source / PROMETHEUS_CONFIG,
            {job: [f"{HOST}:{port}" for port in found] for job, found in ports.items()},
            added={"seaweedfs": [f"{HOST}:{self.endpoint(Role.OBJECT_STORE, 'metrics').port}"]},
        )
        return Plan(
            [
                prometheus.server(self._processes, main.service, self._prometheus, main.port, config),
                prometheus.postgres_exporter(self._processes, "postgres-exporter", exporter, self.postgres()),
            ],
            {"main": main},
            answers=lambda: answers(f"{main.url}/-/ready"),
        )

    def _port(self, variable: str) -> int:
        asked = self._asked.get(variable)
        return asked.port if asked else self._block.take()

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


def reference_root() -> Path:
    """Where the reference's own repository is: what this stack runs when nothing else is named."""
    from pqrs_lakehouse.reference import root

    return root()
