"""The judge: which status a guarantee gets, and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from teakit import KIT, DisruptionFacts, StoveFacts, TeapotFacts

from conformance.observe.facts import Facts, Observation, ObservationStatus
from conformance.stacks.base import Capability, Role
from conformance.verdict.checks import Check, checks_in
from conformance.verdict.judge import Judge, Judgment, absent, diagnosis
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Broken, Status, guarantee, holds

ALL = tuple(KIT.catalogue)
SEEN = frozenset({Capability.SOURCE, Capability.ENDPOINTS, Capability.KILL})


def observed(subject: str, facts: Facts, duration: float = 1.5) -> Observation:
    return Observation(
        subject=subject, status=ObservationStatus.OBSERVED, facts=facts.model_dump(mode="json"), duration_s=duration
    )


def sound(**changed: Observation) -> dict[str, Observation]:
    return {
        "teapot": observed("teapot", TeapotFacts(tea=3, lid="on")),
        "stove": observed("stove", StoveFacts(degrees=90)),
        "disruption": observed("disruption", DisruptionFacts(tea_after=3)),
        **changed,
    }


def judge(observations: dict[str, Observation], **settings: Any) -> Judge:
    given: dict[str, Any] = {
        "catalogue": KIT.catalogue,
        "checks": KIT.checks,
        "observers": KIT.observers,
        "observation": lambda subject: observations.get(subject) or absent(subject),
        "capabilities": SEEN,
        "roles": frozenset(Role),
        "parameters": Parameters(),
        "own_pipeline": True,
        **settings,
    }
    return Judge(**given)


def statuses(judgments: dict[str, Judgment]) -> dict[str, str]:
    return {id_: judgment.status.value for id_, judgment in sorted(judgments.items())}


def test_a_sound_pot_of_tea() -> None:
    judgments = judge(sound()).judge_all(ALL)
    assert statuses(judgments) == {
        "E2E-01": "pass", "E2E-02": "pass", "E2E-03": "pass", "E2E-04": "unobservable", "E2E-05": "pass",
        "E2E-06": "pass", "E2E-07": "error", "E2E-08": "pass", "E2E-09": "pass",
    }  # fmt: skip
    assert judgments["E2E-01"] == Judgment("E2E-01", Status.PASS, subjects=("teapot",), duration_s=1.5)


def test_a_failure_says_what_and_blocks_what_needs_it_with_the_root_named() -> None:
    judgments = judge(sound(teapot=observed("teapot", TeapotFacts(tea=0)))).judge_all(ALL)
    failed = judgments["E2E-01"]
    assert (failed.status, failed.observed, failed.blocked_by) == (Status.FAIL, "tea: 0", ())
    assert failed.expected.es == "té"
    assert failed.remedy.es == "La tetera está seca.\nLlene the big one; se observó tea: 0"
    assert failed.remedy.in_("en") == "The pot is dry.\nFill the big one; observed tea: 0"
    for id_ in ("E2E-02", "E2E-03", "E2E-08"):
        assert (judgments[id_].status, judgments[id_].blocked_by) == (Status.BLOCKED, ("E2E-01",))
        assert judgments[id_].subjects == ()


def test_what_lacks_a_capability_is_unobservable_before_all_else() -> None:
    nothing = judge({}, capabilities=frozenset()).judge_all(ALL)
    assert set(statuses(nothing).values()) == {"unobservable"}
    assert nothing["E2E-01"].observed == "needs endpoints; this stack offers nothing"
    broken = judge(sound(teapot=observed("teapot", TeapotFacts(tea=0))), capabilities=SEEN - {Capability.KILL})
    assert broken.judge("E2E-03").observed == "needs endpoints and kill; this stack offers endpoints, source"


def test_a_block_comes_before_what_could_not_be_observed() -> None:
    tea_gone = observed("teapot", TeapotFacts(tea=0))
    judgment = judge(sound(teapot=tea_gone, disruption=absent("disruption"))).judge("E2E-03")
    assert judgment.status is Status.BLOCKED


def test_unobservable_and_error_block_nobody() -> None:
    dark = Observation(subject="teapot", status=ObservationStatus.UNOBSERVABLE, reason="no window")
    judgments = judge(sound(teapot=dark)).judge_all(ALL)
    assert (judgments["E2E-01"].status, judgments["E2E-01"].observed) == (Status.UNOBSERVABLE, "teapot: no window")
    assert judgments["E2E-01"].subjects == ("teapot",)
    assert judgments["E2E-03"].status is Status.PASS
    lost = judge(sound(teapot=absent("teapot"))).judge_all(ALL)
    assert (lost["E2E-01"].status, lost["E2E-01"].observed) == (Status.ERROR, "teapot: was not observed")
    assert lost["E2E-03"].status is Status.PASS


def test_that_a_stack_cannot_show_it_comes_before_the_kits_errors() -> None:
    def both(teapot: TeapotFacts, stove: StoveFacts) -> None:
        holds(False, observed="never")

    dark = Observation(subject="stove", status=ObservationStatus.UNOBSERVABLE, reason="no window")
    checks = {"E2E-01": Check("E2E-01", both, ("teapot", "stove"))}
    judgment = judge({"stove": dark}, checks=checks).judge("E2E-01")
    assert (judgment.status, judgment.observed) == (Status.UNOBSERVABLE, "stove: no window")


def test_a_check_may_do_without_a_subject() -> None:
    def warm(teapot: TeapotFacts, stove: StoveFacts | None) -> None:
        holds(stove is not None and stove.degrees > 60, observed=f"stove: {stove}", pot="any")

    mark: Callable[[Callable[..., None]], Callable[..., None]] = guarantee("E2E-01")
    checks = {"E2E-01": Check.of(mark(warm))}
    assert checks["E2E-01"].optional == {"stove"}
    assert judge(sound(), checks=checks).subjects(["E2E-01"]) == ("teapot", "stove")
    assert judge(sound(), checks=checks).judge("E2E-01").status is Status.PASS
    for status in (ObservationStatus.UNOBSERVABLE, ObservationStatus.ABSENT, ObservationStatus.ERROR):
        judgment = judge(sound(stove=Observation(subject="stove", status=status)), checks=checks).judge("E2E-01")
        assert (judgment.status, judgment.observed) == (Status.FAIL, "stove: None"), status
    assert judge(sound(teapot=absent("teapot")), checks=checks).judge("E2E-01").status is Status.ERROR


def test_pipeline_guarantees_are_about_whoever_has_a_pipeline() -> None:
    judgment = judge(sound(), own_pipeline=False).judge("E2E-06")
    assert judgment.status is Status.UNOBSERVABLE
    assert "no pipeline of its own" in judgment.observed


def test_without_a_judgment_the_kit_is_at_fault_unless_the_stack_lacks_the_service() -> None:
    checks = {id_: check for id_, check in KIT.checks.items() if id_ != "E2E-01"}
    assert judge(sound(), checks=checks).judge("E2E-01").observed == "this version of the kit has no judgment for it"
    grafana = KIT.catalogue["E2E-07"].model_copy(update={"id": "GRF-01"})
    settings: dict[str, Any] = {"catalogue": {"GRF-01": grafana}, "checks": {}}
    assert judge({}, **settings).judge("GRF-01").status is Status.ERROR
    without = judge({}, **settings, roles=frozenset({Role.POSTGRES})).judge("GRF-01")
    assert without.status is Status.UNOBSERVABLE
    assert without.observed.startswith("this stack has no grafana")


def test_a_check_may_not_be_able_to_tell() -> None:
    judgment = judge(sound(teapot=observed("teapot", TeapotFacts(tea=3, lid="?")))).judge("E2E-02")
    assert (judgment.status, judgment.observed) == (Status.UNOBSERVABLE, "no word about the lid")


def test_a_check_that_stumbles_is_an_error_with_its_place() -> None:
    judgment = judge(sound(teapot=observed("teapot", TeapotFacts(tea=2, lid="on")))).judge("E2E-09")
    assert judgment.status is Status.ERROR
    assert judgment.observed.startswith("ZeroDivisionError: division by zero (")


def test_facts_that_are_not_of_their_model_are_an_error() -> None:
    strange = Observation(subject="stove", status=ObservationStatus.OBSERVED, facts={"degrees": "hot"})
    assert judge(sound(stove=strange)).judge("E2E-05").status is Status.ERROR


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Broken("x", None, {}), "no value for {pot}; observed: x"),
        (Broken("x", "wet", {"pot": 1}), "no hint 'wet'; observed: x"),
    ],
)
def test_a_text_that_cannot_be_filled_is_an_error(broken: Broken, message: str) -> None:
    def check() -> None:
        raise broken

    judgment = judge({}, checks={"E2E-01": Check("E2E-01", check, ())}).judge("E2E-01")
    assert (judgment.status, judgment.observed) == (Status.ERROR, message)


def test_what_was_observed_is_bounded_and_printable() -> None:
    nasty = "\x00\x1b[31m<b>\ud800\u202e" + "x" * 100_000

    def check() -> None:
        holds(False, observed=nasty, pot=nasty)

    judgment = judge({}, checks={"E2E-01": Check("E2E-01", check, ())}).judge("E2E-01")
    assert judgment.status is Status.FAIL
    assert len(judgment.observed) == 2000
    assert judgment.observed.startswith("\\x00\\x1b[31m<b>\\ud800\\u202exxx")
    assert judgment.observed.endswith("x…")
    assert judgment.remedy.es.isprintable()
    assert len(judgment.remedy.es) < 2 * 500 + 100


def test_values_may_not_reach_into_objects() -> None:
    wording = KIT.catalogue["E2E-01"].es.model_copy(update={"expected": "{observed} {pot.__class__} {pot[0]}"})
    sneaky = KIT.catalogue["E2E-01"].model_copy(update={"es": wording})
    expected, _ = diagnosis(sneaky, Broken("seen", None, {"pot": "x"}))
    assert expected.es == "seen {pot.__class__} {pot[0]}"


def test_only_what_is_needed_is_observed() -> None:
    assert judge({}).subjects(["E2E-03"]) == ("teapot", "disruption")
    assert judge({}).subjects(["E2E-04", "E2E-07"]) == ()
    assert judge({}, capabilities=SEEN - {Capability.KILL}).subjects(ALL) == ("teapot", "stove")
    assert judge({}, own_pipeline=False).subjects(["E2E-06"]) == ()


def test_facts_are_built_once() -> None:
    asked: list[str] = []

    def observation(subject: str) -> Observation:
        asked.append(subject)
        return sound()[subject]

    judge_ = judge({}, observation=observation)
    assert judge_.argument("teapot") is judge_.argument("teapot")
    assert judge_.argument("params") == Parameters()
    assert asked == ["teapot"]


def test_two_checks_of_one_guarantee_are_refused() -> None:
    class Module:
        __name__ = "double"

    def first(teapot: TeapotFacts) -> None: ...

    def second(teapot: TeapotFacts) -> None: ...

    mark: Callable[[Callable[..., None]], Callable[..., None]] = guarantee("E2E-01")
    module = Module()
    module.first, module.second = mark(first), mark(second)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="E2E-01 has two checks, the second in double"):
        checks_in([module])  # type: ignore[list-item]


def test_judging_takes_milliseconds() -> None:
    began = time.perf_counter()
    for _ in range(20):
        judge(sound()).judge_all(ALL)
    assert (time.perf_counter() - began) / 20 < 0.05
