"""Last of all: what a restarted PostgreSQL remembers, and what a job loses when a worker dies under it."""

from __future__ import annotations

from conformance.observe.facts import Attempt, Facts


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


class DisruptionFacts(Facts):
    """None where the stack lacks the capability (``restart``, ``kill``)."""

    postgres_restart: PostgresRestart | None = None
    worker_kill: WorkerKill | None = None
