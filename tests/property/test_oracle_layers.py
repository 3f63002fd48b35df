"""The layers against the oracle, on histories that hypothesis makes up."""

from __future__ import annotations

import dataclasses
import random
from datetime import date, timedelta

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_histories import World, worlds
from oracle_layers import against_oracle, contents, through, to_bronze, to_gold
from pqrs_fixtures import golden_lines, law_cases

from conformance import oracle

searched = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
in_brief = settings(searched, max_examples=searched.max_examples // 8)

BEYOND_BRONZE = (
    "tickets", "messages", "status_events", "fact_ticket", "fact_term", "dim_date", "kpi_volume_daily",
    "kpi_backlog_daily", "kpi_sla_daily",
)  # fmt: skip


@searched
@given(worlds())
def test_every_table_is_what_the_oracle_says(world: World) -> None:
    assert list(against_oracle(oracle.expect(world.lines, world.as_of), through(world))) == []


def test_every_table_is_right_where_people_have_counted() -> None:
    """The lake and the law's cases of fixtures/pqrs, which the oracle's unit tests hold against what people counted."""
    counted = [(golden_lines(), oracle.last_arrival(golden_lines()))]
    counted += [(case["lines"], date.fromisoformat(case["as_of"])) for case in law_cases()]
    for lines, as_of in counted:
        assert list(against_oracle(oracle.expect(lines, as_of), through(World(tuple(lines), as_of)))) == []


@in_brief
@given(worlds())
def test_every_line_is_in_bronze_or_in_quarantine_once_and_as_it_was(world: World) -> None:
    tables = to_bronze(world.lines)
    kept = pl.concat([tables[name].select("source_file", "line_no", "raw") for name in ("bronze", "quarantine")])
    wanted = [(line.source_file, line.line_no, line.line.decode(errors="backslashreplace")) for line in world.lines]
    assert sorted(kept.rows()) == sorted(wanted)


@in_brief
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_in_which_lines_are_read_means_nothing(world: World, chance: random.Random) -> None:
    order = list(range(len(world.lines)))
    chance.shuffle(order)
    assert contents(through(world.shuffled(order))) == contents(through(world))


@in_brief
@given(worlds())
def test_delivering_everything_again_changes_nothing_beyond_bronze(world: World) -> None:
    again = [
        dataclasses.replace(line, run_id="z", source_file=line.source_file + "-again", day=line.day + timedelta(days=2))
        for line in world.lines
        if isinstance(oracle.read_line(line), oracle.Event)  # what came before it happened would be timely now
    ]
    twice = dataclasses.replace(world, lines=(*world.lines, *again))
    assert contents(through(twice), *BEYOND_BRONZE) == contents(through(world), *BEYOND_BRONZE)


@in_brief
@given(worlds())
def test_buckets_may_be_built_together_or_apart(world: World) -> None:
    events = to_bronze(world.lines, buckets=7)["bronze"]
    apart = to_gold(events, world.as_of, [[6, 0], [5], [4, 1, 2], [3]])
    together = to_gold(events, world.as_of, [range(7)])
    assert contents(apart) == contents(together)


@in_brief
@given(worlds())
def test_the_same_again_is_the_same_to_the_order_of_rows(world: World) -> None:
    first, second = through(world), through(world)
    assert all(first[name].equals(second[name]) for name in first)
