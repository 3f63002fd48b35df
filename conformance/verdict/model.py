"""``verdict.json``: the versioned record of what a run found (JSON Schema: docs/schemas/verdict-v1.json)."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from conformance.stacks.base import Plane
from conformance.text import MAX_TEXT
from conformance.verdict.words import Status

SCHEMA_ID: Final = "pqrs-conformance/verdict/v1"

Points = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class Localised(Record):
    """One text in the two languages of the class."""

    es: str
    en: str

    def in_(self, lang: str) -> str:
        return self.es if lang == "es" else self.en


class Coverage(Record):
    observed: int = Field(ge=0, description="guarantees that passed, failed or were blocked")
    total: int = Field(ge=0, description="guarantees that this run was about")
    required: int = Field(ge=0, description="how many the profile demands to be observed on this kind of stack")


class ProfileRef(Record):
    name: str
    version: str
    hash: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the profile's contents as canonical JSON")


class Subject(Record):
    """What was checked."""

    name: str
    source: str = Field(description="where it came from, as it was given; 'reference' for the kit's own lakehouse")
    commit: str | None = Field(description="Git commit of the source, when it is a checkout")


class StackInfo(Record):
    kind: str = Field(description="compose, embedded, attached or static; evidence keeps the kind it was recorded from")
    capabilities: tuple[str, ...]
    roles: dict[str, tuple[str, ...]] = Field(description="services by role")
    stand_ins: tuple[str, ...] = Field(description="substitutes for components that could not be had")


class Result(Record):
    """What became of one guarantee."""

    id: str
    title: Localised
    why: Localised
    family: str
    plane: Plane
    subject: Literal["platform", "pipeline"]
    status: Status
    required: bool = Field(description="false: recommended, which adds points and never fails a run")
    points: Points
    earned: Points
    requires: tuple[str, ...]
    blocked_by: tuple[str, ...] = Field(description="the failed guarantees at the root, when blocked")
    observed: str = Field(max_length=MAX_TEXT, description="what was seen, or why nothing could be")
    expected: Localised = Field(description="empty unless the guarantee fails")
    remedy: Localised = Field(description="empty unless the guarantee fails; begins with the cause when it is known")
    evidence: tuple[str, ...] = Field(description="files beside verdict.json that it was judged on")
    duration_s: Seconds = Field(description="how long its facts took to collect (guarantees share facts)")


class Score(Record):
    """``unobservable`` and ``error`` are out of ``possible``; ``blocked`` earns nothing."""

    earned: Points
    possible: Points
    percent: float = Field(ge=0, le=100)
    required_failed: tuple[str, ...] = Field(description="required guarantees that failed or are blocked")


class Counts(Record):
    passed: int = Field(alias="pass", ge=0)
    fail: int = Field(ge=0)
    blocked: int = Field(ge=0)
    unobservable: int = Field(ge=0)
    error: int = Field(ge=0)


class Verdict(Record):
    """The whole of ``verdict.json``."""

    schema_id: Literal["pqrs-conformance/verdict/v1"] = Field(alias="schema")
    kit_version: str
    scope: Literal["full", "static", "incomplete"]
    coverage: Coverage
    profile: ProfileRef
    subject: Subject
    stack: StackInfo
    started_at: AwareDatetime
    duration_s: Seconds
    seed: int
    guarantees: tuple[Result, ...]
    score: Score | None = Field(description="null when this is no grade: static, incomplete, or nothing observed")
    counts: Counts

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"


def json_schema() -> str:
    """The text of docs/schemas/verdict-v1.json."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **Verdict.model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
