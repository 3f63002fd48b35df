"""The judgments on the pipeline where facts are few; breaches and variants are in fixtures/."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from judging import judge

from conformance.checks import test_e2e as e2e
from conformance.observe.disruption_facts import Crash, DisruptionFacts
from conformance.observe.facts import Attempt
from conformance.observe.pipeline_facts import Delivery, Execution, Fresh, PipelineFacts, Quarantine
from conformance.observe.pqrs_stores import RawFiles
from conformance.observe.reconcile import Comparison
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Status

DELIVERY = Delivery(
    seed=1, rows=2, files=1, first_day=date(2026, 1, 1), last_day=date(2026, 1, 5), tickets=1, duplicates=0, late=0,
    out_of_order=0, invalid_transitions=0, malformed={},
)  # fmt: skip
TABLES = ("bronze", "quarantine", "tickets", "messages", "status_events", "dim_date", "fact_term", "fact_ticket")
LAKE = tuple(Comparison(table=table, expected_rows=2, actual_rows=2) for table in TABLES)
RAN = Execution(run=Attempt(ok=True), seconds=1)
LATER: list[Callable[..., None]] = [
    e2e.test_nothing_disappears,
    e2e.test_silver_is_right,
    e2e.test_the_term_is_counted_as_the_law_says,
    e2e.test_postgres_serves_what_the_lake_holds,
    e2e.test_running_again_changes_nothing,
    e2e.test_the_same_seed_gives_the_same_lake,
    e2e.test_the_run_is_catalogued,
    e2e.test_it_ran_where_the_architecture_says,
]


def facts(**changes: Any) -> PipelineFacts:
    """A platform on which a scratch could be made, and more."""
    return PipelineFacts(**({"place": "kit", "delivery": DELIVERY, "scratch": Attempt(ok=True)} | changes))


def test_without_scratch_nothing_is_told() -> None:
    refused = facts(scratch=Attempt(ok=False), trouble=("permission denied to create database",))
    for check, arguments in (
        (e2e.test_raw_pqrs_land_intact, (refused, Parameters())),
        *((c, (refused,)) for c in LATER),
    ):
        outcome = judge(check, *arguments)
        assert outcome.status is Status.UNOBSERVABLE
        assert "permission denied to create database" in outcome.observed
    assert judge(e2e.test_pqrs_come_out_right_at_the_end, refused).status is Status.UNOBSERVABLE


def test_a_run_that_does_not_end_breaks_one_promise() -> None:
    stopped = facts(
        raw=RawFiles(files_expected=1, files_found=1, rows_expected=2, manifest_rows=2),
        execution=Execution(run=Attempt(ok=False, detail="OperationalError: no space left on device"), seconds=1),
    )
    assert judge(e2e.test_raw_pqrs_land_intact, stopped, Parameters()).status is Status.PASS
    outcome = judge(e2e.test_pqrs_come_out_right_at_the_end, stopped)
    assert (outcome.status, outcome.hint) == (Status.FAIL, "did_not_run")
    assert "no space left on device" in outcome.es
    for check in LATER[:-1]:
        assert (judge(check, stopped).status, check.__name__) == (Status.UNOBSERVABLE, check.__name__)


@pytest.mark.parametrize(
    ("place", "detail", "status"),
    [
        ("stack", "PipelineError: the Dask scheduler at tcp://127.0.0.1:8786 has no worker", Status.UNOBSERVABLE),
        ("stack", "PipelineError: no Dask scheduler answers at tcp://127.0.0.1:8786: refused", Status.UNOBSERVABLE),
        ("stack", "OSError: Timed out trying to connect to tcp://127.0.0.1:8786 after 30 s", Status.UNOBSERVABLE),
        ("kit", "PipelineError: the Dask scheduler at tcp://127.0.0.1:8786 has no worker", Status.FAIL),
        ("stack", "OperationalError: Timed out", Status.FAIL),
    ],
)
def test_a_stack_whose_own_dask_is_gone_is_told_so_once(place: str, detail: str, status: Status) -> None:
    stopped = facts(place=place, execution=Execution(run=Attempt(ok=False, detail=detail), seconds=30.0))
    assert judge(e2e.test_pqrs_come_out_right_at_the_end, stopped).status is status


def test_a_run_that_ends_in_one_lake_and_not_in_the_other_breaks_a_promise() -> None:
    stopped = Execution(
        run=Attempt(ok=False, detail="PipelineError: warehouse: rows_of_fact_term is 3, not 2"), seconds=1
    )
    outcome = judge(
        e2e.test_the_same_seed_gives_the_same_lake, facts(execution=RAN, lake=LAKE, fresh=Fresh(execution=stopped))
    )
    assert (outcome.status, outcome.hint) == (Status.FAIL, "did_not_run")
    assert "rows_of_fact_term is 3, not 2" in outcome.es


def test_tables_that_were_not_compared_do_not_agree() -> None:
    outcome = judge(e2e.test_postgres_serves_what_the_lake_holds, facts(execution=RAN, lake=LAKE, mirrored=()))
    assert outcome.status is Status.UNOBSERVABLE


@pytest.mark.parametrize("check", LATER, ids=lambda check: check.guarantee_id)
def test_what_could_not_be_read_is_not_judged(check: Callable[..., None]) -> None:
    unread = facts(execution=RAN, trouble=("run again: OperationalError: server closed the connection",))
    outcome = judge(check, unread)
    assert outcome.status is Status.UNOBSERVABLE
    assert "server closed the connection" in outcome.observed


@pytest.mark.parametrize(
    ("check", "table"), list(zip(LATER[:3], ("quarantine", "tickets", "fact_ticket"), strict=True))
)
def test_a_table_that_was_not_compared_is_named(check: Callable[..., None], table: str) -> None:
    rows = Quarantine(raw_rows=2, bronze_rows=2, quarantined=0, expected={}, found={})
    raw = RawFiles(files_expected=1, files_found=1, rows_expected=2, manifest_rows=2)
    lake = tuple(one for one in LAKE if one.table != table)
    outcome = judge(check, facts(execution=RAN, lake=lake, quarantine=rows, raw_after=raw))
    assert (outcome.status, outcome.observed) == (Status.UNOBSERVABLE, f"not compared: {table}")


@pytest.mark.parametrize("unread", ["lake", "served"])
def test_a_crash_is_judged_by_the_lake_and_by_postgresql(unread: str) -> None:
    right = {"lake": LAKE, "served": LAKE} | {unread: ()}
    crash = Crash(under_way=Attempt(ok=True), again=Attempt(ok=True), status="SUCCESS", **right)
    outcome = judge(e2e.test_a_crash_in_the_middle_loses_nothing, DisruptionFacts(crash=crash))
    assert outcome.status is Status.UNOBSERVABLE


def test_a_store_with_pqrs_is_only_refused_where_it_should_be_empty() -> None:
    raw = RawFiles(files_expected=1, files_found=1, rows_expected=2, manifest_rows=2)
    unseen = facts(raw=raw, pqrs_before=None, trouble=("look for PQRS in the object store: ClientError: SlowDown",))
    assert judge(e2e.test_raw_pqrs_land_intact, unseen, Parameters()).status is Status.PASS
    outcome = judge(e2e.test_raw_pqrs_land_intact, unseen, Parameters(store_starts_empty=True))
    assert outcome.status is Status.UNOBSERVABLE
    assert "SlowDown" in outcome.observed
    lived_in = facts(raw=raw, pqrs_before=("pqrs/raw/a.jsonl",))
    assert judge(e2e.test_raw_pqrs_land_intact, lived_in, Parameters()).status is Status.PASS
    outcome = judge(e2e.test_raw_pqrs_land_intact, lived_in, Parameters(store_starts_empty=True))
    assert (outcome.status, outcome.hint) == (Status.FAIL, "not_empty")
    assert "pqrs/raw/a.jsonl" in outcome.en


def test_many_wrong_tables_are_told_in_short() -> None:
    wrong = tuple(
        Comparison(table=f"t{n}", expected_rows=9, actual_rows=8, missing=1, missing_sample=(f"row {n}",))
        for n in range(9)
    )
    outcome = judge(e2e.test_pqrs_come_out_right_at_the_end, facts(execution=RAN, lake=LAKE, served=wrong))
    assert outcome.observed.endswith("t2, 9 rows: 1 missing (row 2); and 6 more tables")
    assert "gold.t4, 4 more" in outcome.en
