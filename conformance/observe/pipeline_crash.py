"""A run of the pipeline under which a worker, PostgreSQL and the object store are lost, and the same run again."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from conformance.observe.disruption_facts import Crash
from conformance.observe.facts import Attempt, Probe
from conformance.observe.pipeline import Laboratory, deployment_errors, generate
from conformance.observe.pipeline_reading import Contents, Stores
from conformance.observe.web import brief
from conformance.stacks.base import Role, Stack

if TYPE_CHECKING:
    from pqrs_lakehouse.settings import Settings

START_S = 60.0  # for the run to be at work
RESTARTED = (Role.POSTGRES, Role.OBJECT_STORE)
AGAIN = 3  # a run that comes too soon after the crash may fail as well: people try again
LAYER = "bronze"  # the run is in the middle once the catalogue knows that this is written


def crash(stack: Stack, probe: Probe) -> Crash:
    """
    Raises:
        StackError: what was taken away did not come back.
    """
    batch = generate(probe.seed)
    laboratory = Laboratory(stack, probe, stack.postgres(), stack.object_store(), batch)
    run_id = f"conformance-crash-{secrets.token_hex(3)}"
    facts = Crash(under_way=Attempt(ok=False, detail="the run could not be prepared"))
    try:
        with laboratory.scheduler() as scheduler, laboratory.lake(scheduler) as (settings, stores):
            laboratory.deliver(settings, run_id)
            expected = batch.expected(run_id)
            facts = _crashed(stack, laboratory, settings, stores, run_id)
            if not facts.again.ok:
                return facts
            contents = Contents.read(stores).against(expected)
            told = stores.warehouse.run(run_id)
            return facts.model_copy(
                update={
                    "lake": contents["lake"],
                    "served": contents["served"],
                    "status": str(told[0]["status"]) if told else "",
                }
            )
    except deployment_errors() as error:
        return facts.model_copy(update={"detail": brief(f"{type(error).__name__}: {error}", 500)})


def _crashed(stack: Stack, laboratory: Laboratory, settings: Settings, stores: Stores, run_id: str) -> Crash:
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(_attempt, laboratory, settings, run_id)
        under_way = _under_way(stores, run_id, first)
        if not under_way.ok:
            return Crash(under_way=under_way, first=first.result())
        try:
            killed = pool.submit(stack.kill_one, Role.DASK_WORKER)
            restarts = [pool.submit(stack.restart, role) for role in RESTARTED]
            lost = [killed.result(), *RESTARTED]
            for restart in restarts:
                restart.result()
        finally:
            stack.heal()
        ended = first.result()
    for _ in range(AGAIN):
        again = _attempt(laboratory, settings, run_id)
        if again.ok:
            break
    return Crash(under_way=under_way, lost=tuple(lost), first=ended, again=again)


def _under_way(stores: Stores, run_id: str, run: Future[Attempt]) -> Attempt:
    """Once the catalogue knows that the first layer is written, unless the run has ended by then."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        written = any(
            row["layer"] == LAYER and row["direction"] == "WRITTEN" for row in stores.warehouse.datasets(run_id)
        )
        if run.done():
            return Attempt(ok=False, detail="the run had ended before anything could be taken from it")
        if written:
            return Attempt(ok=True, detail=f"{LAYER} was written")
        time.sleep(0.05)
    return Attempt(ok=False, detail=f"the run wrote nothing within {START_S:.0f} s")


def _attempt(laboratory: Laboratory, settings: Settings, run_id: str) -> Attempt:
    try:
        return laboratory.run(settings, run_id)
    except Exception as error:  # how a run breaks under a crash is anybody's guess
        return Attempt(ok=False, detail=brief(f"{type(error).__name__}: {error}", 500))
