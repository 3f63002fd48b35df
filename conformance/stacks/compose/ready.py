"""Whether a service answers in its own protocol. That it refuses the credentials is an answer too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.stacks.base import Endpoint, PostgresAccess, Role
from conformance.stacks.services.asking import ask, ask_json

PATHS = {
    Role.PREFECT_SERVER: "/api/ready",
    Role.PROMETHEUS: "/-/ready",
    Role.GRAFANA: "/api/health",
}
NOT_YET = ("starting up", "shutting down", "not accepting connections", "not yet accepting", "in recovery mode")
"""How PostgreSQL says that it will let in later (SQLSTATE 57P03, which clients are not told at a login)."""


@dataclass(frozen=True)
class Ready:
    """Questions to one role's service."""

    endpoint: Endpoint
    dashboard: Endpoint | None
    postgres: Callable[[], PostgresAccess]

    def answers(self) -> bool:
        match self.endpoint.role:
            case Role.POSTGRES:
                return self.of_postgres(self.postgres())
            case Role.OBJECT_STORE:
                return 200 <= ask(f"{self.endpoint.url}/")[0] < 500
            case Role.DASK_SCHEDULER:
                return self.dashboard is not None and ask(f"{self.dashboard.url}/health")[0] == 200
        return ask(f"{self.endpoint.url}{PATHS[self.endpoint.role]}")[0] == 200

    @staticmethod
    def of_postgres(access: PostgresAccess) -> bool:
        """Whether the server lets in, or refuses in words of its own."""
        import psycopg

        try:
            psycopg.connect(access.dsn()).close()
        except psycopg.OperationalError as error:
            return "FATAL" in str(error) and not any(words in str(error) for words in NOT_YET)
        return True

    def workers(self) -> int | None:
        """How many workers a Dask scheduler knows; None: it does not tell (``identity.json`` fails while tasks run)."""
        told = ask_json(f"{self.dashboard.url}/json/counts.json") if self.dashboard else None
        return int(told["workers"]) if isinstance(told, dict) and "workers" in told else None

    def has_a_worker(self) -> bool:
        """Whether a work pool of a Prefect server has a worker online."""
        api = f"{self.endpoint.url}/api"
        for pool in ask_json(f"{api}/work_pools/filter", {}) or ():
            workers = ask_json(f"{api}/work_pools/{pool['name']}/workers/filter", {}) or ()
            if any(worker.get("status") == "ONLINE" for worker in workers):
                return True
        return False
