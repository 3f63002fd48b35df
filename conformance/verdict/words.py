"""The few words in which checks speak."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

F = TypeVar("F", bound=Callable[..., None])


class Status(enum.StrEnum):
    """What became of a guarantee."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    BLOCKED = "blocked"  # a required guarantee did not hold
    UNOBSERVABLE = "unobservable"  # this stack lacks the capability
    ERROR = "error"  # the kit's own fault; never costs a student points


class Broken(AssertionError):  # noqa: N818 - an outcome, not an error
    """A guarantee does not hold; ``values`` fill the placeholders of its ``expected``, ``remedy`` and ``hints``."""

    def __init__(self, observed: str, hint: str | None, values: dict[str, Any]) -> None:
        super().__init__(observed)
        self.observed = observed
        self.hint = hint
        self.values = values


class CannotTell(Exception):  # noqa: N818 - an outcome, not an error
    """The facts do not show whether the guarantee holds: it is unobservable, never passed."""


def guarantee(id_: str) -> Callable[[F], F]:
    """Declare which guarantee a check judges."""

    def mark(check: F) -> F:
        check.guarantee_id = id_  # type: ignore[attr-defined]
        return check

    return mark


def holds(condition: object, *, observed: object, hint: str | None = None, **values: object) -> None:
    """The judgment itself: fail with what was observed unless ``condition``.

    ``observed`` is data in words of no language (``workers: 0``); ``hint`` names a text of the guarantee's ``hints``
    table, for a cause that the facts give away; ``values`` fill ``{placeholders}`` of the guarantee's texts.
    """
    if not condition:
        raise Broken(str(observed), hint, values)


def cannot_tell(reason: str) -> NoReturn:
    """The facts do not decide: the guarantee is unobservable, for this reason."""
    raise CannotTell(reason)


def kit_fault(trouble: str | None) -> None:
    """The experiment that would show it broke through the kit's own fault, if ``trouble`` says so: an error."""
    if trouble:
        raise RuntimeError(trouble)
