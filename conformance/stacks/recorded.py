"""Evidence in the place of a deployment: what was seen is there, nothing can be reached any more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from conformance.stacks.base import Capability, Role
from conformance.stacks.unreachable import UnreachableStack


class RecordedStack(UnreachableStack):
    """The stack that evidence was taken from: it keeps that stack's kind and capabilities, so that it is judged alike.

    Its secrets were redacted when the facts were observed.
    """

    def __init__(
        self,
        *,
        kind: str,
        capabilities: frozenset[Capability],
        roles: Mapping[Role, tuple[str, ...]],
        stand_ins: tuple[str, ...],
        runs_reference: bool,
        logs: Mapping[str, Path],
    ) -> None:
        self.kind = kind
        self.capabilities = capabilities
        self.stand_ins = stand_ins
        self.runs_reference = runs_reference
        self._roles = dict(roles)
        self._logs = dict(logs)

    def roles(self) -> dict[Role, tuple[str, ...]]:
        return self._roles

    def logs(self) -> dict[str, Path]:
        return self._logs
