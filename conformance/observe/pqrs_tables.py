"""The tables of the PQRS lakehouse as the kit compares them: in natural codes and days instead of surrogate keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conformance import oracle
from conformance.observe.reconcile import Row

KEYS: Mapping[str, tuple[str, ...]] = {
    "bronze": ("source_file", "line_no"),
    "quarantine": ("source_file", "line_no"),
    "tickets": ("ticket_id",),
    "messages": ("ticket_id", "event_id"),
    "status_events": ("ticket_id", "event_id"),
    "fact_ticket": ("ticket_id",),
    "fact_term": ("ticket_id", "term_no"),
    "dim_date": ("date_key",),
    "dim_channel": ("channel",),
    "dim_pqrs_type": ("pqrs_type",),
    "dim_priority": ("priority",),
    "dim_status": ("status",),
    "dim_geo": ("municipality_code",),
    "kpi_volume_daily": ("day", "channel", "pqrs_type"),
    "kpi_backlog_daily": ("day", "pqrs_type"),
    "kpi_sla_daily": ("day", "pqrs_type"),
}
"""What tells the rows of each table apart."""

GOLD = tuple(table for table in KEYS if table.startswith(("fact_", "dim_", "kpi_")))
SILVER = ("tickets", "messages", "status_events")

_DATES = {
    "received_date_key": "received_day",
    "start_date_key": "start_day",
    "due_date_key": "due_day",
    "date_key": "day",
}
_CODES = {
    "channel_key": ("dim_channel", "channel_code", "channel"),
    "pqrs_type_key": ("dim_pqrs_type", "pqrs_type_code", "pqrs_type"),
    "priority_key": ("dim_priority", "priority_code", "priority"),
    "status_key": ("dim_status", "status_code", "status"),
    "geo_key": ("dim_geo", "municipality_code", "municipality_code"),
}


def natural(
    tables: Mapping[str, Sequence[Row]], chosen: Iterable[str] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """The ``chosen`` tables (all) with every key looked up in the dimension that it points to, if it points anywhere.

    ``tables`` holds rows as they stand in the store, the dimensions among them.
    """
    dates = {row.get("date_key"): row.get("date") for row in tables.get("dim_date", ())}
    lookups = {column: (name, dates) for column, name in _DATES.items()}
    for column, (table, code, name) in _CODES.items():
        lookups[column] = name, {row.get(column): row.get(code) for row in tables.get(table, ())}
    return {
        table: [
            {
                **row,
                **{
                    name: values.get(row[column], f"(no such key: {row[column]})")
                    for column, (name, values) in lookups.items()
                    if column in row
                },
            }
            for row in tables[table]
        ]
        for table in (tables if chosen is None else chosen)
    }


def expected_rows(expected: oracle.Expected) -> dict[str, list[dict[str, Any]]]:
    """The rows that must be in each table, the dimensions of the domain among them."""
    tables = {table: [dict(vars(row)) for row in rows] for table, rows in vars(expected).items()}
    for table, column, codes in (
        ("dim_channel", "channel", oracle.CHANNELS),
        ("dim_pqrs_type", "pqrs_type", oracle.PQRS_TYPES),
        ("dim_priority", "priority", oracle.PRIORITIES),
        ("dim_status", "status", oracle.STATUSES),
    ):
        tables[table] = [{column: code} for code in codes]
    tables["dim_geo"] = [
        {"municipality_code": code, "municipality": municipality, "department": department}
        for code, (municipality, department) in oracle.places().items()
    ]
    return tables


def business_columns(rows: Sequence[Row]) -> list[str]:
    """What rows say of the business: neither which run wrote them nor from which file."""
    return [column for column in rows[0] if column not in ("run_id", "source_file")] if rows else []
