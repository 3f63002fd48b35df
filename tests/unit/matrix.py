"""Breaches and variants: patches over recorded facts, and what the kit must say of them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from conformance.catalogue import LANGS
from conformance.kit import Kit
from conformance.observe.facts import Observation, ObservationStatus
from conformance.profile import Profile, load_profile
from conformance.stacks.base import Capability, Role
from conformance.verdict.judge import Judge, Judgment, absent
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
class Case:
    """One folder of ``fixtures/breaches`` or ``fixtures/variants``."""

    folder: Path

    @cached_property
    def expect(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "expect.toml").read_text(encoding="utf-8"))

    @property
    def baseline(self) -> str:
        """The folder of ``fixtures/evidence`` whose facts are patched."""
        return str(self.expect.get("baseline", "reference"))

    @cached_property
    def patch(self) -> dict[str, Any]:
        patch: dict[str, Any] = json.loads((self.folder / "facts.json").read_text(encoding="utf-8"))
        return patch


def cases(folder: Path) -> list[Case]:
    return [Case(file.parent) for file in sorted(folder.glob("*/expect.toml"))]


@dataclass(frozen=True)
class Baseline:
    """Facts of a sound deployment, recorded from a real run."""

    kit: Kit
    observations: Mapping[str, Observation]
    capabilities: frozenset[Capability]
    roles: frozenset[Role]

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
        judge = Judge(
            self.kit.catalogue,
            self.kit.checks,
            self.kit.observers,
            observation=lambda subject: observations.get(subject) or absent(subject),
            capabilities=self.capabilities,
            roles=self.roles,
            parameters=profile.parameters,
            own_pipeline=True,
        )
        return judge.judge_all(profile.ids)

    def profile(self, name: str) -> Profile:
        return load_profile(name, self.kit.catalogue, self.kit.profiles)

    def breach_faults(self, case: Case) -> Iterator[str]:
        """In what the kit does not say of a breach what it should."""
        profile = self.profile(case.expect.get("profile", "reference"))
        sound, broken = self.judge({}, profile), self.judge(case.patch, profile)
        yield from _errors(sound, broken)
        fails, blocked = set(case.expect["fails"]), set(case.expect.get("blocked", ()))
        if not fails:
            yield "expect.toml: a breach must fail something"
        found = _with(broken, Status.FAIL)
        for id_ in sorted(found - fails):
            yield f"{id_} fails and should not: {broken[id_].observed}"
        for id_ in sorted(fails - found):
            judgment = broken.get(id_)
            yield f"{id_} should fail: {f'{judgment.status}: {judgment.observed}' if judgment else 'not judged'}"
        for id_ in sorted(_with(broken, Status.BLOCKED) - blocked):
            yield f"{id_} is blocked and is not in `blocked`"
        for id_ in sorted(blocked - broken.keys()):
            yield f"expect.toml: blocked: {id_} is no guarantee of the profile"
        diagnosis = "\n".join(_diagnosis(broken[id_]) for id_ in sorted(found & fails)).casefold()
        for words in case.expect.get("says", ()):
            if words.casefold() not in diagnosis:
                yield f"the diagnosis does not say {words!r}: {diagnosis}"

    def variant_faults(self, case: Case) -> Iterator[str]:
        """What the kit holds against a sound variant."""
        profile = self.profile(case.expect.get("profile", "reference"))
        sound, other = self.judge({}, profile), self.judge(case.patch, profile)
        yield from _errors(sound, other)
        for id_ in sorted(_with(other, Status.FAIL) | _with(other, Status.BLOCKED)):
            yield f"{id_} is {other[id_].status}: {other[id_].observed}"
        if not case.expect["covers"]:
            yield "expect.toml: a variant must cover something"
        for id_ in case.expect["covers"]:
            if id_ not in other or other[id_].status is not Status.PASS:
                yield f"{id_} does not pass: {other[id_].observed if id_ in other else 'not in the profile'}"


def _with(judgments: Mapping[str, Judgment], status: Status) -> set[str]:
    return {id_ for id_, judgment in judgments.items() if judgment.status is status}


def _errors(sound: Mapping[str, Judgment], patched: Mapping[str, Judgment]) -> Iterator[str]:
    """Errors that the patch brought: facts that do not fit their model, or a check that stumbles over them."""
    for id_ in sorted(_with(patched, Status.ERROR) - _with(sound, Status.ERROR)):
        yield f"{id_}: error: {patched[id_].observed}"


def _diagnosis(judgment: Judgment) -> str:
    texts = [getattr(text, lang) for text in (judgment.expected, judgment.remedy) for lang in LANGS]
    return "\n".join([judgment.observed, *texts])
