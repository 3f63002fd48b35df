"""On recorded facts, every breach is caught with the right words and every sound variant is spared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cases import Case, cases
from recorded import Baseline, baseline, merge_patch
from teakit import KIT as TEA

from conformance.profile import load_profile
from conformance.verdict.words import Status

Record = Callable[[str, object], None]
BAD = (Status.FAIL, Status.BLOCKED)


@pytest.mark.parametrize("case", [*cases("breach", "facts"), *cases("variant", "facts")], ids=lambda case: case.name)
def test_a_case_on_recorded_facts(case: Case, record_property: Record) -> None:
    proof = baseline(case.baseline).proof(case)
    record_property(*proof.properties())
    assert proof.faults == ()


@pytest.mark.parametrize(("name", "bad"), [("reference", (*BAD, Status.ERROR)), ("compose", BAD)])
def test_the_reference_itself_passes(name: str, bad: tuple[Status, ...]) -> None:
    recorded = baseline(name)
    judgments = recorded.judge({}, load_profile("reference", recorded.kit.catalogue))
    assert {id_: one.observed for id_, one in judgments.items() if one.status in bad} == {}


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


def write(folder: Path, expect: str, patch: object) -> Case:
    folder.mkdir(parents=True)
    (folder / "expect.toml").write_text(expect, encoding="utf-8")
    (folder / "facts.json").write_text(json.dumps(patch), encoding="utf-8")
    return Case(folder)


@pytest.fixture
def breach(tmp_path: Path) -> Callable[[str, object], Case]:
    return lambda expect, patch: write(tmp_path / "breaches/case", expect, patch)


@pytest.fixture
def variant(tmp_path: Path) -> Callable[[str, object], Case]:
    return lambda expect, patch: write(tmp_path / "variants/case", expect, patch)


def test_a_breach_that_says_all(tea: Baseline, breach: Callable[[str, object], Case]) -> None:
    expect = """
        fails = ["E2E-01"]
        blocked = ["E2E-02", "E2E-08"]
        says = ["TEA: 0", "the pot is dry", "Llene the big one", "fill THE BIG"]
    """
    assert tea.proof(breach(expect, {"teapot": {"tea": 0}})).faults == ()


@pytest.mark.parametrize(
    ("expect", "patch", "fault"),
    [
        ('fails = ["E2E-01"]\nblocked = []', {"teapot": {"tea": 0}}, "E2E-02 is blocked and is not in `blocked`"),
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
    tea: Baseline, breach: Callable[[str, object], Case], expect: str, patch: object, fault: str
) -> None:
    assert any(fault in said for said in tea.proof(breach(expect, patch)).faults)


@pytest.mark.parametrize(
    ("expect", "patch", "fault"),
    [
        ('covers = ["E2E-01"]', {"teapot": {"tea": 0}}, "E2E-01 is fail: tea: 0"),
        ('covers = ["E2E-01"]', {"teapot": {"tea": 0}}, "E2E-02 is blocked"),
        ('covers = ["E2E-02"]', {"teapot": {"lid": "?"}}, "E2E-02 does not pass: no word about the lid"),
        ('covers = ["E2E-77"]', {}, "E2E-77 does not pass: not judged"),
        ("covers = []", {}, "a variant must cover something"),
    ],
)
def test_what_is_wrong_with_a_variant_is_said(
    tea: Baseline, variant: Callable[[str, object], Case], expect: str, patch: object, fault: str
) -> None:
    assert any(fault in said for said in tea.proof(variant(expect, patch)).faults)


def test_a_variant_says_what_it_leaves_undone(tea: Baseline, variant: Callable[[str, object], Case]) -> None:
    text = 'covers = ["E2E-01"]\nleaves_undone = ["E2E-02", "E2E-08"]'
    faults = tea.proof(variant(text, {"teapot": {"lid": None}})).faults
    assert faults == (
        "expect.toml: leaves_undone: E2E-02 is required",
        "expect.toml: leaves_undone: E2E-08 does not fail",
    )


def test_a_variant_that_is_spared(tea: Baseline, variant: Callable[[str, object], Case]) -> None:
    proof = tea.proof(variant('covers = ["E2E-01", "E2E-02"]', {"teapot": {"tea": 7, "lid": "glass"}}))
    assert proof.faults == ()


def test_a_patch_makes_facts_of_a_subject_that_was_not_observed(tea: Baseline) -> None:
    unseen = Baseline(tea.kit, {}, tea.capabilities, tea.roles)
    profile = load_profile("reference", TEA.catalogue, TEA.profiles)
    assert unseen.judge({}, profile)["E2E-05"].status is Status.ERROR
    assert unseen.judge({"stove": {"degrees": 61}}, profile)["E2E-05"].status is Status.PASS


def test_a_key_that_means_nothing_is_refused(tea: Baseline, breach: Callable[[str, object], Case]) -> None:
    with pytest.raises(ValueError, match=r"case/expect.toml: unknown keys: covers"):
        tea.proof(breach('fails = ["E2E-01"]\ncovers = []', {}))


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
