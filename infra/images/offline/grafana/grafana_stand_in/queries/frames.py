"""Data frames in the JSON that ``POST /api/ds/query`` answers with (grafana-plugin-sdk-go/data/frame_json.go)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

_TYPES = {"time": "time.Time", "number": "float64", "string": "string", "boolean": "bool"}


@dataclass
class Field:
    """A column. Times are milliseconds since 1970. ``go_type`` only where it is not the kind's usual one."""

    name: str
    kind: str  # time | number | string | boolean
    values: list[Any]
    labels: dict[str, str] | None = None
    config: dict[str, Any] | None = None
    nullable: bool = False
    go_type: str = ""

    def schema(self) -> dict[str, Any]:
        info: dict[str, Any] = {"frame": self.go_type or _TYPES[self.kind]}
        if self.nullable:
            info["nullable"] = True
        schema: dict[str, Any] = {"name": self.name, "type": self.kind, "typeInfo": info}
        if self.labels is not None:
            schema["labels"] = self.labels
        if self.config:
            schema["config"] = self.config
        return schema

    def entities(self) -> dict[str, list[int]] | None:
        """Where the numbers are that JSON cannot write; in their places the values are null."""
        if self.kind != "number":
            return None
        found: dict[str, list[int]] = {}
        for index, value in enumerate(self.values):
            if isinstance(value, float) and not math.isfinite(value):
                key = "NaN" if math.isnan(value) else "Inf" if value > 0 else "NegInf"
                found.setdefault(key, []).append(index)
        return found or None


@dataclass
class Frame:
    fields: list[Field] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    def json(self, ref_id: str) -> dict[str, Any]:
        schema: dict[str, Any] = {"refId": ref_id, "fields": [item.schema() for item in self.fields]}
        if self.meta:
            schema["meta"] = self.meta
        if self.name:
            schema["name"] = self.name
        entities = [item.entities() for item in self.fields]
        data: dict[str, Any] = {"values": [_finite(item) for item in self.fields]}
        if any(entities):
            data["entities"] = entities
        return {"schema": schema, "data": data}


@dataclass
class Answer:
    """What one query comes to; with ``error`` set ``status`` says of which kind."""

    frames: list[Frame] = field(default_factory=list)
    error: str = ""
    status: int = 200

    def json(self, ref_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = {"status": self.status, "frames": [frame.json(ref_id) for frame in self.frames]}
        if self.error:
            answer |= {"error": self.error, "errorSource": "downstream"}
        return answer


def _finite(item: Field) -> list[Any]:
    if item.kind != "number":
        return item.values
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in item.values]
