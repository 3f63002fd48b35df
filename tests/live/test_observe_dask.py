"""The Dask observer against a scheduler and two workers: idle, with leftovers, half out of reach, out of reach."""

from __future__ import annotations

from pathlib import Path

import pytest
from observing import Alone, altered

from conformance.observe.dask import DaskFacts, answers, collect, connect, submit
from conformance.stacks.base import Endpoint, Role, Stack, Unavailable
from conformance.stacks.ports import PortBlock

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def facts(stack: Stack) -> DaskFacts:
    return collect(stack, Alone())


def test_scheduler_and_workers_are_seen_idle(facts: DaskFacts) -> None:
    assert facts.identity.ok
    assert facts.protocol.ok
    assert (facts.health.status, facts.health.detail) == (200, "ok")
    assert facts.worker_count == 2
    assert {worker.name for worker in facts.workers} == {"dask-worker-1", "dask-worker-2"}
    assert all(worker.nthreads == 1 and worker.memory_limit > 0 for worker in facts.workers)
    assert facts.load is not None
    assert set(facts.load.model_dump().values()) == {0}


def test_the_dashboard_draws(facts: DaskFacts) -> None:
    assert (facts.dashboard.status, facts.draws) == (200, True)


def test_work_was_done_by_every_worker(facts: DaskFacts) -> None:
    assert facts.fan_out is not None
    assert facts.fan_out.result == facts.fan_out.expected == sum(n * n for n in range(8_000))
    assert {share.worker: share.tasks for share in facts.fan_out.ran_on} == {
        worker.address: 4 for worker in facts.workers
    }


def test_everybody_tells_versions_and_imports_polars(facts: DaskFacts) -> None:
    addresses = {worker.address for worker in facts.workers}
    assert {versions.member for versions in facts.versions} == {"kit", "scheduler", *addresses}
    assert len({(versions.python, versions.packages["distributed"]) for versions in facts.versions}) == 1
    assert {engine.worker for engine in facts.engines} == addresses
    assert all((engine.polars or "").startswith("2.") for engine in facts.engines)


def test_it_leaves_nothing_behind(stack: Stack, facts: DaskFacts) -> None:
    assert facts.worker_count
    again = collect(stack, Alone())
    assert again.load is not None
    assert set(again.load.model_dump().values()) == {0}


def test_a_failed_task_that_somebody_holds_is_seen(stack: Stack) -> None:
    with connect(stack.endpoint(Role.DASK_SCHEDULER)) as client:
        broken = submit(client, "1 / 0", name="leftover")
        with pytest.raises(ZeroDivisionError):
            answers([broken], within=20)
        facts = collect(stack, Alone())
    assert facts.load is not None
    assert (facts.load.erred, facts.load.processing) == (1, 0)


def test_without_the_dashboards_port_the_protocol_tells(stack: Stack) -> None:
    def endpoint(role: Role, port: str = "main") -> Endpoint:
        if port == "dashboard":
            raise Unavailable("not published")
        return stack.endpoint(role, port)

    facts = collect(altered(stack, endpoint=endpoint), Alone())
    assert facts.identity.ok
    assert facts.worker_count == 2
    assert facts.health.status is None
    assert facts.load is None
    assert facts.fan_out is not None
    assert facts.fan_out.result == facts.fan_out.expected


def test_silence_is_a_fact(stack: Stack) -> None:
    with PortBlock() as ports:
        places = {
            "main": Endpoint(Role.DASK_SCHEDULER, "dask-scheduler", "tcp", "127.0.0.1", ports.take()),
            "dashboard": Endpoint(Role.DASK_SCHEDULER, "dask-scheduler", "http", "127.0.0.1", ports.take()),
        }
        facts = collect(altered(stack, endpoint=lambda role, port="main": places[port]), Alone())
    assert (facts.identity.ok, facts.protocol.ok) == (False, False)
    assert "OSError" in facts.protocol.detail
    assert (facts.worker_count, facts.load, facts.fan_out) == (0, None, None)


def test_what_the_workers_logs_say_is_told(stack: Stack, tmp_path: Path) -> None:
    log = tmp_path / "dask-worker.log"
    log.write_text(
        "INFO - Waiting to connect to: tcp://dask-scheduler:8786\n"
        "INFO - Registered to: tcp://dask-scheduler:8786\n"
        "Error: No such option '--nprocs'.\n"
        "INFO - Waiting to connect to: tcp://localhost:8786\n"
    )
    facts = collect(
        altered(stack, logs=lambda: {"dask-worker": log}, roles=lambda: {Role.DASK_WORKER: ("dask-worker",)}), Alone()
    )
    assert facts.worker_complaints.splitlines() == [
        "Error: No such option '--nprocs'.",
        "INFO - Waiting to connect to: tcp://localhost:8786",
    ]
