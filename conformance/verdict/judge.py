"""The judge: from facts to the status of every guarantee. Pure: no clock, no network, no files, no pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from conformance.catalogue import LANGS, Catalogue, Guarantee
from conformance.observe.facts import Facts, Observation, ObservationStatus, Observer
from conformance.stacks.base import Capability, Role
from conformance.text import clean, describe, fill
from conformance.verdict.checks import PARAMETERS, Check
from conformance.verdict.model import Localised
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Broken, CannotTell, Status

DEPLOYED = "CMP-01"
"""The guarantee that every role is deployed: what is about a role that is not is blocked by it."""
NOTHING = Localised(es="", en="")
NO_JUDGMENT = "this version of the kit has no judgment for it"
NO_PIPELINE = "the checked repository declares no pipeline of its own"
ROLE_OF = {
    "PGS": Role.POSTGRES,
    "MED": Role.POSTGRES,
    "OBJ": Role.OBJECT_STORE,
    "PRM": Role.PROMETHEUS,
    "GRF": Role.GRAFANA,
    "PRF": Role.PREFECT_SERVER,
    "DSK": Role.DASK_SCHEDULER,
}
"""The role that a family of guarantees is about."""

_WITHOUT_FACTS = {
    ObservationStatus.UNOBSERVABLE: Status.UNOBSERVABLE,
    ObservationStatus.ERROR: Status.ERROR,
}


@dataclass(frozen=True)
class Judgment:
    """What became of one guarantee, and on which facts."""

    id: str
    status: Status
    observed: str = ""
    expected: Localised = NOTHING
    remedy: Localised = NOTHING
    blocked_by: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()  # whose observations it stands on
    duration_s: float = 0.0  # how long those took to make


class Judge:
    """Judges guarantees one by one, each after those that it requires.

    A guarantee's status is the first that applies: its capability lacks (unobservable), one that it requires does not
    hold (blocked), a subject that it needs is not deployed (blocked) or could not be observed (unobservable, error),
    and then what its check says.

    ``judge`` does all of it; ``foresee`` and ``conclude`` are its halves for whoever runs the checks himself.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        checks: Mapping[str, Check],
        observers: Mapping[str, Observer],
        *,
        observation: Callable[[str], Observation],
        capabilities: AbstractSet[Capability],
        roles: AbstractSet[Role],
        parameters: Parameters,
        own_pipeline: bool,
    ) -> None:
        """``own_pipeline``: the subject has data code of its own, so that ``pipeline`` guarantees are about it."""
        self.judgments: dict[str, Judgment] = {}
        self._catalogue = catalogue
        self._checks = checks
        self._observers = observers
        self._observation = observation
        self._capabilities = capabilities
        self._roles = roles
        self._parameters = parameters
        self._own_pipeline = own_pipeline
        self._facts: dict[str, Facts] = {}

    def judge(self, id_: str) -> Judgment:
        """The judgment of ``id_``, and first of all that it requires; each is made once."""
        if id_ in self.judgments:
            return self.judgments[id_]
        for required in self._catalogue[id_].requires:
            self.judge(required)
        foreseen = self.foresee(id_)
        if foreseen:
            return foreseen
        check = self._checks[id_]
        try:
            check.function(**{name: self.argument(name) for name in check.arguments})
        except Exception as error:
            return self.conclude(id_, error)
        return self.conclude(id_, None)

    def judge_all(self, ids: Iterable[str]) -> dict[str, Judgment]:
        """The judgments of ``ids`` and of all that they require."""
        wanted = self._catalogue.closure(ids)
        for id_ in wanted:
            self.judge(id_)
        return {id_: judgment for id_, judgment in self.judgments.items() if id_ in wanted}

    def subjects(self, ids: Iterable[str]) -> tuple[str, ...]:
        """What must be observed to judge ``ids`` and all that they require."""
        wanted: dict[str, None] = {}
        for id_ in sorted(self._catalogue.closure(ids)):
            if id_ in self._checks and self._out_of_reach(self._catalogue[id_]) is None:
                wanted.update(dict.fromkeys(self._checks[id_].subjects))
        return tuple(wanted)

    def foresee(self, id_: str) -> Judgment | None:
        """The judgment if it is settled before the check runs; waits for the observations that the check needs."""
        guarantee = self._catalogue[id_]
        check = self._checks.get(id_)
        out_of_reach = self._out_of_reach(guarantee)
        if out_of_reach is not None:
            return self._settle(id_, Status.UNOBSERVABLE, out_of_reach)
        if check is None:
            role = ROLE_OF.get(guarantee.family)
            if role is not None and role not in self._roles:
                return self._settle(id_, Status.UNOBSERVABLE, f"this stack has no {role}, and {NO_JUDGMENT}")
            return self._settle(id_, Status.ERROR, NO_JUDGMENT)
        roots = self._broken_roots(guarantee)
        if roots:
            return self._settle(id_, Status.BLOCKED, blocked_by=roots)
        observations = [self._observation(subject) for subject in check.subjects if subject not in check.optional]
        if any(observation.status is ObservationStatus.ABSENT for observation in observations):
            return self._not_deployed(id_, observations)
        for lacking, status in _WITHOUT_FACTS.items():
            for observation in observations:
                if observation.status is lacking:
                    return self._settle(id_, status, f"{observation.subject}: {observation.reason}", on=check.subjects)
        return None

    def _not_deployed(self, id_: str, observations: Iterable[Observation]) -> Judgment:
        """What is not there is missed by one guarantee; it is not the fault of this one."""
        reason = "; ".join(one.reason for one in observations if one.status is ObservationStatus.ABSENT)
        deployed = self.judge(DEPLOYED) if DEPLOYED in self._catalogue else None
        if deployed and deployed.status is Status.FAIL:
            return self._settle(id_, Status.BLOCKED, reason, blocked_by=(DEPLOYED,))
        if deployed and deployed.status is Status.BLOCKED:
            return self._settle(id_, Status.BLOCKED, reason, blocked_by=deployed.blocked_by)
        return self._settle(id_, Status.UNOBSERVABLE, reason)

    def argument(self, name: str) -> Facts | Parameters | None:
        """What a check's argument of that name gets: None for a subject that was not observed (where it is optional).

        Facts are built once, from what the evidence holds.
        """
        if name == PARAMETERS:
            return self._parameters
        if name not in self._facts:
            observation = self._observation(name)
            if observation.status is not ObservationStatus.OBSERVED:
                return None
            self._facts[name] = self._observers[name].facts.model_validate(observation.facts)
        return self._facts[name]

    def conclude(self, id_: str, error: BaseException | None) -> Judgment:
        """The judgment that follows from how the check ended."""
        on = self._checks[id_].subjects
        match error:
            case None:
                return self._settle(id_, Status.PASS, on=on)
            case Broken():
                try:
                    expected, remedy = diagnosis(self._catalogue[id_], error)
                except KeyError as name:
                    return self._settle(id_, Status.ERROR, f"{name.args[0]}; observed: {error.observed}", on=on)
                return self._settle(id_, Status.FAIL, error.observed, on=on, expected=expected, remedy=remedy)
            case CannotTell():
                return self._settle(id_, Status.UNOBSERVABLE, str(error), on=on)
            case _:
                return self._settle(id_, Status.ERROR, describe(error), on=on)

    def _out_of_reach(self, guarantee: Guarantee) -> str | None:
        """Why nobody could observe it here, whatever happens."""
        if not guarantee.needs.met_by(self._capabilities):
            return f"needs {guarantee.needs}; this stack offers {', '.join(sorted(self._capabilities)) or 'nothing'}"
        if guarantee.subject == "pipeline" and not self._own_pipeline:
            return NO_PIPELINE
        return None

    def _broken_roots(self, guarantee: Guarantee) -> tuple[str, ...]:
        """The failed guarantees behind those required ones that do not hold."""
        roots: dict[str, None] = {}
        for required in guarantee.requires:
            judgment = self.judgments.get(required)
            if judgment and judgment.status is Status.FAIL:
                roots[required] = None
            elif judgment and judgment.status is Status.BLOCKED:
                roots.update(dict.fromkeys(judgment.blocked_by))
        return tuple(sorted(roots))

    def _settle(
        self,
        id_: str,
        status: Status,
        observed: str = "",
        *,
        on: tuple[str, ...] = (),
        expected: Localised = NOTHING,
        remedy: Localised = NOTHING,
        blocked_by: tuple[str, ...] = (),
    ) -> Judgment:
        duration = sum(self._observation(subject).duration_s for subject in on)
        self.judgments[id_] = judgment = Judgment(
            id_, status, clean(observed), expected, remedy, blocked_by, on, round(duration, 3)
        )
        return judgment


def diagnosis(guarantee: Guarantee, broken: Broken) -> tuple[Localised, Localised]:
    """What was expected, and the remedy: it begins with the hint that the check chose.

    Raises:
        KeyError: a placeholder has no value, or there is no such hint (the kit's fault).
    """
    values = {**broken.values, "observed": broken.observed}
    expected, remedy = {}, {}
    for lang in LANGS:
        wording = guarantee.wording(lang)
        if broken.hint is not None and broken.hint not in wording.hints:
            raise KeyError(f"no hint {broken.hint!r}")
        hint = [wording.hints[broken.hint]] if broken.hint is not None else []
        try:
            expected[lang] = fill(wording.expected, values)
            remedy[lang] = "\n".join(fill(text, values) for text in [*hint, wording.remedy])
        except KeyError as name:
            raise KeyError(f"no value for {{{name.args[0]}}}") from None
    return Localised(**expected), Localised(**remedy)


def absent(subject: str) -> Observation:
    """In the place of an observation that evidence does not hold."""
    return Observation(subject=subject, status=ObservationStatus.ERROR, reason="was not observed")
