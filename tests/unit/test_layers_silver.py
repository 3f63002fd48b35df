"""Events once each, folded by ticket."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from layers_events import Bronze, at, under_way

from pqrs_lakehouse.domain.lifecycle import TRANSITIONS
from pqrs_lakehouse.domain.vocabulary import STATUSES
from pqrs_lakehouse.layers import silver


def ticket_of(events: Bronze) -> dict[str, Any]:
    (ticket,) = silver.build(events.frame()).tickets.collect().rows(named=True)
    return ticket


def judged(events: Bronze) -> list[tuple[str, str | None, bool | None]]:
    """``(event_id, rejection, contiguous)`` in order."""
    status_events = silver.build(events.frame()).status_events.collect()
    assert status_events["seq"].to_list() == list(range(1, status_events.height + 1))
    return status_events.select("event_id", "rejection", "contiguous").rows()


def test_a_ticket_is_folded() -> None:
    events = (
        Bronze()
        .created("2026-07-01 23:30", "P", "information")
        .life(*under_way("2026-07-03"), "2026-07-06 RESPONDED", "2026-07-07 CLOSED")
        .message("2026-07-02")
        .message("2026-07-08")
        .attachment("2026-07-02", 7)
        .attachment("2026-07-02", 8)
    )
    assert ticket_of(events) == {
        "ticket_id": "t",
        "bucket": 3,
        "channel": "email",
        "pqrs_type": "P",
        "petition_kind": "information",
        "priority": "alta",
        "municipality_code": "05001",
        "received_at": at("2026-07-01 23:30"),
        "received_day": date(2026, 7, 1),  # in UTC it is the 2nd
        "status": "CLOSED",
        "status_at": at("2026-07-07"),
        "first_responded_at": at("2026-07-06"),
        "closed_at": at("2026-07-07"),
        "message_count": 2,
        "attachment_count": 2,
        "attachment_bytes": 15,
        "reopen_count": 0,
        "last_event_at": at("2026-07-08"),
    }


def test_a_ticket_of_which_only_the_creation_is_known() -> None:
    ticket = ticket_of(Bronze().created("2026-07-01", "Q"))
    assert (ticket["status"], ticket["status_at"], ticket["last_event_at"]) == ("RECEIVED", *[at("2026-07-01")] * 2)
    assert ticket["petition_kind"] is ticket["first_responded_at"] is ticket["closed_at"] is None
    counts = ("message_count", "attachment_count", "attachment_bytes", "reopen_count")
    assert [ticket[name] for name in counts] == [0, 0, 0, 0]


def test_a_ticket_that_nobody_created_has_no_row_but_its_events_stay() -> None:
    tables = silver.build(Bronze().change("2026-07-01", "RECEIVED", "RADICATED").message("2026-07-02").frame())
    assert tables.tickets.collect().is_empty()
    assert tables.messages.collect().height == 1
    assert tables.status_events.select("rejection", "contiguous").collect().rows() == [("no_creation", None)]


def test_the_first_creation_counts() -> None:
    events = Bronze().created("2026-07-02", "Q").created("2026-07-01", "R").created("2026-07-01", "S")
    assert ticket_of(events)["pqrs_type"] == "R"  # e02 before e03 at one instant
    assert ticket_of(events)["last_event_at"] == at("2026-07-02")


def test_a_reopened_ticket() -> None:
    closed = (*under_way("2026-07-01"), "2026-07-02 RESPONDED", "2026-07-03 CLOSED")
    reopened = ticket_of(Bronze().created("2026-07-01").life(*closed, "2026-07-06 REOPENED"))
    assert (reopened["status"], reopened["closed_at"], reopened["reopen_count"]) == ("REOPENED", None, 1)
    again = ("2026-07-06 REOPENED", "2026-07-07 IN_PROGRESS", "2026-07-08 RESPONDED", "2026-07-09 CLOSED")
    closed_again = ticket_of(Bronze().created("2026-07-01").life(*closed, *again, "2026-07-10 ARCHIVED"))
    assert (closed_again["status"], closed_again["closed_at"]) == ("ARCHIVED", at("2026-07-09"))
    assert closed_again["first_responded_at"] == at("2026-07-02")


def test_events_stand_in_their_place_whenever_they_arrive() -> None:
    in_order = (
        Bronze().created("2026-07-01").life("2026-07-02 RADICATED", "2026-07-03 CLASSIFIED", "2026-07-06 ASSIGNED")
    )
    late = Bronze(in_order.rows[::-1])
    assert [frame.collect().rows() for frame in silver.build(late.frame())] == [
        frame.collect().rows() for frame in silver.build(in_order.frame())
    ]


def test_events_at_one_instant_are_in_the_order_of_their_ids() -> None:
    events = (
        Bronze()
        .change("2026-07-01", "RADICATED", "CLASSIFIED", event_id="b")
        .change("2026-07-01", "RECEIVED", "RADICATED", event_id="a")
        .created("2026-07-01", event_id="c")
    )
    assert judged(events) == [("a", None, True), ("b", None, True)]


def test_a_gap_is_no_reason_to_reject() -> None:
    events = (
        Bronze()
        .created("2026-07-01")
        .change("2026-07-02", "RECEIVED", "RADICATED")
        .change("2026-07-04", "ASSIGNED", "IN_PROGRESS")
    )
    assert judged(events) == [("e02", None, True), ("e03", None, False)]
    events.change("2026-07-03", "CLASSIFIED", "ASSIGNED").change("2026-07-03 08:00", "RADICATED", "CLASSIFIED")
    assert judged(events) == [("e02", None, True), ("e05", None, True), ("e04", None, True), ("e03", None, True)]


def test_the_first_valid_event_follows_from_received() -> None:
    assert judged(Bronze().created("2026-07-01").change("2026-07-02", "ASSIGNED", "IN_PROGRESS")) == [
        ("e02", None, False)
    ]


def test_rejected_events_change_nothing() -> None:
    events = (
        Bronze()
        .change("2026-06-30", "RECEIVED", "CLOSED")  # too early, and impossible: the first reason counts
        .created("2026-07-01")
        .change("2026-07-02", "RECEIVED", "RADICATED")
        .change("2026-07-03", "RADICATED", "CLOSED")
        .change("2026-07-04", "RADICATED", "CLASSIFIED")
    )
    assert judged(events) == [
        ("e01", "before_creation", None),
        ("e03", None, True),
        ("e04", "not_allowed", None),
        ("e05", None, True),
    ]
    ticket = ticket_of(events)
    assert (ticket["status"], ticket["closed_at"]) == ("CLASSIFIED", None)


@pytest.mark.parametrize("before", STATUSES)
def test_what_is_allowed(before: str) -> None:
    events = Bronze().created("2026-07-01")
    for after in STATUSES:
        events.change("2026-07-02", before, after)
    allowed = {
        status_event["to_status"]
        for status_event in silver.build(events.frame()).status_events.collect().rows(named=True)
        if status_event["rejection"] is None
    }
    assert allowed == {after for one, after in TRANSITIONS if one == before}


def test_a_previous_ticket_does_not_leak_into_the_next() -> None:
    events = Bronze().created("2026-07-01", ticket="a").life(*under_way("2026-07-01"), ticket="a")
    events.created("2026-07-01", ticket="b").change("2026-07-02", "IN_PROGRESS", "RESPONDED", ticket="b")
    status_events = silver.build(events.frame()).status_events.filter(pl.col("ticket_id") == "b").collect()
    assert status_events.select("seq", "contiguous").rows() == [(1, False)]


class TestRedelivery:
    """Of a ticket's rows with one event id the least by (ts, raw), then by (source_file, line_no), stands."""

    @staticmethod
    def standing(*rows: dict[str, Any]) -> str:
        events = Bronze()
        for row in rows:
            events.message(**{"when": "2026-07-01", "event_id": "e", **row})
        (body,) = silver.build(events.frame()).messages.collect()["body"]
        return str(body)

    def test_the_earliest_stands(self) -> None:
        assert self.standing({"when": "2026-07-02", "raw": "a"}, {"raw": "b", "body": "this"}) == "this"

    def test_then_the_least_line(self) -> None:
        assert (
            self.standing({"raw": "é", "source_file": "a"}, {"raw": "z", "source_file": "b", "body": "this"}) == "this"
        )

    def test_then_the_least_file_and_the_least_number(self) -> None:
        rows = [
            {"raw": "x", "source_file": "b", "line_no": 1},
            {"raw": "x", "source_file": "a", "line_no": 10},
            {"raw": "x", "source_file": "a", "line_no": 9, "body": "this"},
        ]
        assert self.standing(*rows) == self.standing(*rows[::-1]) == "this"

    def test_an_id_belongs_to_its_ticket(self) -> None:
        events = (
            Bronze().message("2026-07-01", ticket="a", event_id="e").message("2026-07-02", ticket="b", event_id="e")
        )
        assert silver.build(events.frame()).messages.collect()["ticket_id"].to_list() == ["a", "b"]

    def test_what_stands_once_is_counted_once(self) -> None:
        events = Bronze().created("2026-07-01")
        for _ in range(3):
            events.attachment("2026-07-02", 5, event_id="a").message("2026-07-02", event_id="m")
            events.change("2026-07-02", "RECEIVED", "RADICATED", event_id="s")
        ticket = ticket_of(events)
        assert (ticket["attachment_count"], ticket["attachment_bytes"], ticket["message_count"]) == (1, 5, 1)
        assert judged(events) == [("s", None, True)]


def test_more_bytes_than_an_integer_holds() -> None:
    events = Bronze().created("2026-07-01")
    for _ in range(1025):
        events.attachment("2026-07-02", 2**53)
    assert ticket_of(events)["attachment_bytes"] == 2**63 - 1


def test_schemas_and_order() -> None:
    events = (
        Bronze().message("2026-07-02", ticket="b").created("2026-07-01", ticket="b").created("2026-07-03", ticket="a")
    )
    for content in (events.frame(), events.frame().clear()):
        tickets, messages, status_events = (frame.collect() for frame in silver.build(content))
        assert tickets.schema == silver.TICKETS
        assert messages.schema == silver.MESSAGES
        assert status_events.schema == silver.STATUS_EVENTS
        assert tickets["ticket_id"].is_sorted()
