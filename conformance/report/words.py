"""What the text reports say around the verdict, in both languages."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.verdict.model import Result, Verdict
from conformance.verdict.words import Status


@dataclass(frozen=True)
class Words:
    """One language."""

    statuses: dict[Status, str]
    observed: str
    expected: str
    remedy: str
    blocked_by: str
    recommended: str
    profile: str
    stack: str
    stand_in: str
    score: str
    no_score: dict[str, str]
    coverage: str
    too_few: str
    more: str
    report: str
    guarantee: str
    status: str
    points: str


SAY = {
    "es": Words(
        statuses={
            Status.PASS: "se cumple",
            Status.FAIL: "no se cumple",
            Status.BLOCKED: "bloqueada",
            Status.UNOBSERVABLE: "no observable aquí",
            Status.ERROR: "error del kit",
        },
        observed="Se observó",
        expected="Se esperaba",
        remedy="Qué hacer",
        blocked_by="Bloqueada por",
        recommended="recomendada",
        profile="perfil",
        stack="stack",
        stand_in="Sustituto u omisión",
        score="Nota",
        no_score={
            "full": "Sin nota: no se pudo observar nada",
            "static": "Sin nota: revisión estática",
            "incomplete": "Sin nota: veredicto incompleto (corrida interrumpida o limitada a una parte)",
        },
        coverage="observadas {observed} de {total} garantías",
        too_few="el perfil exige observar {required}",
        more="y {count} más en el informe",
        report="Informe",
        guarantee="Garantía",
        status="Estado",
        points="Puntos",
    ),
    "en": Words(
        statuses={
            Status.PASS: "holds",
            Status.FAIL: "fails",
            Status.BLOCKED: "blocked",
            Status.UNOBSERVABLE: "not observable here",
            Status.ERROR: "error of the kit",
        },
        observed="Observed",
        expected="Expected",
        remedy="What to do",
        blocked_by="Blocked by",
        recommended="recommended",
        profile="profile",
        stack="stack",
        stand_in="Stand-in or omission",
        score="Score",
        no_score={
            "full": "No score: nothing could be observed",
            "static": "No score: static review",
            "incomplete": "No score: incomplete verdict (the run was interrupted or limited to a part)",
        },
        coverage="{observed} of {total} guarantees observed",
        too_few="the profile demands {required}",
        more="and {count} more in the report",
        report="Report",
        guarantee="Guarantee",
        status="Status",
        points="Points",
    ),
}


def score_line(verdict: Verdict, lang: str) -> str:
    say, seen = SAY[lang], verdict.coverage
    coverage = say.coverage.format(observed=seen.observed, total=seen.total)
    if seen.observed < seen.required:
        coverage += f"; {say.too_few.format(required=seen.required)}"
    if verdict.score is None:
        return f"{say.no_score[verdict.scope]} ({coverage})"
    score = verdict.score
    return f"{say.score}: {score.percent:.1f} % ({score.earned:g}/{score.possible:g}; {coverage})"


def count_line(verdict: Verdict, lang: str) -> str:
    counts = verdict.counts.model_dump()
    return ", ".join(f"{counts[status]} {SAY[lang].statuses[status]}" for status in Status if counts[status])


def diagnosis(result: Result, lang: str) -> str:
    """What is to be said of a guarantee that does not pass, a line for each part."""
    say = SAY[lang]
    parts = {
        say.blocked_by: " ".join(result.blocked_by),
        say.observed: result.observed,
        say.expected: result.expected.in_(lang),
        say.remedy: result.remedy.in_(lang),
    }
    return "\n".join(f"{name}: {text}" for name, text in parts.items() if text)
