"""The level of recorded facts: a case is a patch over what was observed of a sound deployment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cases import FIXTURES, Case, Told
from proof import Proof

from conformance.kit import Kit
from conformance.observe.facts import Observation, ObservationStatus
from conformance.profile import Profile, load_profile
from conformance.stacks.base import Capability, Role
from conformance.verdict.judge import Judgment, absent
from conformance.verdict.words import Status


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, where ``{"$null": true}`` stands for a null that is kept."""
    if not isinstance(patch, dict):
        return patch
    if patch == {"$null": True}:
        return None
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


@dataclass(frozen=True)
class Baseline:
    """Facts of a sound deployment, recorded from a real run."""

    kit: Kit
    observations: Mapping[str, Observation]
    capabilities: frozenset[Capability]
    roles: frozenset[Role]
    _before: dict[str, dict[str, Status]] = field(default_factory=dict)

    @classmethod
    def load(cls, kit: Kit, evidence: Path, elsewhere: Path | None = None) -> Baseline:
        """From recorded evidence; of subjects that it does not hold, from that of another deployment."""
        observations = {
            file.stem: Observation.model_validate_json(file.read_text(encoding="utf-8"))
            for folder in (elsewhere, evidence)
            if folder
            for file in sorted((folder / "facts").glob("*.json"))
        }
        stack = json.loads((evidence / "stack.json").read_text(encoding="utf-8"))
        return cls(
            kit, observations, frozenset(map(Capability, stack["capabilities"])), frozenset(map(Role, stack["roles"]))
        )

    def judge(self, patch: Mapping[str, Any], profile: Profile) -> dict[str, Judgment]:
        """Every guarantee of ``profile`` on the patched facts. A patched subject is an observed one."""
        observations = dict(self.observations)
        for subject, change in patch.items():
            before = observations.get(subject)
            observations[subject] = Observation(
                subject=subject,
                status=ObservationStatus.OBSERVED,
                facts=merge_patch(before.facts if before else None, change),
            )
        judge = self.kit.judge(
            lambda subject: observations.get(subject) or absent(subject),
            profile.parameters,
            capabilities=self.capabilities,
            roles=self.roles,
            own_pipeline=True,
        )
        return judge.judge_all(profile.ids)

    def before(self, profile: str) -> Mapping[str, Status]:
        """What is said of the deployment as it was recorded, under a profile by its name."""
        if profile not in self._before:
            judged = self.judge({}, load_profile(profile, self.kit.catalogue, self.kit.profiles))
            self._before[profile] = {id_: one.status for id_, one in judged.items()}
        return self._before[profile]

    def proof(self, case: Case) -> Proof:
        """What the kit says of a case, and in what that is not what it should say.

        The row is of what the patch touches: that the rest is as it was recorded shows nothing.
        """
        before = self.before(case.profile(self.kit).name)
        judged = self.judge(case.patch, case.profile(self.kit))
        told = {id_: Told.of_judgment(one) for id_, one in judged.items()}
        touched = {id_ for id_, one in judged.items() if case.patch.keys() & one.subjects or one.status != before[id_]}
        proof = Proof.of("facts", case, self.kit, told, before)
        return proof.model_copy(update={"statuses": {id_: proof.statuses[id_] for id_ in sorted(touched)}})


@cache
def baseline(name: str) -> Baseline:
    """``reference``: the embedded stack; ``compose``: the Compose stack, with the other's facts where it has none."""
    evidence = FIXTURES / "evidence"
    return Baseline.load(Kit(), evidence / name, evidence / "reference")
