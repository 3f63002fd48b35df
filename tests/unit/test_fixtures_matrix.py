"""The kit proves itself: every breach is caught with the right words, every sound variant is spared."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from matrix import Baseline, Case, cases, merge_patch
from teakit import KIT as TEA

from conformance.kit import Kit
from conformance.profile import load_profile
from conformance.verdict.words import Status

FIXTURES = Path(__file__).parents[2] / "fixtures"
BREACHES, VARIANTS = cases(FIXTURES / "breaches"), cases(FIXTURES / "variants")
KIT = Kit()


@cache
def recorded(name: str) -> Baseline:
    """``reference``: the embedded stack; ``compose``: the Compose stack, with the other's facts where it has none."""
    evidence = FIXTURES / "evidence"
    return Baseline.load(KIT, evidence / name, evidence / "reference")


@pytest.mark.parametrize("case", BREACHES, ids=lambda case: case.folder.name)
def test_a_breach_is_caught_with_the_right_words(case: Case) -> None:
    assert list(recorded(case.baseline).breach_faults(case)) == []


@pytest.mark.parametrize("case", VARIANTS, ids=lambda case: case.folder.name)
def test_a_sound_variant_is_spared(case: Case) -> None:
    assert list(recorded(case.baseline).variant_faults(case)) == []


def test_the_reference_itself_passes() -> None:
    judgments = recorded("reference").judge({}, recorded("reference").profile("reference"))
    bad = {id_: j.observed for id_, j in judgments.items() if j.status in (Status.FAIL, Status.BLOCKED, Status.ERROR)}
    assert bad == {}


def test_nothing_fails_on_the_compose_stack() -> None:
    judgments = recorded("compose").judge({}, recorded("compose").profile("reference"))
    assert {id_: j.observed for id_, j in judgments.items() if j.status in (Status.FAIL, Status.BLOCKED)} == {}


@pytest.mark.parametrize("name", ["reference", "compose"])
def test_every_guarantee_judged_on_the_reference_has_a_breach_and_a_variant(name: str) -> None:
    judgments = recorded(name).judge({}, recorded(name).profile("reference"))
    judged = {id_ for id_, one in judgments.items() if one.status in (Status.PASS, Status.FAIL, Status.BLOCKED)}
    caught = {id_ for case in BREACHES for id_ in case.expect["fails"]}
    spared = {id_ for case in VARIANTS for id_ in case.expect["covers"]}
    assert judged, "the reference shows nothing"
    assert (sorted(judged - caught), sorted(judged - spared)) == ([], []), "(without a breach, without a variant)"


def test_breaches_are_named_after_what_they_break() -> None:
    assert [case.folder.name for case in BREACHES if case.folder.name[:6] not in case.expect["fails"]] == []


def test_every_guarantee_has_its_place_in_the_reference_profile() -> None:
    profile = load_profile("reference", KIT.catalogue)
    assert profile.required.keys() == KIT.catalogue.keys()


def test_every_check_judges_a_guarantee_on_known_subjects() -> None:
    assert KIT.checks.keys() <= KIT.catalogue.keys()
    for check in KIT.checks.values():
        assert set(check.subjects) <= set(KIT.observers), check.guarantee


# The harness itself, on the promises of the tea kit.


@pytest.fixture
def tea(tmp_path: Path) -> Baseline:
    evidence = tmp_path / "evidence"
    (evidence / "facts").mkdir(parents=True)
    (evidence / "stack.json").write_text('{"capabilities": ["endpoints"], "roles": {}}', encoding="utf-8")
    for subject, facts in {"teapot": {"tea": 2, "lid": "on"}, "stove": {"degrees": 90}}.items():
        observation = {"subject": subject, "status": "observed", "facts": facts}
        (evidence / "facts" / f"{subject}.json").write_text(json.dumps(observation), encoding="utf-8")
    return Baseline.load(TEA, evidence)


@pytest.fixture
def case(tmp_path: Path) -> Callable[[str, object], Case]:
    def write(expect: str, patch: object) -> Case:
        folder = tmp_path / "case"
        folder.mkdir()
        (folder / "expect.toml").write_text(expect, encoding="utf-8")
        (folder / "facts.json").write_text(json.dumps(patch), encoding="utf-8")
        return Case(folder)

    return write


def test_a_breach_that_says_all(tea: Baseline, case: Callable[[str, object], Case]) -> None:
    expect = """
        fails = ["E2E-01"]
        blocked = ["E2E-02", "E2E-08"]
        says = ["TEA: 0", "the pot is dry", "Llene the big one", "fill THE BIG"]
    """
    assert list(tea.breach_faults(case(expect, {"teapot": {"tea": 0}}))) == []


@pytest.mark.parametrize(
    ("expect", "patch", "fault"),
    [
        ('fails = ["E2E-01"]', {"teapot": {"tea": 0}}, "E2E-02 is blocked and is not in `blocked`"),
        ('fails = ["E2E-01"]\nsays = ["wine"]', {"teapot": {"tea": 0}}, "the diagnosis does not say 'wine'"),
        ('fails = ["E2E-02"]', {"teapot": {"tea": 1}}, "E2E-02 should fail: pass"),
        ('fails = ["E2E-77"]', {"teapot": {"tea": 1}}, "E2E-77 should fail: not judged"),
        ('fails = ["E2E-01"]', {"teapot": {"lid": None}}, "E2E-02 fails and should not: lid: None"),
        (
            'fails = ["E2E-09"]\nprofile = "everything"',
            {"teapot": {"tea": 13}},
            "E2E-09 should fail: error: no hint 'no such hint'; observed: 13",
        ),
        ('fails = ["E2E-01"]', {"teapot": {"tea": "lots"}}, "E2E-01: error: ValidationError"),
        ("fails = []", {}, "a breach must fail something"),
        ('fails = ["E2E-01"]\nblocked = ["E2E-77"]', {"teapot": {"tea": 0}}, "E2E-77 is no guarantee of the profile"),
    ],
)
def test_what_is_wrong_with_a_breach_is_said(
    tea: Baseline, case: Callable[[str, object], Case], expect: str, patch: object, fault: str
) -> None:
    assert any(fault in said for said in tea.breach_faults(case(expect, patch)))


@pytest.mark.parametrize(
    ("expect", "patch", "fault"),
    [
        ('covers = ["E2E-01"]', {"teapot": {"tea": 0}}, "E2E-01 is fail: tea: 0"),
        ('covers = ["E2E-01"]', {"teapot": {"tea": 0}}, "E2E-02 is blocked"),
        ('covers = ["E2E-02"]', {"teapot": {"lid": "?"}}, "E2E-02 does not pass: no word about the lid"),
        ('covers = ["E2E-77"]', {}, "E2E-77 does not pass: not in the profile"),
        ("covers = []", {}, "a variant must cover something"),
    ],
)
def test_what_is_wrong_with_a_variant_is_said(
    tea: Baseline, case: Callable[[str, object], Case], expect: str, patch: object, fault: str
) -> None:
    assert any(fault in said for said in tea.variant_faults(case(expect, patch)))


def test_a_variant_that_is_spared(tea: Baseline, case: Callable[[str, object], Case]) -> None:
    assert list(tea.variant_faults(case('covers = ["E2E-01", "E2E-02"]', {"teapot": {"tea": 7, "lid": "glass"}}))) == []


def test_a_patch_makes_facts_of_a_subject_that_was_not_observed(
    tea: Baseline, case: Callable[[str, object], Case]
) -> None:
    unseen = Baseline(tea.kit, {}, tea.capabilities, tea.roles)
    assert unseen.judge({}, unseen.profile("reference"))["E2E-05"].status is Status.ERROR
    assert unseen.judge({"stove": {"degrees": 61}}, unseen.profile("reference"))["E2E-05"].status is Status.PASS


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": ["c"]}, {"a": ["c"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": {"b": "c"}}, {"a": [1]}, {"a": [1]}),
        (["a"], {"a": "b"}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {"a": {"$null": True}}, {"a": None}),
        (None, {"a": 1}, {"a": 1}),
    ],
)
def test_patches_merge_as_rfc_7396_says_and_can_set_null(target: object, patch: object, merged: object) -> None:
    assert merge_patch(target, patch) == merged
