"""Instants and days: instants are UTC with microseconds, days are calendar days in Colombia (America/Bogota)."""

from __future__ import annotations

from typing import Final

import polars as pl

INSTANT: Final = pl.Datetime("us", "UTC")


def day_of(instant: pl.Expr) -> pl.Expr:
    """The calendar day in Colombia, UTC-05:00 all year (daylight saving time ended in 1993)."""
    return instant.dt.offset_by("-5h").dt.date()
