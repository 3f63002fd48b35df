"""Events by hand, for the tests of silver and gold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import polars as pl

from pqrs_lakehouse.layers import bronze

BOGOTA = timezone(timedelta(hours=-5))


def at(when: str) -> datetime:
    """An instant by the clock of Bogotá, ``2026-07-09`` (at noon) or ``2026-07-09 23:59``."""
    instant = datetime.fromisoformat(when if " " in when else f"{when} 12:00")
    return instant.replace(tzinfo=BOGOTA).astimezone(UTC)


@dataclass
class Bronze:
    """Rows of bronze, as they come to mind; event ids count from e01 and may be given."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def _add(self, ticket_id: str, event_type: str, when: str, event_id: str, **columns: Any) -> Bronze:
        number = len(self.rows) + 1
        row = {
            "event_id": event_id or f"e{number:02}",
            "ticket_id": ticket_id,
            "event_type": event_type,
            "ts": at(when),
            "raw": f"line {number:02}",
            "bucket": 3,
            "source_file": "f",
            "line_no": number,
        }
        self.rows.append(row | columns)
        return self

    def created(
        self,
        when: str,
        pqrs_type: str = "P",
        kind: str | None = "general",
        *,
        ticket: str = "t",
        event_id: str = "",
        **columns: Any,
    ) -> Bronze:
        place = {"channel": "email", "priority": "alta", "municipality_code": "05001"}
        kinds = {"pqrs_type": pqrs_type, "petition_kind": kind if pqrs_type == "P" else None}
        return self._add(ticket, "TICKET_CREATED", when, event_id, **place, **kinds, **columns)

    def change(
        self, when: str, from_status: str, to_status: str, *, ticket: str = "t", event_id: str = "", **columns: Any
    ) -> Bronze:
        pair = {"from_status": from_status, "to_status": to_status}
        return self._add(ticket, "STATUS_CHANGED", when, event_id, **pair, **columns)

    def message(self, when: str, body: str = "", *, ticket: str = "t", event_id: str = "", **columns: Any) -> Bronze:
        return self._add(ticket, "MESSAGE_ADDED", when, event_id, author_role="citizen", body=body, **columns)

    def attachment(self, when: str, size: int = 1, *, ticket: str = "t", event_id: str = "", **columns: Any) -> Bronze:
        return self._add(ticket, "ATTACHMENT_ADDED", when, event_id, filename="x", size_bytes=size, **columns)

    def life(self, *steps: str, ticket: str = "t") -> Bronze:
        """A ticket's way through the life cycle: ``"2026-07-01 RADICATED"`` and so on, from RECEIVED."""
        parted = [("", "RECEIVED"), *(tuple(step.rsplit(" ", 1)) for step in steps)]
        for (_, before), (when, after) in pairwise(parted):
            self.change(when, before, after, ticket=ticket)
        return self

    def frame(self) -> pl.LazyFrame:
        return pl.LazyFrame(self.rows, schema=bronze.SCHEMA)


IN_PROGRESS = ("RADICATED", "CLASSIFIED", "ASSIGNED", "IN_PROGRESS")


def under_way(day: str) -> tuple[str, ...]:
    """The steps that bring a ticket IN_PROGRESS at noon of a day."""
    return tuple(f"{day} {status}" for status in IN_PROGRESS)
