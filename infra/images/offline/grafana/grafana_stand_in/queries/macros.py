"""The macros of SQL queries (pkg/tsdb/grafana-postgresql-datasource: macros.go, sqleng/sql_engine.go)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from .timing import TimeRange, format_interval, interval_ms

_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")


class MacroError(ValueError):
    """A macro that does not exist or lacks an argument."""


@dataclass(frozen=True)
class Fill:
    """What $__timeGroup's third argument asks for: ``value`` None is SQL's NULL."""

    interval_ms: int
    mode: str  # null | previous | value
    value: float = 0.0


def interpolate(sql: str, time_range: TimeRange, interval: int) -> tuple[str, Fill | None]:
    """The query that is sent, and how gaps are to be filled.

    Raises:
        MacroError
    """
    start, end = (int(at.timestamp()) for at in (time_range.start, time_range.end))
    sql = sql.replace("$__interval_ms", str(interval)).replace("$__interval", format_interval(interval))
    sql = sql.replace("$__unixEpochFrom()", str(start)).replace("$__unixEpochTo()", str(end))
    fill: list[Fill] = []

    def one(match: re.Match[str]) -> str:
        name = match[1]
        arguments = [argument.strip(" ") for argument in match[2].split(",")]
        if name == "__timeGroup" and sql[match.end() : match.end() + 1] == ",":
            name = "__timeGroupAlias"  # dashboards of before 5.3
        return _evaluate(name, arguments, time_range, fill)

    return _MACRO.sub(one, sql), (fill[-1] if fill else None)


def _evaluate(name: str, arguments: list[str], time_range: TimeRange, fill: list[Fill]) -> str:
    column = arguments[0]
    start, end = time_range.start, time_range.end
    simple: dict[str, Callable[[], str]] = {
        "__time": lambda: f'{column} AS "time"',
        "__timeEpoch": lambda: f'extract(epoch from {column}) as "time"',
        "__timeFilter": lambda: f"{column} BETWEEN '{_rfc3339(start)}' AND '{_rfc3339(end)}'",
        "__timeFrom": lambda: f"'{_rfc3339(start)}'",
        "__timeTo": lambda: f"'{_rfc3339(end)}'",
        "__unixEpochFilter": lambda: f"{column} >= {int(start.timestamp())} AND {column} <= {int(end.timestamp())}",
        "__unixEpochNanoFilter": lambda: f"{column} >= {_nanos(start)} AND {column} <= {_nanos(end)}",
        "__unixEpochNanoFrom": lambda: str(_nanos(start)),
        "__unixEpochNanoTo": lambda: str(_nanos(end)),
    }
    if name in simple:
        return simple[name]()
    group = name.removesuffix("Alias")
    if group not in ("__timeGroup", "__unixEpochGroup"):
        raise MacroError(f'unknown macro "{name}"')
    if len(arguments) < 2:
        raise MacroError(f"macro {group} needs time column and interval and optional fill value")
    try:
        interval = interval_ms(arguments[1].strip("'"))
    except ValueError:
        raise MacroError(f"error parsing interval {arguments[1]}") from None
    if len(arguments) == 3:
        fill.append(_fill(interval, arguments[2]))
    seconds = f"{interval / 1000:g}"
    source = f"extract(epoch from {column})" if group == "__timeGroup" else f"({column})"
    return f"floor({source}/{seconds})*{seconds}" + (' AS "time"' if name != group else "")


def _fill(interval: int, wanted: str) -> Fill:
    if wanted in ("NULL", "previous"):
        return Fill(interval, wanted.lower())
    try:
        return Fill(interval, "value", float(wanted))
    except ValueError:
        raise MacroError(f"error parsing fill value {wanted}") from None


def _rfc3339(at: datetime) -> str:
    text = at.astimezone(UTC).isoformat().removesuffix("+00:00")
    return (text.rstrip("0") if "." in text else text) + "Z"


def _nanos(at: datetime) -> int:
    return round(at.timestamp() * 1000) * 1_000_000
