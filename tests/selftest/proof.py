"""What one case showed at one level: a row of the matrix."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from typing import Any, Self

from cases import Case, Kind, Level, Told
from checking import ROOT
from pydantic import BaseModel, ConfigDict

from conformance.kit import Kit
from conformance.verdict.words import Status

MAX_TEXT = 1_000  # characters


class Message(BaseModel):
    """What a person is told of a guarantee that fails: what was observed, and what to do, in Spanish."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    observed: str
    remedy: str

    @classmethod
    def of(cls, told: Told) -> Self:
        return cls(observed=_portable(told.observed)[:MAX_TEXT], remedy=_portable(told.remedy["es"])[:MAX_TEXT])


def _portable(text: str) -> str:
    """Without the paths of the machine that it was measured on, which tracebacks name."""
    return text.replace(f"{sys.prefix}/", "").replace(f"{ROOT}/", "").replace(f"{tempfile.gettempdir()}/", "")


class Proof(BaseModel):
    """``before``: what was not sound in the deployment that the case alters; it counts neither for nor against it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Level
    kind: Kind
    case: str
    statuses: dict[str, Status]
    messages: dict[str, Message] = {}  # of what fails
    faults: tuple[str, ...] = ()  # in what the kit did not say what it should
    before: dict[str, Status] = {}
    seconds: float = 0.0

    @classmethod
    def of(
        cls, level: Level, case: Case, kit: Kit, told: Mapping[str, Told], before: Mapping[str, Status],
        seconds: float = 0.0,
    ) -> Self:  # fmt: skip
        return cls(
            level=level,
            kind=case.kind,
            case=case.name,
            statuses={id_: one.status for id_, one in sorted(told.items())},
            messages={
                id_: Message.of(one)
                for id_, one in sorted(told.items())
                if one.status is Status.FAIL and before.get(id_) is not Status.FAIL
            },
            faults=tuple(case.faults(kit, told, before)),
            before={id_: status for id_, status in sorted(before.items()) if status in (Status.FAIL, Status.BLOCKED)},
            seconds=round(seconds, 1),
        )

    def __str__(self) -> str:
        return "\n".join(self.faults) or "as it should be"

    def properties(self) -> tuple[str, Any]:
        """For ``record_property``: the row travels with the test's report."""
        return "proof", self.model_dump_json()
