"""What the object store does with right keys, with wrong keys and with data.

Everything is tried in one scratch bucket with a random name, which is always removed. Existing buckets are only asked
whether they let strangers list them. Facts hold no key, access or secret; vendors' default pairs are told by vendor.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from conformance.observe.facts import Facts, Observer, Probe
from conformance.observe.last_words import last_words
from conformance.observe.scratch import remove_bucket
from conformance.observe.web import brief
from conformance.stacks.base import ObjectStoreAccess, Role, Stack, Unavailable

if TYPE_CHECKING:
    import polars as pl
    from mypy_boto3_s3 import S3Client

# Default pairs in vendors' documentation and in the tutorials that students copy from.
VENDOR_DEFAULTS = {
    "RustFS": ("rustfsadmin", "rustfsadmin"),
    "MinIO": ("minioadmin", "minioadmin"),
    "MinIO tutorials": ("minio", "minio123"),
    "SeaweedFS quick start": ("admin", "key"),
    "LocalStack": ("test", "test"),
    "anybody": ("admin", "admin"),
}
LISTED = 1_005  # S3 lists at most 1,000 keys a page
MULTIPART = 9 * 1024 * 1024  # over the 8 MiB from which boto3 writes in parts
PART = 5 * 1024 * 1024  # the smallest that S3 takes before the last
WRITERS = 2
APPENDS = 3  # by each writer
ROWS = 1_000


class StoreCall(Facts):
    """One S3 request."""

    ok: bool
    status: int | None = None  # HTTP; None: no answer
    code: str = ""  # S3's own error code, or the exception when there was no answer
    message: str = ""


class StrangerCall(Facts):
    """A request of somebody who has no business here."""

    caller: str  # anonymous | wrong secret
    operation: str  # list | get | put
    call: StoreCall


class RoundTrip(Facts):
    """An object written and read back."""

    case: str  # small | empty | unicode key | multipart
    key: str
    size: int
    sent_sha256: str
    received_sha256: str | None = None
    call: StoreCall  # the request that failed, or the last one


class Listing(Facts):
    """More keys than one page holds, written and listed."""

    written: int
    listed: int
    pages: int
    same_keys: bool
    call: StoreCall


class Deletion(Facts):
    """An object written, deleted, and then asked for."""

    delete: StoreCall
    get_after: StoreCall


class Overwrite(Facts):
    """``PUT`` with ``If-None-Match: *`` on a key that exists."""

    first_put: StoreCall
    second_put: StoreCall
    first_kept: bool  # the object still is what the first writer wrote


class Appends(Facts):
    """Writers that append to one Delta table at the same time, each on a commit of its own."""

    writers: int
    appends: int
    rows_expected: int
    rows_found: int | None = None
    detail: str = ""


class Table(Facts):
    """A table written and read back."""

    kind: str  # parquet | delta
    rows_expected: int
    rows_found: int | None = None
    equal: bool = False
    detail: str = ""


class DefaultKeys(Facts):
    """Whether a vendor's default pair opens the store."""

    vendor: str
    call: StoreCall


class ObjectsFacts(Facts):
    """What needs a scratch bucket is empty or None where none could be made or written; ``scratch`` says why."""

    endpoint: str
    server: str  # what it calls itself in its Server header
    clock_skew_s: float | None  # its clock minus ours, by its Date header
    login: StoreCall  # ListBuckets, signed V4
    complaints: str = ""  # where nobody answers: how its containers are, and their last words
    buckets: int
    default_keys: tuple[DefaultKeys, ...]  # empty when nobody answers
    scratch: StoreCall | None = None  # a bucket made and a first object written; None without login
    strangers: tuple[StrangerCall, ...] = ()
    open_buckets: tuple[str, ...] = ()  # existing ones (the first 5 are asked) that anybody may list
    round_trips: tuple[RoundTrip, ...] = ()
    listing: Listing | None = None
    deletion: Deletion | None = None
    overwrite: Overwrite | None = None
    appends: Appends | None = None
    tables: tuple[Table, ...] = ()
    left_behind: str = ""  # why the scratch bucket could not be removed


def collect(stack: Stack, probe: Probe) -> ObjectsFacts:
    """Ask, then write, read and count in a scratch bucket."""
    stack.endpoint(Role.OBJECT_STORE)
    access = stack.object_store()
    store = _Store(access)
    s3 = store.client()
    login, buckets, headers = _login(s3)
    facts: dict[str, Any] = {
        "endpoint": access.endpoint_url,
        "server": brief(headers.get("server", ""), 100),
        "clock_skew_s": _skew(headers.get("date", "")),
        "login": login,
        "buckets": len(buckets),
        "default_keys": () if login.status is None else _default_keys(store),
    }
    if login.status is None:
        facts["complaints"] = last_words(stack, Role.OBJECT_STORE)
    if login.ok:
        probe.progress("round trips, listing, Delta commits")
        facts |= _in_scratch_bucket(store, s3, probe.seed)
        with contextlib.suppress(Unavailable):
            stack.containers()  # all have been started: also the job that makes the buckets, and opens them
        facts["open_buckets"] = _open_buckets(store, _login(s3)[1][:5])
    return ObjectsFacts.model_validate(facts)


OBSERVER = Observer("objects", ObjectsFacts, collect)


class _Store:
    """Clients of one endpoint: with the deployment's keys, with others, or with none."""

    def __init__(self, access: ObjectStoreAccess) -> None:
        import boto3

        self.access = access
        self._session = boto3.session.Session()  # shared: loading S3's API model takes longer than all the requests

    def client(
        self, access_key: str | None = None, secret_key: str | None = None, *, anonymous: bool = False
    ) -> S3Client:
        from botocore import UNSIGNED
        from botocore.config import Config

        return self._session.client(
            "s3",
            endpoint_url=self.access.endpoint_url,
            aws_access_key_id=access_key or self.access.access_key,
            aws_secret_access_key=secret_key or self.access.secret_key,
            region_name=self.access.region,
            config=Config(
                signature_version=UNSIGNED if anonymous else "s3v4",
                s3={"addressing_style": "path"},
                connect_timeout=3,
                read_timeout=15,
                retries={"mode": "standard", "max_attempts": 2},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )


def _call(request: Callable[[], Any]) -> StoreCall:
    """Make one request and tell how it went."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    try:
        request()
    except ClientError as error:
        return StoreCall(
            ok=False,
            status=error.response.get("ResponseMetadata", {}).get("HTTPStatusCode"),
            code=brief(error.response.get("Error", {}).get("Code", ""), 100),
            message=brief(error.response.get("Error", {}).get("Message", "")),
        )
    except (BotoCoreError, Boto3Error, HTTPError, OSError) as error:
        return StoreCall(ok=False, code=type(error).__name__, message=brief(error))
    return StoreCall(ok=True, status=200)


def _login(s3: S3Client) -> tuple[StoreCall, list[str], dict[str, str]]:
    """ListBuckets: how it went, the buckets' names and the response's headers."""
    reply: dict[str, Any] = {}
    headers: dict[str, str] = {}
    s3.meta.events.register(
        "after-call.s3.ListBuckets", lambda http_response, **_: headers.update(dict(http_response.headers))
    )
    call = _call(lambda: reply.update(s3.list_buckets()))
    names = [bucket["Name"] for bucket in reply.get("Buckets", [])]
    return call, names, {name.lower(): value for name, value in headers.items()}


def _skew(date: str) -> float | None:
    try:
        return round(parsedate_to_datetime(date).timestamp() - time.time(), 1)
    except (TypeError, ValueError):
        return None


def _default_keys(store: _Store) -> tuple[DefaultKeys, ...]:
    return tuple(
        DefaultKeys(vendor=vendor, call=_call(store.client(access_key, secret_key).list_buckets))
        for vendor, (access_key, secret_key) in VENDOR_DEFAULTS.items()
    )


def _open_buckets(store: _Store, names: list[str]) -> tuple[str, ...]:
    stranger = store.client(anonymous=True)

    def lists(name: str) -> bool:
        return _call(lambda: stranger.list_objects_v2(Bucket=name, MaxKeys=1)).ok

    return tuple(brief(name, 100) for name in names if lists(name))


def _in_scratch_bucket(store: _Store, s3: S3Client, seed: int) -> dict[str, Any]:
    """Everything that writes. The bucket is removed whatever happens."""
    bucket = f"conformance-{secrets.token_hex(6)}"
    scratch = _call(lambda: s3.create_bucket(Bucket=bucket))
    if not scratch.ok:
        return {"scratch": scratch}
    facts: dict[str, Any] = {}
    try:
        scratch = _call(lambda: s3.put_object(Bucket=bucket, Key="private", Body=b"private"))
        if scratch.ok:
            facts = {
                "strangers": _strangers(store, bucket),
                "round_trips": _round_trips(s3, bucket, seed),
                "listing": _listing(store.access, s3, bucket),
                "deletion": _deletion(s3, bucket),
                "overwrite": _overwrite(s3, bucket),
                "appends": _appends(f"s3://{bucket}/appends", _lake_options(store.access)),
                "tables": (
                    _parquet(f"s3://{bucket}/table.parquet", _lake_options(store.access)),
                    _delta(f"s3://{bucket}/table", _lake_options(store.access)),
                ),
            }
    finally:
        removal = _call(lambda: remove_bucket(s3, bucket))
    return facts | {
        "scratch": scratch,
        "left_behind": "" if removal.ok else f"{bucket}: {removal.code} {removal.message}",
    }


def _strangers(store: _Store, bucket: str) -> tuple[StrangerCall, ...]:
    callers = {
        "anonymous": store.client(anonymous=True),
        "wrong secret": store.client(secret_key=secrets.token_hex(20)),
    }

    def calls() -> Iterator[StrangerCall]:
        for caller, client in callers.items():
            operations: dict[str, Callable[[S3Client], Any]] = {
                "list": lambda c: c.list_objects_v2(Bucket=bucket),
                "get": lambda c: c.get_object(Bucket=bucket, Key="private")["Body"].read(),
                "put": lambda c: c.put_object(Bucket=bucket, Key="intruder", Body=b"intruder"),
            }
            for operation, request in operations.items():
                call = _call(lambda request=request, client=client: request(client))  # type: ignore[misc]
                yield StrangerCall(caller=caller, operation=operation, call=call)

    return tuple(calls())


def _round_trips(s3: S3Client, bucket: str, seed: int) -> tuple[RoundTrip, ...]:
    noise = hashlib.shake_256(str(seed).encode()).digest(MULTIPART)
    bodies = {
        ("small", "round/small.json"): noise[:1_024],
        ("empty", "round/empty"): b"",
        ("unicode key", "round/source=línea/petición y señal.json"): noise[:64],
        ("multipart", "round/multipart.bin"): noise,
    }
    return tuple(_round_trip(s3, bucket, case, key, body) for (case, key), body in bodies.items())


def _round_trip(s3: S3Client, bucket: str, case: str, key: str, body: bytes) -> RoundTrip:
    received: list[bytes] = []

    def write_and_read() -> None:
        if case == "multipart":
            _upload(s3, bucket, key, body)
        else:
            s3.put_object(Bucket=bucket, Key=key, Body=body)
        received.append(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    call = _call(write_and_read)
    return RoundTrip(
        case=case,
        key=key,
        size=len(body),
        sent_sha256=hashlib.sha256(body).hexdigest(),
        received_sha256=hashlib.sha256(received[0]).hexdigest() if received else None,
        call=call,
    )


def _upload(s3: S3Client, bucket: str, key: str, body: bytes) -> None:
    """Write in two parts; an upload that fails is given up, for a store may keep the bucket of an open one."""
    parts = (body[:PART], body[PART:])
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    try:
        tags = [
            s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=part)["ETag"]
            for number, part in enumerate(parts, start=1)
        ]
        s3.complete_multipart_upload(
            Bucket=bucket,
            Key=key,
            UploadId=upload,
            MultipartUpload={
                "Parts": [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1)]
            },
        )
    except BaseException:
        _call(lambda: s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload))
        raise


def _listing(access: ObjectStoreAccess, s3: S3Client, bucket: str) -> Listing:
    written = [f"listing/{number:05d}" for number in range(LISTED)]
    pages: list[list[str]] = []

    def write_and_list() -> None:
        with _writer(access, bucket) as put, ThreadPoolExecutor(16) as pool:
            list(pool.map(put, written))
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="listing/"):
            pages.append([item["Key"] for item in page.get("Contents", [])])

    call = _call(write_and_list)
    listed = [key for page in pages for key in page]
    return Listing(
        written=len(written), listed=len(listed), pages=len(pages), same_keys=sorted(listed) == written, call=call
    )


@contextlib.contextmanager
def _writer(access: ObjectStoreAccess, bucket: str) -> Iterator[Callable[[str], None]]:
    """A function that writes one small object: boto3's signature without its machinery, a third of the time."""
    import urllib3
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.exceptions import ClientError

    signature = S3SigV4Auth(Credentials(access.access_key, access.secret_key), "s3", access.region)

    # a busy store says 503 (SlowDown) and means later, as boto3 knows
    patience = urllib3.Retry(
        4, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504), allowed_methods=None, raise_on_status=False
    )

    with urllib3.PoolManager(maxsize=16, retries=patience, timeout=15) as pool:

        def put(key: str) -> None:
            url = f"{access.endpoint_url}/{bucket}/{key}"
            request = AWSRequest("PUT", url, data=b"x")
            signature.add_auth(request)
            reply = pool.request("PUT", url, body=b"x", headers=dict(request.headers))
            if reply.status != 200:
                raise ClientError(
                    {
                        "Error": {
                            "Code": f"HTTP {reply.status}",
                            "Message": brief(reply.data.decode(errors="replace")),
                        },
                        "ResponseMetadata": {"HTTPStatusCode": reply.status},  # type: ignore[typeddict-item]
                    },
                    "PutObject",
                )

        yield put


def _deletion(s3: S3Client, bucket: str) -> Deletion:
    def write_and_delete() -> None:
        s3.put_object(Bucket=bucket, Key="deleted", Body=b"x")
        s3.delete_object(Bucket=bucket, Key="deleted")

    return Deletion(
        delete=_call(write_and_delete),
        get_after=_call(lambda: s3.get_object(Bucket=bucket, Key="deleted")),
    )


def _overwrite(s3: S3Client, bucket: str) -> Overwrite:
    kept: list[bytes] = []
    first = _call(lambda: s3.put_object(Bucket=bucket, Key="commit", Body=b"first"))
    second = _call(lambda: s3.put_object(Bucket=bucket, Key="commit", Body=b"second", IfNoneMatch="*"))
    _call(lambda: kept.append(s3.get_object(Bucket=bucket, Key="commit")["Body"].read()))
    return Overwrite(first_put=first, second_put=second, first_kept=kept == [b"first"])


def _lake_options(access: ObjectStoreAccess) -> dict[str, str]:
    """The storage options of Polars and delta-rs."""
    return {
        "aws_endpoint_url": access.endpoint_url,
        "aws_access_key_id": access.access_key,
        "aws_secret_access_key": access.secret_key,
        "aws_region": access.region,
        "aws_allow_http": "true",
        "aws_conditional_put": "etag",
    }


def _sample(rows: int, first: int = 0) -> pl.DataFrame:
    import polars as pl

    number = pl.int_range(first, first + rows, eager=True)
    return pl.DataFrame(
        {
            "event": number,
            "ticket": "PQRS-2026-" + (number % 97).cast(pl.String).str.zfill(8),
            "kind": (number % 4).replace_strict([0, 1, 2, 3], ["P", "Q", "R", "S"]),
            "term": (number * 31 % 15).cast(pl.Int16),
        }
    )


def _appends(uri: str, options: dict[str, str]) -> Appends:
    """Two writers that hold the same version of the table append at once, over and over."""
    from deltalake import DeltaTable, write_deltalake

    start = threading.Barrier(WRITERS, timeout=30)

    def append(writer: int) -> None:
        for turn in range(APPENDS):
            table = DeltaTable(uri, storage_options=options)
            start.wait()
            write_deltalake(table, _sample(ROWS, first=(1 + writer * APPENDS + turn) * ROWS), mode="append")
            start.wait()

    expected = ROWS * (1 + WRITERS * APPENDS)
    try:
        _sample(ROWS).write_delta(uri, storage_options=options)
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(append, range(WRITERS)))
        found = _read_delta(uri, options)["event"].n_unique()
    except Exception as error:
        return Appends(writers=WRITERS, appends=APPENDS, rows_expected=expected, detail=_detail(error))
    return Appends(writers=WRITERS, appends=APPENDS, rows_expected=expected, rows_found=found)


def _parquet(uri: str, options: dict[str, str]) -> Table:
    """Write with Polars; scan with a filter and a projection, so that only some bytes of the object are asked for."""
    import polars as pl

    sample = _sample(10 * ROWS)
    wanted = sample.filter(pl.col("kind") == "Q").select("event", "term")
    try:
        sample.write_parquet(uri, storage_options=options, row_group_size=ROWS)
        scan = pl.scan_parquet(uri, storage_options=options)
        found = scan.filter(pl.col("kind") == "Q").select("event", "term").collect()
    except Exception as error:
        return Table(kind="parquet", rows_expected=wanted.height, detail=_detail(error))
    return Table(kind="parquet", rows_expected=wanted.height, rows_found=found.height, equal=found.equals(wanted))


def _delta(uri: str, options: dict[str, str]) -> Table:
    wanted = _sample(2 * ROWS)
    try:
        wanted.head(ROWS).write_delta(uri, storage_options=options)
        wanted.tail(ROWS).write_delta(uri, mode="append", storage_options=options)
        found = _read_delta(uri, options).sort("event")
    except Exception as error:
        return Table(kind="delta", rows_expected=wanted.height, detail=_detail(error))
    return Table(kind="delta", rows_expected=wanted.height, rows_found=found.height, equal=found.equals(wanted))


def _read_delta(uri: str, options: dict[str, str]) -> pl.DataFrame:
    import polars as pl

    return pl.read_delta(uri, storage_options=options)


def _detail(error: Exception) -> str:
    return brief(f"{type(error).__name__}: {error}", 500)
