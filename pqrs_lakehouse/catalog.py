"""The catalogue in PostgreSQL: runs, the register of bronze, lineage and quality. Every write is one transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, LiteralString

import psycopg
from psycopg.rows import class_row, dict_row

from pqrs_lakehouse.settings import Settings

PIPELINE = "pqrs-pipeline"
LOCK_TIMEOUT_S = 600

Layer = Literal["raw", "bronze", "silver", "gold", "warehouse"]
Status = Literal["PASS", "WARN", "FAIL"]


class CatalogError(RuntimeError):
    """The catalogue does not allow it; the message says why."""


@dataclass(frozen=True)
class Batch:
    """One bronze Parquet file, and the quarantine of the same raw files (a row of ``bronze.event_batch``)."""

    uri: str
    quarantine_uri: str | None
    run_id: str
    day: date
    part: int
    source_channels: list[str]
    source_files: int
    rows: int
    quarantined: int
    bytes: int
    sha256: str
    bucket_rows: list[int]
    min_ts: datetime | None
    max_ts: datetime | None
    ingested_at: datetime


@dataclass(frozen=True)
class Dataset:
    """A dataset that a run read or wrote, with counts."""

    layer: Layer
    name: str
    uri: str
    format: Literal["jsonl", "parquet", "delta", "postgresql"]
    rows: int
    size: int | None = None  # bytes
    version: int | None = None  # of a Delta table
    schema: str | None = None  # Delta schema as JSON


@dataclass(frozen=True)
class Quality:
    """The result of one check of data quality."""

    layer: Layer
    name: str
    status: Status
    observed: int
    expected: int

    @classmethod
    def promise(cls, layer: Layer, name: str, observed: int, expected: int) -> Quality:
        """What the pipeline must keep: FAIL when it does not."""
        return cls(layer, name, "PASS" if observed == expected else "FAIL", observed, expected)

    @classmethod
    def dirt(cls, layer: Layer, name: str, observed: int) -> Quality:
        """What the data brings along and the pipeline deals with: WARN when there is any."""
        return cls(layer, name, "WARN" if observed else "PASS", observed, 0)


@contextmanager
def connect(settings: Settings, database: str | None = None) -> Iterator[psycopg.Connection[Any]]:
    """A connection with instants in UTC; one transaction, committed at the end, rolled back on an exception."""
    with psycopg.connect(
        host=settings.postgres_host,
        port=settings.postgres_port,
        user=settings.postgres_user,
        password=settings.postgres_password,
        dbname=database or settings.postgres_db,
        client_encoding="UTF8",
        connect_timeout=10,
        application_name="pqrs-lakehouse",
        options="-c timezone=UTC -c datestyle=ISO",
    ) as connection:
        yield connection


def start_run(
    settings: Settings,
    run_id: str,
    *,
    as_of: date | None,
    seed: int | None,
    config_hash: str | None,
    parameters: dict[str, Any],
) -> datetime:
    """Catalogue the run as RUNNING.

    Returns:
        when it started for the first time: running again keeps it.
    """
    with connect(settings) as connection:
        row = connection.execute(
            """
            INSERT INTO meta.etl_run (run_id, pipeline, status, as_of, seed, config_hash, started_at, parameters)
            VALUES (%s, %s, 'RUNNING', %s, %s, %s, clock_timestamp(), %s)
            ON CONFLICT (run_id) DO UPDATE SET
                status = 'RUNNING', finished_at = NULL, error = NULL, as_of = EXCLUDED.as_of, seed = EXCLUDED.seed,
                config_hash = EXCLUDED.config_hash, parameters = EXCLUDED.parameters
            RETURNING started_at
            """,
            (run_id, PIPELINE, as_of, seed, config_hash, json.dumps(parameters)),
        ).fetchone()
        assert row is not None
        started_at: datetime = row[0]
        return started_at


def finish_run(settings: Settings, run_id: str) -> None:
    """Catalogue the run as SUCCESS."""
    _end(settings, run_id, "SUCCESS", None)


def fail_run(settings: Settings, run_id: str, error: str, patience_s: float = 20) -> None:
    """Catalogue the run as FAILED. A server that is just coming back is given ``patience_s``."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return _end(settings, run_id, "FAILED", error.replace("\0", "")[:2000] or "no message")
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _end(settings: Settings, run_id: str, status: str, error: str | None) -> None:
    with connect(settings) as connection:
        connection.execute(
            "UPDATE meta.etl_run SET status = %s, finished_at = clock_timestamp(), error = %s WHERE run_id = %s",
            (status, error, run_id),
        )


def succeeded(settings: Settings) -> frozenset[str]:
    """The runs that ended well."""
    with connect(settings) as connection:
        return frozenset(
            row[0] for row in connection.execute("SELECT run_id FROM meta.etl_run WHERE status = 'SUCCESS'")
        )


def register_batches(settings: Settings, run_id: str, batches: Sequence[Batch]) -> None:
    """Make these the bronze files of the run."""
    with connect(settings) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM bronze.event_batch WHERE run_id = %s
            AND (uri, sha256) NOT IN (SELECT * FROM unnest(%s::text[], %s::text[]))
            """,
            (run_id, [batch.uri for batch in batches], [batch.sha256 for batch in batches]),
        )
        cursor.executemany(
            """
            INSERT INTO bronze.event_batch VALUES (
                %(uri)s, %(quarantine_uri)s, %(run_id)s, %(day)s, %(part)s, %(source_channels)s, %(source_files)s,
                %(rows)s, %(quarantined)s, %(bytes)s, %(sha256)s, %(bucket_rows)s, %(min_ts)s, %(max_ts)s,
                %(ingested_at)s
            )
            ON CONFLICT DO NOTHING
            """,
            [vars(batch) for batch in batches],
        )


def batches(settings: Settings) -> list[Batch]:
    """All bronze files of all runs."""
    with connect(settings) as connection, connection.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute("SELECT * FROM bronze.event_batch ORDER BY uri").fetchall()


def last_arrival(settings: Settings) -> date | None:
    """The last day of arrival in bronze; None when it is empty."""
    with connect(settings) as connection:
        row = connection.execute("SELECT max(day) FROM bronze.event_batch").fetchone()
        assert row is not None
        day: date | None = row[0]
        return day


def record(
    settings: Settings,
    run_id: str,
    *,
    read: Sequence[Dataset],
    written: Sequence[Dataset],
    lineage: Iterable[tuple[Dataset, Dataset]],
    quality: Iterable[Quality],
) -> None:
    """What one stage of the run read and wrote, and the quality of it. Recording again replaces what it recorded.

    Args:
        lineage: pairs of a dataset that was written and one that it was made from.
    """
    with connect(settings) as connection, connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO meta.dataset (layer, name, uri, format, schema) VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (layer, name) DO UPDATE
            SET uri = EXCLUDED.uri, format = EXCLUDED.format, schema = coalesce(EXCLUDED.schema, dataset.schema)
            """,
            [(d.layer, d.name, d.uri, d.format, d.schema) for d in (*read, *written)],
        )
        cursor.executemany(
            """
            INSERT INTO meta.run_dataset (run_id, layer, name, direction, rows, bytes, version)
            VALUES (%s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (run_id, layer, name, direction) DO UPDATE
            SET rows = EXCLUDED.rows, bytes = EXCLUDED.bytes, version = EXCLUDED.version
            """,
            [
                (run_id, d.layer, d.name, direction, d.rows, d.size, d.version)
                for direction, datasets in (("READ", read), ("WRITTEN", written))
                for d in datasets
            ],
        )
        cursor.executemany(
            "INSERT INTO meta.lineage (run_id, layer, name, source_layer, source_name) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            [(run_id, made.layer, made.name, source.layer, source.name) for made, source in lineage],
        )
        cursor.executemany(
            """
            INSERT INTO meta.data_quality (run_id, layer, check_name, status, observed, expected)
            VALUES (%s, %s, %s, %s, %s, %s)
            ON CONFLICT (run_id, layer, check_name) DO UPDATE
            SET status = EXCLUDED.status, observed = EXCLUDED.observed, expected = EXCLUDED.expected
            """,
            [(run_id, q.layer, q.name, q.status, q.observed, q.expected) for q in quality],
        )


class Lock:
    """Held while one run changes a layer; another run waits for its turn."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def check(self) -> None:
        """Raise ``psycopg.OperationalError`` when the lock is lost (the server was restarted): do not commit then."""
        self._connection.execute("SELECT 1")


@contextmanager
def lock(settings: Settings) -> Iterator[Lock]:
    """One writer at a time, whatever process or machine it runs on. Freed when its process ends, however it ends.

    Raises:
        CatalogError: another run held it for ``LOCK_TIMEOUT_S``.
    """
    with connect(settings) as connection:
        connection.autocommit = True
        connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
        try:
            connection.execute("SELECT pg_advisory_lock(hashtext('pqrs_lakehouse.writer'))")
        except psycopg.errors.LockNotAvailable:
            raise CatalogError(f"another run has been writing for {LOCK_TIMEOUT_S} s") from None
        yield Lock(connection)


_RUNS: LiteralString = """
    SELECT run_id, status, as_of, started_at, finished_at, error FROM meta.etl_run ORDER BY started_at DESC LIMIT %s
"""
_LAYERS: LiteralString = """
    SELECT layer, name, rows, bytes, version FROM meta.run_dataset
    WHERE run_id = %s AND (direction = 'WRITTEN' OR layer = 'raw')
    ORDER BY array_position(ARRAY['raw', 'bronze', 'silver', 'gold', 'warehouse'], layer), name
"""
_QUALITY: LiteralString = """
    SELECT layer, check_name, status, observed, expected FROM meta.data_quality WHERE run_id = %s
    ORDER BY array_position(ARRAY['raw', 'bronze', 'silver', 'gold', 'warehouse'], layer), check_name
"""


def runs(settings: Settings, limit: int = 20) -> list[dict[str, Any]]:
    """The last runs, the newest first."""
    return _rows(settings, _RUNS, limit)


def datasets_of(settings: Settings, run_id: str) -> list[dict[str, Any]]:
    """What was delivered to the run and what it wrote, by layer."""
    return _rows(settings, _LAYERS, run_id)


def quality_of(settings: Settings, run_id: str) -> list[dict[str, Any]]:
    """The run's quality results, by layer."""
    return _rows(settings, _QUALITY, run_id)


def _rows(settings: Settings, query: LiteralString, parameter: object) -> list[dict[str, Any]]:
    with connect(settings) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, (parameter,)).fetchall()
