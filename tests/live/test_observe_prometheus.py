"""The Prometheus observer where Prometheus is installed; where it is not, that it says so."""

from __future__ import annotations

import shutil

import pytest
from observing import Alone, altered

from conformance.observe.prometheus import PrometheusFacts, collect
from conformance.stacks.base import Endpoint, Role, Stack, Unavailable
from conformance.stacks.ports import PortBlock

pytestmark = pytest.mark.live
INSTALLED = shutil.which("prometheus") is not None


@pytest.fixture(scope="module")
def probe() -> Alone:
    return Alone()


@pytest.fixture(scope="module")
def facts(stack: Stack, probe: Alone) -> PrometheusFacts:
    if not INSTALLED:
        pytest.skip("prometheus is not installed")
    return collect(stack, probe)


def test_a_stack_without_prometheus_says_so(stack: Stack) -> None:
    def endpoint(role: Role) -> Endpoint:
        if INSTALLED:
            raise Unavailable("prometheus is not on PATH")
        return stack.endpoint(role)

    with pytest.raises(Unavailable, match="prometheus is not on PATH"):
        collect(altered(stack, endpoint=endpoint), Alone())


def test_it_runs_the_file_that_it_was_started_with(facts: PrometheusFacts) -> None:
    assert facts.ready.status == 200
    assert facts.loaded
    assert facts.mounted is not None
    assert set(facts.loaded) == set(facts.mounted)
    assert facts.mounted_file.endswith((".yml", ".yaml"))


def test_every_target_is_up(facts: PrometheusFacts) -> None:
    assert facts.target_count == len(facts.targets) > 1
    assert {target.health for target in facts.targets} == {"up"}


def test_the_compute_plane_is_watched(facts: PrometheusFacts) -> None:
    watched = {one.role: one for one in facts.watched}
    assert watched["dask_scheduler"].targets
    assert watched["dask_scheduler"].series
    assert len(watched["dask_worker"].targets) == 2


def test_the_counter_counts_the_work_after_dask_was_seen_idle(facts: PrometheusFacts, probe: Alone) -> None:
    assert probe.asked == ["dask"]
    assert facts.counter is not None
    assert facts.counter.work.ok
    assert facts.counter.before is not None
    assert facts.counter.after == facts.counter.before + facts.counter.tasks


def test_a_file_on_another_machine_is_not_looked_for(stack: Stack, facts: PrometheusFacts) -> None:
    assert facts.loaded
    hidden = collect(altered(stack, kind="attached"), Alone())
    assert (hidden.loaded, hidden.mounted) == (facts.loaded, None)
    assert "not visible" in hidden.mounted_file


def test_silence_is_a_fact(stack: Stack) -> None:
    with PortBlock() as ports:
        nowhere = Endpoint(Role.PROMETHEUS, "prometheus", "http", "127.0.0.1", ports.take())
        facts = collect(altered(stack, endpoint=lambda role: nowhere), Alone())
    assert facts.ready.status is None
    assert "refused" in facts.ready.detail
    assert (facts.loaded, facts.mounted, facts.targets, facts.counter) == (None, None, (), None)
