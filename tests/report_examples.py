"""Verdicts by hand, for the tests of what people read."""

from __future__ import annotations

from typing import Any

from conformance.verdict.model import Verdict
from conformance.verdict.words import Status

HOSTILE = "</pre><script>alert(1)</script>\" onload='x' {{ 7*7 }} <img src=http://evil.example/x>"


def result(id_: str, status: str, **changes: Any) -> dict[str, Any]:
    failed = status == "fail"
    return {
        "id": id_,
        "title": {"es": f"título {id_}", "en": f"title {id_}"},
        "why": {"es": "porque sí", "en": "because"},
        "family": id_[:3],
        "plane": "data",
        "subject": "platform",
        "status": status,
        "required": True,
        "points": 2,
        "earned": 2 if status == "pass" else 0,
        "requires": [],
        "blocked_by": [],
        "observed": "",
        "expected": {"es": "se esperaba", "en": "was expected"} if failed else {"es": "", "en": ""},
        "remedy": {"es": "haga esto", "en": "do this"} if failed else {"es": "", "en": ""},
        "evidence": ["evidence/facts/objects.json"],
        "duration_s": 0.1,
        **changes,
    }


def verdict(*results: dict[str, Any], **changes: Any) -> Verdict:
    counts = {status.value: sum(one["status"] == status for one in results) for status in Status}
    return Verdict.model_validate(
        {
            "schema": "pqrs-conformance/verdict/v1",
            "kit_version": "0.1.0",
            "scope": "full",
            "coverage": {"observed": len(results), "total": len(results), "required": 1},
            "profile": {"name": "reference", "version": "1", "hash": "0" * 64},
            "subject": {"name": "la referencia", "source": "reference", "commit": None},
            "stack": {
                "kind": "embedded",
                "capabilities": ["endpoints"],
                "roles": {"postgres": ["postgres"]},
                "stand_ins": ["SeaweedFS stands in for RustFS"],
            },
            "started_at": "2026-11-24T08:00:00Z",
            "duration_s": 42.0,
            "seed": 7,
            "guarantees": results,
            "score": {"earned": 2, "possible": 4, "percent": 50, "required_failed": []},
            "counts": counts,
            **changes,
        }
    )
