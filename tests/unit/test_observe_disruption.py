"""What is lost when something is taken away: what the observer makes of what it sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conformance.observe import disruption
from conformance.observe.disruption_survival import Content, lost


class Scheduler:
    """Tells other workers each time; the last answer stays."""

    def __init__(self, *answers: set[str]) -> None:
        self._answers: Iterator[set[str]] = iter(answers)
        self._last: set[str] = set()

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        self._last = next(self._answers, self._last)
        return {"workers": dict.fromkeys(self._last)}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disruption, "SETTLED_S", 0.25)


def test_workers_of_one_container_are_missed_one_after_the_other() -> None:
    scheduler: Any = Scheduler({"a", "b"}, {"b"}, set())
    assert disruption._survivors(scheduler, {"a", "b"}) == set()


def test_a_worker_that_stays_and_one_that_is_new_are_told() -> None:
    scheduler: Any = Scheduler({"a", "b"}, {"b"}, {"b", "c"})
    assert disruption._survivors(scheduler, {"a", "b"}) == {"b", "c"}


def test_nobody_is_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disruption, "NOTICE_S", 0.3)
    scheduler: Any = Scheduler({"a", "b"})
    assert disruption._survivors(scheduler, {"a", "b"}) == {"a", "b"}


def test_what_is_gone_or_altered_is_lost_and_a_table_that_grew_is_not() -> None:
    before = {
        "silver.tickets": Content("12", 3),
        "meta.goals": Content("34", 2),
        "meta.audit": Content("56", 7),
        "meta.runs": Content("78", 5),
        "pqrs-lake/raw/a": Content("10 aa"),
        "pqrs-lake/raw/b": Content("10 bb"),
    }
    after = {
        "silver.tickets": Content("12", 3),
        "meta.goals": Content("35", 2),
        "meta.audit": Content("57", 8),
        "meta.runs": Content("77", 4),
        "pqrs-lake/raw/a": Content("11 cc"),
        "pqrs-lake/raw/c": Content("1 dd"),
    }
    assert lost(before, after) == [
        "meta.goals (changed)", "meta.runs (changed)", "pqrs-lake/raw/a (changed)", "pqrs-lake/raw/b (gone)",
    ]  # fmt: skip
