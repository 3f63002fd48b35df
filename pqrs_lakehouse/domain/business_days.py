"""Colombian business days as lookup tables: Monday to Friday that are no holiday (Ley 51 de 1983, Ley 2578 de 2026).

The holidays come from the package `holidays`; tests hold them against the law's own list, year by year. The tables
cover ``FIRST_DAY`` to ``LAST_DAY``; what reaches beyond is refused, never guessed.

Days are Series of dtype Date. Null gives null.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Final

import holidays
import numpy as np
import polars as pl

FIRST_DAY: Final = date(1999, 1, 1)
LAST_DAY: Final = date(2100, 12, 31)  # the last that the package knows
_FIRST_OFFSET: Final = (FIRST_DAY - date(1970, 1, 1)).days


@dataclass(frozen=True)
class _Tables:
    is_holiday: pl.Series  # by day, 0 is FIRST_DAY
    business_days_through: pl.Series  # by day
    roll: pl.Series  # by day
    business_days: pl.Series  # all of them, in order


@cache
def _tables() -> _Tables:
    days = np.arange(np.datetime64(FIRST_DAY), np.datetime64(LAST_DAY) + np.timedelta64(1, "D"))
    years = range(FIRST_DAY.year, LAST_DAY.year + 1)
    is_holiday = np.isin(days, np.array(sorted(holidays.country_holidays("CO", years=years)), dtype="datetime64[D]"))
    is_business_day = np.is_busday(days) & ~is_holiday
    through = np.cumsum(is_business_day, dtype=np.int32)
    business_days = pl.Series(days[is_business_day])
    return _Tables(
        is_holiday=pl.Series(is_holiday),
        business_days_through=pl.Series(through),
        roll=business_days.gather(through - is_business_day),  # LAST_DAY is a business day: there is always a next one
        business_days=business_days,
    )


def is_holiday(days: pl.Series) -> pl.Series:
    """Whether each day is a Colombian holiday, on whatever day of the week.

    Raises:
        ValueError: a day is outside FIRST_DAY to LAST_DAY.
    """
    return _tables().is_holiday.gather(_offsets(days))


def is_business_day(days: pl.Series) -> pl.Series:
    """Whether each day is a business day.

    Raises:
        ValueError: a day is outside FIRST_DAY to LAST_DAY.
    """
    return roll(days) == days


def business_days_through(days: pl.Series) -> pl.Series:
    """B(d): how many business days there are from FIRST_DAY up to and including each day.

    Raises:
        ValueError: a day is outside FIRST_DAY to LAST_DAY.
    """
    return _tables().business_days_through.gather(_offsets(days))


def roll(days: pl.Series) -> pl.Series:
    """The first business day at or after each day.

    Raises:
        ValueError: a day is outside FIRST_DAY to LAST_DAY.
    """
    return _tables().roll.gather(_offsets(days))


def nth_business_day(numbers: pl.Series) -> pl.Series:
    """The inverse of B: ``nth_business_day(B(d) + k)`` is the k-th business day after d.

    Raises:
        ValueError: that business day is outside FIRST_DAY to LAST_DAY.
    """
    business_days = _tables().business_days
    if ((numbers < 1) | (numbers > len(business_days))).any():
        raise ValueError(f"a term ends outside the Colombian calendar ({FIRST_DAY} to {LAST_DAY})")
    return business_days.gather(numbers - 1)


def _offsets(days: pl.Series) -> pl.Series:
    outside = days.filter((days < FIRST_DAY) | (days > LAST_DAY))
    if len(outside):
        raise ValueError(f"{outside[0]} is outside the Colombian calendar ({FIRST_DAY} to {LAST_DAY})")
    return days.to_physical() - _FIRST_OFFSET
