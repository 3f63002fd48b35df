"""What an observer needs beside a stack, and stacks that answer one question otherwise."""

from __future__ import annotations

from typing import Any, cast

from conformance.observe.facts import Observation, ObservationStatus
from conformance.stacks.base import Stack


class Alone:
    """The probe of an observer that is tried by itself: what it asks about others was not observed."""

    seed = 7

    def __init__(self) -> None:
        self.asked: list[str] = []

    def observation(self, subject: str) -> Observation:
        self.asked.append(subject)
        return Observation(subject=subject, status=ObservationStatus.ERROR, reason="not observed here")

    def observes(self, subject: str) -> bool:
        return False

    def progress(self, message: str) -> None:
        assert message


class _Altered:
    def __init__(self, stack: Stack, answers: dict[str, Any]) -> None:
        self._stack = stack
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        return self._answers[name] if name in self._answers else getattr(self._stack, name)


def altered(stack: Stack, **answers: Any) -> Stack:
    """``stack``, but for the attributes and methods in ``answers``."""
    return cast(Stack, _Altered(stack, answers))
