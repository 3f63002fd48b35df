"""Two tables compared, and what a manifest says against the files."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from conformance import oracle
from conformance.observe.pipeline_reading import Trace
from conformance.observe.pqrs_stores import manifest_against
from conformance.observe.pqrs_tables import GOLD, KEYS, expected_rows, natural
from conformance.observe.reconcile import compare, content_hash

NOON = datetime(2026, 1, 5, 17, tzinfo=UTC)


def rows(*values: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [dict(zip(("id", "no", "value"), value, strict=False)) for value in values]


def test_equal_tables_agree_in_any_order_and_zone() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=-5)))
    wanted, found = rows(("a", 1, NOON), ("b", 1, None)), rows(("b", 1, None), ("a", 1, there))
    comparison = compare("t", ("id", "no"), wanted, found)
    assert comparison.agrees
    assert (comparison.expected_rows, comparison.actual_rows) == (2, 2)
    assert content_hash(["id", "value"], wanted) == content_hash(["id", "value"], found)


def test_what_is_missing_too_many_and_repeated_is_named() -> None:
    comparison = compare("t", ("id", "no"), rows(("a", 1, 0), ("b", 2, 0)), rows(("a", 1, 0), ("a", 1, 0), ("c", 3, 0)))
    assert not comparison.agrees
    assert (comparison.missing, comparison.missing_sample) == (1, ("b · 2",))
    assert (comparison.unexpected, comparison.unexpected_sample) == (1, ("c · 3",))
    assert (comparison.repeated, comparison.repeated_sample) == (1, ("a · 1",))
    assert comparison.differing == 0


def test_what_differs_is_told_with_both_values() -> None:
    comparison = compare(
        "t",
        ("id",),
        rows(("a", 1, NOON), ("b", 2, None)),
        [{"id": "a", "no": 1, "value": None}, {"id": "b", "value": ""}],
    )
    assert (comparison.differing, comparison.differing_columns) == (2, {"value": 2, "no": 1})
    told = [(one.row, one.column, one.expected, one.actual) for one in comparison.differences]
    assert told == [
        ("a", "value", "2026-01-05T17:00:00Z", "null"),
        ("b", "no", "2", "(no such column)"),
        ("b", "value", "null", ""),
    ]


def test_samples_are_few_and_short() -> None:
    comparison = compare("t", ("id",), rows(*((f"{n:03}", n, "x" * 9_000) for n in range(40))), [])
    assert (comparison.missing, len(comparison.missing_sample)) == (40, 5)
    long = compare("t", ("id",), rows(("a", 1, "x" * 9_000)), rows(("a", 1, "y" * 9_000)))
    assert len(long.differences[0].expected) == 300


def test_a_hash_tells_null_from_the_word_and_columns_apart() -> None:
    contents = [rows(("a", 1, None)), rows(("a", 1, "null")), rows(("a", 1, "None")), rows(("a", "1", None)), []]
    assert len({content_hash(["id", "no", "value"], content) for content in contents}) == len(contents)
    assert content_hash(["id", "no"], rows((1, 2))) != content_hash(["id", "no"], rows((2, 1)))


def test_keys_become_what_they_stand_for() -> None:
    tables = {
        "dim_date": [{"date_key": 20260105, "date": date(2026, 1, 5)}],
        "dim_channel": [{"channel_key": 1, "channel_code": "email", "name": "Correo"}],
        "fact_ticket": [{"ticket_id": "t", "received_date_key": 20260105, "channel_key": 1, "geo_key": 5001}],
    }
    found = natural(tables)
    assert found["fact_ticket"][0]["received_day"] == date(2026, 1, 5)
    assert found["fact_ticket"][0]["channel"] == found["dim_channel"][0]["channel"] == "email"
    assert found["fact_ticket"][0]["municipality_code"] == "(no such key: 5001)"
    assert natural(tables, ["dim_channel"]).keys() == {"dim_channel"}


def test_every_table_has_a_key_and_expected_rows() -> None:
    expected = expected_rows(oracle.expect([], date(2026, 1, 5)))
    assert expected.keys() == KEYS.keys()
    assert len(expected["dim_geo"]) == 1121
    assert {table for table in KEYS if table.startswith(("dim_", "fact_", "kpi_"))} == set(GOLD)
    for table, said in expected.items():
        assert all(column in said[0] for column in KEYS[table] if said), table


def manifest(**files: tuple[int, int, str]) -> bytes:
    listed = [{"key": key, "rows": rows, "size": size, "sha256": sha} for key, (rows, size, sha) in files.items()]
    return json.dumps({"run_id": "r", "files": listed}).encode()


def test_a_manifest_says_what_the_files_are() -> None:
    digest = hashlib.sha256(b"x\n\n").hexdigest()
    assert manifest_against(manifest(a=(2, 3, digest)), {"a": b"x\n\n"}) == (2, ())
    rows, faults = manifest_against(manifest(a=(3, 3, digest), b=(1, 1, "0")), {"a": b"x\n\n", "c": b""})
    assert rows == 4
    assert faults[0] == "a: rows 3 in the manifest, 2 in the store"
    assert [fault.partition(" ")[0] for fault in faults] == ["a:", "b:", "b:", "b:", "c:"]


def test_a_manifest_that_is_none() -> None:
    assert manifest_against(None, {}) == (None, ("there is none",))
    for broken in (b"", b"[]", b'{"files": [{}]}', b'{"files": 3}', b"\xff"):
        assert manifest_against(broken, {})[0] is None


def test_a_trace_sees_what_a_run_changed() -> None:
    before = Trace({"lake t": "1", "lake u": "1"}, {"a": "1", "b": "1"}, {"t": {("(0,1)", "7")}}, 1)
    after = Trace({"lake t": "2", "lake u": "1"}, {"a": "2", "c": "1"}, {"t": {("(0,2)", "9"), ("(0,1)", "7")}}, 2)
    assert after.since(before) == {
        "changed": ("lake t",),
        "rewritten": {"t": 1},
        "objects": ("a", "b", "c"),
        "more_runs": 1,
    }
    assert before.since(before) == {"changed": (), "rewritten": {}, "objects": (), "more_runs": 0}
