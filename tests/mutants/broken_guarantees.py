"""What the kit says of facts: the guarantees of the reference profile that do not hold, and in which words."""

from __future__ import annotations

from collections.abc import Mapping

from recorded import Baseline

from conformance.kit import Kit
from conformance.observe.facts import Facts, Observation, ObservationStatus
from conformance.profile import load_profile
from conformance.stacks.base import Capability, Role
from conformance.verdict.words import Status

KIT = Kit()
PROFILE = load_profile("reference", KIT.catalogue, KIT.profiles)


def broken(facts: Mapping[str, Facts]) -> dict[str, str]:
    """By guarantee what was observed, of those that rest on the subjects of ``facts`` alone.

    Raises:
        AssertionError: a check cannot cope with the facts.
    """
    observations = {
        subject: Observation(subject=subject, status=ObservationStatus.OBSERVED, facts=seen.model_dump(mode="json"))
        for subject, seen in facts.items()
    }
    stack = Baseline(KIT, observations, capabilities=frozenset(Capability), roles=frozenset(Role))
    judged = {
        id_: one for id_, one in stack.judge({}, PROFILE).items() if one.subjects and facts.keys() >= {*one.subjects}
    }
    errors = [f"{id_}: {one.observed}" for id_, one in judged.items() if one.status is Status.ERROR]
    assert not errors, "; ".join(errors)
    return {id_: one.observed for id_, one in judged.items() if one.status is Status.FAIL}
