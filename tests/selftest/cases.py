"""Breaches and sound variants: what each is, and what the kit must say of it.

A folder of ``fixtures/breaches`` or ``fixtures/variants`` holds ``expect.toml`` and one or more forms of one thing:
``facts.json`` patches recorded facts, ``embedded.toml`` alters a running embedded stack, ``deployment.toml`` (with
``files/``) is a repository to deploy.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from conformance.catalogue import LANGS, Catalogue
from conformance.kit import Kit
from conformance.profile import Profile, load_profile
from conformance.verdict.judge import Judgment
from conformance.verdict.words import Status

Level = Literal["facts", "embedded", "compose"]
Kind = Literal["breach", "variant"]
KINDS: tuple[Kind, ...] = get_args(Kind)

FIXTURES = Path(__file__).parents[2] / "fixtures"
FORMS: dict[Level, str] = {"facts": "facts.json", "embedded": "embedded.toml", "compose": "deployment.toml"}
KEYS = {
    "breach": {"fails", "blocked", "says", "profile", "baseline"},
    "variant": {"covers", "leaves_undone", "profile", "baseline"},
}


class Told(NamedTuple):
    """What the kit says of one guarantee; ``expected`` and ``remedy`` by language."""

    status: Status
    observed: str
    expected: Mapping[str, str]
    remedy: Mapping[str, str]

    @classmethod
    def of_judgment(cls, judgment: Judgment) -> Told:
        expected, remedy = ({lang: text.in_(lang) for lang in LANGS} for text in (judgment.expected, judgment.remedy))
        return cls(judgment.status, judgment.observed, expected, remedy)

    @classmethod
    def of_verdict(cls, one: Mapping[str, Any]) -> Told:
        """From a member of ``guarantees`` in ``verdict.json``."""
        return cls(Status(one["status"]), one["observed"], one["expected"], one["remedy"])

    @property
    def diagnosis(self) -> str:
        """All that a person reads of it, in both languages."""
        return "\n".join([self.observed, *self.expected.values(), *self.remedy.values()])


@dataclass(frozen=True)
class Case:
    """One folder."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def kind(self) -> Kind:
        return "breach" if self.folder.parent.name == "breaches" else "variant"

    @cached_property
    def expect(self) -> dict[str, Any]:
        expect = tomllib.loads((self.folder / "expect.toml").read_text(encoding="utf-8"))
        unknown = expect.keys() - KEYS[self.kind]
        if unknown:
            raise ValueError(f"{self.folder.name}/expect.toml: unknown keys: {', '.join(sorted(unknown))}")
        return expect

    @property
    def baseline(self) -> str:
        """The folder of ``fixtures/evidence`` whose facts are patched."""
        return str(self.expect.get("baseline", "reference"))

    @cached_property
    def patch(self) -> dict[str, Any]:
        patch: dict[str, Any] = json.loads((self.folder / FORMS["facts"]).read_text(encoding="utf-8"))
        return patch

    @property
    def fails(self) -> frozenset[str]:
        return frozenset(self.expect.get("fails", ()))

    @property
    def covers(self) -> tuple[str, ...]:
        return tuple(self.expect.get("covers", ()))

    def has(self, level: Level) -> bool:
        return (self.folder / FORMS[level]).is_file()

    @property
    def levels(self) -> tuple[Level, ...]:
        return tuple(level for level in FORMS if self.has(level))

    def profile(self, kit: Kit) -> Profile:
        return load_profile(str(self.expect.get("profile", "reference")), kit.catalogue, kit.profiles)

    def may_be_blocked(self, catalogue: Catalogue) -> AbstractSet[str]:
        """What ``expect.toml`` names; without a word of it, all that rests on what fails."""
        if "blocked" in self.expect:
            return frozenset(self.expect["blocked"])
        return {id_ for id_ in catalogue if self.fails & set(catalogue.closure([id_]))} - self.fails

    def faults(self, kit: Kit, told: Mapping[str, Told], before: Mapping[str, Status]) -> Iterator[str]:
        """In what the kit does not say what it should.

        ``before``: what it says of the same deployment without this case; only what is worse since then counts.
        """
        for id_, now in sorted(told.items()):
            if now.status is Status.ERROR and before.get(id_) is not Status.ERROR:
                yield f"{id_}: error: {now.observed}"
        bad = {id_ for id_, now in told.items() if now.status is Status.FAIL and before.get(id_) is not Status.FAIL}
        stuck = {id_ for id_, now in told.items() if now.status is Status.BLOCKED and before.get(id_) not in _DOWN}
        yield from (
            self._breach(kit, told, bad, stuck) if self.kind == "breach" else self._variant(kit, told, bad | stuck)
        )

    def _breach(self, kit: Kit, told: Mapping[str, Told], bad: set[str], stuck: set[str]) -> Iterator[str]:
        if not self.fails:
            yield "expect.toml: a breach must fail something"
        for id_ in sorted(bad - self.fails):
            yield f"{id_} fails and should not: {told[id_].observed}"
        for id_ in sorted(self.fails - bad):
            yield f"{id_} should fail: {f'{told[id_].status}: {told[id_].observed}' if id_ in told else 'not judged'}"
        may = self.may_be_blocked(kit.catalogue)
        for id_ in sorted(stuck - may):
            yield f"{id_} is blocked and is not in `blocked`"
        for id_ in sorted(may - self.profile(kit).ids) if "blocked" in self.expect else ():
            yield f"expect.toml: blocked: {id_} is no guarantee of the profile"
        diagnosis = "\n".join(told[id_].diagnosis for id_ in sorted(bad & self.fails)).casefold()
        for words in self.expect.get("says", ()):
            if words.casefold() not in diagnosis:
                yield f"the diagnosis does not say {words!r}: {diagnosis}"

    def _variant(self, kit: Kit, told: Mapping[str, Told], down: set[str]) -> Iterator[str]:
        """A variant may leave undone, if it says so, what the profile only recommends."""
        undone = set(self.expect.get("leaves_undone", ()))
        for id_ in sorted(undone & self.profile(kit).required.keys()):
            yield f"expect.toml: leaves_undone: {id_} is required"
        for id_ in sorted(undone - down):
            yield f"expect.toml: leaves_undone: {id_} does not fail"
        for id_ in sorted(down - undone):
            yield f"{id_} is {told[id_].status}: {told[id_].observed}"
        if not self.covers:
            yield "expect.toml: a variant must cover something"
        for id_ in self.covers:
            if id_ not in told or told[id_].status is not Status.PASS:
                yield f"{id_} does not pass: {told[id_].observed if id_ in told else 'not judged'}"


_DOWN = (Status.FAIL, Status.BLOCKED)


def cases(kind: Kind, level: Level | None = None) -> list[Case]:
    """In the order of their names; of one level, those that have its form."""
    folder = FIXTURES / {"breach": "breaches", "variant": "variants"}[kind]
    found = [Case(file.parent) for file in sorted(folder.glob("*/expect.toml"))]
    return [case for case in found if level is None or case.has(level)]
