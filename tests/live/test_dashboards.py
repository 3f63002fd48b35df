"""What Grafana shows of the lakehouse: every query of every dashboard, on a database that the pipeline has filled."""

from __future__ import annotations

import json
import re
from typing import Any

import psycopg
import pytest
from pipeline_lake import config, settings
from psycopg.rows import dict_row

from pqrs_lakehouse import catalog, compute, reference
from pqrs_lakehouse.generator import generate
from pqrs_lakehouse.lake import Lake
from pqrs_lakehouse.metrics import GAUGES, Catalogue
from pqrs_lakehouse.settings import Settings

pytestmark = pytest.mark.live
__all__ = ["settings"]  # a fixture

FOLDER = reference.root() / "infra" / "grafana" / "dashboards"
RUN = "dashboards"


QUERIES = [
    (panel["title"], target["rawSql"])
    for file in sorted(FOLDER.glob("*.json"))
    for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]
    for target in panel.get("targets", ())
    if "rawSql" in target
]


def as_grafana_sends_it(query: str, begin: str = "2000-01-01T05:00:00Z", end: str = "2100-01-01T05:00:00Z") -> str:
    return re.sub(r"\$__timeFilter\(([^)]*)\)", rf"\1 BETWEEN '{begin}' AND '{end}'", query)


@pytest.fixture
def filled(settings: Settings) -> Settings:
    wanted = config()
    Lake(settings).write_raw(generate(wanted), RUN, wanted)
    compute.run_pipeline(settings, RUN)
    return settings


def test_every_panel_has_something_to_show_and_its_login_may_see_it(filled: Settings) -> None:
    """As a reader: gold and meta, and nothing else."""
    with catalog.connect(filled) as connection:
        reader = f"reader_{filled.postgres_db}"
        connection.execute(f"CREATE ROLE {reader} IN ROLE pqrs_bi, pqrs_ops".encode())
        connection.execute(f"SET LOCAL ROLE {reader}".encode())
        connection.execute("SET LOCAL transaction_read_only = on")
        empty = []
        with connection.cursor(row_factory=dict_row) as cursor:
            for title, query in QUERIES:
                rows = cursor.execute(as_grafana_sends_it(query).encode()).fetchall()
                if not rows or all(value is None for row in rows for value in row.values()):
                    empty.append(title)
        connection.rollback()
    assert empty == []


def test_no_panel_breaks_before_the_first_run(settings: Settings) -> None:
    with catalog.connect(settings) as connection:
        for _, query in QUERIES:
            connection.execute(as_grafana_sends_it(query).encode()).fetchall()


def test_the_service_dashboard_adds_up(filled: Settings) -> None:
    """The headline figures, by another way: from the facts."""
    by_title = dict(QUERIES)

    def shown(title: str) -> Any:
        row = connection.execute(by_title[title].encode()).fetchone()
        return row and row[0]

    with catalog.connect(filled) as connection:
        cut = connection.execute("SELECT as_of::text FROM meta.etl_run").fetchone()
        late = connection.execute("SELECT count(*) FROM gold.fact_term WHERE state = 'OVERDUE'").fetchone()
        unfinished = connection.execute(
            "SELECT count(*) FROM gold.fact_ticket JOIN gold.dim_status USING (status_key)"
            " WHERE status_code NOT IN ('CLOSED', 'ARCHIVED')"
        ).fetchone()
        assert cut
        assert late
        assert unfinished
        assert shown("Fecha de corte") == cut[0]
        assert shown("Términos vencidos sin respuesta") == late[0] > 0
        assert shown("PQRS abiertas") == unfinished[0] > 0
        # the days until the term's end, counted by hand: of the pending ones all that end soon
        soon = connection.execute(
            "SELECT count(*) FROM gold.fact_term JOIN gold.dim_date AS due ON due.date_key = due_date_key"
            " WHERE state = 'PENDING' AND (SELECT count(*) FROM gold.dim_date AS d"
            "   WHERE d.is_business_day AND d.date > %s::date AND d.date <= due.date) <= 5",
            (cut[0],),
        ).fetchone()
        assert soon
        assert shown("Vencen en los próximos 5 días hábiles") == soon[0] > 0
        departments = connection.execute(by_title["Por departamento"].encode()).fetchall()
        assert sum(row[1] for row in departments) == unfinished[0]


def metrics_of(settings: Settings) -> dict[str, dict[tuple[str, ...], float]]:
    conninfo = psycopg.conninfo.make_conninfo(
        host=settings.postgres_host, port=settings.postgres_port, user=settings.postgres_user,
        password=settings.postgres_password, dbname=settings.postgres_db,
    )  # fmt: skip
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in Catalogue(conninfo).collect()
    }


def test_metrics_before_the_first_run(settings: Settings) -> None:
    found = metrics_of(settings)
    assert list(found) == ["pqrs_catalogue_up", *(name for name, *_ in GAUGES)]
    assert found["pqrs_catalogue_up"] == {(): 1}
    assert found["pqrs_runs"] == {("RUNNING",): 0, ("SUCCESS",): 0, ("FAILED",): 0}
    assert found["pqrs_run_last_end_timestamp_seconds"] == {("SUCCESS",): 0, ("FAILED",): 0}
    assert found["pqrs_quality_checks"] == {("PASS",): 0, ("WARN",): 0, ("FAIL",): 0}
    assert found["pqrs_run_oldest_running_seconds"] == {(): 0}
    assert found["pqrs_open_tickets"] == {}


def test_metrics_after_a_run(filled: Settings) -> None:
    found = metrics_of(filled)
    with catalog.connect(filled) as connection:
        states = dict(connection.execute("SELECT state, count(*)::float FROM gold.fact_term GROUP BY state").fetchall())
        tickets = connection.execute("SELECT count(*) FROM gold.fact_ticket").fetchone()
        end = connection.execute("SELECT extract(epoch FROM finished_at)::float FROM meta.etl_run").fetchone()
    assert found["pqrs_runs"][("SUCCESS",)] == 1
    assert end
    assert found["pqrs_run_last_end_timestamp_seconds"][("SUCCESS",)] == pytest.approx(end[0])
    assert tickets
    assert found["pqrs_dataset_rows"][("warehouse", "gold.fact_ticket")] == tickets[0]
    assert found["pqrs_quality_checks"][("FAIL",)] == 0
    assert found["pqrs_quality_checks"][("WARN",)] > 0
    assert set(found["pqrs_open_tickets"]) == {("P",), ("Q",), ("R",), ("S",)}
    told: dict[str, float] = {}
    for (_, state), terms in found["pqrs_terms"].items():
        told[state] = told.get(state, 0) + terms
    assert {state: count for state, count in told.items() if count} == states


def test_metrics_of_a_database_without_the_schema_say_that_it_cannot_be_read(settings: Settings) -> None:
    with catalog.connect(settings) as connection:
        connection.execute("DROP SCHEMA gold CASCADE")
    assert metrics_of(settings) == {"pqrs_catalogue_up": {(): 0}}
