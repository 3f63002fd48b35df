"""The vocabulary of facts: typed, frozen, serialisable records of what was seen, or why it could not be seen."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from conformance.stacks.base import Stack


class Facts(BaseModel):
    """Base of every fact. Subclasses hold plain data: str, int, float, bool, tuples, dicts and other Facts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def field_names(cls) -> frozenset[str]:
        """The names of its fields and of those of all facts within it."""
        schema = cls.model_json_schema(mode="serialization")
        models = (schema, *schema.get("$defs", {}).values())
        return frozenset(name for model in models for name in model.get("properties", ()))


class Attempt(Facts):
    """Something was tried against the deployment: whether it worked, and what came back (or the error)."""

    ok: bool
    detail: str = ""


class ObservationStatus(enum.StrEnum):
    OBSERVED = "observed"
    UNOBSERVABLE = "unobservable"
    ABSENT = "absent"  # the deployment has no such service, though it could
    ERROR = "error"


class Observation(BaseModel):
    """The facts about one subject, or why there are none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str
    status: ObservationStatus
    reason: str = ""
    facts: dict[str, Any] | None = None  # model_dump(mode="json") of the subject's Facts, secrets redacted
    duration_s: float = Field(default=0.0, ge=0)


class Probe(Protocol):
    """What an observer gets beside the stack."""

    seed: int

    def observation(self, subject: str) -> Observation:
        """The observation of another subject; waits until it is made. For order: look before you experiment."""

    def observes(self, subject: str) -> bool:
        """Whether this run observes that subject in any case; another would be observed for the asker alone."""

    def progress(self, message: str) -> None:
        """Tell the person who waits what is being done."""


@dataclass(frozen=True)
class Observer:
    """How the facts about one subject are collected.

    ``collect`` raises :class:`~conformance.stacks.base.Unavailable` when this stack cannot show the subject, and
    :class:`~conformance.stacks.base.AbsentRole` when it has none of the services that it is about; that the deployment
    is broken is a fact, not an exception. Whatever else it raises makes the observation an ``error``.
    """

    subject: str
    facts: type[Facts]
    collect: Callable[[Stack, Probe], Facts]
