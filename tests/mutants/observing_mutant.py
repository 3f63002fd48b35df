"""Run with a mutant first on PYTHONPATH: the kit's pipeline observer on the services that standard input names.

A mutant gets fewer PQRS of fewer days than a deployment, and no second run once a guarantee is broken.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from broken_guarantees import broken
from observing import Alone

from conformance.observe import pipeline
from conformance.observe.facts import Attempt, Observation, ObservationStatus
from conformance.observe.pipeline_facts import Execution, PipelineFacts
from conformance.stacks.base import Capability, ObjectStoreAccess, PostgresAccess, Role, Stack

EVENTS = 300
FIRST_DAY, LAST_DAY = date(2026, 1, 8), date(2026, 1, 14)  # a weekend and a Monday that is a holiday


class Order(NamedTuple):
    """What to do."""

    postgres: dict[str, Any]
    object_store: dict[str, Any]
    planted: str  # the folder of the mutant
    dask: str = ""  # a scheduler; none: one in this process
    prefect: str = ""  # a server
    pool: str = ""


class Enough(Exception):  # noqa: N818 - an outcome, not an error
    """A guarantee is broken: what else there would be to see does not matter."""


class Hasty(pipeline.Laboratory):
    """Once a guarantee is broken it runs nothing again."""

    def _execute(self, settings: Any, run: Callable[[], Attempt]) -> Execution:
        self._no_more_than_needed()
        return super()._execute(settings, run)

    @contextmanager
    def _noted(self, doing: str) -> Iterator[None]:
        with super()._noted(doing), suppress(Enough):
            yield

    def _second_lake(self, scheduler: str) -> None:
        with suppress(Enough):
            self._no_more_than_needed()
            super()._second_lake(scheduler)

    def _no_more_than_needed(self) -> None:
        if "hashes" in self._facts:
            so_far = PipelineFacts(**self._facts, trouble=tuple(self._trouble))
            if broken({"pipeline": so_far}):
                raise Enough


class Mutated(Alone):
    """A probe that knows the work pool."""

    def __init__(self, pool: str) -> None:
        super().__init__()
        self._pool = pool

    def observation(self, subject: str) -> Observation:
        if subject != "prefect" or not self._pool:
            return super().observation(subject)
        pools = [{"name": self._pool, "type": "process", "workers": [{"status": "ONLINE"}]}]
        return Observation(subject=subject, status=ObservationStatus.OBSERVED, facts={"pools": pools})


@contextmanager
def deployment(order: Order) -> Iterator[Stack]:
    """A stack that runs the reference, in so far as the observer asks."""
    from distributed import LocalCluster

    def stack(dask: str) -> Stack:
        endpoints = {Role.DASK_SCHEDULER: dask, Role.PREFECT_SERVER: order.prefect}
        answers = SimpleNamespace(
            runs_reference=True,
            capabilities=frozenset({Capability.ENDPOINTS}),
            postgres=lambda: PostgresAccess(**order.postgres),
            object_store=lambda: ObjectStoreAccess(**order.object_store),
            endpoint=lambda role: SimpleNamespace(url=endpoints[role]),
        )
        return cast(Stack, answers)

    if order.dask:
        yield stack(order.dask)
        return
    with LocalCluster(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster:
        yield stack(str(cluster.scheduler_address))


def observe(order: Order) -> PipelineFacts:
    import pqrs_lakehouse

    assert Path(str(pqrs_lakehouse.__file__)).is_relative_to(order.planted), "this is not the mutant"
    send = pipeline.run_flow
    pipeline.run_flow = (
        lambda *given: send(  # a flow run starts in a process of its own
            *given[:4], {**given[4], "PYTHONPATH": order.planted}, (*given[5], "PYTHONPATH")
        )
    )
    pipeline.EVENTS, pipeline.FIRST_DAY, pipeline.LAST_DAY = EVENTS, FIRST_DAY, LAST_DAY
    pipeline.Laboratory = Hasty  # type: ignore[misc]
    with deployment(order) as stack:
        return pipeline.collect(stack, Mutated(order.pool))


if __name__ == "__main__":
    facts = observe(Order(**json.load(sys.stdin)))
    Path(sys.argv[1]).write_text(facts.model_dump_json(), encoding="utf-8")
