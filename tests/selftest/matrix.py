"""The matrix: what each guarantee caught and spared, of all that it was shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cases import FORMS, Case, Level
from proof import Proof

from conformance.verdict.words import Status

JUDGED = (Status.PASS, Status.FAIL)


class Row(NamedTuple):
    """Of one guarantee. What is *sound* for it: variants and breaches of something else, where it was judged."""

    id: str
    breaches: dict[Level, int]
    caught: int
    variants: int
    """Variants that it was judged on; those that ``cover`` it are among them."""
    sound: int
    spared: int

    @property
    def shown(self) -> int:
        return sum(self.breaches.values()) + self.sound

    @property
    def sensitivity(self) -> float | None:
        """Breaches caught, of those shown."""
        shown = sum(self.breaches.values())
        return self.caught / shown if shown else None

    @property
    def specificity(self) -> float | None:
        """Sound deployments spared, of those shown."""
        return self.spared / self.sound if self.sound else None


def rows(ids: Iterable[str], proofs: Sequence[Proof], cases: dict[str, Case]) -> Iterator[Row]:
    """One per guarantee. ``cases``: by name, all that ``proofs`` are of."""
    for id_ in ids:
        breaches: dict[Level, int] = dict.fromkeys(FORMS, 0)
        caught = variants = sound = spared = 0
        for proof in proofs:
            status = proof.statuses.get(id_)
            if id_ in cases[proof.case].fails:
                breaches[proof.level] += 1
                caught += status is Status.FAIL
            elif status in JUDGED and id_ not in proof.before:
                sound += 1
                spared += status is Status.PASS
                variants += proof.kind == "variant"
        yield Row(id_, breaches, caught, variants, sound, spared)


def percent(share: float | None) -> str:
    """Never rounded up to all or down to nothing."""
    if share is None or share in (0, 1):
        return "–" if share is None else f"{share:.0%}"
    return ">0%" if share < 0.0005 else "<100%" if share > 0.9995 else f"{share:.1%}"


def lines(table: Sequence[Row]) -> Iterator[str]:
    """The matrix as plain text; of guarantees that nothing was shown to, no line."""
    head = ("guarantee", *FORMS, "caught", "variants", "sound", "spared", "sens.", "spec.")
    yield "{:<10}{:>8}{:>10}{:>9}{:>8}{:>10}{:>8}{:>8}{:>8}{:>8}".format(*head)
    for row in (*(row for row in table if row.shown), total(table)):
        yield (
            f"{row.id:<10}{row.breaches['facts']:>8}{row.breaches['embedded']:>10}{row.breaches['compose']:>9}"
            f"{row.caught:>8}{row.variants:>10}{row.sound:>8}{row.spared:>8}"
            f"{percent(row.sensitivity):>8}{percent(row.specificity):>8}"
        )


def total(table: Sequence[Row]) -> Row:
    """The sums: breaches count once for each guarantee that they break."""
    breaches: dict[Level, int] = {level: sum(row.breaches[level] for row in table) for level in FORMS}
    return Row(
        "all",
        breaches,
        sum(row.caught for row in table),
        sum(row.variants for row in table),
        sum(row.sound for row in table),
        sum(row.spared for row in table),
    )
