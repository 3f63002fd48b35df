"""What decides a guarantee, and what does not: recorded facts are changed field by field, and judged again.

The catalogue names for each guarantee the fields that may change its status (``decided_by``). Each of them must, on
some facts and with some value; no other may, on any facts that are tried, however many of them change at once. Each
check is judged alone, so that no guarantee that fails before it hides what it says.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from random import Random
from typing import NamedTuple

import pytest
from fact_fields import Change, Field, become, places
from fact_starts import KIT, Start, changes, fields, starts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CALM = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
PLACES = st.none() | st.integers(0, 99)
ATTEMPTS, CHANGES = 2_000, 6  # facts to look for a field's influence on, and how it is changed on each


class Step(NamedTuple):
    """A change of one field; ``only``: in one of the places where it is."""

    field: Field
    change: Change
    only: int | None

    def __call__(self, start: Start) -> Start:
        return start.changed(*self)

    def __repr__(self) -> str:
        where = "" if self.only is None else f" (place {self.only})"
        return f"{self.field.path}{where} {self.change}"


def steps(id_: str, among: tuple[Field, ...]) -> st.SearchStrategy[Step]:
    return st.sampled_from(among).flatmap(lambda field: _steps(id_, field))


@cache
def _steps(id_: str, field: Field) -> st.SearchStrategy[Step]:
    known = [st.sampled_from(group) for group in changes(id_, field)]
    any_value = [] if field.model else [st.from_type(field.annotation).map(become)]
    return st.tuples(st.just(field), st.one_of(*known, *any_value), PLACES).map(Step._make)


def after(start: Start, taken: list[Step]) -> Start:
    for step in taken:
        start = step(start)
    return start


def known(id_: str) -> dict[str, Field]:
    """The fields of all that its check asks for."""
    return {field.path: field for subject in KIT.checks[id_].subjects for field in fields(subject)}


def parted(id_: str, deciding: Collection[str]) -> tuple[tuple[Field, ...], tuple[Field, ...]]:
    """The fields that decide or hold one that does, and all others."""
    which, others = [], []
    for path, field in known(id_).items():
        if field.says_something:
            (which if any(f"{one}.".startswith(f"{path}.") for one in deciding) else others).append(field)
    return tuple(which), tuple(others)


def assert_no_other_field_decides(id_: str, deciding: Collection[str]) -> None:
    which, others = parted(id_, deciding)

    @settings(CALM, max_examples=80)
    @given(
        st.sampled_from(starts(id_)),
        st.lists(steps(id_, which), max_size=2),
        st.lists(steps(id_, others), min_size=1, max_size=6),
    )
    def the_status_stays(start: Start, before: list[Step], then: list[Step]) -> None:
        start = after(start, before)
        then_status = after(start, then).status()
        assert then_status is start.status(), f"{start.name} {before}: {then_status} by {then}"

    the_status_stays()


def decides(id_: str, path: str, deciding: Collection[str]) -> bool:
    """Whether some change of the field changes the status: of facts as they are recorded, or of changed ones."""
    dice = Random(f"{id_} {path}")  # the same on every run
    field, (which, _) = known(id_)[path], parted(id_, deciding)
    there = [start for start in starts(id_) if places(start.facts[field.subject], field)]
    for _ in range(ATTEMPTS if there else 0):
        start = dice.choice(there)
        for other in dice.choices(which, k=dice.choice((0, 0, 1, 2, 3))):
            start = _thrown(dice, id_, other, start)(start)
        status = start.status()
        if any(_thrown(dice, id_, field, start)(start).status() is not status for _ in range(CHANGES)):
            return True
    return False


def _thrown(dice: Random, id_: str, field: Field, start: Start) -> Step:
    there = places(start.facts[field.subject], field)
    change = dice.choice(dice.choice(changes(id_, field)))
    return Step(field, change, dice.choice((None, dice.randrange(there))) if there else None)


@pytest.mark.parametrize("id_", KIT.checks)
def test_what_decides_a_guarantee_is_named(id_: str) -> None:
    assert KIT.catalogue[id_].decided_by, "the catalogue does not say what decides it"
    assert sorted(set(KIT.catalogue[id_].decided_by) - known(id_).keys()) == [], "no fields of what its check asks for"


@pytest.mark.parametrize("id_", KIT.checks)
def test_every_field_that_is_named_decides(id_: str) -> None:
    """So does every check: one whose status nothing changes has no field that does."""
    named = KIT.catalogue[id_].decided_by
    assert [path for path in named if not decides(id_, path, named)] == []


@pytest.mark.parametrize("id_", KIT.checks)
def test_no_other_field_decides(id_: str) -> None:
    assert_no_other_field_decides(id_, KIT.catalogue[id_].decided_by)
