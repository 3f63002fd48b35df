"""PostgreSQL restarted and a Dask worker killed, on a stack of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from observing import Alone, altered

from conformance.observe.dask import connect
from conformance.observe.disruption import DisruptionFacts, collect
from conformance.stacks.base import Capability, Role, Stack, StackError, Unavailable
from conformance.stacks.embedded import EmbeddedStack

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def victim() -> Iterator[Stack]:
    with EmbeddedStack(Path(__file__).parents[2]) as embedded:
        yield embedded


@pytest.fixture(scope="module")
def facts(victim: Stack) -> DisruptionFacts:
    return collect(victim, Alone())


def test_the_row_outlives_the_restart(facts: DisruptionFacts) -> None:
    restart = facts.postgres_restart
    assert restart is not None
    assert (restart.probe_written.ok, restart.restarted, restart.read_back) == (True, True, True)


def test_the_job_outlives_the_worker(facts: DisruptionFacts) -> None:
    kill = facts.worker_kill
    assert kill is not None
    assert kill.started.ok
    assert kill.killed in ("dask-worker-1", "dask-worker-2")
    assert (kill.workers_before, kill.workers_at_work, kill.workers_lost) == (2, 2, 1)
    assert 0 < kill.done_before < kill.tasks
    assert kill.result == kill.expected == sum(number * number for number in range(kill.tasks))


def test_everything_is_as_it_was(victim: Stack, facts: DisruptionFacts) -> None:
    assert facts.worker_kill
    with connect(victim.endpoint(Role.DASK_SCHEDULER)) as client:
        assert len(client.scheduler_info(n_workers=-1)["workers"]) == 2
    with psycopg.connect(victim.postgres().dsn()) as connection:
        left = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'conformance%'").fetchall()
    assert left == []


def test_a_stack_that_can_do_neither_says_so(victim: Stack) -> None:
    careful = altered(victim, capabilities=frozenset({Capability.ENDPOINTS}))
    with pytest.raises(Unavailable, match="restarted, killed or thrown away"):
        collect(careful, Alone())


def test_what_the_stack_cannot_do_is_left_out(victim: Stack) -> None:
    facts = collect(altered(victim, capabilities=frozenset({Capability.ENDPOINTS, Capability.RESTART})), Alone())
    assert facts.worker_kill is None
    assert facts.postgres_restart is not None
    assert facts.postgres_restart.read_back


def test_a_lost_row_is_a_fact(victim: Stack) -> None:
    def restart(role: Role) -> None:
        """Comes back empty, as a server does whose data lived in its container."""
        assert role is Role.POSTGRES
        with psycopg.connect(victim.postgres().dsn()) as connection:
            found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'conformance%'").fetchall()
            for (schema,) in found:
                connection.execute(f'DROP SCHEMA "{schema}" CASCADE')

    forgetful = altered(victim, restart=restart, capabilities=frozenset({Capability.RESTART}))
    facts = collect(forgetful, Alone())
    assert facts.postgres_restart is not None
    assert (facts.postgres_restart.restarted, facts.postgres_restart.read_back) == (True, False)
    assert "does not exist" in facts.postgres_restart.detail


def test_what_cannot_be_restored_is_no_fact(victim: Stack) -> None:
    def heal() -> None:
        victim.heal()
        raise StackError("dask-worker-2 did not come back")

    with pytest.raises(StackError, match="did not come back"):
        collect(altered(victim, heal=heal, capabilities=frozenset({Capability.KILL})), Alone())
