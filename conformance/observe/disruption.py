"""Last of all: what is lost when services are restarted, processes killed and containers thrown away.

Every experiment brings back what it took. What does not come back through the deployment's own fault is a fact; the
stack says so when it is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from conformance.observe.dask import answers, connect, submit
from conformance.observe.disruption_facts import (
    DisruptionFacts,
    DownAndUp,
    GrafanaWipe,
    PostgresRestart,
    Scaling,
    StatelessRecreation,
    Survival,
    WorkerKill,
)
from conformance.observe.disruption_survival import Content, History, Object, Row, contents, lost
from conformance.observe.facts import Attempt, Observer, Probe
from conformance.observe.grafana import snapshot
from conformance.observe.web import brief, fetch
from conformance.stacks.base import Capability, Role, Stack, StackError, Unavailable

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["OBSERVER", "DisruptionFacts"]

T = TypeVar("T")
Experiment: TypeAlias = tuple[str, str, Callable[[Stack, Probe], Any]]
"""The name of its facts, what is done, and how."""

RECOVERY_S = 30.0  # for a server to let the kit in again
TASKS = 200
TASK_S = 0.015  # a job of a second or two
START_S = 30.0  # for the job to be under way on every worker
NOTICE_S = 60.0  # for the scheduler to miss the worker
SETTLED_S = 1.0  # for it to miss the other workers of the same container
JOB_S = 120.0
SCALED_S = 60.0  # for a worker more to register
REPROVISION_S = 30.0  # for a new Grafana to read its files
SAMPLE = 20
STATELESS = (Role.DASK_SCHEDULER, Role.DASK_WORKER, Role.PREFECT_WORKER, Role.PROMETHEUS)


def collect(stack: Stack, probe: Probe) -> DisruptionFacts:
    """What has no state first, while what the deployment holds is as it was found; then from mild to harsh.

    Raises:
        Unavailable: nothing of this stack can be restarted, killed or thrown away.
        StackError: what was taken away did not come back, through no fault of the deployment.
    """
    if not stack.capabilities & {Capability.RESTART, Capability.KILL, Capability.DISRUPT}:
        raise Unavailable("nothing of this stack can be restarted, killed or thrown away")
    facts: dict[str, Any] = {}
    trouble: dict[str, str] = {}
    _throw_away(stack, probe, FIRST, facts, trouble)
    probe.progress("PostgreSQL is restarted, a Dask worker is killed in the middle of a job")
    with ThreadPoolExecutor(2) as pool:
        restart = pool.submit(_if_able, stack, Capability.RESTART, _postgres_restart)
        kill = pool.submit(_if_able, stack, Capability.KILL, _worker_kill)
    facts |= {"postgres_restart": restart.result(), "worker_kill": kill.result()}
    _throw_away(stack, probe, LAST, facts, trouble)
    return DisruptionFacts(**facts, trouble=trouble)


OBSERVER = Observer("disruption", DisruptionFacts, collect)


def _if_able(stack: Stack, capability: Capability, experiment: Callable[[Stack], T]) -> T | None:
    if capability not in stack.capabilities:
        return None
    with suppress(Unavailable):
        return experiment(stack)
    return None


# --- a restart, and a kill ----------------------------------------------------------------------------------------


def _postgres_restart(stack: Stack) -> PostgresRestart:
    row = Row()
    row.put(stack.postgres())
    if not row.written.ok:
        return PostgresRestart(probe_written=row.written)
    stack.restart(Role.POSTGRES)
    trouble = _let_in_again(stack)
    if trouble:
        return PostgresRestart(probe_written=row.written, detail=trouble)
    after = row.found(stack.postgres())
    return PostgresRestart(probe_written=row.written, restarted=True, read_back=bool(after.found), detail=after.detail)


def _let_in_again(stack: Stack) -> str:
    """Why PostgreSQL does not let the kit in, once it does or patience ends; empty: it does."""
    import psycopg

    deadline = time.monotonic() + RECOVERY_S
    while True:
        try:
            psycopg.connect(stack.postgres().dsn()).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                return brief(error)
            time.sleep(0.2)
        else:
            return ""


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
    """The workers once the scheduler misses one and no other goes, or when patience ends.

    The processes of one container are missed one after the other.
    """
    deadline = time.monotonic() + NOTICE_S
    seen, since = before, time.monotonic()
    while True:
        now = _workers(client)
        if now != seen:
            seen, since = now, time.monotonic()
        settled = not before <= now and time.monotonic() - since >= SETTLED_S
        if settled or time.monotonic() > deadline:
            return now
        time.sleep(0.1)


# --- containers thrown away ---------------------------------------------------------------------------------------


def _throw_away(
    stack: Stack, probe: Probe, experiments: Sequence[Experiment], facts: dict[str, Any], trouble: dict[str, str]
) -> None:
    """Where the stack can do it, experiment, and add to ``facts`` and ``trouble``."""
    for name, doing, experiment in experiments if Capability.DISRUPT in stack.capabilities else ():
        probe.progress(doing)
        try:
            facts[name] = experiment(stack, probe)
        except Unavailable:
            continue
        except StackError:
            raise
        except Exception as error:  # the kit's own fault, which must not take the other experiments' facts along
            trouble[name] = brief(f"{type(error).__name__}: {error}", 500)


def _crash(stack: Stack, probe: Probe) -> Any:
    if not stack.runs_reference:
        raise Unavailable("the deployment has no pipeline of its own")
    from conformance.observe.pipeline_crash import crash

    return crash(stack, probe)


def _stateless(stack: Stack, probe: Probe) -> StatelessRecreation:
    """Nothing of catalogue and lake may be missing after."""
    services = _services(stack, *STATELESS, Role.GRAFANA)
    if not services:
        raise Unavailable("there is no stateless service")
    before, problem = _contents(stack)
    stack.recreate(services)
    if before is None:
        return StatelessRecreation(services=services, before=Attempt(ok=False, detail=problem), after=Attempt(ok=False))
    after, problem = _contents(stack)
    return StatelessRecreation(
        services=services,
        before=Attempt(ok=True),
        after=Attempt(ok=after is not None, detail=problem),
        lost=tuple(map(brief, lost(before, after)[:SAMPLE])) if after is not None else (),
        compared=len(before),
    )


def _contents(stack: Stack) -> tuple[dict[str, Content] | None, str]:
    import psycopg
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return contents(stack), ""
    except (psycopg.Error, BotoCoreError, ClientError) as error:
        return None, brief(error)


def _grafana_wipe(stack: Stack, probe: Probe) -> GrafanaWipe:
    before = snapshot(stack.grafana())
    stack.recreate(_services(stack, Role.GRAFANA), wipe=True)
    deadline = time.monotonic() + REPROVISION_S
    while True:  # a new Grafana answers before it has read its dashboards
        after = snapshot(stack.grafana())
        all_back = not after.problem and len(after.dashboards) >= len(before.dashboards)
        if all_back or time.monotonic() > deadline:
            return GrafanaWipe(before=before, after=after)
        time.sleep(0.5)


def _store(stack: Stack, probe: Probe) -> Survival:
    probe_object = Object()
    probe_object.put(stack.object_store())
    stack.recreate(_services(stack, Role.OBJECT_STORE))
    return probe_object.found(stack.object_store())


def _history(stack: Stack, probe: Probe) -> Survival:
    history = History()
    history.put(stack.endpoint(Role.PREFECT_SERVER).url)
    stack.recreate(_services(stack, Role.PREFECT_SERVER))
    return history.found(stack.endpoint(Role.PREFECT_SERVER).url)


def _scaling(stack: Stack, probe: Probe) -> Scaling:
    """A container more, and back again."""
    (service, *_) = _services(stack, Role.DASK_WORKER) or ("",)
    if not service:
        raise Unavailable("there is no Dask worker")
    with suppress(Unavailable):
        stack.endpoint(Role.DASK_WORKER)
    containers = sum(one.service == service for one in stack.containers())
    before = _registered(stack)
    facts: dict[str, Any] = {"service": service, "asked": containers + 1, "workers_before": before}
    try:
        stack.scale(service, containers + 1)
    except StackError as error:
        return Scaling(**facts, workers_after=_registered(stack), detail=brief(error))
    deadline = time.monotonic() + SCALED_S
    while (after := _registered(stack)) <= before and time.monotonic() < deadline:
        time.sleep(0.5)
    stack.scale(service, containers)
    return Scaling(**facts, workers_after=after)


def _registered(stack: Stack) -> int:
    url = stack.endpoint(Role.DASK_SCHEDULER, "dashboard").url
    told = fetch(f"{url}/json/counts.json").json()
    return int(told.get("workers", 0)) if isinstance(told, dict) else 0


def _down_and_up(stack: Stack, probe: Probe) -> DownAndUp:
    row, probe_object = Row(), Object()
    roles = stack.roles()
    if Role.POSTGRES in roles:
        row.put(stack.postgres())
    if Role.OBJECT_STORE in roles:
        probe_object.put(stack.object_store())
    stack.down_and_up()
    nothing = Survival(put=Attempt(ok=False, detail="there is no such service"))
    return DownAndUp(
        row=row.found(stack.postgres()) if Role.POSTGRES in roles else nothing,
        object=probe_object.found(stack.object_store()) if Role.OBJECT_STORE in roles else nothing,
    )


def _services(stack: Stack, *roles: Role) -> tuple[str, ...]:
    told = stack.roles()
    return tuple(service for role in roles for service in told.get(role, ()))


FIRST: tuple[Experiment, ...] = (
    ("stateless", "Dask, Prefect worker, Prometheus and Grafana are made anew", _stateless),
)
LAST: tuple[Experiment, ...] = (
    ("crash", "a run of the pipeline loses a worker, PostgreSQL and the object store", _crash),
    ("grafana_wipe", "Grafana is made anew, without its state", _grafana_wipe),
    ("store", "the object store's container is made anew", _store),
    ("history", "Prefect's server is made anew", _history),
    ("scaling", "one Dask worker more", _scaling),
    ("down_and_up", "everything is taken down and brought up again", _down_and_up),
)
