"""The property tests are as good as what they catch: small mistakes planted in the layers, each of which they must see.

Every mutant is the layers' own source with one edit, compiled in memory; it must differ from the oracle on a world that
the strategy of the property tests draws.
"""

from __future__ import annotations

import importlib.util
import sys
from datetime import date
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from oracle_histories import DAYS, World, worlds
from oracle_layers import Layers, against_oracle, through

from conformance import oracle


class Mutant(NamedTuple):
    """One edit of a module of ``pqrs_lakehouse``."""

    module: str
    before: str
    after: str


MUTANTS = (
    # Bronze and quarantine
    Mutant("layers.bronze", "(day > arrival)", "(day > arrival.dt.offset_by('1d'))"),
    Mutant("layers.bronze", "(day > arrival)", "(day >= arrival)"),
    Mutant("layers.bronze", "date(2000, 1, 1)", "date(2000, 1, 2)"),
    Mutant("layers.bronze", '== "-").then(-1).otherwise(1)', '== "+").then(-1).otherwise(1)'),
    Mutant("layers.bronze", '.str.pad_end(6, "0")', '.str.zfill(6)'),
    Mutant("layers.bronze", "]{1,64}", "]{1,63}"),
    Mutant("layers.bronze", "]{1,64}", "]{0,64}"),
    Mutant("layers.bronze", "\\x1f\\x7f]{1,64}", "\\x1f]{1,64}"),
    Mutant("layers.bronze", "    if None in members:\n", "    if False:\n"),
    Mutant("layers.bronze", 'pl.min_horizontal("reason", _reason', 'pl.coalesce("reason", _reason'),
    Mutant("layers.bronze", "range(2**53 + 1)", "range(2**53)"),
    Mutant("layers.bronze", '_Member("filename", bool)', '_Member("filename", lambda _: True)'),
    Mutant("layers.bronze", " and _DIGITS(data[_PLACE.name])", ""),
    Mutant("layers.bronze", ' and data.get("pqrs_type") == "P"', ""),
    Mutant("layers.bronze", 'errors="backslashreplace"', 'errors="replace"'),
    Mutant("layers.bronze", 'text.strip(" \\t\\r")', "text.strip()"),
    Mutant("layers.bronze", "if any(type(value) is not member.kind", "if any(not isinstance(value, member.kind)"),
    Mutant("layers.strict_json", "        string.encode()", "        str(string)"),
    # Silver
    Mutant("layers.silver", "if not is_repeated.any():", "if True:"),
    Mutant("layers.silver", '.sort("ts", "raw", "source_file"', '.sort("raw", "ts", "source_file"'),
    Mutant("layers.silver", '.sort("ts", "raw", "source_file", "line_no")', '.sort("source_file", "line_no")'),
    Mutant("layers.silver", '.unique(["ticket_id", "event_id"]', '.unique(["event_id"]'),
    Mutant("layers.silver", '"event_id"], keep="first"', '"event_id"], keep="last"'),
    Mutant("layers.silver", '.sort("ticket", "ts", "event_id")', '.sort("ticket", "event_id", "ts")'),
    Mutant("layers.silver", '"ts", "event_id")\n', '"ts", maintain_order=True)\n'),
    Mutant("layers.silver", '"ticket", keep="first"', '"ticket", keep="last"'),
    Mutant("layers.silver", 'pl.col("ts") < pl.col("created_at")', 'pl.col("ts") <= pl.col("created_at")'),
    Mutant("layers.silver", ".when(~is_allowed)", ".when(pl.lit(False))"),
    Mutant("layers.silver", 'pl.when(valid).then("to_status").forward_fill()', 'pl.col("to_status")'),
    Mutant("layers.silver", '.then("closed_at"),', '.then("closed_at").otherwise("closed_at"),'),
    Mutant("layers.silver", 'pl.col("closed_at").max()', 'pl.col("closed_at").min()'),
    Mutant("layers.silver", 'pl.col("responded_at").min()', 'pl.col("responded_at").max()'),
    Mutant("layers.silver", 'ts.max().alias("last_event_at")', 'ts.min().alias("last_event_at")'),
    Mutant("domain.lifecycle", '    ("CLOSED", "REOPENED"),\n', ""),
    Mutant("domain.lifecycle", '("RECEIVED", "RADICATED")', '("RECEIVED", "RADICATED"), ("RECEIVED", "CLASSIFIED")'),
    Mutant("domain.lifecycle", '{"CLOSED", "ARCHIVED"}', '{"CLOSED"}'),
    Mutant("domain.instants", '"-5h"', '"-4h"'),
    Mutant("domain.instants", '"-5h"', '"0h"'),
    # Terms
    Mutant("domain.business_days", "np.is_busday(days) & ~is_holiday", "np.is_busday(days)"),
    Mutant("domain.business_days", "np.is_busday(days) & ~is_holiday", "~is_holiday"),
    Mutant("domain.business_days", '("CO", years=years)', '("CO", years=years, observed=False)'),
    Mutant("domain.sla", "date(2020, 3, 28)", "date(2020, 3, 29)"),
    Mutant("domain.sla", "date(2022, 5, 17)", "date(2022, 5, 18)"),
    Mutant("domain.sla", '"information": (10,', '"information": (15,'),
    Mutant("domain.sla", '"consultation": (30,', '"consultation": (35,'),
    Mutant("domain.sla", '"consultation": (35,', '"consultation": (30,'),
    Mutant("layers.gold", "opened_day.map_batches(roll, pl.Date())", "opened_day"),
    Mutant("layers.gold", 'pl.col("seq").min().alias("response_seq")', 'pl.col("seq").max().alias("response_seq")'),
    Mutant("layers.gold", 'pl.col("ts").min().alias("responded_at")', 'pl.col("ts").max().alias("responded_at")'),
    Mutant("layers.gold", '.shift(-1).over("ticket")', '.shift(-1).over("ticket", "term_no")'),
    Mutant("layers.gold", '| (pl.col("seq") < pl.col("response_seq"))', "| pl.lit(True)"),
    Mutant("layers.gold", '- paused_before < pl.col("term_days")', '- paused_before <= pl.col("term_days")'),
    Mutant("layers.gold", '- paused_before < pl.col("term_days")', '< pl.col("term_days")'),
    Mutant("layers.gold", '- paused_before < pl.col("term_days")', "< 10_000"),
    Mutant("layers.gold", '_through(pl.max_horizontal("day", "start_day"))', '_through(pl.col("day"))'),
    Mutant("layers.gold", '.fill_null(as_of), "day", "start_day")', '.fill_null(as_of), "day")'),
    Mutant("layers.gold", '.fill_null(as_of), "day", "start_day")', '.fill_null(as_of), "start_day")'),
    Mutant("layers.gold", '.fill_null(as_of), "day",', '.fill_null(pl.col("day")), "day",'),
    Mutant("layers.gold", 'pl.col("next_day").is_null().any()', 'pl.col("next_day").is_null().all()'),
    Mutant("layers.gold", '+ pl.col("term_days") + paused)', '+ pl.col("term_days"))'),
    Mutant("layers.gold", "- start - paused)", "- start)"),
    Mutant("layers.gold", 'pl.max_horizontal(responded_day, "start_day")', "responded_day"),
    Mutant("layers.gold", "pl.when(responded_day <= due_day)", "pl.when(responded_day < due_day)"),
    Mutant("layers.gold", ".when(due_day >= as_of)", ".when(due_day > as_of)"),
    # The star and the KPIs
    Mutant("layers.gold", 'terms.unique("ticket", keep="last"', 'terms.unique("ticket", keep="first"'),
    Mutant("layers.gold", 'pl.col("to_status") == "CLOSED"', 'pl.col("to_status") == "ARCHIVED"'),
    Mutant("layers.gold", '.unique(["ticket", "day"], keep="last"', '.unique(["ticket", "day"], keep="first"'),
    Mutant("layers.gold", '.cum_sum().over("pqrs_type_key").alias("open_at_end")', '.cum_sum().alias("open_at_end")'),
    Mutant("layers.gold", "_dim_date(min(first, as_of), max(last, as_of))", "_dim_date(first, last)"),
    Mutant("layers.gold", "pl.date_range(first, as_of,", "pl.date_range(first, volume['day'].max(),"),
)  # fmt: skip


@cache
def drawn() -> tuple[tuple[World, oracle.Expected], ...]:
    """Worlds of the property tests' own strategy, always the same, with what the oracle says of them."""
    found = [world for number, day in enumerate(DAYS) for world in around(day, number)]
    return tuple((world, oracle.expect(world.lines, world.as_of)) for world in found)


def around(day: date, number: int) -> list[World]:
    """The two richest of some worlds around ``day``."""
    found: list[World] = []

    @seed(number)
    @settings(
        max_examples=4, phases=[Phase.generate], database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(worlds([day], least=4, most=24))
    def draw(world: World) -> None:
        found.append(world)

    draw()
    return sorted(found, key=lambda world: -len(world.lines))[:2]


def loaded(name: str, mutant: Mutant | None = None) -> ModuleType:
    """A new copy of a module, edited."""
    spec = importlib.util.find_spec(f"pqrs_lakehouse.{name}")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text(encoding="utf-8")
    if mutant is not None:
        assert source.count(mutant.before) >= 1, f"{name} no longer says {mutant.before!r}: renew this mutant"
        source = source.replace(mutant.before, mutant.after)
    module = importlib.util.module_from_spec(spec)
    exec(compile(source, spec.origin, "exec"), module.__dict__)
    return module


def mutated(mutant: Mutant) -> Layers:
    """The layers, with the mutant among them or below them."""
    with pytest.MonkeyPatch.context() as patch:
        name = f"pqrs_lakehouse.{mutant.module}"
        parent, _, child = name.rpartition(".")
        module = loaded(mutant.module, mutant)
        patch.setitem(sys.modules, name, module)
        patch.setattr(sys.modules[parent], child, module)
        return Layers(
            *(module if mutant.module == of else loaded(of) for of in ("layers.bronze", "layers.silver", "layers.gold"))
        )


def is_seen(layers: Layers) -> bool:
    for world, expected in drawn():
        try:
            if any(against_oracle(expected, through(world, layers))):
                return True
        except Exception:  # a mutant that stumbles is seen as well
            return True
    return False


def test_the_layers_themselves_are_not_taken_for_mutants() -> None:
    assert not is_seen(Layers(*map(loaded, ("layers.bronze", "layers.silver", "layers.gold"))))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.module}: {mutant.after.strip()}"[:90])
def test_a_mutant_is_seen(mutant: Mutant) -> None:
    assert is_seen(mutated(mutant)), f"{mutant.before!r} became {mutant.after!r} and nothing noticed"
