"""The life cycle of a PQRS ticket as a state machine (docs/data-rules.md §3)."""

from __future__ import annotations

from typing import Final

INITIAL: Final = "RECEIVED"
CLOSED_STATES: Final = frozenset({"CLOSED", "ARCHIVED"})

TRANSITIONS: Final[tuple[tuple[str, str], ...]] = (
    ("RECEIVED", "RADICATED"),
    ("RADICATED", "CLASSIFIED"),
    ("CLASSIFIED", "ASSIGNED"),
    ("ASSIGNED", "IN_PROGRESS"),
    ("IN_PROGRESS", "ON_HOLD"),
    ("ON_HOLD", "IN_PROGRESS"),
    ("IN_PROGRESS", "RESPONDED"),
    ("RESPONDED", "CLOSED"),
    ("CLOSED", "ARCHIVED"),
    ("CLOSED", "REOPENED"),
    ("REOPENED", "IN_PROGRESS"),
)
"""Every allowed ``(from_status, to_status)``."""
