"""The judgments on PostgreSQL as catalogue, over facts written by hand."""

from __future__ import annotations

import pytest
from warehouses import column, database, relation, verdict

from conformance.checks import test_pgs as checks
from conformance.observe.disruption import DisruptionFacts, PostgresRestart
from conformance.observe.facts import Attempt
from conformance.observe.postgres_model import Grants, InitScript, PostgresFacts, RoleFacts, Schema, SecondApply
from conformance.verdict.parameters import Parameters

PARAMS = Parameters()
OK = Attempt(ok=True)
IN, OUT = Attempt(ok=True, detail="let in"), Attempt(ok=False, detail="password authentication failed")

RUNS = {"run_id": "uuid", "status": "text", "started_at": "time clock", "finished_at": "time null"}
QUALITY = {"dq_id": "number sequence", "run_id": "uuid", "rule_name": "text", "passed": "boolean"}
EVENTS = relation("bronze.events", {"id": "uuid"})


@pytest.mark.parametrize(
    ("detail", "hint"),
    [
        ('FATAL: password authentication failed for user "pqrs"', "password"),
        ("fe_sendauth: no password supplied", "password"),
        ('FATAL: database "pqrs" does not exist', "missing"),
        ("connection to server at 127.0.0.1 failed: Connection refused", "closed"),
        ("connection timeout expired", "closed"),
        ("FATAL: the database system is starting up", "starting"),
        ("FATAL: sorry, too many clients already", None),
    ],
)
def test_why_nobody_gets_in(detail: str, hint: str | None) -> None:
    facts = PostgresFacts(login=Attempt(ok=False, detail=detail))
    assert verdict(checks.test_postgresql_accepts_the_configured_credentials, facts) == f"fail {hint}: {detail}"


def test_a_server_that_does_not_start_is_heard() -> None:
    facts = PostgresFacts(login=Attempt(ok=False, detail="Connection refused"), complaints="postgres-1: restarting (1)")
    told = verdict(checks.test_postgresql_accepts_the_configured_credentials, facts)
    assert told == "fail closed: Connection refused; postgres-1: restarting (1)"


@pytest.mark.parametrize(
    ("wrong", "none", "address", "expected"),
    [
        (OUT, OUT, "172.18.0.1", "pass"),
        (OUT, OUT, "127.0.0.1", "pass"),
        (IN, OUT, "172.18.0.1", "fail"),
        (OUT, IN, "fd00::1", "fail"),
        (IN, IN, "127.0.0.1", "cannot tell"),
        (IN, IN, "::1", "cannot tell"),
        (IN, IN, "", "cannot tell"),
        (None, None, "172.18.0.1", "cannot tell"),
    ],
)
def test_trust_on_loopback_is_the_image_s_own(
    wrong: Attempt | None, none: Attempt | None, address: str, expected: str
) -> None:
    facts = PostgresFacts(
        login=OK, client_address=address, stranger_with_wrong_password=wrong, stranger_without_password=none
    )
    assert verdict(checks.test_postgresql_refuses_wrong_passwords, facts).startswith(expected)


@pytest.mark.parametrize(
    ("script", "errors", "expected"),
    [
        (InitScript(files=("i.sql",), mounted=True, schemas=("bronze",)), (), "pass"),
        (InitScript(files=("i.sql",), mounted=True, schemas=("bronze", "gold")), (), "fail old_volume"),
        (InitScript(files=("i.sql",), mounted=False, schemas=("gold",)), (), "fail not_mounted"),
        (
            InitScript(files=("i.sql",), mounted=True, schemas=("gold",)),
            ("psql:i.sql:3: ERROR: x",),
            "fail script_error",
        ),
        (
            InitScript(files=("i.sql",), mounted=True, schemas=("gold",)),
            ("a.sh: line 3: set: -\\r: invalid option",),
            "fail windows",
        ),
        (InitScript(files=("i.sql",), mounted=True), (), "cannot tell: i.sql: creates no schema"),
        (InitScript(files=("i.sql",), mounted=True, problem="i.sql:1: there is no file a"), (), "cannot tell: i.sql:1"),
        (None, (), "cannot tell: no init script was seen"),
    ],
)
def test_the_schemas_of_the_script(script: InitScript | None, errors: tuple[str, ...], expected: str) -> None:
    facts = database(EVENTS, init_script=script, init_errors=errors)
    assert verdict(checks.test_the_init_script_ran, facts).startswith(expected)


def test_an_empty_schema_of_an_extension_counts_as_made() -> None:
    script = InitScript(files=("i.sql",), mounted=True, schemas=("bronze", "extensions"))
    facts = database(EVENTS, init_script=script, schemas={"extensions": Schema(of_extensions=True)})
    assert verdict(checks.test_the_init_script_ran, facts) == "pass"


@pytest.mark.parametrize(
    ("applied", "expected"),
    [
        (SecondApply(first=OK, second=OK), "pass"),
        (SecondApply(first=OK, second=Attempt(ok=False, detail="i.sql:3: exists")), "fail error: i.sql:3: exists"),
        (SecondApply(first=OK, second=OK, duplicates={"silver.d": 3}), "fail duplicates: rows repeated: silver.d +3"),
        (SecondApply(first=Attempt(ok=False, detail="no postgis here")), "cannot tell: no postgis here"),
        (None, "cannot tell: no image"),
    ],
)
def test_the_script_once_more(applied: SecondApply | None, expected: str) -> None:
    facts = PostgresFacts(login=OK, second_apply=applied, second_apply_problem="no image")
    assert verdict(checks.test_the_init_script_can_run_again, facts) == expected


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        (
            [
                relation("meta.etl_runs", RUNS, primary=["run_id"]),
                relation("meta.data_quality", QUALITY, refers={"run_id": "meta.etl_runs"}),
            ],
            "pass",
        ),
        (  # in Spanish, in a schema of no known name
            [
                relation(
                    "operacion.ejecucion",
                    {"id": "number identity", "estado": "text", "hora_inicio": "time", "hora_fin": "time null"},
                    primary=["id"],
                ),
                relation(
                    "operacion.hallazgos",
                    {"id": "number identity", "ejecucion": "number", "regla": "text"},
                    refers={"ejecucion": "operacion.ejecucion"},
                ),
            ],
            "pass",
        ),
        ([relation("meta.etl_runs", RUNS)], "fail no_runs"),  # without a key
        ([relation("meta.runs", RUNS | {"finished_at": "text"}, primary=["run_id"])], "fail no_runs"),
        ([relation("meta.runs", RUNS, primary=["run_id"]), relation("meta.data_quality", QUALITY)], "fail no_quality"),
        ([relation("meta.runs", RUNS, primary=["run_id"])], "fail no_quality"),
        (  # it refers, but nothing says to what end
            [
                relation("meta.runs", RUNS, primary=["run_id"]),
                relation("meta.steps", {"run_id": "uuid"}, refers={"run_id": "meta.runs"}),
            ],
            "cannot tell",
        ),
        (  # a quality table that is there, and another one that refers
            [
                relation("meta.runs", RUNS, primary=["run_id"]),
                relation("meta.data_quality", QUALITY),
                relation("meta.steps", {"run_id": "uuid"}, refers={"run_id": "meta.runs"}),
            ],
            "fail no_quality",
        ),
        (  # tickets begin and end as runs do, but live in a layer
            [relation("silver.tickets", RUNS, primary=["run_id"])],
            "fail no_runs",
        ),
    ],
)
def test_runs_and_quality_are_told_by_their_structure(tables: list[object], expected: str) -> None:
    facts = database(EVENTS, *tables)  # type: ignore[arg-type]
    assert verdict(checks.test_runs_and_data_quality_are_catalogued, facts, PARAMS).startswith(expected)


def test_comments_are_counted_on_what_the_lakehouse_made() -> None:
    name, table = relation("gold.kpi", {"day": "time", "received": "number"})
    half = table.model_copy(
        update={"columns": table.columns | {"day": column("time").model_copy(update={"commented": False})}}
    )
    strangers = [relation(f"public.metabase_{n}", {"x": "text"}) for n in range(20)]
    silent = [(n, one.model_copy(update={"commented": False})) for n, one in strangers]
    facts = database((name, half), EVENTS, relation("meta.runs", RUNS), *silent)
    assert verdict(checks.test_objects_are_documented, facts, Parameters(min_comment_share=0.9)) == "pass"
    assert verdict(checks.test_objects_are_documented, facts, Parameters(min_comment_share=1.0)) == (
        "fail None: with a comment: 12 of 13 (92%); without: gold.kpi.day"
    )


@pytest.mark.parametrize(
    ("restart", "expected"),
    [
        (PostgresRestart(probe_written=OK, restarted=True, read_back=True), "pass"),
        (PostgresRestart(probe_written=OK, restarted=True), "fail None"),
        (PostgresRestart(probe_written=OK, detail="refused"), "fail gone"),
        (PostgresRestart(probe_written=Attempt(ok=False, detail="read-only")), "cannot tell: read-only"),
        (None, "cannot tell"),
    ],
)
def test_what_a_restart_leaves(restart: PostgresRestart | None, expected: str) -> None:
    facts = DisruptionFacts(postgres_restart=restart)
    assert verdict(checks.test_the_catalogue_outlives_a_restart, facts).startswith(expected)


GOLD = Grants(usage=True, select=1)


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ({"bi": RoleFacts(schemas={"gold": GOLD})}, "pass"),
        ({"bi": RoleFacts(schemas={"gold": GOLD, "bronze": Grants(select=1)})}, "pass"),  # no usage: it cannot read it
        (
            {
                "bi": RoleFacts(schemas={"gold": GOLD}),
                "app": RoleFacts(schemas={"gold": GOLD, "meta": Grants(usage=True, write=1)}),
            },
            "pass",
        ),
        ({"app": RoleFacts(superuser=True)}, "fail no_reader"),
        ({"bi": RoleFacts(schemas={"gold": Grants(select=1)})}, "fail no_reader"),
        ({"bi": RoleFacts(schemas={"gold": GOLD, "bronze": GOLD})}, "fail too_much: bi: reads bronze"),
        (
            {"bi": RoleFacts(schemas={"gold": Grants(usage=True, select=1, write=1)})},
            "fail too_much: bi: writes in gold",
        ),
        ({"bi": RoleFacts(schemas={"gold": Grants(usage=True, select=1, create=True)})}, "fail too_much: bi: creates"),
        ({"bi": RoleFacts(schemas={"gold": GOLD, "public": Grants(usage=True, create=True)})}, "pass"),
    ],
)
def test_who_reads_gold(roles: dict[str, RoleFacts], expected: str) -> None:
    facts = database(EVENTS, relation("gold.kpi", {"day": "time"}), roles=roles)
    assert verdict(checks.test_readers_cannot_write, facts, PARAMS).startswith(expected)


def test_a_catalogue_that_was_not_read_is_judged_by_nobody() -> None:
    facts = PostgresFacts(login=OK, catalogue_problem="statement timeout")
    assert verdict(checks.test_objects_are_documented, facts, PARAMS) == "cannot tell: statement timeout"


def test_a_schema_that_was_read_in_part_is_judged_by_nobody() -> None:
    facts = database(EVENTS, schemas={"gold": Schema(relations=5_000)})
    assert verdict(checks.test_objects_are_documented, facts, PARAMS) == (
        "cannot tell: bronze, gold: 5001 tables and views, 1 of them read"
    )
