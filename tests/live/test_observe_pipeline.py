"""The pipeline observer on the embedded stack: as the reference, as somebody's platform, sabotaged, and refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from observing import Alone, altered

from conformance.checks import test_e2e as e2e
from conformance.observe import pipeline, pipeline_flow, prefect
from conformance.observe.facts import Attempt, Observation, ObservationStatus
from conformance.observe.pipeline_facts import PipelineFacts
from conformance.observe.prefect_api import PrefectApi
from conformance.observe.scratch import s3_client
from conformance.stacks.base import Role
from conformance.stacks.embedded import EmbeddedStack
from conformance.verdict.words import Broken
from pqrs_lakehouse.settings import Settings

pytestmark = pytest.mark.live


class WithPrefect(Alone):
    """A probe that has looked at Prefect."""

    def __init__(self, stack: EmbeddedStack) -> None:
        super().__init__()
        self._stack = stack

    def observation(self, subject: str) -> Observation:
        if subject != "prefect":
            return super().observation(subject)
        seen = prefect.collect(self._stack, Alone())
        return Observation(subject=subject, status=ObservationStatus.OBSERVED, facts=seen.model_dump(mode="json"))


def held(stack: EmbeddedStack) -> dict[str, Any]:
    """Databases, roles and buckets: what a scratch could leave behind."""
    with psycopg.connect(stack.postgres().dsn()) as connection:
        found = {
            kind: {row[0] for row in connection.execute(query)}
            for kind, query in (
                ("databases", "SELECT datname FROM pg_database"),
                ("roles", "SELECT rolname FROM pg_roles"),
            )
        }
    buckets = s3_client(stack.object_store()).list_buckets().get("Buckets", [])
    return {**found, "buckets": {bucket["Name"] for bucket in buckets}}


def test_the_reference_does_what_the_oracle_says(stack: EmbeddedStack) -> None:
    before, probe = held(stack), WithPrefect(stack)
    facts = pipeline.collect(stack, probe)
    assert held(stack) == before
    assert (facts.trouble, facts.left_behind, facts.pqrs_before) == ((), (), ())
    assert probe.asked == ["postgres", "objects", "dask"]
    assert facts.place == "stack"
    assert facts.raw is not None
    assert facts.raw.intact
    assert facts.raw.rows_expected == facts.delivery.rows > 2_500
    assert facts.quarantine is not None
    assert facts.quarantine.found == facts.delivery.malformed
    for compared, tables in ((facts.lake, 16), (facts.served, 11), (facts.mirrored, 11)):
        assert len(compared) == tables
        assert all(one.agrees and one.actual_rows for one in compared)
    assert facts.fresh is not None
    assert facts.fresh.hashes == facts.hashes
    assert facts.fresh.flow is not None
    assert (facts.fresh.flow.state, facts.fresh.flow.shown, facts.fresh.flow.own) == ("COMPLETED", True, True)
    for check in (
        e2e.test_nothing_disappears, e2e.test_silver_is_right, e2e.test_the_term_is_counted_as_the_law_says,
        e2e.test_pqrs_come_out_right_at_the_end, e2e.test_postgres_serves_what_the_lake_holds,
        e2e.test_running_again_changes_nothing, e2e.test_the_same_seed_gives_the_same_lake,
        e2e.test_the_run_is_catalogued, e2e.test_it_ran_where_the_architecture_says,
    ):  # fmt: skip
        check(facts)


def test_somebodys_platform_gets_the_kits_pipeline_and_its_faults_are_found(
    stack: EmbeddedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that changes what it stores, under the pipeline that the kit runs in its own process."""
    runs: list[str] = []
    run = pipeline.Laboratory.run

    def sabotaged(laboratory: pipeline.Laboratory, settings: Settings, *asked: Any) -> Attempt:
        done = run(laboratory, settings, *asked)
        runs.append(settings.dask_scheduler_address)
        if len(runs) == 1:
            with psycopg.connect(stack.postgres().dsn(settings.postgres_db)) as connection:
                connection.execute("UPDATE gold.fact_term SET paused_days = paused_days + 1 WHERE term_no = 1")
                connection.execute("DELETE FROM gold.kpi_sla_daily WHERE overdue > 0")
        return done

    monkeypatch.setattr(pipeline.Laboratory, "run", sabotaged)
    facts = pipeline.collect(altered(stack, runs_reference=False), Alone())
    assert (facts.place, facts.trouble, facts.left_behind) == ("kit", (), ())
    assert len(runs) == 4  # once, again, and in two parts in another lake
    assert all(address.startswith("inproc://") for address in runs)
    assert all(one.agrees for one in facts.lake)
    wrong = {one.table: one for one in facts.served if not one.agrees}
    assert wrong.keys() == {"fact_term", "kpi_sla_daily"}
    assert wrong["fact_term"].differing_columns == {"paused_days": facts.delivery.tickets}
    assert wrong["kpi_sla_daily"].missing > 0
    with pytest.raises(Broken, match="paused_days in"):
        e2e.test_pqrs_come_out_right_at_the_end(facts)
    with pytest.raises(Broken, match="kpi_sla_daily"):
        e2e.test_postgres_serves_what_the_lake_holds(facts)
    # Running again mended it, which is a change.
    with pytest.raises(Broken, match="that changed: postgres fact_term, postgres kpi_sla_daily"):
        e2e.test_running_again_changes_nothing(facts)


@pytest.mark.parametrize("refused", ["postgres", "object_store"])
def test_a_store_that_refuses_the_kit_is_a_fact(stack: EmbeddedStack, refused: str) -> None:
    before = held(stack)
    wrong = {
        "postgres": lambda: replace(stack.postgres(), password="wrong"),
        "object_store": lambda: replace(stack.object_store(), secret_key="wrong"),
    }
    facts: PipelineFacts = pipeline.collect(altered(stack, **{refused: wrong[refused]}), Alone())
    assert not facts.scratch.ok
    assert facts.execution is None
    assert any("work in a scratch" in trouble for trouble in facts.trouble)
    assert held(stack) == before


def test_where_prefect_has_no_deployment_one_is_made_for_the_run(
    stack: EmbeddedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = stack.endpoint(Role.PREFECT_SERVER).url
    pool = WithPrefect(stack).observation("prefect").facts["pools"][0]["name"]  # type: ignore[index]
    monkeypatch.setattr(pipeline_flow, "DEPLOYMENT", "nobodys")
    flow = pipeline_flow.run_flow(url, pool, "nothing", "2026-01-23", stack.settings().to_env(), ())
    assert (flow.own, flow.state, flow.completed, flow.shown) == (False, "FAILED", False, True)
    assert "run nothing delivered nothing" in flow.detail
    assert flow.left_behind == ""
    assert [one["name"] for one in PrefectApi(url).filter("/deployments", {}) or []] == ["reference"]
