"""A repository on disk, for a static check: its files, and its Compose model where Compose is there to resolve it."""

from __future__ import annotations

import shutil
from functools import cached_property
from pathlib import Path

from conformance.stacks.base import Capability, ComposeModel
from conformance.stacks.compose.reading import Reading, read
from conformance.stacks.unreachable import UnreachableStack


class SourceStack(UnreachableStack):
    """A repository that is only read."""

    kind = "static"

    def __init__(self, source: Path, *, compose_file: Path | None = None, env_file: Path | None = None) -> None:
        self._source = source
        self._compose_file = compose_file
        self._env_file = env_file
        self.capabilities = frozenset(
            {Capability.SOURCE, Capability.COMPOSE} if shutil.which("docker") else {Capability.SOURCE}
        )

    def source(self) -> Path:
        return self._source

    def compose(self) -> ComposeModel:
        """
        Raises:
            Unavailable: docker is there without Compose.
        """
        return self._reading.model

    def secrets(self) -> frozenset[str]:
        return self._reading.secrets if Capability.COMPOSE in self.capabilities else frozenset()

    @cached_property
    def _reading(self) -> Reading:
        return read(self._source, compose_file=self._compose_file, env_file=self._env_file, trust=True)
