"""Generated PQRS go in at one end and come out right at the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from conformance.observe.disruption_facts import DisruptionFacts
from conformance.observe.facts import Attempt
from conformance.observe.grafana_facts import GrafanaFacts, PanelQuery
from conformance.observe.grafana_panels import SQL
from conformance.observe.pipeline_facts import Again, Catalogue, Fresh, PipelineFacts, Quarantine
from conformance.observe.pqrs_stores import RawFiles
from conformance.observe.reconcile import Comparison
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import cannot_tell, guarantee, holds, kit_fault

BRONZE = ("bronze", "quarantine")
SILVER = ("tickets", "messages", "status_events")
TERM_COLUMNS = (
    "due_day", "responded_at", "term_no", "term_days", "paused_days", "sla_state", "business_days_to_response",
)  # fmt: skip
TRANSFORMS = ("pqrs_bronze", "pqrs_silver", "pqrs_gold", "pqrs_warehouse")
NO_DASK = ("no Dask scheduler answers", "has no worker", "Timed out trying to connect to tcp://")
RUN_METRICS = "pqrs_"  # how the names of the lakehouse's own metrics begin
WRITTEN_LAYERS = ("bronze", "silver", "gold", "warehouse")
TOLD = 3  # tables that a message speaks of


class Fault(NamedTuple):
    """What breaks a guarantee: its cause, in words of the catalogue's hints, what was seen, and where to look."""

    hint: str | None
    observed: str
    where: str = ""


@guarantee("E2E-01")
def test_raw_pqrs_land_intact(pipeline: PipelineFacts, params: Parameters) -> None:
    if not pipeline.scratch.ok:
        cannot_tell(f"there is no scratch to work in: {_trouble(pipeline)}")
    _none(_raw_faults(pipeline, params))
    if params.store_starts_empty and pipeline.pqrs_before is None:
        cannot_tell(f"whether PQRS were there before: {_trouble(pipeline)}")


@guarantee("E2E-02")
def test_nothing_disappears(pipeline: PipelineFacts) -> None:
    _ran(pipeline)
    if pipeline.quarantine is None or pipeline.raw_after is None:
        cannot_tell(_trouble(pipeline))
    _none(_lost_rows(pipeline, pipeline.quarantine, pipeline.raw_after))


@guarantee("E2E-03")
def test_silver_is_right(pipeline: PipelineFacts) -> None:
    _ran(pipeline)
    silver = _of(pipeline.lake, SILVER)
    _none(Fault(one.table, _told(silver)) for one in silver if not one.agrees)


@guarantee("E2E-04")
def test_the_term_is_counted_as_the_law_says(pipeline: PipelineFacts) -> None:
    _ran(pipeline)
    _none(_term_faults(*_of(pipeline.lake, ("dim_date", "fact_term", "fact_ticket"))))


@guarantee("E2E-05")
def test_pqrs_come_out_right_at_the_end(pipeline: PipelineFacts) -> None:
    if pipeline.execution is None or (pipeline.execution.run.ok and not pipeline.served):
        cannot_tell(_trouble(pipeline))
    run = pipeline.execution.run
    _ended(pipeline, run, where="gold")
    _none(_wrong_tables(pipeline.served, "rows"))


@guarantee("E2E-06")
def test_postgres_serves_what_the_lake_holds(pipeline: PipelineFacts) -> None:
    _ran(pipeline)
    if not pipeline.mirrored:
        cannot_tell(_trouble(pipeline))
    _none(_wrong_tables(pipeline.mirrored, None, "the lake's row (should be) and PostgreSQL's: "))


@guarantee("E2E-07")
def test_running_again_changes_nothing(pipeline: PipelineFacts) -> None:
    _ran(pipeline)
    if pipeline.again is None:
        cannot_tell(_trouble(pipeline))
    _none(_changes(pipeline.again))


@guarantee("E2E-08")
def test_the_same_seed_gives_the_same_lake(pipeline: PipelineFacts) -> None:
    _ran(pipeline)
    fresh = pipeline.fresh
    if fresh is None:
        cannot_tell(_trouble(pipeline))
    _ended(pipeline, fresh.execution.run, where="meta.etl_run")
    names = dict.fromkeys([*pipeline.hashes, *fresh.hashes])  # in the order of the layers
    differ = [name for name in names if pipeline.hashes.get(name) != fresh.hashes.get(name)]
    holds(names and not differ, observed=f"different in two fresh lakes: {_some(differ)}", where=_some(differ))


@guarantee("E2E-09")
def test_the_run_is_catalogued(pipeline: PipelineFacts) -> None:
    _ran(pipeline)
    if pipeline.catalogue is None or pipeline.quarantine is None:
        cannot_tell(_trouble(pipeline))
    _none(_catalogue_faults(pipeline, pipeline.catalogue, pipeline.quarantine))


@guarantee("E2E-10")
def test_it_ran_where_the_architecture_says(pipeline: PipelineFacts) -> None:
    fresh = pipeline.fresh
    if fresh is None or fresh.flow is None:
        cannot_tell(
            _trouble(pipeline) if pipeline.trouble else "this stack's Prefect was not given the pipeline to run"
        )
    _none(_elsewhere(fresh))


@guarantee("E2E-11")
def test_a_crash_in_the_middle_loses_nothing(disruption: DisruptionFacts) -> None:
    kit_fault(disruption.trouble.get("crash"))
    crash = disruption.crash
    if crash is None or not crash.under_way.ok:
        cannot_tell(f"{crash.under_way.detail}; {crash.detail}" if crash else "nothing was taken from a run")
    holds(crash.again.ok, observed=f"the run did not end when it was run again: {crash.again.detail}", hint="again")
    if not (crash.lake and crash.served):
        cannot_tell(crash.detail or "what the run left could not be read")
    faults = [*_wrong_tables(crash.lake, None, "lake: "), *_wrong_tables(crash.served, None, "PostgreSQL: ")]
    holds(not faults, observed="; ".join(fault.observed for fault in faults[:TOLD]))
    holds(crash.status == "SUCCESS", observed=f"the catalogue calls the repeated run {crash.status or 'nothing'}")


@guarantee("E2E-12")
def test_a_run_shows_in_the_dashboard(grafana: GrafanaFacts) -> None:
    if grafana.dashboards is None or not grafana.run_between:
        cannot_tell(
            "; ".join(grafana.trouble) or "no run ended well in this deployment's own stores while it was watched"
        )
    lookers = [one for one in grafana.queries if one.type in SQL or RUN_METRICS in one.text]
    shown = [one for one in lookers if _shows_the_run(one)]
    holds(
        shown,
        observed=_some(map(_before_and_after, lookers or grafana.queries)),
        hint=None if lookers else "nobody_looks",
    )


def _none(faults: Iterable[Fault]) -> None:
    """There are no faults; the first one is told."""
    fault = next(iter(faults), None)
    if fault is not None:
        holds(False, observed=fault.observed, hint=fault.hint, where=fault.where)


def _ran(pipeline: PipelineFacts) -> None:
    """What a run leaves can only be judged when it ended and its lake could be read."""
    if pipeline.execution is None or not pipeline.execution.run.ok or not pipeline.lake:
        cannot_tell(f"there is nothing to judge: {_trouble(pipeline)}")


def _ended(pipeline: PipelineFacts, run: Attempt, where: str) -> None:
    """The run ended well. That the stack's own Dask is gone is a fault of Dask's, and told as such."""
    if not run.ok and pipeline.place == "stack" and any(words in run.detail for words in NO_DASK):
        cannot_tell(f"the run is work for the stack's own Dask: {run.detail}")
    holds(run.ok, observed=f"the run did not end: {run.detail}", hint="did_not_run", where=where)


def _trouble(pipeline: PipelineFacts) -> str:
    run = pipeline.execution.run if pipeline.execution else None
    said = [*pipeline.trouble, *([f"the run did not end: {run.detail}"] if run and not run.ok else [])]
    return "; ".join(said) or "nothing says why"


def _raw_faults(pipeline: PipelineFacts, params: Parameters) -> Iterator[Fault]:
    if params.store_starts_empty and pipeline.pqrs_before:
        before = _some(pipeline.pqrs_before)
        yield Fault("not_empty", f"PQRS were there before: {before}", before)
    if pipeline.raw is None:
        yield Fault("not_written", _trouble(pipeline), "raw/pqrs_events/")
    else:
        yield from _altered(pipeline.raw)


def _altered(raw: RawFiles, hint: str = "altered") -> Iterator[Fault]:
    """Raw objects, or what the manifest says of them, that are not what the kit delivered."""
    for what, keys in (("missing", raw.missing), ("unknown", raw.unexpected), ("other bytes", raw.differing)):
        if keys:
            yield Fault(hint, f"{raw.files_found} of {raw.files_expected} files; {what}: {_some(keys)}", _some(keys))
    if raw.manifest_faults or raw.manifest_rows != raw.rows_expected:
        rows = f"{raw.manifest_rows} of {raw.rows_expected} rows"
        yield Fault(hint, f"the manifest: {rows}, {_some(raw.manifest_faults)}", "_manifests/")


def _lost_rows(pipeline: PipelineFacts, rows: Quarantine, after: RawFiles) -> Iterator[Fault]:
    bronze = _of(pipeline.lake, BRONZE)
    if rows.bronze_rows + rows.quarantined != rows.raw_rows:
        counts = f"raw {rows.raw_rows}, bronze {rows.bronze_rows}, quarantine {rows.quarantined}"
        yield Fault("lost", f"{counts}; {_told(bronze)}")
    if not all(one.agrees for one in bronze):
        odd = [f"{reason} {rows.found.get(reason, 0)} of {count}" for reason, count in rows.expected.items()
               if rows.found.get(reason) != count]  # fmt: skip
        yield Fault("misplaced", f"{_told(bronze)}; reasons that miscount: {_some(odd)}")
    yield from _altered(after, "overwritten")
    if pipeline.redelivery and not pipeline.redelivery.ok:
        yield Fault("overwritten", f"another delivery under the same keys: {pipeline.redelivery.detail}")


def _term_faults(calendar: Comparison, terms: Comparison, tickets: Comparison) -> Iterator[Fault]:
    if not calendar.agrees:
        yield Fault("calendar", _told([calendar]))
    columns = {*terms.differing_columns, *(set(tickets.differing_columns) & set(TERM_COLUMNS))}
    if columns or not terms.agrees:
        cause = next((column for column in ("term_days", "paused_days", "due_day") if column in columns), None)
        yield Fault(cause, _told([terms, tickets]))


def _wrong_tables(comparisons: Iterable[Comparison], hint: str | None, said: str = "") -> Iterator[Fault]:
    wrong = [comparison for comparison in comparisons if not comparison.agrees]
    if wrong:
        yield Fault(hint, said + _told(wrong), _some(f"gold.{one.table}" for one in wrong))


def _changes(again: Again) -> Iterator[Fault]:
    if not again.execution.run.ok:
        yield Fault("did_not_run", f"the second run did not end: {again.execution.run.detail}", "meta.etl_run")
    if again.changed:
        yield Fault("contents", f"tables that changed: {_some(again.changed)}", _some(again.changed))
    if again.rewritten:
        rows = _some(f"gold.{table} {count} rows" for table, count in again.rewritten.items())
        yield Fault("rewritten", f"written anew: {rows}", rows)
    if again.objects:
        yield Fault("objects", f"objects that changed: {_some(again.objects)}", _some(again.objects))
    if again.more_runs:
        yield Fault("runs", f"new rows in the run table: {again.more_runs}", "meta.etl_run")


def _catalogue_faults(pipeline: PipelineFacts, catalogue: Catalogue, rows: Quarantine) -> Iterator[Fault]:
    if catalogue.status != "SUCCESS" or not catalogue.finished or catalogue.as_of != pipeline.delivery.last_day:
        state = f"status {catalogue.status}, finished {catalogue.finished}, as_of {catalogue.as_of} {catalogue.error}"
        yield Fault("status", state.rstrip())
    counts = [
        f"{one.dataset} {one.catalogued} for {one.found}" for one in catalogue.counts if one.catalogued != one.found
    ]
    if counts:
        yield Fault("counts", f"rows catalogued and found: {_some(counts)}")
    told = {result.layer for result in catalogue.quality}
    if bare := [layer for layer in WRITTEN_LAYERS if layer not in told]:
        yield Fault("quality", f"layers without quality results: {_some(bare)}")
    if failed := [
        f"{q.layer} {q.name}: {q.observed} for {q.expected}" for q in catalogue.quality if q.status == "FAIL"
    ]:
        yield Fault("quality", f"failed: {_some(failed)}")
    quarantined = [result.observed for result in catalogue.quality if result.name == "quarantined_rows"]
    if quarantined != [rows.quarantined]:
        yield Fault("quality", f"quarantined_rows: {_some(quarantined)} for {rows.quarantined}")


def _elsewhere(fresh: Fresh) -> Iterator[Fault]:
    flow = fresh.flow
    if flow is None or not flow.completed or not flow.shown:
        seen = f"{flow.deployment} on {flow.pool}: {flow.state or 'no state'} {flow.detail}" if flow else "no flow run"
        yield Fault("flow", seen.rstrip(), flow.deployment if flow else "Prefect")
    ran = {task for share in fresh.execution.shares for task in share.tasks}
    if absent := [task for task in TRANSFORMS if task not in ran]:
        shares = _some(f"{share.worker} {sum(share.tasks.values())} tasks" for share in fresh.execution.shares)
        yield Fault("dask", f"not run by a Dask worker: {_some(absent)}; workers: {shares}", _some(absent))


def _shows_the_run(query: PanelQuery) -> bool:
    """It brings rows that were not there before, or a database's answer is another one (metrics always move)."""
    before, after = query.first, query.last
    if after is None or not after.ok or not after.rows:
        return False
    return before is None or not before.rows or (query.type in SQL and before.digest != after.digest)


def _before_and_after(query: PanelQuery) -> str:
    rows = [
        "not asked" if drawn is None else f"{drawn.rows} rows" if drawn.ok else drawn.detail
        for drawn in (query.first, query.last)
    ]
    return f"{query.dashboard} › {query.panel}: before {rows[0]}, after {rows[1]}"


def _of(comparisons: Iterable[Comparison], tables: Sequence[str]) -> list[Comparison]:
    """The comparisons of ``tables``, in this order; without one of them there is no judgment."""
    by_table = {comparison.table: comparison for comparison in comparisons}
    if unread := [table for table in tables if table not in by_table]:
        cannot_tell(f"not compared: {_some(unread)}")
    return [by_table[table] for table in tables]


def _told(comparisons: Iterable[Comparison]) -> str:
    """What is wrong with the tables that are not right: which rows, which columns, what they say and should say."""
    wrong = [_one_told(comparison) for comparison in comparisons if not comparison.agrees]
    return "; ".join([*wrong[:TOLD], *([f"and {len(wrong) - TOLD} more tables"] if len(wrong) > TOLD else [])])


def _one_told(comparison: Comparison) -> str:
    faults = [
        f"{count} {what} ({_some(sample)})"
        for what, count, sample in (
            ("missing", comparison.missing, comparison.missing_sample),
            ("too many", comparison.unexpected, comparison.unexpected_sample),
            ("repeated", comparison.repeated, comparison.repeated_sample),
        )
        if count
    ]
    if comparison.differing:
        columns = [f"{column} in {count}" for column, count in comparison.differing_columns.items()]
        samples = [
            f"{one.row}: {one.column} is {one.actual}, should be {one.expected}" for one in comparison.differences
        ]
        faults.append(f"{comparison.differing} differ ({'; '.join([', '.join(columns), *samples[:2]])})")
    return f"{comparison.table}, {comparison.expected_rows} rows: {', '.join(faults)}"


def _some(items: Iterable[object]) -> str:
    said = [str(item) for item in items]
    return ", ".join([*said[:5], *([f"{len(said) - 5} more"] if len(said) > 5 else [])]) or "none"
