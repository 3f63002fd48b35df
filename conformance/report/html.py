"""The report that people open: one self-contained page, in Spanish and English, from the verdict alone."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from conformance.report.words import SAY
from conformance.text import printable
from conformance.verdict.model import Verdict
from conformance.verdict.words import Status

FAMILIES: dict[str, dict[str, str]] = {
    "SRC": {"es": "El repositorio refleja los planos", "en": "The repository reflects the planes"},
    "CMP": {"es": "Compose hoy, Kubernetes mañana", "en": "Compose today, Kubernetes tomorrow"},
    "PLN": {"es": "Separación de planos", "en": "Separation of planes"},
    "PGS": {"es": "PostgreSQL como catálogo", "en": "PostgreSQL as catalogue"},
    "MED": {"es": "Capas medallón y modelo dimensional", "en": "Medallion layers and dimensional model"},
    "OBJ": {"es": "Almacenamiento de objetos", "en": "The object store"},
    "PRM": {"es": "Métricas: Prometheus", "en": "Metrics: Prometheus"},
    "GRF": {"es": "Tableros como código: Grafana", "en": "Dashboards as code: Grafana"},
    "PRF": {"es": "Orquestación: Prefect", "en": "Orchestration: Prefect"},
    "DSK": {"es": "Cómputo: Dask", "en": "Compute: Dask"},
    "E2E": {"es": "PQRS generadas, de punta a punta", "en": "Generated PQRS, end to end"},
}

_MARKS = {Status.FAIL: "✗", Status.BLOCKED: "⊘", Status.ERROR: "!", Status.PASS: "✓", Status.UNOBSERVABLE: "–"}
STATUSES: dict[str, dict[str, str]] = {
    status.value: {"mark": mark, **{lang: say.statuses[status] for lang, say in SAY.items()}}
    for status, mark in _MARKS.items()
}
"""In the order of how much they ask of the reader."""

_CODE = re.compile(r"`([^`\n]+)`")


def _code(text: str) -> Markup:
    """Escaped text with what stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(printable(text)))))


def _shown(value: object) -> object:
    """What the template prints, without control characters; markup is of our own making."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_environment = Environment(
    loader=PackageLoader("conformance.report", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["code"] = _code


def render(verdict: Verdict, lang: str = "es") -> str:
    """The page; ``lang`` ("es" or "en") is the language that it opens in, the other is one click away.

    Everything that came from the checked deployment is escaped; the page loads nothing from anywhere.
    """
    data: dict[str, Any] = verdict.model_dump(mode="json")
    guarantees = data["guarantees"]
    return _environment.get_template("report.html.j2").render(
        verdict=data,
        lang=lang,
        families=[(name, list(rows)) for name, rows in groupby(guarantees, key=lambda row: row["family"])],
        titles=FAMILIES,
        statuses=STATUSES,
        asking=[row for status in ("fail", "blocked", "error") for row in guarantees if row["status"] == status],
    )
