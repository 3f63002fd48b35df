"""The pipeline as a flow run of the stack's own Prefect."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests
from pipeline_lake import END, config, query, settings

from conformance.stacks.base import Role, Unavailable
from conformance.stacks.embedded import EmbeddedStack
from pqrs_lakehouse import catalog, compute, flows, warehouse
from pqrs_lakehouse.generator import generate
from pqrs_lakehouse.lake import Lake
from pqrs_lakehouse.settings import Settings, SettingsError

pytestmark = pytest.mark.live
__all__ = ["settings"]  # a fixture


@pytest.fixture
def deployed(stack: EmbeddedStack, settings: Settings) -> Iterator[Settings]:
    """The deployment works in the test's own lake; afterwards in the stack's again."""
    with contextlib.suppress(Unavailable):  # it listens nowhere, which is told once it is online
        stack.endpoint(Role.PREFECT_WORKER)
    flows.deploy(settings, "pqrs")
    yield settings
    flows.deploy(stack.settings(), "pqrs")


def test_a_flow_run_does_the_work_on_dask(deployed: Settings) -> None:
    Lake(deployed).write_raw(generate(config()), "r1", config())
    ended = flows.run_deployment(deployed, "r1", timeout_s=180)
    assert ended.completed, ended
    assert query(deployed, "SELECT run_id, status, as_of FROM meta.etl_run") == [("r1", "SUCCESS", END)]
    assert query(deployed, "SELECT count(*) > 0 FROM gold.fact_ticket") == [(True,)]
    tasks = requests.post(
        f"{deployed.prefect_api_url}/task_runs/filter",
        json={"flow_runs": {"id": {"any_": [ended.id]}}, "sort": "EXPECTED_START_TIME_ASC"},
        timeout=10,
    ).json()
    assert [(task["name"].rpartition("-")[0], task["state_type"]) for task in tasks] == [
        (layer, "COMPLETED") for layer in compute.STAGES
    ]

    hashes = warehouse.content_hashes(deployed)
    compute.run_pipeline(deployed, "r1")  # the same stages without Prefect
    assert warehouse.content_hashes(deployed) == hashes


def test_a_flow_run_that_fails_says_why(deployed: Settings) -> None:
    Lake(deployed).make_bucket()
    ended = flows.run_deployment(deployed, "nothing", timeout_s=180)
    assert (ended.state, ended.completed) == ("FAILED", False)
    assert "run nothing delivered nothing" in ended.message
    assert catalog.runs(deployed) == []  # it never began


def test_deploying_again_is_one_deployment(deployed: Settings) -> None:
    assert flows.deploy(deployed, "pqrs") == flows.deploy(deployed, "pqrs")


def test_what_prefect_does_not_do_is_told(deployed: Settings) -> None:
    with pytest.raises(flows.OrchestrationError, match=r"after 0 s; is a worker online\?"):
        flows.run_deployment(deployed, "r1", timeout_s=0)
    with pytest.raises(flows.OrchestrationError, match=r"Prefect refuses .*404"):
        flows.run_deployment(replace(deployed, prefect_api_url=f"{deployed.prefect_api_url}/x"), "r1")
    with pytest.raises(SettingsError, match="PREFECT_API_URL"):
        flows.run_deployment(replace(deployed, prefect_api_url=""), "r1")
