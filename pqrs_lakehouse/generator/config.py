"""What to generate: a seed, a range of days, how many tickets of what kind, and how much dirt."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Self

from pqrs_lakehouse.domain import vocabulary
from pqrs_lakehouse.domain.places import municipality_codes, places
from pqrs_lakehouse.generator.journey import FIRST_DAY, LAST_DAY, events_by_age

BUSIEST_DAY: Final = 250_000
"""Most tickets expected of one day: a day is held in memory, and ticket ids have 8 digits for a year."""

CAPITAL_WEIGHT: Final = 25.0
"""How many times more tickets a department's capital files than another municipality."""


@dataclass(frozen=True)
class DirtRates:
    """How much goes wrong, as shares between 0 and 1 (all but ``malformed`` of what they name).

    All but ``lost``, ``invalid_transitions`` and ``orphans`` are harmless: they change how events arrive, and the
    distinct good events stay, byte for byte, those of the same configuration without them.
    """

    duplicates: float = 0.02
    """Events delivered a second time, byte for byte: in the same file, on a later day, or through another source."""
    malformed: float = 0.01
    """Extra lines per good line that no rule accepts; each takes the next reason of quarantine in turn."""
    lost: float = 0.0
    """Events whose only line is corrupted in the same ways, so that they never reach bronze."""
    late: float = 0.03
    """Events that arrive up to a week after the day on which they happen (never after the last day)."""
    out_of_order: float = 0.05
    """Lines of a file that stand behind later ones."""
    invalid_transitions: float = 0.005
    """Extra STATUS_CHANGED events per real one, with a pair of statuses that the life cycle does not allow."""
    orphans: float = 0.002
    """Tickets whose creation is never delivered."""

    def __post_init__(self) -> None:
        for rate in fields(self):
            value = getattr(self, rate.name)
            if not 0 <= value <= 1:
                raise ValueError(f"dirt.{rate.name} must be a rate between 0 and 1, not {value}")

    @classmethod
    def none(cls) -> Self:
        """Spotless: every event arrives once, whole, on its day and in order."""
        return cls(**{rate.name: 0.0 for rate in fields(cls)})


def _capitals_first() -> dict[str, float]:
    rows = places().select("municipality_code", "is_capital").iter_rows()
    return {code: CAPITAL_WEIGHT if is_capital else 1.0 for code, is_capital in rows}


@dataclass(frozen=True)
class GeneratorConfig:
    """A reproducible set of PQRS events. Weights need not add up to anything: only their proportions count.

    Raises ``ValueError``, naming the field, for values that make no sense.
    """

    seed: int
    start: date
    """First and last day (in Bogotá) on which events happen and arrive."""
    end: date
    tickets_per_day: float
    """Mean of the Poisson distribution of tickets filed on a day of an average week, before spikes."""
    spikes: Mapping[date, float] = field(default_factory=dict)
    """Days on which the mean is multiplied by a factor."""
    weekday_weights: tuple[float, ...] = (1.25, 1.15, 1.1, 1.05, 1.0, 0.4, 0.25)
    """Monday to Sunday."""
    channel_weights: Mapping[str, float] = field(
        default_factory=lambda: {"email": 0.28, "webform": 0.34, "chat": 0.16, "call": 0.17, "other_digital": 0.05}
    )
    type_weights: Mapping[str, float] = field(default_factory=lambda: {"P": 0.52, "Q": 0.2, "R": 0.21, "S": 0.07})
    priority_weights: Mapping[str, float] = field(default_factory=lambda: {"alta": 0.15, "media": 0.6, "baja": 0.25})
    petition_kind_weights: Mapping[str, float] = field(
        default_factory=lambda: {"general": 0.55, "information": 0.33, "consultation": 0.12}
    )
    place_weights: Mapping[str, float] = field(default_factory=_capitals_first)
    """By municipality code (DIVIPOLA)."""
    dirt: DirtRates = field(default_factory=DirtRates)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must not be negative: {self.seed}")
        for name, day in (("start", self.start), ("end", self.end)):
            if isinstance(day, datetime):
                raise ValueError(f"{name} must be a day without a time, not {day}")
            if not FIRST_DAY <= day <= LAST_DAY:
                raise ValueError(f"{name} must lie between {FIRST_DAY} and {LAST_DAY}, not {day}")
        if self.end < self.start:
            raise ValueError(f"end ({self.end}) is before start ({self.start})")
        _check_not_negative("tickets_per_day", self.tickets_per_day)
        for day, factor in self.spikes.items():
            if not self.start <= day <= self.end:
                raise ValueError(f"spikes: {day} is outside {self.start} to {self.end}")
            _check_not_negative(f"spikes: the factor of {day}", factor)
        if len(self.weekday_weights) != 7:
            raise ValueError(f"weekday_weights must be seven, Monday to Sunday, not {len(self.weekday_weights)}")
        _check_weights("weekday_weights", dict(enumerate(self.weekday_weights)), range(7))
        _check_weights("channel_weights", self.channel_weights, vocabulary.CHANNELS)
        _check_weights("type_weights", self.type_weights, vocabulary.PQRS_TYPES)
        _check_weights("priority_weights", self.priority_weights, vocabulary.PRIORITIES)
        _check_weights("petition_kind_weights", self.petition_kind_weights, vocabulary.PETITION_KINDS)
        _check_weights("place_weights", self.place_weights, set(municipality_codes()))
        busiest = max(self.days(), key=self.mean_tickets)
        if (mean := self.mean_tickets(busiest)) > BUSIEST_DAY:
            raise ValueError(
                f"tickets_per_day makes {mean:,.0f} tickets expected on {busiest}, at most {BUSIEST_DAY:,}"
            )

    @classmethod
    def for_events(cls, n: int, *, seed: int, start: date, end: date, **others: Any) -> Self:
        """A configuration whose ``tickets_per_day`` makes about ``n`` events, before dirt, happen in the range.

        ``others`` are further fields. With few tickets the outcome strays further: they are drawn at random.
        """
        if n < 0:
            raise ValueError(f"n must not be negative: {n}")
        one = cls(seed=seed, start=start, end=end, tickets_per_day=1, **others)
        of_one = 0.0
        for day in one.days():
            until_age = events_by_age(day.weekday())
            of_one += one.mean_tickets(day) * until_age[min((end - day).days, len(until_age) - 1)]
        if n and not of_one:
            raise ValueError(f"n: no day from {start} to {end} has tickets by weekday_weights and spikes")
        return replace(one, tickets_per_day=n / of_one if n else 0)

    def days(self) -> Iterator[date]:
        """Every day of the range, in order."""
        for n in range((self.end - self.start).days + 1):
            yield self.start + timedelta(days=n)

    def mean_tickets(self, day: date) -> float:
        """Tickets expected to be filed on ``day``."""
        weekday = self.weekday_weights[day.weekday()] * 7 / sum(self.weekday_weights)
        return self.tickets_per_day * weekday * self.spikes.get(day, 1.0)


def _check_not_negative(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be a finite number that is not negative, not {value}")


def _check_weights(name: str, weights: Mapping[Any, float], known: Collection[Any]) -> None:
    for key, weight in weights.items():
        if key not in known:
            raise ValueError(f"{name}: {key!r} is unknown")
        _check_not_negative(f"{name}: the weight of {key!r}", weight)
    if not sum(weights.values()) > 0:
        raise ValueError(f"{name} must add up to more than zero")
