"""``junit.xml`` for CI servers, in the xunit2 form that pytest writes."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from conformance.report.words import SAY, diagnosis
from conformance.text import printable
from conformance.verdict.model import Result, Verdict
from conformance.verdict.words import Status


def render(verdict: Verdict, lang: str) -> str:
    """One test case a guarantee: ``blocked`` and ``unobservable`` are skipped, ``error`` is an error."""
    counts = verdict.counts
    suites = ET.Element("testsuites", name="conformance")
    suite = ET.SubElement(
        suites,
        "testsuite",
        name=f"{verdict.subject.name} {verdict.profile.name}",
        errors=str(counts.error),
        failures=str(counts.fail),
        skipped=str(counts.blocked + counts.unobservable),
        tests=str(len(verdict.guarantees)),
        time=f"{verdict.duration_s:.3f}",
        timestamp=verdict.started_at.isoformat(),
    )
    for result in verdict.guarantees:
        suite.append(_case(result, lang))
    for element in suites.iter():
        element.attrib = {name: printable(value) for name, value in element.attrib.items()}
        element.text = printable(element.text) if element.text else None
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def _case(result: Result, lang: str) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=f"conformance.{result.family}",
        name=f"{result.id} {result.title.in_(lang)}",
        time=f"{result.duration_s:.3f}",
    )
    match result.status:
        case Status.FAIL:
            ET.SubElement(case, "failure", message=result.observed).text = diagnosis(result, lang)
        case Status.ERROR:
            ET.SubElement(case, "error", message=result.observed).text = diagnosis(result, lang)
        case Status.BLOCKED:
            ET.SubElement(
                case, "skipped", type="blocked", message=f"{SAY[lang].blocked_by} {' '.join(result.blocked_by)}"
            )
        case Status.UNOBSERVABLE:
            ET.SubElement(case, "skipped", type="unobservable", message=result.observed)
    return case
