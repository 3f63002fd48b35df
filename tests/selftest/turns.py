"""Which deployed cases a run takes: all of them take too long for every submission."""

from __future__ import annotations

from cases import Kind, cases

TURN = "PQRS_TURN"
"""In the environment, a number that grows with each submission: deployed cases take turns. Without it, all are run."""
ROUNDS: dict[Kind, int] = {"breach": 5, "variant": 20}
"""In how many submissions every deployed case has had its turn."""


def waiting(turn: int, kind: Kind) -> set[str]:
    """The deployed cases whose turn it is not."""
    names = [case.name for case in cases(kind, "compose")]
    return set(names) - set(names[turn % ROUNDS[kind] :: ROUNDS[kind]])
