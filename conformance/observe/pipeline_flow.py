"""The reference pipeline as a flow run on a deployment's own Prefect: sent, watched until it ends, and removed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from conformance.observe.facts import Facts
from conformance.observe.prefect_api import PrefectApi, Refused
from conformance.observe.web import brief

FLOW = "pqrs-pipeline"
DEPLOYMENT = "reference"
ENTRYPOINT = "pqrs_lakehouse.flows.pqrs_pipeline"
PATIENCE_S = 150.0  # a worker asks every 10 s or so, and a run imports Prefect first


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


def run_flow(
    url: str, pool: str, run_id: str, as_of: str, settings: Mapping[str, str], ours: tuple[str, ...]
) -> FlowRun:
    """Run the delivery ``run_id`` through the Prefect server at ``url``.

    The stack's own deployment is used where there is one, with its own environment but for the variables that
    ``ours`` names; otherwise one is made for this run, with ``settings`` as its environment.
    """
    api = PrefectApi(url)
    started = time.monotonic()
    facts: dict[str, Any] = {"deployment": f"{FLOW}/{DEPLOYMENT}", "own": True, "pool": pool}
    try:
        deployment = api.get(f"/deployments/name/{FLOW}/{DEPLOYMENT}").json()
        if deployment:
            environment = (deployment.get("job_variables") or {}).get("env") or {}
            environment |= {name: settings[name] for name in ours}
            facts["pool"] = str(deployment.get("work_pool_name"))
        else:
            environment = dict(settings)
            deployment = _deploy(api, pool)
            facts |= {"deployment": f"{FLOW}/{deployment['name']}", "own": False}
        facts |= _watched(api, deployment["id"], run_id, as_of, environment)
    except Refused as refusal:
        facts["detail"] = str(refusal)
    finally:
        left_behind = api.remove_all()
    return FlowRun(**facts, seconds=round(time.monotonic() - started, 1), left_behind=left_behind)


def _deploy(api: PrefectApi, pool: str) -> dict[str, Any]:
    flow = api.get(f"/flows/name/{FLOW}").json()
    flow_id = flow["id"] if flow else api.make("flows", "/flows/", {"name": FLOW})
    name = f"conformance-{secrets.token_hex(4)}"
    payload = {"name": name, "flow_id": flow_id, "work_pool_name": pool, "entrypoint": ENTRYPOINT}
    return {"id": api.make("deployments", "/deployments/", payload), "name": name}


def _watched(
    api: PrefectApi, deployment: str, run_id: str, as_of: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Send the run and watch it until it ends or patience does."""
    payload = {
        "name": f"conformance-{secrets.token_hex(4)}",
        "parameters": {"run_id": run_id, "as_of": as_of},
        "job_variables": {"env": dict(environment)},
    }
    flow_run = api.make("flow_runs", f"/deployments/{deployment}/create_flow_run", payload)
    state = api.watch(flow_run, PATIENCE_S)
    this = {"flow_runs": {"id": {"any_": [flow_run]}}}
    listed = api.filter("/flow_runs", this) or []
    tasks = api.filter("/task_runs", {**this, "sort": "EXPECTED_START_TIME_ASC", "limit": 20}) or []
    facts = {
        "name": payload["name"],
        "state": str(state.get("type", "")),
        "shown": any(run.get("id") == flow_run for run in listed),
        "tasks": tuple(
            TaskRun(name=brief(task.get("name", ""), 100), state=str((task.get("state") or {}).get("type", "")))
            for task in tasks
        ),
    }
    done = facts["state"] == "COMPLETED"
    return facts if done else facts | {"detail": api.complaint(flow_run, state, PATIENCE_S)}
