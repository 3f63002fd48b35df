"""The hand-made lake of fixtures/pqrs, read for tests."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from conformance import oracle

HERE = Path(__file__).parents[1] / "fixtures" / "pqrs"


def golden_lines() -> list[oracle.RawLine]:
    """Every row of ``raw/``, with what its path says."""
    lines: list[oracle.RawLine] = []
    for path in sorted((HERE / "raw").rglob("*.jsonl")):
        said = dict(part.split("=", 1) for part in path.parts if "=" in part)
        name, arrival = path.relative_to(HERE).as_posix(), date.fromisoformat(said["day"])
        lines += oracle.raw_lines(name, said["source"], arrival, said["run_id"], path.read_bytes())
    return lines


def golden() -> dict[str, Any]:
    """``expected.json``: the tables as lists of rows by column, beside ``as_of`` and a summary of ``dim_date``."""
    content = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))
    return {
        name: [dict(zip(said["columns"], row, strict=True)) for row in said["rows"]] if "rows" in said else said
        for name, said in content.items()
    }


def law_cases() -> list[dict[str, Any]]:
    """``law.json``, and for each case the lines that tell it (``lines``)."""
    cases: list[dict[str, Any]] = json.loads((HERE / "law.json").read_text(encoding="utf-8"))
    return [{**case, "lines": law_lines(case)} for case in cases]


def law_lines(case: dict[str, Any]) -> list[oracle.RawLine]:
    creation = {
        "channel": "email", "pqrs_type": case["type"], "petition_kind": case["kind"], "priority": "media",
        "municipality_code": "11001",
    }  # fmt: skip
    events = [("TICKET_CREATED", case["received"], creation)]
    status = "IN_PROGRESS"
    for target, ts in case["events"]:
        events.append(("STATUS_CHANGED", ts, {"from_status": status, "to_status": target}))
        status = target
    written = [
        {"event_id": f"e-{n}", "ticket_id": "T-1", "event_type": event_type, "ts": ts, "data": data}
        for n, (event_type, ts, data) in enumerate(events)
    ]
    content = "\n".join(json.dumps(event) for event in written).encode()
    arrival = date.fromisoformat(case["as_of"])
    return oracle.raw_lines(f"raw/pqrs_events/source=email/day={arrival}/x.jsonl", "email", arrival, "law", content)
