"""From a configuration to deliveries, day by day.

All events of a ticket are made on the day of its creation and wait, compact, until they arrive.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from pqrs_lakehouse.domain.lifecycle import TRANSITIONS
from pqrs_lakehouse.domain.places import municipality_codes
from pqrs_lakehouse.domain.vocabulary import CHANNELS, EVENT_TYPES, PETITION_KINDS, PQRS_TYPES, PRIORITIES, STATUSES
from pqrs_lakehouse.generator import writing
from pqrs_lakehouse.generator.config import GeneratorConfig
from pqrs_lakehouse.generator.corruption import corrupt
from pqrs_lakehouse.generator.journey import (
    CREATED,
    EPOCH,
    EVENT,
    SECOND,
    STATUS,
    Events,
    Integers,
    chosen,
    day_of,
    events_of,
    joined,
    stamp,
)
from pqrs_lakehouse.layers.raw import RawFile

LATEST: Final = 7
"""Days after its own on which a late event arrives, at most."""
FARTHEST: Final = 60
"""Lines behind which a line out of order stands, at most."""


@dataclass(frozen=True, eq=False)
class Delivery:
    """What a source delivers on a day: ``lines`` are Binary, without line breaks."""

    source: str
    day: date
    lines: pl.Series

    def content(self) -> bytes:
        """The lines as a file: each one ended by a line feed, so that a last empty line counts too."""
        return _content(self.lines)


@dataclass
class Planted:
    """What a generation holds, counted where it was made. All counts are of what is delivered.

    ``sum(rows.values()) == sum(events.values()) + duplicates + sum(malformed.values())``.
    """

    tickets: int = 0
    """With a good creation: the rows of silver's tickets."""
    orphans: int = 0
    """Tickets with good events but no good creation (not only by ``dirt.orphans``: a lost creation does it too)."""
    events: Counter[str] = field(default_factory=Counter)
    """Distinct good events by type: bronze without duplicates."""
    rows: Counter[tuple[str, date]] = field(default_factory=Counter)
    """Lines by source and day."""
    duplicates: int = 0
    """Good lines whose event was delivered already."""
    malformed: Counter[str] = field(default_factory=Counter)
    """Lines for quarantine by reason, the lost events among them."""
    lost: int = 0
    """Events whose only line is malformed."""
    late: int = 0
    """Good events whose first line arrives on a later day than they happen."""
    out_of_order: int = 0
    """Good lines whose event happened before that of the good line before them in their delivery."""
    invalid_transitions: int = 0
    """Good STATUS_CHANGED events of created tickets with a pair that is not allowed."""

    @property
    def total_rows(self) -> int:
        return sum(self.rows.values())


class Generation(Iterator[Delivery]):
    """The deliveries of a configuration, by day and then by source (in the order of CHANNELS), none empty."""

    def __init__(self, config: GeneratorConfig) -> None:
        self._planted = Planted()
        self._deliveries = _deliveries(config, self._planted)
        self._finished = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Delivery:
        try:
            return next(self._deliveries)
        except StopIteration:
            self._finished = True
            raise

    @property
    def planted(self) -> Planted:
        """The counts, once all is delivered; ``RuntimeError`` before."""
        if not self._finished:
            raise RuntimeError("what is planted is known after the last delivery")
        return self._planted


def generate(config: GeneratorConfig) -> Generation:
    """Make the deliveries of ``config``, as they are asked for; what was planted is ``.planted`` when they are over.

    The same configuration gives the same bytes everywhere. Memory is bounded by the tickets of the last 120 days
    (``journey.HORIZON``) and the lines of one day, however long the range.
    """
    return Generation(config)


def raw_files(
    deliveries: Iterable[Delivery], run_id: str, rows_per_part: int = 200_000
) -> Iterator[tuple[RawFile, bytes]]:
    """The raw files of a run (docs/data-rules.md §1) with their contents, one or more per delivery."""
    for delivery in deliveries:
        for part, start in enumerate(range(0, len(delivery.lines), rows_per_part)):
            file = RawFile(delivery.source, delivery.day, run_id, part)
            yield file, _content(delivery.lines.slice(start, rows_per_part))


def _content(lines: pl.Series) -> bytes:
    return b"\n".join([*lines.to_list(), b""])


class _Stream(IntEnum):
    """Independent random streams of a day, so that one kind of dirt does not change another, nor the truth."""

    TRUTH = 0
    ORPHANS = 1
    TRANSITIONS = 2
    LOST = 3
    LATE = 4
    DUPLICATES = 5
    MALFORMED = 6
    ORDER = 7


ALLOWED: Final = np.array([[(before, after) in TRANSITIONS for after in STATUSES] for before in STATUSES])
WRONG_TURNS: Final = np.array([np.resize(np.flatnonzero(~allowed), len(STATUSES)) for allowed in ALLOWED], np.uint8)
"""For each status those to which it may not change, some twice to make up as many for all."""


def _deliveries(config: GeneratorConfig, planted: Planted) -> Iterator[Delivery]:
    due: dict[int, list[Events]] = defaultdict(list)  # by day of arrival
    numbers: Counter[int] = Counter()  # tickets so far by year
    for day in config.days():
        truth = _tickets(config, day)
        for arrival, events in _arrivals(config, day, truth, planted):
            events["ticket"] += numbers[day.year] + 1
            due[arrival].append(events)
        numbers[day.year] += _tickets_in(truth)
        yield from _files(config, day, joined(due.pop((day - EPOCH).days, [np.empty(0, EVENT)])), planted)


def _random(config: GeneratorConfig, day: date, stream: _Stream) -> np.random.Generator:
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence(config.seed, spawn_key=(day.toordinal(), stream)))
    )


def _tickets(config: GeneratorConfig, day: date) -> Events:
    """All events, up to the last day, of the tickets created on ``day``, which are numbered from 0."""
    rng = _random(config, day, _Stream.TRUTH)
    count = int(rng.poisson(config.mean_tickets(day)))
    drawn = {
        "channel": _draw(count, config.channel_weights, CHANNELS, rng),
        "pqrs_type": _draw(count, config.type_weights, PQRS_TYPES, rng),
        "petition_kind": _draw(count, config.petition_kind_weights, PETITION_KINDS, rng),
        "priority": _draw(count, config.priority_weights, PRIORITIES, rng),
        "place": _draw(count, config.place_weights, municipality_codes(), rng),
    }
    events = events_of((day - EPOCH).days, count, rng)
    events["year"] = day.year
    for name, positions in drawn.items():
        events[name] = positions[events["ticket"]]
    events["source"] = events["channel"]
    return _until_the_end(events, config)


def _tickets_in(truth: Events) -> int:
    return int((truth["type"] == CREATED).sum())


def _draw(
    count: int, weights: Mapping[str, float], codes: Sequence[str], rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Positions in ``codes`` by their weights."""
    ends = np.cumsum([weights.get(code, 0.0) for code in codes])
    last = int(np.flatnonzero(np.diff(ends, prepend=0.0))[-1])
    positions: npt.NDArray[np.intp] = np.searchsorted(ends, rng.random(count) * ends[-1], side="right")
    return np.minimum(positions, last)


def _until_the_end(events: Events, config: GeneratorConfig) -> Events:
    return chosen(events, day_of(events["ts"]) <= (config.end - EPOCH).days)


def _arrivals(config: GeneratorConfig, day: date, truth: Events, planted: Planted) -> Iterator[tuple[int, Events]]:
    """The events of one day's tickets by day of arrival, with the dirt that befalls events; counts it."""
    dirt, tickets = config.dirt, _tickets_in(truth)
    orphaned = _random(config, day, _Stream.ORPHANS).random(tickets) < dirt.orphans
    events = chosen(truth, (truth["type"] != CREATED) | ~orphaned[truth["ticket"]])
    events = joined([events, _until_the_end(_invalid_transitions(config, day, events), config)])
    good = _random(config, day, _Stream.LOST).random(len(events)) >= dirt.lost
    events["corrupt"] = ~good

    rng = _random(config, day, _Stream.LATE)
    happened, last = day_of(events["ts"]), (config.end - EPOCH).days
    late = rng.random(len(events)) < dirt.late
    arrival = np.minimum(happened + np.where(late, rng.integers(1, LATEST + 1, len(events)), 0), last)
    copies, copies_arrival = _duplicates(config, day, events, arrival)

    ticket, event_type = events["ticket"], events["type"]
    created, seen = np.zeros((2, tickets), np.bool_)
    created[ticket[good & (event_type == CREATED)]] = True
    seen[ticket[good]] = True
    planted.tickets += int(created.sum())
    planted.orphans += int((seen & ~created).sum())
    of_type = np.bincount(event_type[good], minlength=len(EVENT_TYPES)).tolist()
    planted.events.update(dict(zip(EVENT_TYPES, of_type, strict=True)))
    planted.lost += int((~good).sum())
    planted.late += int((good & (arrival > happened)).sum())
    planted.duplicates += len(copies)
    wrong = (event_type == STATUS) & ~ALLOWED[events["before"], events["after"]]
    planted.invalid_transitions += int((good & wrong & created[ticket]).sum())

    events, arrival = joined([events, copies]), np.concatenate([arrival, copies_arrival])
    order = np.argsort(arrival, kind="stable")
    days, starts = np.unique(arrival[order], return_index=True)
    for arrives, rows in zip(days, np.split(order, starts[1:]), strict=False):
        yield int(arrives), events.take(rows)  # a copy, so that nothing but these rows stays in memory


def _invalid_transitions(config: GeneratorConfig, day: date, events: Events) -> Events:
    """Status changes that seconds after a real one go where the life cycle does not allow."""
    rng = _random(config, day, _Stream.TRANSITIONS)
    wrong = chosen(events, (events["type"] == STATUS) & (rng.random(len(events)) < config.dirt.invalid_transitions))
    salt = wrong["salt"].copy()  # keeps the digits in which the instant is written
    stamp(wrong, rng)
    wrong["salt"] = salt
    wrong["ts"] += rng.integers(1, 60, len(wrong)) * SECOND
    wrong["before"] = wrong["after"]
    wrong["after"] = WRONG_TURNS[wrong["before"], rng.integers(0, len(STATUSES), len(wrong))]
    return wrong


def _duplicates(config: GeneratorConfig, day: date, events: Events, arrival: Integers) -> tuple[Events, Integers]:
    """Redeliveries and their days of arrival: a third each in the same file, on a later day, through another source."""
    rng = _random(config, day, _Stream.DUPLICATES)
    repeated = ~events["corrupt"] & (rng.random(len(events)) < config.dirt.duplicates)
    copies = chosen(events, repeated)
    way = rng.integers(0, 3, len(copies))
    again = arrival[repeated] + np.where(way == 1, rng.integers(1, LATEST + 1, len(copies)), 0)
    elsewhere = (copies["source"] + rng.integers(1, len(CHANNELS), len(copies))) % len(CHANNELS)
    copies["source"] = np.where(way == 2, elsewhere, copies["source"])
    return copies, np.minimum(again, (config.end - EPOCH).days)


def _files(config: GeneratorConfig, day: date, rows: Events, planted: Planted) -> Iterator[Delivery]:
    """The deliveries of one day, with the dirt that befalls files; counts it."""
    rng = _random(config, day, _Stream.MALFORMED)
    extra = chosen(rows, ~rows["corrupt"] & (rng.random(len(rows)) < config.dirt.malformed))
    stamp(extra, rng)
    extra["corrupt"] = True
    rows = joined([rows, extra])
    rows = rows.take(np.lexsort((rows["ts"], rows["source"])))

    rng = _random(config, day, _Stream.ORDER)
    behind = np.where(rng.random(len(rows)) < config.dirt.out_of_order, rng.integers(1, FARTHEST + 1, len(rows)), 0)
    # Twice the position, and one more for those that move: right behind the line that they fall back to.
    rows = rows.take(np.lexsort((2 * (np.arange(len(rows)) + behind) + (behind > 0), rows["source"])))
    source, bad = rows["source"], rows["corrupt"]
    planted.out_of_order += int(((np.diff(rows["ts"][~bad]) < 0) & (np.diff(source[~bad]) == 0)).sum())

    lines = _corrupted(writing.lines(rows), np.flatnonzero(bad), day, planted)
    bounds = np.searchsorted(source, np.arange(len(CHANNELS) + 1))
    for name, start, end in zip(CHANNELS, bounds, bounds[1:], strict=False):
        if start < end:
            planted.rows[name, day] = int(end - start)
            yield Delivery(name, day, lines.slice(int(start), int(end - start)))


def _corrupted(lines: pl.Series, positions: npt.NDArray[np.intp], day: date, planted: Planted) -> pl.Series:
    """The lines with those at these positions corrupted, each by the next reason in turn."""
    replaced = np.arange(len(lines), dtype=np.uint32)
    replaced[positions] = len(lines) + np.arange(len(positions), dtype=np.uint32)
    bad = []
    for line in lines.gather(positions.astype(np.uint32)):
        reason, text = corrupt(line, day, planted.malformed.total())
        planted.malformed[reason] += 1
        bad.append(text)
    return pl.concat([lines, pl.Series(bad, dtype=pl.Binary)]).gather(replaced)
