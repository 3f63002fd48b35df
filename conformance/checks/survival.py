"""What the kit put there before containers were thrown away, and looked for after."""

from __future__ import annotations

from conformance.observe.disruption_facts import Survival
from conformance.verdict.words import cannot_tell, holds


def survived(survival: Survival | None) -> None:
    """The same thing is still there; where it could not even be put, nothing is known."""
    if survival is None or not survival.put.ok:
        cannot_tell(survival.put.detail if survival else "no container was thrown away")
    holds(survival.found, observed=survival.detail or "it is not there any more")
