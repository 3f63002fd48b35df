"""Which restarts count: those after a container had settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from container_stacks import Containers, running

from conformance.observe import containers_watch
from conformance.observe.containers_watch import Watch
from conformance.stacks.base import Container


class Clock:
    """Time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Changing(Containers):
    """A stack whose only container is how ``life`` says that it is at that time."""

    def __init__(self, clock: Clock, life: Callable[[float], Container]) -> None:
        super().__init__()
        self._clock, self._life = clock, life

    def containers(self) -> tuple[Container, ...]:
        return (self._life(self._clock.now),)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(containers_watch, "time", clock)
    return clock


def settled(clock: Clock, life: Callable[[float], Container]) -> tuple[Watch, Container]:
    watch = Watch(Changing(clock, life))  # type: ignore[arg-type]
    (container,) = watch.settle()
    return watch, container


def test_who_stays_up_has_settled_soon(clock: Clock) -> None:
    watch, container = settled(clock, lambda now: running("db"))
    assert watch.settled(container)
    assert watch.restarts_since(container) == 0
    assert clock.now < 15


def test_restarts_until_what_it_waits_for_is_there_do_not_count(clock: Clock) -> None:
    watch, container = settled(clock, lambda now: running("web", restarts=min(3, int(now // 4))))
    assert (watch.settled(container), container.restarts, watch.restarts_since(container)) == (True, 3, 0)


def test_a_restart_after_that_counts(clock: Clock) -> None:
    watch, container = settled(clock, lambda now: running("web", restarts=1 if now > 60 else 0))
    assert watch.settled(container)
    clock.sleep(60)
    (container,) = watch.settle()
    assert watch.restarts_since(container) == 1


def test_who_starts_over_and_over_is_given_up(clock: Clock) -> None:
    def life(now: float) -> Container:
        up = now % 6 < 4
        return running("w", state="running" if up else "restarting", restarts=int(now // 6))

    watch, container = settled(clock, life)
    assert not watch.settled(container)
    assert clock.now < 40


@pytest.mark.parametrize("changes", [{"state": "exited"}, {"state": "exited", "exit_code": 3}, {"state": "created"}])
def test_nobody_waits_for_what_has_ended(clock: Clock, changes: dict[str, Any]) -> None:
    watch, container = settled(clock, lambda now: running("job", **changes))
    assert not watch.settled(container)
    assert clock.now == 0


def test_a_health_check_that_has_not_spoken_is_waited_for(clock: Clock) -> None:
    watch, container = settled(clock, lambda now: running("db", health="starting" if now < 30 else "healthy"))
    assert watch.settled(container)
    assert 30 <= clock.now < 35


def test_patience_ends(clock: Clock) -> None:
    watch, container = settled(clock, lambda now: running("db", health="starting"))
    assert not watch.settled(container)
    assert clock.now == pytest.approx(containers_watch.PATIENCE_S, abs=2)
