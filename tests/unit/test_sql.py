"""The init script as text: its parts fit together, and its seeds are the domain's words."""

from __future__ import annotations

import re

import polars as pl
import pytest

from pqrs_lakehouse import reference, warehouse
from pqrs_lakehouse.domain.lifecycle import TRANSITIONS
from pqrs_lakehouse.domain.sla import TERMS
from pqrs_lakehouse.domain.vocabulary import STATUSES
from pqrs_lakehouse.layers import bronze, gold

SQL = reference.root() / "sql"
SCRIPT = warehouse.script(SQL / "init-postgres.sql")
_TOKEN = re.compile(r"'((?:[^']|'')*)'|(NULL|true|false)|(-?\d+)")


def seeds(table: str) -> list[tuple[object, ...]]:
    """The rows of the ``INSERT INTO table (…) VALUES (…), …`` of the script."""
    found = re.search(rf"INSERT INTO {re.escape(table)} \([^)]*\) VALUES\n(.*?)\nON CONFLICT DO NOTHING;", SCRIPT, re.S)
    assert found, f"{table} has no seeds"
    rows = [line.strip().rstrip(",") for line in found[1].splitlines()]
    return [tuple(_value(*token) for token in _TOKEN.findall(row[1:-1])) for row in rows]


def _value(text: str, word: str, number: str) -> object:
    if word:
        return {"NULL": None, "true": True, "false": False}[word]
    return int(number) if number else text.replace("''", "'")


def test_only_the_script_itself_stands_at_the_top() -> None:
    """The official image runs every script at the top of the mounted folder, no folder, and no file of another kind."""
    run = re.compile(r"\.(sh|sql(\.(gz|xz|zst))?)$")
    assert [path.name for path in SQL.iterdir() if run.search(path.name)] == ["init-postgres.sql"]


def test_every_part_is_included_once_in_order() -> None:
    included = re.findall(r"^\\ir (\S+)$", (SQL / "init-postgres.sql").read_text(), re.M)
    assert included == sorted(f"schema/{path.name}" for path in (SQL / "schema").iterdir())


def test_nothing_but_sql_remains_when_the_parts_are_in_place() -> None:
    assert not re.search(r"^\s*\\", SCRIPT, re.M)


@pytest.mark.parametrize("name", sorted(gold.dimensions()))
def test_dimension_seeds_are_the_domain(name: str) -> None:
    expected = gold.dimensions()[name]
    assert seeds(f"gold.{name}") == expected.rows()
    assert re.search(rf"INSERT INTO gold\.{name} \({', '.join(expected.columns)}\)", SCRIPT)


def test_transitions_are_the_domain() -> None:
    assert tuple(seeds("silver.allowed_transition")) == TRANSITIONS


def test_term_rules_are_the_domain() -> None:
    assert seeds("silver.term_rule") == [
        (
            key,
            term.pqrs_type,
            term.petition_kind,
            term.valid_from and term.valid_from.isoformat(),
            term.valid_to and term.valid_to.isoformat(),
            term.business_days,
            term.source,
        )
        for key, term in enumerate(TERMS, 1)
    ]


def test_the_type_that_has_kinds_is_petition() -> None:
    """fact_ticket's CHECK speaks of key 1."""
    types = gold.dimensions()["dim_pqrs_type"]
    assert types.filter(pl.col("pqrs_type_key") == 1)["pqrs_type_code"].to_list() == ["P"]


@pytest.mark.parametrize(
    ("column", "words"),
    [("from_status", STATUSES), ("to_status", STATUSES), ("reason", bronze.REASONS)],
)
def test_checks_list_the_domains_words(column: str, words: tuple[str, ...]) -> None:
    found = re.search(rf"CHECK \({column} IN \((.*?)\)\)", SCRIPT, re.S)
    assert found
    assert tuple(re.findall(r"'(\w+)'", found[1])) == words
