"""``junit.xml``."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from verdicts import NASTY, of_every_status

from conformance.report import junit
from conformance.text import clean

LANGS = ("es", "en")


def test_every_status_is_said_in_junits_words() -> None:
    suite = ET.fromstring(junit.render(of_every_status(), "en")).find("testsuite")
    assert suite is not None
    assert suite.attrib == {
        "name": "casa everything", "errors": "1", "failures": "1", "skipped": "2", "tests": "5", "time": "12.346",
        "timestamp": "2026-11-24T08:00:00.250000+00:00",
    }  # fmt: skip
    cases = {case.attrib["name"][:6]: case for case in suite}
    assert cases["E2E-01"].attrib == {"classname": "conformance.E2E", "name": "E2E-01 There is tea", "time": "1.500"}
    assert {id_: [(one.tag, one.get("message")) for one in case] for id_, case in cases.items()} == {
        "E2E-01": [("failure", "tea: 0")],
        "E2E-02": [("skipped", "Blocked by E2E-01")],
        "E2E-04": [("skipped", "tea: 0")],
        "E2E-05": [],
        "E2E-09": [("error", "tea: 0")],
    }
    assert cases["E2E-01"].findtext("failure") == "Observed: tea: 0\nExpected: tea\nWhat to do: fill"


def test_it_speaks_spanish() -> None:
    text = junit.render(of_every_status(), "es")
    assert 'name="E2E-01 Hay té"' in text
    assert "Qué hacer: llene" in text


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("nasty", [NASTY.replace("\ud800", ""), clean(NASTY)])
def test_hostile_text_stays_text(lang: str, nasty: str) -> None:
    text = junit.render(of_every_status(nasty), lang)
    root = ET.fromstring(text.encode("utf-8"))
    failure = root.find(".//failure")
    assert failure is not None
    assert "<script>" in failure.attrib["message"]
    assert {element.tag for element in root.iter()} == {
        "testsuites", "testsuite", "testcase", "failure", "skipped", "error",
    }  # fmt: skip
