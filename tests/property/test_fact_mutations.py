"""What decides a guarantee, and what does not: recorded facts are changed field by field, and judged again.

The catalogue names for each guarantee the fields that may change its status (``decided_by``). Each of them must, on
some facts and with some value; no other may, on any facts that are tried, however many of them change at once. Each
check is judged alone, so that no guarantee that fails before it hides what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from typing import Literal, NamedTuple

import pytest
from fact_fields import Change, Field, become, changed, fields_of, places, values, watched
from fact_starts import KIT, Start, changes, fields, starts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.observe.facts import Facts

LOOKS = 60  # at what a check reads
ATTEMPTS, CHANGES = 4_000, 6  # facts to look for a field's influence on, and how it is changed on each
CALM = settings(
    max_examples=200, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


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


class Fields(NamedTuple):
    """Of all that a check asks for: ``deciding``: what decides, or holds what does; the others are read or not."""

    deciding: tuple[Field, ...]
    read: tuple[Field, ...]
    unread: tuple[Field, ...]

    @classmethod
    @cache
    def of(cls, id_: str, decided_by: tuple[str, ...]) -> Fields:
        which, others = [], []
        for path, field in known(id_).items():
            if field.says_something:
                (which if any(f"{one}.".startswith(f"{path}.") for one in decided_by) else others).append(field)
        read = set()
        for start in thrown_starts(Random(id_), id_, starts(id_), which, LOOKS):
            with watched(start.facts) as found:
                start.status()
            read |= found
        return cls(
            tuple(which),
            tuple(field for field in others if field.path in read),
            tuple(field for field in others if field.path not in read),
        )


def known(id_: str) -> dict[str, Field]:
    """The fields of all that its check asks for."""
    return {field.path: field for subject in KIT.checks[id_].subjects for field in fields(subject)}


def thrown(dice: Random, id_: str, field: Field, start: Start) -> Step:
    there = places(start.facts[field.subject], field)
    change = dice.choice(dice.choice(changes(id_, field)))
    return Step(field, change, dice.choice((None, dice.randrange(there))) if there else None)


def thrown_starts(
    dice: Random, id_: str, among: Sequence[Start], deciding: Sequence[Field], count: int
) -> Iterator[Start]:
    """Recorded facts, with up to three changes of fields that decide."""
    for _ in range(count):
        start = dice.choice(among)
        for field in dice.choices(deciding, k=dice.choice((0, 0, 1, 2, 3))):
            start = thrown(dice, id_, field, start)(start)
        yield start


def decides(id_: str, path: str, decided_by: tuple[str, ...]) -> bool:
    """Whether some change of the field changes the status."""
    dice = Random(f"{id_} {path}")  # the same on every run
    field, deciding = known(id_)[path], Fields.of(id_, decided_by).deciding
    there = [start for start in starts(id_) if places(start.facts[field.subject], field)]
    for start in thrown_starts(dice, id_, there, deciding, ATTEMPTS if there else 0):
        status = start.status()
        if any(thrown(dice, id_, field, start)(start).status() is not status for _ in range(CHANGES)):
            return True
    return False


def assert_no_other_field_decides(id_: str, decided_by: tuple[str, ...]) -> None:
    of = Fields.of(id_, decided_by)
    groups = [group for group in (of.read, of.read, of.unread) if group]  # what is not read could hardly matter

    @CALM
    @given(st.randoms(use_true_random=True))
    def the_status_stays(dice: Random) -> None:
        (start,) = thrown_starts(dice, id_, starts(id_), of.deciding, 1)
        then, steps = start, []
        for _ in range(dice.randint(1, 6)):
            steps.append(thrown(dice, id_, dice.choice(dice.choice(groups)), then))
            then = steps[-1](then)
        assert then.status() is start.status(), f"{start.name}: {start.status()}, {then.status()} by {steps}"

    the_status_stays()


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


# The harness itself.


@pytest.mark.parametrize(
    ("id_", "path"),
    [
        ("SRC-03", "compose.documented"),
        ("CMP-06", "compose.services.ties.kind"),
        ("MED-03", "postgres.catalogue.relations.keys.primary"),
        ("PRM-01", "prometheus.mounted.discovery"),  # read by comparing whole records
        ("GRF-03", "grafana.datasources.url"),
        ("DSK-03", "dask.load.erred"),  # read by writing out a record
    ],
)
def test_a_field_that_is_not_named_is_found_out(id_: str, path: str) -> None:
    named = KIT.catalogue[id_].decided_by
    with pytest.raises(AssertionError, match=rf" by \[.*{re.escape(path)}"):
        assert_no_other_field_decides(id_, tuple(one for one in named if one != path))


@pytest.mark.parametrize(
    ("id_", "path"),
    [
        ("DSK-02", "dask.worker_complaints"),  # read for its words alone
        ("GRF-05", "grafana.dashboards.title"),
        ("OBJ-01", "objects.endpoint"),  # not read
    ],
)
def test_a_field_that_is_named_in_vain_is_found_out(id_: str, path: str) -> None:
    assert not decides(id_, path, (*KIT.catalogue[id_].decided_by, path))


class Leg(Facts):
    length: float
    wood: Literal["oak", "pine"] = "oak"


class Table(Facts):
    name: str
    top: Leg
    legs: tuple[Leg, ...] = ()
    drawers: dict[str, Leg]
    price: int | None = None


TABLE = Table(name="desk", top=Leg(length=120), drawers={}, legs=(Leg(length=70), Leg(length=71, wood="pine")))
FIELDS = {field.path: field for field in fields_of("table", Table)}


def test_fields_are_found_by_their_paths() -> None:
    assert [*FIELDS] == [
        "table.name", "table.top", "table.top.length", "table.top.wood", "table.legs", "table.legs.length",
        "table.legs.wood", "table.drawers", "table.drawers.length", "table.drawers.wood", "table.price",
    ]  # fmt: skip
    assert [path for path, field in FIELDS.items() if not field.says_something] == ["table.top"]
    assert [*values(TABLE, ("legs", "length"))] == [70, 71]
    assert [places(TABLE, FIELDS[f"table.{name}.wood"]) for name in ("top", "legs", "drawers")] == [1, 2, 0]


@pytest.mark.parametrize(
    ("path", "change", "only", "after"),
    [
        ("table.legs.length", become(1.0), None, [1.0, 1.0]),
        ("table.legs.length", become(1.0), 0, [1.0, 71]),
        ("table.legs.length", become(1.0), 3, [70, 1.0]),  # counted round
        ("table.legs.length", become("long"), None, [70, 71]),  # it cannot be
        ("table.legs.wood", become("pine"), None, ["pine", "pine"]),
        ("table.legs.wood", become("fir"), None, ["oak", "pine"]),
        ("table.name", become("bench"), None, ["bench"]),
        ("table.price", become(None), None, [None]),
        ("table.name", become(None), None, ["desk"]),
        ("table.top", become({}), None, [TABLE.top]),
        ("table.legs", become(()), None, [()]),
    ],
)
def test_what_a_change_leaves(path: str, change: Change, only: int | None, after: list[object]) -> None:
    other = changed(TABLE, FIELDS[path], change, only)
    assert [*values(other, FIELDS[path].names)] == after
    assert Table.model_validate(other.model_dump()) == other


def test_what_is_read_is_seen() -> None:
    with watched({"table": TABLE}) as read:
        assert TABLE.legs[0].length < TABLE.legs[1].length
    assert read == {"table.legs", "table.legs.length"}
    with watched({"table": TABLE}) as read:
        assert TABLE.top != TABLE.legs[0]
    assert read == {path for path in FIELDS if path.startswith(("table.top", "table.legs"))}
