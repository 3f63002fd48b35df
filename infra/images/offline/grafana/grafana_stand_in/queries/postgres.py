"""The PostgreSQL datasource (pkg/tsdb/grafana-postgresql-datasource): real connections, rows as data frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from itertools import pairwise
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from ..models import DataSource
from .frames import Answer, Field, Frame
from .macros import Fill, MacroError, interpolate
from .model import Health, Query

ROW_LIMIT = 1_000_000  # dataproxy.row_limit
TIMEOUT = 5  # seconds to connect, as pgx here gives up soon
_NUMBERS = {
    "int2": "int16",
    "int4": "int32",
    "int8": "int64",
    "float4": "float64",
    "float8": "float64",
    "numeric": "float64",
}
_TIMES = frozenset({"timestamp", "timestamptz", "date"})


class Postgres:
    """Stateless: a connection a question."""

    def health(self, source: DataSource) -> Health:
        """A connection and a ping (sqleng/handler_checkhealth.go)."""
        try:
            with psycopg.connect(_conninfo(source)) as connection:
                connection.execute("SELECT 1")
        except ValueError as error:
            return Health(False, str(error))
        except psycopg.Error as error:
            link = "https://grafana.com/docs/grafana/latest/datasources/postgres"
            return Health(False, _worded(error), {"verboseMessage": str(error).strip(), "errorDetailsLink": link})
        return Health(True, "Database Connection OK")

    def query(self, source: DataSource, query: Query) -> Answer:
        raw = query.model.get("rawSql")
        if not isinstance(raw, str) or not raw:
            return Answer()  # as if it were not asked
        try:
            sql, fill = interpolate(raw, query.time_range, query.interval_ms)
        except MacroError as error:
            return _failed("interpolation failed", error, raw)
        try:
            with psycopg.connect(_conninfo(source), autocommit=True) as connection:
                cursor = connection.execute(sql.encode())  # bytes: one simple query, percent signs and all
                frame = _frame(connection, cursor)
        except (psycopg.Error, ValueError) as error:
            return _failed("db query error", error, sql)
        frame.meta["executedQueryString"] = sql
        try:
            if query.model.get("format", "time_series") != "table" and frame.fields:
                frame = _series(frame, query, fill)
        except ValueError as error:
            return Answer([replace(frame, fields=[])], str(error), 400)
        return Answer([frame])


def _failed(stage: str, error: Exception, sql: str) -> Answer:
    status = 400 if isinstance(error, MacroError) or getattr(error, "sqlstate", None) else 500
    return Answer([Frame(meta={"executedQueryString": sql})], f"{stage}: {str(error).strip()}", status)


def _conninfo(source: DataSource) -> str:
    """postgres.go, generateConnectionString: ``host:port``, ``[v6]:port`` or a socket's folder, never with a scheme.

    Raises:
        ValueError: a port that is no number.
    """
    host, port = source.url, ""
    if not host.startswith("/"):
        if host.startswith("[") and "]" in host:
            host, _, port = host[1:].partition("]")
            port = port.removeprefix(":")
        else:
            host, _, port = host.partition(":")
        if port and not port.isdecimal():
            raise ValueError(f'invalid port in host specifier "{port}": strconv.Atoi: parsing "{port}": invalid syntax')
    parameters: dict[str, Any] = {
        "host": host,
        "port": port,
        "user": source.user,
        "password": source.secure.get("password", ""),
        "dbname": source.json_data.get("database") or source.database,
        "sslmode": source.json_data.get("sslmode") or "",
        "connect_timeout": TIMEOUT,
        "application_name": "grafana",
    }
    return make_conninfo("", **{name: value for name, value in parameters.items() if value != ""})


def _worded(error: psycopg.Error) -> str:
    """handler_checkhealth.go, ErrToHealthCheckResult."""
    text = str(error).strip()
    if error.sqlstate or "FATAL:" in text:
        return "Database error: Failed to connect to the postgres server"
    if "SSL" in text:
        return "SSL error: Failed to connect to the server"
    known = (("could not translate host name", "no such host"), ("failed to resolve host", "no such host"),
             ("Connection refused", "connection refused"), ("timeout", "i/o timeout"))  # fmt: skip
    detail = next((words for sign, words in known if sign in text), "")
    return "Network error: Failed to connect to the server" + (f". Error message: {detail}" if detail else "")


def _frame(connection: psycopg.Connection[Any], cursor: psycopg.Cursor[Any]) -> Frame:
    """The last result as columns; without rows there are no fields either, as in the real one."""
    while cursor.nextset():
        pass
    if cursor.description is None:
        return Frame()
    rows = cursor.fetchmany(ROW_LIMIT + 1)
    frame = Frame()
    if len(rows) > ROW_LIMIT:
        rows = rows[:ROW_LIMIT]
        frame.meta["notices"] = [
            {
                "severity": "warning",
                "text": f"Results have been limited to {ROW_LIMIT} because the SQL row limit was reached",
            }
        ]
    if rows:
        for index, column in enumerate(cursor.description):
            kind = connection.adapters.types.get(column.type_code)
            frame.fields.append(_field(column.name, kind.name if kind else "", [row[index] for row in rows]))
    return frame


def _field(name: str, kind: str, values: list[Any]) -> Field:
    if kind in _NUMBERS:
        go_type = _NUMBERS[kind]
        plain = float if go_type == "float64" else int
        numbers = [None if value is None else plain(value) for value in values]
        field = Field(name, "number", numbers, nullable=True, go_type=go_type)
        return _as_time(field) if name == "time" else field
    if kind in _TIMES:
        return Field(name, "time", list(map(_milliseconds, values)), nullable=True)
    if kind == "bool":
        return Field(name, "boolean", values, nullable=True)
    return Field(name, "string", list(map(_text, values)), nullable=True)


def _as_time(field: Field) -> Field:
    """A number named time is an epoch, in seconds or smaller (sqleng: EpochPrecisionToMS)."""

    def scaled(value: float | None) -> int | None:
        if value is None:
            return None
        digits = len(str(abs(int(value))))
        return round(value * 1000 if digits <= 10 else value if digits <= 13 else value / 1_000_000)

    return Field(field.name, "time", [scaled(value) for value in field.values], nullable=True)


def _milliseconds(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        value = datetime.combine(value, time()) if isinstance(value, date) else datetime.fromisoformat(str(value))
    aware: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _series(frame: Frame, query: Query, fill: Fill | None) -> Frame:
    """Rows as time series: one value column for every combination of the text columns (sqleng: processFrame).

    Raises:
        ValueError: there is no time column, or its rows are not in order where that matters.
    """
    clock = next((item for item in frame.fields if item.name == "time" and item.kind == "time"), None)
    if clock is None:
        raise ValueError(
            "db has no time column: time column is missing; make sure your data includes a time column for time series "
            "format or switch to a table format that doesn't require it"
        )
    factors = [item for item in frame.fields if item.kind == "string"]
    values = [_floats(item) for item in frame.fields if item.kind in ("number", "boolean")]
    clock = Field("Time", "time", clock.values, nullable=True)
    if factors:
        clock, values = _wide(clock, factors, values)
        if len(frame.fields) == 3:
            for item in values:  # the metric column alone names its series
                if item.labels is not None and set(item.labels) == {"metric"}:
                    item.name, item.labels = item.labels["metric"], None
    if fill:
        clock, values = _filled(clock, values, query, fill)
    return replace(frame, fields=[clock, *values])


def _floats(item: Field) -> Field:
    numbers = [None if value is None else float(value) for value in item.values]
    return Field(item.name, "number", numbers, nullable=True, go_type="float64")


def _wide(clock: Field, factors: Sequence[Field], values: Sequence[Field]) -> tuple[Field, list[Field]]:
    """grafana-plugin-sdk-go/data/time_series.go, LongToWide."""
    times = clock.values
    if None in times or any(later < earlier for earlier, later in pairwise(times)):
        raise ValueError(
            "failed to convert long to wide series when converting from dataframe: "
            "long series must be sorted ascending by time to be converted"
        )
    moments = list(dict.fromkeys(times))
    place = {at: index for index, at in enumerate(moments)}
    columns: dict[tuple[tuple[str, str], ...], list[Field]] = {}
    for row, at in enumerate(times):
        labels = tuple((item.name, item.values[row] or "") for item in factors)
        if labels not in columns:
            columns[labels] = [
                Field(item.name, "number", [None] * len(moments), dict(labels), nullable=True) for item in values
            ]
        for column, item in zip(columns[labels], values, strict=True):
            column.values[place[at]] = item.values[row]
    ordered = [
        column for index in range(len(values)) for _, group in sorted(columns.items()) for column in [group[index]]
    ]
    return Field("Time", "time", moments, nullable=True), ordered


def _filled(clock: Field, values: list[Field], query: Query, fill: Fill) -> tuple[Field, list[Field]]:
    """Every step of the range has a row (sqleng/resample.go)."""
    step = fill.interval_ms
    first, last = (round(at.timestamp() * 1000) // step * step for at in (query.time_range.start, query.time_range.end))
    if (last - first) // step > ROW_LIMIT:
        raise ValueError(f"the range has more than {ROW_LIMIT} steps to fill")
    rows = {at: index for index, at in enumerate(clock.values) if at is not None}
    moments = sorted({*rows, *range(first, last + 1, step)})
    filled = []
    for item in values:
        numbers: list[float | None] = []
        for at in moments:
            if at in rows:
                numbers.append(item.values[rows[at]])
            elif fill.mode == "previous":
                numbers.append(numbers[-1] if numbers else None)
            else:
                numbers.append(fill.value if fill.mode == "value" else None)
        filled.append(replace(item, values=numbers))
    return Field("Time", "time", moments, nullable=True), filled
