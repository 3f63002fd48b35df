"""Where facts are changed from: what was recorded, and the breaches and variants of each guarantee over it."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from cases import Case, cases
from fact_fields import EXTREMES, NEAR, Change, Field, become, changed, fields_of, values
from recorded import baseline, merge_patch

from conformance.observe.facts import Facts, ObservationStatus
from conformance.profile import Profile, load_profile
from conformance.verdict.checks import PARAMETERS, Check
from conformance.verdict.judge import diagnosis
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Broken, CannotTell, Status

BASELINES = ("reference", "compose")
PROFILES = ("reference", "clase-4h")
KIT = baseline("reference").kit
KINDS = 40  # of what a field says somewhere in the recorded facts
LONGEST = 30  # word that a check may know

Recorded = Mapping[str, Facts]


@dataclass(frozen=True)
class Start:
    """All that one check asks for."""

    name: str
    check: Check
    facts: Mapping[str, Facts | None]
    parameters: Parameters

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.name)

    def status(self) -> Status:
        """What the check alone says, whatever becomes of the guarantees that its own requires.

        Raises:
            Exception: it stumbles over the facts, or its diagnosis over its texts.
        """
        arguments = {**self.facts, PARAMETERS: self.parameters}
        try:
            self.check.function(**{name: arguments[name] for name in self.check.arguments})
        except Broken as broken:
            diagnosis(KIT.catalogue[self.check.guarantee], broken)
            return Status.FAIL
        except CannotTell:
            return Status.UNOBSERVABLE
        except RuntimeError:
            return Status.ERROR  # the observer's own fault, which the facts tell (kit_fault)
        return Status.PASS

    def changed(self, field: Field, change: Change, only: int | None = None) -> Start:
        facts = self.facts[field.subject]
        if facts is None:
            return self
        return replace(self, facts={**self.facts, field.subject: changed(facts, field, change, only)})


@cache
def fields(subject: str) -> tuple[Field, ...]:
    return tuple(fields_of(subject, KIT.observers[subject].facts))


@cache
def profile(name: str) -> Profile:
    return load_profile(name, KIT.catalogue, KIT.profiles)


@cache
def recorded(name: str, case: Case | None = None) -> Recorded:
    """The facts of a baseline by subject, with a case's patch over them."""
    observations = baseline(name).observations
    if case is None:
        return {
            subject: KIT.observers[subject].facts.model_validate(one.facts)
            for subject, one in observations.items()
            if one.status is ObservationStatus.OBSERVED
        }
    patched = {
        subject: KIT.observers[subject].facts.model_validate(
            merge_patch(observations[subject].facts if subject in observations else None, change)
        )
        for subject, change in case.patch.items()
    }
    return {**recorded(name), **patched}


@cache
def starts(id_: str) -> tuple[Start, ...]:
    """The baselines under each profile that counts the guarantee, and its own breaches and variants; where the check
    can do without a subject also without it.
    """
    return tuple(_starts(id_))


def _starts(id_: str) -> Iterator[Start]:
    check, needs = KIT.checks[id_], KIT.catalogue[id_].needs
    for name, base, profile_name, facts in _places(id_):
        parameters = profile(profile_name).parameters
        wanted = {subject: facts.get(subject) for subject in check.subjects}
        lacking = {subject for subject, found in wanted.items() if found is None}
        if needs.met_by(baseline(base).capabilities) and lacking <= check.optional:
            yield Start(name, check, wanted, parameters)
            if check.optional - lacking:
                yield Start(f"{name}, less seen", check, {**wanted, **dict.fromkeys(check.optional)}, parameters)


def _places(id_: str) -> Iterator[tuple[str, str, str, Recorded]]:
    for profile_name in PROFILES:
        if id_ in profile(profile_name).ids:
            for name in BASELINES:
                yield f"{name} under {profile_name}", name, profile_name, recorded(name)
    for case in (*cases("breach", "facts"), *cases("variant", "facts")):
        if id_ in case.fails or id_ in case.covers:
            yield case.name, case.baseline, str(case.expect.get("profile", "reference")), recorded(case.baseline, case)


@cache
def changes(id_: str, field: Field) -> tuple[tuple[Change, ...], ...]:
    """What else a field could say: something near, an extreme, what it says elsewhere in the recorded facts, and the
    words that the check knows.
    """
    known = _known(id_)
    words = (*known, *((one,) for one in known), dict.fromkeys(map(str, known), "other"))
    near = tuple(change for change in NEAR if change.kind in field.kinds)
    groups = (
        near,
        *(tuple(become(one) for one in new if field.accepts(one)) for new in (EXTREMES, _said(field), words)),
    )
    return tuple(filter(None, groups))


@cache
def _said(field: Field) -> tuple[Any, ...]:
    """The first of each kind."""
    found: dict[str, Any] = {}
    for facts in _every_recorded(field.subject):
        for value in values(facts, field.names):
            found.setdefault(repr(value), value)
        if len(found) > KINDS:
            break
    return tuple(found.values())[:KINDS]


@cache
def _every_recorded(subject: str) -> tuple[Facts, ...]:
    found = [
        recorded(case.baseline, case)[subject]
        for case in (*cases("breach", "facts"), *cases("variant", "facts"))
        if subject in case.patch
    ]
    return (*(facts[subject] for facts in map(recorded, BASELINES) if subject in facts), *found)


@cache
def _known(id_: str) -> tuple[Any, ...]:
    """The words and numbers in the code of a check and of what it calls among the checks."""
    functions, waiting, found = set(), [KIT.checks[id_].function], {}
    while waiting:
        function = waiting.pop()
        functions.add(function)
        for constant in _constants(function.__code__, function.__globals__):
            match constant:
                case types.FunctionType() if constant.__module__.startswith("conformance.checks"):
                    waiting += {constant} - functions
                case str() if 0 < len(constant) <= LONGEST and " " not in constant:
                    found[constant] = None
                case int() if type(constant) is int:
                    found[constant] = None
    return tuple(found)


def _constants(code: types.CodeType, names: Mapping[str, Any]) -> Iterator[Any]:
    for constant in (*code.co_consts, *(names[name] for name in code.co_names if name in names)):
        match constant:
            case types.CodeType():
                yield from _constants(constant, names)
            case tuple() | frozenset():
                yield from sorted(constant, key=repr)  # in the same order on every run
            case _:
                yield constant
