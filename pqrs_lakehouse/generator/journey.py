"""How tickets live: life cycles drawn from the state machine, with the instants and the talk between them.

Works on one day's tickets at once. Everything that reaches an event is drawn and computed with integers, so that a seed
means the same on every platform.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from statistics import NormalDist
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pqrs_lakehouse.domain.lifecycle import INITIAL
from pqrs_lakehouse.domain.vocabulary import AUTHOR_ROLES, EVENT_TYPES, STATUSES

Events = npt.NDArray[np.void]
Integers = npt.NDArray[np.int64]

EVENT: Final = np.dtype(
    [
        ("ts", np.int64),  # microseconds since 1970 in UTC
        ("id_high", np.uint64),
        ("id_low", np.uint64),
        ("salt", np.uint64),  # random bits: how the instant is written, the texts
        ("ticket", np.int64),  # its number
        ("year", np.uint16),  # of its creation
        ("place", np.uint16),  # position in municipality_codes(); of a creation, like the next four
        ("channel", np.uint8),
        ("pqrs_type", np.uint8),
        ("petition_kind", np.uint8),
        ("priority", np.uint8),
        ("type", np.uint8),  # position in EVENT_TYPES, and so on for all that is named
        ("before", np.uint8),  # of a status change: from_status
        ("after", np.uint8),  # of a status change: to_status
        ("author", np.uint8),  # of a message
        ("source", np.uint8),
        ("corrupt", np.bool_),  # to be written as a line that goes to quarantine
    ]
)
"""An event before it is written as JSON."""

OPAQUE: Final = np.dtype((np.void, EVENT.itemsize))


def joined(parts: Sequence[Events]) -> Events:
    """Events one after another. (NumPy copies whole records forty times faster when it does not know their fields.)"""
    return np.concatenate([part.view(OPAQUE) for part in parts]).view(EVENT)


def chosen(events: Events, mask: npt.NDArray[np.bool_]) -> Events:
    """A copy of the events where ``mask`` is true (by ``take``, for the same reason)."""
    return events.take(np.flatnonzero(mask))


CREATED, MESSAGE, STATUS, ATTACHMENT = range(len(EVENT_TYPES))

EPOCH: Final = date(1970, 1, 1)
FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(2099, 12, 31)
"""Events lie between these days (docs/data-rules.md §2 knows none before 2000)."""

SECOND: Final = 1_000_000
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
BOGOTA: Final = -5 * HOUR

OPENING: Final = 8 * HOUR
WORKDAY: Final = 9 * HOUR + HOUR // 2
MONDAY: Final = 4
"""Days from 1970-01-01 to the first Monday, from which working time is counted."""

HORIZON: Final = 120 * DAY
"""No ticket has events after this age: it bounds how many are in flight."""


class Step(NamedTuple):
    """A transition, how likely it comes next, and after how many working hours (median of a log-normal, its sigma)."""

    before: str
    after: str
    chance: float
    hours: float
    spread: float


STEPS: Final = (
    Step("RECEIVED", "RADICATED", 0.998, 0.7, 0.8),
    Step("RADICATED", "CLASSIFIED", 0.995, 2.0, 0.8),
    Step("CLASSIFIED", "ASSIGNED", 0.995, 3.0, 0.8),
    Step("ASSIGNED", "IN_PROGRESS", 0.99, 6.0, 0.8),
    Step("IN_PROGRESS", "RESPONDED", 0.8, 50.0, 0.85),
    Step("IN_PROGRESS", "ON_HOLD", 0.15, 14.0, 0.7),
    Step("ON_HOLD", "IN_PROGRESS", 0.82, 48.0, 0.8),
    Step("RESPONDED", "CLOSED", 0.93, 12.0, 0.8),
    Step("CLOSED", "ARCHIVED", 0.45, 60.0, 0.5),
    Step("CLOSED", "REOPENED", 0.07, 40.0, 0.7),
    Step("REOPENED", "IN_PROGRESS", 0.98, 5.0, 0.7),
)
"""What a status does not go on to by these chances, it stays in for good."""

HOURLY_FILINGS: Final = (1, 1, 1, 1, 1, 2, 4, 8, 16, 22, 24, 22, 14, 12, 18, 20, 18, 14, 9, 7, 6, 5, 3, 2)
"""Weights of the hours of the day at which citizens file."""

FIRST_MESSAGE: Final = 0.9
ATTACHED_AT_FIRST: Final = (0.3, 0.1)
MESSAGE_BEFORE_STEP: Final = 0.3
ATTACHED_TO_MESSAGE: Final = 0.12
AUTHORS: Final = (0.4, 0.5)
"""Chances of the authors of later messages, in the order of AUTHOR_ROLES; the last has the rest."""

QUANTILES: Final = 1024
MOST_PER_STATUS: Final = 2
"""How many steps may follow a status."""


def _tables() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8], Integers]:
    """By status and option: cumulative chance, status reached, and quantiles of the delay in microseconds.

    The option after the last is to stay: a step that lies beyond the horizon.
    """
    chances = np.zeros((len(STATUSES), MOST_PER_STATUS))
    reached = np.zeros((len(STATUSES), MOST_PER_STATUS + 1), np.uint8)
    delays = np.full((len(STATUSES), MOST_PER_STATUS + 1, QUANTILES), HORIZON)
    normal = [NormalDist().inv_cdf((i + 0.5) / QUANTILES) for i in range(QUANTILES)]
    for status, before in enumerate(STATUSES):
        for option, step in enumerate(step for step in STEPS if step.before == before):
            chances[status, option:] += step.chance
            reached[status, option] = STATUSES.index(step.after)
            # Whole seconds: the last bits of exp, which differ between platforms, are rounded away.
            seconds = [max(2, round(step.hours * 3600 * math.exp(step.spread * z))) for z in normal]
            delays[status, option] = np.array(seconds) * SECOND
    return chances, reached, delays


CHANCES, REACHED, DELAYS = _tables()


def working_time(local: Integers) -> Integers:
    """Working time (microseconds of office hours since a Monday) elapsed at local instants."""
    day, time = np.divmod(local, DAY)
    week, weekday = np.divmod(day - MONDAY, 7)
    worked = np.where(weekday < 5, np.clip(time - OPENING, 0, WORKDAY), 0)
    result: Integers = (week * 5 + np.minimum(weekday, 5)) * WORKDAY + worked
    return result


def local_time(work: Integers) -> Integers:
    """The local instant at which so much working time has elapsed: Monday to Friday, in office hours."""
    workday, time = np.divmod(work, WORKDAY)
    week, weekday = np.divmod(workday, 5)
    result: Integers = (MONDAY + week * 7 + weekday) * DAY + OPENING + time
    return result


def day_of(ts: Integers) -> Integers:
    """The day in Bogotá (days since 1970-01-01) of instants in UTC."""
    result: Integers = (ts + BOGOTA) // DAY
    return result


def stamp(events: Events, rng: np.random.Generator) -> None:
    """Give events their identity and their random bits."""
    for name in ("id_high", "id_low", "salt"):
        events[name] = rng.integers(0, 2**64, len(events), dtype=np.uint64)


def events_of(epoch_day: int, count: int, rng: np.random.Generator) -> Events:
    """All events in the lives of ``count`` tickets created on a day; ``ticket`` numbers them from 0.

    Only what depends on the path is filled in: instants, types, statuses, authors and identity.
    """
    parts = [*_filings(epoch_day, count, rng)]
    created = parts[0].local
    parts += _lives(created, rng)
    events = np.zeros(sum(len(part.ticket) for part in parts), EVENT)
    position = 0
    for part in parts:
        rows = events[position : position + len(part.ticket)]
        rows["ticket"], rows["ts"], rows["type"] = part.ticket, part.local - BOGOTA, part.type
        rows["before"], rows["after"], rows["author"] = part.before, part.after, part.author
        position += len(rows)
    stamp(events, rng)
    unit = UNITS[fraction_digits(events)]
    events["ts"] -= events["ts"] % unit
    return events


UNITS: Final = np.array([10 ** (6 - digits) for digits in range(7)])


def fraction_digits(events: Events) -> npt.NDArray[np.uint64]:
    """With how many digits after the second each instant is known and written: 0 to 6."""
    digits: npt.NDArray[np.uint64] = events["salt"] % np.uint64(len(UNITS))
    return digits


class _Part(NamedTuple):
    """Events of one type for some tickets; local instants in microseconds."""

    ticket: Integers
    local: Integers
    type: int
    before: Any = 0
    after: Any = 0
    author: Any = 0


def _filings(epoch_day: int, count: int, rng: np.random.Generator) -> Iterator[_Part]:
    """What the citizen sends at once: the ticket, and mostly a first message and attachments seconds later."""
    tickets = np.arange(count)
    ends = np.cumsum(HOURLY_FILINGS)
    hour = np.searchsorted(ends, rng.integers(0, ends[-1], count), side="right")
    local = np.sort(epoch_day * DAY + hour * HOUR + rng.integers(0, HOUR, count))  # numbered as they come in
    yield _Part(tickets, local, CREATED)
    wrote = tickets[rng.random(count) < FIRST_MESSAGE]
    yield _Part(wrote, local[wrote] + _moments(len(wrote), rng), MESSAGE, author=AUTHOR_ROLES.index("citizen"))
    for chance in ATTACHED_AT_FIRST:
        attached = tickets[rng.random(count) < chance]
        yield _Part(attached, local[attached] + _moments(len(attached), rng), ATTACHMENT)


def _lives(created: Integers, rng: np.random.Generator) -> Iterator[_Part]:
    """The steps of all tickets, one round for each, until none moves on."""
    ticket = np.arange(len(created))
    status = np.full(len(created), STATUSES.index(INITIAL), np.uint8)
    clock = working_time(created)
    while ticket.size:
        option = (rng.random(len(ticket))[:, None] >= CHANCES[status]).sum(axis=1)
        quantile, within = np.divmod(rng.integers(0, QUANTILES << 20, len(ticket)), 1 << 20)
        later = clock + DELAYS[status, option, quantile] + (within * 60 * SECOND >> 20)
        local = local_time(later)
        goes_on = local - created[ticket] < HORIZON
        after = REACHED[status, option][goes_on]
        ticket, status, clock = ticket[goes_on], status[goes_on], clock[goes_on]
        later, local = later[goes_on], local[goes_on]
        yield _Part(ticket, local, STATUS, before=status, after=after)

        talks = rng.random(len(ticket)) < MESSAGE_BEFORE_STEP
        share = rng.integers(0, 1 << 16, int(talks.sum()))
        # At least a second after the step before, as instants may be written without fraction.
        spoken = clock[talks] + SECOND + ((later[talks] - clock[talks] - SECOND) * share >> 16)
        author = np.searchsorted(np.cumsum(AUTHORS), rng.random(len(share)), side="right")
        message = _Part(ticket[talks], local_time(spoken), MESSAGE, author=author)
        yield message
        attached = rng.random(len(message.ticket)) < ATTACHED_TO_MESSAGE
        moments = _moments(int(attached.sum()), rng)
        yield _Part(message.ticket[attached], message.local[attached] + moments, ATTACHMENT)
        status, clock = after, later


def _moments(count: int, rng: np.random.Generator) -> Integers:
    """From one to 20 seconds."""
    return rng.integers(SECOND, 20 * SECOND, count)


@cache
def events_by_age(weekday: int) -> tuple[float, ...]:
    """The mean number of events, up to each age in days, of tickets created on a weekday (Monday: 0); from a sample."""
    sample, epoch_day = 1_000, MONDAY + weekday
    events = events_of(epoch_day, sample, np.random.Generator(np.random.PCG64(weekday)))
    ages = np.bincount(day_of(events["ts"]) - epoch_day, minlength=HORIZON // DAY + 2)
    return tuple((np.cumsum(ages) / sample).tolist())
