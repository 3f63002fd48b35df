"""What a run left in a lake and its database, against what should be there and against what was there before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from conformance import oracle
from conformance.observe.pipeline_facts import Catalogue, DatasetCount, QualityResult, Quarantine
from conformance.observe.pqrs_stores import LakeReader, Tables, WarehouseReader, first
from conformance.observe.pqrs_tables import GOLD, KEYS, business_columns, expected_rows, natural
from conformance.observe.reconcile import compare, content_hash
from conformance.observe.web import brief


@dataclass(frozen=True)
class Stores:
    """A lake and the database that serves it."""

    lake: LakeReader
    warehouse: WarehouseReader


@dataclass(frozen=True)
class Contents:
    """All tables of both, read at one time, in natural codes and days."""

    lake: Tables
    served: Tables

    @classmethod
    def read(cls, stores: Stores) -> Contents:
        return cls(natural(stores.lake.tables()), natural(stores.warehouse.gold()))

    def hashes(self, expected: oracle.Expected) -> dict[str, str]:
        """What each table says of the business, by store and table."""
        columns = {table: business_columns(rows) for table, rows in expected_rows(expected).items()}
        return {
            f"{store} {table}": content_hash(columns[table], rows)
            for store, tables in (("lake", self.lake), ("postgres", self.served))
            for table, rows in tables.items()
        }

    def against(self, expected: oracle.Expected) -> dict[str, Any]:
        """The facts ``lake``, ``served``, ``mirrored``, ``quarantine`` and ``hashes``."""
        wanted = expected_rows(expected)
        without_bucket = {
            table: [{k: v for k, v in row.items() if k != "bucket"} for row in self.lake[table]] for table in GOLD
        }
        return {
            "lake": tuple(compare(table, KEYS[table], wanted[table], self.lake[table]) for table in KEYS),
            "served": tuple(compare(table, KEYS[table], wanted[table], self.served[table]) for table in GOLD),
            "mirrored": tuple(compare(table, KEYS[table], without_bucket[table], self.served[table]) for table in GOLD),
            "quarantine": Quarantine(
                raw_rows=len(wanted["bronze"]) + len(wanted["quarantine"]),
                bronze_rows=len(self.lake["bronze"]),
                quarantined=len(self.lake["quarantine"]),
                expected=_reasons(wanted["quarantine"]),
                found=_reasons(self.lake["quarantine"]),
            ),
            "hashes": self.hashes(expected),
        }

    def catalogue(self, warehouse: WarehouseReader, run_id: str, raw_rows: int) -> Catalogue:
        """What the catalogue says of the run, beside the rows that there are."""
        runs = warehouse.run(run_id)
        if not runs:
            return Catalogue(status=None)
        catalogued = {
            f"{row['layer']}.{row['name']}": row["rows"]
            for row in warehouse.datasets(run_id)
            if row["direction"] == "WRITTEN" or row["layer"] == "raw"
        }
        found = {"raw.pqrs_events": raw_rows, "bronze.pqrs_events": len(self.lake["bronze"])}
        for table, rows in self.lake.items():
            layer = "gold" if table in GOLD else "bronze" if table == "quarantine" else "silver"
            if table != "bronze":
                found[f"{layer}.{table}"] = len(rows)
        found |= {f"warehouse.gold.{table}": len(rows) for table, rows in self.served.items()}
        shown = "bronze.quarantined_event"  # the quarantine once more, where people look at it
        catalogued[shown], found[shown] = catalogued.get("bronze.quarantine", 0), warehouse.quarantined(run_id)
        return Catalogue(
            status=runs[0]["status"],
            as_of=runs[0]["as_of"],
            finished=runs[0]["finished_at"] is not None,
            error=brief(runs[0]["error"] or ""),
            counts=tuple(
                DatasetCount(dataset=dataset, catalogued=catalogued.get(dataset), found=rows)
                for dataset, rows in sorted(found.items())
            ),
            quality=tuple(
                QualityResult(
                    layer=row["layer"], name=brief(row["check_name"], 100), status=row["status"],
                    observed=row["observed"], expected=row["expected"],
                )
                for row in warehouse.quality(run_id)[:50]
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class Trace:
    """Everything that a run may not change when it runs again."""

    hashes: dict[str, str]
    objects: dict[str, str]  # ETag by key
    rows: dict[str, set[tuple[str, str]]]  # versions of PostgreSQL's rows, by table
    runs: int

    @classmethod
    def of(cls, contents: Contents, stores: Stores, expected: oracle.Expected) -> Trace:
        return cls(
            contents.hashes(expected),
            stores.lake.listing(),
            stores.warehouse.row_versions(),
            stores.warehouse.runs(),
        )

    def since(self, before: Trace) -> dict[str, Any]:
        """The facts ``changed``, ``rewritten``, ``objects`` and ``more_runs``."""
        rewritten = {table: len(versions - before.rows[table]) for table, versions in self.rows.items()}
        return {
            "changed": first(name for name, digest in self.hashes.items() if before.hashes[name] != digest),
            "rewritten": {table: count for table, count in rewritten.items() if count},
            "objects": first(
                key
                for key in self.objects.keys() | before.objects.keys()
                if self.objects.get(key) != before.objects.get(key)
            ),
            "more_runs": self.runs - before.runs,
        }


def _reasons(rows: list[dict[str, Any]]) -> dict[str, int]:
    return dict(sorted(Counter(str(row.get("reason")) for row in rows).items()))
