"""What the command line says at the end of a run."""

from __future__ import annotations

from conformance.report.words import SAY, count_line, diagnosis, score_line
from conformance.text import clean, printable
from conformance.verdict.model import Verdict
from conformance.verdict.words import Status

MAX_FINDINGS = 10
MAX_LINE = 300


def render(verdict: Verdict, lang: str, report: str) -> str:
    """The score, the first findings, and where the report is."""
    say = SAY[lang]
    lines = [
        f"{verdict.subject.name} · {say.profile} {verdict.profile.name} {verdict.profile.version} · "
        f"{say.stack} {verdict.stack.kind}",
        count_line(verdict, lang),
    ]
    findings = [result for result in verdict.guarantees if result.status in (Status.FAIL, Status.ERROR)]
    for result in findings[:MAX_FINDINGS]:
        note = "" if result.required else f" ({say.recommended})"
        lines += ["", f"✗ {result.id} {result.title.in_(lang)}: {say.statuses[result.status]}{note}"]
        lines += [f"  {clean(line, MAX_LINE)}" for line in diagnosis(result, lang).splitlines()]
    if len(findings) > MAX_FINDINGS:
        lines += ["", say.more.format(count=len(findings) - MAX_FINDINGS)]
    lines += ["", score_line(verdict, lang), f"{say.report}: {report}"]
    return "\n".join(map(printable, lines))
