"""Raw: where delivered files stand, and how one is cut into rows (docs/data-rules.md §1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final

PREFIX: Final = "raw/pqrs_events"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.:+-]*"


@dataclass(frozen=True, order=True)
class RawFile:
    """One file of one delivery: ``day`` is the day of arrival, ``part`` counts the files of that source, day and run.

    Raises:
        ValueError: a name that cannot stand in a key, or a negative part.
    """

    source: str
    day: date
    run_id: str
    part: int

    _KEY: ClassVar[re.Pattern[str]] = re.compile(
        rf"{PREFIX}/source=({_NAME})/day=([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/run_id=({_NAME})/part-(0|[1-9][0-9]*)\.jsonl"
    )

    def __post_init__(self) -> None:
        if not self._KEY.fullmatch(self.key):
            raise ValueError(f"not a raw file: {self.key!r}")

    @property
    def key(self) -> str:
        """The object key, relative to the lake."""
        return f"{PREFIX}/source={self.source}/day={self.day}/run_id={self.run_id}/part-{self.part}.jsonl"

    @classmethod
    def parse(cls, key: str) -> RawFile:
        """The file that stands at ``key``.

        Raises:
            ValueError: no raw file can stand there.
        """
        match = cls._KEY.fullmatch(key)
        if match is None:
            raise ValueError(f"not a raw file: {key!r}")
        source, day, run_id, part = match.groups()
        try:
            return cls(source, date.fromisoformat(day), run_id, int(part))
        except ValueError:
            raise ValueError(f"not a raw file, for there is no day {day}: {key!r}") from None


def manifest_key(run_id: str) -> str:
    """Where the manifest of a run stands, relative to the lake.

    Raises:
        ValueError: a run id that cannot stand in a key.
    """
    if not re.fullmatch(_NAME, run_id):
        raise ValueError(f"not a run id: {run_id!r}")
    return f"{PREFIX}/_manifests/run_id={run_id}.json"


def read_lines(content: bytes) -> list[bytes]:
    """The rows of a file: its pieces between line feeds; what follows a final line feed is no row."""
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines
