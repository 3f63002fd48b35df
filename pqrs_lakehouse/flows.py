"""Prefect directs the traffic: the stages of the pipeline as tasks of one flow. They pass names and counts, never rows.

Importing this module imports Prefect and little else: it is what a flow run waits for before it starts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import requests
from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from pqrs_lakehouse.settings import Settings

if TYPE_CHECKING:
    from pqrs_lakehouse.compute import Run

FLOW: Final = "pqrs-pipeline"
DEPLOYMENT: Final = "reference"
ENTRYPOINT: Final = "pqrs_lakehouse.flows.pqrs_pipeline"
_TERMINAL: Final = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


class OrchestrationError(RuntimeError):
    """Prefect does not do what it was asked; the message says what."""


@flow(name=FLOW, persist_result=False)
def pqrs_pipeline(run_id: str, as_of: str | None = None) -> dict[str, int]:
    """Run the delivery ``run_id`` through all layers; settings come from the environment.

    Args:
        run_id: the delivery and the run.
        as_of: ``YYYY-MM-DD``, the day on which the states of terms are told; the last day of arrival by default.

    Returns:
        the rows that each stage wrote, by layer.
    """
    from pqrs_lakehouse import compute

    settings = Settings.from_env()
    run = compute.open_run(settings, run_id, date.fromisoformat(as_of) if as_of else None)
    with compute.catalogued(settings, run_id):
        return {layer: stage.with_options(name=layer)(layer, run) for layer in compute.STAGES}


@task(retries=2, retry_delay_seconds=2, cache_policy=NO_CACHE, persist_result=False)
def stage(layer: str, run: Run) -> int:
    """One stage on the Dask workers; tried again when a service was lost in the middle of it.

    Returns:
        the rows that it wrote.
    """
    from pqrs_lakehouse import compute

    settings = Settings.from_env()
    with compute.dask_client(settings) as client:
        report = compute.STAGES[layer](settings, run, client)
    get_run_logger().info(
        "%s: %d rows read, %s", layer, report.rows_in, ", ".join(f"{d.name} {d.rows}" for d in report.written)
    )
    return report.rows_out


@dataclass(frozen=True)
class FlowRun:
    """How a flow run ended."""

    id: str
    state: str  # COMPLETED, FAILED, CRASHED or CANCELLED
    message: str

    @property
    def completed(self) -> bool:
        return self.state == "COMPLETED"


def deploy(settings: Settings, pool: str = "default") -> str:
    """Make the work pool (of type process, unless it is there) and the deployment, or bring it up to date.

    Flow runs get the settings through the environment of their process. The worker must be able to import this package.

    Returns:
        the deployment's id.

    Raises:
        OrchestrationError: Prefect refuses or cannot be reached.
        SettingsError: PREFECT_API_URL is missing.
    """
    api = _Api(settings)
    if not api.exists(f"work_pools/{pool}"):
        # Its first worker fills in the template: a server that is asked for one looks on the Internet.
        api.post("work_pools/", {"name": pool, "type": "process"})
    flow_id = api.post("flows/", {"name": FLOW})["id"]
    text = {"type": "string"}
    deployment = api.post(
        "deployments/",
        {
            "name": DEPLOYMENT,
            "flow_id": flow_id,
            "entrypoint": ENTRYPOINT,
            "work_pool_name": pool,
            "job_variables": {"env": settings.to_env()},
            "parameter_openapi_schema": {
                "type": "object",
                "required": ["run_id"],
                "properties": {"run_id": text, "as_of": {"anyOf": [text, {"type": "null"}], "default": None}},
            },
            "enforce_parameter_schema": True,
        },
    )
    return str(deployment["id"])


def run_deployment(settings: Settings, run_id: str, as_of: date | None = None, *, timeout_s: float = 600) -> FlowRun:
    """Have a worker run the deployment and wait for the end.

    Raises:
        OrchestrationError: there is no such deployment, Prefect cannot be reached, or the run has not ended in time.
        SettingsError: PREFECT_API_URL is missing.
    """
    api = _Api(settings)
    deadline = time.monotonic() + timeout_s
    deployment = api.get(f"deployments/name/{FLOW}/{DEPLOYMENT}")
    body = {
        "parameters": {"run_id": run_id, "as_of": as_of and as_of.isoformat()},
        "idempotency_key": str(uuid4()),  # asked again, it is still one run
    }
    flow_run = api.post(f"deployments/{deployment['id']}/create_flow_run", body)
    while flow_run["state"]["type"] not in _TERMINAL:
        if time.monotonic() > deadline:
            raise OrchestrationError(
                f"flow run {flow_run['id']} is {flow_run['state']['name']} after {timeout_s:.0f} s; is a worker online?"
            )
        time.sleep(0.25)
        flow_run = api.get(f"flow_runs/{flow_run['id']}")
    state = flow_run["state"]
    return FlowRun(flow_run["id"], state["type"], state["message"] or "")


class _Api:
    """Prefect's REST API.

    Asked again: a server that says 503, because its database (SQLite) is busy, and a connection that was kept open and
    that the server closed just when it was used again. Prefect takes each of our requests twice as once.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.require("prefect_api_url").rstrip("/")
        self._session = requests.Session()
        again = Retry(
            total=8,
            connect=0,
            read=2,
            status_forcelist=[503],
            allowed_methods=None,
            backoff_factor=0.2,
            raise_on_status=False,
        )
        self._session.mount(self._url, HTTPAdapter(max_retries=again))

    def exists(self, path: str) -> bool:
        return self._request("GET", path, None).status_code != 404

    def get(self, path: str) -> dict[str, Any]:
        return self._read(self._request("GET", path, None))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._read(self._request("POST", path, body))

    def _request(self, method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        try:
            return self._session.request(method, f"{self._url}/{path}", json=body, timeout=30)
        except requests.RequestException as error:
            raise OrchestrationError(f"Prefect does not answer at {self._url}: {type(error).__name__}") from error

    def _read(self, response: requests.Response) -> dict[str, Any]:
        if not response.ok:
            raise OrchestrationError(f"Prefect refuses {response.url}: {response.status_code} {response.text[:300]}")
        content: dict[str, Any] = response.json()
        return content
