"""What is seen of generated PQRS on their way through a deployment."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from conformance.observe.facts import Attempt, Facts
from conformance.observe.pipeline_flow import FlowRun
from conformance.observe.pqrs_stores import LayerObjects, RawFiles
from conformance.observe.reconcile import Comparison


class Delivery(Facts):
    """What was generated, by the generator's own count."""

    seed: int
    rows: int
    files: int
    first_day: date
    last_day: date  # also the day on which the states of terms are told
    tickets: int
    duplicates: int
    late: int
    out_of_order: int
    invalid_transitions: int
    malformed: dict[str, int]  # rows for quarantine, by reason


class Share(Facts):
    """Tasks of the pipeline that one Dask worker ran, by the scheduler's count."""

    worker: str
    tasks: dict[str, int]  # by the task's name


class Execution(Facts):
    """One run of the whole pipeline."""

    run: Attempt
    seconds: float
    shares: tuple[Share, ...] = ()


class Quarantine(Facts):
    """Where the raw rows went, and why."""

    raw_rows: int
    bronze_rows: int
    quarantined: int
    expected: dict[str, int]  # by reason
    found: dict[str, int]


class DatasetCount(Facts):
    """Rows of a dataset as the catalogue counts them and as they are."""

    dataset: str
    catalogued: int | None
    found: int


class QualityResult(Facts):
    """A row of the quality table."""

    layer: str
    name: str
    status: str
    observed: int
    expected: int


class Catalogue(Facts):
    """What the catalogue says of the run."""

    status: str | None  # None: the run has no row
    as_of: date | None = None
    finished: bool = False
    error: str = ""
    counts: tuple[DatasetCount, ...] = ()
    quality: tuple[QualityResult, ...] = ()


class Again(Facts):
    """The same run a second time."""

    execution: Execution
    changed: tuple[str, ...] = ()  # tables that say something else than before
    rewritten: dict[str, int] = Field(default={}, description="rows of PostgreSQL written anew, by table; none: absent")
    objects: tuple[str, ...] = ()  # objects of the lake that are new, gone or different
    more_runs: int = 0  # rows of the run table that were not there before


class Fresh(Facts):
    """The same delivery in a second lake, empty before."""

    execution: Execution
    hashes: dict[str, str] = Field(default={}, description="of business columns, by store and table")
    flow: FlowRun | None = None  # None: it did not go through Prefect
    own_stores: bool = False  # it went into the deployment's own bucket and database
    persisted_kib: int | None = None  # what Prefect keeps of results where runs work; None: nobody could look


class PipelineFacts(Facts):
    """All but ``fresh`` is of the first run. What could not be had is None or empty; ``trouble`` says why."""

    place: str  # "stack" | "kit": whose Dask ran it
    delivery: Delivery
    pqrs_before: tuple[str, ...] | None = ()  # objects that looked like PQRS before the kit wrote any; None: not seen
    scratch: Attempt  # a bucket and a database were made, with the schemas of the lakehouse
    trouble: tuple[str, ...] = ()
    raw: RawFiles | None = None
    execution: Execution | None = None
    quarantine: Quarantine | None = None
    lake: tuple[Comparison, ...] = ()  # the lake against the oracle
    served: tuple[Comparison, ...] = ()  # PostgreSQL against the oracle
    mirrored: tuple[Comparison, ...] = ()  # PostgreSQL against the lake
    hashes: dict[str, str] = Field(default={}, description="of business columns, by store and table")
    catalogue: Catalogue | None = None
    layers: tuple[LayerObjects, ...] = ()
    again: Again | None = None
    redelivery: Attempt | None = None  # other content delivered under the same keys: ok when it was refused
    raw_after: RawFiles | None = None  # after all that
    fresh: Fresh | None = None
    left_behind: tuple[str, ...] = ()
