"""Points, coverage and exit codes."""

from __future__ import annotations

from typing import Any

import pytest
from verdicts import judgment, of_every_status, verdict

from conformance.verdict.model import Score
from conformance.verdict.score import BROKEN, HOLDS, INCOMPLETE, exit_code
from conformance.verdict.words import Status

PASS, FAIL, BLOCKED, UNOBSERVABLE, ERROR = (
    Status.PASS, Status.FAIL, Status.BLOCKED, Status.UNOBSERVABLE, Status.ERROR,
)  # fmt: skip


def test_unobservable_and_error_leave_the_denominator_and_blocked_earns_nothing() -> None:
    judged = of_every_status()
    assert judged.score == Score(earned=1, possible=3 + 2 + 1, percent=16.67, required_failed=("E2E-01", "E2E-02"))
    assert judged.counts.model_dump() == {"pass": 1, "fail": 1, "blocked": 1, "unobservable": 1, "error": 1}
    assert (judged.coverage.observed, judged.coverage.total) == (3, 5)
    assert {result.id: result.earned for result in judged.guarantees} == {
        "E2E-01": 0, "E2E-02": 0, "E2E-04": 0, "E2E-05": 1, "E2E-09": 0,
    }  # fmt: skip


def test_recommended_guarantees_add_points_and_never_fail_a_run() -> None:
    judged = verdict(judgment("E2E-01", PASS), judgment("E2E-06", FAIL), profile="reference")
    assert judged.score == Score(earned=3, possible=4, percent=75, required_failed=())
    assert [result.required for result in judged.guarantees] == [True, False]
    assert exit_code(judged) == HOLDS


def test_results_come_in_the_order_of_the_catalogue() -> None:
    judged = verdict(judgment("E2E-09", PASS), judgment("E2E-01", PASS), judgment("E2E-05", PASS))
    assert [result.id for result in judged.guarantees] == ["E2E-01", "E2E-05", "E2E-09"]


@pytest.mark.parametrize("scope", ["static", "incomplete"])
def test_what_is_no_grade_has_no_score(scope: str) -> None:
    assert verdict(judgment("E2E-01", PASS), scope=scope).score is None


def test_nothing_judged_is_no_grade() -> None:
    judged = verdict(judgment("E2E-01", UNOBSERVABLE), judgment("E2E-02", ERROR))
    assert judged.score is None


@pytest.mark.parametrize(
    ("statuses", "changes", "code"),
    [
        ({"E2E-01": PASS, "E2E-02": PASS}, {}, HOLDS),
        ({"E2E-01": PASS, "E2E-04": UNOBSERVABLE}, {}, HOLDS),
        ({"E2E-01": FAIL}, {}, BROKEN),
        ({"E2E-02": BLOCKED}, {}, BROKEN),
        ({"E2E-01": FAIL, "E2E-02": ERROR}, {}, BROKEN),
        ({"E2E-01": FAIL}, {"coverage_required": 9}, BROKEN),
        ({"E2E-01": PASS, "E2E-02": ERROR}, {}, INCOMPLETE),
        ({"E2E-01": PASS}, {"coverage_required": 2}, INCOMPLETE),
        ({"E2E-01": PASS, "E2E-02": PASS}, {"coverage_required": 2}, HOLDS),
        ({"E2E-01": UNOBSERVABLE}, {}, INCOMPLETE),
        ({"E2E-01": PASS}, {"scope": "incomplete"}, HOLDS),
        ({"E2E-01": FAIL}, {"scope": "incomplete"}, BROKEN),
        ({"E2E-01": PASS}, {"scope": "static"}, HOLDS),
    ],
)
def test_exit_codes(statuses: dict[str, Status], changes: dict[str, Any], code: int) -> None:
    judged = verdict(*(judgment(id_, status) for id_, status in statuses.items()), **changes)
    assert exit_code(judged) == code


@pytest.mark.parametrize("status", [PASS, FAIL, ERROR])
def test_an_interrupted_run_says_nothing_for_sure(status: Status) -> None:
    assert exit_code(verdict(judgment("E2E-01", status), scope="incomplete"), interrupted=True) == INCOMPLETE
