"""How long a Compose stack waits for services that do not answer and for jobs, and what state it may remove."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from container_stacks import running

from conformance.stacks.base import Container, Role, Unavailable
from conformance.stacks.compose import stack as compose_stack
from conformance.stacks.compose.generate import Generated
from conformance.stacks.compose.images import UPSTREAM
from conformance.stacks.compose.stack import HOPELESS, ComposeRequest, ComposeStack

SERVICES = {Role.DASK_SCHEDULER: ("scheduler",), Role.DASK_WORKER: ("worker",)}


class Silent(ComposeStack):
    """Everything runs, and nothing answers."""

    def __init__(self) -> None:
        super().__init__(ComposeRequest(Path(), UPSTREAM, timeout=0.0))
        self._services = SERVICES
        self._started.set()

    def patient(self) -> None:
        self._request = ComposeRequest(Path(), UPSTREAM, timeout=60.0)

    def waits_for(self, role: Role) -> None:
        self._wait(role)

    def _answers(self, role: Role) -> bool:
        return False

    def _containers_of(self, role: Role):  # type: ignore[no-untyped-def]
        return [running(service) for service in SERVICES[role]]


def test_workers_are_not_waited_for_when_their_scheduler_was_in_vain() -> None:
    stack = Silent()
    stack.waits_for(Role.DASK_SCHEDULER)
    stack.patient()
    started = time.monotonic()
    stack.waits_for(Role.DASK_WORKER)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("role", SERVICES)
def test_patience_ends_at_its_time(role: Role) -> None:
    Silent().waits_for(role)


class Preparing(Silent):
    """Everything answers, and a job is still at work at first; ``states`` are told one look after the other."""

    def __init__(self, *states: str, restarts: int = 0) -> None:
        super().__init__()
        self._jobs = frozenset({"migrations"})
        self._restarts = restarts
        self.states = list(states)

    def _answers(self, role: Role) -> bool:
        return True

    def _by_service(self) -> dict[str, list[Container]]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"migrations": [running("migrations", state=state, restarts=self._restarts)]}


def test_who_answers_is_ready_when_the_jobs_have_ended() -> None:
    stack = Preparing("running", "restarting", "running", "exited", "nobody looks again")
    stack.waits_for(Role.DASK_SCHEDULER)
    stack.waits_for(Role.DASK_WORKER)
    assert stack.states == ["nobody looks again"]


@pytest.mark.parametrize("stack", [Preparing("created"), Preparing("dead"), Preparing("restarting", restarts=HOPELESS)])
def test_jobs_that_will_not_do_it_any_more_are_not_waited_for(stack: Preparing) -> None:
    started = time.monotonic()
    stack.waits_for(Role.DASK_SCHEDULER)
    assert time.monotonic() - started < 10


def test_a_job_without_end_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose_stack, "JOBS", 0.5)
    Preparing("running").waits_for(Role.DASK_SCHEDULER)


@pytest.mark.parametrize(
    ("others", "state"),
    [
        ({}, ["type=volume,source=p_grafana-data"]),
        ({"permissions": ["grafana-data"]}, ["type=volume,source=p_grafana-data"]),  # a job that prepared it
        ({"postgres": ["its-own"]}, ["type=volume,source=p_grafana-data"]),
        ({"postgres": ["grafana-data"]}, None),
    ],
)
def test_state_is_removed_unless_another_role_keeps_its_own_there(
    others: dict[str, list[str]], state: list[str] | None
) -> None:
    stack = Silent()
    stack._services = {Role.GRAFANA: ("grafana",), Role.POSTGRES: ("postgres",)}
    stack._owner = SimpleNamespace(project="p")  # type: ignore[assignment]
    stack._staging = SimpleNamespace(state={})  # type: ignore[assignment]
    volumes = {"grafana": ["grafana-data"], **others}
    services = {
        name: {"volumes": [{"type": "volume", "source": volume} for volume in mine]} for name, mine in volumes.items()
    }
    stack._generated = Generated({"services": services}, {}, {})
    if state is None:
        with pytest.raises(Unavailable, match="postgres uses as well"):
            list(stack._state("grafana"))
    else:
        assert list(stack._state("grafana")) == state
