"""How long the law gives to respond to a PQRS, in business days.

Sources: Ley 1437 de 2011 art. 14 as replaced by Ley 1755 de 2015 art. 1; the code before it (Decreto 01 de 1984 arts. 6
and 25, Ley 57 de 1985 art. 25) gave the same. Decreto 491 de 2020 art. 5 lengthened them in the COVID-19 emergency,
from its publication until Ley 2207 de 2022 repealed it. A term keeps the length of the day on which it was opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import Final

import polars as pl

from pqrs_lakehouse.domain.vocabulary import PETITION_KINDS, PQRS_TYPES

EMERGENCY_FROM: Final = date(2020, 3, 28)
EMERGENCY_TO: Final = date(2022, 5, 17)
PETITION: Final = "P"


@dataclass(frozen=True)
class Term:
    """The length of the terms of a type and kind that are opened from ``valid_from`` to ``valid_to``, both included."""

    pqrs_type: str
    petition_kind: str | None  # only petitions (P) have a kind
    business_days: int
    valid_from: date | None  # None: since ever
    valid_to: date | None  # None: until further notice
    source: str


_ORDINARY: Final = {
    "general": (15, "Ley 1437 de 2011 art. 14"),
    "information": (10, "Ley 1437 de 2011 art. 14 num. 1"),
    "consultation": (30, "Ley 1437 de 2011 art. 14 num. 2"),
}
_EMERGENCY: Final = {
    "general": (30, "Decreto 491 de 2020 art. 5"),
    "information": (20, "Decreto 491 de 2020 art. 5 num. i"),
    "consultation": (35, "Decreto 491 de 2020 art. 5 num. ii"),
}
_PERIODS: Final = (
    (_ORDINARY, None, EMERGENCY_FROM - timedelta(days=1)),
    (_EMERGENCY, EMERGENCY_FROM, EMERGENCY_TO),
    (_ORDINARY, EMERGENCY_TO + timedelta(days=1), None),
)
_KINDS: Final = (
    *((PETITION, kind, kind) for kind in PETITION_KINDS),
    *((pqrs_type, None, "general") for pqrs_type in PQRS_TYPES if pqrs_type != PETITION),
)

TERMS: Final = tuple(
    Term(pqrs_type, kind, lengths[rule][0], valid_from, valid_to, source=lengths[rule][1])
    for lengths, valid_from, valid_to in _PERIODS
    for pqrs_type, kind, rule in _KINDS
)
"""Every term of the law: for each type, kind and day of opening exactly one applies."""


def term_days(pqrs_type: pl.Expr, petition_kind: pl.Expr, opened_day: pl.Expr) -> pl.Expr:
    """The length in business days (i16) of a term opened on ``opened_day``; null for a type or kind that is none."""

    def applies(term: Term) -> pl.Expr:
        conditions = [pqrs_type == term.pqrs_type]
        if term.petition_kind is not None:
            conditions.append(petition_kind == term.petition_kind)
        if term.valid_from is not None:
            conditions.append(opened_day >= term.valid_from)
        if term.valid_to is not None:
            conditions.append(opened_day <= term.valid_to)
        return pl.all_horizontal(conditions)

    unknown: pl.Expr = pl.lit(None, pl.Int16)
    return reduce(
        lambda otherwise, term: pl.when(applies(term)).then(pl.lit(term.business_days, pl.Int16)).otherwise(otherwise),
        TERMS,
        unknown,
    )
