"""Terms counted by hand on the calendar, and what gold makes of them."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from layers_events import Bronze, at, under_way

from pqrs_lakehouse.domain.vocabulary import NAMES_ES
from pqrs_lakehouse.layers import gold, silver

AS_OF = "2026-12-31"


def build(events: Bronze, as_of: str = AS_OF) -> tuple[gold.BucketGold, gold.CombinedGold]:
    tables = silver.build(events.frame())
    day = date.fromisoformat(as_of)
    bucket = gold.of_bucket(tables.tickets, tables.status_events, day)
    days = gold.span(bucket.volume, bucket.sla)
    return bucket, gold.combine(bucket.volume, bucket.backlog_changes, bucket.sla, days, day)


def terms(events: Bronze, as_of: str = AS_OF) -> list[dict[str, Any]]:
    return build(events, as_of)[0].fact_term.rows(named=True)


def term(events: Bronze, as_of: str = AS_OF) -> dict[str, Any]:
    (only,) = terms(events, as_of)
    return only


@pytest.mark.parametrize(
    ("received", "pqrs_type", "kind", "start", "due"),
    [
        # Holy Week: 30 31 | 1 April, not 2 and 3, then 6 7 8 9 10 13 14 15 16 17 20 21.
        ("2026-03-27", "P", "general", 20260327, 20260421),
        # A year end: 23 24 26 29 30 31 December, 2 5 6 7 January.
        ("2025-12-22", "P", "information", 20251222, 20260107),
        # Two holidays on Monday 30 June 2025: 27 June, 1 2 3 4 7 8 9 10 11 July.
        ("2025-06-26", "P", "information", 20250626, 20250711),
        # 13 July 2026 is a holiday by Ley 2578: 10 14 15 16 17 21 22 23 24 27 July.
        ("2026-07-09", "P", "information", 20260709, 20260727),
        # Filed on a Sunday, counts as of Monday 1 June; 8 and 15 June are holidays: 2 3 4 5 9 10 11 12 16 17.
        ("2026-05-31", "P", "information", 20260601, 20260617),
        # Sunday in Bogotá, Monday in UTC.
        ("2026-05-31 23:30", "P", "information", 20260601, 20260617),
        # Saturday before a holiday on Monday 8 June: as of Tuesday 9 June.
        ("2026-06-06", "Q", None, 20260609, 20260702),
        # The last day before Decreto 491, a Friday: 15 business days without 9 and 10 April 2020.
        ("2020-03-27", "R", None, 20200327, 20200421),
        # By the clock of Bogotá; in UTC it is the 28th.
        ("2020-03-27 23:00", "R", None, 20200327, 20200421),
        # The first day of the decree, a Saturday: 30 business days from Monday 30 March, without 9 10 April, 1 May.
        ("2020-03-28", "R", None, 20200330, 20200514),
        # The last day of the decree: P information 20 from Tuesday 17 May 2022, without 30 May: 18 to 31 May are 9.
        ("2022-05-17", "P", "information", 20220517, 20220615),
        ("2022-05-18", "P", "information", 20220518, 20220602),
        # Consultations: 30 from 1 July 2026, without 13 and 20 July, 7 August.
        ("2026-07-01", "P", "consultation", 20260701, 20260818),
        ("2026-07-01", "S", None, 20260701, 20260724),
    ],
)
def test_due_days(received: str, pqrs_type: str, kind: str | None, start: int, due: int) -> None:
    only = term(Bronze().created(received, pqrs_type, kind))
    assert (only["start_date_key"], only["due_date_key"]) == (start, due)
    assert (only["paused_days"], only["term_no"], only["opened_at"]) == (0, 1, at(received))


def requested(*steps: str, received: str = "2026-06-01") -> Bronze:
    """A request for information of Monday 1 June 2026, under way on that day: due on 17 June, its 10th business day."""
    return Bronze().created(received, "P", "information").life(*under_way(received), *steps)


@pytest.mark.parametrize(
    ("responded", "state", "days"),
    [
        ("2026-06-01", "MET", 0),
        ("2026-06-02", "MET", 1),
        ("2026-06-08", "MET", 4),  # a holiday
        ("2026-06-17 23:59", "MET", 10),  # the 18th in UTC
        ("2026-06-18 00:00", "LATE", 11),
        ("2026-06-21", "LATE", 12),  # a Sunday
    ],
)
def test_responses(responded: str, state: str, days: int) -> None:
    only = term(requested(f"{responded} RESPONDED"))
    assert (only["state"], only["business_days_to_response"]) == (state, days)
    assert only["responded_at"] == at(responded)


def test_a_response_before_the_term_starts() -> None:
    only = term(requested("2026-05-31 18:00 RESPONDED", received="2026-05-31"))
    assert (only["state"], only["business_days_to_response"]) == ("MET", 0)


@pytest.mark.parametrize(
    ("as_of", "state"), [("2026-06-01", "PENDING"), ("2026-06-17", "PENDING"), ("2026-06-18", "OVERDUE")]
)
def test_no_response(as_of: str, state: str) -> None:
    only = term(requested(), as_of)
    assert (only["state"], only["responded_at"], only["business_days_to_response"]) == (state, None, None)


def held(*holds: tuple[str, str], received: str = "2026-06-01") -> Bronze:
    """The request of 1 June, held once or more; a hold without an end is open."""
    steps = [step for begin, end in holds for step in (f"{begin} ON_HOLD", f"{end} IN_PROGRESS") if step[0] != " "]
    return requested(*steps, received=received)


@pytest.mark.parametrize(
    ("holds", "paused", "due"),
    [
        # 4 and 5 June do not count; day 11 and 12 are 18 and 19.
        ([("2026-06-03", "2026-06-05")], 2, 20260619),
        # Over the holiday of the 8th: 9 and 10 do not count.
        ([("2026-06-05", "2026-06-10")], 2, 20260619),
        # Resumed on the same day; begun and ended without a business day between.
        ([("2026-06-03 08:00", "2026-06-03 09:00")], 0, 20260617),
        ([("2026-06-05", "2026-06-08")], 0, 20260617),
        # Twice: 3; and 10, 11.
        ([("2026-06-02", "2026-06-03"), ("2026-06-09", "2026-06-11")], 3, 20260622),
        # Begun on the 9th day: 17 does not count and the day after it is the last one.
        ([("2026-06-16", "2026-06-17")], 1, 20260618),
        # Begun on the last day, and after it: the term has run out.
        ([("2026-06-17", "2026-06-18")], 0, 20260617),
        ([("2026-06-18", "2026-06-30")], 0, 20260617),
        # Begun after the original last day, but the earlier pause (4 5 9 10) had moved it to the 23rd; 22 and 23 pause.
        ([("2026-06-03", "2026-06-10"), ("2026-06-19", "2026-06-23")], 6, 20260625),
        # The second hold begins after the term has run out with the first one's pause.
        ([("2026-06-03", "2026-06-04"), ("2026-06-18", "2026-06-25")], 1, 20260618),
    ],
)
def test_pauses(holds: list[tuple[str, str]], paused: int, due: int) -> None:
    only = term(held(*holds))
    assert (only["paused_days"], only["due_date_key"]) == (paused, due)


def test_a_pause_over_holy_week() -> None:
    """A petition of 16 March 2026 (a holiday on the 23rd) rests from 1 to 6 April: only the 6th is a business day."""
    events = (
        Bronze().created("2026-03-16").life(*under_way("2026-03-16"), "2026-04-01 ON_HOLD", "2026-04-06 IN_PROGRESS")
    )
    assert (term(events)["paused_days"], term(events)["due_date_key"]) == (1, 20260410)


def test_a_pause_over_the_year_end() -> None:
    """Information asked on 22 December 2025: 24 26 29 30 31 December and 2 January do not count."""
    events = (
        Bronze()
        .created("2025-12-22", "P", "information")
        .life(*under_way("2025-12-22"), "2025-12-23 ON_HOLD", "2026-01-04 IN_PROGRESS")
    )
    assert (term(events)["paused_days"], term(events)["due_date_key"]) == (6, 20260116)


def test_a_hold_before_the_term_starts_pauses_from_its_start() -> None:
    """Filed and held on Sunday 31 May, completed on Wednesday 3 June: 2 and 3 June do not count."""
    events = held(("2026-05-31", "2026-06-03"), received="2026-05-31")
    assert (term(events)["paused_days"], term(events)["due_date_key"]) == (2, 20260619)


def test_a_hold_that_ends_before_the_term_starts_does_not_pause() -> None:
    events = held(("2026-05-31 13:00", "2026-05-31 14:00"), received="2026-05-31")
    assert (term(events)["paused_days"], term(events)["due_date_key"]) == (0, 20260617)


@pytest.mark.parametrize(
    ("as_of", "paused", "due", "state"),
    [
        ("2026-05-29", 0, 20260617, "SUSPENDED"),  # before it begins: nothing to pause yet
        ("2026-06-03", 0, 20260617, "SUSPENDED"),
        ("2026-06-10", 4, 20260623, "SUSPENDED"),  # 4 5 9 10
        ("2026-07-01", 17, 20260714, "SUSPENDED"),  # 4 5 9 to 12, 16 to 19, 22 to 26, 30 June, 1 July
    ],
)
def test_an_open_hold(as_of: str, paused: int, due: int, state: str) -> None:
    only = term(held(("2026-06-03", "")), as_of)
    assert (only["paused_days"], only["due_date_key"], only["state"]) == (paused, due, state)


def test_another_ticket_does_not_end_a_hold() -> None:
    events = held(("2026-06-03", ""))
    events.created("2026-06-01", "Q", ticket="u").change("2026-06-04", "RECEIVED", "RADICATED", ticket="u")
    assert terms(events, "2026-06-10")[0]["state"] == "SUSPENDED"


def test_an_open_hold_after_the_term_has_run_out_suspends_nothing() -> None:
    only = term(held(("2026-06-18", "")), "2026-06-30")
    assert (only["paused_days"], only["state"]) == (0, "OVERDUE")


def test_whatever_comes_next_ends_a_hold() -> None:
    """The event of the resumption was lost: the response ends the hold of the 3rd; 4 and 5 June do not count."""
    only = term(requested("2026-06-03 ON_HOLD").change("2026-06-05", "IN_PROGRESS", "RESPONDED"))
    assert (only["paused_days"], only["state"], only["business_days_to_response"]) == (2, "MET", 2)


def test_what_happens_after_the_response_does_not_pause() -> None:
    events = requested("2026-06-03 RESPONDED").change("2026-06-04", "IN_PROGRESS", "ON_HOLD")
    only = term(events, "2026-06-30")
    assert (only["paused_days"], only["state"], only["due_date_key"]) == (0, "MET", 20260617)


def test_only_the_first_response_counts() -> None:
    only = term(requested("2026-06-03 RESPONDED").change("2026-06-04", "IN_PROGRESS", "RESPONDED"))
    assert only["responded_at"] == at("2026-06-03")


def test_rejected_events_do_not_count() -> None:
    events = requested().change("2026-06-03", "ASSIGNED", "RESPONDED").change("2026-06-04", "CLOSED", "ON_HOLD")
    assert (term(events)["paused_days"], term(events)["state"]) == (0, "OVERDUE")


def reopened(*steps: str) -> Bronze:
    """Responded late and closed, and reopened on Saturday 2 May 2026."""
    first = ("2026-04-28 RESPONDED", "2026-04-29 CLOSED", "2026-05-02 REOPENED")
    return Bronze().created("2026-04-01", "Q").life(*under_way("2026-04-01"), *first, *steps)


def test_a_reopened_ticket_has_a_new_term() -> None:
    """From Monday 4 May: 5 to 8, 11 to 15, 19 to 22 (the 18th is a holiday), 25 and 26 May."""
    first, second = terms(reopened("2026-05-04 IN_PROGRESS"), "2026-05-20")
    assert (first["state"], first["due_date_key"]) == ("LATE", 20260424)
    assert second["opened_at"] == at("2026-05-02")
    assert (second["term_no"], second["start_date_key"], second["due_date_key"]) == (2, 20260504, 20260526)
    assert (second["state"], second["responded_at"]) == ("PENDING", None)


def test_a_hold_belongs_to_the_term_in_which_it_begins() -> None:
    """12 and 13 May do not count for the second term; an open hold of the first ends with the reopening."""
    second = terms(reopened("2026-05-04 IN_PROGRESS", "2026-05-11 ON_HOLD", "2026-05-13 IN_PROGRESS"))[1]
    assert (second["paused_days"], second["due_date_key"]) == (2, 20260528)
    events = Bronze().created("2026-06-01", "P", "information").life(*under_way("2026-06-01"), "2026-06-03 ON_HOLD")
    first, second = terms(events.change("2026-06-05", "CLOSED", "REOPENED"), "2026-06-30")
    assert (first["paused_days"], first["state"], second["paused_days"]) == (2, "OVERDUE", 0)


def test_the_fact_of_a_ticket_tells_its_last_term() -> None:
    events = reopened("2026-05-04 IN_PROGRESS", "2026-05-06 RESPONDED").message("2026-05-07").attachment("2026-05-07")
    (fact,) = build(events)[0].fact_ticket.rows(named=True)
    assert fact == {
        "ticket_id": "t",
        "received_date_key": 20260401,
        "due_date_key": 20260526,
        "channel_key": 1,
        "pqrs_type_key": 2,
        "priority_key": 1,
        "status_key": 7,
        "geo_key": 5001,
        "petition_kind": None,
        "received_at": at("2026-04-01"),
        "responded_at": at("2026-05-06"),
        "closed_at": None,
        "term_no": 2,
        "term_days": 15,
        "paused_days": 0,
        "sla_state": "MET",
        "business_days_to_response": 2,
        "message_count": 1,
        "attachment_count": 1,
        "reopen_count": 1,
    }


def kpi(frame: pl.DataFrame, **of: int) -> list[tuple[Any, ...]]:
    keys = [name for name in frame.columns if name.endswith("_key") and name != "date_key"]
    return frame.filter(**of).drop(keys).rows() if of else frame.rows()


def test_volume_counts_what_happened_each_day() -> None:
    events = reopened("2026-05-04 IN_PROGRESS", "2026-05-06 RESPONDED", "2026-05-06 CLOSED")
    events.created("2026-05-06 23:00", "Q", ticket="u").created("2026-05-07 00:00", "Q", ticket="v")
    volume = build(events)[1].kpi_volume_daily
    assert volume.columns == ["date_key", "channel_key", "pqrs_type_key", "received", "responded", "closed"]
    assert kpi(volume, channel_key=1, pqrs_type_key=2) == [
        (20260401, 1, 0, 0),
        (20260428, 0, 1, 0),
        (20260429, 0, 0, 1),
        (20260506, 1, 1, 1),
        (20260507, 1, 0, 0),
    ]


def test_backlog_is_what_is_open_at_the_end_of_each_day() -> None:
    events = Bronze()
    day_and_night = ("2026-06-02 RESPONDED", "2026-06-02 CLOSED", "2026-06-04 REOPENED")
    events.created("2026-06-01", "Q", ticket="a").life(*under_way("2026-06-01"), *day_and_night, ticket="a")
    events.created("2026-06-02", "Q", ticket="b").change("2026-06-02 13:00", "RESPONDED", "CLOSED", ticket="b")
    events.created("2026-06-03", "S", ticket="c")
    backlog = build(events, "2026-06-05")[1].kpi_backlog_daily
    assert backlog.columns == ["date_key", "pqrs_type_key", "opened", "closed", "open_at_end"]
    assert backlog.height == 5 * 4
    assert kpi(backlog, pqrs_type_key=2) == [
        (20260601, 1, 0, 1),
        (20260602, 0, 1, 0),  # b came and went on one day
        (20260603, 0, 0, 0),
        (20260604, 1, 0, 1),
        (20260605, 0, 0, 1),
    ]
    assert kpi(backlog, pqrs_type_key=4) == [
        (20260601, 0, 0, 0),
        (20260602, 0, 0, 0),
        (20260603, 1, 0, 1),
        (20260604, 0, 0, 1),
        (20260605, 0, 0, 1),
    ]
    assert kpi(backlog, pqrs_type_key=1) == [(20260600 + day, 0, 0, 0) for day in range(1, 6)]


def test_closed_and_reopened_within_a_day_is_open_all_along() -> None:
    steps = ("2026-06-03 RESPONDED", "2026-06-03 CLOSED", "2026-06-03 REOPENED")
    backlog = build(requested(*steps), "2026-06-03")[1].kpi_backlog_daily
    assert kpi(backlog, pqrs_type_key=1) == [(20260601, 1, 0, 1), (20260602, 0, 0, 1), (20260603, 0, 0, 1)]


def test_compliance_counts_terms_by_their_due_day() -> None:
    events = Bronze()
    for number, step in enumerate(
        ("2026-06-17 RESPONDED", "2026-06-18 RESPONDED", "2026-06-02 CLASSIFIED", "2026-06-17 ON_HOLD")
    ):
        events.created("2026-06-01", "P", "information", ticket=f"t{number}")
        events.life(*under_way("2026-06-01"), step, ticket=f"t{number}")
    sla = build(events, "2026-06-17")[1].kpi_sla_daily
    assert sla.columns == ["date_key", "pqrs_type_key", "due", "met", "late", "pending", "overdue", "suspended"]
    assert sla.rows() == [(20260617, 1, 4, 1, 1, 2, 0, 0)]
    assert build(events, "2026-06-18")[1].kpi_sla_daily.rows() == [(20260617, 1, 4, 1, 1, 0, 2, 0)]


def test_the_calendar_covers_whole_years_of_all_days() -> None:
    dim_date = build(Bronze().created("2025-12-31", "Q"), "2025-12-31")[1].dim_date
    assert dim_date.schema == gold.DIM_DATE
    assert (dim_date["date"].min(), dim_date["date"].max(), dim_date.height) == (
        date(2025, 1, 1),
        date(2026, 12, 31),
        730,
    )
    assert dim_date.row(by_predicate=pl.col("date_key") == 20260713) == (
        20260713, date(2026, 7, 13), 2026, 3, 7, 13, 1, True, False,
    )  # fmt: skip
    earlier = build(Bronze().created("2026-01-01", "Q"), "2024-06-01")[1].dim_date
    assert (earlier["date"].min(), earlier["date"].max()) == (date(2024, 1, 1), date(2026, 12, 31))


def test_no_tickets() -> None:
    bucket, combined = build(Bronze().message("2026-06-01"), "2026-06-01")
    assert [frame.height for frame in bucket] == [0] * 5
    assert (
        combined.dim_date["date"].to_list() == pl.date_range(date(2026, 1, 1), date(2026, 12, 31), eager=True).to_list()
    )
    assert [frame.height for frame in combined[1:]] == [0, 0, 0]
    assert combined.kpi_backlog_daily.columns == ["date_key", "pqrs_type_key", "opened", "closed", "open_at_end"]


def test_schemas() -> None:
    for events in (Bronze(), requested("2026-06-02 RESPONDED")):
        bucket, combined = build(events)
        assert bucket.fact_ticket.schema == gold.FACT_TICKET
        assert bucket.fact_term.schema == gold.FACT_TERM
        assert bucket.volume.schema == gold.VOLUME
        assert bucket.backlog_changes.schema == gold.BACKLOG_CHANGES
        assert bucket.sla.schema == gold.SLA
        kpis = (combined.kpi_volume_daily, combined.kpi_backlog_daily, combined.kpi_sla_daily)
        assert {dtype for frame in kpis for dtype in frame.dtypes} == {pl.Int16, pl.Int32}


def test_dimensions() -> None:
    dimensions = gold.dimensions()
    assert {name: frame.height for name, frame in dimensions.items()} == {
        "dim_channel": 5,
        "dim_pqrs_type": 4,
        "dim_priority": 3,
        "dim_status": 10,
        "dim_geo": 1121,
    }
    for name, frame in dimensions.items():
        key, code, label = frame.columns[:3]
        assert frame[key].is_unique().all(), name
        assert frame[code].is_unique().all(), name
        if name != "dim_geo":
            assert frame[key].to_list() == list(range(1, frame.height + 1))
            assert frame[label].to_list() == [NAMES_ES[of] for of in frame[code]]
    assert (dimensions["dim_geo"]["geo_key"] == dimensions["dim_geo"]["municipality_code"].cast(pl.Int32)).all()


def test_a_term_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the Colombian calendar"):
        build(Bronze().created("2100-12-20", "Q"), "2100-12-31")
