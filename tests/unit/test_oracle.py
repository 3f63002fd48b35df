"""The oracle against the law, the calendar and the lake that was worked out by hand."""

from __future__ import annotations

import ast
import itertools
import json
import re
import sys
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import holidays
import pytest
from pqrs_fixtures import golden, golden_lines, law_cases

from conformance import oracle
from conformance.observe.reconcile import canonical

DAY = date(2026, 1, 30)


def verdict(line: bytes, arrival: date = DAY) -> str:
    """Why the line is no event, or "bronze"."""
    read = oracle.read_line(oracle.RawLine("f", "email", arrival, "r", 1, line))
    return read.reason if isinstance(read, oracle.Quarantined) else "bronze"


def said(**changes: Any) -> bytes:
    """A creation with some members changed; None leaves one out."""
    data = {"channel": "email", "pqrs_type": "Q", "priority": "alta", "municipality_code": "05001"}
    event = {
        "event_id": "e",
        "ticket_id": "t",
        "event_type": "TICKET_CREATED",
        "ts": "2026-01-15T10:00:00Z",
        "data": data,
    }
    event |= changes
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


def created(**changes: Any) -> bytes:
    data = {"channel": "email", "pqrs_type": "Q", "priority": "alta", "municipality_code": "05001", **changes}
    return said(data=data)


def test_it_stands_alone() -> None:
    tree = ast.parse(Path(oracle.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_its_words_are_those_of_the_data_rules() -> None:
    rules = (Path(__file__).parents[2] / "docs" / "data-rules.md").read_text(encoding="utf-8")
    reasons = re.findall(r"^\| \d+ \| `(\w+)` \|", rules, re.MULTILINE)
    source = Path(oracle.__file__).read_text(encoding="utf-8")
    assert sorted(set(re.findall(r'Unfit\("(\w+)"\)', source))) == sorted(reasons)
    allowed = re.search(r"Allowed: ([^.]+)\.", rules)
    assert allowed is not None
    chains = [re.split("→", chain.strip()) for chain in allowed[1].split(";")]
    pairs = {pair for chain in chains for pair in itertools.pairwise(chain)}
    assert {(origin, target) for origin, targets in oracle.FOLLOWS.items() for target in targets} == pairs


# --- Calendar


@pytest.mark.parametrize(
    ("year", "day"),
    [
        (2000, (4, 23)),
        (2008, (3, 23)),
        (2011, (4, 24)),
        (2019, (4, 21)),
        (2024, (3, 31)),
        (2025, (4, 20)),
        (2038, (4, 25)),
    ],
)
def test_easter(year: int, day: tuple[int, int]) -> None:
    assert oracle.easter(year) == date(year, *day)


def test_the_holidays_of_2026() -> None:
    days = [
        (1, 1), (1, 12), (3, 23), (4, 2), (4, 3), (5, 1), (5, 18), (6, 8), (6, 15), (6, 29), (7, 13), (7, 20), (8, 7),
        (8, 17), (10, 12), (11, 2), (11, 16), (12, 8), (12, 25),
    ]  # fmt: skip
    assert oracle.holidays(2026) == {date(2026, *day) for day in days}


def test_two_feasts_may_share_a_monday() -> None:
    assert [len(oracle.holidays(year)) for year in (2018, 2019, 2025, 2027, 2030, 2038)] == [18, 17, 17, 19, 18, 18]


def test_another_calendar_agrees() -> None:
    for year in range(2000, 2101):
        assert set(holidays.country_holidays("CO", years=year)) == oracle.holidays(year), year


def test_business_days_count_the_last_day_and_not_the_first() -> None:
    new_year = date(2026, 1, 1)
    assert oracle.business_days_after(date(2025, 12, 30), date(2026, 1, 2)) == 2  # 31 December, 2 January
    assert oracle.business_days_after(new_year, new_year) == 0
    assert oracle.business_days_after(date(2026, 1, 2), date(2025, 12, 30)) == -2
    assert oracle.nth_business_day_after(date(2025, 12, 30), 2) == date(2026, 1, 2)
    assert oracle.roll(new_year) == date(2026, 1, 2)
    assert oracle.roll(date(2026, 1, 2)) == date(2026, 1, 2)


# --- Lines


def test_rows_are_what_stands_between_line_feeds() -> None:
    def rows(content: bytes) -> list[bytes]:
        return [line.line for line in oracle.raw_lines("f", "email", DAY, "r", content)]

    assert rows(b"") == []
    assert rows(b"a") == rows(b"a\n") == [b"a"]
    assert rows(b"\n") == [b""]
    assert rows(b"a\r\n\n\xe2\x80\xa8b\x0c\n") == [b"a\r", b"", b"\xe2\x80\xa8b\x0c"]


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("bronze", said()),
        ("bronze", b"\t" + said() + b" \r"),
        ("bronze", said(more={"ñ": [1, None]})),
        ("bronze", b'{"ts": 1, ' + said()[1:]),  # of two members with one name the last counts
        ("invalid_encoding", b"\xff"),
        ("invalid_encoding", b"\xed\xa0\x80"),
        ("empty_line", b""),
        ("empty_line", b" \t\r"),
        ("invalid_json", b"\x0b"),
        ("invalid_json", b"\xc2\xa0"),
        ("invalid_json", b"\xef\xbb\xbf" + said()),
        ("invalid_json", b'{"event_id": NaN}'),
        ("invalid_json", said()[:-1] + b",}"),
        ("invalid_json", said(more="\ud800")),
        ("invalid_json", b'{"more": "\\ud800", "more": 1, ' + said()[1:]),
        ("invalid_json", b'["\\udc00"]'),
        ("invalid_json", b"[" * 100_000),
        ("bronze", said(more="😀")),  # a pair of surrogate escapes
        ("not_an_object", b"[]"),
        ("not_an_object", b"12345678901234567890123"),
        ("missing_field", b"{}"),
        ("missing_field", said()[:-1] + b', "ts": null}'),
        ("wrong_type", said(event_id=1)),
        ("wrong_type", said(data=[])),
        ("invalid_identifier", said(event_id="")),
        ("bronze", said(ticket_id="ñ" * 64)),
        ("invalid_identifier", said(ticket_id="ñ" * 65)),
        ("invalid_identifier", said(ticket_id="T\0")),
        ("bronze", said(ticket_id="T\x80 1")),
        ("invalid_identifier", said(event_id="e\n")),
        ("invalid_identifier", said(event_id="e\x7f")),
        ("bronze", said(event_id="e\x80\u2028")),
        ("unknown_event_type", said(event_type="ticket_created")),
        ("invalid_timestamp", said(ts="2026-02-29T10:00:00Z")),
        ("incomplete_data", said(data={})),
        ("incomplete_data", created(pqrs_type="P")),
        ("incomplete_data", created(priority=None, channel=7)),
        ("bronze", created(petition_kind=7)),  # not read: only petitions have a kind
        ("wrong_data_type", created(pqrs_type=["P"])),
        ("wrong_data_type", created(channel=7, priority="urgente")),
        ("invalid_value", created(priority="urgente")),
        ("invalid_value", created(municipality_code="5001")),
        ("invalid_value", created(municipality_code="05999", channel="fax")),
        ("unknown_place", created(municipality_code="05999")),
        ("bronze", said(event_type="MESSAGE_ADDED", data={"author_role": "agent", "body": ""})),
        ("invalid_value", said(event_type="MESSAGE_ADDED", data={"author_role": "robot", "body": ""})),
        ("invalid_value", said(event_type="STATUS_CHANGED", data={"from_status": "RECEIVED", "to_status": "LOST"})),
        ("invalid_value", said(event_type="ATTACHMENT_ADDED", data={"filename": "", "size_bytes": 1})),
        ("bronze", said(event_type="ATTACHMENT_ADDED", data={"filename": "a", "size_bytes": 2**53})),
        ("invalid_value", said(event_type="ATTACHMENT_ADDED", data={"filename": "a", "size_bytes": 2**53 + 1})),
        ("invalid_value", said(event_type="ATTACHMENT_ADDED", data={"filename": "a", "size_bytes": -1})),
        ("wrong_data_type", said(event_type="ATTACHMENT_ADDED", data={"filename": "a", "size_bytes": 1.0})),
        ("wrong_data_type", said(event_type="ATTACHMENT_ADDED", data={"filename": "a", "size_bytes": True})),
    ],
)
def test_a_line_and_its_reason(reason: str, line: bytes) -> None:
    assert verdict(line) == reason


@pytest.mark.parametrize(
    ("ts", "reason"),
    [
        ("2026-01-15T10:00:00.123456-05:00", "bronze"),
        ("2026-01-15T10:00:00.1234567Z", "invalid_timestamp"),
        ("2026-01-15T10:00:00.Z", "invalid_timestamp"),
        ("2026-01-15T10:00:00", "invalid_timestamp"),
        ("2026-01-15T24:00:00Z", "invalid_timestamp"),
        ("2026-01-15T23:59:60Z", "invalid_timestamp"),
        ("2026-01-15T10:00:00+23:59", "bronze"),
        ("2026-01-15T10:00:00+24:00", "invalid_timestamp"),
        ("2026-01-15T10:00:00Z\n", "invalid_timestamp"),
        ("2026-01-31T04:59:59.999999Z", "bronze"),  # the last instant of its day of arrival
        ("2026-01-31T05:00:00Z", "timestamp_out_of_range"),
        ("2000-01-01T00:00:00-05:00", "bronze"),
        ("2000-01-01T04:59:59.999999Z", "timestamp_out_of_range"),
        ("0001-01-01T00:00:00+23:59", "timestamp_out_of_range"),
        ("9999-12-31T23:59:59-23:59", "timestamp_out_of_range"),
        ("0000-01-01T00:00:00Z", "invalid_timestamp"),
    ],
)
def test_a_timestamp(ts: str, reason: str) -> None:
    assert verdict(said(ts=ts)) == reason


def test_what_is_not_utf8_is_kept_with_escapes() -> None:
    read = oracle.read_line(oracle.RawLine("f", "email", DAY, "r", 7, b"T-9\xf1 \xc3\xb1"))
    assert isinstance(read, oracle.Quarantined)
    assert (read.raw, read.line_no) == ("T-9\\xf1 ñ", 7)


def test_every_department_and_its_capital_is_known() -> None:
    departments = (
        *(
            "05",
            "08",
            "11",
            "13",
            "15",
            "17",
            "18",
            "19",
            "20",
            "23",
            "27",
            "41",
            "44",
            "47",
            "50",
            "52",
            "54",
            "63",
            "66",
        ),
        *("68", "70", "73", "76", "81", "85", "86", "88", "91", "94", "95", "97", "99"),
    )
    capitals = {f"{department}001" for department in departments}  # Cundinamarca's, department 25, is Bogotá
    assert capitals <= set(oracle.places())
    assert all(re.fullmatch("[0-9]{5}", code) for code in oracle.places())
    assert {code[:2] for code in oracle.places()} == {*departments, "25"}
    assert oracle.places()["05001"] == ("Medellín", "Antioquia")


# --- Terms


@pytest.mark.parametrize(
    ("pqrs_type", "kind", "usual", "decree"),
    [
        ("P", "general", 15, 30), ("P", "information", 10, 20), ("P", "consultation", 30, 35), ("Q", None, 15, 30),
        ("R", None, 15, 30), ("S", None, 15, 30),
    ],
)  # fmt: skip
def test_term_length(pqrs_type: str, kind: str | None, usual: int, decree: int) -> None:
    first, last = date(2020, 3, 28), date(2022, 5, 17)
    days = (first - timedelta(days=1), first, last, last + timedelta(days=1))
    lengths = [oracle.term_length(pqrs_type, kind, opened) for opened in days]
    assert lengths == [usual, decree, decree, usual]


@pytest.mark.parametrize("case", law_cases(), ids=lambda case: case["case"])
def test_the_law(case: dict[str, Any]) -> None:
    expected = oracle.expect(case["lines"], date.fromisoformat(case["as_of"]))
    assert expected.quarantine == []
    terms = [{name: plain(asdict(term)[name]) for name in case["terms"][0]} for term in expected.fact_term]
    assert terms == case["terms"], case["count"]


# --- The lake worked out by hand


def plain(value: Any) -> Any:
    """As JSON says it."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return canonical(value)


def test_the_golden_lake() -> None:
    lines, wanted = golden_lines(), golden()
    as_of = oracle.last_arrival(lines)
    assert as_of.isoformat() == wanted.pop("as_of")
    found = oracle.expect(lines, as_of)
    dates = wanted.pop("dim_date")
    assert (found.dim_date[0].date.isoformat(), found.dim_date[-1].date.isoformat()) == (dates["first"], dates["last"])
    assert [row.date.isoformat() for row in found.dim_date if row.is_holiday] == dates["holidays"]
    for table, rows in wanted.items():
        columns = list(rows[0])
        said = [
            {name: plain(value) for name, value in asdict(row).items() if name in columns}
            for row in getattr(found, table)
        ]
        assert sorted(said, key=json.dumps) == sorted(rows, key=json.dumps), table
