"""The Colombian calendar against the law's own list and against dates counted by hand on a wall calendar."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from pqrs_lakehouse.domain.business_days import (
    FIRST_DAY,
    LAST_DAY,
    business_days_through,
    is_business_day,
    is_holiday,
    nth_business_day,
    roll,
)

WHERE_THEY_FALL = ((1, 1), (5, 1), (7, 20), (8, 7), (12, 8), (12, 25))
MOVED = ((1, 6), (3, 19), (6, 29), (8, 15), (10, 12), (11, 1), (11, 11))  # Ley 51 de 1983: to the next Monday
HOLIDAYS_2026 = (
    "01-01 01-12 03-23 04-02 04-03 05-01 05-18 06-08 06-15 06-29 07-13 07-20 08-07 08-17 10-12 11-02 11-16 12-08 12-25"
)
HOLIDAYS_2025 = "01-01 01-06 03-24 04-17 04-18 05-01 06-02 06-23 06-30 07-20 08-07 08-18 10-13 11-03 11-17 12-08 12-25"


def easter(year: int) -> date:
    """Gauss's rule as Knuth gives it (The Art of Computer Programming 1.3.2, exercise 14)."""
    golden, century = year % 19 + 1, year // 100 + 1
    leap_years_dropped, moon_correction = 3 * century // 4 - 12, (8 * century + 5) // 25 - 5
    sunday = 5 * year // 4 - leap_years_dropped - 10
    epact = (11 * golden + 20 + moon_correction - leap_years_dropped) % 30
    if epact == 24 or (epact == 25 and golden > 11):
        epact += 1
    full_moon = 44 - epact
    full_moon += 30 if full_moon < 21 else 0
    return date(year, 3, 1) + timedelta(days=full_moon + 7 - (sunday + full_moon) % 7 - 1)


def holidays_by_law(year: int) -> set[date]:
    moved = [date(year, month, day) for month, day in MOVED]
    moved += [easter(year) + timedelta(days=days) for days in (39, 60, 68)]
    if year >= 2026:
        moved.append(date(year, 7, 9))  # Ley 2578 de 2026
    return {
        *(date(year, month, day) for month, day in WHERE_THEY_FALL),
        easter(year) - timedelta(days=3),
        easter(year) - timedelta(days=2),
        *(day + timedelta(days=-day.weekday() % 7) for day in moved),
    }


def days(*texts: str) -> pl.Series:
    return pl.Series([date.fromisoformat(text) for text in texts])


def whole(year: int) -> pl.Series:
    return pl.date_range(date(year, 1, 1), date(year, 12, 31), eager=True)


@pytest.mark.parametrize("year", range(FIRST_DAY.year, LAST_DAY.year + 1))
def test_holidays_are_those_of_the_law(year: int) -> None:
    assert set(whole(year).filter(is_holiday(whole(year)))) == holidays_by_law(year)


@pytest.mark.parametrize(("year", "written"), [(2025, HOLIDAYS_2025), (2026, HOLIDAYS_2026)])
def test_holidays_are_those_of_the_published_calendar(year: int, written: str) -> None:
    found = whole(year).filter(is_holiday(whole(year)))
    assert " ".join(found.dt.strftime("%m-%d")) == written


@pytest.mark.parametrize("year", [2019, 2025, 2030, 2038])
def test_two_holidays_on_one_monday_are_one_day(year: int) -> None:
    assert is_holiday(whole(year)).sum() == (17 if year < 2026 else 18)


def test_the_day_of_chiquinquira_is_a_holiday_from_2026() -> None:
    second_mondays_of_july = days("2025-07-14", "2026-07-13", "2027-07-12")
    assert is_business_day(second_mondays_of_july).to_list() == [True, False, False]


def test_business_days_are_monday_to_friday_without_holidays() -> None:
    holy_week = days(
        "2026-03-30", "2026-03-31", "2026-04-01", "2026-04-02", "2026-04-03", "2026-04-04", "2026-04-05", "2026-04-06"
    )
    assert is_business_day(holy_week).to_list() == [True, True, True, False, False, False, False, True]


def test_count_includes_the_day_itself() -> None:
    counts = business_days_through(days("1999-01-01", "1999-01-03", "1999-01-04", "1999-01-05", "1999-01-11"))
    assert counts.to_list() == [0, 0, 1, 2, 5]  # 1 January is a holiday, the 11th the moved Epiphany


def test_count_over_a_year_end() -> None:
    before, after = business_days_through(days("2025-12-22", "2026-01-07"))
    assert after - before == 10  # 23 24 26 29 30 31 December, 2 5 6 7 January


@pytest.mark.parametrize(
    ("day", "first_business_day"),
    [
        ("2026-04-01", "2026-04-01"),
        ("2026-04-02", "2026-04-06"),  # Holy Thursday
        ("2026-05-31", "2026-06-01"),  # a Sunday
        ("2026-06-06", "2026-06-09"),  # a Saturday before a holiday on Monday
        ("2025-12-25", "2025-12-26"),
        ("2026-01-01", "2026-01-02"),
    ],
)
def test_roll(day: str, first_business_day: str) -> None:
    assert roll(days(day)).to_list() == [date.fromisoformat(first_business_day)]


def test_nth_business_day_is_the_inverse_of_the_count() -> None:
    business_days = whole(2026).filter(is_business_day(whole(2026)))
    assert nth_business_day(business_days_through(business_days)).to_list() == business_days.to_list()


def test_the_tenth_business_day_after_a_friday_before_holy_week() -> None:
    friday = business_days_through(days("2026-03-27"))
    assert nth_business_day(friday + 10).to_list() == [date(2026, 4, 14)]


def test_null_gives_null() -> None:
    nothing = pl.Series([None], dtype=pl.Date)
    assert roll(nothing).to_list() == business_days_through(nothing).to_list() == [None]
    assert nth_business_day(pl.Series([None], dtype=pl.Int32)).to_list() == [None]


@pytest.mark.parametrize("day", [FIRST_DAY - timedelta(days=1), LAST_DAY + timedelta(days=1)])
def test_days_outside_the_calendar_are_refused(day: date) -> None:
    for function in (is_holiday, is_business_day, business_days_through, roll):
        with pytest.raises(ValueError, match=f"{day} is outside the Colombian calendar"):
            function(pl.Series([date(2026, 1, 1), None, day]))


def test_terms_that_end_outside_the_calendar_are_refused() -> None:
    last = business_days_through(pl.Series([LAST_DAY]))
    assert nth_business_day(last).to_list() == [LAST_DAY]
    for beyond in (last + 1, last * 0, last * 0 - 5):
        with pytest.raises(ValueError, match="outside the Colombian calendar"):
            nth_business_day(beyond)
