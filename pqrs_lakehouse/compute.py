"""The pipeline: raw → bronze → silver → gold → PostgreSQL, each stage a fan-out of Dask tasks with Polars inside.

A task takes names, reads and writes files, and returns a small report: no rows pass through scheduler or driver. What
a task writes becomes part of a layer only when the driver commits it, at the end of the stage: bronze in the
catalogue, silver and gold in their Delta logs, PostgreSQL in one transaction. So a stage that dies half-way leaves
every layer as it was, and running again repairs it.
"""

# mypy: disable-error-code="no-untyped-call"
# (distributed is typed only in part)

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import polars as pl

from pqrs_lakehouse import catalog, warehouse
from pqrs_lakehouse.catalog import Batch, Dataset, Layer, Quality
from pqrs_lakehouse.lake import DataFile, Lake, RawEntry, Snapshot, delta_schema
from pqrs_lakehouse.layers import bronze, gold, silver
from pqrs_lakehouse.layers.raw import PREFIX as RAW
from pqrs_lakehouse.layers.raw import RawFile, read_lines
from pqrs_lakehouse.settings import Settings

if TYPE_CHECKING:
    from distributed import Client

BRONZE: Final = "bronze/pqrs_events"
QUARANTINE: Final = "quarantine/pqrs_events"
SILVER: Final = {
    "tickets": delta_schema(silver.TICKETS.to_frame()),
    "messages": delta_schema(silver.MESSAGES.to_frame()),
    "status_events": delta_schema(silver.STATUS_EVENTS.to_frame()),
}
FACTS: Final = {
    "fact_ticket": delta_schema(pl.Schema({**gold.FACT_TICKET, "bucket": pl.Int16()}).to_frame()),
    "fact_term": delta_schema(pl.Schema({**gold.FACT_TERM, "bucket": pl.Int16()}).to_frame()),
}
"""Tables that are divided by ticket bucket, with their Delta schemas."""
PARTIALS: Final = {"volume": gold.VOLUME, "backlog_changes": gold.BACKLOG_CHANGES, "sla": gold.SLA}
"""Sums by day that add up over buckets."""

TASK_BYTES: Final = 16 << 20
"""Raw bytes that a bronze task reads, unless a single file is longer."""
TASK_ROWS: Final = 250_000
"""Events that a silver or gold task reads, unless a single bucket holds more."""
LEAST_ROWS: Final = 10_000
"""Fewer are not worth a task of their own."""
RETRIES: Final = 2
"""Times that a task is tried again, say when its worker or a service was lost."""
PATIENCE_S: Final = 30
"""How long to wait for the Dask scheduler and a first worker."""

Progress = Callable[[str, int, int], None]
"""Is told the stage, how many of its tasks are done, and how many there are."""
T = TypeVar("T")


class PipelineError(RuntimeError):
    """The pipeline cannot go on; the message says why."""


@dataclass(frozen=True)
class Run:
    """One run: what it works on is the delivery of the same name."""

    run_id: str
    as_of: date  # the day on which the states of terms are told
    ingested_at: datetime


@dataclass(frozen=True)
class StageReport:
    """What one stage did."""

    layer: Layer
    read: tuple[Dataset, ...]
    written: tuple[Dataset, ...]
    quality: tuple[Quality, ...]

    @property
    def rows_in(self) -> int:
        return sum(dataset.rows for dataset in self.read)

    @property
    def rows_out(self) -> int:
        return sum(dataset.rows for dataset in self.written)

    @property
    def uris(self) -> tuple[str, ...]:
        return tuple(dataset.uri for dataset in self.written)


@dataclass(frozen=True)
class RunReport:
    """What a whole run did."""

    run_id: str
    as_of: date
    stages: tuple[StageReport, ...]


# The run


def run_pipeline(
    settings: Settings, run_id: str, as_of: date | None = None, progress: Progress | None = None
) -> RunReport:
    """Run all stages, driven from this process.

    Raises:
        PipelineError, LakeError, CatalogError: the run is catalogued as FAILED; run it again once the cause is gone.
    """
    run = open_run(settings, run_id, as_of)
    with catalogued(settings, run_id), dask_client(settings) as client:
        stages = tuple(stage(settings, run, client, progress) for stage in STAGES.values())
    return RunReport(run_id, run.as_of, stages)


def open_run(settings: Settings, run_id: str, as_of: date | None = None) -> Run:
    """Catalogue the start of a run of the delivery ``run_id``; ``as_of`` is by default the last day of arrival.

    Raises:
        LakeError: there is no such delivery.
        PipelineError: nothing has ever arrived, so that there is no last day.
    """
    manifest = open_lake(settings).manifest(run_id)
    arrivals = [RawFile.parse(file.key).day for file in manifest.files]
    known = catalog.last_arrival(settings)
    last = max([*arrivals, known] if known else arrivals, default=None)
    day = as_of or last
    if day is None:
        raise PipelineError(f"run {run_id} delivered no file and bronze is empty: say which day it is (as_of)")
    started_at = catalog.start_run(
        settings,
        run_id,
        as_of=day,
        seed=manifest.seed,
        config_hash=manifest.config_hash,
        parameters={"as_of": as_of and as_of.isoformat(), "buckets": settings.lake_buckets},
    )
    return Run(run_id, day, started_at)


@contextmanager
def catalogued(settings: Settings, run_id: str) -> Iterator[None]:
    """Catalogue the end of the run: SUCCESS, or FAILED with the error that leaves this block."""
    try:
        yield
    except BaseException as error:
        try:
            catalog.fail_run(settings, run_id, f"{type(error).__name__}: {error}")
        except Exception as unrecorded:
            error.add_note(f"and the catalogue could not be told: {unrecorded}")
        raise
    catalog.finish_run(settings, run_id)


@contextmanager
def dask_client(settings: Settings) -> Iterator[Client]:
    """A client of the configured scheduler, or, without one, of two worker processes that end with this block.

    Raises:
        PipelineError: no scheduler or no worker within ``PATIENCE_S``.
    """
    from distributed import Client, LocalCluster

    if not settings.dask_scheduler_address:
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="1500MB", dashboard_address=None) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    address = settings.dask_scheduler_address
    try:
        client = Client(address, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise PipelineError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE_S)
        except TimeoutError:
            raise PipelineError(f"the Dask scheduler at {address} has no worker") from None
        yield client


@lru_cache(maxsize=4)
def open_lake(settings: Settings) -> Lake:
    """The lake of a deployment, one client in a process."""
    return Lake(settings)


# raw → bronze


class Unit(NamedTuple):
    """Raw files of one day that become one bronze file."""

    day: date
    part: int
    files: tuple[RawEntry, ...]


class Ingested(NamedTuple):
    batch: Batch
    misplaced: int  # raw rows that are not in exactly one of bronze and quarantine


def to_bronze(settings: Settings, run: Run, client: Client, progress: Progress | None = None) -> StageReport:
    """Type the run's raw rows or quarantine them."""
    lake = open_lake(settings)
    manifest = lake.manifest(run.run_id)
    calls = [(settings, run, units) for units in _packed(_units(manifest.files))]
    ingested = [one for many in _fan_out(client, pqrs_bronze, calls, "bronze", progress) for one in many]
    batches = [one.batch for one in ingested]
    rows, quarantined = sum(batch.rows for batch in batches), sum(batch.quarantined for batch in batches)
    raw = Dataset("raw", "pqrs_events", lake.uri(RAW), "jsonl", manifest.rows, manifest.size)
    events = Dataset("bronze", "pqrs_events", lake.uri(BRONZE), "parquet", rows, sum(batch.bytes for batch in batches))
    refused = Dataset("bronze", "quarantine", lake.uri(QUARANTINE), "parquet", quarantined)
    report = StageReport(
        "bronze",
        read=(raw,),
        written=(events, refused),
        quality=(
            Quality.promise("bronze", "raw_rows_in_bronze_or_quarantine", rows + quarantined, manifest.rows),
            Quality.promise("bronze", "misplaced_rows_by_file", sum(one.misplaced for one in ingested), 0),
            Quality.dirt("bronze", "quarantined_rows", quarantined),
        ),
    )
    _conclude(settings, run, report, product(report.written, report.read))
    uris = [batch.quarantine_uri for batch in batches if batch.quarantine_uri]
    _fan_out(client, pqrs_quarantine, [(settings, run, uris)], "bronze", None)
    catalog.register_batches(settings, run.run_id, batches)
    return report


def pqrs_bronze(settings: Settings, run: Run, units: Sequence[Unit]) -> list[Ingested]:
    """Task: the raw files of some units into bronze and quarantine files."""
    lake = open_lake(settings)
    lines = pl.concat([bronze.LINES.to_frame(), *(_lines(lake, entry) for unit in units for entry in unit.files)])
    parts = bronze.split(lines, run_id=run.run_id, ingested_at=run.ingested_at, buckets=settings.lake_buckets)
    return [_ingest(lake, settings, run, unit, parts) for unit in units]


def pqrs_quarantine(settings: Settings, run: Run, uris: Sequence[str]) -> None:
    """Task: the run's quarantined rows into PostgreSQL."""
    lake = open_lake(settings)
    warehouse.replace_quarantine(settings, run.run_id, (lake.scan_parquet([uri]).collect() for uri in uris))


def _lines(lake: Lake, entry: RawEntry) -> pl.DataFrame:
    lines = read_lines(lake.read_raw(entry))
    file = RawFile.parse(entry.key)
    return pl.DataFrame(
        {
            "source_file": pl.repeat(entry.key, len(lines), eager=True),
            "line_no": pl.int_range(1, len(lines) + 1, eager=True),
            "source_channel": pl.repeat(file.source, len(lines), eager=True),
            "day": pl.repeat(file.day, len(lines), eager=True),
            "line": lines,
        },
        schema=bronze.LINES,
    )


def _ingest(lake: Lake, settings: Settings, run: Run, unit: Unit, parts: bronze.Split) -> Ingested:
    of_unit = pl.col("source_file").is_in([entry.key for entry in unit.files])
    # By bucket, so that who reads some buckets can skip row groups by their statistics.
    events = parts.bronze.filter(of_unit).sort("bucket", "source_file", "line_no")
    refused = parts.quarantine.filter(of_unit).sort("source_file", "line_no")
    name = f"day={unit.day}/run_id={run.run_id}/part-{unit.part}.parquet"
    stored = lake.put_parquet(f"{BRONZE}/{name}", events, max(events.height // settings.lake_buckets, 4096))
    if refused.height:
        lake.put_parquet(f"{QUARANTINE}/{name}", refused)
    found = Counter(dict(pl.concat([events["source_file"], refused["source_file"]]).value_counts().iter_rows()))
    per_bucket = dict(events["bucket"].value_counts().iter_rows())
    batch = Batch(
        uri=lake.uri(stored.key),
        quarantine_uri=lake.uri(f"{QUARANTINE}/{name}") if refused.height else None,
        run_id=run.run_id,
        day=unit.day,
        part=unit.part,
        source_channels=sorted({RawFile.parse(entry.key).source for entry in unit.files}),
        source_files=len(unit.files),
        rows=events.height,
        quarantined=refused.height,
        bytes=stored.size,
        sha256=stored.sha256,
        bucket_rows=[per_bucket.get(bucket, 0) for bucket in range(settings.lake_buckets)],
        min_ts=events["ts"].min(),  # type: ignore[arg-type]
        max_ts=events["ts"].max(),  # type: ignore[arg-type]
        ingested_at=run.ingested_at,
    )
    return Ingested(batch, sum(abs(entry.rows - found[entry.key]) for entry in unit.files))


def _units(files: Iterable[RawEntry]) -> list[Unit]:
    """One unit a day, more when the day is long. The same files always make the same units: their files' names."""
    of_day: dict[date, list[list[RawEntry]]] = defaultdict(list)
    for entry in sorted(files, key=lambda entry: entry.key):
        parts = of_day[RawFile.parse(entry.key).day]
        if not parts or sum(other.size for other in parts[-1]) + entry.size > TASK_BYTES:
            parts.append([])
        parts[-1].append(entry)
    return [Unit(day, n, tuple(part)) for day, parts in sorted(of_day.items()) for n, part in enumerate(parts)]


def _packed(units: Iterable[Unit]) -> list[list[Unit]]:
    """Units in tasks of at most ``TASK_BYTES``."""
    tasks: list[list[Unit]] = []
    size = 0
    for unit in units:
        unit_size = sum(entry.size for entry in unit.files)
        if not tasks or size + unit_size > TASK_BYTES:
            tasks.append([])
            size = 0
        tasks[-1].append(unit)
        size += unit_size
    return tasks


# bronze → silver


class Folded(NamedTuple):
    files: dict[str, list[DataFile]]  # by table of silver
    rows: int
    events: int  # distinct
    creations: int  # distinct
    tickets: int  # with any event
    rejected: int  # status events that are not valid
    after_gap: int  # valid status events that do not follow from the one before


def to_silver(settings: Settings, run: Run, client: Client, progress: Progress | None = None) -> StageReport:
    """Fold the buckets that the run's events touch, from all of bronze. Quality is counted over these buckets."""
    lake = open_lake(settings)
    with catalog.lock(settings) as lock:
        batches = catalog.batches(settings)
        _check_bronze(settings, lake, batches)
        touched = sorted(
            {b for batch in batches if batch.run_id == run.run_id for b, n in enumerate(batch.bucket_rows) if n}
        )
        rows = {bucket: sum(batch.bucket_rows[bucket] for batch in batches) for bucket in touched}
        calls = [
            (settings, buckets, [batch.uri for batch in batches if any(batch.bucket_rows[b] for b in buckets)])
            for buckets in _grouped(rows, client)
        ]
        folded = _fan_out(client, pqrs_silver, calls, "silver", progress)
        lock.check()
        written = tuple(
            _commit(lake, run, "silver", name, [file for one in folded for file in one.files[name]], schema, touched)
            for name, schema in SILVER.items()
        )
        events, tickets = sum(one.events for one in folded), _rows(one.files["tickets"] for one in folded)
        read = Dataset("bronze", "pqrs_events", lake.uri(BRONZE), "parquet", sum(one.rows for one in folded))
        report = StageReport(
            "silver",
            read=(read,),
            written=written,
            quality=(
                Quality.promise("silver", "bronze_rows_read", read.rows, sum(rows.values())),
                Quality.dirt("silver", "duplicate_events", read.rows - events),
                Quality.dirt("silver", "extra_creations", sum(one.creations for one in folded) - tickets),
                Quality.dirt("silver", "tickets_without_creation", sum(one.tickets for one in folded) - tickets),
                Quality.dirt("silver", "rejected_transitions", sum(one.rejected for one in folded)),
                Quality.dirt("silver", "transitions_after_a_gap", sum(one.after_gap for one in folded)),
            ),
        )
        _conclude(settings, run, report, product(report.written, report.read))
    return report


def pqrs_silver(settings: Settings, buckets: Sequence[int], uris: Sequence[str]) -> Folded:
    """Task: the events of some buckets folded into files of silver."""
    lake = open_lake(settings)
    events = lake.scan_parquet(uris).filter(pl.col("bucket").is_in(buckets))
    event, created = pl.struct("ticket_id", "event_id"), pl.col("event_type") == "TICKET_CREATED"
    counts = events.select(
        pl.len().alias("rows"),
        event.n_unique().alias("events"),
        event.filter(created).n_unique().alias("creations"),
        pl.col("ticket_id").n_unique().alias("tickets"),
    ).collect()
    tables = {name: table.collect() for name, table in silver.build(events)._asdict().items()}
    status = tables["status_events"]
    return Folded(
        {name: _put_by_bucket(lake, f"silver/{name}", table) for name, table in tables.items()},
        **counts.row(0, named=True),
        rejected=status["rejection"].count(),
        after_gap=status["contiguous"].not_().sum(),
    )


def _check_bronze(settings: Settings, lake: Lake, batches: Iterable[Batch]) -> None:
    """The catalogue's bronze is this lake's, and divided into as many buckets as the settings say."""
    for batch in batches:
        lake.key(batch.uri)
        if len(batch.bucket_rows) != settings.lake_buckets:
            raise PipelineError(
                f"LAKE_BUCKETS is {settings.lake_buckets}, but {batch.uri} is divided into {len(batch.bucket_rows)}"
            )


# silver → gold


class Counted(NamedTuple):
    files: dict[str, list[DataFile]]  # by fact table
    partials: dict[str, str]  # by kind of partial sum, the key of its Parquet file


class Combined(NamedTuple):
    file: DataFile
    schema: str


def to_gold(settings: Settings, run: Run, client: Client, progress: Progress | None = None) -> StageReport:
    """Facts, dimensions and KPIs from all of silver: what has become of a term depends on the day it is asked."""
    lake = open_lake(settings)
    scratch = f"tmp/run_id={run.run_id}/"
    with catalog.lock(settings) as lock:
        tickets, status = lake.snapshot("silver/tickets"), lake.snapshot("silver/status_events")
        files = {name: _by_bucket(snapshot) for name, snapshot in (("tickets", tickets), ("status", status))}
        rows = {bucket: _rows(by.get(bucket, []) for by in files.values()) for bucket in sorted(files["tickets"])}
        calls = [
            (settings, run, {b: (files["tickets"][b], files["status"].get(b, [])) for b in buckets}, scratch)
            for buckets in _grouped(rows, client)
        ]
        counted: list[Counted] = _fan_out(client, pqrs_gold, calls, "gold", progress)
        partials = {kind: [one.partials[kind] for one in counted] for kind in PARTIALS}
        combined: dict[str, Combined] = _fan_out(client, pqrs_kpis, [(settings, run, partials)], "gold", None)[0]
        lock.check()
        facts = [
            _commit(
                lake, run, "gold", name, [file for one in counted for file in one.files[name]], schema,
                range(settings.lake_buckets),
            )
            for name, schema in FACTS.items()
        ]  # fmt: skip
        others = [
            _commit(lake, run, "gold", name, [table.file], table.schema, None) for name, table in combined.items()
        ]
        lake.delete(scratch)
        read = tuple(_dataset(lake, "silver", snapshot) for snapshot in (tickets, status))
        report = StageReport(
            "gold",
            read=read,
            written=(*facts, *others),
            quality=(Quality.promise("gold", "tickets_in_fact_ticket", facts[0].rows, tickets.rows),),
        )
        derived = [dataset for dataset in report.written if dataset.name not in gold.dimensions()]
        _conclude(settings, run, report, product(derived, read))
    return report


def pqrs_gold(
    settings: Settings, run: Run, buckets: dict[int, tuple[list[DataFile], list[DataFile]]], scratch: str
) -> Counted:
    """Task: the facts of some buckets, and partial sums by day."""
    lake = open_lake(settings)
    files: dict[str, list[DataFile]] = {name: [] for name in FACTS}
    sums: dict[str, list[pl.DataFrame]] = {kind: [] for kind in PARTIALS}
    for bucket, (tickets, status) in buckets.items():
        of_bucket = gold.of_bucket(
            lake.scan_files("silver/tickets", tickets),
            lake.scan_files("silver/status_events", status) if status else silver.STATUS_EVENTS.to_frame().lazy(),
            run.as_of,
        )._asdict()
        for name, written in files.items():
            written.append(lake.put_table_file(f"gold/{name}", of_bucket[name], bucket))
        for kind, partial in sums.items():
            partial.append(of_bucket[kind])
    keys = {kind: f"{scratch}{kind}/{min(buckets)}.parquet" for kind in PARTIALS}
    for kind, key in keys.items():
        lake.put_parquet(key, pl.concat(sums[kind]))
    return Counted(files, keys)


def pqrs_kpis(settings: Settings, run: Run, partials: dict[str, list[str]]) -> dict[str, Combined]:
    """Task: the calendar and the KPIs from the partial sums; and the dimensions."""
    lake = open_lake(settings)
    volume, backlog_changes, sla = (
        pl.concat([schema.to_frame(), *(lake.scan_parquet([lake.uri(key)]).collect() for key in partials[kind])])
        for kind, schema in PARTIALS.items()
    )
    combined = gold.combine(volume, backlog_changes, sla, gold.span(volume, sla), run.as_of)
    tables = {**combined._asdict(), **gold.dimensions()}
    return {
        name: Combined(lake.put_table_file(f"gold/{name}", table), delta_schema(table))
        for name, table in tables.items()
    }


# gold → PostgreSQL


def to_warehouse(settings: Settings, run: Run, client: Client, progress: Progress | None = None) -> StageReport:
    """Make PostgreSQL serve what gold holds."""
    lake = open_lake(settings)
    with catalog.lock(settings):
        snapshots = [lake.snapshot(f"gold/{name}") for name in warehouse.GOLD]
        call = (settings, {snapshot.table: snapshot.files for snapshot in snapshots})
        counts: dict[str, int] = _fan_out(client, pqrs_warehouse, [call], "warehouse", progress)[0]
        where = f"postgresql://{settings.postgres_host}:{settings.postgres_port}/{settings.postgres_db}"
        read = tuple(_dataset(lake, "gold", snapshot) for snapshot in snapshots)
        written = tuple(
            Dataset("warehouse", f"gold.{name}", f"{where}/gold.{name}", "postgresql", counts[name])
            for name in warehouse.GOLD
        )
        quality = tuple(
            Quality.promise("warehouse", f"rows_of_{source.name}", made.rows, source.rows)
            for made, source in zip(written, read, strict=True)
        )
        report = StageReport("warehouse", read, written, quality)
        _conclude(settings, run, report, zip(written, read, strict=True))
    return report


def pqrs_warehouse(settings: Settings, files: dict[str, Sequence[DataFile]]) -> dict[str, int]:
    """Task: gold into PostgreSQL, file by file."""
    lake = open_lake(settings)
    return warehouse.replace_gold(settings, {name: _pieces(lake, files, f"gold/{name}") for name in warehouse.GOLD})


def _pieces(lake: Lake, files: dict[str, Sequence[DataFile]], table: str) -> Iterator[pl.DataFrame]:
    for file in files[table]:
        yield lake.scan_files(table, [file]).collect()


STAGES: Final = {"bronze": to_bronze, "silver": to_silver, "gold": to_gold, "warehouse": to_warehouse}
"""By layer, in their order."""


# What the stages share


def _fan_out(
    client: Client, task: Callable[..., T], calls: Sequence[tuple[Any, ...]], stage: str, progress: Progress | None
) -> list[T]:
    """Run the task on the workers once for each call; the results in the order of the calls. One failure ends all.

    Raises:
        PipelineError: the workers die of it, or the scheduler went away; besides, whatever the task raises.
    """
    from distributed import CancelledError, KilledWorker, as_completed

    futures = [client.submit(task, *call, pure=False, retries=RETRIES) for call in calls]
    try:
        for done, future in enumerate(as_completed(futures, loop=client.loop), 1):
            future.result()
            if progress:
                progress(stage, done, len(futures))
        return [future.result() for future in futures]
    except KilledWorker as error:
        raise PipelineError(f"{stage}: a task ends its workers, out of memory perhaps: {error}") from error
    except CancelledError as error:
        raise PipelineError(f"{stage}: the Dask scheduler was lost") from error
    finally:
        client.cancel(futures)


def _grouped(rows: dict[int, int], client: Client) -> list[list[int]]:
    """Buckets in groups for tasks: at most ``TASK_ROWS`` each, and enough of them for every thread where it pays."""
    threads = sum(client.nthreads().values()) or 1
    most = min(TASK_ROWS, max(LEAST_ROWS, -(-sum(rows.values()) // threads)))
    groups: list[list[int]] = []
    size = 0
    for bucket, count in rows.items():
        if not groups or size + count > most:
            groups.append([])
            size = 0
        groups[-1].append(bucket)
        size += count
    return groups


def _put_by_bucket(lake: Lake, table: str, rows: pl.DataFrame) -> list[DataFile]:
    return [
        lake.put_table_file(table, of_bucket, bucket)
        for (bucket,), of_bucket in sorted(rows.partition_by("bucket", as_dict=True, include_key=False).items())
    ]


def _by_bucket(snapshot: Snapshot) -> dict[int, list[DataFile]]:
    files: dict[int, list[DataFile]] = defaultdict(list)
    for file in snapshot.files:
        if file.bucket is not None:
            files[file.bucket].append(file)
    return files


def _rows(files: Iterable[Iterable[DataFile]]) -> int:
    return sum(file.rows for some in files for file in some)


def _commit(
    lake: Lake,
    run: Run,
    layer: Layer,
    name: str,
    files: Sequence[DataFile],
    schema: str,
    buckets: Collection[int] | None,
) -> Dataset:
    snapshot = lake.commit(f"{layer}/{name}", files, schema, buckets=buckets, run_id=run.run_id)
    return replace(_dataset(lake, layer, snapshot), schema=schema)


def _dataset(lake: Lake, layer: Layer, snapshot: Snapshot) -> Dataset:
    name = snapshot.table.removeprefix(f"{layer}/")
    return Dataset(layer, name, lake.uri(snapshot.table), "delta", snapshot.rows, snapshot.size, snapshot.version)


def _conclude(settings: Settings, run: Run, report: StageReport, lineage: Iterable[tuple[Dataset, Dataset]]) -> None:
    """Catalogue the stage.

    Raises:
        PipelineError: a promise about quality is broken.
    """
    catalog.record(
        settings, run.run_id, read=report.read, written=report.written, lineage=lineage, quality=report.quality
    )
    broken = [f"{q.name} is {q.observed}, not {q.expected}" for q in report.quality if q.status == "FAIL"]
    if broken:
        raise PipelineError(f"{report.layer}: {'; '.join(broken)}")
