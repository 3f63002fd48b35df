"""Intervals and time ranges as Grafana reads and writes them (grafana-plugin-sdk-go/backend/gtime)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000,
                 "M": 2_592_000_000, "y": 31_536_000_000}  # fmt: skip
_INTERVAL = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwMy])")
_RELATIVE = re.compile(r"now((?:[+-]\d+[smhdwMy])*)(?:/([smhdwMy]))?")
_STEP = re.compile(r"([+-]\d+)([smhdwMy])")
_ROUND = (  # gtime.roundInterval: below the first bound the second value, in milliseconds
    (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1500, 1000), (3500, 2000), (7500, 5000),
    (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000), (210_000, 120_000),
    (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000), (2_700_000, 1_800_000),
    (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000), (32_400_000, 21_600_000),
    (86_400_000, 43_200_000), (604_800_000, 86_400_000), (1_814_400_000, 604_800_000), (3_628_800_000, 2_592_000_000),
)  # fmt: skip


@dataclass(frozen=True)
class TimeRange:
    start: datetime
    end: datetime

    @property
    def milliseconds(self) -> int:
        return round((self.end - self.start).total_seconds() * 1000)

    @classmethod
    def parse(cls, start: str, end: str, now: datetime | None = None) -> TimeRange:
        """``now-6h``, ``now/d``, milliseconds since 1970, or ISO 8601.

        Raises:
            ValueError: none of these.
        """
        now = now or datetime.now(UTC)
        return cls(_moment(start, now, up=False), _moment(end, now, up=True))


def interval_ms(text: str) -> int:
    """``30s`` → 30,000.

    Raises:
        ValueError
    """
    match = _INTERVAL.fullmatch(text.strip())
    if not match:
        raise ValueError(f"invalid interval {text!r}")
    return round(float(match[1]) * _UNITS[match[2]])


def format_interval(milliseconds: int) -> str:
    """90,000 → ``1m``: the largest whole unit, as gtime.FormatInterval."""
    for unit in ("y", "d", "h", "m", "s"):
        if milliseconds >= _UNITS[unit]:
            return f"{milliseconds // _UNITS[unit]}{unit}"
    return f"{max(milliseconds, 1)}ms"


def rounded_interval_ms(milliseconds: float) -> int:
    """A human step near ``milliseconds``."""
    return next((value for bound, value in _ROUND if milliseconds < bound), _UNITS["y"])


def _moment(text: str, now: datetime, *, up: bool) -> datetime:
    if text.isdecimal():
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    match = _RELATIVE.fullmatch(text)
    if not match:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    for amount, unit in _STEP.findall(match[1]):
        now += timedelta(milliseconds=int(amount) * _UNITS[unit])
    return _to_unit(now, match[2], up=up) if match[2] else now


def _to_unit(moment: datetime, unit: str, *, up: bool) -> datetime:
    """The start of the second, minute, … that ``moment`` is in, or its last millisecond."""
    start = moment.replace(microsecond=0)
    for name, below in (
        ("m", {"second": 0}),
        ("h", {"minute": 0}),
        ("d", {"hour": 0}),
        ("M", {"day": 1}),
        ("y", {"month": 1}),
    ):
        if "smhdwMy".index(unit) >= "smhdwMy".index(name) and not (unit == "w" and name in "My"):
            start = start.replace(**below)  # type: ignore[arg-type]
    if unit == "w":
        start -= timedelta(days=start.weekday())
    if not up:
        return start
    following = start + timedelta(milliseconds=_UNITS[unit])
    if unit in "My":
        following = (start + timedelta(days=32 if unit == "M" else 366)).replace(day=1)
    return following - timedelta(milliseconds=1)
