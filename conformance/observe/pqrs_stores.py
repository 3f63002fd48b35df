"""What stands in a lake and in its database, read with the stores' own clients and not with the lakehouse's code."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conformance.observe.facts import Facts
from conformance.observe.pqrs_tables import GOLD, SILVER
from conformance.observe.reconcile import SAMPLE
from conformance.observe.scratch import PREFIX, s3_client
from conformance.observe.web import brief
from conformance.stacks.base import ObjectStoreAccess, PostgresAccess

if TYPE_CHECKING:
    import polars as pl

RAW = "raw/pqrs_events/"
MANIFESTS = f"{RAW}_manifests/"
DATA = re.compile(r"\.(jsonl?|ndjson|csv|tsv|parquet|avro|orc|xml|xlsx?)(\.\w+)?$", re.IGNORECASE)
Tables = dict[str, list[dict[str, Any]]]


class RawFiles(Facts):
    """The raw files of a delivery as they stand in the store, and their manifest, against what was generated."""

    files_expected: int
    files_found: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()  # other bytes than were generated
    rows_expected: int = 0
    manifest_rows: int | None = None  # None: there is no manifest that can be read
    manifest_faults: tuple[str, ...] = ()  # what it says otherwise than the files are

    @property
    def intact(self) -> bool:
        return not (self.missing or self.unexpected or self.differing)


class LayerObjects(Facts):
    """The objects of one layer of the lake."""

    layer: str
    objects: int
    by_day: int  # how many of them have day=YYYY-MM-DD in their key
    sample: str = ""


@dataclass(frozen=True)
class LakeReader:
    """A bucket that holds a lake."""

    store: ObjectStoreAccess
    bucket: str

    def listing(self) -> dict[str, str]:
        """Every key with its ETag, which changes with the content."""
        pages = s3_client(self.store).get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", ())}

    def raw_files(self, run_id: str, generated: Mapping[str, bytes]) -> RawFiles:
        """Compare the raw objects with ``generated``, contents by key."""
        s3 = s3_client(self.store)

        def read(key: str) -> bytes:
            return s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

        keys = [key for key in self.listing() if key.startswith(RAW) and not key.startswith(MANIFESTS)]
        with ThreadPoolExecutor(8) as pool:
            found = dict(zip(keys, pool.map(read, keys), strict=True))
        manifest_key = f"{MANIFESTS}run_id={run_id}.json"
        manifest = read(manifest_key) if manifest_key in self.listing() else None
        rows, faults = manifest_against(manifest, found)
        return RawFiles(
            files_expected=len(generated),
            files_found=len(found),
            missing=first(key for key in generated if key not in found),
            unexpected=first(key for key in found if key not in generated),
            differing=first(key for key in found if generated.get(key, found[key]) != found[key]),
            rows_expected=sum(content.count(b"\n") for content in generated.values()),
            manifest_rows=rows,
            manifest_faults=faults,
        )

    def layers(self) -> tuple[LayerObjects, ...]:
        """The objects of each layer, the first part of their keys."""
        layers: dict[str, list[str]] = {}
        for key in self.listing():
            layers.setdefault(key.partition("/")[0], []).append(key)
        return tuple(
            LayerObjects(layer=layer, objects=len(keys), by_day=sum("/day=" in key for key in keys), sample=keys[-1])
            for layer, keys in sorted(layers.items())
        )

    def tables(self) -> Tables:
        """Bronze and quarantine (Parquet), silver and gold (Delta), as rows. A table that cannot be read raises."""
        import polars as pl

        keys = [key for key in self.listing() if key.endswith(".parquet")]
        frames = {
            "bronze": self._parquet(key for key in keys if key.startswith("bronze/")),
            "quarantine": self._parquet(key for key in keys if key.startswith("quarantine/")),
        }
        for layer, names in (("silver", SILVER), ("gold", GOLD)):
            for name in names:
                frames[name] = pl.scan_delta(self._uri(f"{layer}/{name}"), storage_options=self._options()).collect()
        return {name: frame.to_dicts() for name, frame in frames.items()}

    def _parquet(self, keys: Iterable[str]) -> pl.DataFrame:
        import polars as pl

        uris = [self._uri(key) for key in keys]
        if not uris:
            return pl.DataFrame()
        return pl.read_parquet(uris, storage_options=self._options(), hive_partitioning=False)

    def _uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def _options(self) -> dict[str, str]:
        return {
            "aws_endpoint_url": self.store.endpoint_url,
            "aws_access_key_id": self.store.access_key,
            "aws_secret_access_key": self.store.secret_key,
            "aws_region": self.store.region,
            "aws_allow_http": "true",
        }


def manifest_against(manifest: bytes | None, found: Mapping[str, bytes]) -> tuple[int | None, tuple[str, ...]]:
    """The rows that a manifest counts, and what it says otherwise than the files are."""
    try:
        files = json.loads(manifest or b"")["files"]
        said = {file["key"]: (file["rows"], file["size"], file["sha256"]) for file in files}
    except (ValueError, KeyError, TypeError):
        return None, ("there is none" if manifest is None else "it cannot be read",)
    are = {
        key: (content.count(b"\n"), len(content), hashlib.sha256(content).hexdigest()) for key, content in found.items()
    }
    faults = [
        f"{key}: {name} {is_said} in the manifest, {is_so} in the store"
        for key in sorted(said.keys() | are.keys())
        for name, is_said, is_so in zip(
            ("rows", "bytes", "SHA-256"), said.get(key, (None,) * 3), are.get(key, (None,) * 3), strict=True
        )
        if is_said != is_so
    ]
    return sum(rows for rows, _, _ in said.values()), first(faults)


@dataclass(frozen=True)
class WarehouseReader:
    """The database that serves gold."""

    access: PostgresAccess
    database: str

    def gold(self) -> Tables:
        return {table: self._rows(ROWS.format(table)) for table in GOLD}

    def row_versions(self) -> dict[str, set[tuple[str, str]]]:
        """Where each row of gold stands and which transaction wrote it: both change when it is written anew."""
        return {table: {(row["place"], row["writer"]) for row in self._rows(VERSIONS.format(table))} for table in GOLD}

    def run(self, run_id: str) -> list[dict[str, Any]]:
        return self._rows("SELECT status, as_of, finished_at, error FROM meta.etl_run WHERE run_id = %s", run_id)

    def runs(self) -> int:
        count: int = self._rows("SELECT count(*) AS runs FROM meta.etl_run")[0]["runs"]
        return count

    def datasets(self, run_id: str) -> list[dict[str, Any]]:
        return self._rows("SELECT layer, name, direction, rows FROM meta.run_dataset WHERE run_id = %s", run_id)

    def quarantined(self, run_id: str) -> int:
        """The rows that people find in quarantine."""
        query = "SELECT count(*) AS lines FROM bronze.quarantined_event WHERE run_id = %s"
        count: int = self._rows(query, run_id)[0]["lines"]
        return count

    def quality(self, run_id: str) -> list[dict[str, Any]]:
        query = "SELECT layer, check_name, status, observed, expected FROM meta.data_quality WHERE run_id = %s"
        return self._rows(query, run_id)

    def _rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        import psycopg
        from psycopg.rows import dict_row

        # psycopg reads dates in ISO alone, and a server may be set to write them otherwise
        dsn = self.access.dsn(self.database)
        with psycopg.connect(dsn, options="-c DateStyle=ISO", row_factory=dict_row) as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()


ROWS = "SELECT * FROM gold.{}"
VERSIONS = "SELECT ctid::text AS place, xmin::text AS writer FROM gold.{}"


def pqrs_in(store: ObjectStoreAccess, buckets: int = 50, keys: int = 5_000) -> tuple[str, ...]:
    """A few objects that look like PQRS, in any bucket but the kit's own; of each bucket ``keys`` are looked at.

    They are called after PQRS, their format is one of data, and there is something in them: a folder that a console
    made, a ``.keep`` or the note with which somebody tried the store are none.
    """
    s3 = s3_client(store)
    seen: list[str] = []
    names = [bucket["Name"] for bucket in s3.list_buckets().get("Buckets", [])]
    for bucket in [name for name in names if not name.startswith(PREFIX)][:buckets]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"MaxItems": keys})
        seen += [
            f"{bucket}/{item['Key']}"
            for page in pages
            for item in page.get("Contents", ())
            if item["Size"] and "pqrs" in f"{bucket}/{item['Key']}".lower() and DATA.search(item["Key"])
        ]
    return first(seen)


def first(items: Iterable[str]) -> tuple[str, ...]:
    """The first few in order, each in one line."""
    return tuple(brief(item) for item in sorted(items)[:SAMPLE])
