"""Roles brought up in parallel: each is started, asked until it answers, and known to whoever waits for it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from conformance.stacks.base import Endpoint, Role, StackError
from conformance.stacks.processes import Child, Command, Processes

POLL = 0.05  # seconds between two questions whether a service answers
ATTEMPTS = 3  # starts of a service that finds its port taken
RESTART_PATIENCE = 10.0  # seconds to end in, as Docker gives a container
PORT_TAKEN = re.compile(r"address already in use|port \S+ is already in use", re.IGNORECASE)


class PortTakenError(StackError):
    """Another program listens where a service was to."""


@dataclass(frozen=True)
class Plan:
    """What a role is started with, where it will answer, and what tells that it does."""

    commands: Sequence[Command]
    endpoints: Mapping[str, Endpoint]
    answers: Callable[[], bool]
    initialise: Callable[[], object] = bool  # what is done once, when it answers for the first time


@dataclass(frozen=True)
class Running:
    """A role that has answered."""

    plan: Plan
    children: list[Child]


class Launcher:
    """The roles of a stack. One that does not come up ends all: without it the stack is of no use."""

    def __init__(self, processes: Processes, timeout: float) -> None:
        self._processes = processes
        self._timeout = timeout
        self._roles: dict[Role, Future[Running]] = {}
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._failure: StackError | None = None

    def launch(self, plans: Mapping[Role, Callable[[], Plan]]) -> None:
        """Bring all up, each in a thread of its own. A plan may wait for other roles."""
        self._roles = {role: Future() for role in plans}
        for role, plan in plans.items():
            thread = threading.Thread(target=self._bring_up, args=(role, plan), name=f"start {role}")
            self._threads.append(thread)
            thread.start()

    @property
    def roles(self) -> tuple[Role, ...]:
        return tuple(self._roles)

    def running(self, role: Role) -> Running:
        """Waits until ``role`` answers.

        Raises:
            StackError: it, or another that was started with it, did not come up.
        """
        try:
            return self._roles[role].result()
        except StackError as error:
            raise StackError(str(error)) from error

    def restart(self, role: Role) -> None:
        """End ``role`` and start it with the same commands; meanwhile whoever asks for it waits."""
        running = self.running(role)
        again: Future[Running] = Future()
        self._roles[role] = again
        try:
            self._processes.end(running.children, RESTART_PATIENCE)
            children = [self._processes.start(command) for command in running.plan.commands]
            self.wait(children, running.plan.answers)
        except BaseException as error:
            again.set_exception(error if isinstance(error, StackError) else StackError(f"{role} was not restarted"))
            raise
        again.set_result(Running(running.plan, children))

    def wait(self, children: Sequence[Child], answers: Callable[[], bool]) -> None:
        """Until ``answers``.

        Raises:
            StackError: a process ended or the patience did, with the end of its log; or the stack is being stopped.
        """
        deadline = time.monotonic() + self._timeout
        while not answers():
            for child in children:
                ended = not child.running()
                if PORT_TAKEN.search(child.said()):  # not all end of it: Dask takes another port for its dashboard
                    raise PortTakenError(f"{child.name} found its port taken; its log: {child.tail()}")
                if ended:
                    raise StackError(f"{child.name} ended with {child.process.returncode}; its log: {child.tail()}")
            if time.monotonic() > deadline:
                logs = "; ".join(f"the log of {child.name}: {child.tail()}" for child in children)
                raise StackError(f"not ready within {self._timeout:g} s; {logs}")
            if self._stopping.wait(POLL):
                raise StackError("the stack is being stopped")

    def stop(self) -> None:
        """Nothing is waited for any more."""
        self._stopping.set()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _bring_up(self, role: Role, plan: Callable[[], Plan]) -> None:
        try:
            self._roles[role].set_result(self._start(plan))
        except Exception as error:
            if not self._stopping.is_set():
                self._failure = error if isinstance(error, StackError) else StackError(f"{role}: {error!r}")
                self.stop()
                self._processes.end_all()
            self._roles[role].set_exception(self._failure or StackError("the stack was stopped"))

    def _start(self, plan: Callable[[], Plan]) -> Running:
        """Start what is planned and wait until it answers; plan anew when a port was taken meanwhile."""
        for attempt in range(1, ATTEMPTS + 1):
            planned = plan()
            children = [self._processes.start(command) for command in planned.commands]
            try:
                self.wait(children, planned.answers)
                break
            except PortTakenError:
                if attempt == ATTEMPTS:
                    raise
                self._processes.end(children)
        planned.initialise()
        return Running(planned, children)
