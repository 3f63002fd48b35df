"""The kit proves itself: every breach is caught with the right words, every sound variant is spared."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from matrix import Baseline, Case, cases, merge_patch

from conformance.kit import Kit
from conformance.observe.facts import Facts, Observer
from conformance.profile import load_profile
from conformance.verdict.checks import Check
from conformance.verdict.words import Status, cannot_tell, guarantee, holds

FIXTURES = Path(__file__).parents[2] / "fixtures"
BREACHES, VARIANTS = cases(FIXTURES / "breaches"), cases(FIXTURES / "variants")
KIT = Kit()


@cache
def reference() -> Baseline:
    return Baseline.load(KIT, FIXTURES / "evidence" / "reference")


@pytest.mark.parametrize("case", BREACHES, ids=lambda case: case.folder.name)
def test_a_breach_is_caught_with_the_right_words(case: Case) -> None:
    assert list(reference().breach_faults(case)) == []


@pytest.mark.parametrize("case", VARIANTS, ids=lambda case: case.folder.name)
def test_a_sound_variant_is_spared(case: Case) -> None:
    assert list(reference().variant_faults(case)) == []


def test_the_reference_itself_passes() -> None:
    judgments = reference().judge({}, reference().profile("reference"))
    bad = {id_: j.observed for id_, j in judgments.items() if j.status in (Status.FAIL, Status.BLOCKED, Status.ERROR)}
    assert bad == {}


def test_every_guarantee_judged_on_the_reference_has_a_breach_and_a_variant() -> None:
    judgments = reference().judge({}, reference().profile("reference"))
    judged = {id_ for id_, judgment in judgments.items() if judgment.status is not Status.UNOBSERVABLE}
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


# The harness itself, on a kit of three promises.


class TeapotFacts(Facts):
    tea: int
    lid: str | None = None


def _wet(teapot: TeapotFacts) -> None:
    holds(teapot.tea > 0, observed=f"tea: {teapot.tea}", hint="dry" if teapot.tea == 0 else None, pot="the big one")


def _closed(teapot: TeapotFacts) -> None:
    if teapot.lid == "":
        cannot_tell("no word about the lid")
    holds(teapot.lid, observed=f"lid: {teapot.lid}")


def _hot(teapot: TeapotFacts) -> None:
    holds(teapot.tea != 13, observed="13")


GUARANTEE = """
[TEA-0{number}]
plane = "data"
needs = "endpoints"
requires = {requires}
subject = "platform"
guide = "bloque-1"
[TEA-0{number}.es]
title = "Promesa" ; why = "Importa" ; wrong = "Mal" ; right = "Bien" ; expected = "té" ; remedy = "{es}"
[TEA-0{number}.en]
title = "Promise" ; why = "It matters" ; wrong = "Wrong" ; right = "Right" ; expected = "tea" ; remedy = "{en}"
"""
HINTS = '[TEA-01.es.hints]\ndry = "Está seca."\n[TEA-01.en.hints]\ndry = "It is dry."\n'


@pytest.fixture
def tea(tmp_path: Path) -> Baseline:
    text = (
        GUARANTEE.format(number=1, requires="[]", es="Llene {pot}", en="Fill {pot}")
        + HINTS
        + GUARANTEE.format(number=2, requires='["TEA-01"]', es="Tape", en="Close")
        + GUARANTEE.format(number=3, requires="[]", es="{nobody}", en="{nobody}")
    ).replace(" ; ", "\n")
    (tmp_path / "tea.toml").write_text(text, encoding="utf-8")
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "reference.toml").write_text(
        'name = "reference"\nversion = "1"\n[required]\nTEA-01 = 1\nTEA-02 = 1\nTEA-03 = 1\n', encoding="utf-8"
    )
    evidence = tmp_path / "evidence"
    (evidence / "facts").mkdir(parents=True)
    (evidence / "stack.json").write_text('{"capabilities": ["endpoints"]}', encoding="utf-8")
    observation = {"subject": "teapot", "status": "observed", "facts": {"tea": 2, "lid": "on"}}
    (evidence / "facts" / "teapot.json").write_text(json.dumps(observation), encoding="utf-8")
    checks = [Check.of(guarantee(id_)(f)) for id_, f in (("TEA-01", _wet), ("TEA-02", _closed), ("TEA-03", _hot))]
    kit = Kit(
        guarantees=tmp_path,
        profiles=profiles,
        observers={"teapot": Observer("teapot", TeapotFacts, lambda stack, probe: TeapotFacts(tea=0))},
        load_checks=lambda: {check.guarantee: check for check in checks},
    )
    return Baseline.load(kit, evidence)


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
    expect = (
        'fails = ["TEA-01"]\nblocked = ["TEA-02"]\nsays = ["TEA: 0", "it is dry", "Llene the big one", "fill THE BIG"]'
    )
    assert list(tea.breach_faults(case(expect, {"teapot": {"tea": 0}}))) == []


@pytest.mark.parametrize(
    ("expect", "patch", "fault"),
    [
        ('fails = ["TEA-01"]', {"teapot": {"tea": 0}}, "TEA-02 is blocked and is not in `blocked`"),
        ('fails = ["TEA-01"]\nblocked = ["TEA-02"]\nsays = ["wine"]', {"teapot": {"tea": 0}}, "does not say 'wine'"),
        ('fails = ["TEA-02"]', {"teapot": {"tea": 1}}, "TEA-02 should fail: pass"),
        ('fails = ["TEA-09"]', {"teapot": {"tea": 1}}, "TEA-09 should fail: not judged"),
        (
            'fails = ["TEA-01"]\nblocked = ["TEA-02"]',
            {"teapot": {"tea": 1, "lid": None}},
            "TEA-02 fails and should not",
        ),
        ('fails = ["TEA-03"]', {"teapot": {"tea": 13}}, "TEA-03: error: no value for {nobody}; observed: 13"),
        ('fails = ["TEA-01"]', {"teapot": {"tea": "lots"}}, "TEA-01: error: ValidationError"),
        ("fails = []", {}, "a breach must fail something"),
        ('fails = ["TEA-01"]\nblocked = ["TEA-08"]', {"teapot": {"tea": 0}}, "TEA-08 is no guarantee of the profile"),
    ],
)
def test_what_is_wrong_with_a_breach_is_said(
    tea: Baseline, case: Callable[[str, object], Case], expect: str, patch: object, fault: str
) -> None:
    assert any(fault in said for said in tea.breach_faults(case(expect, patch)))


@pytest.mark.parametrize(
    ("expect", "patch", "fault"),
    [
        ('covers = ["TEA-01"]', {"teapot": {"tea": 0}}, "TEA-01 is fail: tea: 0"),
        ('covers = ["TEA-01"]', {"teapot": {"tea": 0}}, "TEA-02 is blocked"),
        ('covers = ["TEA-02"]', {"teapot": {"lid": ""}}, "TEA-02 does not pass: no word about the lid"),
        ('covers = ["TEA-09"]', {}, "TEA-09 does not pass: not in the profile"),
        ("covers = []", {}, "a variant must cover something"),
    ],
)
def test_what_is_wrong_with_a_variant_is_said(
    tea: Baseline, case: Callable[[str, object], Case], expect: str, patch: object, fault: str
) -> None:
    assert any(fault in said for said in tea.variant_faults(case(expect, patch)))


def test_a_variant_that_is_spared(tea: Baseline, case: Callable[[str, object], Case]) -> None:
    assert list(tea.variant_faults(case('covers = ["TEA-01", "TEA-02"]', {"teapot": {"tea": 7, "lid": "glass"}}))) == []


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
