"""The kit itself before mutants of the reference: on real stores its observers look, and a guarantee must fail."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from judging_mutants import Record, judge, on
from mutating import Mutant, Trial
from trying import Bench, Stores

pytestmark = pytest.mark.live
AT_ONCE = 2  # mutants that are observed side by side


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Stores() as stack:
        yield Bench(stack, tmp_path_factory.mktemp("mutants"))


@pytest.mark.parametrize("trial", [Trial.DATABASE, Trial.PIPELINE], ids=lambda one: one.name)
def test_the_reference_itself_is_not_taken_for_a_mutant(bench: Bench, trial: Trial) -> None:
    assert bench.broken_by(None, trial) == {}


@on(Trial.DATABASE)
def test_a_mutant_is_seen_in_the_database(bench: Bench, mutant: Mutant, record_property: Record) -> None:
    judge(mutant, bench.broken_by(mutant, Trial.DATABASE), record_property)


@pytest.fixture(scope="module")
def observed(bench: Bench, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[dict[str, str]]]]:
    """What breaks of each mutant that is to be tried, as soon as it is known; the next ones are under way meanwhile."""
    wanted = [
        item.callspec.params["mutant"]  # type: ignore[attr-defined]
        for item in request.session.items
        if "observed" in getattr(item, "fixturenames", ()) and "mutant" in item.fixturenames  # type: ignore[attr-defined]
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {mutant.id: pool.submit(bench.broken_by, mutant, Trial.PIPELINE) for mutant in wanted}
        pool.shutdown(cancel_futures=True)


@on(Trial.PIPELINE)
def test_a_mutant_is_seen_end_to_end(
    observed: dict[str, Future[dict[str, str]]], mutant: Mutant, record_property: Record
) -> None:
    judge(mutant, observed[mutant.id].result(), record_property)
