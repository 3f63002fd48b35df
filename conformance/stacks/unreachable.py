"""Stacks without a running service: recorded evidence, and a repository that is only read."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from conformance.stacks.base import Capability, Endpoint, ObjectStoreAccess, PostgresAccess, Role, Stack, Unavailable


class UnreachableStack(Stack):
    """Nothing is started, nothing answers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was started."""

    def roles(self) -> dict[Role, tuple[str, ...]]:
        return {}

    def endpoint(self, role: Role, port: str = "main") -> Endpoint:
        self._refuse()

    def postgres(self) -> PostgresAccess:
        self._refuse()

    def object_store(self) -> ObjectStoreAccess:
        self._refuse()

    def secrets(self) -> frozenset[str]:
        return frozenset()

    def logs(self) -> dict[str, Path]:
        return {}

    def source(self) -> Path:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise Unavailable(f"no service runs on a {self.kind} stack")


class SourceStack(UnreachableStack):
    """A repository on disk, for a static check."""

    kind = "static"
    capabilities = frozenset({Capability.SOURCE})

    def __init__(self, source: Path) -> None:
        self._source = source

    def source(self) -> Path:
        return self._source
