"""Observers where the deployment is busy, of another version or already tried out: on small fakes, no service runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.observe import disruption, objects, pqrs_stores, prefect, prometheus
from conformance.observe.scratch import remove_bucket
from conformance.stacks.base import Capability, Endpoint, ObjectStoreAccess, Role, StackError


@contextmanager
def store_that_answers(*statuses: int) -> Iterator[tuple[ObjectStoreAccess, list[int]]]:
    """One status after the other to every PUT, the last for ever; and those that were given."""
    given: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            given.append(statuses[min(len(given), len(statuses) - 1)])
            self.send_response(given[-1])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield ObjectStoreAccess(f"http://127.0.0.1:{server.server_port}", "key", "secret"), given
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_store_that_says_slow_down_is_asked_again() -> None:
    with store_that_answers(503, 503, 200) as (access, given), objects._writer(access, "bucket") as put:
        put("listing/00000")
    assert given == [503, 503, 200]


@pytest.mark.parametrize("status", [403, 503])
def test_a_store_that_refuses_has_refused(status: int) -> None:
    with (
        store_that_answers(status) as (access, _),
        objects._writer(access, "bucket") as put,
        pytest.raises(ClientError, match=str(status)),
    ):
        put("listing/00000")


class Store:
    """As much of S3 as listing needs."""

    def __init__(self, content: dict[str, int]) -> None:
        self._content = content

    def list_buckets(self) -> dict[str, Any]:
        return {"Buckets": [{"Name": name} for name in dict.fromkeys(key.partition("/")[0] for key in self._content)]}

    def get_paginator(self, _: str) -> Store:
        return self

    def paginate(self, Bucket: str, **_: object) -> list[dict[str, Any]]:  # noqa: N803 - boto3's name
        within = {key.partition("/")[2]: size for key, size in self._content.items() if key.startswith(f"{Bucket}/")}
        return [{"Contents": [{"Key": key, "Size": size} for key, size in within.items()]}]


@pytest.mark.parametrize(
    ("key", "size", "found"),
    [
        ("lake/raw/pqrs_events/day=2026-01-05/part-0.jsonl", 300, True),
        ("pqrs-lake/eventos.csv.gz", 300, True),
        ("pqrs-lake/bronze/", 0, False),
        ("pqrs-lake/raw/.keep", 1, False),
        ("pqrs-lake/prueba.txt", 12, False),
        ("pqrs-lake/raw/empty.jsonl", 0, False),
        ("conformance-0a1b/raw/pqrs_events/part-0.jsonl", 300, False),
        ("photos/2026.parquet", 300, False),
    ],
)
def test_pqrs_in_a_store_are_told_from_what_tries_it(
    monkeypatch: pytest.MonkeyPatch, key: str, size: int, found: bool
) -> None:
    monkeypatch.setattr(pqrs_stores, "s3_client", lambda _: Store({key: size}))
    assert pqrs_stores.pqrs_in(ObjectStoreAccess("http://127.0.0.1:1", "key", "secret")) == ((key,) if found else ())


class OldMinio(Store):
    """MinIO before 2025 wants a header with DeleteObjects that boto3 no longer sends."""

    def __init__(self, content: dict[str, int]) -> None:
        super().__init__(content)
        self.removed: list[str] = []

    def delete_objects(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": "MissingContentMD5", "Message": "Content-Md5"}}, "DeleteObjects")

    def delete_object(self, Bucket: str, Key: str) -> None:  # noqa: N803 - boto3's names
        self.removed.append(f"{Bucket}/{Key}")

    def delete_bucket(self, Bucket: str) -> None:  # noqa: N803
        self.removed.append(Bucket)


def test_nothing_is_left_in_a_store_that_deletes_one_by_one() -> None:
    minio = OldMinio({"scratch/a": 1, "scratch/b": 1})
    remove_bucket(minio, "scratch")  # type: ignore[arg-type]
    assert sorted(minio.removed[:-1]) == ["scratch/a", "scratch/b"]
    assert minio.removed[-1] == "scratch"


class Deployment:
    """A stack of which one thing is asked."""

    def __init__(self, *capabilities: Capability) -> None:
        self.capabilities = frozenset(capabilities)

    def endpoint(self, role: Role, port: str = "main") -> Endpoint:
        return Endpoint(role, str(role), "tcp", "127.0.0.1", 1)


def test_a_dask_of_another_generation_takes_nothing_else_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def trip(_: Endpoint) -> None:
        raise TypeError("Scheduler.update_graph() got an unexpected keyword argument")

    monkeypatch.setattr(disruption, "connect", trip)
    kill = disruption._worker_kill(Deployment())  # type: ignore[arg-type]
    assert not kill.started.ok
    assert "update_graph" in kill.started.detail


def test_a_deployment_that_is_lost_is_no_fact_about_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(_: Endpoint) -> None:
        raise StackError("the worker did not come back")

    monkeypatch.setattr(disruption, "connect", lose)
    with pytest.raises(StackError, match="did not come back"):
        disruption._worker_kill(Deployment())  # type: ignore[arg-type]


class Prefect:
    """An API that lists pools and is too busy to list their workers."""

    def filter(self, path: str, _: dict[str, Any]) -> list[dict[str, Any]] | None:
        return [{"name": "pqrs", "type": "process", "status": "READY"}] if path == "/work_pools" else None


def test_workers_that_were_not_told_are_not_missing() -> None:
    assert prefect._pools(Prefect(), patience=0.0) is None  # type: ignore[arg-type]


def test_targets_of_services_that_nobody_runs_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    down = {"labels": {"job": "node"}, "scrapeUrl": "http://Node-Exporter:9100/metrics", "health": "down"}
    late = {"labels": {"job": "dask"}, "scrapeUrl": "http://dask-scheduler:8787/metrics", "health": "unknown"}
    answers = iter([[], [down, late], [down, late | {"health": "up"}]])
    monkeypatch.setattr(prometheus, "_api", lambda *_, **__: {"activeTargets": next(answers)})
    endpoint = Endpoint(Role.PROMETHEUS, "prometheus", "http", "127.0.0.1", 9090)
    targets = prometheus._scraped_targets(endpoint, {"node-exporter"})
    assert [(target.job, target.health, target.left_out) for target in targets] == [
        ("node", "down", True), ("dask", "up", False),
    ]  # fmt: skip
