"""Whatever the configuration, the generator keeps its word about what it plants, and harmless dirt is harmless."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import oracle
from pqrs_lakehouse.domain.vocabulary import CHANNELS, PQRS_TYPES
from pqrs_lakehouse.generator import DirtRates, Generation, GeneratorConfig, generate
from pqrs_lakehouse.generator.journey import DAY, EPOCH, OPENING, WORKDAY, local_time, working_time

RATES = st.sampled_from([0.0, 0.05, 0.5, 1.0])


@st.composite
def configs(draw: st.DrawFn) -> GeneratorConfig:
    start = draw(st.dates(date(2000, 1, 1), date(2099, 12, 1)))
    return GeneratorConfig(
        seed=draw(st.integers(0, 2**64)),
        start=start,
        end=start + timedelta(days=draw(st.integers(0, 20))),
        tickets_per_day=draw(st.floats(0, 4)),
        spikes=draw(st.dictionaries(st.just(start), st.floats(0, 5), max_size=1)),
        channel_weights=draw(st.dictionaries(st.sampled_from(CHANNELS), st.floats(0.1, 9), min_size=1)),
        type_weights=draw(st.dictionaries(st.sampled_from(PQRS_TYPES), st.floats(0.1, 9), min_size=1)),
        dirt=DirtRates(
            duplicates=draw(RATES),
            malformed=draw(RATES),
            lost=draw(st.sampled_from([0.0, 0.1, 1.0])),
            late=draw(RATES),
            out_of_order=draw(RATES),
            invalid_transitions=draw(RATES),
            orphans=draw(RATES),
        ),
    )


def read(generation: Generation) -> list[oracle.RawLine]:
    return [
        line
        for delivery in generation
        for line in oracle.raw_lines("part-0", delivery.source, delivery.day, "run", delivery.content())
    ]


@settings(max_examples=40, deadline=None)
@given(configs())
def test_planted_counts_are_those_of_the_lines(config: GeneratorConfig) -> None:
    generation = generate(config)
    rows = read(generation)
    planted, expected = generation.planted, oracle.expect(rows, config.end)
    events: dict[str, oracle.Event] = {}
    for event in expected.bronze:
        events.setdefault(event.event_id, event)

    assert planted.total_rows == len(rows)
    assert planted.rows == Counter((row.source_channel, row.day) for row in rows)
    assert planted.malformed == Counter(row.reason for row in expected.quarantine)
    assert planted.events == Counter(event.event_type for event in events.values())
    assert planted.duplicates == len(expected.bronze) - len(events)
    assert planted.late == sum(event.day > oracle.day(event.ts) for event in events.values())
    assert planted.tickets == len(expected.tickets)
    assert planted.orphans == len({event.ticket_id for event in events.values()}) - len(expected.tickets)
    assert planted.invalid_transitions == sum(event.rejection == "not_allowed" for event in expected.status_events)
    assert planted.out_of_order == sum(
        (a.source_channel, a.day) == (b.source_channel, b.day) and b.ts < a.ts for a, b in pairwise(expected.bronze)
    )


@settings(max_examples=25, deadline=None)
@given(configs())
def test_harmless_dirt_leaves_the_distinct_events_as_they_are(config: GeneratorConfig) -> None:
    harmless = replace(config.dirt, lost=0, invalid_transitions=0, orphans=0)
    clean = {row.line for row in read(generate(replace(config, dirt=DirtRates.none())))}
    rows = read(generate(replace(config, dirt=harmless)))
    assert {row.line for row in rows if isinstance(oracle.read_line(row), oracle.Event)} == clean


@settings(max_examples=20, deadline=None)
@given(configs(), st.integers(1, 30))
def test_a_longer_range_has_the_same_events_and_more(config: GeneratorConfig, days: int) -> None:
    clean = replace(config, end=min(config.end, date(2099, 12, 1)), dirt=DirtRates.none())
    longer = replace(clean, end=clean.end + timedelta(days=days))
    assert [row.line for row in read(generate(longer)) if row.day <= clean.end] == [
        row.line for row in read(generate(clean))
    ]


INSTANTS = st.integers((date(2000, 1, 1) - EPOCH).days * DAY, (date(2099, 12, 31) - EPOCH).days * DAY)


@given(st.lists(INSTANTS, min_size=2))
def test_working_time_goes_on_in_office_hours_only(moments: list[int]) -> None:
    local = np.array(sorted(moments), dtype=np.int64)
    work = working_time(local)
    again = local_time(work)
    day, time = np.divmod(again, DAY)
    assert (np.diff(work) >= 0).all()
    assert (again >= local - local % DAY).all()
    assert (local_time(work + 1) > local).all()
    assert ((time >= OPENING) & (time < OPENING + WORKDAY)).all()
    assert ((day - 4) % 7 < 5).all()
    assert (working_time(again) == work).all()
