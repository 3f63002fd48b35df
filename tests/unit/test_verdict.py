"""``verdict.json`` and its published schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError
from verdicts import NASTY, of_every_status

from conformance.text import clean
from conformance.verdict.model import Verdict, json_schema

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "verdict-v1.json"


@pytest.fixture
def schema() -> Any:
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def test_the_published_schema_is_the_models() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == json_schema(), (
        "run: python -c 'from conformance.verdict.model import json_schema; print(json_schema(), end=str())' "
        "> docs/schemas/verdict-v1.json"
    )


def test_a_verdict_fits_the_schema_and_comes_back_equal(schema: Any) -> None:
    verdict = of_every_status()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(verdict.to_json()), schema, cls=jsonschema.Draft202012Validator)
    assert Verdict.model_validate_json(verdict.to_json()) == verdict


def test_the_fields_are_those_that_others_build_on() -> None:
    verdict = json.loads(of_every_status().to_json())
    assert list(verdict) == [
        "schema", "kit_version", "scope", "coverage", "profile", "subject", "stack", "started_at", "duration_s",
        "seed", "guarantees", "score", "counts",
    ]  # fmt: skip
    assert verdict["schema"] == "pqrs-conformance/verdict/v1"
    assert verdict["started_at"] == "2026-11-24T08:00:00.250000Z"
    assert verdict["duration_s"] == 12.346
    assert list(verdict["coverage"]) == ["observed", "total", "required"]
    assert list(verdict["profile"]) == ["name", "version", "hash"]
    assert list(verdict["subject"]) == ["name", "source", "commit"]
    assert list(verdict["stack"]) == ["kind", "capabilities", "roles", "stand_ins"]
    assert list(verdict["counts"]) == ["pass", "fail", "blocked", "unobservable", "error"]
    assert list(verdict["score"]) == ["earned", "possible", "percent", "required_failed"]
    first = verdict["guarantees"][0]
    assert {**first, "why": None} == {
        "id": "E2E-01", "title": {"es": "Hay té", "en": "There is tea"}, "why": None, "family": "E2E",
        "plane": "serving", "subject": "platform", "status": "fail", "required": True, "points": 3, "earned": 0,
        "requires": [], "blocked_by": [], "observed": "tea: 0", "expected": {"es": "té", "en": "tea"},
        "remedy": {"es": "llene", "en": "fill"}, "evidence": ["evidence/facts/teapot.json"], "duration_s": 1.5,
    }  # fmt: skip


def test_hostile_text_is_stored_and_read_back(schema: Any) -> None:
    verdict = of_every_status(clean(NASTY))
    read = json.loads(verdict.to_json())
    jsonschema.validate(read, schema)
    assert read["guarantees"][0]["observed"].startswith("\\x00\\x1b[31m\\ud800]]> <script>")


def test_the_schema_refuses_what_is_no_verdict(schema: Any) -> None:
    sound = json.loads(of_every_status().to_json())
    changes: tuple[dict[str, Any], ...] = (
        {"scope": "half"},
        {"extra": 1},
        {"counts": {}},
        {"schema": "v0"},
        {"seed": "x"},
    )
    for change in changes:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**sound, **change}, schema)


def test_the_model_refuses_unbounded_text() -> None:
    with pytest.raises(ValidationError, match="at most 2000 characters"):
        of_every_status("x" * 2001)
