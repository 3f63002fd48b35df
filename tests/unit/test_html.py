"""The report page: everything is said in both languages, everything from outside is escaped, nothing is loaded."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from report_examples import HOSTILE, result, verdict

from conformance.report.html import FAMILIES, STATUSES, render
from conformance.verdict.words import Status


class Page(HTMLParser):
    """Tags, attributes and text of a page, and whether tags close in order."""

    VOID = frozenset({"meta", "input", "br", "hr", "img", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_failure_says_what_why_and_how_in_both_languages() -> None:
    failed = result("OBJ-03", "fail", observed="hash a != b")
    page = Page(render(verdict(failed, result("OBJ-01", "pass"))))
    for words in ("hash a != b", "se esperaba", "was expected", "haga esto", "do this", "porque sí", "because"):
        assert words in page.text
    assert "SeaweedFS stands in for RustFS" in page.text
    assert "50.0 %" in page.text


def test_hostile_text_is_shown_and_never_obeyed() -> None:
    bad = {"es": HOSTILE, "en": HOSTILE}
    failed = result("OBJ-03", "fail", observed=HOSTILE, title=bad, expected=bad, remedy=bad, evidence=[HOSTILE])
    html = render(
        verdict(
            failed,
            subject={"name": HOSTILE, "source": HOSTILE, "commit": None},
            stack={"kind": HOSTILE, "capabilities": [HOSTILE], "roles": {HOSTILE: [HOSTILE]}, "stand_ins": [HOSTILE]},
        )
    )
    page = Page(html)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "iframe", "object", "link"})
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.text.count("<script>alert(1)</script>") >= 10
    assert "{{ 7*7 }}" in page.text


def test_control_characters_and_marks_that_turn_text_around_are_shown_as_escapes() -> None:
    bad = "\x1b[2J\x00\u202e"
    html = render(
        verdict(
            result("OBJ-03", "fail", observed=bad, remedy={"es": bad, "en": bad}, evidence=[bad]),
            subject={"name": bad, "source": bad, "commit": None},
            stack={"kind": bad, "capabilities": [bad], "roles": {bad: [bad]}, "stand_ins": [bad]},
        )
    )
    assert {"\x1b", "\x00", "\u202e"}.isdisjoint(html)
    assert Page(html).text.count(r"\x1b[2J\x00\u202e") >= 10


def test_backticks_are_code_and_indentation_stays() -> None:
    remedy = "Run `docker compose ps`:\n  services:\n    grafana: `<b>`"
    html = render(verdict(result("GRF-01", "fail", remedy={"es": remedy, "en": remedy})))
    assert "Run <code>docker compose ps</code>:\n  services:\n    grafana: <code>&lt;b&gt;</code>" in html
    assert "white-space:pre-wrap" in html


def test_what_was_not_judged_shows_no_points() -> None:
    page = Page(render(verdict(result("GRF-01", "unobservable"), result("OBJ-01", "blocked"))))
    assert "–/2" in page.text
    assert "0/2" in page.text


def test_the_page_loads_nothing() -> None:
    html = render(verdict(result("OBJ-01", "pass")))
    page = Page(html)
    assert not any("src" in attributes for _, attributes in page.tags)
    assert all((attributes.get("href") or "#").startswith("#") for _, attributes in page.tags)
    assert "url(" not in html
    assert "@import" not in html


@pytest.mark.parametrize("lang", ["es", "en"])
def test_it_opens_in_the_language_asked_for(lang: str) -> None:
    page = Page(render(verdict(result("OBJ-01", "pass")), lang))
    checked = [attributes["id"] for tag, attributes in page.tags if tag == "input" and "checked" in attributes]
    assert checked == [lang]


def test_what_asks_for_attention_comes_first_and_every_id_is_unique() -> None:
    rows = [result("OBJ-01", "pass"), result("OBJ-02", "blocked", blocked_by=["PGS-01"]), result("PGS-01", "fail")]
    html = render(verdict(*rows))
    ids = [attributes["id"] for _, attributes in Page(html).tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert html.index('id="PGS-01-"') < html.index('id="OBJ-02-"') < html.index('id="OBJ-01"')


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scope": "incomplete", "score": None}, "Veredicto incompleto"),
        ({"scope": "static", "score": None}, "Revisión estática"),
        ({"score": None}, "Sin nota"),
        ({"coverage": {"observed": 1, "total": 1, "required": 2}}, "Se observó menos de lo que el perfil exige"),
    ],
)
def test_what_is_no_grade_says_so(changes: dict[str, Any], words: str) -> None:
    assert words in Page(render(verdict(result("OBJ-01", "pass"), **changes))).text


def test_no_guarantee_at_all_is_still_a_page() -> None:
    assert "Sin nota" in Page(render(verdict(score=None, scope="incomplete"))).text


def test_every_status_and_family_has_its_words() -> None:
    from conformance.catalogue import FAMILIES as ALL

    assert set(STATUSES) == {status.value for status in Status}
    assert set(FAMILIES) == set(ALL)
