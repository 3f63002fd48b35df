"""Mutants that only a whole stack shows: the kit sends its PQRS through Prefect and Dask, and takes services away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from judging_mutants import Record, judge, on
from mutating import ROOT, Mutant, Trial
from trying import Bench

from conformance.stacks.embedded import EmbeddedStack

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with EmbeddedStack(ROOT) as stack:
        yield Bench(stack, tmp_path_factory.mktemp("mutants"))


@pytest.mark.parametrize("trial", [Trial.CRASH, Trial.FLOW], ids=lambda one: one.name)
def test_the_reference_itself_is_not_taken_for_a_mutant(bench: Bench, trial: Trial) -> None:
    assert bench.broken_by(None, trial) == {}


@on(Trial.CRASH)
def test_a_mutant_is_seen_in_a_crash(bench: Bench, mutant: Mutant, record_property: Record) -> None:
    judge(mutant, bench.broken_by(mutant, Trial.CRASH), record_property)


@on(Trial.FLOW)
def test_a_mutant_is_seen_through_prefect(bench: Bench, mutant: Mutant, record_property: Record) -> None:
    judge(mutant, bench.broken_by(mutant, Trial.FLOW), record_property)
