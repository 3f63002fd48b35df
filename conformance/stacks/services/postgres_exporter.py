"""Metrics of a PostgreSQL server by the names that postgres_exporter gives them, for the stack that has no such binary.

Run as a program (``python -m … HOST PORT``); libpq's environment says whom to ask.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable

import psycopg
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

STATISTICS = (
    "numbackends", "xact_commit", "xact_rollback", "blks_read", "blks_hit", "tup_returned", "tup_fetched",
    "tup_inserted", "tup_updated", "tup_deleted", "conflicts", "deadlocks", "temp_files", "temp_bytes",
)  # fmt: skip
QUERY = f"""
    SELECT datname, pg_database_size(datid), {", ".join(STATISTICS)}
    FROM pg_stat_database WHERE datname IS NOT NULL
"""  # noqa: S608 - of constants


class Server(Collector):
    """Asks the server anew for every scrape, so that a restart shows."""

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("pg_up", "Whether the server answers.")
        size = GaugeMetricFamily("pg_database_size_bytes", "Size of the database on disk.", labels=["datname"])
        statistics = [
            GaugeMetricFamily(f"pg_stat_database_{name}", f"pg_stat_database.{name}", labels=["datname"])
            for name in STATISTICS
        ]
        try:
            with psycopg.connect(connect_timeout=2) as connection:
                rows = connection.execute(QUERY).fetchall()
        except psycopg.Error:
            rows = []
        up.add_metric([], float(bool(rows)))
        for database, *values in rows:
            for family, value in zip((size, *statistics), values, strict=True):
                family.add_metric([database], float(value))
        return [up, size, *statistics]


def main(host: str, port: int) -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Server())
    start_http_server(port, host, registry)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
