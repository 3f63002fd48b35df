"""``summary.md``: the verdict as a GitHub job summary."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.report.words import SAY, count_line, diagnosis, score_line
from conformance.text import printable
from conformance.verdict.model import Result, Verdict
from conformance.verdict.words import Status

MAX_BYTES = 1024 * 1024  # what GitHub takes
_RESERVE = 200  # for the line that says what was left out
_MARKUP = re.compile(r"[\\`*_\[\]#|~$]|:(?=\S)|(?<=(?i:www))\.|^[-+=]")
_NUMBERED = re.compile(r"^(\d{1,9})([.)])")
_WORST_FIRST = (Status.FAIL, Status.BLOCKED, Status.ERROR, Status.UNOBSERVABLE, Status.PASS)


def render(verdict: Verdict, lang: str) -> str:
    """A heading, a table of all guarantees, and what to do about those that do not hold. At most MAX_BYTES long."""
    kept: list[str] = []
    size = 0
    blocks = list(_blocks(verdict, lang))
    for number, block in enumerate(blocks):
        size += len(block.encode()) + 1
        if size > MAX_BYTES - _RESERVE:
            kept += ["", f"*{SAY[lang].more.format(count=len(blocks) - number)}*"]
            break
        kept.append(block)
    return "\n".join(kept) + "\n"


def _blocks(verdict: Verdict, lang: str) -> Iterator[str]:
    say = SAY[lang]
    yield f"# {_escape(verdict.subject.name)}"
    yield ""
    yield f"**{_escape(score_line(verdict, lang))}**"
    yield ""
    profile = f"{say.profile} {verdict.profile.name} {verdict.profile.version}, {say.stack} {verdict.stack.kind}"
    yield _escape(f"{count_line(verdict, lang)}. {profile}.")
    for stand_in in verdict.stack.stand_ins:
        yield f"{say.stand_in}: {_escape(stand_in)}."
    yield ""
    results = sorted(verdict.guarantees, key=lambda result: _WORST_FIRST.index(result.status))
    for result in results:
        if result.status in (Status.FAIL, Status.BLOCKED, Status.ERROR):
            yield from _finding(result, lang)
    yield f"| {say.guarantee} | | {say.status} | {say.points} |"
    yield "|---|---|---|---|"
    for result in results:
        status = say.statuses[result.status] + ("" if result.required else f" ({say.recommended})")
        earned = "–" if result.status in (Status.UNOBSERVABLE, Status.ERROR) else f"{result.earned:g}"
        cells = (result.id, result.title.in_(lang), status, f"{earned}/{result.points:g}")
        yield f"| {' | '.join(map(_escape, cells))} |"


def _finding(result: Result, lang: str) -> Iterator[str]:
    yield f"## {_escape(f'{result.id} {result.title.in_(lang)}')}"
    yield ""
    for line in diagnosis(result, lang).splitlines():
        yield f"{_escape(line)}  "
    yield ""


def _escape(text: str) -> str:
    """``text`` on one line, in which nothing is Markdown or HTML."""
    line = " ".join(printable(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _NUMBERED.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", line))
