"""Deployed with Compose, every breach is caught with the right words and every sound variant is spared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cases import Case, cases
from deployed import proof

from conformance.kit import Kit

pytestmark = pytest.mark.compose

KIT = Kit()


@pytest.mark.parametrize(
    "case", [*cases("breach", "compose"), *cases("variant", "compose")], ids=lambda case: case.name
)
def test_a_case_is_deployed(case: Case, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    shown = proof(case, KIT, tmp_path)
    record_property(*shown.properties())
    assert shown.faults == ()
