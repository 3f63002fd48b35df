"""The Prefect observer against a server and a process worker: in order, with runs that are stuck, without anybody."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from observing import Alone, altered

from conformance.observe.prefect import PrefectFacts, collect
from conformance.observe.prefect_api import PrefectApi
from conformance.stacks.base import Endpoint, Role, Stack
from conformance.stacks.ports import PortBlock

pytestmark = pytest.mark.live


class Api(PrefectApi):
    """Prefect's API, to put runs and pools into odd states."""

    def must(self, method: str, path: str, payload: dict[str, Any] | None = None) -> Any:
        reply = self.ask(method, path, payload)
        assert reply.answer.ok, f"{method} {path}: {reply.answer}"
        return reply.json()

    def names(self, kind: str) -> list[str]:
        return [thing["name"] for thing in self.must("POST", f"/{kind}/filter", {})]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Every work pool paused."""
        pools = self.names("work_pools")
        try:
            for pool in pools:
                self.must("PATCH", f"/work_pools/{pool}", {"is_paused": True})
            yield
        finally:
            for pool in pools:
                self.must("PATCH", f"/work_pools/{pool}", {"is_paused": False})

    @contextmanager
    def run(self, state: dict[str, Any]) -> Iterator[None]:
        """A run in ``state`` of a deployment that nobody serves."""
        name = f"odd-{uuid.uuid4().hex[:8]}"
        flow = self.must("POST", "/flows/", {"name": name})["id"]
        try:
            deployment = self.must("POST", "/deployments/", {"name": name, "flow_id": flow})["id"]
            self.must("POST", f"/deployments/{deployment}/create_flow_run", {"name": "red-fox", "state": state})
            yield
        finally:
            self.must("DELETE", f"/flows/{flow}")


@pytest.fixture(scope="module")
def api(stack: Stack) -> Api:
    return Api(stack.endpoint(Role.PREFECT_SERVER).url)


@pytest.fixture(scope="module")
def facts(stack: Stack) -> PrefectFacts:
    return collect(stack, Alone())


def test_the_server_is_seen_healthy(facts: PrefectFacts) -> None:
    assert (facts.health.status, facts.health.detail) == (200, "true")
    assert facts.ready.status == 200
    assert facts.version.startswith("3.")


def test_its_page_names_the_api_where_it_answers(stack: Stack, facts: PrefectFacts) -> None:
    assert facts.ui.page.status == 200
    assert "text/html" in facts.ui.page.content_type
    assert facts.ui.api_url == f"{stack.endpoint(Role.PREFECT_SERVER).url}/api"


def test_a_pool_is_served_and_nothing_is_stuck(facts: PrefectFacts) -> None:
    assert facts.pools
    pool = facts.pools[0]
    assert (pool.type, pool.status) == ("process", "READY")
    assert [worker.status for worker in pool.workers] == ["ONLINE"]
    assert facts.stuck == ()


def test_a_run_with_its_code_inline_completes_and_goes(api: Api, facts: PrefectFacts) -> None:
    assert facts.run is not None
    assert (facts.run.state, facts.run.detail) == ("COMPLETED", "")
    assert facts.left_behind == ""
    left = [name for kind in ("flows", "deployments", "flow_runs") for name in api.names(kind)]
    assert [name for name in left if name.startswith("conformance-")] == []


def test_runs_that_are_stuck_are_told_apart(api: Api, stack: Stack) -> None:
    due = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    late = {"type": "SCHEDULED", "state_details": {"scheduled_time": due}}
    with api.run(late), api.run({"type": "CRASHED", "name": "Crashed"}), api.run({"type": "PENDING"}), api.paused():
        facts = collect(stack, Alone())
    assert facts.stuck is not None
    assert {run.why: run.name for run in facts.stuck} == {"late": "red-fox", "crashed": "red-fox"}
    [waited] = [run.seconds for run in facts.stuck if run.why == "late"]
    assert 590 < waited < 700


def test_nothing_is_sent_to_a_paused_pool(api: Api, stack: Stack) -> None:
    with api.paused():
        facts = collect(stack, Alone())
    assert facts.pools is not None
    assert {pool.status for pool in facts.pools} == {"PAUSED"}
    assert (facts.run, facts.left_behind) == (None, "")


def test_silence_is_a_fact(stack: Stack) -> None:
    with PortBlock() as ports:
        nowhere = Endpoint(Role.PREFECT_SERVER, "prefect-server", "http", "127.0.0.1", ports.take())
        facts = collect(altered(stack, endpoint=lambda role: nowhere), Alone())
    assert facts.health.status is None
    assert "refused" in facts.health.detail
    assert (facts.version, facts.pools, facts.stuck, facts.run) == ("", None, None, None)
