"""Last of all: what a restarted PostgreSQL remembers, and what a job loses when a worker dies under it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from conformance.observe.dask import answers, connect, submit
from conformance.observe.facts import Attempt, Facts, Observer, Probe
from conformance.observe.web import brief
from conformance.stacks.base import Capability, Role, Stack, StackError, Unavailable

if TYPE_CHECKING:
    import psycopg
    from distributed import Client, Future

T = TypeVar("T")

RECOVERY_S = 30.0  # for the server to let the kit in again
TASKS = 200
TASK_S = 0.015  # a job of a second or two
START_S = 30.0  # for the job to be under way on every worker
NOTICE_S = 60.0  # for the scheduler to miss the worker
JOB_S = 120.0


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


def collect(stack: Stack, probe: Probe) -> DisruptionFacts:
    """Restart PostgreSQL over a probe row; kill a Dask worker under a job, and bring it back.

    Raises:
        Unavailable: the stack can do neither.
        StackError: what was killed did not come back.
    """
    probe.progress("PostgreSQL is restarted, a Dask worker is killed in the middle of a job")
    with ThreadPoolExecutor(2) as pool:
        restart = pool.submit(_if_able, stack, Capability.RESTART, _postgres_restart)
        kill = pool.submit(_if_able, stack, Capability.KILL, _worker_kill)
    facts = DisruptionFacts(postgres_restart=restart.result(), worker_kill=kill.result())
    if facts == DisruptionFacts():
        raise Unavailable("nothing of this stack can be restarted or killed")
    return facts


OBSERVER = Observer("disruption", DisruptionFacts, collect)


def _if_able(stack: Stack, capability: Capability, experiment: Callable[[Stack], T]) -> T | None:
    if capability not in stack.capabilities:
        return None
    with suppress(Unavailable):
        return experiment(stack)
    return None


def _postgres_restart(stack: Stack) -> PostgresRestart:
    from psycopg import Error, sql

    schema = sql.Identifier(f"conformance_{secrets.token_hex(6)}")
    token = secrets.token_hex(16)
    try:
        with _login(stack) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
            connection.execute(sql.SQL("CREATE TABLE {}.probe (token text PRIMARY KEY)").format(schema))
            connection.execute(sql.SQL("INSERT INTO {}.probe VALUES (%s)").format(schema), [token])
    except Error as error:
        return PostgresRestart(probe_written=Attempt(ok=False, detail=brief(error)))
    written = Attempt(ok=True)
    stack.restart(Role.POSTGRES)
    try:
        connection = _login_again(stack)
    except Error as error:
        return PostgresRestart(probe_written=written, detail=brief(error))
    with connection:
        try:
            with connection.transaction():
                rows = connection.execute(sql.SQL("SELECT token FROM {}.probe").format(schema)).fetchall()
            read_back, detail = rows == [(token,)], f"rows: {len(rows)}"
        except Error as error:
            read_back, detail = False, brief(error)
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(schema))
    return PostgresRestart(probe_written=written, restarted=True, read_back=read_back, detail=detail)


def _login(stack: Stack) -> psycopg.Connection[tuple[Any, ...]]:
    import psycopg

    return psycopg.connect(stack.postgres().dsn())


def _login_again(stack: Stack) -> psycopg.Connection[tuple[Any, ...]]:
    import psycopg

    deadline = time.monotonic() + RECOVERY_S
    while True:
        try:
            return _login(stack)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _worker_kill(stack: Stack) -> WorkerKill:
    """Whatever comes of the job, the worker is brought back."""
    with suppress(Unavailable):
        stack.endpoint(Role.DASK_WORKER)  # all of them are there
    try:
        with connect(stack.endpoint(Role.DASK_SCHEDULER)) as client:
            return _job_under_fire(stack, client)
    except (StackError, Unavailable):
        raise
    except Exception as error:  # whatever a client of another version trips over
        return WorkerKill(started=Attempt(ok=False, detail=brief(f"{type(error).__name__}: {error}")), tasks=TASKS)


def _job_under_fire(stack: Stack, client: Client) -> WorkerKill:
    futures = [
        submit(client, f"(__import__('time').sleep({TASK_S}), {number} * {number})[1]", name="conformance-kill")
        for number in range(TASKS)
    ]
    at_work, done = _under_way(client, futures)
    before = _workers(client)
    facts: dict[str, Any] = {
        "workers_before": len(before),
        "workers_at_work": at_work,
        "tasks": TASKS,
        "done_before": done,
        "expected": sum(number * number for number in range(TASKS)),
    }
    if not done:
        return WorkerKill(started=Attempt(ok=False, detail=f"no task was done within {START_S:.0f} s"), **facts)
    facts["killed"] = stack.kill_one(Role.DASK_WORKER)
    try:
        left = _survivors(client, before)
        facts["workers_lost"] = len(before - left)
        if not left & before:  # it was the only process: nobody can finish the job until it is back
            stack.heal()
        facts["result"] = sum(answers(futures, JOB_S))
    except Exception as error:  # the job's own exception, in whatever words this version of Dask has
        facts["detail"] = brief(f"{type(error).__name__}: {error}", 500)
    finally:
        stack.heal()
    return WorkerKill(started=Attempt(ok=True), **facts)


def _workers(client: Client) -> set[str]:
    return set(client.scheduler_info(n_workers=-1)["workers"])


def _under_way(client: Client, futures: list[Future[Any]]) -> tuple[int, int]:
    """Workers that hold results of the job and tasks done, once every worker does and a tenth is, or patience ends."""
    deadline = time.monotonic() + START_S
    while True:
        told = client.who_has(futures)  # type: ignore[no-untyped-call]
        holders = {address for addresses in told.values() for address in addresses}
        done = sum(future.status == "finished" for future in futures)
        if (holders >= _workers(client) and done >= TASKS // 10) or time.monotonic() > deadline:
            return len(holders), done
        time.sleep(0.05)


def _survivors(client: Client, before: set[str]) -> set[str]:
    """The workers once the scheduler misses one of them, or when patience ends."""
    deadline = time.monotonic() + NOTICE_S
    while before <= (now := _workers(client)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return now
