"""On a running stack, every breach is caught with the right words and every sound variant is spared."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from cases import Case, cases
from embedded import Bench

from conformance.kit import Kit

pytestmark = pytest.mark.live

KIT = Kit()


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    bench = Bench(KIT)
    yield bench
    bench.close()


@pytest.mark.parametrize(
    "case", [*cases("breach", "embedded"), *cases("variant", "embedded")], ids=lambda case: case.name
)
def test_a_case_alters_a_running_stack(
    case: Case, bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    shown = bench.prove(case)
    record_property(*shown.properties())
    assert shown.faults == ()
