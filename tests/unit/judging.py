"""Run one check on hand-written facts, with the texts that a person would read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from conformance.catalogue import Catalogue
from conformance.verdict.judge import diagnosis
from conformance.verdict.words import Broken, CannotTell, Status


@dataclass(frozen=True)
class Outcome:
    """What became of a check; ``hint`` and the diagnosis (es and en) of a failed one."""

    status: Status
    observed: str = ""
    hint: str | None = None
    es: str = ""
    en: str = ""


@cache
def catalogue() -> Catalogue:
    return Catalogue.load()


def judge(check: Callable[..., None], *facts: object) -> Outcome:
    """Every placeholder and hint of a failure is resolved: a text that lacks one raises KeyError."""
    try:
        check(*facts)
    except Broken as broken:
        expected, remedy = diagnosis(catalogue()[check.guarantee_id], broken)  # type: ignore[attr-defined]
        return Outcome(
            Status.FAIL, broken.observed, broken.hint, f"{expected.es}\n{remedy.es}", f"{expected.en}\n{remedy.en}"
        )
    except CannotTell as reason:
        return Outcome(Status.UNOBSERVABLE, str(reason))
    return Outcome(Status.PASS)
