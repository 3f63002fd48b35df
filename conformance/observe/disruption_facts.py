"""What was broken on purpose, and what became of what was there before."""

from __future__ import annotations

from pydantic import Field

from conformance.observe.facts import Attempt, Facts
from conformance.observe.grafana_facts import GrafanaSnapshot
from conformance.observe.reconcile import Comparison


class PostgresRestart(Facts):
    """A row written before the server is restarted, and looked for after."""

    probe_written: Attempt
    restarted: bool = False  # it was restarted and let the kit in again
    read_back: bool = False  # the same row was there
    detail: str = ""


class WorkerKill(Facts):
    """A worker killed while it worked on a job of many small tasks."""

    started: Attempt  # the job was running on the workers when the kill came; otherwise why it was not
    killed: str = ""  # what the stack calls the process that it killed
    workers_before: int = 0
    workers_at_work: int = 0  # workers that had finished tasks of the job before the kill
    workers_lost: int = 0  # workers that the scheduler missed after it
    tasks: int = 0
    done_before: int = 0
    result: int | None = None
    expected: int = 0
    detail: str = ""


class Survival(Facts):
    """Something of the kit's own, put there before containers were thrown away, and looked for after."""

    put: Attempt
    found: bool | None = None  # the same, after; None: it was not put there, or nobody could look
    detail: str = ""


class StatelessRecreation(Facts):
    """Dask, Prefect worker, Prometheus and Grafana thrown away and made again."""

    services: tuple[str, ...]
    before: Attempt  # the contents could be read before
    after: Attempt
    lost: tuple[str, ...] = ()  # tables (unless they grew) and objects that are gone or not the same (the first 20)
    compared: int = 0


class GrafanaWipe(Facts):
    """Grafana without its state."""

    before: GrafanaSnapshot
    after: GrafanaSnapshot


class Scaling(Facts):
    """One worker container more than the author asks for."""

    service: str
    asked: int  # containers
    workers_before: int  # that the scheduler knows
    workers_after: int
    detail: str = ""


class DownAndUp(Facts):
    """The whole deployment taken down and brought up again."""

    row: Survival
    object: Survival


class Crash(Facts):
    """A run of the pipeline that lost a worker, PostgreSQL and the object store, and was run again."""

    under_way: Attempt  # the run was at work when they were lost
    lost: tuple[str, ...] = ()
    first: Attempt = Attempt(ok=False)  # how that run ended
    again: Attempt = Attempt(ok=False)  # how the same run ended when it was run again
    lake: tuple[Comparison, ...] = ()  # the lake against the oracle
    served: tuple[Comparison, ...] = ()  # PostgreSQL against the oracle
    status: str = ""  # of the run, in the catalogue
    detail: str = ""


class DisruptionFacts(Facts):
    """None where the stack lacks the capability (``restart``, ``kill``, ``disrupt``) or the role."""

    postgres_restart: PostgresRestart | None = None
    worker_kill: WorkerKill | None = None
    crash: Crash | None = None
    stateless: StatelessRecreation | None = None
    grafana_wipe: GrafanaWipe | None = None
    store: Survival | None = None  # an object, the store's container recreated
    history: Survival | None = None  # a flow run, Prefect's server recreated
    scaling: Scaling | None = None
    down_and_up: DownAndUp | None = None
    trouble: dict[str, str] = Field(
        default={}, description="by the names above: experiments that broke through the kit's own fault, and how"
    )
