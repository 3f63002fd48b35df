"""What stacks without a running service have in common."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from conformance.stacks.base import Endpoint, ObjectStoreAccess, PostgresAccess, Role, Stack, Unavailable


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
