"""Two tables compared row for row: what is missing, what nobody asked for, what differs and where."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from conformance.observe.facts import Facts
from conformance.text import clean

Row = Mapping[str, Any]

SAMPLE = 5


class Difference(Facts):
    """One value of one row that is not what it should be."""

    row: str
    column: str
    expected: str
    actual: str


class Comparison(Facts):
    """A table as it is, against the table as it should be. Samples are the first few in the order of their keys."""

    table: str
    expected_rows: int
    actual_rows: int
    missing: int = 0
    missing_sample: tuple[str, ...] = ()
    unexpected: int = 0
    unexpected_sample: tuple[str, ...] = ()
    repeated: int = 0  # rows whose key another row has too
    repeated_sample: tuple[str, ...] = ()
    differing: int = 0
    differing_columns: dict[str, int] = Field(default={}, description="in how many rows each column differs")
    differences: tuple[Difference, ...] = ()

    @property
    def agrees(self) -> bool:
        return not (self.missing or self.unexpected or self.repeated or self.differing)


def compare(table: str, key: Sequence[str], expected: Iterable[Row], actual: Iterable[Row]) -> Comparison:
    """Compare by ``key``, over the columns of the expected rows; what ``actual`` has beside them does not matter."""
    wanted = {identity(row, key): row for row in expected}
    found: dict[tuple[Any, ...], Row] = {}
    repeated: list[tuple[Any, ...]] = []
    count = 0
    for row in actual:
        count += 1
        if found.setdefault(identity(row, key), row) is not row:
            repeated.append(identity(row, key))
    missing = [k for k in wanted if k not in found]
    unexpected = [k for k in found if k not in wanted]
    wrong: list[tuple[tuple[Any, ...], str]] = []
    for k, row in wanted.items():
        if k in found:
            wrong += [(k, column) for column in row if found[k].get(column, ABSENT) != row[column]]
    columns: dict[str, int] = {}
    for _, column in wrong:
        columns[column] = columns.get(column, 0) + 1
    return Comparison(
        table=table,
        expected_rows=len(wanted),
        actual_rows=count,
        missing=len(missing),
        missing_sample=sample(missing),
        unexpected=len(unexpected),
        unexpected_sample=sample(unexpected),
        repeated=len(repeated),
        repeated_sample=sample(repeated),
        differing=len({k for k, _ in wrong}),
        differing_columns=columns,
        differences=tuple(
            Difference(
                row=label(k),
                column=column,
                expected=text(wanted[k][column]),
                actual=text(found[k].get(column, ABSENT)),
            )
            for k, column in sorted(wrong, key=lambda at: (label(at[0]), at[1]))[:SAMPLE]
        ),
    )


def content_hash(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """SHA-256 of what a table says: the given columns of its rows, in no order."""
    lines = sorted(json.dumps([canonical(row.get(column, ABSENT)) for column in columns], default=str) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


ABSENT = "(no such column)"


def identity(row: Row, key: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row.get(column, ABSENT) for column in key)


def canonical(value: Any) -> Any:
    """The same for equal instants, whatever their time zone."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def text(value: Any) -> str:
    """The value in few words."""
    return "null" if value is None else clean(str(canonical(value)), 300)


def label(key: Sequence[Any]) -> str:
    return " · ".join(text(part) for part in key)


def sample(keys: Iterable[Sequence[Any]]) -> tuple[str, ...]:
    return tuple(sorted(label(key) for key in keys)[:SAMPLE])
