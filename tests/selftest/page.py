"""The published matrix: ``python tests/selftest/page.py > docs/matrix.md``.

The level of recorded facts is judged anew; what deployed cases showed is read from ``measured.json``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent)]  # what tests share

import measured  # noqa: E402
from cases import FORMS, KINDS, Case, cases  # noqa: E402
from matrix import Row, percent, rows, total  # noqa: E402
from proof import Proof  # noqa: E402
from recorded import baseline  # noqa: E402

from conformance.catalogue import Catalogue  # noqa: E402
from conformance.kit import Kit  # noqa: E402
from conformance.verdict.words import Status  # noqa: E402

HEAD = """# What the kit catches, and what it spares

Generated from `fixtures/breaches`, `fixtures/variants` and `tests/selftest/measured.json`:
`python tests/selftest/page.py > docs/matrix.md`

A *breach* is a deployment that is broken on purpose; a *variant* is one that differs from the reference and is right.
Each is shown to the kit at one or more levels:

- **facts**: a patch over facts that were recorded from a real run, judged in milliseconds;
- **embedded**: a running stack of local processes, altered and restored in place;
- **Compose**: a repository that is deployed with Docker Compose, with the offline images, and taken down.

*Sensitivity* is the share of breaches that a guarantee caught. *Specificity* is the share of sound deployments that it
spared: variants, and breaches of something else, in which it was judged on facts that the case touches or that were
observed anew. `blocked` counts as neither: it says that a guarantee could not be judged because another one does not
hold.

`tox -e selftest` makes these rows anew and prints them.
"""


def render(catalogue: Catalogue, proofs: Sequence[Proof]) -> str:
    """Markdown: the matrix, and what each breach is told, by guarantee."""
    known = {case.name: case for kind in KINDS for case in cases(kind)}
    table = list(rows(catalogue, proofs, known))
    parts = [HEAD, *_numbers(table, known), *_waiting(known, proofs), "", *_matrix(table), ""]
    for id_ in catalogue:
        parts += _guarantee(id_, catalogue, known, proofs)
    return "\n".join(parts)


def _numbers(table: Sequence[Row], known: Mapping[str, Case]) -> Iterator[str]:
    sums = total(table)
    yield "| | facts | embedded | Compose |"
    yield "|---|---:|---:|---:|"
    for kind, title in (("breach", "breaches"), ("variant", "variants")):
        having = [sum(case.has(level) for case in known.values() if case.kind == kind) for level in FORMS]
        yield f"| {title} | {' | '.join(map(str, having))} |"
    yield ""
    yield (
        f"{len(table)} guarantees. Shown a breach of theirs {sum(sums.breaches.values())} times, they caught it "
        f"{sums.caught} times ({percent(sums.sensitivity)}); shown something sound {sums.sound} times, they spared it "
        f"{sums.spared} times ({percent(sums.specificity)})."
    )


def _waiting(known: Mapping[str, Case], proofs: Sequence[Proof]) -> Iterator[str]:
    """The deployed cases whose row is still to be measured."""
    shown = {(proof.level, proof.case) for proof in proofs}
    waiting = [name for name, case in known.items() for level in case.levels if (level, name) not in shown]
    if waiting:
        yield f"\nNot yet in these numbers, {len(waiting)} that were not measured on their own: {', '.join(waiting)}."


def _matrix(table: Sequence[Row]) -> Iterator[str]:
    yield "| guarantee | breaches: facts | embedded | Compose | caught | variants | sound | spared | sens. | spec. |"
    yield f"|---|{'---:|' * 9}"
    for row in table:
        counts = [*row.breaches.values(), row.caught, row.variants, row.sound, row.spared]
        shares = (percent(row.sensitivity), percent(row.specificity))
        yield f"| [{row.id}](#{row.id.lower()}) | {' | '.join(map(str, counts))} | {' | '.join(shares)} |"


def _guarantee(id_: str, catalogue: Catalogue, known: Mapping[str, Case], proofs: Sequence[Proof]) -> Iterator[str]:
    yield f"## {id_}\n\n{catalogue[id_].es.title} · *{catalogue[id_].en.title}*\n"
    remedies: list[str] = []
    yield "| breach | level | it is told: observed | what to do |"
    yield "|---|---|---|---|"
    for proof in proofs:
        message = proof.messages.get(id_)
        if message and id_ in known[proof.case].fails:
            remedy = message.remedy.replace(message.observed, "…")
            if remedy not in remedies:
                remedies.append(remedy)
            yield f"| {proof.case} | {proof.level} | {_cell(message.observed)} | {remedies.index(remedy) + 1} |"
    yield ""
    for number, remedy in enumerate(remedies, 1):
        yield f"{number}. {_cell(remedy)}"
    covering = [
        f"{proof.case} ({proof.level})"
        for proof in proofs
        if id_ in known[proof.case].covers and proof.statuses.get(id_) is Status.PASS
    ]
    yield f"\nSpares: {', '.join(covering) or '–'}.\n"


def _cell(text: str) -> str:
    """One line that Markdown shows as it stands."""
    line = " ".join(text.split())
    for mark in "\\`*_<>[]|#":
        line = line.replace(mark, f"\\{mark}")
    return line


def all_proofs() -> list[Proof]:
    """The level of facts as it is now, and what was measured."""
    told = [baseline(case.baseline).proof(case) for kind in KINDS for case in cases(kind, "facts")]
    return sorted([*told, *measured.load()], key=lambda proof: (proof.case, tuple(FORMS).index(proof.level)))


def main() -> None:
    sys.stdout.write(render(Kit().catalogue, all_proofs()))


if __name__ == "__main__":
    main()
