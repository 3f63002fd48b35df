"""How the stages divide their work, without Dask."""

from __future__ import annotations

from datetime import date

import pytest

from pqrs_lakehouse import compute
from pqrs_lakehouse.catalog import Quality
from pqrs_lakehouse.lake import RawEntry
from pqrs_lakehouse.layers.raw import RawFile

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def entry(day: date, part: int, size: int, source: str = "email") -> RawEntry:
    return RawEntry(RawFile(source, day, "r1", part).key, rows=1, size=size, sha256="0" * 64)


class FakeClient:
    """Stands in for a Dask client that is asked for the workers' threads."""

    def __init__(self, *threads: int) -> None:
        self._threads = threads

    def nthreads(self) -> dict[str, int]:
        return {f"worker-{n}": threads for n, threads in enumerate(self._threads)}


def test_a_day_is_one_bronze_file_until_it_is_long() -> None:
    half = compute.TASK_BYTES // 2
    entries = [entry(TUESDAY, 0, half), entry(MONDAY, 0, half), entry(MONDAY, 1, half), entry(MONDAY, 2, 1)]
    units = compute._units(entries)
    assert [(unit.day, unit.part, len(unit.files)) for unit in units] == [
        (MONDAY, 0, 2),
        (MONDAY, 1, 1),
        (TUESDAY, 0, 1),
    ]
    assert compute._units(reversed(entries)) == units  # the names of files depend on it


def test_a_file_that_is_too_long_is_read_by_itself() -> None:
    units = compute._units([entry(MONDAY, 0, 3 * compute.TASK_BYTES), entry(MONDAY, 1, 1)])
    assert [len(unit.files) for unit in units] == [1, 1]


def test_short_days_share_a_task() -> None:
    third = compute.TASK_BYTES // 3
    units = compute._units([entry(date(2026, 3, day), 0, third) for day in range(1, 8)])
    assert [len(task) for task in compute._packed(units)] == [3, 3, 1]
    assert [unit for task in compute._packed(units) for unit in task] == units
    assert compute._packed([]) == []


@pytest.mark.parametrize(
    ("rows", "threads", "groups"),
    [
        ({}, (1, 1), []),
        ({0: 5, 1: 5, 7: 5}, (1, 1), [[0, 1, 7]]),  # too few for more than one
        ({0: 20_000, 1: 20_000, 2: 20_000, 3: 20_000}, (1, 1), [[0, 1], [2, 3]]),  # one for each thread
        ({0: 20_000, 1: 20_000, 2: 20_000, 3: 20_000}, (4,), [[0], [1], [2], [3]]),
        ({0: 200_000, 1: 200_000, 2: 900_000, 3: 1}, (1,), [[0], [1], [2], [3]]),  # what memory allows
    ],
)
def test_buckets_are_grouped_by_rows(rows: dict[int, int], threads: tuple[int, ...], groups: list[list[int]]) -> None:
    assert compute._grouped(rows, FakeClient(*threads)) == groups


def test_quality_tells_dirt_from_broken_promises() -> None:
    assert [Quality.promise("gold", "x", observed, 3).status for observed in (3, 2)] == ["PASS", "FAIL"]
    assert [Quality.dirt("silver", "x", observed).status for observed in (0, 2)] == ["PASS", "WARN"]
