"""Verdicts for the tests of what is made of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from teakit import KIT

from conformance.profile import load_profile
from conformance.verdict.judge import Judgment
from conformance.verdict.model import Localised, StackInfo, Subject, Verdict
from conformance.verdict.score import verdict_of
from conformance.verdict.words import Status

NASTY = (
    "\x00\x1b[31m\ud800]]> <script>alert('x')</script> & | `code` *b* _i_ [l](javascript:x) ![i](u) www.evil.example"
    "\n# h\r\n1. one\n- two\n    code\n<!-- c -->\n$x$ ~~s~~ https://evil.example :smile: @you"
)


def judgment(id_: str, status: Status, observed: str = "", **more: Any) -> Judgment:
    if status is Status.FAIL:
        more = {"expected": Localised(es="té", en="tea"), "remedy": Localised(es="llene", en="fill"), **more}
    return Judgment(id_, status, observed, **more)


def verdict(*judgments: Judgment, profile: str = "everything", **changes: Any) -> Verdict:
    settings: dict[str, Any] = {
        "scope": "full",
        "coverage_required": 0,
        "kit_version": "0.1.0",
        "subject": Subject(name="casa", source="./casa", commit=None),
        "stack": StackInfo(
            kind="embedded", capabilities=("endpoints",), roles={"grafana": ("teapot",)}, stand_ins=("water",)
        ),
        "started_at": datetime(2026, 11, 24, 8, 0, 0, 250_000, tzinfo=UTC),
        "duration_s": 12.3456,
        "seed": 7,
        **changes,
    }
    loaded = load_profile(profile, KIT.catalogue, KIT.profiles)
    return verdict_of({one.id: one for one in judgments}, KIT.catalogue, loaded, **settings)


def of_every_status(observed: str = "tea: 0") -> Verdict:
    return verdict(
        judgment("E2E-01", Status.FAIL, observed, subjects=("teapot",), duration_s=1.5),
        judgment("E2E-02", Status.BLOCKED, blocked_by=("E2E-01",)),
        judgment("E2E-04", Status.UNOBSERVABLE, observed),
        judgment("E2E-05", Status.PASS),
        judgment("E2E-09", Status.ERROR, observed),
    )
