"""Grafana's HTTP API as observers use it (grafana.com/docs/grafana/latest/developers/http_api)."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from conformance.observe.facts import Attempt
from conformance.observe.grafana_facts import Drawn
from conformance.observe.web import Reply, brief, fetch

PATIENCE_S = 10.0
NO_HEALTH_CHECK = (404, 501)  # the kind of datasource has no backend, or none that checks its health

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Frames:
    """What a query brought: its frames, or the error."""

    frames: tuple[Json, ...] = ()
    error: str = ""

    @property
    def drawn(self) -> Drawn:
        if self.error:
            return Drawn(ok=False, detail=self.error)
        values = json.dumps([list(columns(frame)) for frame in self.frames], sort_keys=True, default=str)
        return Drawn(
            ok=True, rows=sum(map(_rows, self.frames)), digest=hashlib.sha256(values.encode()).hexdigest()[:16]
        )


@dataclass(frozen=True)
class Window:
    """The time a query is about, in milliseconds since 1970, and the step that fits it."""

    start: int
    end: int
    points: int = field(default=200)

    @classmethod
    def of_last(cls, *, minutes: int) -> Window:
        now = int(time.time() * 1000)
        return cls(now - minutes * 60_000, now)

    @property
    def interval_ms(self) -> int:
        """A quarter of a minute at least: what a data point cannot be finer than with usual scrape intervals."""
        return max((self.end - self.start) // self.points, 15_000)


class GrafanaApi:
    """A Grafana, asked as one user or (``auth`` None) as nobody."""

    def __init__(self, url: str, auth: tuple[str, str] | None) -> None:
        self._url = url.rstrip("/")
        self._auth = auth

    def ask(
        self, path: str, *, method: str = "GET", payload: object = None, params: dict[str, str] | None = None
    ) -> Reply:
        return fetch(
            f"{self._url}{path}", method=method, payload=payload, params=params, timeout=PATIENCE_S, auth=self._auth
        )

    def mappings(self, path: str, **params: str) -> list[Json] | None:
        """A list of things; None when it does not tell."""
        told = self.ask(path, params=params).json()
        return [one for one in told if isinstance(one, Mapping)] if isinstance(told, list) else None

    def mapping(self, path: str) -> Json | None:
        told = self.ask(path).json()
        return told if isinstance(told, Mapping) else None

    def datasource_health(self, uid: str) -> Attempt | None:
        """None: its kind has no health check."""
        reply = self.ask(f"/api/datasources/uid/{quote(uid, safe='')}/health")
        if reply.status in NO_HEALTH_CHECK:
            return None
        told = body(reply)
        return Attempt(ok=reply.answer.ok and told.get("status") == "OK", detail=_message(reply, told))

    def query(self, queries: Sequence[Json], window: Window) -> dict[str, Frames]:
        """The answers to queries (each with ``refId`` and ``datasource``) by their ``refId``."""
        asked = [{"intervalMs": window.interval_ms, "maxDataPoints": window.points, **query} for query in queries]
        payload = {"queries": asked, "from": str(window.start), "to": str(window.end)}
        reply = self.ask("/api/ds/query", method="POST", payload=payload)
        told = body(reply)
        results = told.get("results")
        if not isinstance(results, Mapping):
            error = _message(reply, told) or "no results"
            return {str(query["refId"]): Frames(error=error) for query in queries}
        return {str(query["refId"]): _frames(results.get(query["refId"])) for query in queries}

    def up(self, uid: str) -> Drawn:
        """``up`` of a Prometheus datasource, by the query API or, where that has no answer, by its proxy."""
        query = {"refId": "A", "datasource": {"type": "prometheus", "uid": uid}, "expr": "up", "instant": True}
        drawn = self.query([query], Window.of_last(minutes=5))["A"].drawn
        if drawn.ok:
            return drawn
        proxied = self.ask(f"/api/datasources/proxy/uid/{quote(uid, safe='')}/api/v1/query", params={"query": "up"})
        data = (proxied.json() or {}).get("data") if isinstance(proxied.json(), Mapping) else None
        series = data.get("result") if isinstance(data, Mapping) else None
        return Drawn(ok=True, rows=len(series)) if isinstance(series, list) else drawn


def body(reply: Reply) -> Json:
    """The JSON object of an answer, of a refusal as well; empty when it is none."""
    try:
        told = json.loads(reply.body)
    except ValueError:
        return {}
    return told if isinstance(told, Mapping) else {}


def columns(frame: Json) -> Iterator[tuple[Json, list[Any]]]:
    """The fields of a frame (name, type, labels) with their values."""
    schema, data = frame.get("schema"), frame.get("data")
    fields = schema.get("fields") if isinstance(schema, Mapping) else None
    values = data.get("values") if isinstance(data, Mapping) else None
    if isinstance(fields, list) and isinstance(values, list):
        for told, column in zip(fields, values, strict=False):
            if isinstance(told, Mapping) and isinstance(column, list):
                yield told, column


def _rows(frame: Json) -> int:
    """Rows with a value that is not null in a column other than time, or in any where there is none other."""
    told = list(columns(frame))
    plain = [column for field_, column in told if field_.get("type") != "time"] or [column for _, column in told]
    return sum(any(value is not None for value in row) for row in zip(*plain, strict=False))


def _frames(result: Any) -> Frames:
    if not isinstance(result, Mapping):
        return Frames(error="no result")
    if result.get("error"):
        return Frames(error=brief(result["error"]))
    frames = result.get("frames")
    return Frames(tuple(one for one in frames if isinstance(one, Mapping)) if isinstance(frames, list) else ())


def _message(reply: Reply, told: Json) -> str:
    return brief(told.get("message") or reply.error or f"HTTP {reply.status} {reply.text}")
