"""The orchestrator: its API and UI, who works for it, what is stuck, and whether a run sent through the API completes.

The experiment's flow travels inside the deployment: a pull step writes it to a file where the worker runs it, so the
worker needs Prefect and a shell, and nothing of the kit. Deployment, flow and run are removed afterwards.
"""

from __future__ import annotations

import base64
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from conformance.observe import naming
from conformance.observe.facts import Facts, Observer, Probe
from conformance.observe.last_words import last_words
from conformance.observe.prefect_api import PrefectApi, Refused
from conformance.observe.web import Answer, brief, fetch
from conformance.stacks.base import Endpoint, Role, Stack, Unavailable
from conformance.stacks.compose.access import container_ports, published
from conformance.stacks.compose.service import ports

WORKER_PATIENCE_S = 45.0  # a worker that is deployed shows up some seconds after the server
RUN_PATIENCE_S = 120.0  # a worker asks every 10 s, and a run imports Prefect first
MAX_STUCK = 20
MAX_PORTS = 50
STUCK_AFTER = timedelta(seconds=60)
FLOW_FILE = "conformance_probe.py"
FLOW = """
from prefect import flow

@flow(name="{name}")
def probe():
    return "done"
"""


Why = Literal["late", "pending", "crashed"]


class Worker(Facts):
    """A worker of a pool; ``seconds_silent`` since its last heartbeat."""

    name: str
    status: str  # ONLINE | OFFLINE
    seconds_silent: float | None


class Pool(Facts):
    """A work pool and its workers (the first 20)."""

    name: str
    type: str
    status: str  # READY | NOT_READY | PAUSED
    workers: tuple[Worker, ...]


class StuckRun(Facts):
    """A run that waits for something that does not come, or whose process died."""

    name: str
    why: Why
    state: str
    seconds: float  # since it should have started, or entered its state


class Ui(Facts):
    """The page, and the settings that its scripts read in the browser."""

    page: Answer
    settings: Answer
    api_url: str = ""  # where the page will look for the API


class ProbeRun(Facts):
    """A flow run sent through the API."""

    pool: str
    state: str  # COMPLETED, or the last one seen
    seconds: float
    detail: str = ""


class PrefectFacts(Facts):
    """``stuck`` and ``pools`` are from before the experiment."""

    endpoint: str
    host: str  # of the endpoint, and its port, as the kit reaches them
    port: int
    remapped: bool = False  # people reach it by another port: its author's, or that of whoever forwards it
    published: tuple[int, ...] | None = None  # the author's host ports that lead to it; None: they are not seen
    published_by_others: tuple[int, ...] = ()  # those that lead to other services: one of them may pass on to it
    health: Answer
    ready: Answer
    complaints: str = ""  # where it is not healthy: how its containers are, and their last words
    version: str = ""
    version_answer: Answer
    ui: Ui
    pools: tuple[Pool, ...] | None = None  # None: the API did not tell
    stuck: tuple[StuckRun, ...] | None = None  # the first 20; None: the API did not tell
    run: ProbeRun | None = None  # None: no pool of type process is READY with a worker online
    left_behind: str = ""  # what of the experiment could not be removed, and why


def collect(stack: Stack, probe: Probe) -> PrefectFacts:
    """Look at the server, its pools and its runs; then send it one."""
    endpoint = stack.endpoint(Role.PREFECT_SERVER)
    with suppress(Unavailable):
        stack.endpoint(Role.PREFECT_WORKER)  # waits: where it is a service it comes up last of all
    api = PrefectApi(endpoint.url)
    version = api.get("/admin/version")
    facts: dict[str, Any] = {
        "endpoint": endpoint.url,
        "host": endpoint.host,
        "port": endpoint.port,
        "remapped": not stack.direct,
        "health": api.get("/health").answer,
        "ready": api.get("/ready").answer,
        "version": brief(version.json() or "", 40),
        "version_answer": version.answer,
        "ui": _ui(endpoint),
        "stuck": _stuck(api),
        "pools": _pools(api, patience=WORKER_PATIENCE_S if stack.roles().get(Role.PREFECT_WORKER) else 0.0),
    }
    facts |= _published(stack, endpoint.service)
    if not (facts["health"].ok and facts["version"]):
        facts["complaints"] = last_words(stack, Role.PREFECT_SERVER)
    pool = _suitable(facts["pools"])
    if pool:
        probe.progress(f"a flow run on work pool {pool.name}")
        facts |= _experiment(api, pool.name)
    return PrefectFacts.model_validate(facts)


OBSERVER = Observer("prefect", PrefectFacts, collect)


def _published(stack: Stack, service: str) -> dict[str, Any]:
    """The host ports of the author's model that lead to Prefect, and to others."""
    try:
        model = stack.compose()
    except Unavailable:
        return {}
    target = container_ports(Role.PREFECT_SERVER, naming.service(model, service), stack.source())["main"]
    own = {one.port for one in published(model, service, target) if one.port}
    every = {
        int(port.published)
        for other in model.resolved.get("services") or {}
        for port in ports(naming.service(model, other))
        if port.published.isdecimal()
    }
    return {"published": tuple(sorted(own)), "published_by_others": tuple(sorted(every - own))[:MAX_PORTS]}


def _ui(endpoint: Endpoint) -> Ui:
    page = fetch(f"{endpoint.url}/", accept="text/html")
    settings = fetch(f"{endpoint.url}/ui-settings", accept="application/json")
    told = settings.json()
    api_url = told.get("api_url") if isinstance(told, dict) else None
    return Ui(page=page.answer, settings=settings.answer, api_url=brief(api_url or ""))


def _pools(api: PrefectApi, patience: float) -> tuple[Pool, ...] | None:
    """The pools once one is served (it is READY a moment after its first worker is online), or when patience ends."""
    deadline = time.monotonic() + patience
    while True:
        listed = api.filter("/work_pools", {"limit": 20})
        pools = [] if listed is None else [_pool(api, pool) for pool in listed]
        told = tuple(pool for pool in pools if pool is not None)
        if listed is None or len(told) < len(pools):
            return None
        if any(map(_served, told)) or time.monotonic() > deadline:
            return told
        time.sleep(0.5)


def _pool(api: PrefectApi, pool: dict[str, Any]) -> Pool | None:
    """A pool; None when the API does not tell its workers."""
    workers = api.filter(f"/work_pools/{quote(pool['name'], safe='')}/workers", {"limit": 20})
    if workers is None:
        return None
    return Pool(
        name=brief(pool["name"], 100),
        type=brief(pool.get("type", ""), 40),
        status="PAUSED" if pool.get("is_paused") else str(pool.get("status", "")),
        workers=tuple(
            Worker(
                name=brief(worker.get("name", ""), 100),
                status=str(worker.get("status", "")),
                seconds_silent=_age(worker.get("last_heartbeat_time")),
            )
            for worker in workers
        ),
    )


def _served(pool: Pool) -> bool:
    return pool.status != "NOT_READY" and any(worker.status == "ONLINE" for worker in pool.workers)


def _suitable(pools: tuple[Pool, ...] | None) -> Pool | None:
    fit = (pool for pool in pools or () if pool.type == "process" and pool.status == "READY" and _served(pool))
    return next(fit, None)


def _stuck(api: PrefectApi) -> tuple[StuckRun, ...] | None:
    """Runs due and not started, pending without end, or crashed."""
    due = (datetime.now(UTC) - STUCK_AFTER).isoformat()
    questions: dict[Why, dict[str, Any]] = {
        "late": {"state": {"type": {"any_": ["SCHEDULED"]}}, "next_scheduled_start_time": {"before_": due}},
        "pending": {"state": {"type": {"any_": ["PENDING"]}}},
        "crashed": {"state": {"type": {"any_": ["CRASHED"]}}},
    }
    stuck: list[StuckRun] = []
    for why, question in questions.items():
        runs = api.filter("/flow_runs", {"flow_runs": question, "limit": MAX_STUCK})
        if runs is None:
            return None
        for run in runs:
            state = run.get("state") or {}
            since = run.get("next_scheduled_start_time") if why == "late" else state.get("timestamp")
            seconds = _age(since) or 0.0
            if why != "pending" or seconds > STUCK_AFTER.total_seconds():
                name = brief(run.get("name", ""), 100)
                stuck.append(StuckRun(name=name, why=why, state=brief(state.get("name", ""), 40), seconds=seconds))
    return tuple(stuck[:MAX_STUCK])


def _age(instant: str | None) -> float | None:
    try:
        return round((datetime.now(UTC) - datetime.fromisoformat(instant or "")).total_seconds(), 1)
    except (TypeError, ValueError):  # absent, without offset, or no instant
        return None


def _experiment(api: PrefectApi, pool: str) -> dict[str, Any]:
    """A flow, a deployment on ``pool`` and a run of it, watched until it ends and removed."""
    started = time.monotonic()
    try:
        run = _send(api, pool)
        state = api.watch(run, RUN_PATIENCE_S)
        detail = "" if state.get("type") == "COMPLETED" else api.complaint(run, state, RUN_PATIENCE_S)
    except Refused as refusal:
        state, detail = {}, str(refusal)
    finally:
        left_behind = api.remove_all()
    seconds = round(time.monotonic() - started, 1)
    run_facts = ProbeRun(pool=pool, state=str(state.get("type", "")), seconds=seconds, detail=detail)
    return {"run": run_facts, "left_behind": left_behind}


def _send(api: PrefectApi, pool: str) -> str:
    """Create flow, deployment and run; the run's id."""
    name = f"conformance-{secrets.token_hex(4)}"
    source = base64.b64encode(FLOW.format(name=name).encode()).decode()
    write = f"sh -c 'printf %s {source} | base64 -d > {FLOW_FILE}'"
    flow = api.make("flows", "/flows/", {"name": name})
    deployment = api.make(
        "deployments",
        "/deployments/",
        {
            "name": name,
            "flow_id": flow,
            "work_pool_name": pool,
            "entrypoint": f"{FLOW_FILE}:probe",
            "pull_steps": [{"prefect.deployments.steps.run_shell_script": {"script": write}}],
        },
    )
    return api.make("flow_runs", f"/deployments/{deployment}/create_flow_run", {"name": name, "idempotency_key": name})
