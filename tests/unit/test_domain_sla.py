"""The lengths of terms by law."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from pqrs_lakehouse.domain.sla import TERMS, term_days
from pqrs_lakehouse.domain.vocabulary import PETITION_KINDS

TYPES = [*(("P", kind) for kind in PETITION_KINDS), ("Q", None), ("R", None), ("S", None)]
ORDINARY = [15, 10, 30, 15, 15, 15]
EMERGENCY = [30, 20, 35, 30, 30, 30]


@pytest.mark.parametrize(
    ("opened", "lengths"),
    [
        ("2000-01-01", ORDINARY),
        ("2020-03-27", ORDINARY),
        ("2020-03-28", EMERGENCY),  # Decreto 491 de 2020
        ("2022-05-17", EMERGENCY),
        ("2022-05-18", ORDINARY),  # after Ley 2207 de 2022
        ("2026-07-01", ORDINARY),
    ],
)
def test_lengths(opened: str, lengths: list[int]) -> None:
    opened_day = date.fromisoformat(opened)
    terms = pl.DataFrame(
        [(*of, opened_day) for of in TYPES],
        schema={"type": pl.String, "kind": pl.String, "opened": pl.Date},
        orient="row",
    )
    found = terms.select(term_days(pl.col("type"), pl.col("kind"), pl.col("opened"))).to_series()
    assert found.to_list() == lengths


@pytest.mark.parametrize("day", ["2020-03-27", "2020-03-28", "2022-05-17", "2022-05-18"])
@pytest.mark.parametrize(("pqrs_type", "kind"), TYPES)
def test_exactly_one_term_applies(pqrs_type: str, kind: str | None, day: str) -> None:
    opened = date.fromisoformat(day)
    applying = [
        term
        for term in TERMS
        if (term.pqrs_type, term.petition_kind) == (pqrs_type, kind)
        and (term.valid_from or date.min) <= opened <= (term.valid_to or date.max)
    ]
    assert len(applying) == 1
    assert applying[0].source.startswith(("Ley 1437 de 2011 art. 14", "Decreto 491 de 2020 art. 5"))


def test_a_type_that_is_none_has_no_term() -> None:
    unknown = pl.select(term_days(pl.lit("P"), pl.lit("complaint"), pl.lit(date(2026, 1, 1)))).item()
    assert unknown is None
