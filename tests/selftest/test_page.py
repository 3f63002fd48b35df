"""The published matrix is what the cases show."""

from __future__ import annotations

from pathlib import Path

import measured
import pytest
from cases import KINDS, cases
from page import all_proofs, render
from proof import Proof

from conformance.kit import Kit
from conformance.verdict.words import Status

PAGE = Path(__file__).parents[2] / "docs/matrix.md"
CASES = {case.name: case for kind in KINDS for case in cases(kind)}


@pytest.mark.parametrize("proof", measured.load(), ids=lambda proof: f"{proof.level}-{proof.case}")
def test_what_was_measured_is_what_is_expected(proof: Proof) -> None:
    case = CASES[proof.case]
    assert case.has(proof.level)
    assert proof.faults == ()
    failed = {id_ for id_, status in proof.statuses.items() if status is Status.FAIL and id_ not in proof.before}
    assert failed - set(case.expect.get("leaves_undone", ())) == case.fails
    assert {id_ for id_ in case.covers if proof.statuses.get(id_) is Status.PASS} == set(case.covers)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(Kit().catalogue, all_proofs()), (
        "run: python tests/selftest/page.py > docs/matrix.md"
    )
