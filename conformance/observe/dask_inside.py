"""Experiments on Dask from inside its scheduler's container: there the client has the cluster's own version.

The kit's client speaks to schedulers near its own version only; a student's image may hold any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.observe import inside
from conformance.observe.containers_inside import look
from conformance.observe.containers_processes import interpreters
from conformance.observe.facts import Attempt
from conformance.observe.web import brief
from conformance.stacks.base import Role, Stack, Unavailable

PROGRAM = "dask_work.py"


def ask(stack: Stack, address: str, question: Mapping[str, Any], within: float) -> tuple[dict[str, Any], Attempt]:
    """What the program answers; empty when it does not, for the reason that the attempt gives.

    Args:
        address: of the scheduler, as it calls itself; empty: it does not say.

    Raises:
        Unavailable: there is no container to ask in.
    """
    services = stack.roles().get(Role.DASK_SCHEDULER, ())
    running = [one for one in stack.containers() if one.service in services and one.state == "running"]
    if not running:
        raise Unavailable("the scheduler has no running container")
    container = running[0]
    processes = look(stack, container, stack.inspect(container.id)).processes
    addresses = [*([address] if address else []), "tcp://127.0.0.1:8786", f"tcp://{container.service}:8786"]
    told, ended = inside.run(
        stack, container, PROGRAM, {**question, "addresses": addresses}, first=interpreters(processes), timeout=within
    )
    if not isinstance(told, dict):
        last = (ended.err or ended.out).strip().splitlines()[-1:]
        return {}, Attempt(ok=False, detail=brief(f"inside {container.name}: {' '.join(last) or f'exit {ended.code}'}"))
    if "error" in told:
        return {}, Attempt(ok=False, detail=brief(f"inside {container.name}: {told['error']}", 500))
    return told, Attempt(ok=True, detail=f"inside {container.name}")
