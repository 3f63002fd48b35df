"""``summary.md``, and what the command line says."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt
from verdicts import NASTY, judgment, of_every_status, verdict

from conformance.report import summary, terminal
from conformance.text import clean
from conformance.verdict.model import Localised, Verdict
from conformance.verdict.words import Status

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shape(text: str) -> list[str]:
    """The kinds of everything that a Markdown reader sees."""
    return [
        kind.type for token in MARKDOWN.parse(text) for kind in (token, *(token.children or [])) if kind.type != "text"
    ]


def words(text: str) -> str:
    """What a Markdown reader reads."""
    return "".join(kind.content for token in MARKDOWN.parse(text) for kind in token.children or [])


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        (
            "es",
            [
                "Nota: 16.7 % (1/6; observadas 3 de 5 garantías)",
                "1 se cumple, 1 no se cumple, 1 bloqueada",
                "Sustituto",
            ],
        ),
        (
            "en",
            [
                "Score: 16.7 % (1/6; 3 of 5 guarantees observed)",
                "1 holds, 1 fails, 1 blocked",
                "Stand-in or omission: water.",
            ],
        ),
    ],
)
def test_it_says_the_score_and_what_to_do(lang: str, said: list[str]) -> None:
    text = words(summary.render(of_every_status(), lang))
    for some in said:
        assert some in text


def test_it_is_a_heading_findings_and_a_table() -> None:
    kinds = shape(summary.render(of_every_status(), "en"))
    assert kinds.count("heading_open") == 1 + 3
    assert kinds.count("tr_open") == 1 + 5


@pytest.mark.parametrize("nasty", [NASTY.replace("\ud800", ""), clean(NASTY)])
def test_hostile_text_is_no_markup(nasty: str) -> None:
    def seen(text: str) -> Verdict:
        return verdict(
            judgment("E2E-01", Status.FAIL, text, remedy=Localised(es=text, en=text)),
            judgment("E2E-09", Status.ERROR, text),
        )

    tame = summary.render(seen("word\nword\nword\nword\nword\nword\nword"), "en")
    wild = summary.render(seen(nasty), "en")
    allowed = {*shape(tame), "text_special"}
    assert set(shape(wild)) <= allowed
    assert "<script>" in words(wild)
    assert "<" not in wild
    assert wild.encode("utf-8").decode("utf-8") == wild


def test_it_fits_into_what_github_takes() -> None:
    big = verdict(*(judgment(f"E2E-0{n}", Status.FAIL, "ñ" * 2000) for n in range(1, 10)))
    huge = big.model_copy(update={"guarantees": big.guarantees * 100})
    text = summary.render(huge, "en")
    assert len(text.encode("utf-8")) <= 1024 * 1024
    assert "more in the report" in text.splitlines()[-1]
    assert "more in the report" not in summary.render(big, "en")


def test_the_command_line_names_findings_and_the_report() -> None:
    text = terminal.render(of_every_status(clean(NASTY)), "es", "reports/report.html")
    assert text.splitlines()[:2] == [
        "casa · perfil everything 1 · stack embedded",
        "1 se cumple, 1 no se cumple, 1 bloqueada, 1 no observable aquí, 1 error del kit",
    ]
    assert "✗ E2E-01 Hay té: no se cumple" in text
    assert text.splitlines()[-2:] == ["Nota: 16.7 % (1/6; observadas 3 de 5 garantías)", "Informe: reports/report.html"]
    assert all(line.isprintable() for line in text.splitlines())


def test_the_command_line_stops_after_ten_findings() -> None:
    one = verdict(judgment("E2E-01", Status.FAIL, "x"))
    many = one.model_copy(update={"guarantees": one.guarantees * 13})
    text = terminal.render(many, "en", "r")
    assert text.count("✗") == 10
    assert "and 3 more in the report" in text


@pytest.mark.parametrize(
    ("scope", "said"),
    [("static", "static review"), ("incomplete", "interrupted or limited"), ("full", "nothing could")],
)
def test_why_there_is_no_score_is_said(scope: str, said: str) -> None:
    status = Status.UNOBSERVABLE if scope == "full" else Status.PASS
    assert said in terminal.render(verdict(judgment("E2E-01", status), scope=scope), "en", "r")


def test_that_too_little_was_observed_is_said() -> None:
    text = terminal.render(verdict(judgment("E2E-01", Status.PASS), coverage_required=9), "en", "r")
    assert "1 of 1 guarantees observed; the profile demands 9)" in text
