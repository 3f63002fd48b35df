"""What must be there before a guarantee may judge anybody's work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import FORMS, Case, cases
from recorded import baseline

from conformance.catalogue import LANGS
from conformance.kit import Kit
from conformance.profile import load_profile, named_profiles
from conformance.verdict.words import Status

ROOT = Path(__file__).parents[2]
KIT = Kit()
BREACHES, VARIANTS = cases("breach"), cases("variant")
ID = re.compile(rf"\b(?:{'|'.join(sorted({id_[:3] for id_ in KIT.catalogue}))})-\d\d\b")
WRITTEN = ("*.md", "docs", "infra", "sql", "conformance", "pqrs_lakehouse", "fixtures", ".ci")
SUFFIXES = {"", ".md", ".toml", ".py", ".html", ".j2", ".yml", ".yaml", ".sql", ".json"}


def documents() -> Iterator[Path]:
    for place in WRITTEN:
        for found in ROOT.glob(place):
            yield from (file for file in (found, *found.rglob("*")) if file.is_file() and file.suffix in SUFFIXES)


@pytest.mark.parametrize("id_", KIT.catalogue)
def test_a_guarantee_is_whole(id_: str) -> None:
    guarantee = KIT.catalogue[id_]
    assert id_ in KIT.checks, "no check"
    for lang in LANGS:
        text = getattr(guarantee, lang)
        empty = [name for name in ("title", "why", "wrong", "right", "expected", "remedy") if not getattr(text, name)]
        assert empty == [], lang
    in_profiles = [name for name in named_profiles() if id_ in load_profile(name, KIT.catalogue)]
    assert "reference" in in_profiles
    assert [case.name for case in BREACHES if id_ in case.fails], "no breach"
    assert [case.name for case in VARIANTS if id_ in case.covers], "no variant"


@pytest.mark.parametrize("name", ["reference", "compose"])
def test_what_is_judged_on_a_baseline_has_a_breach_and_a_variant_on_facts(name: str) -> None:
    recorded = baseline(name)
    judged = {
        id_
        for id_, one in recorded.judge({}, load_profile("reference", KIT.catalogue)).items()
        if one.status in (Status.PASS, Status.FAIL, Status.BLOCKED)
    }
    caught = {id_ for case in BREACHES if case.has("facts") for id_ in case.fails}
    spared = {id_ for case in VARIANTS if case.has("facts") for id_ in case.covers}
    assert judged, "the reference shows nothing"
    assert (sorted(judged - caught), sorted(judged - spared)) == ([], []), "(without a breach, without a variant)"


def test_required_in_the_reference_is_all_there_is() -> None:
    assert load_profile("reference", KIT.catalogue).required.keys() == KIT.catalogue.keys()


def test_checks_judge_guarantees_on_known_subjects() -> None:
    assert KIT.checks.keys() <= KIT.catalogue.keys()
    for check in KIT.checks.values():
        assert set(check.subjects) <= set(KIT.observers), check.guarantee


@pytest.mark.parametrize("case", [*BREACHES, *VARIANTS], ids=lambda case: case.name)
def test_a_case_is_whole(case: Case) -> None:
    assert case.levels, f"none of {', '.join(FORMS.values())}"
    named = {*case.fails, *case.covers, *case.expect.get("blocked", ()), *case.expect.get("leaves_undone", ())}
    assert sorted(named - KIT.catalogue.keys()) == []
    if case.kind == "breach":
        assert case.name[:6] in case.fails, "its name begins with what it breaks"
        assert case.expect.get("says"), "what must its diagnosis say?"


def test_documents_name_guarantees_that_exist() -> None:
    named = {
        (str(file.relative_to(ROOT)), id_)
        for file in documents()
        for id_ in ID.findall(file.read_text(encoding="utf-8", errors="replace"))
    }
    assert len(named) > 500, "documents were looked for in the wrong place"
    assert [f"{file}: {id_}" for file, id_ in sorted(named) if id_ not in KIT.catalogue] == []
