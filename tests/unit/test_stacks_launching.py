"""Roles brought up in parallel: who waits for whom, and what becomes of all when one does not come up."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from waiting import until

from conformance.stacks import guard
from conformance.stacks.base import Endpoint, Role, StackError
from conformance.stacks.launching import ATTEMPTS, Launcher, Plan
from conformance.stacks.processes import Command, Processes

ENDPOINT = {"main": Endpoint(Role.OTHER, "other", "tcp", "127.0.0.1", 1)}
SLEEP = "import time; time.sleep(600)"
TAKEN = "import sys; print('OSError: [Errno 98] Address already in use'); sys.exit(1)"


class Stage:
    """A launcher over real processes, and plans for it."""

    def __init__(self, timeout: float) -> None:
        self.processes = Processes()
        self.launcher = Launcher(self.processes, timeout)

    def plan(self, code: str, answers: Callable[[], bool] = lambda: True, **more: Callable[[], object]) -> Plan:
        argv = [sys.executable, "-c", code]
        command = Command("some-service", argv, self.processes.environment(), self.processes.directory)
        return Plan([command], ENDPOINT, answers, **more)


@contextmanager
def stage(timeout: float = 20) -> Iterator[Stage]:
    stage = Stage(timeout)
    try:
        yield stage
    finally:
        stage.launcher.stop()
        stage.processes.end_all()
        stage.launcher.join()
        stage.processes.close()
        assert guard.marked(stage.processes.marker) == []


def test_whoever_asks_waits_for_one_role_only() -> None:
    slow = threading.Event()
    with stage() as on:
        on.launcher.launch(
            {Role.POSTGRES: lambda: on.plan(SLEEP), Role.PREFECT_SERVER: lambda: on.plan(SLEEP, slow.is_set)}
        )
        assert on.launcher.running(Role.POSTGRES).plan.endpoints == ENDPOINT
        assert set(on.launcher.roles) == {Role.POSTGRES, Role.PREFECT_SERVER}
        slow.set()
        assert on.launcher.running(Role.PREFECT_SERVER).children[0].running()


def test_a_plan_may_wait_for_another_role_and_initialises_once() -> None:
    done: list[str] = []
    with stage() as on:

        def worker() -> Plan:
            on.launcher.running(Role.DASK_SCHEDULER)
            done.append("worker")
            return on.plan(SLEEP)

        on.launcher.launch(
            {
                Role.DASK_WORKER: worker,
                Role.DASK_SCHEDULER: lambda: on.plan(SLEEP, initialise=lambda: done.append("scheduler")),
            }
        )
        on.launcher.running(Role.DASK_WORKER)
        on.launcher.restart(Role.DASK_SCHEDULER)
        assert done == ["scheduler", "worker"]


def test_one_that_dies_ends_all_and_everybody_hears_its_reason() -> None:
    with stage() as on:
        on.launcher.launch(
            {
                Role.POSTGRES: lambda: on.plan("import sys; sys.exit('no room')", lambda: False),
                Role.PREFECT_SERVER: lambda: on.plan(SLEEP, lambda: False),
            }
        )
        for role in on.launcher.roles:
            with pytest.raises(StackError, match="some-service ended with 1; its log: no room"):
                on.launcher.running(role)
        on.launcher.join()
        assert guard.marked(on.processes.marker) == []


def test_a_plan_that_fails_is_told_with_its_role() -> None:
    with stage() as on:
        on.launcher.launch({Role.POSTGRES: lambda: 1 / 0})  # type: ignore[dict-item, return-value]
        with pytest.raises(StackError, match="postgres: ZeroDivisionError"):
            on.launcher.running(Role.POSTGRES)


def test_patience_ends_and_tells_the_log() -> None:
    with stage(timeout=1) as on:
        on.launcher.launch({Role.POSTGRES: lambda: on.plan(f"print('waiting', flush=True); {SLEEP}", lambda: False)})
        with pytest.raises(StackError, match="not ready within 1 s; the log of some-service: waiting"):
            on.launcher.running(Role.POSTGRES)


def test_a_taken_port_is_tried_again_with_a_new_plan() -> None:
    codes = [TAKEN, f"print('Port 8787 is already in use.', flush=True); {SLEEP}", SLEEP]
    planned: list[str] = []
    with stage() as on:

        def plan() -> Plan:
            planned.append(codes[len(planned)])
            return on.plan(planned[-1], lambda: planned[-1] == SLEEP)

        on.launcher.launch({Role.POSTGRES: plan})
        on.launcher.running(Role.POSTGRES)
        assert planned == codes
        until(lambda: len(guard.marked(on.processes.marker)) == 1)  # Linux shows it a moment after the start


def test_a_port_that_stays_taken_is_given_up() -> None:
    planned: list[int] = []
    with stage() as on:

        def plan() -> Plan:
            planned.append(1)
            return on.plan(TAKEN, lambda: False)

        on.launcher.launch({Role.POSTGRES: plan})
        with pytest.raises(StackError, match="found its port taken; its log: OSError"):
            on.launcher.running(Role.POSTGRES)
        assert len(planned) == ATTEMPTS


def test_a_restart_starts_the_same_command_and_makes_others_wait() -> None:
    ready = threading.Event()
    ready.set()
    with stage() as on:
        on.launcher.launch({Role.POSTGRES: lambda: on.plan(SLEEP, ready.is_set)})
        before = on.launcher.running(Role.POSTGRES)
        ready.clear()
        restarting = threading.Thread(target=on.launcher.restart, args=(Role.POSTGRES,))
        restarting.start()
        before.children[0].process.wait(10)
        asked: list[object] = []
        asking = threading.Thread(target=lambda: asked.append(on.launcher.running(Role.POSTGRES)))
        asking.start()
        assert not asked
        ready.set()
        restarting.join(10)
        asking.join(10)
        after = on.launcher.running(Role.POSTGRES)
        assert asked == [after]
        assert after.children[0].command == before.children[0].command
        assert after.children[0].process.pid != before.children[0].process.pid


def test_a_restart_that_fails_is_told_to_all_who_ask() -> None:
    ready = threading.Event()
    ready.set()
    with stage() as on:
        once = on.processes.directory / "once"
        code = f"import pathlib; pathlib.Path('once').mkdir(); {SLEEP}"
        on.launcher.launch({Role.POSTGRES: lambda: on.plan(code, lambda: once.exists() and ready.is_set())})
        on.launcher.running(Role.POSTGRES)
        ready.clear()
        for attempt in (on.launcher.restart, on.launcher.running):
            with pytest.raises(StackError, match=r"some-service ended with 1; its log: .*FileExistsError"):
                attempt(Role.POSTGRES)


def test_a_stop_is_heard_by_all_who_wait() -> None:
    heard: list[str] = []
    with stage() as on:
        on.launcher.launch({Role.POSTGRES: lambda: on.plan(SLEEP, lambda: False)})

        def ask() -> None:
            try:
                on.launcher.running(Role.POSTGRES)
            except StackError as error:
                heard.append(str(error))

        asking = threading.Thread(target=ask)
        asking.start()
        started = time.monotonic()
    asking.join(10)
    assert heard == ["the stack was stopped"]
    assert time.monotonic() - started < 5
