"""The pipeline on real services: right, repeatable, repairable. What the conformance kit judges from outside is seen
here from inside, with faults that only the program's own tests can plant."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import psycopg
import pytest
from pipeline_lake import END, config, query, settings

from conformance import oracle
from conformance.stacks.base import Role
from conformance.stacks.embedded import EmbeddedStack
from pqrs_lakehouse import catalog, compute, warehouse
from pqrs_lakehouse.generator import Delivery, generate
from pqrs_lakehouse.lake import Lake, LakeError
from pqrs_lakehouse.layers.raw import RawFile
from pqrs_lakehouse.settings import Settings

pytestmark = pytest.mark.live
__all__ = ["settings"]  # a fixture


def row_versions(settings: Settings) -> dict[str, set[tuple[Any, ...]]]:
    """Where each row stands, who wrote it and who has locked it since."""
    tables = [f"gold.{table}" for table in warehouse.GOLD] + ["bronze.quarantined_event", "bronze.event_batch"]
    return {table: set(query(settings, f"SELECT ctid::text, xmin::text, xmax::text FROM {table}")) for table in tables}


def delta_versions(settings: Settings) -> dict[str, tuple[int, tuple[str, ...]]]:
    lake = Lake(settings)
    tables = [f"silver/{table}" for table in compute.SILVER] + [f"gold/{table}" for table in warehouse.GOLD]
    snapshots = [lake.snapshot(table) for table in tables]
    return {snapshot.table: (snapshot.version, tuple(file.path for file in snapshot.files)) for snapshot in snapshots}


def expected(settings: Settings, run_ids: Iterable[str]) -> oracle.Expected:
    """What the oracle makes of all that was delivered."""
    lake = Lake(settings)
    lines: list[oracle.RawLine] = []
    for run_id in run_ids:
        for entry in lake.manifest(run_id).files:
            file = RawFile.parse(entry.key)
            lines += oracle.raw_lines(entry.key, file.source, file.day, run_id, lake.get(entry.key))
    return oracle.expect(lines, oracle.last_arrival(lines))


def assert_right(settings: Settings, *run_ids: str) -> None:
    """Bronze, quarantine, silver and gold in PostgreSQL are what the oracle says."""
    truth, lake = expected(settings, run_ids), Lake(settings)
    batches = catalog.batches(settings)
    events = lake.scan_parquet([batch.uri for batch in batches]).select("source_file", "line_no", "event_id").collect()
    assert set(events.rows()) == {(e.source_file, e.line_no, e.event_id) for e in truth.bronze}
    assert set(query(settings, "SELECT source_file, line_no, reason, raw FROM bronze.quarantined_event")) == {
        (row.source_file, row.line_no, row.reason, row.raw) for row in truth.quarantine
    }
    tickets = lake.scan_table("silver/tickets").select("ticket_id", "status", "message_count", "closed_at").collect()
    assert set(tickets.rows()) == {(t.ticket_id, t.status, t.message_count, t.closed_at) for t in truth.tickets}
    assert set(
        query(
            settings,
            "SELECT ticket_id, r.date, d.date, channel_code, pqrs_type_code, priority_code, status_code, "
            "municipality_code, petition_kind, received_at, responded_at, closed_at, term_no, term_days, paused_days, "
            "sla_state, business_days_to_response, message_count, attachment_count, reopen_count "
            "FROM gold.fact_ticket JOIN gold.dim_date r ON r.date_key = received_date_key "
            "JOIN gold.dim_date d ON d.date_key = due_date_key JOIN gold.dim_channel USING (channel_key) "
            "JOIN gold.dim_pqrs_type USING (pqrs_type_key) JOIN gold.dim_priority USING (priority_key) "
            "JOIN gold.dim_status USING (status_key) JOIN gold.dim_geo USING (geo_key)",
        )
    ) == {tuple(vars(fact).values()) for fact in truth.fact_ticket}
    assert set(
        query(
            settings,
            "SELECT date, pqrs_type_code, opened, closed, open_at_end FROM gold.kpi_backlog_daily "
            "JOIN gold.dim_date USING (date_key) JOIN gold.dim_pqrs_type USING (pqrs_type_key)",
        )
    ) == {tuple(vars(row).values()) for row in truth.kpi_backlog_daily}


def test_a_run_is_right_and_running_again_changes_nothing(settings: Settings) -> None:
    lake, told = Lake(settings), list[tuple[str, int, int]]()
    manifest = lake.write_raw(generate(config()), "r1", config())
    report = compute.run_pipeline(settings, "r1", progress=lambda *step: told.append(step))
    assert_right(settings, "r1")
    assert report.as_of == END
    assert [stage.layer for stage in report.stages] == ["bronze", "silver", "gold", "warehouse"]
    assert report.stages[0].rows_in == report.stages[0].rows_out == manifest.rows
    assert {stage for stage, _, _ in told} == {"bronze", "silver", "gold", "warehouse"}
    before = row_versions(settings), delta_versions(settings), warehouse.content_hashes(settings), set(lake.list(""))
    started = query(settings, "SELECT started_at FROM meta.etl_run")

    compute.run_pipeline(settings, "r1")
    assert before == (
        row_versions(settings), delta_versions(settings), warehouse.content_hashes(settings), set(lake.list("")),
    )  # fmt: skip
    assert query(settings, "SELECT started_at FROM meta.etl_run") == started
    assert query(settings, "SELECT run_id, status, as_of, seed FROM meta.etl_run") == [("r1", "SUCCESS", END, 7)]
    assert not [key for key in lake.list("") if key.startswith("tmp/")]


def test_the_catalogue_adds_up(settings: Settings) -> None:
    manifest = Lake(settings).write_raw(generate(config()), "r1", config())
    compute.run_pipeline(settings, "r1")
    counts = {(layer, name): rows for layer, name, rows in query(
        settings, "SELECT layer, name, rows FROM meta.run_dataset WHERE direction = 'WRITTEN'"
    )}  # fmt: skip
    assert counts["bronze", "pqrs_events"] + counts["bronze", "quarantine"] == manifest.rows
    for table in warehouse.GOLD:
        assert query(settings, f"SELECT count(*) FROM gold.{table}") == [(counts["gold", table],)]
        assert counts["warehouse", f"gold.{table}"] == counts["gold", table]
    assert query(settings, "SELECT sum(rows), sum(quarantined), sum(source_files) FROM bronze.event_batch") == [
        (counts["bronze", "pqrs_events"], counts["bronze", "quarantine"], len(manifest.files))
    ]
    quality = {name: (status, n) for name, status, n in query(
        settings, "SELECT check_name, status, observed FROM meta.data_quality"
    )}  # fmt: skip
    truth = expected(settings, ["r1"])
    events = {(event.ticket_id, event.event_id) for event in truth.bronze}
    assert quality["raw_rows_in_bronze_or_quarantine"] == ("PASS", manifest.rows)
    assert quality["duplicate_events"] == ("WARN", len(truth.bronze) - len(events))
    created = {ticket.ticket_id for ticket in truth.tickets}
    assert quality["tickets_without_creation"][1] == len({event.ticket_id for event in truth.bronze} - created)
    assert quality["rejected_transitions"][1] == sum(event.rejection is not None for event in truth.status_events)
    assert quality["transitions_after_a_gap"][1] == sum(event.contiguous is False for event in truth.status_events)
    assert not [name for name, (status, _) in quality.items() if status == "FAIL"]
    assert ("gold.fact_ticket", "fact_ticket") in query(settings, "SELECT name, source_name FROM meta.lineage")


def late_event(ticket_id: str, arrival: date) -> Delivery:
    line = (
        f'{{"event_id":"late-1","ticket_id":"{ticket_id}","event_type":"MESSAGE_ADDED","ts":"2026-01-02T10:00:00-05:00",'
        '"data":{"author_role":"citizen","body":"\\u00bfy mi respuesta?"}}'
    )
    return Delivery("chat", arrival, pl.Series([line.encode()], dtype=pl.Binary))


def test_late_events_touch_their_buckets_only(settings: Settings) -> None:
    lake = Lake(settings)
    lake.write_raw(generate(config()), "r1")
    compute.run_pipeline(settings, "r1")
    before = {file.bucket: file.path for file in lake.snapshot("silver/tickets").files}
    ticket_id, bucket = lake.scan_table("silver/tickets").select("ticket_id", "bucket").first().collect().row(0)

    lake.write_raw([late_event(ticket_id, date(2026, 1, 21))], "r2")
    report = compute.run_pipeline(settings, "r2")
    assert report.as_of == date(2026, 1, 21)
    assert_right(settings, "r1", "r2")
    after = {file.bucket: file.path for file in lake.snapshot("silver/tickets").files}
    assert {key for key in before | after if before.get(key) != after.get(key)} == {bucket}
    assert lake.snapshot("silver/status_events").version == 0  # a message changes none
    assert report.stages[1].rows_in < sum(batch.rows for batch in catalog.batches(settings))

    hashes = warehouse.content_hashes(settings)
    compute.run_pipeline(settings, "r1")  # an older run again: the lake stays as new as it was
    assert warehouse.content_hashes(settings) == hashes


def test_the_order_of_deliveries_does_not_matter(settings: Settings) -> None:
    """The second delivery holds the beginning of the tickets that the first goes on with."""
    deliveries = list(generate(config()))
    lake = Lake(settings)
    lake.write_raw([d for d in deliveries if d.day.day % 2], "odd")
    lake.write_raw([d for d in deliveries if not d.day.day % 2], "even")
    compute.run_pipeline(settings, "odd", as_of=END)
    compute.run_pipeline(settings, "even", as_of=END)
    assert_right(settings, "odd", "even")


@pytest.mark.parametrize("broken", ["bronze", "silver", "gold", "warehouse"])
def test_a_failed_run_is_told_and_repaired(settings: Settings, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """Each stage dies after its work, right before the catalogue hears of it."""
    Lake(settings).write_raw(generate(config(600)), "r1")
    conclude = compute._conclude

    def dies(settings: Settings, run: compute.Run, report: compute.StageReport, lineage: Any) -> None:
        if report.layer == broken:
            raise RuntimeError("the power went off\0")
        conclude(settings, run, report, lineage)

    monkeypatch.setattr(compute, "_conclude", dies)
    with pytest.raises(RuntimeError, match="the power went off"):
        compute.run_pipeline(settings, "r1")
    [(status, error, finished)] = query(settings, "SELECT status, error, finished_at FROM meta.etl_run")
    assert (status, error) == ("FAILED", "RuntimeError: the power went off")
    assert finished is not None
    assert catalog.succeeded(settings) == frozenset()

    monkeypatch.undo()
    compute.run_pipeline(settings, "r1")
    assert_right(settings, "r1")
    assert catalog.succeeded(settings) == {"r1"}


def test_a_broken_promise_fails_the_run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that vanish between gold and PostgreSQL are counted."""
    Lake(settings).write_raw(generate(config(600)), "r1")

    def short(*arguments: Any) -> list[dict[str, int]]:
        if arguments[1] is compute.pqrs_warehouse:
            return [dict.fromkeys(warehouse.GOLD, 1)]
        return fan_out(*arguments)

    fan_out: Callable[..., Any] = compute._fan_out
    monkeypatch.setattr(compute, "_fan_out", short)
    with pytest.raises(compute.PipelineError, match=r"warehouse: rows_of_dim_date is 1, not 730"):
        compute.run_pipeline(settings, "r1")
    assert query(
        settings, "SELECT observed, expected FROM meta.data_quality WHERE check_name = 'rows_of_dim_date'"
    ) == [(1, 730)]
    assert query(settings, "SELECT status FROM meta.etl_run") == [("FAILED",)]


def test_raw_is_append_only_and_tampering_is_found(settings: Settings) -> None:
    lake = Lake(settings)
    manifest = lake.write_raw(generate(config(300)), "r1")
    assert lake.write_raw(generate(config(300)), "r1") == manifest
    with pytest.raises(LakeError, match="append-only"):
        lake.write_raw(generate(config(300, seed=8)), "r1")
    with pytest.raises(LakeError, match="append-only"):
        lake.put_new(manifest.files[0].key, b"something else")
    lake.put(manifest.files[0].key, b"{}\n")
    with pytest.raises(LakeError, match="is not what its manifest says"):
        compute.run_pipeline(settings, "r1")
    assert query(settings, "SELECT status FROM meta.etl_run") == [("FAILED",)]


def test_nothing_delivered_is_one_clear_error(settings: Settings) -> None:
    Lake(settings).make_bucket()
    with pytest.raises(LakeError, match="run r1 delivered nothing"):
        compute.run_pipeline(settings, "r1")
    Lake(settings).write_raw([], "empty")
    with pytest.raises(compute.PipelineError, match="say which day it is"):
        compute.run_pipeline(settings, "empty")


def test_no_tickets_at_all(settings: Settings) -> None:
    lines = pl.Series([b"not json", b"", b"\xff\x00 'quoted' \"twice\", \\. \r"], dtype=pl.Binary)
    Lake(settings).write_raw([Delivery("email", date(2026, 2, 3), lines)], "r1")
    compute.run_pipeline(settings, "r1")
    assert query(settings, "SELECT count(*), min(date), max(date) FROM gold.dim_date") == [
        (365, date(2026, 1, 1), date(2026, 12, 31))
    ]
    for table in ("fact_ticket", "fact_term", "kpi_volume_daily", "kpi_backlog_daily", "kpi_sla_daily"):
        assert query(settings, f"SELECT count(*) FROM gold.{table}") == [(0,)]
    raws = dict(query(settings, "SELECT line_no, raw FROM bronze.quarantined_event"))
    assert raws == {1: "not json", 2: "", 3: "\\xff␀ 'quoted' \"twice\", \\. \r"}


def test_another_number_of_buckets_is_refused(settings: Settings) -> None:
    Lake(settings).write_raw(generate(config(300)), "r1")
    compute.run_pipeline(settings, "r1")
    Lake(settings).write_raw([late_event("x", END)], "r2")
    with pytest.raises(compute.PipelineError, match="LAKE_BUCKETS is 8"):
        compute.run_pipeline(replace(settings, lake_buckets=8), "r2")


def test_two_runs_at_once_take_turns(settings: Settings) -> None:
    deliveries = list(generate(config(600)))
    lake = Lake(settings)
    lake.write_raw(deliveries[::2], "one")
    lake.write_raw(deliveries[1::2], "two")
    errors: list[BaseException] = []

    def run(run_id: str) -> None:
        try:
            compute.run_pipeline(settings, run_id, as_of=END)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(run_id,)) for run_id in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert_right(settings, "one", "two")


def test_the_lock_is_one_at_a_time_and_knows_when_it_is_lost(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "LOCK_TIMEOUT_S", 1)
    with catalog.lock(settings) as lock:
        lock.check()
        with pytest.raises(catalog.CatalogError, match="another run"), catalog.lock(settings):
            pass
        query(settings, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        with pytest.raises(psycopg.OperationalError):
            lock.check()
    with catalog.lock(settings) as lock:
        lock.check()


def test_no_scheduler_is_one_clear_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "PATIENCE_S", 1)
    Lake(settings).write_raw(generate(config(300)), "r1")
    with pytest.raises(compute.PipelineError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        compute.run_pipeline(replace(settings, dask_scheduler_address="tcp://127.0.0.1:1"), "r1")
    assert query(settings, "SELECT status FROM meta.etl_run") == [("FAILED",)]


def test_a_lost_worker_and_restarted_stores_are_survived_or_repaired(stack: EmbeddedStack, settings: Settings) -> None:
    Lake(settings).write_raw(generate(config(20_000)), "r1")
    once: dict[str, Callable[[], object]] = {
        "bronze": lambda: stack.kill_one(Role.DASK_WORKER),
        "silver": lambda: stack.restart(Role.POSTGRES),
        "gold": lambda: stack.restart(Role.OBJECT_STORE),
    }

    def disturb(stage: str, _done: int, _total: int) -> None:
        once.pop(stage, lambda: None)()

    try:
        for _ in range(4):
            try:
                compute.run_pipeline(settings, "r1", progress=disturb)
                break
            except psycopg.OperationalError:  # the driver's own connection to PostgreSQL was cut
                assert query(settings, "SELECT status FROM meta.etl_run") == [("FAILED",)]
    finally:
        stack.heal()
    assert once == {}
    assert_right(settings, "r1")
    assert catalog.succeeded(settings) == {"r1"}
