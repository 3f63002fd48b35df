"""The compute plane: who is there, whether it waits for work, and whether work is really shared out.

Tasks travel as source text for ``eval``, whose reference every Python knows: a pickled function would need the workers
to have the kit's own modules and its very version of Python. They use the standard library and ``distributed`` alone.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from conformance.observe import dask_inside
from conformance.observe.facts import Attempt, Facts, Observer, Probe
from conformance.observe.last_words import last_words, tail
from conformance.observe.web import Answer, Reply, brief, fetch
from conformance.stacks.base import Capability, Endpoint, Role, Stack, Unavailable

if TYPE_CHECKING:
    from distributed import Client, Future

TASKS_PER_WORKER = 4
NUMBERS_PER_TASK = 1_000
EXTRA_PACKAGES = (
    "polars",
    "deltalake",
    "pyarrow",
    "boto3",
    "s3fs",
    "psycopg",
)  # of tasks; Dask asks for numpy and pandas
PATIENCE_S = 20.0  # for workers to register, and for what was running to end
SETTLED_S = 2.0  # workers of one container register one after the other
ANSWER_S = 30.0  # for tasks that take milliseconds
CONNECT_S = 15.0  # for a client to be let in
INSIDE_S = 90.0  # for all experiments together, in the scheduler's container
MAX_WORKERS = 20  # that facts tell of one by one
WAITING, REGISTERED = "Waiting to connect to", "Registered to"
WHO = "__import__('distributed').get_worker().address"  # evaluated on a worker


class DaskWorker(Facts):
    """A worker as the scheduler knows it."""

    address: str
    name: str
    nthreads: int
    memory_limit: int  # bytes
    status: str


class Load(Facts):
    """Tasks by state, from ``/json/counts.json``."""

    tasks: int
    waiting: int
    processing: int
    memory: int
    erred: int
    unrunnable: int  # no worker may run them


class Versions(Facts):
    """What one process runs. Packages that it lacks are left out."""

    member: str  # "scheduler", "kit" or a worker's address
    python: str
    packages: dict[str, str]


class Share(Facts):
    """How many tasks a worker says that it ran."""

    worker: str
    tasks: int


class FanOut(Facts):
    """Tasks pinned to every worker in turn, and the sum of their answers."""

    tasks: int
    expected: int
    result: int | None = None
    ran_on: tuple[Share, ...] = ()
    detail: str = ""


class Engine(Facts):
    """Polars, imported on one worker."""

    worker: str
    polars: str | None = None
    detail: str = ""


class DaskFacts(Facts):
    """``load`` is from before any experiment. Experiments need the protocol; without it they are empty or None."""

    identity: Attempt  # the scheduler tells who it is, over HTTP or its own protocol
    health: Answer
    dashboard: Answer  # /status
    draws: bool  # that page holds the plots; without Bokeh it is a note that says what to install
    protocol: Attempt  # a client could connect
    scheduler_address: str = ""  # as it calls itself
    workers: tuple[DaskWorker, ...] = ()  # the first 20
    worker_count: int = 0
    load: Load | None = None
    versions: tuple[Versions, ...] = ()
    fan_out: FanOut | None = None
    engines: tuple[Engine, ...] = ()
    inside: bool = False  # the experiments were made in the scheduler's container, with its own version of Dask
    scheduler_complaints: str = ""  # where it does not answer: how its containers are, and their last words
    worker_complaints: str = ""  # how the workers' containers are, where they are not well, and what their logs say


def collect(stack: Stack, probe: Probe) -> DaskFacts:
    """Look first: scheduler, workers, load, dashboard. Then work: versions, fan-out, Polars."""
    main = stack.endpoint(Role.DASK_SCHEDULER)
    with suppress(Unavailable):
        stack.endpoint(Role.DASK_WORKER)  # waits: an image that installs packages as it starts takes minutes
    web = _dashboard(stack)
    identity = _settled_identity(web, services=len(stack.roles().get(Role.DASK_WORKER, ())))
    status = _get(web, "/status", accept="text/html")
    facts: dict[str, Any] = {
        "health": _get(web, "/health").answer,
        "dashboard": status.answer,
        "draws": "bokeh" in status.text and "Dask needs" not in status.text,
        "load": _quiet_load(web),
        "worker_complaints": _complaints(stack),
    }
    probe.progress("a fan-out over every worker")
    told: dict[str, Any] = {}
    if not _is_asked_inside(stack):
        told, facts["protocol"] = _experiments(main)
        identity = told.pop("identity", identity)
    if _is_asked_inside(stack) or (Capability.CONTAINERS in stack.capabilities and not _is_told(told)):
        told |= _experiments_inside(stack, str(identity.get("address", "")))
        known = told.pop("identity", {})
        identity = identity or known  # its page may not be reached from outside
    facts |= told
    who = _who_is_there(identity)
    if not who["identity"].ok:
        facts["scheduler_complaints"] = last_words(stack, Role.DASK_SCHEDULER)
    return DaskFacts.model_validate(facts | who)


OBSERVER = Observer("dask", DaskFacts, collect)


def _is_asked_inside(stack: Stack) -> bool:
    """Somebody's own image may hold any version of Dask; the reference's is the kit's."""
    return Capability.CONTAINERS in stack.capabilities and not stack.runs_reference


def _is_told(told: dict[str, Any]) -> bool:
    """Whether the kit's own client has understood the cluster."""
    work = told.get("fan_out")
    return work is not None and work.result == work.expected and bool(told.get("versions"))


def _experiments(main: Endpoint) -> tuple[dict[str, Any], Attempt]:
    """By the kit's own client."""
    try:
        with connect(main) as client:
            identity = client.scheduler_info(n_workers=-1)
            addresses = list(identity["workers"])[:MAX_WORKERS]
            told = {
                "identity": identity,
                "versions": _versions(client),
                "fan_out": _fan_out(client, addresses),
                "engines": _engines(client, addresses),
            }
    except Exception as error:  # whatever a client of another version trips over: the reason is the fact
        return {}, Attempt(ok=False, detail=_detail(error))
    return told, Attempt(ok=True, detail=main.url)


def _experiments_inside(stack: Stack, address: str) -> dict[str, Any]:
    """By a client in the scheduler's container; empty when there is none to ask in."""
    question = {
        "packages": EXTRA_PACKAGES,
        "tasks_per_worker": TASKS_PER_WORKER,
        "numbers_per_task": NUMBERS_PER_TASK,
        "most_workers": MAX_WORKERS,
        "within": ANSWER_S,
    }
    try:
        told, protocol = dask_inside.ask(stack, address, question, within=INSIDE_S)
    except Unavailable as reason:
        return {"protocol": Attempt(ok=False, detail=str(reason))}
    if not protocol.ok:
        return {"protocol": protocol}
    work, engines = told["fan_out"], told["engines"]
    ran_on = [str(worker) for worker in work.get("ran_on", ())]
    tasks = len(engines) * TASKS_PER_WORKER
    return {
        "identity": told.get("identity", {}),
        "protocol": protocol,
        "inside": True,
        "versions": _told_versions(told.get("versions", {})),
        "fan_out": FanOut(
            tasks=tasks,
            expected=_sum_of_squares(tasks * NUMBERS_PER_TASK),
            result=work.get("result"),
            ran_on=tuple(Share(worker=brief(worker, 100), tasks=n) for worker, n in Counter(ran_on).items()),
            detail=brief(work.get("detail", ""), 500),
        ),
        "engines": tuple(
            Engine(
                worker=brief(worker, 100),
                polars=brief(said["polars"], 40) if said.get("polars") else None,
                detail=brief(said.get("detail", ""), 500),
            )
            for worker, said in engines.items()
        ),
    }


def work(stack: Stack, name: str, tasks: int) -> Attempt:
    """So many tasks of nothing, counted under ``name``; whether they were done.

    Raises:
        Unavailable: the stack shows no way to Dask.
    """
    endpoint = stack.endpoint(Role.DASK_SCHEDULER)
    if _is_asked_inside(stack):
        address = str((_get(_dashboard(stack), "/json/identity.json").json() or {}).get("address", ""))
        question = {"work": name, "tasks": tasks, "within": ANSWER_S}
        return dask_inside.ask(stack, address, question, within=INSIDE_S)[1]
    try:
        with connect(endpoint) as client:
            answers([submit(client, str(number), name=name) for number in range(tasks)], within=ANSWER_S)
    except Exception as error:
        return Attempt(ok=False, detail=_detail(error))
    return Attempt(ok=True)


@contextmanager
def connect(scheduler: Endpoint) -> Iterator[Client]:
    """A client of the scheduler, nobody's default.

    Raises:
        OSError: the scheduler does not answer, or not in a protocol that this version speaks.
    """
    from distributed import Client

    with Client(  # type: ignore[no-untyped-call]
        scheduler.url, timeout=CONNECT_S, set_as_default=False, name="conformance"
    ) as client:
        yield client


def submit(client: Client, expression: str, *, name: str, workers: list[str] | None = None) -> Future[Any]:
    """Evaluate a Python expression on a worker: one of ``workers`` and no other, or any."""
    return client.submit(
        eval, expression, key=f"{name}-{uuid.uuid4().hex}", workers=workers, allow_other_workers=False, pure=False
    )


def answers(futures: list[Future[Any]], within: float) -> list[Any]:
    """What each future came to.

    Raises:
        TimeoutError: not all of them within so many seconds.
        Exception: the first one that failed, with its own exception.
    """
    deadline = time.monotonic() + within
    return [future.result(timeout=max(0.0, deadline - time.monotonic())) for future in futures]


def _dashboard(stack: Stack) -> Endpoint | None:
    try:
        return stack.endpoint(Role.DASK_SCHEDULER, "dashboard")
    except Unavailable:
        return None


def _get(web: Endpoint | None, path: str, accept: str = "*/*") -> Reply:
    return fetch(f"{web.url}{path}", accept=accept) if web else Reply(None, error="its dashboard port is not published")


def _settled_identity(web: Endpoint | None, services: int) -> dict[str, Any]:
    """Who the scheduler says is there, once a worker per service is and no more come; {} when it does not say."""
    deadline = time.monotonic() + PATIENCE_S
    seen, since = -1, time.monotonic()
    while isinstance(identity := _get(web, "/json/identity.json").json(), dict):
        count = len(identity.get("workers", {}))
        if count != seen:
            seen, since = count, time.monotonic()
        settled = count >= services and time.monotonic() - since >= SETTLED_S
        if settled or time.monotonic() > deadline:
            return identity
        time.sleep(0.2)
    return {}


def _quiet_load(web: Endpoint | None) -> Load | None:
    """The load once nothing runs, or what still runs when patience ends."""
    deadline = time.monotonic() + PATIENCE_S
    while isinstance(counts := _get(web, "/json/counts.json").json(), dict):
        load = Load(**{state: int(counts.get(state, 0)) for state in Load.model_fields})
        if load.processing + load.waiting == 0 or time.monotonic() > deadline:
            return load
        time.sleep(0.2)
    return None


def _who_is_there(identity: dict[str, Any]) -> dict[str, Any]:
    workers = identity.get("workers", {})
    return {
        "identity": Attempt(ok=identity.get("type") == "Scheduler", detail=brief(identity.get("id", ""), 100)),
        "scheduler_address": brief(identity.get("address", ""), 100),
        "worker_count": len(workers),
        "workers": tuple(
            DaskWorker(
                address=brief(address, 100),
                name=brief(worker.get("name", ""), 100),
                nthreads=worker.get("nthreads", 0),
                memory_limit=worker.get("memory_limit") or 0,
                status=brief(worker.get("status", ""), 40),
            )
            for address, worker in list(workers.items())[:MAX_WORKERS]
        ),
    }


def _versions(client: Client) -> tuple[Versions, ...]:
    """Everybody's own word; empty when they cannot say it in words that this version knows."""
    try:
        told: Any = client.get_versions(check=False, packages=list(EXTRA_PACKAGES))
    except Exception:
        return ()
    members = {
        "kit": told["client"],
        "scheduler": told["scheduler"],
        **dict(list(told["workers"].items())[:MAX_WORKERS]),
    }
    return _told_versions({member: dict(word["packages"]) for member, word in members.items() if word})


def _told_versions(members: dict[str, dict[str, Any]]) -> tuple[Versions, ...]:
    """Of packages by member, Python among them."""
    return tuple(
        Versions(
            member=brief(member, 100),
            python=brief(packages.pop("python", ""), 40),
            packages={brief(name, 40): brief(version, 40) for name, version in list(packages.items())[:40] if version},
        )
        for member, packages in list(members.items())[: MAX_WORKERS + 2]
    )


def _fan_out(client: Client, workers: list[str]) -> FanOut:
    pinned = workers * TASKS_PER_WORKER
    expected = _sum_of_squares(len(pinned) * NUMBERS_PER_TASK)
    try:
        futures = [
            submit(
                client,
                f"({WHO}, sum(n * n for n in range({turn * NUMBERS_PER_TASK}, {(turn + 1) * NUMBERS_PER_TASK})))",
                name="conformance-fan-out",
                workers=[worker],
            )
            for turn, worker in enumerate(pinned)
        ]
        told = answers(futures, ANSWER_S)
    except Exception as error:
        return FanOut(tasks=len(pinned), expected=expected, detail=_detail(error))
    return FanOut(
        tasks=len(pinned),
        expected=expected,
        result=sum(part for _, part in told),
        ran_on=tuple(Share(worker=worker, tasks=n) for worker, n in Counter(worker for worker, _ in told).items()),
    )


def _sum_of_squares(top: int) -> int:
    """Of the numbers below ``top``."""
    return (top - 1) * top * (2 * top - 1) // 6


def _engines(client: Client, workers: list[str]) -> tuple[Engine, ...]:
    def engine(worker: str) -> Engine:
        try:
            question = submit(client, "__import__('polars').__version__", name="conformance-polars", workers=[worker])
            return Engine(worker=worker, polars=brief(answers([question], ANSWER_S)[0], 40))
        except Exception as error:
            return Engine(worker=worker, detail=_detail(error))

    return tuple(engine(worker) for worker in workers)


def _complaints(stack: Stack) -> str:
    """How the workers' containers are, the last lines about errors in their logs, and whom a worker still waits for."""
    logs = stack.logs()
    waits: list[str] = []
    for service in stack.roles().get(Role.DASK_WORKER, ()):
        said = tail(logs[service]) if service in logs else []
        arrival = [line for line in said if WAITING in line or REGISTERED in line]
        waits += [brief(line) for line in arrival[-1:] if WAITING in line]
    return "\n".join([*filter(None, [last_words(stack, Role.DASK_WORKER)]), *waits])


def _detail(error: Exception) -> str:
    return brief(f"{type(error).__name__}: {error}", 500)
