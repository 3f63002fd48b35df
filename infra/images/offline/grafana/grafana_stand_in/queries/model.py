"""A query as ``POST /api/ds/query`` gets it, and what a kind of datasource must be able to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..models import DataSource
from .frames import Answer
from .timing import TimeRange


@dataclass(frozen=True)
class Query:
    """One of the ``queries``. Defaults as in pkg/services/query/query.go, parseMetricRequest."""

    ref_id: str
    model: Mapping[str, Any]
    time_range: TimeRange
    interval_ms: int = 1000
    max_data_points: int = 100


@dataclass(frozen=True)
class Health:
    ok: bool
    message: str
    details: Mapping[str, Any] | None = None


class Kind(Protocol):
    """A kind of datasource."""

    def health(self, source: DataSource) -> Health: ...

    def query(self, source: DataSource, query: Query) -> Answer: ...
