"""Raw lines through the layers, as the pipeline takes them: run by run into bronze, bucket by bucket into gold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any, NamedTuple

import polars as pl
from oracle_histories import World

from conformance import oracle
from conformance.observe.pqrs_tables import KEYS, natural
from conformance.observe.reconcile import Comparison, compare
from pqrs_lakehouse.layers import bronze, gold, silver

STARTED = datetime(2026, 3, 2, 12, tzinfo=UTC)
Tables = dict[str, pl.DataFrame]


class Layers(NamedTuple):
    """The modules that do the work: the real ones, or mutants of them."""

    bronze: ModuleType
    silver: ModuleType
    gold: ModuleType


REAL = Layers(bronze, silver, gold)


def to_bronze(lines: Sequence[oracle.RawLine], layers: Layers = REAL, buckets: int = 3) -> Tables:
    splits = []
    for run_id in sorted({line.run_id for line in lines}) or ["none"]:
        of_run = [line for line in lines if line.run_id == run_id]
        frame = pl.DataFrame(
            {
                "source_file": [line.source_file for line in of_run],
                "line_no": [line.line_no for line in of_run],
                "source_channel": [line.source_channel for line in of_run],
                "day": [line.day for line in of_run],
                "line": [line.line for line in of_run],
            },
            schema=bronze.LINES,
        )
        splits.append(layers.bronze.split(frame, run_id=run_id, ingested_at=STARTED, buckets=buckets))
    return {
        "bronze": pl.concat([split.bronze for split in splits]),
        "quarantine": pl.concat([split.quarantine for split in splits]),
    }


def to_gold(events: pl.DataFrame, as_of: date, parts: Iterable[Sequence[int]], layers: Layers = REAL) -> Tables:
    """Silver and gold of bronze ``events``; each of ``parts`` is a set of buckets that are built together."""
    built = [layers.silver.build(events.lazy().filter(pl.col("bucket").is_in(list(part)))) for part in parts]
    of_parts = [layers.gold.of_bucket(part.tickets, part.status_events, as_of) for part in built]
    counts = [pl.concat([part[n] for part in of_parts]) for n in (2, 3, 4)]
    whole = layers.gold.combine(*counts, layers.gold.span(counts[0], counts[2]), as_of)
    return {
        "tickets": pl.concat([part.tickets for part in built]).collect(),
        "messages": pl.concat([part.messages for part in built]).collect(),
        "status_events": pl.concat([part.status_events for part in built]).collect(),
        "fact_ticket": pl.concat([part.fact_ticket for part in of_parts]),
        "fact_term": pl.concat([part.fact_term for part in of_parts]),
        **whole._asdict(),
        **layers.gold.dimensions(),
    }


def through(world: World, layers: Layers = REAL) -> Tables:
    """Every table."""
    tables = to_bronze(world.lines, layers)
    return tables | to_gold(tables["bronze"], world.as_of, [range(3)], layers)


def against_oracle(expected: oracle.Expected, tables: Tables) -> Iterator[Comparison]:
    """The tables that are not what the oracle says."""
    dimensions = {name: frame.to_dicts() for name, frame in tables.items() if name.startswith("dim_")}
    said: dict[str, list[Any]] = vars(expected)
    for name, rows in said.items():
        found = natural({**dimensions, name: tables[name].to_dicts()}, [name])[name]
        comparison = compare(name, KEYS[name], map(vars, rows), found)
        if not comparison.agrees:
            yield comparison


def contents(tables: Tables, *names: str) -> dict[str, list[str]]:
    """What tables say, in no order: for comparing two ways through the layers."""
    return {name: sorted(map(repr, tables[name].rows())) for name in names or tables}
