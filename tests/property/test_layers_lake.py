"""What holds of the layers whatever arrives, in whatever order, however often, in however many parts."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pqrs_lakehouse.domain.lifecycle import TRANSITIONS
from pqrs_lakehouse.domain.vocabulary import PETITION_KINDS, PQRS_TYPES, STATUSES
from pqrs_lakehouse.layers import bronze, gold, silver

BUCKETS = 4
STARTED = datetime(2026, 1, 1, tzinfo=UTC)
BEGINNINGS = (
    datetime(2020, 3, 20, tzinfo=UTC),  # into the emergency
    datetime(2022, 5, 1, tzinfo=UTC),  # and out of it
    datetime(2025, 6, 20, tzinfo=UTC),  # two holidays on one Monday
    datetime(2025, 12, 15, tzinfo=UTC),  # over a year end
    datetime(2026, 3, 20, tzinfo=UTC),  # over Holy Week
)
NOISE = (b"", b"\xff", b"{}", b"[]", b"{", b'{"event_id": "e1"}')


class Arrived(NamedTuple):
    """Raw rows, and the day on which states are told."""

    lines: pl.DataFrame
    as_of: date


class Lake(NamedTuple):
    """All tables, each in an order of its own columns."""

    tables: dict[str, pl.DataFrame]

    @classmethod
    def of(cls, silver_parts: list[silver.Silver], as_of: date) -> Lake:
        parts = [gold.of_bucket(part.tickets, part.status_events, as_of) for part in silver_parts]
        folded = {
            name: pl.concat([getattr(part, name).collect() for part in silver_parts]) for name in silver.Silver._fields
        }
        counted = {name: pl.concat([getattr(part, name) for part in parts]) for name in gold.BucketGold._fields}
        volume, backlog_changes, sla = counted.pop("volume"), counted.pop("backlog_changes"), counted.pop("sla")
        combined = gold.combine(volume, backlog_changes, sla, gold.span(volume, sla), as_of)
        tables = {**folded, **counted, **combined._asdict()}
        return cls({name: table.sort(table.columns) for name, table in tables.items()})

    def assert_equal(self, other: Lake) -> None:
        for name, table in self.tables.items():
            assert_frame_equal(table, other.tables[name])


@st.composite
def events(draw: st.DrawFn, begin: datetime) -> bytes:
    """An event of one of a few tickets, with an id that may be another's, at one of a few instants."""
    transition = st.sampled_from(TRANSITIONS) | st.tuples(st.sampled_from(STATUSES), st.sampled_from(STATUSES))
    event_type = draw(st.sampled_from(["TICKET_CREATED", "MESSAGE_ADDED", "ATTACHMENT_ADDED", *["STATUS_CHANGED"] * 6]))
    data: dict[str, Any]
    match event_type:
        case "TICKET_CREATED":
            data = {
                "channel": draw(st.sampled_from(["email", "chat"])),
                "pqrs_type": draw(st.sampled_from(PQRS_TYPES)),
                "petition_kind": draw(st.sampled_from(PETITION_KINDS)),
                "priority": "baja",
                "municipality_code": draw(st.sampled_from(["05001", "11001"])),
            }
        case "STATUS_CHANGED":
            before, after = draw(transition)
            data = {"from_status": before, "to_status": after}
        case "MESSAGE_ADDED":
            data = {"author_role": "agent", "body": draw(st.text(max_size=2))}
        case _:
            data = {"filename": "x", "size_bytes": draw(st.integers(0, 9))}
    instant = begin + timedelta(days=draw(st.integers(0, 50)), hours=draw(st.sampled_from([0, 4, 5, 23])))
    event = {
        "event_id": draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz")),
        "ticket_id": draw(st.sampled_from(["t1", "t2", "t3", "t4", "ñ"])),
        "event_type": event_type,
        "ts": instant.isoformat(),
        "data": data,
    }
    return json.dumps(event, ensure_ascii=draw(st.booleans())).encode()


@st.composite
def arrivals(draw: st.DrawFn) -> Arrived:
    begin = draw(st.sampled_from(BEGINNINGS))
    arrival = begin.date() + timedelta(days=60)
    contents = draw(st.lists(events(begin) | st.sampled_from(NOISE), max_size=40))
    rows = [(f"file-{number % 2}", number, "email", arrival, content) for number, content in enumerate(contents, 1)]
    lines = pl.DataFrame(rows, schema=bronze.LINES, orient="row")
    return Arrived(lines, arrival + timedelta(days=draw(st.integers(0, 40))))


def split(lines: pl.DataFrame) -> bronze.Split:
    return bronze.split(lines, run_id="run", ingested_at=STARTED, buckets=BUCKETS)


def at_once(bronze_rows: pl.DataFrame, as_of: date) -> Lake:
    return Lake.of([silver.build(bronze_rows.lazy())], as_of)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=30) | events(BEGINNINGS[0]) | st.sampled_from(NOISE), max_size=20))
def test_every_row_goes_to_exactly_one_side_and_as_if_it_came_alone(contents: list[bytes]) -> None:
    rows = [("f", number, "email", date(2020, 4, 1), content) for number, content in enumerate(contents, 1)]
    lines = pl.DataFrame(rows, schema=bronze.LINES, orient="row")
    together = split(lines)
    assert sorted([*together.bronze["line_no"], *together.quarantine["line_no"]]) == list(range(1, len(contents) + 1))
    alone = [split(lines[n]) for n in range(len(contents))]
    for side in bronze.Split._fields:
        parts = [getattr(part, side) for part in alone]
        whole = getattr(together, side)
        assert_frame_equal(whole, pl.concat([whole.clear(), *parts]))


@settings(max_examples=40, deadline=None)
@given(arrivals(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_means_nothing(arrived: Arrived, shuffle: random.Random) -> None:
    order = list(range(arrived.lines.height))
    shuffle.shuffle(order)
    in_order, shuffled = split(arrived.lines), split(arrived.lines[order])
    at_once(in_order.bronze, arrived.as_of).assert_equal(at_once(shuffled.bronze, arrived.as_of))


@settings(max_examples=40, deadline=None)
@given(arrivals(), st.lists(st.integers(0, 39), max_size=10))
def test_what_is_delivered_again_changes_nothing(arrived: Arrived, again: list[int]) -> None:
    chosen = [number for number in again if number < arrived.lines.height]
    redelivered = arrived.lines[chosen].with_columns(source_file=pl.lit("zzz"), line_no=pl.int_range(len(chosen)) + 1)
    once, twice = split(arrived.lines), split(pl.concat([arrived.lines, redelivered]))
    at_once(once.bronze, arrived.as_of).assert_equal(at_once(twice.bronze, arrived.as_of))


@settings(max_examples=40, deadline=None)
@given(arrivals(), st.lists(st.integers(0, 2), min_size=BUCKETS, max_size=BUCKETS))
def test_buckets_may_be_built_in_any_parts(arrived: Arrived, part_of: list[int]) -> None:
    rows = split(arrived.lines).bronze
    parts = [[bucket for bucket in range(BUCKETS) if part_of[bucket] == part] for part in range(3)]
    built = [silver.build(rows.lazy().filter(pl.col("bucket").is_in(buckets))) for buckets in parts]
    at_once(rows, arrived.as_of).assert_equal(Lake.of(built, arrived.as_of))


@settings(max_examples=20, deadline=None)
@given(arrivals())
def test_building_again_gives_the_same_to_the_order_of_rows(arrived: Arrived) -> None:
    def build() -> list[pl.DataFrame]:
        rows = split(arrived.lines)
        tables = silver.build(rows.bronze.lazy())
        facts = gold.of_bucket(tables.tickets, tables.status_events, arrived.as_of)
        return [*rows, *(table.collect() for table in tables), *facts]

    for first, second in zip(build(), build(), strict=True):
        assert_frame_equal(first, second)


@settings(max_examples=40, deadline=None)
@given(arrivals())
def test_the_tables_reconcile(arrived: Arrived) -> None:
    rows = split(arrived.lines).bronze
    tables = at_once(rows, arrived.as_of).tables
    events_by_id = rows.unique(["ticket_id", "event_id"]).height
    tickets, terms, facts = tables["tickets"], tables["fact_term"], tables["fact_ticket"]
    assert tables["messages"].height + tables["status_events"].height <= events_by_id
    assert tables["status_events"].select("ticket_id", "event_id").is_unique().all()
    assert facts["ticket_id"].to_list() == tickets["ticket_id"].to_list()
    assert terms.height == tickets.height + tickets["reopen_count"].sum()
    assert facts["term_no"].to_list() == (tickets["reopen_count"] + 1).to_list()
    sla, volume, backlog = tables["kpi_sla_daily"], tables["kpi_volume_daily"], tables["kpi_backlog_daily"]
    assert sla["due"].sum() == terms.height
    assert (
        sla.select(pl.sum_horizontal("met", "late", "pending", "overdue", "suspended")).to_series().sum()
        == terms.height
    )
    assert volume["received"].sum() == tickets.height
    assert volume["responded"].sum() == terms["responded_at"].count()
    open_tickets = tickets.filter(~pl.col("status").is_in(["CLOSED", "ARCHIVED"])).height
    last_day = backlog.filter(pl.col("date_key") == int(arrived.as_of.strftime("%Y%m%d")))
    assert last_day["open_at_end"].sum() == open_tickets
    keys = set(tables["dim_date"]["date_key"])
    for table, columns in (
        (facts, ["received_date_key", "due_date_key"]),
        (terms, ["start_date_key", "due_date_key"]),
        (volume, ["date_key"]),
        (backlog, ["date_key"]),
        (sla, ["date_key"]),
    ):
        assert {key for column in columns for key in table[column]} <= keys
