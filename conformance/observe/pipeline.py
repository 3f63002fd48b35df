"""Generated PQRS, end to end: raw objects in, gold in PostgreSQL out, compared with the oracle row for row.

Everything happens in scratch: buckets and databases of random names beside what the deployment holds. On a stack that
runs the reference its own Dask does the work, once driven from here and once as a flow run of its own Prefect. Where
the kit has put that stack into containers for this one check, the first run is driven from inside, where services have
their own names, and the flow run goes into the deployment's own bucket and database, as its users' runs do.
Elsewhere the kit does it in its own process on the deployment's stores, so that only the platform can fail.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from conformance import oracle
from conformance.observe.facts import Attempt, Observer, Probe
from conformance.observe.pipeline_facts import Again, Delivery, Execution, Fresh, PipelineFacts, Share
from conformance.observe.pipeline_flow import FlowRun, run_flow
from conformance.observe.pipeline_reading import Contents, Stores, Trace
from conformance.observe.pqrs_stores import LakeReader, WarehouseReader, pqrs_in
from conformance.observe.scratch import scratch
from conformance.observe.web import brief
from conformance.stacks.base import Capability, ObjectStoreAccess, PostgresAccess, Role, Stack

if TYPE_CHECKING:
    from pqrs_lakehouse.generator import Delivery as PqrsDelivery
    from pqrs_lakehouse.generator import GeneratorConfig
    from pqrs_lakehouse.settings import Settings

T = TypeVar("T")

EVENTS = 2_800  # before dirt
BUCKETS = 4  # of tickets in the scratch lakes
SCRATCH_SETTINGS = ("POSTGRES_DB", "LAKE_BUCKET", "LAKE_PREFIX", "LAKE_BUCKETS")
RUN_S = 240.0  # that a run inside a container may take
OWN_BUCKET = "LAKE_BUCKET"  # the variable that names the deployment's own
RESULTS = 'du -sk "${PREFECT_LOCAL_STORAGE_PATH:-${PREFECT_HOME:-$HOME/.prefect}/storage}" 2>/dev/null || echo 0'
TASKS = "pqrs_"  # how the names of the pipeline's tasks begin
FIRST_DAY, LAST_DAY = date(2025, 12, 8), date(2026, 1, 23)  # terms run over Christmas, New Year and 12 January


def collect(stack: Stack, probe: Probe) -> PipelineFacts:
    """Look, generate, run, compare; run again; run afresh, in two parts.

    Raises:
        Unavailable: the stack has no PostgreSQL or no object store.
    """
    postgres, store = stack.postgres(), stack.object_store()
    for subject in ("postgres", "objects", "dask"):  # they look at what is there: before anything else is
        probe.observation(subject)
    return Laboratory(stack, probe, postgres, store, generate(probe.seed)).facts()


OBSERVER = Observer("pipeline", PipelineFacts, collect)


@dataclass(frozen=True)
class Batch:
    """A delivery before it is delivered. Raw keys name the run, so what depends on them is asked for by run."""

    config: GeneratorConfig
    deliveries: list[PqrsDelivery]
    facts: Delivery

    def contents(self, run_id: str) -> dict[str, bytes]:
        """What each raw file must hold, by key."""
        from pqrs_lakehouse.generator import raw_files

        return {file.key: content for file, content in raw_files(self.deliveries, run_id)}

    def expected(self, run_id: str) -> oracle.Expected:
        from pqrs_lakehouse.generator import raw_files

        lines = [
            line
            for file, content in raw_files(self.deliveries, run_id)
            for line in oracle.raw_lines(file.key, file.source, file.day, run_id, content)
        ]
        return oracle.expect(lines, self.facts.last_day)


def generate(seed: int) -> Batch:
    """Some 3,500 rows with every kind of dirt."""
    from pqrs_lakehouse import generator

    dirt = generator.DirtRates(
        duplicates=0.05, malformed=0.05, lost=0.01, late=0.1, out_of_order=0.15, invalid_transitions=0.04, orphans=0.02
    )
    config = generator.GeneratorConfig.for_events(EVENTS, seed=seed, start=FIRST_DAY, end=LAST_DAY, dirt=dirt)
    generation = generator.generate(config)
    deliveries = list(generation)
    planted = generation.planted
    facts = Delivery(
        seed=seed,
        rows=planted.total_rows,
        files=len(deliveries),
        first_day=min(delivery.day for delivery in deliveries),
        last_day=max(delivery.day for delivery in deliveries),
        tickets=planted.tickets,
        duplicates=planted.duplicates,
        late=planted.late,
        out_of_order=planted.out_of_order,
        invalid_transitions=planted.invalid_transitions,
        malformed=dict(planted.malformed),
    )
    return Batch(config, deliveries, facts)


def halves(deliveries: list[PqrsDelivery]) -> tuple[list[PqrsDelivery], list[PqrsDelivery]]:
    """What arrives before the day in the middle, and the rest: there are tickets with events in both."""
    days = sorted({delivery.day for delivery in deliveries})
    middle = days[len(days) // 2]
    return [one for one in deliveries if one.day < middle], [one for one in deliveries if one.day >= middle]


class Laboratory:
    """Two scratch lakes. What goes wrong is noted, and ends only what depends on it."""

    def __init__(
        self, stack: Stack, probe: Probe, postgres: PostgresAccess, store: ObjectStoreAccess, batch: Batch
    ) -> None:
        self._stack, self._probe, self._postgres, self._store, self._batch = stack, probe, postgres, store, batch
        self._facts: dict[str, Any] = {
            "place": "stack" if stack.runs_reference else "kit",
            "delivery": batch.facts,
            "pqrs_before": None,
            "scratch": Attempt(ok=False),
        }
        self._flow: FlowRun | None = None
        self._inside = _inside(stack)
        self._trouble: list[str] = []
        self._left_behind: list[str] = []

    def facts(self) -> PipelineFacts:
        with self._noted("look for PQRS in the object store"):
            self._facts["pqrs_before"] = pqrs_in(self._store)
        with self._noted("work in a scratch bucket and database"), self.scheduler() as scheduler:
            self._first_lake(scheduler)
            if "hashes" in self._facts:
                self._second_lake(scheduler)
        return PipelineFacts(**self._facts, trouble=tuple(self._trouble), left_behind=tuple(self._left_behind))

    def _first_lake(self, scheduler: str) -> None:
        run_id, facts = "conformance-first", self._facts
        with self.lake(scheduler) as (settings, stores):
            facts["scratch"] = Attempt(ok=True, detail=f"{settings.lake_bucket}, {settings.postgres_db}")
            self._probe.progress(f"pipeline: {self._batch.facts.rows} raw rows into the object store")
            self.deliver(settings, run_id)
            facts["raw"] = stores.lake.raw_files(run_id, self._batch.contents(run_id))
            self._probe.progress("pipeline: raw → bronze → silver → gold → PostgreSQL")
            facts["execution"] = self._execute(settings, lambda: self.run(settings, run_id))
            if not facts["execution"].run.ok:
                return
            expected = self._batch.expected(run_id)
            with self._noted("read what the run left"):
                contents = Contents.read(stores)
                facts["catalogue"] = contents.catalogue(stores.warehouse, run_id, self._batch.facts.rows)
                facts["layers"] = stores.lake.layers()
                facts |= contents.against(expected)
                self._probe.progress("pipeline: the same run again")
                before = Trace.of(contents, stores, expected)
                again = self._execute(settings, lambda: self.run(settings, run_id))
                after = Trace.of(Contents.read(stores), stores, expected)
                facts["again"] = Again(execution=again, **after.since(before))
            with self._noted("deliver something else under the same keys"):
                facts["redelivery"] = self._redelivered(settings, run_id)
                facts["raw_after"] = stores.lake.raw_files(run_id, self._batch.contents(run_id))

    def _second_lake(self, scheduler: str) -> None:
        """The same PQRS, generated again and delivered in two parts, as from one week to the next."""
        run_id, begun = "conformance-second", "conformance-second-begun"
        early, late = halves(generate(self._probe.seed).deliveries)
        pool = self._pool()
        own = pool is not None and self._inside is not None
        ours = () if own else SCRATCH_SETTINGS  # in its own lake it runs with its own settings
        lake = self._own_lake(scheduler) if own else self.lake(scheduler)
        with self._noted("run in a fresh lake"), lake as (settings, stores):
            self._probe.progress("pipeline: a fresh lake, of which one half arrives first")
            self.deliver(settings, begun, early)
            half = self._execute(settings, lambda: self.run(settings, begun, ours)).run
            if not half.ok:
                self._trouble.append(brief(f"run with one half of the PQRS: {half.detail}", 500))
            self._probe.progress(f"pipeline: the other half{'' if pool is None else ', through Prefect'}")
            self.deliver(settings, run_id, late)
            run = (
                (lambda: self.run(settings, run_id, ours))
                if pool is None
                else (lambda: self._run_flow(settings, run_id, pool, ours))
            )
            execution = self._execute(settings, run)
            hashes = Contents.read(stores).hashes(self._batch.expected(run_id)) if execution.run.ok else {}
            self._facts["fresh"] = Fresh(
                execution=execution,
                hashes=hashes,
                flow=self._flow,
                own_stores=own,
                persisted_kib=self._persisted(),
            )

    def _pool(self) -> str | None:
        """The work pool to send the second run to; None where it does not go through Prefect."""
        if not self._stack.runs_reference:
            return None
        seen = self._probe.observation("prefect").facts or {}
        for pool in seen.get("pools") or ():
            if pool["type"] == "process" and any(worker["status"] == "ONLINE" for worker in pool["workers"]):
                return str(pool["name"])
        return None

    def run(self, settings: Settings, run_id: str, ours: tuple[str, ...] = SCRATCH_SETTINGS) -> Attempt:
        """The pipeline, driven from this process, or from where the deployment's own code runs.

        There it runs with the deployment's environment but for the variables that ``ours`` names.
        """
        if self._inside is None:
            from pqrs_lakehouse.compute import run_pipeline

            report = run_pipeline(settings, run_id)
            return Attempt(
                ok=True, detail=", ".join(f"{stage.layer}: {stage.rows_out} rows" for stage in report.stages)
            )
        environment = settings.to_env()
        ended = self._stack.execute(
            self._inside,
            ["pqrs-lakehouse", "run", run_id],
            env={name: environment[name] for name in ours},
            timeout=RUN_S,
        )
        return Attempt(ok=ended.ok, detail=brief((ended.out if ended.ok else ended.err or ended.out)[-1_000:], 1_000))

    def _run_flow(self, settings: Settings, run_id: str, pool: str, ours: tuple[str, ...]) -> Attempt:
        url = self._stack.endpoint(Role.PREFECT_SERVER).url
        environment = {**settings.to_env(), "PREFECT_API_URL": f"{url}/api"}
        self._flow = run_flow(url, pool, run_id, self._batch.facts.last_day.isoformat(), environment, ours)
        if self._flow.left_behind:
            self._left_behind.append(self._flow.left_behind)
        return Attempt(ok=self._flow.completed, detail=self._flow.detail)

    def _persisted(self) -> int | None:
        """The size of the folder in which Prefect keeps results that flows and tasks return."""
        if self._inside is None:
            return None
        told = self._stack.execute(self._inside, ["sh", "-c", RESULTS]).out.split()
        return int(told[0]) if told and told[0].isdigit() else None

    @contextmanager
    def scheduler(self) -> Iterator[str]:
        """The address of the Dask scheduler that does the work: the stack's own, or one in this process."""
        if self._stack.runs_reference:
            yield self._stack.endpoint(Role.DASK_SCHEDULER).url
            return
        from distributed import LocalCluster

        with LocalCluster(  # type: ignore[no-untyped-call]
            processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None
        ) as cluster:
            yield str(cluster.scheduler_address)

    def _execute(self, settings: Settings, run: Callable[[], Attempt]) -> Execution:
        """Run, and ask the scheduler which of its workers did what meanwhile.

        What the reference raises on its own stack is its fault; elsewhere only what the platform can have caused is a
        fact, and the rest is the kit's own.
        """
        from distributed import Client, get_task_stream

        started = time.monotonic()
        tasks: list[dict[str, Any]] = []
        try:
            with Client(  # type: ignore[no-untyped-call]
                settings.dask_scheduler_address, timeout=30, set_as_default=False
            ) as client:
                with get_task_stream(client=client) as stream:
                    attempt = run()
                tasks = stream.data
        except Exception as error:
            if not self._stack.runs_reference and not isinstance(error, deployment_errors()):
                raise
            attempt = Attempt(ok=False, detail=brief(f"{type(error).__name__}: {error}", 1_000))
        return Execution(run=attempt, seconds=round(time.monotonic() - started, 2), shares=_shares(tasks))

    @contextmanager
    def lake(self, scheduler: str) -> Iterator[tuple[Settings, Stores]]:
        """A scratch lake with the schemas of the lakehouse in its database."""
        from pqrs_lakehouse import warehouse

        with scratch(self._postgres, self._store, self._left_behind) as made:
            settings = self._settings(made.database, made.bucket, scheduler)
            warehouse.init_db(settings)
            yield settings, self._stores(settings)

    @contextmanager
    def _own_lake(self, scheduler: str) -> Iterator[tuple[Settings, Stores]]:
        """The deployment's own bucket and database, which its own start has made."""
        assert self._inside is not None
        bucket = self._stack.execute(self._inside, ["printenv", OWN_BUCKET]).out.strip()
        settings = self._settings(self._postgres.database, bucket, scheduler)
        yield settings, self._stores(settings)

    def _settings(self, database: str, bucket: str, scheduler: str) -> Settings:
        from pqrs_lakehouse.settings import Settings

        return Settings(
            postgres_host=self._postgres.host,
            postgres_port=self._postgres.port,
            postgres_user=self._postgres.user,
            postgres_password=self._postgres.password,
            postgres_db=database,
            s3_endpoint_url=self._store.endpoint_url,
            s3_access_key=self._store.access_key,
            s3_secret_key=self._store.secret_key,
            s3_region=self._store.region,
            lake_bucket=bucket,
            lake_buckets=BUCKETS,
            dask_scheduler_address=scheduler,
        )

    def _stores(self, settings: Settings) -> Stores:
        return Stores(
            LakeReader(self._store, settings.lake_bucket), WarehouseReader(self._postgres, settings.postgres_db)
        )

    def deliver(self, settings: Settings, run_id: str, some: list[PqrsDelivery] | None = None) -> None:
        """The batch, or ``some`` of its deliveries."""
        from pqrs_lakehouse.lake import Lake

        Lake(settings).write_raw(self._batch.deliveries if some is None else some, run_id, self._batch.config)

    def _redelivered(self, settings: Settings, run_id: str) -> Attempt:
        """Deliver the first file again with a line less; raw is append-only, so that it must be refused."""
        from pqrs_lakehouse.lake import Lake, LakeError

        delivery = self._batch.deliveries[0]
        try:
            Lake(settings).write_raw([replace(delivery, lines=delivery.lines[1:])], run_id, self._batch.config)
        except LakeError as refusal:
            return Attempt(ok=True, detail=brief(refusal))
        return Attempt(ok=False, detail="it was accepted")

    @contextmanager
    def _noted(self, doing: str) -> Iterator[None]:
        """What the deployment lets go wrong inside is a fact about it."""
        try:
            yield
        except deployment_errors() as error:
            self._trouble.append(brief(f"{doing}: {type(error).__name__}: {error}", 500))


@cache
def deployment_errors() -> tuple[type[Exception], ...]:
    """What the clients of stores and Dask raise when the deployment fails them."""
    import psycopg
    from botocore.exceptions import BotoCoreError, ClientError
    from deltalake.exceptions import DeltaError
    from distributed.scheduler import KilledWorker
    from polars.exceptions import PolarsError

    from pqrs_lakehouse.catalog import CatalogError
    from pqrs_lakehouse.compute import PipelineError
    from pqrs_lakehouse.lake import LakeError

    stores = (psycopg.Error, BotoCoreError, ClientError, DeltaError, PolarsError, OSError)
    return (*stores, KilledWorker, CatalogError, PipelineError, LakeError)


def _inside(stack: Stack) -> str | None:
    """The service in which the deployment's own code runs, where that calls services by other names than the kit."""
    if not (stack.runs_reference and Capability.CONTAINERS in stack.capabilities):
        return None
    roles = stack.roles()
    return next(iter((*roles.get(Role.PREFECT_WORKER, ()), *roles.get(Role.DASK_WORKER, ()))), None)


def _shares(tasks: list[dict[str, Any]]) -> tuple[Share, ...]:
    from dask.utils import key_split

    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for task in tasks:
        name = str(key_split(task["key"]))
        if name.startswith(TASKS):
            counts[str(task["worker"])][name] += 1
    return tuple(Share(worker=worker, tasks=dict(sorted(names.items()))) for worker, names in sorted(counts.items()))
