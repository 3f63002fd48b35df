"""From judgments to the verdict: points, coverage, scope and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from conformance.catalogue import Catalogue, Guarantee
from conformance.profile import Profile
from conformance.verdict.judge import Judgment
from conformance.verdict.model import (
    SCHEMA_ID,
    Counts,
    Coverage,
    Localised,
    ProfileRef,
    Result,
    Score,
    StackInfo,
    Subject,
    Verdict,
)
from conformance.verdict.words import Status

Scope = Literal["full", "static", "incomplete"]

JUDGED = frozenset({Status.PASS, Status.FAIL, Status.BLOCKED})
"""The statuses that count: the others leave the score and the coverage."""

HOLDS, BROKEN, ENVIRONMENT, INCOMPLETE = 0, 1, 2, 3
"""The exit codes of the command line."""


def verdict_of(
    judgments: Mapping[str, Judgment],
    catalogue: Catalogue,
    profile: Profile,
    *,
    scope: Scope,
    coverage_required: int,
    kit_version: str,
    subject: Subject,
    stack: StackInfo,
    started_at: datetime,
    duration_s: float,
    seed: int,
) -> Verdict:
    """The verdict on ``judgments`` (all of them guarantees of ``profile``), in the order of the catalogue."""
    results = tuple(result_of(catalogue[id_], judgments[id_], profile) for id_ in catalogue if id_ in judgments)
    counts = Counter(result.status for result in results)
    return Verdict(
        schema=SCHEMA_ID,
        kit_version=kit_version,
        scope=scope,
        coverage=Coverage(
            observed=sum(counts[status] for status in JUDGED), total=len(results), required=coverage_required
        ),
        profile=ProfileRef(name=profile.name, version=profile.version, hash=profile.hash),
        subject=subject,
        stack=stack,
        started_at=started_at,
        duration_s=round(duration_s, 3),
        seed=seed,
        guarantees=results,
        score=score(results) if scope == "full" else None,
        counts=Counts.model_validate({status.value: counts[status] for status in Status}),
    )


def score(results: Iterable[Result]) -> Score | None:
    """Points earned of those possible, recommended guarantees included; None when nothing was judged."""
    judged = [result for result in results if result.status in JUDGED]
    possible = sum(result.points for result in judged)
    if not possible:
        return None
    earned = sum(result.earned for result in judged)
    return Score(
        earned=round(earned, 4),
        possible=round(possible, 4),
        percent=round(100 * earned / possible, 2),
        required_failed=required_failed(judged),
    )


def required_failed(results: Iterable[Result]) -> tuple[str, ...]:
    return tuple(r.id for r in results if r.required and r.status in (Status.FAIL, Status.BLOCKED))


def exit_code(verdict: Verdict, *, interrupted: bool = False) -> int:
    """0 holds, 1 a required guarantee failed or is blocked, 3 the verdict is incomplete.

    A run that was limited on purpose is judged by what it was about; an interrupted one says nothing for sure.
    """
    if interrupted:
        return INCOMPLETE
    if required_failed(verdict.guarantees):
        return BROKEN
    if verdict.counts.error or verdict.coverage.observed < max(1, verdict.coverage.required):
        return INCOMPLETE
    return HOLDS


def result_of(guarantee: Guarantee, judgment: Judgment, profile: Profile) -> Result:
    """The line of one guarantee in the verdict."""
    points = profile.points(guarantee.id)
    return Result(
        id=guarantee.id,
        title=Localised(es=guarantee.es.title, en=guarantee.en.title),
        why=Localised(es=guarantee.es.why, en=guarantee.en.why),
        family=guarantee.family,
        plane=guarantee.plane,
        subject=guarantee.subject,
        status=judgment.status,
        required=guarantee.id in profile.required,
        points=points,
        earned=points if judgment.status is Status.PASS else 0.0,
        requires=guarantee.requires,
        blocked_by=judgment.blocked_by,
        observed=judgment.observed,
        expected=judgment.expected,
        remedy=judgment.remedy,
        evidence=tuple(f"evidence/facts/{subject}.json" for subject in judgment.subjects),
        duration_s=judgment.duration_s,
    )
