"""Bronze: every raw row is a typed event, or stands in quarantine with the first reason that applies.

The rules are those of docs/data-rules.md §2; reasons are numbers in their order. Two judges look at a row: one reads
the JSON, row by row; the other the instants, all at once. Each names the first reason it knows of; the least stands.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson
import polars as pl

from pqrs_lakehouse.domain.instants import INSTANT, day_of
from pqrs_lakehouse.domain.places import municipality_codes
from pqrs_lakehouse.domain.vocabulary import (
    AUTHOR_ROLES,
    CHANNELS,
    EVENT_TYPES,
    PETITION_KINDS,
    PQRS_TYPES,
    PRIORITIES,
    STATUSES,
)
from pqrs_lakehouse.layers import strict_json

REASONS: Final = (
    "invalid_encoding",
    "empty_line",
    "invalid_json",
    "not_an_object",
    "missing_field",
    "wrong_type",
    "invalid_identifier",
    "unknown_event_type",
    "invalid_timestamp",
    "timestamp_out_of_range",
    "incomplete_data",
    "wrong_data_type",
    "invalid_value",
    "unknown_place",
)
"""Why a row is quarantined, in the order in which the rules are tried."""

LINES: Final = pl.Schema(
    {
        "source_file": pl.String(),
        "line_no": pl.Int64(),
        "source_channel": pl.String(),
        "day": pl.Date(),
        "line": pl.Binary(),
    }
)
"""Raw rows: ``line`` is the bytes without the line feed, ``day`` the day of arrival, ``line_no`` counts from 1."""

SCHEMA: Final = pl.Schema(
    {
        "event_id": pl.String(),
        "ticket_id": pl.String(),
        "source_channel": pl.String(),
        "event_type": pl.String(),
        "ts": INSTANT,
        "channel": pl.String(),
        "pqrs_type": pl.String(),
        "petition_kind": pl.String(),
        "priority": pl.String(),
        "municipality_code": pl.String(),
        "from_status": pl.String(),
        "to_status": pl.String(),
        "author_role": pl.String(),
        "body": pl.String(),
        "filename": pl.String(),
        "size_bytes": pl.Int64(),
        "raw": pl.String(),
        "bucket": pl.Int16(),
        "day": pl.Date(),
        "run_id": pl.String(),
        "source_file": pl.String(),
        "line_no": pl.Int64(),
        "ingested_at": INSTANT,
    }
)

QUARANTINE_SCHEMA: Final = pl.Schema(
    {
        "run_id": pl.String(),
        "source_file": pl.String(),
        "line_no": pl.Int64(),
        "source_channel": pl.String(),
        "day": pl.Date(),
        "reason": pl.String(),
        "raw": pl.String(),
        "ingested_at": INSTANT,
    }
)

FIRST_DAY: Final = date(2000, 1, 1)
"""No event is older."""

_BATCH: Final = 50_000  # rows whose Python objects live at one time: some 50 MB


class Split(NamedTuple):
    """Where the rows went; each keeps their order."""

    bronze: pl.DataFrame
    quarantine: pl.DataFrame


def split(lines: pl.DataFrame, *, run_id: str, ingested_at: datetime, buckets: int) -> Split:
    """Type every raw row, or quarantine it.

    Args:
        lines: raw rows, as in LINES.
        run_id: the run that writes them.
        ingested_at: the start of that run, aware.
        buckets: into how many parts tickets are divided.

    Returns:
        ``bronze`` as in SCHEMA and ``quarantine`` as in QUARANTINE_SCHEMA, together one row per line.
    """
    parts = [_split(batch, run_id, ingested_at, buckets) for batch in lines.match_to_schema(LINES).iter_slices(_BATCH)]
    return Split(
        pl.concat([SCHEMA.to_frame(), *(part.bronze for part in parts)]),
        pl.concat([QUARANTINE_SCHEMA.to_frame(), *(part.quarantine for part in parts)]),
    )


def stable_bucket(ticket_ids: pl.Series, buckets: int) -> pl.Series:
    """The bucket of each ticket, 0 to ``buckets`` - 1 (i16): CRC-32 of its id in UTF-8, the same everywhere and always.

    Raises:
        ValueError: ``buckets`` is not 1 to 32,767.
    """
    if not 1 <= buckets <= 2**15 - 1:
        raise ValueError(f"buckets must be 1 to {2**15 - 1}, not {buckets}")
    checksums = map(zlib.crc32, ticket_ids.cast(pl.Binary))
    return (pl.Series("bucket", checksums, pl.UInt32) % buckets).cast(pl.Int16)


def _split(lines: pl.DataFrame, run_id: str, ingested_at: datetime, buckets: int) -> Split:
    rows = pl.concat([lines, _read(lines["line"])], how="horizontal").with_columns(
        _instant(pl.col("ts")).alias("instant"),
        pl.lit(run_id).alias("run_id"),
        pl.lit(ingested_at, INSTANT).alias("ingested_at"),
    )
    rows = rows.with_columns(
        pl.min_horizontal("reason", _reason_of_instant(pl.col("ts"), pl.col("instant"), pl.col("day")))
    )
    fit, unfit = pl.col("reason").is_null(), pl.col("reason").is_not_null()
    bronze = rows.filter(fit).with_columns(pl.col("line").cast(pl.String).alias("raw"), pl.col("instant").alias("ts"))
    quarantine = rows.filter(unfit).with_columns(
        pl.Series("raw", [line.decode(errors="backslashreplace") for line in rows.filter(unfit)["line"]], pl.String),
        pl.lit(pl.Series(REASONS)).gather("reason").alias("reason"),
    )
    return Split(
        bronze.with_columns(stable_bucket(bronze["ticket_id"], buckets)).select(SCHEMA.names()),
        quarantine.select(QUARANTINE_SCHEMA.names()),
    )


# The judge of instants

_TIMESTAMP: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]"
    r"(?:\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)


def _instant(ts: pl.Expr) -> pl.Expr:
    """The instant that ``ts`` writes, null when it breaks its rule. (There is no year 0.)"""
    local = ts.str.head(19).str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False, cache=False)
    fraction = ts.str.extract(r"\.([0-9]+)").str.pad_end(6, "0").cast(pl.Int64)
    hours, minutes = ts.str.slice(-5, 2).cast(pl.Int64, strict=False), ts.str.tail(2).cast(pl.Int64, strict=False)
    sign = pl.when(ts.str.slice(-6, 1) == "-").then(-1).otherwise(1)
    offset = pl.when(ts.str.ends_with("Z")).then(0).otherwise(sign * (hours * 60 + minutes))
    utc = local + pl.duration(microseconds=fraction.fill_null(0)) - pl.duration(minutes=offset)
    return pl.when(ts.str.contains(_TIMESTAMP) & (local.dt.year() > 0)).then(utc).dt.replace_time_zone("UTC")


def _reason_of_instant(ts: pl.Expr, instant: pl.Expr, arrival: pl.Expr) -> pl.Expr:
    day = day_of(instant)
    return (
        pl.when(ts.is_not_null() & instant.is_null())
        .then(_number("invalid_timestamp"))
        .when((day < FIRST_DAY) | (day > arrival))
        .then(_number("timestamp_out_of_range"))
        .cast(pl.Int8)
    )


def _number(reason: str) -> int:
    return REASONS.index(reason)


# The judge of JSON


@dataclass(frozen=True)
class _Member:
    """A member of ``data``: its JSON type, and which of its values are allowed."""

    name: str
    allows: Callable[[Any], bool]
    kind: type = str


def _text(name: str, domain: tuple[str, ...]) -> _Member:
    return _Member(name, frozenset(domain).__contains__)


_PLACE: Final = _text("municipality_code", municipality_codes())
_DIGITS: Final = re.compile("[0-9]{5}").fullmatch
_IDENTIFIER: Final = re.compile(r"[^\x00-\x1f\x7f]{1,64}").fullmatch
_CREATION: Final = (_text("channel", CHANNELS), _text("pqrs_type", PQRS_TYPES), _text("priority", PRIORITIES), _PLACE)
_PETITION: Final = "petition"
_FORMS: Final[Mapping[str, tuple[_Member, ...]]] = {
    "TICKET_CREATED": _CREATION,
    _PETITION: (*_CREATION, _text("petition_kind", PETITION_KINDS)),
    "MESSAGE_ADDED": (_text("author_role", AUTHOR_ROLES), _Member("body", lambda _: True)),
    "STATUS_CHANGED": (_text("from_status", STATUSES), _text("to_status", STATUSES)),
    "ATTACHMENT_ADDED": (_Member("filename", bool), _Member("size_bytes", range(2**53 + 1).__contains__, int)),
}
"""What is read of the data of each event type, and of the creation of a petition."""

_ENVELOPE: Final = ("event_id", "ticket_id", "event_type", "ts", "data")
_five: Final = itemgetter(*_ENVELOPE)
_READ_SCHEMA: Final = {
    **{name: SCHEMA[name] for name in ("event_id", "ticket_id", "event_type")},
    "ts": pl.String(),
    **{member.name: SCHEMA[member.name] for members in _FORMS.values() for member in members},
}


class _Unfit(Exception):  # noqa: N818 - a verdict on a row, not an error
    """The row is no event; the reason is the argument."""


def _read(lines: pl.Series) -> pl.DataFrame:
    """What each line says, as in _READ_SCHEMA, and ``reason`` (i8): why it is no event, null when it is one.

    ``ts`` is there whenever it is a string beside the other members, whatever else is wrong: its judge is another.
    """
    columns: dict[str, list[Any]] = {name: [None] * len(lines) for name in _READ_SCHEMA}
    reasons: list[int | None] = [None] * len(lines)
    event_ids, ticket_ids, event_types, stamps = (columns[name] for name in _ENVELOPE[:4])
    forms = {
        form: [(member.name, member.kind, member.allows, columns[member.name]) for member in members]
        for form, members in _FORMS.items()
    }
    for row, line in enumerate(lines.to_list()):
        try:
            event_id, ticket_id, event_type, stamps[row], data = _envelope(_object(line))
            if not (_IDENTIFIER(event_id) and _IDENTIFIER(ticket_id)):
                raise _Unfit("invalid_identifier")
            for name, kind, allows, column in forms[_form(event_type, data)]:
                value = data.get(name)
                if type(value) is not kind or not allows(value):
                    raise _Unfit(_reason_of_data(event_type, line))
                column[row] = value
            event_ids[row], ticket_ids[row], event_types[row] = event_id, ticket_id, event_type
        except _Unfit as unfit:
            reasons[row] = _number(str(unfit))
    return pl.DataFrame({**columns, "reason": reasons}, schema={**_READ_SCHEMA, "reason": pl.Int8()})


def _object(line: bytes) -> dict[str, Any]:
    """The JSON object that the line is (reasons 1 to 4). The fast parser accepts only JSON, but not all of it."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = _slowly(line)
    if type(value) is not dict:
        raise _Unfit("not_an_object")
    return value


def _slowly(line: bytes) -> Any:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise _Unfit("invalid_encoding") from None
    if not text.strip(" \t\r"):
        raise _Unfit("empty_line")
    try:
        return strict_json.loads(text)
    except ValueError:
        raise _Unfit("invalid_json") from None


def _envelope(event: dict[str, Any]) -> tuple[str, str, str, str, dict[str, Any]]:
    """The five members of every event (reasons 5 and 6)."""
    try:
        members = _five(event)
    except KeyError:
        raise _Unfit("missing_field") from None
    event_id, ticket_id, event_type, ts, data = members
    if None in members:
        raise _Unfit("missing_field")
    if not (type(event_id) is type(ticket_id) is type(event_type) is type(ts) is str and type(data) is dict):
        raise _Unfit("wrong_type")
    return event_id, ticket_id, event_type, ts, data


def _form(event_type: str, data: dict[str, Any]) -> str:
    """Which of the forms the data has to have (reason 8)."""
    if event_type not in EVENT_TYPES:
        raise _Unfit("unknown_event_type")
    return _PETITION if event_type == "TICKET_CREATED" and data.get("pqrs_type") == "P" else event_type


def _reason_of_data(event_type: str, line: bytes) -> str:
    """What is wrong with the data of a line in which something is (reasons 11 to 14)."""
    data = strict_json.loads(line.decode())["data"]  # which tells a whole number from a real one, whatever its size
    members = [(member, data.get(member.name)) for member in _FORMS[_form(event_type, data)]]
    if any(value is None for _, value in members):
        return "incomplete_data"
    if any(type(value) is not member.kind for member, value in members):
        return "wrong_data_type"
    if [member for member, value in members if not member.allows(value)] == [_PLACE] and _DIGITS(data[_PLACE.name]):
        return "unknown_place"
    return "invalid_value"
