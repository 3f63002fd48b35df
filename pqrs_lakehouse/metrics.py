"""What only the catalogue and gold know, for Prometheus: runs, data quality, open tickets, terms by state.

Its login needs to read schemas ``meta`` and ``gold`` and nothing else (groups pqrs_ops and pqrs_bi). Only small tables
are read, so that a scrape costs milliseconds whatever the lake holds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Final, LiteralString

import psycopg
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

GAUGES: Final[tuple[tuple[str, str, tuple[str, ...], LiteralString], ...]] = (
    (
        "pqrs_runs",
        "Runs in the catalogue.",
        ("status",),
        """
        SELECT status, count(run_id) FROM unnest(ARRAY['RUNNING', 'SUCCESS', 'FAILED']) AS status
        LEFT JOIN meta.etl_run USING (status) GROUP BY status
        """,
    ),
    (
        "pqrs_run_last_end_timestamp_seconds",
        "When a run last ended so; 0: none has.",
        ("status",),
        """
        SELECT status, coalesce(extract(epoch FROM max(finished_at)), 0)
        FROM unnest(ARRAY['SUCCESS', 'FAILED']) AS status LEFT JOIN meta.etl_run USING (status) GROUP BY status
        """,
    ),
    (
        "pqrs_run_oldest_running_seconds",
        "For how long the oldest run that has not ended has been running; 0: none is.",
        (),
        """
        SELECT coalesce(extract(epoch FROM clock_timestamp() - min(started_at)), 0)
        FROM meta.etl_run WHERE status = 'RUNNING'
        """,
    ),
    (
        "pqrs_as_of_timestamp_seconds",
        "Beginning of the day on which the last successful run tells the states of terms.",
        (),
        """
        SELECT extract(epoch FROM as_of::timestamp AT TIME ZONE 'America/Bogota')
        FROM meta.etl_run WHERE status = 'SUCCESS' AND as_of IS NOT NULL ORDER BY finished_at DESC, run_id DESC LIMIT 1
        """,
    ),
    (
        "pqrs_dataset_rows",
        "Rows of each dataset that the last successful run wrote.",
        ("layer", "dataset"),
        """
        SELECT layer, name, rows FROM meta.run_dataset WHERE direction = 'WRITTEN' AND run_id = (
            SELECT run_id FROM meta.etl_run WHERE status = 'SUCCESS' ORDER BY finished_at DESC, run_id DESC LIMIT 1
        )
        """,
    ),
    (
        "pqrs_quality_checks",
        "Checks of data quality of the run that began last, by result.",
        ("status",),
        """
        SELECT status, count(check_name) FROM unnest(ARRAY['PASS', 'WARN', 'FAIL']) AS status
        LEFT JOIN (
            SELECT * FROM meta.data_quality
            WHERE run_id = (SELECT run_id FROM meta.etl_run ORDER BY started_at DESC, run_id DESC LIMIT 1)
        ) AS last USING (status) GROUP BY status
        """,
    ),
    (
        "pqrs_open_tickets",
        "Tickets that are open at the end of the last day.",
        ("pqrs_type",),
        """
        SELECT pqrs_type_code, open_at_end FROM gold.kpi_backlog_daily JOIN gold.dim_pqrs_type USING (pqrs_type_key)
        WHERE date_key = (SELECT max(date_key) FROM gold.kpi_backlog_daily)
        """,
    ),
    (
        "pqrs_terms",
        "Terms by state on the last day.",
        ("pqrs_type", "state"),
        """
        SELECT pqrs_type_code, state, sum(terms)
        FROM gold.kpi_sla_daily JOIN gold.dim_pqrs_type USING (pqrs_type_key),
             LATERAL (VALUES ('MET', met), ('LATE', late), ('PENDING', pending), ('OVERDUE', overdue),
                             ('SUSPENDED', suspended)) AS told (state, terms)
        GROUP BY pqrs_type_code, state
        """,
    ),
)  # fmt: skip
"""Name, what it says, labels, and the query whose columns are the labels and the value."""


class Catalogue(Collector):
    """Asks the database anew for every scrape.

    Args:
        conninfo: libpq's connection string; what it leaves open, libpq's environment says (PGHOST, PGUSER, …).
    """

    def __init__(self, conninfo: str = "") -> None:
        self._conninfo = conninfo

    def collect(self) -> Iterable[Metric]:
        families: list[Metric] = []
        try:
            with psycopg.connect(self._conninfo, connect_timeout=3, application_name="pqrs-metrics") as connection:
                families = [_gauge(connection, *gauge) for gauge in GAUGES]
        except psycopg.Error:
            families = []  # half a picture would look like a whole one
        up = GaugeMetricFamily("pqrs_catalogue_up", "Whether the catalogue and gold could be read.")
        up.add_metric([], float(bool(families)))
        return [up, *families]


def serve(host: str, port: int) -> None:
    """Answer at ``/metrics`` until the process is ended.

    Raises:
        OSError: the port cannot be had.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Catalogue())
    start_http_server(port, host, registry)
    threading.Event().wait()


def _gauge(
    connection: psycopg.Connection[Any], name: str, told: str, labels: tuple[str, ...], query: LiteralString
) -> Metric:
    family = GaugeMetricFamily(name, told, labels=labels)
    for *values, number in connection.execute(query):
        family.add_metric(values, float(number))
    return family
