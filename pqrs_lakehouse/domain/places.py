"""The places of PQRS: every municipality of Colombia by its DIVIPOLA code.

Source: DANE, División Político-Administrativa de Colombia (DIVIPOLA): 1,103 municipalities (with Bogotá, D.C. and the
island of San Andrés) and 18 non-municipalised areas. A code has five digits and begins with its department's two.
The capital of Cundinamarca is Bogotá, D.C., which is a department of its own (11): no municipality of 25 is a capital.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import polars as pl

SCHEMA = {
    "municipality_code": pl.String,
    "municipality": pl.String,
    "department_code": pl.String,
    "department": pl.String,
    "is_capital": pl.Boolean,
}


@cache
def places() -> pl.DataFrame:
    """One row per municipality in the order of codes; columns as in SCHEMA."""
    return pl.read_csv((files(__package__) / "divipola.csv").read_bytes(), schema=SCHEMA).sort("municipality_code")


@cache
def municipality_codes() -> tuple[str, ...]:
    """Every known DIVIPOLA code, sorted."""
    return tuple(places()["municipality_code"])
