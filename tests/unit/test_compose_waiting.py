"""How long a Compose stack waits for services that do not answer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from container_stacks import running

from conformance.stacks.base import Role
from conformance.stacks.compose.images import UPSTREAM
from conformance.stacks.compose.stack import ComposeRequest, ComposeStack

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
