"""The property tests are as good as what they catch: small mistakes planted in the layers, each of which they must see.

Every mutant is the layers' own source with one edit, compiled in memory; it must differ from the oracle on a world that
the strategy of the property tests draws.
"""

from __future__ import annotations

import importlib.util
import sys
from datetime import date
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from mutating import Mutant, Trial, name_of
from oracle_histories import DAYS, World, worlds
from oracle_layers import Layers, against_oracle, through
from reference_mutants import shown_to

from conformance import oracle


@cache
def drawn() -> tuple[tuple[World, oracle.Expected], ...]:
    """Worlds of the property tests' own strategy, always the same, with what the oracle says of them."""
    found = [world for number, day in enumerate(DAYS) for world in around(day, number)]
    return tuple((world, oracle.expect(world.lines, world.as_of)) for world in found)


def around(day: date, number: int) -> list[World]:
    """The two richest of some worlds around ``day``."""
    found: list[World] = []

    @seed(number)
    @settings(
        max_examples=4, phases=[Phase.generate], database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(worlds([day], least=4, most=24))
    def draw(world: World) -> None:
        found.append(world)

    draw()
    return sorted(found, key=lambda world: -len(world.lines))[:2]


def loaded(name: str, mutant: Mutant | None = None) -> ModuleType:
    """A new copy of a module, edited."""
    spec = importlib.util.find_spec(f"pqrs_lakehouse.{name}")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text(encoding="utf-8")
    if mutant is not None:
        source = mutant.edit(source)
    module = importlib.util.module_from_spec(spec)
    exec(compile(source, spec.origin, "exec"), module.__dict__)
    return module


def mutated(mutant: Mutant) -> Layers:
    """The layers, with the mutant among them or below them."""
    with pytest.MonkeyPatch.context() as patch:
        name = f"pqrs_lakehouse.{mutant.where}"
        parent, _, child = name.rpartition(".")
        module = loaded(mutant.where, mutant)
        patch.setitem(sys.modules, name, module)
        patch.setattr(sys.modules[parent], child, module)
        return Layers(
            *(module if mutant.where == of else loaded(of) for of in ("layers.bronze", "layers.silver", "layers.gold"))
        )


def is_seen(layers: Layers) -> bool:
    for world, expected in drawn():
        try:
            if any(against_oracle(expected, through(world, layers))):
                return True
        except Exception:  # a mutant that stumbles is seen as well
            return True
    return False


def test_the_layers_themselves_are_not_taken_for_mutants() -> None:
    assert not is_seen(Layers(*map(loaded, ("layers.bronze", "layers.silver", "layers.gold"))))


@pytest.mark.parametrize("mutant", shown_to(Trial.PROPERTY), ids=name_of)
def test_a_mutant_is_seen(mutant: Mutant) -> None:
    assert is_seen(mutated(mutant)), f"{mutant.before!r} became {mutant.after!r} and nothing noticed"
