"""The judgments on tea."""

from __future__ import annotations

from conformance.verdict.parameters import Parameters
from conformance.verdict.words import cannot_tell, guarantee, holds
from teakit import DisruptionFacts, StoveFacts, TeapotFacts


@guarantee("E2E-03")
def test_tea_survives_a_knock(disruption: DisruptionFacts) -> None:
    holds(disruption.tea_after > 0, observed=f"tea after: {disruption.tea_after}")


@guarantee("E2E-02")
def test_pot_is_closed(teapot: TeapotFacts) -> None:
    if teapot.lid == "?":
        cannot_tell("no word about the lid")
    holds(teapot.lid, observed=f"lid: {teapot.lid}")


@guarantee("E2E-01")
def test_there_is_tea(teapot: TeapotFacts, params: Parameters) -> None:
    observed = f"tea: {teapot.tea}{teapot.note}"
    holds(teapot.tea >= 1, observed=observed, hint="dry" if teapot.tea == 0 else None, pot="the big one")


@guarantee("E2E-04")
def test_cups_are_china(teapot: TeapotFacts) -> None:
    holds(False, observed="never judged here")


@guarantee("E2E-05")
def test_stove_is_hot(stove: StoveFacts) -> None:
    holds(stove.degrees > 60, observed=f"degrees: {stove.degrees}")


@guarantee("E2E-06")
def test_recipe_is_ones_own(teapot: TeapotFacts) -> None:
    holds(teapot.tea != 5, observed="five")


@guarantee("E2E-08")
def test_there_is_sugar(teapot: TeapotFacts) -> None:
    holds(teapot.tea != 9, observed="no sugar")


@guarantee("E2E-09")
def test_judge_does_not_stumble(teapot: TeapotFacts) -> None:
    if teapot.tea == 13:
        holds(False, observed="13", hint="no such hint")
    holds(1 / (teapot.tea - 2), observed="the judge stumbles over two")
