"""Every raw row goes to bronze, or to quarantine with the first reason that applies."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from pqrs_lakehouse.domain.places import municipality_codes
from pqrs_lakehouse.layers import bronze
from pqrs_lakehouse.layers.bronze import split, stable_bucket

ARRIVAL = date(2026, 7, 9)
STARTED = datetime(2026, 7, 10, 3, tzinfo=UTC)
CREATED: dict[str, Any] = {
    "channel": "email",
    "pqrs_type": "P",
    "petition_kind": "general",
    "priority": "alta",
    "municipality_code": "05001",
}
MESSAGE: dict[str, Any] = {"author_role": "citizen", "body": ""}
CHANGE: dict[str, Any] = {"from_status": "RECEIVED", "to_status": "CLOSED"}
ATTACHMENT: dict[str, Any] = {"filename": "foto.jpg", "size_bytes": 0}


def event(event_type: str = "TICKET_CREATED", data: Any = CREATED, **members: Any) -> dict[str, Any]:
    whole = {"event_id": "e1", "ticket_id": "t1", "event_type": event_type, "ts": "2026-07-09T12:00:00Z", "data": data}
    return whole | members


def line(*args: Any, **members: Any) -> bytes:
    return json.dumps(event(*args, **members)).encode()


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value[key] for key in value if key != name}


def raw(*lines: bytes, arrival: date = ARRIVAL) -> pl.DataFrame:
    rows = [("raw/f.jsonl", number, "webform", arrival, content) for number, content in enumerate(lines, 1)]
    return pl.DataFrame(rows, schema=bronze.LINES, orient="row")


def read(*lines: bytes, arrival: date = ARRIVAL) -> bronze.Split:
    return split(raw(*lines, arrival=arrival), run_id="run-1", ingested_at=STARTED, buckets=16)


def reason(content: bytes, arrival: date = ARRIVAL) -> str | None:
    """The reason of a row alone, and that it comes out whole on whichever side it belongs."""
    fit, unfit = read(content, arrival=arrival)
    assert fit.height + unfit.height == 1
    if unfit.is_empty():
        assert fit["raw"].to_list() == [content.decode()]
        return None
    assert unfit["raw"].to_list() == [content.decode(errors="backslashreplace")]
    return str(unfit["reason"].item())


def test_an_event_of_each_type_is_typed() -> None:
    fit, unfit = read(
        line(ts="2026-07-09T07:00:00.5-05:00"),
        line("MESSAGE_ADDED", MESSAGE, event_id="e2"),
        line("STATUS_CHANGED", CHANGE, event_id="e3"),
        line("ATTACHMENT_ADDED", ATTACHMENT, event_id="e4"),
    )
    assert unfit.is_empty()
    assert fit.schema == bronze.SCHEMA
    assert unfit.schema == bronze.QUARANTINE_SCHEMA
    of_type = {
        "TICKET_CREATED": CREATED,
        "MESSAGE_ADDED": MESSAGE,
        "STATUS_CHANGED": CHANGE,
        "ATTACHMENT_ADDED": ATTACHMENT,
    }
    every_member = {name for data in of_type.values() for name in data}
    for number, row in enumerate(fit.iter_rows(named=True), 1):
        assert {name: row[name] for name in every_member} == dict.fromkeys(every_member) | of_type[row["event_type"]]
        assert (row["event_id"], row["ticket_id"], row["line_no"]) == (f"e{number}", "t1", number)
        assert (row["source_channel"], row["source_file"], row["day"]) == ("webform", "raw/f.jsonl", ARRIVAL)
        assert (row["run_id"], row["ingested_at"]) == ("run-1", STARTED)
    assert fit["ts"].to_list() == [datetime(2026, 7, 9, 12, 0, 0, 500_000 * (n == 0), UTC) for n in range(4)]


def test_what_is_not_read_may_be_anything() -> None:
    of_another_type = {name: [1e3] for name in (*CREATED, "from_status", "filename")}
    assert reason(line("MESSAGE_ADDED", MESSAGE | of_another_type, extra={"deep": []}, channel=7)) is None
    assert reason(line(data=without(CREATED, "petition_kind") | {"pqrs_type": "Q"})) is None
    fit, _ = read(line(data=CREATED | {"pqrs_type": "S", "petition_kind": "nonsense"}))
    assert fit["petition_kind"].to_list() == [None]


LONGEST = "ñ" * 64
AT_THE_EDGE = {
    "identifiers of 64 characters": line(event_id=LONGEST, ticket_id=LONGEST),
    "white space around": b" \t" + line() + b" \t\r",
    "a duplicate member: the last stands": line(event_id=7)[:-1] + b', "event_id": "e1"}',
    "the largest file": line("ATTACHMENT_ADDED", {"filename": "x", "size_bytes": 2**53}),
    "minus nothing": line("ATTACHMENT_ADDED", ATTACHMENT).replace(b'"size_bytes": 0', b'"size_bytes": -0'),
    "a number beyond doubles, unread": line(extra=1).replace(b'"extra": 1', b'"extra": 1e999'),
    "a whole number beyond all bounds, unread": line(extra=1).replace(b'"extra": 1', b'"extra": ' + b"9" * 5000),
    "depth, unread": line()[:-1] + b', "z": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "an astral character": line("MESSAGE_ADDED", {"author_role": "agent", "body": "😀"}),
    "a null character": line("MESSAGE_ADDED", {"author_role": "agent", "body": "\0"}),
    "the first instant": line(ts="2000-01-01T05:00:00Z"),
    "the last instant": line(ts="2026-07-10T04:59:59.999999Z"),
    "a leap day": line(ts="2024-02-29T00:00:00Z"),
    "the widest offsets": line(ts="2026-07-10T23:58:00+23:59"),
    "six digits of fraction": line(ts="2026-07-09T12:00:00.000001-00:00"),
}


@pytest.mark.parametrize("content", AT_THE_EDGE.values(), ids=AT_THE_EDGE)
def test_events_at_the_edge_of_the_rules_are_events(content: bytes) -> None:
    assert reason(content) is None


QUARANTINED = {
    "invalid_encoding": [b"\xff", b"\xed\xa0\x80", line()[:-1] + b"\xc3", b" \xff"],
    "empty_line": [b"", b" ", b"\t\r ", b"\r"],
    "invalid_json": [
        b"x", b"\x00", b"\x0b", b"{", b"{}{}", line()[:-1], line() + b"}", line()[:-1] + b",}",
        b"\xef\xbb\xbf" + line(),
        line(extra=1).replace(b": 1", b": NaN"), line(extra=1).replace(b": 1", b": 01"), b"\xc2\xa0" + line(),
        line(extra="\ud800"), line(**{"\udc00": 1}), line(event_id="\t").replace(b"\\t", b"\t"), b"[" * 5000,
        line().replace(b'"', b"'"), b'{"event_id": "e1", "event_id"}',
    ],
    "not_an_object": [
        b"null", b"1", b"1e999", b"9" * 5000, b'"{}"', b"[]", b"[{}]", b"true", b"[" * 5000 + b"]" * 5000,
        json.dumps(line().decode()).encode(),
    ],
    "missing_field": [
        b"{}", *(json.dumps(without(event(), name)).encode() for name in event()),
        *(line(**{name: None}) for name in event()),
        line(event_id=1, data=None), line().replace(b"event_id", b"EVENT_ID"),
    ],
    "wrong_type": [
        line(event_id=1), line(ticket_id=["t"]), line(event_type={}), line(ts=1783598400), line(event_id=True),
        line(data=[]), line(data="{}"), line(data=json.dumps(CREATED)), line(data=0), line(event_id="", data=False),
    ],
    "invalid_identifier": [
        line(event_id=""), line(ticket_id=""), line(event_id="x" * 65), line(ticket_id="ñ" * 65),
        line("NOPE", event_id=""), line(ticket_id="T\0"), line(event_id="\n"), line(ticket_id="\x7f1"),
    ],
    "unknown_event_type": [line(""), line("ticket_created"), line("TICKET_CREATED "), line("X", ts="no")],
    "invalid_timestamp": [
        line(ts=ts)
        for ts in (
            "", "2026-07-09", "2026-07-09T12:00:00", "2026-07-09 12:00:00Z", "2026-07-09T12:00Z",
            "2026-07-09T12:00:00z", "2026-07-09t12:00:00Z", "2026-07-09T12:00:00.Z", "2026-07-09T12:00:00.1234567Z",
            "2026-07-09T12:00:00,5Z", "2026-07-09T12:00:00+0500", "2026-07-09T12:00:00+05",
            "2026-07-09T12:00:00+24:00", "2026-07-09T12:00:00+00:60", "2026-02-29T12:00:00Z", "2026-00-09T12:00:00Z",
            "2026-13-09T12:00:00Z", "2026-07-32T12:00:00Z", "2026-07-09T24:00:00Z", "2026-07-09T12:60:00Z",
            "2026-07-09T12:00:60Z", "0000-01-01T00:00:00Z", "26-07-09T12:00:00Z", "+2026-07-09T12:00:00Z",
            " 2026-07-09T12:00:00Z", "2026-07-09T12:00:00Z\n", "2026-07-09T12:00:00Zé", "٢٠٢٦-07-09T12:00:00Z",
            "2026-7-09T12:00:00Z",
        )
    ] + [line(ts="x", data={}), line("MESSAGE_ADDED", {"body": 1}, ts="x")],
    "timestamp_out_of_range": [
        line(ts="2000-01-01T04:59:59.999999Z"), line(ts="2026-07-10T05:00:00Z"), line(ts="0001-01-01T00:00:00+23:59"),
        line(ts="9999-12-31T23:59:59-23:59"), line(ts="1999-12-31T12:00:00Z", data={}),
    ],
    "incomplete_data": [
        line(data={}), *(line(data=without(CREATED, name)) for name in CREATED),
        *(line(data=CREATED | {name: None}) for name in CREATED),
        line("MESSAGE_ADDED", {"author_role": 1}), line("STATUS_CHANGED", {"to_status": "NOPE"}),
        line("ATTACHMENT_ADDED", {"filename": "", "size_bytes": None}),
    ],
    "wrong_data_type": [
        *(line(data=CREATED | {name: 1}) for name in CREATED),
        line("MESSAGE_ADDED", {"author_role": "nobody", "body": 1}),
        line("STATUS_CHANGED", CHANGE | {"from_status": []}),
        line("ATTACHMENT_ADDED", ATTACHMENT | {"size_bytes": "1"}),
        line("ATTACHMENT_ADDED", ATTACHMENT | {"size_bytes": True}),
        line("ATTACHMENT_ADDED", ATTACHMENT | {"size_bytes": 1.0}),
        line("ATTACHMENT_ADDED", ATTACHMENT).replace(b'"size_bytes": 0', b'"size_bytes": 1e2'),
        line("ATTACHMENT_ADDED", ATTACHMENT).replace(b'"size_bytes": 0', b'"size_bytes": 1e999'),
        line("ATTACHMENT_ADDED", ATTACHMENT).replace(b'"size_bytes": 0', b'"size_bytes": 99999999999999999999.0'),
        line("ATTACHMENT_ADDED", {"filename": 1, "size_bytes": -1}),
    ],
    "invalid_value": [
        *(line(data=CREATED | {name: "x"}) for name in CREATED), line(data=CREATED | {"municipality_code": "5001"}),
        line(data=CREATED | {"municipality_code": "٠٥٠٠١"}),
        line(data=CREATED | {"municipality_code": "99999", "channel": "fax"}),
        line(data=CREATED | {"pqrs_type": "p"}), line("MESSAGE_ADDED", MESSAGE | {"author_role": ""}),
        line("STATUS_CHANGED", CHANGE | {"to_status": "DONE"}), line("ATTACHMENT_ADDED", ATTACHMENT | {"filename": ""}),
        line("ATTACHMENT_ADDED", ATTACHMENT | {"size_bytes": -1}),
        line("ATTACHMENT_ADDED", ATTACHMENT | {"size_bytes": 2**53 + 1}),
        line("ATTACHMENT_ADDED", ATTACHMENT | {"size_bytes": 2**64}),
        line("ATTACHMENT_ADDED", ATTACHMENT | {"size_bytes": -(10**400)}),
    ],
    "unknown_place": [line(data=CREATED | {"municipality_code": code}) for code in ("99999", "00000", "05003")],
}  # fmt: skip


def test_every_reason_is_tried() -> None:
    assert tuple(QUARANTINED) == bronze.REASONS


@pytest.mark.parametrize("wanted", QUARANTINED)
def test_the_first_reason_that_applies(wanted: str) -> None:
    assert [reason(content) for content in QUARANTINED[wanted]] == [wanted] * len(QUARANTINED[wanted])


def test_rows_do_not_disturb_each_other() -> None:
    mixed = [content for contents in QUARANTINED.values() for content in (line(), *contents)]
    fit, unfit = read(*mixed)
    assert fit.height == len(QUARANTINED)
    assert unfit["reason"].to_list() == [name for name, contents in QUARANTINED.items() for _ in contents]
    assert sorted([*fit["line_no"], *unfit["line_no"]]) == list(range(1, len(mixed) + 1))
    assert unfit.drop("reason", "raw", "line_no").unique().rows() == [
        ("run-1", "raw/f.jsonl", "webform", ARRIVAL, STARTED)
    ]


def test_rows_beyond_one_batch_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [line(event_id=f"e{n}") if n % 3 else b"x" for n in range(20)]
    whole = read(*contents)
    monkeypatch.setattr(bronze, "_BATCH", 3)
    parts = read(*contents)
    assert whole.bronze.equals(parts.bronze)
    assert whole.quarantine.equals(parts.quarantine)


def test_an_event_cannot_arrive_before_it_happens() -> None:
    late_evening_in_bogota = line(ts="2026-07-10T02:00:00Z")
    assert reason(late_evening_in_bogota, arrival=date(2026, 7, 8)) == "timestamp_out_of_range"
    assert reason(late_evening_in_bogota, arrival=date(2026, 7, 9)) is None
    assert reason(late_evening_in_bogota, arrival=date(2026, 7, 30)) is None


def test_every_place_is_known() -> None:
    fit, unfit = read(*(line(data=CREATED | {"municipality_code": code}) for code in municipality_codes()))
    assert unfit.is_empty()
    assert fit["municipality_code"].to_list() == list(municipality_codes())


def test_no_rows() -> None:
    fit, unfit = read()
    assert (fit.schema, fit.height) == (bronze.SCHEMA, 0)
    assert (unfit.schema, unfit.height) == (bronze.QUARANTINE_SCHEMA, 0)


def test_lines_of_another_shape_are_refused() -> None:
    with pytest.raises(pl.exceptions.PolarsError, match="line_no"):
        split(raw(line()).with_columns(pl.col("line_no").cast(pl.String)), run_id="r", ingested_at=STARTED, buckets=1)


def test_buckets_are_the_same_everywhere() -> None:
    ids = pl.Series(["PQRS-2026-00000001", "PQRS-2026-00000002", "ñandú", ""])
    assert stable_bucket(pl.Series(["123456789"]), 1000).to_list() == [0xCBF43926 % 1000]  # the check value of CRC-32
    assert stable_bucket(ids, 16).to_list() == [10, 0, 6, 0]
    assert stable_bucket(ids, 1).to_list() == [0] * 4
    assert stable_bucket(ids.clear(), 16).to_list() == []
    assert stable_bucket(ids, 2**15 - 1).dtype == pl.Int16


def test_buckets_are_the_same_in_another_process() -> None:
    code = (
        "import polars as pl; from pqrs_lakehouse.layers.bronze import stable_bucket;"
        "print(stable_bucket(pl.Series(['a', 'b', 'c', 'd']), 1000).to_list())"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == str(stable_bucket(pl.Series(["a", "b", "c", "d"]), 1000).to_list())


def test_buckets_are_even() -> None:
    ids = pl.Series([f"PQRS-2026-{n:08d}" for n in range(32_000)])
    sizes = stable_bucket(ids, 16).value_counts()["count"]
    assert len(sizes) == 16
    assert 1_600 < sizes.min() <= sizes.max() < 2_400  # type: ignore[operator]


@pytest.mark.parametrize("buckets", [0, -1, 2**15])
def test_impossible_numbers_of_buckets_are_refused(buckets: int) -> None:
    with pytest.raises(ValueError, match="buckets must be 1 to 32767"):
        stable_bucket(pl.Series(["a"]), buckets)
