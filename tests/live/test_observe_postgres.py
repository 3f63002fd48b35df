"""The PostgreSQL observer on real clusters: the reference's, and others made here to be sound, broken or hostile."""

from __future__ import annotations

import inspect
import secrets
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from observing import Alone, altered
from psycopg import sql

from conformance.checks import test_med, test_pgs
from conformance.observe import postgres
from conformance.observe.postgres_model import Catalogue, PostgresFacts
from conformance.stacks.base import PostgresAccess, Stack
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Broken, CannotTell

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "fixtures" / "submissions" / "guia-exacta" / "infra" / "local" / "init-scripts" / "init-postgres.sql"
SPANISH = Path(__file__).parent / "sql" / "espanol.sql"
POSTGIS = {"CREATE EXTENSION IF NOT EXISTS postgis;": "", "geometry(Point, 4326)": "point"}  # not in the wheel


def profile(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / "conformance" / "profiles" / f"{name}.toml").read_text(encoding="utf-8"))


def verdicts(facts: PostgresFacts, name: str) -> dict[str, str]:
    """What does not pass of what PostgreSQL's facts alone decide, by guarantee."""
    given = {"postgres": facts, "params": Parameters(**profile(name)["parameters"])}
    found: dict[str, str] = {}
    for check in (*vars(test_pgs).values(), *vars(test_med).values()):
        if not hasattr(check, "guarantee_id") or not inspect.signature(check).parameters.keys() <= given.keys():
            continue
        try:
            check(**{argument: given[argument] for argument in inspect.signature(check).parameters})
        except Broken as broken:
            found[check.guarantee_id] = f"fail: {broken.observed}"
        except CannotTell as reason:
            found[check.guarantee_id] = f"cannot tell: {reason}"
    return found


@pytest.fixture(scope="module")
def server(stack: Stack) -> Iterator[PostgresAccess]:
    with stack.second_postgres() as access:
        yield access


@contextmanager
def created(server: PostgresAccess, template: str = "template1") -> Iterator[PostgresAccess]:
    """A database of its own, as ``template`` is."""
    name = f"test_{secrets.token_hex(4)}"
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        yield replace(server, database=name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(server: PostgresAccess) -> Iterator[PostgresAccess]:
    with created(server) as access:
        yield access


def run(access: PostgresAccess, script: str) -> None:
    with psycopg.connect(access.dsn(), autocommit=True) as connection:
        connection.execute(script)


def look(stack: Stack, access: PostgresAccess, root: Path, **answers: Callable[..., Any]) -> PostgresFacts:
    """Observe ``access`` as if it were the stack's; without a throw-away server unless one is given."""
    nowhere: dict[str, Callable[..., Any]] = {"second_postgres": _no_server}
    seen = altered(stack, postgres=lambda: access, source=lambda: root, **nowhere | answers)
    return postgres.collect(seen, Alone())


def _no_server() -> None:
    raise psycopg.OperationalError("not here")


def catalogue(facts: PostgresFacts) -> Catalogue:
    assert facts.catalogue is not None, facts.catalogue_problem
    return facts.catalogue


@pytest.fixture(scope="module")
def schoolbook() -> str:
    """The init script of the class, less PostGIS."""
    text = GUIDE.read_text(encoding="utf-8")
    for postgis, stand_in in POSTGIS.items():
        assert postgis in text
        text = text.replace(postgis, stand_in)
    return text


@pytest.fixture
def guide(schoolbook: str, tmp_path: Path) -> Path:
    """A repository with the class's script."""
    script = tmp_path / "infra" / "local" / "init-scripts" / GUIDE.name
    script.parent.mkdir(parents=True)
    script.write_text(schoolbook, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def school(server: PostgresAccess, schoolbook: str) -> Iterator[str]:
    with created(server) as access:
        run(access, schoolbook)
        yield access.database


@pytest.fixture
def classroom(server: PostgresAccess, school: str) -> Iterator[PostgresAccess]:
    """A database as the class makes it."""
    with created(server, template=school) as access:
        yield access


# --- sound


def test_the_reference_keeps_every_promise(stack: Stack) -> None:
    facts = postgres.collect(stack, Alone())
    assert verdicts(facts, "reference") == {}
    trials = [*catalogue(facts).rule_trials.values(), *catalogue(facts).orphan_trials.values()]
    assert trials
    assert [trial for trial in trials if not trial.refused] == []
    assert stack.postgres().password not in facts.model_dump_json()


def test_who_follows_the_class_gets_every_required_point(
    stack: Stack, classroom: PostgresAccess, guide: Path, server: PostgresAccess
) -> None:
    facts = look(stack, classroom, guide, second_postgres=lambda: created(server))
    lacking = verdicts(facts, "clase-4h")
    assert lacking.keys() & profile("clase-4h")["required"].keys() == set(), lacking
    assert lacking.keys() == {"MED-10", "PGS-08"}  # beyond the class


def test_another_version_of_the_class_gets_them_too(
    stack: Stack, database: PostgresAccess, schoolbook: str, tmp_path: Path
) -> None:
    """Statuses and priorities in Spanish, dimensions in gold, two schemas more."""
    words = {
        "'Open'": "'Radicado'", "'In Progress'": "'En trámite'", "'Pending'": "'En espera'", "'Resolved'": "'Resuelto'",
        "'Closed'": "'Cerrado'", "'Low'": "'baja'", "'Medium'": "'media'", "'High'": "'alta'", "'Urgent'": "'urgente'",
        "'phone'": "'call'", "'web_portal'": "'webform'", "silver.dim_": "gold.dim_",
    }  # fmt: skip
    text = schoolbook
    for here, there in words.items():
        assert here in text
        text = text.replace(here, there)
    text += """
        CREATE SCHEMA IF NOT EXISTS analytics;
        CREATE SCHEMA IF NOT EXISTS auth;
        CREATE TABLE IF NOT EXISTS auth.users (
            id serial PRIMARY KEY, username text UNIQUE, password_hash text, created_at timestamptz DEFAULT now());
        INSERT INTO auth.users (username, password_hash) VALUES ('admin', 'argon2id-of-something');
        CREATE OR REPLACE VIEW analytics.v_volume AS SELECT * FROM gold.kpi_volume_daily;
    """
    (tmp_path / "init-scripts").mkdir()
    (tmp_path / "init-scripts" / "init.sql").write_text(text, encoding="utf-8")
    run(database, text)
    facts = look(stack, database, tmp_path)
    assert verdicts(facts, "clase-4h").keys() & profile("clase-4h")["required"].keys() == set()
    assert "argon2id" not in facts.model_dump_json()


def test_a_sound_lakehouse_in_spanish_and_of_another_shape(
    stack: Stack, database: PostgresAccess, tmp_path: Path, server: PostgresAccess
) -> None:
    (tmp_path / "init").mkdir()
    script = tmp_path / "init" / "base.sql"
    script.write_bytes(SPANISH.read_bytes())
    run(database, SPANISH.read_text(encoding="utf-8"))
    facts = look(stack, database, tmp_path, second_postgres=lambda: created(server))
    assert verdicts(facts, "clase-4h").keys() == {"PGS-06", "PGS-08"}  # no comments, no reader


# --- broken, one thing at a time


@pytest.mark.parametrize(
    ("id_", "damage", "observed"),
    [
        ("PGS-03", "DROP SCHEMA gold CASCADE", "missing schemas: gold"),
        ("PGS-05", "ALTER TABLE meta.data_quality DROP CONSTRAINT data_quality_run_id_fkey", "meta.data_quality"),
        ("PGS-05", "ALTER TABLE meta.etl_runs DROP COLUMN status", "no table of runs"),
        ("PGS-06", "DO $$ DECLARE t regclass; c name; BEGIN FOR t, c IN SELECT attrelid::regclass, attname"
                   " FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE attnum > 0 AND relkind = 'r'"
                   " AND relnamespace = 'silver'::regnamespace LOOP"
                   " EXECUTE format('COMMENT ON COLUMN %s.%I IS '' ''', t, c); END LOOP; END $$", "silver.dim_geo."),
        ("MED-01", "DROP TABLE gold.kpi_volume_daily, gold.kpi_backlog_daily, gold.kpi_sla_daily", "gold: 0 tables"),
        ("MED-02", "ALTER TABLE gold.kpi_sla_daily ADD COLUMN data jsonb", "gold.kpi_sla_daily.data"),
        ("MED-02", "ALTER TABLE bronze.pqrs_events DROP COLUMN ingested_at", "bronze.pqrs_events"),
        ("MED-03", "".join(
            f"ALTER TABLE silver.dim_{name} DROP CONSTRAINT dim_{name}_{key}_key;"
            for name, key in (("channel", "channel_code"), ("status", "name"), ("priority", "name"))
        ), "silver.dim_channel"),
        ("MED-04", "DROP VIEW silver.v_tickets_open;"
                   " ALTER TABLE silver.tickets ALTER COLUMN status TYPE date USING NULL", "silver.tickets.status"),
        ("MED-05", "DELETE FROM silver.dim_pqrs_type WHERE code = 'S'", "missing types: S"),
        ("MED-05", "TRUNCATE silver.dim_channel", "kinds of channel: 0"),
        ("MED-06", "ALTER TABLE silver.messages DISABLE TRIGGER ALL", "silver.messages.messages_ticket_id_fkey"),
        ("MED-06", "ALTER TABLE silver.messages DROP CONSTRAINT messages_ticket_id_fkey, ADD CONSTRAINT loose"
                   " FOREIGN KEY (ticket_id) REFERENCES silver.tickets NOT VALID", "silver.messages.loose"),
        ("MED-06", "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET session_replication_role = replica',"
                   " current_database()); END $$", "orphan accepted"),
        ("MED-07", "ALTER TABLE gold.kpi_volume_daily DROP CONSTRAINT kpi_volume_daily_pkey", "gold.kpi_volume_daily"),
        ("MED-07", "ALTER TABLE gold.kpi_sla_daily DROP CONSTRAINT kpi_sla_daily_pkey,"
                   " ADD COLUMN id bigserial PRIMARY KEY", "gold.kpi_sla_daily"),
        ("MED-08", "DROP INDEX silver.ix_messages_ticket", "silver.messages (ticket_id)"),
        ("MED-08", "DROP INDEX silver.ix_tickets_created", "silver.tickets (created_at | closed_at)"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named(
    stack: Stack, classroom: PostgresAccess, guide: Path, id_: str, damage: str, observed: str
) -> None:
    run(classroom, damage)
    after = verdicts(look(stack, classroom, guide), "clase-4h")
    assert after[id_].startswith("fail: ")
    assert observed in after[id_]


def test_rules_are_believed_when_the_server_keeps_them(stack: Stack, classroom: PostgresAccess, guide: Path) -> None:
    run(
        classroom,
        """
        DROP VIEW silver.v_tickets_open;
        CREATE TYPE public.kind AS ENUM ('P', 'Q', 'R', 'S');
        CREATE DOMAIN public.count AS int CHECK (VALUE >= 0);
        ALTER TABLE silver.tickets ALTER COLUMN pqrs_type TYPE public.kind USING pqrs_type::public.kind,
            ADD FOREIGN KEY (status) REFERENCES silver.dim_status (name);
        ALTER TABLE silver.status_events ADD CHECK (from_status IN ('Open', 'Pending')),
            ADD CHECK (to_status <> from_status), ADD CHECK (to_status = ANY ('{Open,Closed}'));
        ALTER TABLE gold.kpi_volume_daily ADD CHECK (pqrs_type IN ('P', 'Q', 'R', 'S')),
            ADD CHECK (received > closed), ADD CHECK (closed >= 0);
        ALTER TABLE gold.kpi_backlog_daily ADD CHECK (status ~ '^O'), ALTER COLUMN open_count TYPE public.count;
        ALTER TABLE gold.kpi_sla_daily ADD CHECK (avg_response_hours >= 0);
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF NEW.pqrs_type = 'X' THEN RAISE 'no such type'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER t BEFORE INSERT ON gold.kpi_sla_daily FOR EACH ROW EXECUTE FUNCTION public.refuse();
        """,
    )
    trials = catalogue(look(stack, classroom, guide)).rule_trials
    told = {name: trial.refused for name, trial in trials.items() if not trial.relation.startswith("meta.")}
    # no value that the kit thinks of begins with O, so it cannot tell
    untold = {"status gold.kpi_backlog_daily.status", "measure gold.kpi_backlog_daily.open_count"}
    assert {name for name, refused in told.items() if refused is None} == untold
    assert {name for name, refused in told.items() if refused is False} == set()
    assert {trial.rule for trial in trials.values() if trial.refused} == {"type", "status", "measure"}


def test_an_impossible_value_that_fits_with_its_neighbours_is_found(
    stack: Stack, classroom: PostgresAccess, guide: Path
) -> None:
    run(classroom, "ALTER TABLE gold.kpi_volume_daily ADD CHECK (closed <= received), ADD CHECK (received <= 1000)")
    trials = catalogue(look(stack, classroom, guide)).rule_trials
    assert trials["measure gold.kpi_volume_daily.closed"].refused is False
    assert trials["measure gold.kpi_volume_daily.received"].refused is True  # with none closed it does not fit


def test_nothing_is_left_of_what_was_tried(stack: Stack, classroom: PostgresAccess, guide: Path) -> None:
    def contents() -> list[tuple[Any, ...]]:
        with psycopg.connect(classroom.dsn(), autocommit=True) as connection:
            tables = connection.execute(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'S')"
                " AND relnamespace::regnamespace::text IN ('meta', 'bronze', 'silver', 'gold') ORDER BY 1"
            ).fetchall()
            assert len(tables) > 15
            return [
                (table, connection.execute(sql.SQL("SELECT * FROM {}").format(sql.SQL(table))).fetchall())
                for (table,) in tables
            ]

    before = contents()
    look(stack, classroom, guide)
    assert contents() == before


# --- the init script again


def test_a_script_that_cannot_be_repeated_is_caught(
    stack: Stack, classroom: PostgresAccess, guide: Path, server: PostgresAccess
) -> None:
    script = next(guide.rglob("*.sql"))
    text = script.read_text(encoding="utf-8")
    script.write_text(
        text.replace("CREATE TABLE IF NOT EXISTS silver.tickets", "CREATE TABLE silver.tickets"), encoding="utf-8"
    )
    said = verdicts(look(stack, classroom, guide, second_postgres=lambda: created(server)), "clase-4h")["PGS-04"]
    assert said.startswith("fail: infra/local/init-scripts/init-postgres.sql:")
    assert 'relation "tickets" already exists' in said


def test_seeds_that_go_in_twice_are_counted(
    stack: Stack, classroom: PostgresAccess, guide: Path, server: PostgresAccess
) -> None:
    script = next(guide.rglob("*.sql"))
    text = script.read_text(encoding="utf-8")
    script.write_text(
        text.replace(
            "name    VARCHAR(30) NOT NULL UNIQUE\n);\nCREATE INDEX",
            "name VARCHAR(30) NOT NULL, at timestamptz DEFAULT now());\nCREATE INDEX",
        ),
        encoding="utf-8",
    )
    said = verdicts(look(stack, classroom, guide, second_postgres=lambda: created(server)), "clase-4h")["PGS-04"]
    assert said == "fail: rows repeated: silver.dim_role +3"


def test_commands_of_psql_are_never_run(
    stack: Stack, database: PostgresAccess, tmp_path: Path, server: PostgresAccess
) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "init.sql").write_text(f"CREATE SCHEMA a;\n\\! touch {mark}\n", encoding="utf-8")
    facts = look(stack, database, tmp_path, second_postgres=lambda: created(server))
    assert facts.second_apply_problem == "init.sql:2: the kit cannot run psql's \\!"
    assert not mark.exists()


def test_a_stack_without_a_second_server_shows_nothing(stack: Stack, classroom: PostgresAccess, guide: Path) -> None:
    assert verdicts(look(stack, classroom, guide), "clase-4h")["PGS-04"] == "cannot tell: not here"


# --- who gets in


def test_a_wrong_password_does_not_get_in(stack: Stack, database: PostgresAccess, tmp_path: Path) -> None:
    facts = look(stack, replace(database, password="another"), tmp_path)
    assert not facts.login.ok
    assert "password authentication failed" in facts.login.detail
    assert facts.catalogue is None


def test_nobody_listens(stack: Stack, database: PostgresAccess, tmp_path: Path) -> None:
    facts = look(stack, replace(database, port=1), tmp_path)
    assert not facts.login.ok
    assert "refused" in facts.login.detail


def test_strangers_are_let_in_where_all_are_trusted(
    stack: Stack, server: PostgresAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", server.password)  # which must not help a stranger
    facts = look(stack, server, tmp_path)
    assert [one and one.ok for one in (facts.stranger_with_wrong_password, facts.stranger_without_password)] == [
        False
    ] * 2
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        rules = connection.execute("SELECT current_setting('hba_file')").fetchone()
        assert rules is not None
        kept = connection.execute("SELECT pg_read_file(%s)", rules).fetchone()
        try:
            _write(connection, rules[0], "host all all 127.0.0.1/32 trust")
            facts = look(stack, server, tmp_path)
        finally:
            assert kept is not None
            _write(connection, rules[0], kept[0])
    assert [one and one.ok for one in (facts.stranger_with_wrong_password, facts.stranger_without_password)] == [
        True
    ] * 2
    assert facts.client_address == "127.0.0.1"
    assert verdicts(facts, "clase-4h")["PGS-02"].startswith("cannot tell")  # the image itself trusts loopback


def _write(connection: psycopg.Connection[Any], file: str, text: str) -> None:
    """Replace pg_hba.conf from within, and wait until the server has read it."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS rules (line text)")
    connection.execute("TRUNCATE rules")
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO rules VALUES (%s)", [(line,) for line in text.splitlines()])
    connection.execute(sql.SQL("COPY rules TO {}").format(sql.Literal(file)))
    before = connection.execute("SELECT pg_conf_load_time()").fetchone()
    connection.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 10
    while connection.execute("SELECT pg_conf_load_time()").fetchone() == before:
        assert time.monotonic() < deadline, "the server did not read its rules again"


# --- hostile


def test_names_that_need_care_and_functions_that_lie(stack: Stack, classroom: PostgresAccess, guide: Path) -> None:
    run(
        classroom,
        """
        CREATE SCHEMA "Mi Esquema.ñ";
        CREATE TABLE "Mi Esquema.ñ"."tabla ""rara"" % {x} 😀" (
            "col % {y}" text PRIMARY KEY, "a.b" int CHECK ("a.b" > 0), "select" text DEFAULT 'x');
        INSERT INTO "Mi Esquema.ñ"."tabla ""rara"" % {x} 😀" VALUES ('a%s {z}', 1), ('\\', 2);
        CREATE FUNCTION public.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
        CREATE FUNCTION public.obj_description(oid, name) RETURNS text LANGUAGE sql AS $$ SELECT pg_sleep(60)::text $$;
        DO $$ BEGIN
            EXECUTE pg_catalog.format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database());
        END $$;
        CREATE VIEW gold.slow AS SELECT pg_sleep(60)::text AS a;
        CREATE MATERIALIZED VIEW gold.unborn AS SELECT 1 AS a WITH NO DATA;
        """,
    )
    facts = look(stack, classroom, guide)
    assert verdicts(facts, "clase-4h").keys() == {"MED-10", "PGS-04", "PGS-08"}
    odd = catalogue(facts).relations['"Mi Esquema.ñ"."tabla ""rara"" % {x} 😀"']
    assert odd.values == {"col % {y}": ("\\", "a%s {z}"), "select": ("x",)}
    assert catalogue(facts).relations["gold.unborn"].rows is None


def test_a_trigger_that_never_ends_ends(stack: Stack, database: PostgresAccess, tmp_path: Path) -> None:
    run(
        database,
        """
        CREATE TABLE public.slow (id int PRIMARY KEY, status text, total int);
        CREATE FUNCTION public.forever() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
        CREATE TRIGGER t BEFORE INSERT ON public.slow FOR EACH ROW EXECUTE FUNCTION public.forever();
        CREATE TABLE public.zebra (id int PRIMARY KEY, status text CHECK (status = 'a'));
        """,
    )
    began = time.monotonic()
    trials = catalogue(look(stack, database, tmp_path)).rule_trials
    assert time.monotonic() - began < 30
    assert trials["status public.slow.status"].refused is None
    assert trials["status public.zebra.status"].refused is True


def test_hundreds_of_tables_stay_within_bounds(stack: Stack, classroom: PostgresAccess, guide: Path) -> None:
    run(
        classroom,
        "DO $$ BEGIN FOR i IN 1..600 LOOP"
        " EXECUTE format('CREATE TABLE public.t%s (id int PRIMARY KEY, name text)', i); END LOOP; END $$",
    )
    facts = look(stack, classroom, guide)
    assert catalogue(facts).schemas["public"].relations == 600
    assert sum(one.namespace == "public" for one in catalogue(facts).relations.values()) == 200
    assert len(facts.model_dump_json()) < 1_000_000
    assert verdicts(facts, "clase-4h").keys() == {"MED-10", "PGS-04", "PGS-08"}


def test_who_may_not_look_is_told_so_and_costs_nobody_points(
    stack: Stack, classroom: PostgresAccess, guide: Path, server: PostgresAccess
) -> None:
    role, password = f"limited_{secrets.token_hex(4)}", secrets.token_hex(8)
    run(classroom, f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
    try:
        facts = look(stack, replace(classroom, user=role, password=password), guide)
    finally:
        run(classroom, f"DROP ROLE {role}")
    lacking = verdicts(facts, "clase-4h")
    assert [id_ for id_, said in lacking.items() if said.startswith("fail")] == ["PGS-08"]
    assert lacking["MED-05"].startswith("cannot tell")
    assert lacking["MED-06"].startswith("cannot tell")


def test_people_and_secrets_are_not_read(stack: Stack, database: PostgresAccess, tmp_path: Path) -> None:
    run(
        database,
        """
        CREATE TABLE public.usuarios (id int PRIMARY KEY, nombre text);
        INSERT INTO public.usuarios VALUES (1, 'Ana Ruiz');
        CREATE TABLE public.settings (id int PRIMARY KEY, token text, label text);
        INSERT INTO public.settings VALUES (1, 'hunter2', 'shown');
        """,
    )
    told = look(stack, database, tmp_path).model_dump_json()
    assert "shown" in told
    assert "Ana Ruiz" not in told
    assert "hunter2" not in told
