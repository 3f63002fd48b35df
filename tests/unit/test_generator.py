"""The generator of synthetic PQRS: what it makes, what it says that it made, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

from conformance import oracle
from pqrs_lakehouse.domain.lifecycle import INITIAL, TRANSITIONS
from pqrs_lakehouse.domain.places import municipality_codes
from pqrs_lakehouse.domain.vocabulary import AUTHOR_ROLES, CHANNELS, EVENT_TYPES, SLA_STATES
from pqrs_lakehouse.generator import Delivery, DirtRates, GeneratorConfig, generate, raw_files
from pqrs_lakehouse.generator.corruption import REASONS, corrupt
from pqrs_lakehouse.generator.journey import STEPS
from pqrs_lakehouse.layers.raw import read_lines

CLEAN = GeneratorConfig(
    seed=7, start=date(2025, 12, 1), end=date(2026, 1, 20), tickets_per_day=7, dirt=DirtRates.none()
)
DIRTY = replace(
    CLEAN,
    dirt=DirtRates(
        duplicates=0.1,
        malformed=0.2,
        lost=0.03,
        late=0.1,
        out_of_order=0.1,
        invalid_transitions=0.05,
        orphans=0.05,
    ),
)


def lines_of(config: GeneratorConfig) -> list[bytes]:
    return [line for delivery in generate(config) for line in delivery.lines]


@cache
def clean_lines() -> frozenset[bytes]:
    return frozenset(lines_of(CLEAN))


@cache
def clean_events() -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(CLEAN)]


def read(deliveries: Iterator[Delivery]) -> list[oracle.RawLine]:
    return [
        line
        for delivery in deliveries
        for line in oracle.raw_lines("part-0", delivery.source, delivery.day, "run", delivery.content())
    ]


def creations(config: GeneratorConfig) -> list[dict[str, Any]]:
    return [event for event in map(json.loads, lines_of(config)) if event["event_type"] == "TICKET_CREATED"]


@cache
def sample(kind: str) -> bytes:
    return min(line for line in clean_lines() if json.loads(line)["event_type"] == kind)


def instant(event: dict[str, Any]) -> datetime:
    return oracle.timestamp(event["ts"])


# What it makes


def test_the_same_configuration_gives_the_same_bytes_however_it_is_consumed() -> None:
    one, other = generate(DIRTY), generate(DIRTY)
    together = list(zip(one, other, strict=True))  # drawn in turns
    assert together
    for a, b in together:
        assert (a.source, a.day, a.content()) == (b.source, b.day, b.content())
    assert one.planted == other.planted


def test_another_seed_gives_other_events() -> None:
    ids = {event["event_id"] for event in clean_events()}
    assert ids.isdisjoint(json.loads(line)["event_id"] for line in lines_of(replace(CLEAN, seed=8)))


def test_the_bytes_of_a_seed_are_the_same_on_every_platform() -> None:
    config = replace(DIRTY, start=date(2026, 1, 6))
    digest = hashlib.sha256(b"".join(delivery.content() for delivery in generate(config))).hexdigest()
    assert digest == "7e55901806b9a49a0d58ac02d8dbf07d9747489ab399e2d9ff11c9c818fdd2b0"


def test_deliveries_come_by_day_then_by_source_and_none_is_empty() -> None:
    order = [(delivery.day, CHANNELS.index(delivery.source)) for delivery in generate(DIRTY)]
    assert order == sorted(set(order))
    assert all(len(delivery.lines) for delivery in generate(DIRTY))
    assert {delivery.lines.dtype for delivery in generate(DIRTY)} == {pl.Binary()}


def test_every_line_of_a_clean_generation_is_a_good_event_that_arrives_on_its_day() -> None:
    rows = read(generate(CLEAN))
    events = [oracle.read_line(row) for row in rows]
    assert len(events) > 2000
    for event in events:
        assert isinstance(event, oracle.Event), event
        assert oracle.day(event.ts) == event.day
        assert CLEAN.start <= event.day <= CLEAN.end
        assert event.source_channel in CHANNELS
    assert {event.event_type for event in events if isinstance(event, oracle.Event)} == set(EVENT_TYPES)


def test_lines_stand_in_the_order_of_their_instants() -> None:
    for delivery in generate(CLEAN):
        instants = [instant(json.loads(line)) for line in delivery.lines]
        assert instants == sorted(instants)


def test_identifiers_have_their_shapes_and_are_unique() -> None:
    events = clean_events()
    groups = "-".join(f"[0-9a-f]{{{n}}}" for n in (8, 4, 4, 4, 12))
    ids = pl.Series([event["event_id"] for event in events])
    assert ids.str.contains(f"^{groups}$").all()
    assert (ids.str.slice(14, 1) == "4").all()
    assert ids.str.slice(19, 1).is_in(["8", "9", "a", "b"]).all()
    assert ids.n_unique() == len(ids)
    created = [event for event in events if event["event_type"] == "TICKET_CREATED"]
    numbers = defaultdict(list)
    for event in created:
        _, year, number = event["ticket_id"].split("-")
        assert len(number) == 8
        assert int(year) == oracle.day(instant(event)).year
        numbers[year].append(int(number))
    assert set(numbers) == {"2025", "2026"}
    for of_year in numbers.values():
        assert sorted(of_year) == list(range(1, len(of_year) + 1))


def test_tickets_live_by_the_state_machine() -> None:
    seen, tickets = set(), defaultdict(list)
    for event in clean_events():
        tickets[event["ticket_id"]].append(event)
    for events in tickets.values():
        events.sort(key=instant)
        assert [event["event_type"] for event in events].index("TICKET_CREATED") == 0
        assert Counter(event["event_type"] for event in events)["TICKET_CREATED"] == 1
        status, last = INITIAL, instant(events[0])
        for event in events:
            if event["event_type"] == "STATUS_CHANGED":
                pair = (event["data"]["from_status"], event["data"]["to_status"])
                assert pair in TRANSITIONS
                assert pair[0] == status
                assert instant(event) > last
                seen.add(pair)
                status, last = pair[1], instant(event)
    assert seen == set(TRANSITIONS)


def test_the_steps_are_those_of_the_life_cycle() -> None:
    assert {(step.before, step.after) for step in STEPS} == set(TRANSITIONS)
    for before, _ in TRANSITIONS:
        assert 0 < sum(step.chance for step in STEPS if step.before == before) <= 1


def test_agents_work_in_office_hours() -> None:
    local = [
        instant(event).astimezone(oracle.BOGOTA) for event in clean_events() if event["event_type"] == "STATUS_CHANGED"
    ]
    assert {moment.isoweekday() for moment in local} == {1, 2, 3, 4, 5}
    assert {moment.hour for moment in local} == set(range(8, 18))


def test_every_sla_state_occurs() -> None:
    rows = read(generate(replace(CLEAN, tickets_per_day=3)))
    assert {term.state for term in oracle.expect(rows, CLEAN.end).fact_term} == set(SLA_STATES)


def test_instants_are_written_in_every_way() -> None:
    ways = {(len(ts.removesuffix("Z").removesuffix("-05:00")), ts[-1]) for ts in (e["ts"] for e in clean_events())}
    plain = len("2026-01-01T00:00:00")
    assert ways == {(plain + (n and n + 1), zone) for n in range(7) for zone in ("Z", "0")}


def test_texts_are_spanish_and_hard_to_escape() -> None:
    raw = b"\n".join(clean_lines()).decode()
    bodies = [event["data"]["body"] for event in clean_events() if event["event_type"] == "MESSAGE_ADDED"]
    for wanted in ("ñ", "é", "¿", "🙏", "👨‍👩‍👧‍👦", '"', "\\", "\n", "\r\n", "\t"):
        assert any(wanted in body for body in bodies), wanted
    for written in ("ñ", r"\u00f1", "🙏", r"\ud83d\ude4f", r"\"", r"\\", r"\n", r"\t"):
        assert written in raw, written
    assert len(set(bodies)) > 200
    roles = {e["data"]["author_role"] for e in clean_events() if e["event_type"] == "MESSAGE_ADDED"}
    assert roles == set(AUTHOR_ROLES)


def test_kinds_are_told_of_petitions_only_but_sometimes_filled_in() -> None:
    kinds = defaultdict(set)
    for event in clean_events():
        if event["event_type"] == "TICKET_CREATED":
            kinds[event["data"]["pqrs_type"] == "P"].add(event["data"].get("petition_kind", "absent"))
    assert kinds[True] == {"general", "information", "consultation"}
    assert kinds[False] == {"absent", None, "consultation"}


def test_weights_decide_what_tickets_are_like() -> None:
    config = replace(
        CLEAN,
        channel_weights={"chat": 3, "call": 0},
        type_weights={"P": 1, "S": 1},
        petition_kind_weights={"information": 0.1},
        priority_weights={"alta": 1, "baja": 9},
        place_weights={"05001": 1, "91540": 2},
        weekday_weights=(0, 1, 0, 0, 0, 0, 0),
    )
    created = creations(config)
    assert {event["data"]["channel"] for event in created} == {"chat"}
    assert {event["data"]["pqrs_type"] for event in created} == {"P", "S"}
    assert {e["data"]["petition_kind"] for e in created if e["data"]["pqrs_type"] == "P"} == {"information"}
    assert {event["data"]["municipality_code"] for event in created} == {"05001", "91540"}
    assert {oracle.day(instant(event)).isoweekday() for event in created} == {2}
    priorities = Counter(event["data"]["priority"] for event in created)
    assert priorities["baja"] > 5 * priorities["alta"] > 0


def test_a_spike_multiplies_the_tickets_of_its_day() -> None:
    spike, quiet = date(2025, 12, 3), date(2025, 12, 10)
    config = replace(CLEAN, tickets_per_day=20, spikes={spike: 10, quiet: 0})
    created = Counter(oracle.day(instant(event)) for event in creations(config))
    assert config.mean_tickets(spike) == 10 * config.mean_tickets(date(2025, 12, 17))
    assert created[spike] == pytest.approx(config.mean_tickets(spike), rel=0.3)
    assert quiet not in created


def test_the_mean_is_that_of_an_average_week() -> None:
    week = [CLEAN.start + timedelta(days=n) for n in range(7)]
    assert sum(CLEAN.mean_tickets(day) for day in week) / 7 == pytest.approx(CLEAN.tickets_per_day)


@pytest.mark.parametrize(("n", "days"), [(20_000, 1), (20_000, 4), (30_000, 45), (30_000, 200)])
def test_a_configuration_can_aim_at_a_number_of_events(n: int, days: int) -> None:
    start = date(2026, 3, 4)
    config = GeneratorConfig.for_events(
        n, seed=1, start=start, end=start + timedelta(days=days - 1), dirt=DirtRates.none(), spikes={start: 2}
    )
    generation = generate(config)
    assert sum(len(delivery.lines) for delivery in generation) == pytest.approx(n, rel=0.06)


def test_no_events_are_no_deliveries() -> None:
    generation = generate(GeneratorConfig.for_events(0, seed=1, start=CLEAN.start, end=CLEAN.end))
    assert list(generation) == []
    assert generation.planted.total_rows == 0


# What it plants


def test_what_is_planted_is_known_at_the_end() -> None:
    generation = generate(DIRTY)
    next(generation)
    with pytest.raises(RuntimeError, match="after the last delivery"):
        _ = generation.planted
    rows = 0
    for delivery in generation:
        rows += len(delivery.lines)
    assert generation.planted.total_rows > rows > 0


def test_planted_counts_are_those_of_the_lines() -> None:
    generation = generate(DIRTY)
    rows = read(generation)
    planted = generation.planted
    expected = oracle.expect(rows, DIRTY.end)
    events, quarantined = expected.bronze, expected.quarantine

    assert planted.rows == Counter((row.source_channel, row.day) for row in rows)
    assert planted.malformed == Counter(row.reason for row in quarantined)
    assert set(planted.malformed) == set(REASONS)
    assert planted.total_rows == len(rows) == sum(planted.events.values()) + planted.duplicates + len(quarantined)

    first_arrival: dict[str, oracle.Event] = {}
    for event in events:
        first_arrival.setdefault(event.event_id, event)
        assert event.raw == first_arrival[event.event_id].raw
    assert planted.duplicates == len(events) - len(first_arrival) > 100
    assert planted.events == Counter(event.event_type for event in first_arrival.values())
    assert planted.late == sum(event.day > oracle.day(event.ts) for event in first_arrival.values()) > 100
    out_of_order = sum(
        (a.source_channel, a.day) == (b.source_channel, b.day) and b.ts < a.ts for a, b in pairwise(events)
    )
    assert planted.out_of_order == out_of_order > 100

    assert planted.tickets == len(expected.tickets)
    assert planted.orphans == len({event.ticket_id for event in events}) - len(expected.tickets) > 10
    rejections = Counter(event.rejection for event in expected.status_events)
    assert planted.invalid_transitions == rejections["not_allowed"] > 50
    assert rejections["before_creation"] == 0


def test_duplicates_come_in_the_same_file_on_a_later_day_and_through_another_source() -> None:
    arrivals: dict[str, list[tuple[str, date]]] = defaultdict(list)
    for row in read(generate(replace(CLEAN, dirt=replace(DirtRates.none(), duplicates=0.1)))):
        arrivals[json.loads(row.line)["event_id"]].append((row.source_channel, row.day))
    ways = Counter(
        (again[0] == first[0], again[1] == first[1])
        for first, *rest in map(sorted, arrivals.values())
        for again in rest
    )
    assert set(ways) == {(True, True), (True, False), (False, True)}
    assert min(ways.values()) > 50


def test_late_events_arrive_within_a_week_and_not_after_the_end() -> None:
    config = replace(CLEAN, dirt=replace(DirtRates.none(), late=1))
    delays = Counter(row.day - oracle.day(instant(json.loads(row.line))) for row in read(generate(config)))
    assert set(delays) == {timedelta(days=n) for n in range(8)}
    on_time = [row for row in read(generate(config)) if oracle.day(instant(json.loads(row.line))) == row.day]
    assert {row.day for row in on_time} == {config.end}


def test_lost_events_are_real_ones() -> None:
    lossy = generate(replace(CLEAN, dirt=replace(DirtRates.none(), lost=0.1)))
    kept = {row.line for row in read(lossy) if isinstance(oracle.read_line(row), oracle.Event)}
    assert kept < clean_lines()
    assert lossy.planted.lost == len(clean_lines() - kept) == lossy.planted.malformed.total()


def test_orphans_have_all_but_their_creation() -> None:
    whole = Counter(event["ticket_id"] for event in clean_events())
    generation = generate(replace(CLEAN, dirt=replace(DirtRates.none(), orphans=1)))
    left = {row.line for row in read(generation)}
    assert left == {line for line in clean_lines() if json.loads(line)["event_type"] != "TICKET_CREATED"}
    assert generation.planted.tickets == 0
    assert generation.planted.orphans == sum(events > 1 for events in whole.values())


@pytest.mark.parametrize("rate", ["duplicates", "malformed", "late", "out_of_order"])
def test_harmless_dirt_leaves_the_distinct_events_as_they_are(rate: str) -> None:
    dirty = replace(CLEAN, dirt=replace(DirtRates.none(), **{rate: 0.5}))
    rows = read(generate(dirty))
    assert {row.line for row in rows if isinstance(oracle.read_line(row), oracle.Event)} == clean_lines()
    assert [row.line for row in rows] != lines_of(CLEAN)


@pytest.mark.parametrize("position", range(len(REASONS)), ids=REASONS)
@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_way_to_corrupt_a_line_earns_its_reason(kind: str, position: int) -> None:
    day = date(2026, 2, 20)
    ways = set()
    for turn in range(30):
        reason, line = corrupt(sample(kind), day, turn * len(REASONS) + position)
        assert b"\n" not in line
        read_back = oracle.read_line(oracle.RawLine("part-0", "chat", day, "run", 1, line))
        assert isinstance(read_back, oracle.Quarantined), line
        assert (reason, read_back.reason) == (REASONS[position], REASONS[position]), line
        ways.add(line)
    assert len(ways) > 1


def test_places_that_are_planted_as_unknown_are_unknown() -> None:
    position = REASONS.index("unknown_place")
    codes = {
        json.loads(corrupt(sample("TICKET_CREATED"), CLEAN.end, turn * len(REASONS) + position)[1])["data"][
            "municipality_code"
        ]
        for turn in range(10)
    }
    assert codes
    assert codes.isdisjoint(municipality_codes())


# How it is delivered


def test_a_file_holds_its_lines_and_ends_with_a_line_feed() -> None:
    lines = pl.Series([b'{"a":1}', b"", b"\xff", b""])
    content = Delivery("chat", date(2026, 1, 1), lines).content()
    assert content == b'{"a":1}\n\n\xff\n\n'
    assert read_lines(content) == lines.to_list()


def test_raw_files_hold_the_deliveries_in_parts() -> None:
    whole = {(delivery.source, delivery.day): delivery.lines.to_list() for delivery in generate(DIRTY)}
    parts: dict[tuple[str, date], list[bytes]] = defaultdict(list)
    keys = []
    for file, content in raw_files(generate(DIRTY), "run-1", rows_per_part=10):
        lines = read_lines(content)
        assert 1 <= len(lines) <= 10
        assert file.part == len(parts[file.source, file.day]) // 10
        parts[file.source, file.day] += lines
        keys.append(file.key)
    assert parts == whole
    assert len(set(keys)) == len(keys) > len(whole)


def test_memory_is_bounded_by_a_window_of_days() -> None:
    config = replace(CLEAN, start=date(2024, 1, 1), tickets_per_day=100, channel_weights={"chat": 1})
    deliveries = generate(config)

    def held_after(days: int) -> int:
        for _ in range(days):
            next(deliveries)
        return tracemalloc.get_traced_memory()[0]

    next(deliveries)  # makes the tables
    tracemalloc.start()
    try:
        filled = held_after(125)
        assert filled > 500_000
        assert held_after(60) < 1.5 * filled  # the events made in 60 days would be five times as much
    finally:
        tracemalloc.stop()


# What it refuses


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": -1}, "seed must not be negative"),
        ({"end": date(2025, 11, 30)}, r"end \(2025-11-30\) is before start \(2025-12-01\)"),
        ({"start": date(1999, 12, 31)}, "start must lie between"),
        ({"end": date(2100, 1, 1)}, "end must lie between"),
        ({"start": datetime(2025, 12, 1, 8)}, "start must be a day without a time"),
        ({"tickets_per_day": -1}, "tickets_per_day must be .* not -1"),
        ({"tickets_per_day": float("nan")}, "tickets_per_day must be .* not nan"),
        ({"tickets_per_day": 1e12}, "tickets_per_day makes"),
        ({"spikes": {date(2025, 12, 1): 1e9}}, "tickets_per_day makes .* on 2025-12-01"),
        ({"spikes": {date(2026, 1, 21): 2}}, "spikes: 2026-01-21 is outside"),
        ({"spikes": {date(2026, 1, 20): -2}}, "spikes: the factor of 2026-01-20 must be"),
        ({"weekday_weights": (1, 1, 1)}, "weekday_weights must be seven"),
        ({"weekday_weights": (0,) * 7}, "weekday_weights must add up to more than zero"),
        ({"weekday_weights": (1, 1, 1, 1, 1, 1, -1)}, "weekday_weights: the weight of 6"),
        ({"channel_weights": {"fax": 1}}, "channel_weights: 'fax' is unknown"),
        ({"channel_weights": {}}, "channel_weights must add up to more than zero"),
        ({"channel_weights": {"chat": float("inf")}}, "channel_weights: the weight of 'chat'"),
        ({"type_weights": {"P": 0}}, "type_weights must add up to more than zero"),
        ({"type_weights": {"D": 1}}, "type_weights: 'D' is unknown"),
        ({"priority_weights": {"alta": -0.1}}, "priority_weights: the weight of 'alta'"),
        ({"petition_kind_weights": {"": 1}}, "petition_kind_weights: '' is unknown"),
        ({"place_weights": {"00000": 1}}, "place_weights: '00000' is unknown"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(CLEAN, **change)


@pytest.mark.parametrize("name", vars(DirtRates()))
@pytest.mark.parametrize("rate", [-0.01, 1.01, float("nan")])
def test_a_rate_is_a_share(name: str, rate: float) -> None:
    with pytest.raises(ValueError, match=f"dirt.{name} must be a rate between 0 and 1, not {rate}"):
        DirtRates(**{name: rate})


def test_a_number_of_events_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="n must not be negative: -1"):
        GeneratorConfig.for_events(-1, seed=1, start=CLEAN.start, end=CLEAN.end)
    sunday = date(2026, 3, 1)
    with pytest.raises(ValueError, match="n: no day from 2026-03-01 to 2026-03-01 has tickets"):
        GeneratorConfig.for_events(10, seed=1, start=sunday, end=sunday, weekday_weights=(1, 1, 1, 1, 1, 1, 0))
