"""Which containers stay up: the restarts that count are those after a container was settled, not those of its start.

A service without ``depends_on`` may be started again a few times until what it waits for is there; that is sound.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from conformance.stacks.base import Container, Stack

SETTLED_S = 10.0  # up for so long without a restart: what the engine itself takes for a successful start
PATIENCE_S = 90.0
POLL_S = 1.0
HOPELESS = 5  # restarts without ever being settled


@dataclass
class _Seen:
    restarts: int
    since: float  # it has been running, and not been started again, from then on
    settled_at: int | None = None  # restarts when it had settled


class Watch:
    """Looks at the containers of a stack again and again."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._seen: dict[str, _Seen] = {}

    def look(self) -> tuple[Container, ...]:
        now = time.monotonic()
        containers = self._stack.containers()
        for container in containers:
            seen = self._seen.setdefault(container.id, _Seen(container.restarts, now))
            if container.state != "running" or container.restarts != seen.restarts:
                seen.restarts, seen.since = container.restarts, now
            elif seen.settled_at is None and now - seen.since >= SETTLED_S and container.health != "starting":
                seen.settled_at = container.restarts
        return containers

    def settle(self, patience: float = PATIENCE_S) -> tuple[Container, ...]:
        """The containers once each has settled, ended or is beyond hope, or when patience ends."""
        deadline = time.monotonic() + patience
        while True:
            containers = self.look()
            if all(map(self._is_decided, containers)) or time.monotonic() > deadline:
                return containers
            time.sleep(POLL_S)

    def settled(self, container: Container) -> bool:
        return self._seen[container.id].settled_at is not None

    def restarts_since(self, container: Container) -> int:
        """Restarts after it had settled; 0 when it never had."""
        before = self._seen[container.id].settled_at
        return 0 if before is None else container.restarts - before

    def _is_decided(self, container: Container) -> bool:
        if container.state in ("exited", "dead", "created"):
            return True  # nobody starts it again: the engine does so within a minute, from state "restarting"
        return self.settled(container) or container.restarts >= HOPELESS
