"""The object store: raw deliveries, Parquet files and Delta tables below one bucket and prefix.

Keys are relative to the prefix; URIs (``s3://bucket/prefix/key``) are what goes to Polars, Delta and the catalogue.
A file of a Delta table is named by its content, so writing the same rows again writes the same file, and a commit that
finds the table already made of these files commits nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import polars as pl
from botocore.config import Config
from botocore.exceptions import ClientError

from pqrs_lakehouse.layers.raw import manifest_key
from pqrs_lakehouse.settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from pqrs_lakehouse.generator import Delivery, GeneratorConfig

ROWS_PER_PART = 50_000
"""Most rows of a raw file: some 20 MB."""

Put = Callable[[str, bytes], None]


class LakeError(RuntimeError):
    """The lake holds something else than it should; the message says what and where."""


@dataclass(frozen=True)
class RawEntry:
    """One raw file in a manifest."""

    key: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What one run delivered: written last, so a delivery without it is not complete."""

    run_id: str
    files: tuple[RawEntry, ...]
    seed: int | None = None  # of the generator
    config_hash: str | None = None  # of the generator's configuration

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        members = json.loads(content)
        return cls(**{**members, "files": tuple(RawEntry(**file) for file in members["files"])})


@dataclass(frozen=True)
class StoredFile:
    """An object that was written."""

    key: str
    size: int
    sha256: str


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a Delta table."""

    path: str  # below the table's folder
    rows: int
    size: int
    bucket: int | None  # None in a table without partitions


@dataclass(frozen=True)
class Snapshot:
    """One version of a Delta table: which files it is made of."""

    table: str
    version: int
    files: tuple[DataFile, ...]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


class Lake:
    """The lake of one deployment. Thread-safe; cheap after the first in a process (see :func:`open_lake`)."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.lake_bucket
        self._prefix = f"{settings.lake_prefix}/" if settings.lake_prefix else ""
        self._s3 = boto3.client(
            "s3",
            endpoint_url=settings.s3_endpoint_url,
            aws_access_key_id=settings.s3_access_key,
            aws_secret_access_key=settings.s3_secret_key,
            region_name=settings.s3_region,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"mode": "standard", "max_attempts": 6},
                connect_timeout=5,
                read_timeout=60,
                request_checksum_calculation="when_required",  # not every S3 server knows the newer ones
                response_checksum_validation="when_required",
            ),
        )
        self.storage_options = {
            "aws_endpoint_url": settings.s3_endpoint_url,
            "aws_access_key_id": settings.s3_access_key,
            "aws_secret_access_key": settings.s3_secret_key,
            "aws_region": settings.s3_region,
            "aws_allow_http": "true",
            "conditional_put": "etag",  # two commits of one Delta version: the second is refused
        }

    # Objects

    def uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def key(self, uri: str) -> str:
        """The key of a URI of this lake.

        Raises:
            LakeError: the URI is another lake's.
        """
        root = self.uri("")
        if not uri.startswith(root):
            raise LakeError(f"{uri} is not in this lake ({root})")
        return uri.removeprefix(root)

    def make_bucket(self) -> None:
        """Make the bucket unless it is there."""
        try:
            self._s3.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if _status(error) != 404:
                raise
            try:
                self._s3.create_bucket(Bucket=self._bucket)
            except (self._s3.exceptions.BucketAlreadyOwnedByYou, self._s3.exceptions.BucketAlreadyExists):
                self._s3.head_bucket(Bucket=self._bucket)  # somebody else made it meanwhile, and we may use it

    def put(self, key: str, content: bytes) -> StoredFile:
        self._s3.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=content)
        return StoredFile(key, len(content), hashlib.sha256(content).hexdigest())

    def put_new(self, key: str, content: bytes) -> None:
        """Write an object that must not be there with other content.

        Raises:
            LakeError: it is.
        """
        try:
            self._s3.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=content, IfNoneMatch="*")
        except ClientError as error:
            if _status(error) not in (409, 412):
                raise
            if self.get(key) != content:
                raise LakeError(f"raw is append-only and {self.uri(key)} has other content") from None

    def get(self, key: str) -> bytes:
        """The object's content.

        Raises:
            LakeError: there is none.
        """
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"].read()
        except ClientError as error:
            if _status(error) != 404:
                raise
            raise LakeError(f"{self.uri(key)} does not exist") from None

    def list(self, prefix: str) -> Iterator[str]:
        """The keys that begin with ``prefix``, in order."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
        for page in pages:
            for item in page.get("Contents", ()):
                yield item["Key"].removeprefix(self._prefix)

    def delete(self, prefix: str) -> None:
        """Delete every object whose key begins with ``prefix``."""
        for key in list(self.list(prefix)):
            self._s3.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    # Raw

    def write_raw(self, deliveries: Iterable[Delivery], run_id: str, config: GeneratorConfig | None = None) -> Manifest:
        """Put the deliveries and, at last, their manifest. Writing the same again changes nothing.

        ``config`` is what they were generated from, for the record.

        Raises:
            LakeError: the run has delivered something else before.
        """
        self.make_bucket()
        return _deliver(deliveries, run_id, self.put_new, config)

    def manifest(self, run_id: str) -> Manifest:
        """What ``run_id`` delivered.

        Raises:
            LakeError: it delivered nothing, or has not finished.
        """
        try:
            return Manifest.from_json(self.get(manifest_key(run_id)))
        except LakeError:
            raise LakeError(
                f"run {run_id} delivered nothing: {self.uri(manifest_key(run_id))} does not exist"
            ) from None

    def delivered(self) -> tuple[str, ...]:
        """The runs with a complete delivery, by name."""
        start, _, end = manifest_key("0").rpartition("0")
        return tuple(key.removeprefix(start).removesuffix(end) for key in self.list(start))

    def read_raw(self, entry: RawEntry) -> bytes:
        """The content of a raw file.

        Raises:
            LakeError: it is not what the manifest says.
        """
        content = self.get(entry.key)
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise LakeError(f"{self.uri(entry.key)} is not what its manifest says: SHA-256 differs")
        return content

    # Parquet

    def put_parquet(self, key: str, frame: pl.DataFrame, row_group_size: int | None = None) -> StoredFile:
        return self.put(key, _parquet(frame, row_group_size))

    def scan_parquet(self, uris: Sequence[str]) -> pl.LazyFrame:
        return pl.scan_parquet(list(uris), storage_options=self.storage_options, hive_partitioning=False)

    # Delta tables, named ``layer/table``

    def put_table_file(self, table: str, frame: pl.DataFrame, bucket: int | None = None) -> DataFile:
        """Write one file of ``table``, not yet part of it: :meth:`commit` makes it so. ``frame`` lacks ``bucket``."""
        content = _parquet(frame)
        folder = "" if bucket is None else f"bucket={bucket}/"
        path = f"{folder}{hashlib.sha256(content).hexdigest()}.parquet"
        self.put(f"{table}/{path}", content)
        return DataFile(path, frame.height, len(content), bucket)

    def commit(
        self, table: str, files: Collection[DataFile], schema: str, *, buckets: Collection[int] | None, run_id: str
    ) -> Snapshot:
        """Make ``files`` the content of ``buckets`` of ``table`` (of all of it when None) in one version, or in none
        when they already are. ``schema`` is a Delta schema as JSON; a table with buckets is partitioned by ``bucket``.
        """
        from deltalake import CommitProperties, Schema
        from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

        now = int(time.time() * 1000)

        def values(file: DataFile) -> dict[str, str | None]:
            return {} if file.bucket is None else {"bucket": str(file.bucket)}

        def add(file: DataFile) -> AddAction:
            statistics = json.dumps({"numRecords": file.rows})
            return AddAction(file.path, file.size, values(file), now, data_change=True, stats=statistics)

        delta = self._delta(table)
        partition_by = [] if buckets is None else ["bucket"]
        properties = CommitProperties(custom_metadata={"run_id": run_id})
        if delta is None:
            create_table_with_add_actions(
                self.uri(table), Schema.from_json(schema), [add(file) for file in files], mode="error",
                partition_by=partition_by, storage_options=self.storage_options, commit_properties=properties,
            )  # fmt: skip
            return self.snapshot(table)
        before = _files(delta)
        old = {file.path: file for file in before if buckets is None or file.bucket in buckets}
        new = {file.path: file for file in files}
        changes: list[AddAction | RemoveAction] = [add(file) for path, file in new.items() if path not in old]
        changes += [
            RemoveAction(path, True, now, file.size, values(file)) for path, file in old.items() if path not in new
        ]
        if not changes:
            return Snapshot(table, delta.version(), before)
        delta.create_write_transaction(
            changes, mode="append", schema=delta.schema(), partition_by=partition_by, commit_properties=properties
        )
        return self.snapshot(table)

    def snapshot(self, table: str) -> Snapshot:
        """The table's present version.

        Raises:
            LakeError: there is no such table.
        """
        delta = self._delta(table)
        if delta is None:
            raise LakeError(f"{self.uri(table)} is no Delta table")
        return Snapshot(table, delta.version(), _files(delta))

    def scan_table(self, table: str) -> pl.LazyFrame:
        """The table's present version, with ``bucket`` where it is partitioned.

        Raises:
            LakeError: there is no such table.
        """
        delta = self._delta(table)
        if delta is None:
            raise LakeError(f"{self.uri(table)} is no Delta table")
        return pl.scan_delta(delta, storage_options=self.storage_options)

    def scan_files(self, table: str, files: Collection[DataFile]) -> pl.LazyFrame:
        """Rows of some files of a table, with ``bucket`` where it is partitioned."""
        partitioned = any(file.bucket is not None for file in files)
        return pl.scan_parquet(
            [self.uri(f"{table}/{file.path}") for file in files],
            storage_options=self.storage_options,
            hive_partitioning=partitioned,
            hive_schema={"bucket": pl.Int16} if partitioned else None,
        )

    def _delta(self, table: str) -> DeltaTable | None:
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            return DeltaTable(self.uri(table), storage_options=self.storage_options)
        except TableNotFoundError:
            return None


def write_raw_files(
    deliveries: Iterable[Delivery], run_id: str, folder: Path, config: GeneratorConfig | None = None
) -> Manifest:
    """The same layout as :meth:`Lake.write_raw` below a local folder.

    Raises:
        LakeError: the run has delivered something else there before.
        OSError: the folder cannot be written.
    """

    def put(key: str, content: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            if path.read_bytes() != content:
                raise LakeError(f"raw is append-only and {path} has other content") from None

    return _deliver(deliveries, run_id, put, config)


def delta_schema(frame: pl.DataFrame) -> str:
    """The Delta schema, as JSON, of a table with the columns of ``frame``."""
    from arro3.core import Table
    from deltalake import Schema

    schema: str = Schema.from_arrow(Table(frame.clear()).schema).to_json()
    return schema


def _deliver(deliveries: Iterable[Delivery], run_id: str, put: Put, config: GeneratorConfig | None) -> Manifest:
    from pqrs_lakehouse.generator import raw_files

    entries: list[RawEntry] = []
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(4) as pool:
        for file, content in raw_files(deliveries, run_id, ROWS_PER_PART):
            entries.append(RawEntry(file.key, content.count(b"\n"), len(content), hashlib.sha256(content).hexdigest()))
            pending.append(pool.submit(put, file.key, content))
            if len(pending) > 8:  # bounds the memory, and shows an error early
                pending.popleft().result()
        for upload in pending:
            upload.result()
    manifest = Manifest(run_id, tuple(entries))
    if config is not None:
        manifest = replace(manifest, seed=config.seed, config_hash=config_hash(config))
    put(manifest_key(run_id), manifest.to_json())
    return manifest


def config_hash(config: GeneratorConfig) -> str:
    """SHA-256 of a configuration, whatever the order in which its mappings were filled."""

    def plain(value: object) -> object:
        return {str(key): plain(of) for key, of in value.items()} if isinstance(value, Mapping) else value

    return hashlib.sha256(json.dumps(plain(asdict(config)), default=str, sort_keys=True).encode()).hexdigest()


def _parquet(frame: pl.DataFrame, row_group_size: int | None = None) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1, row_group_size=row_group_size)
    return buffer.getvalue()


def _files(delta: DeltaTable) -> tuple[DataFile, ...]:
    actions: list[dict[str, Any]] = pl.DataFrame(delta.get_add_actions(flatten=True)).to_dicts()
    files = (
        DataFile(action["path"], action["num_records"], action["size_bytes"], action.get("partition.bucket"))
        for action in actions
    )
    return tuple(sorted(files, key=lambda file: (-1 if file.bucket is None else file.bucket, file.path)))


def _status(error: ClientError) -> int:
    status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status
