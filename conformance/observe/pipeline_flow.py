"""The reference pipeline as a flow run on a deployment's own Prefect: sent, watched until it ends, and removed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from conformance.observe.facts import Facts
from conformance.observe.web import Reply, brief, fetch

FLOW = "pqrs-pipeline"
DEPLOYMENT = "reference"
ENTRYPOINT = "pqrs_lakehouse.flows.pqrs_pipeline"
PATIENCE_S = 150.0  # a worker asks every 10 s or so, and a run imports Prefect first
REMOVAL_PATIENCE_S = 15.0
TERMINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class TaskRun(Facts):
    """A task of the flow run, as Prefect shows it."""

    name: str
    state: str


class FlowRun(Facts):
    """A run of the pipeline, as Prefect shows it."""

    deployment: str  # flow/deployment
    own: bool  # the deployment is the stack's own, not one that the kit made for this run
    pool: str
    name: str = ""
    state: str = ""  # COMPLETED, or the last one seen
    shown: bool = False  # the API lists the run
    tasks: tuple[TaskRun, ...] = ()
    seconds: float = 0.0
    detail: str = ""  # what went wrong
    left_behind: str = ""

    @property
    def completed(self) -> bool:
        return self.state == "COMPLETED"


class _Refused(Exception):  # noqa: N818 - an answer, not an error
    """The API did not do what it was asked."""


class _Api:
    """The REST API of Prefect 3. What is made through it is noted in ``made``, to be removed."""

    def __init__(self, url: str) -> None:
        self._base = f"{url}/api"
        self.made: list[str] = []

    def get(self, path: str) -> Any:
        """JSON, or None when there is no such thing."""
        return fetch(f"{self._base}{path}").json()

    def post(self, path: str, payload: dict[str, Any]) -> Any:
        reply = fetch(f"{self._base}{path}", method="POST", payload=payload, timeout=15)
        if (told := reply.json()) is None:
            raise _Refused(brief(f"POST {path}: {reply.status} {reply.error or reply.text}", 500))
        return told

    def make(self, kind: str, path: str, payload: dict[str, Any]) -> str:
        thing = self.post(path, payload)
        self.made.append(f"/{kind}/{thing['id']}")
        return str(thing["id"])

    def remove_all(self) -> str:
        """What could not be removed; the last made goes first."""
        return "; ".join(filter(None, map(self._remove, reversed(self.made))))

    def _remove(self, path: str) -> str:
        deadline = time.monotonic() + REMOVAL_PATIENCE_S
        while (reply := self._delete(path)).status not in (200, 204, 404):
            if time.monotonic() > deadline:  # a server on SQLite says 503 while its database is busy
                return brief(f"{path}: {reply.status} {reply.error or reply.text}")
            time.sleep(0.3)
        return ""

    def _delete(self, path: str) -> Reply:
        return fetch(f"{self._base}{path}", method="DELETE")


def run_flow(
    url: str, pool: str, run_id: str, as_of: str, settings: Mapping[str, str], ours: tuple[str, ...]
) -> FlowRun:
    """Run the delivery ``run_id`` through the Prefect server at ``url``.

    The stack's own deployment is used where there is one, with its own environment but for the variables that
    ``ours`` names; otherwise one is made for this run, with ``settings`` as its environment.
    """
    api = _Api(url)
    started = time.monotonic()
    facts: dict[str, Any] = {"deployment": f"{FLOW}/{DEPLOYMENT}", "own": True, "pool": pool}
    try:
        deployment = api.get(f"/deployments/name/{FLOW}/{DEPLOYMENT}")
        if deployment:
            environment = (deployment.get("job_variables") or {}).get("env") or {}
            environment |= {name: settings[name] for name in ours}
            facts["pool"] = str(deployment.get("work_pool_name"))
        else:
            environment = dict(settings)
            deployment = _deploy(api, pool)
            facts |= {"deployment": f"{FLOW}/{deployment['name']}", "own": False}
        facts |= _watched(api, deployment["id"], run_id, as_of, environment)
    except _Refused as refusal:
        facts["detail"] = str(refusal)
    finally:
        left_behind = api.remove_all()
    return FlowRun(**facts, seconds=round(time.monotonic() - started, 1), left_behind=left_behind)


def _deploy(api: _Api, pool: str) -> dict[str, Any]:
    flow = api.get(f"/flows/name/{FLOW}")
    flow_id = flow["id"] if flow else api.make("flows", "/flows/", {"name": FLOW})
    name = f"conformance-{secrets.token_hex(4)}"
    payload = {"name": name, "flow_id": flow_id, "work_pool_name": pool, "entrypoint": ENTRYPOINT}
    return {"id": api.make("deployments", "/deployments/", payload), "name": name}


def _watched(api: _Api, deployment: str, run_id: str, as_of: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Send the run and watch it until it ends or patience does."""
    payload = {
        "name": f"conformance-{secrets.token_hex(4)}",
        "parameters": {"run_id": run_id, "as_of": as_of},
        "job_variables": {"env": dict(environment)},
    }
    flow_run = api.make("flow_runs", f"/deployments/{deployment}/create_flow_run", payload)
    deadline = time.monotonic() + PATIENCE_S
    state: dict[str, Any] = {}
    while state.get("type") not in TERMINAL and time.monotonic() < deadline:
        time.sleep(0.3)
        state = (api.get(f"/flow_runs/{flow_run}") or {}).get("state") or state
    this = {"flow_runs": {"id": {"any_": [flow_run]}}}
    listed = api.post("/flow_runs/filter", this)
    tasks = api.post("/task_runs/filter", {**this, "sort": "EXPECTED_START_TIME_ASC", "limit": 20})
    facts = {
        "name": payload["name"],
        "state": str(state.get("type", "")),
        "shown": any(run.get("id") == flow_run for run in listed),
        "tasks": tuple(
            TaskRun(name=brief(task.get("name", ""), 100), state=str((task.get("state") or {}).get("type", "")))
            for task in tasks
        ),
    }
    return facts if facts["state"] == "COMPLETED" else facts | {"detail": _complaint(api, flow_run, state)}


def _complaint(api: _Api, flow_run: str, state: Mapping[str, Any]) -> str:
    """What the state says, and the last lines of the run's log."""
    question = {"logs": {"flow_run_id": {"any_": [flow_run]}}, "sort": "TIMESTAMP_DESC", "limit": 5}
    said = [str(line.get("message", "")) for line in reversed(api.post("/logs/filter", question))]
    if state.get("type") in ("SCHEDULED", "PENDING", None):
        said.append(f"not started within {PATIENCE_S:.0f} s: is a worker online?")
    return brief(" | ".join(filter(None, (str(state.get("message") or ""), *said))), 1_000)
