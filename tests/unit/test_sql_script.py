"""SQL scripts cut where psql cuts them, and the schemas that they leave behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.observe.sql_script import Command, ScriptError, Statement, load, schemas_of, split


def texts(script: str) -> list[str]:
    return [
        item.text if isinstance(item, Statement) else f"\\{item.name} {item.argument}" for item in split(script, "f")
    ]


def schemas(script: str, database: str = "pqrs") -> list[str]:
    return schemas_of(list(split(script, "f")), database)


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';'; SELECT 'it''s;'", ["SELECT ';'", "SELECT 'it''s;'"]),
        (r"SELECT E'\';'; SELECT 1", [r"SELECT E'\';'", "SELECT 1"]),
        (r"SELECT '\'; SELECT 1", [r"SELECT '\'", "SELECT 1"]),
        ('SELECT ";" FROM t; SELECT 1', ['SELECT ";" FROM t', "SELECT 1"]),
        ("DO $$ BEGIN; END $$; SELECT 1", ["DO $$ BEGIN; END $$", "SELECT 1"]),
        ("DO $a$ $$;$$ $b$;$b$ $a$; SELECT 1", ["DO $a$ $$;$$ $b$;$b$ $a$", "SELECT 1"]),
        ("-- one; two\nSELECT 1; -- ';\nSELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("/* a; /* b; */ c; */ SELECT 1;", ["SELECT 1"]),
        ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3", None),
        ("SELECT a$1$b; SELECT 2", ["SELECT a$1$b", "SELECT 2"]),
        (";;  ; -- nothing\n", []),
        ("SELECT 'unfinished", ["SELECT 'unfinished"]),
        ("SELECT $x$ unfinished; SELECT 1", ["SELECT $x$ unfinished; SELECT 1"]),
        ("\\echo hello; there\nSELECT 1;", ["\\echo hello; there", "SELECT 1"]),
        ("SELECT 1 \\gexec\nSELECT 2;", ["SELECT 1", "\\gexec ", "SELECT 2"]),
    ],
)
def test_statements_are_cut_where_psql_cuts_them(script: str, statements: list[str] | None) -> None:
    if statements is None:
        statements = ["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3"]
    assert texts(script) == statements


def test_a_routine_body_of_the_standard_is_one_statement() -> None:
    body = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END"
    assert texts(f"{body}; SELECT 3") == [body, "SELECT 3"]


def test_every_statement_says_where_it_begins() -> None:
    script = "-- head\n\nSELECT 1;\n/* two\nlines */ SELECT\n2; SELECT 3"
    assert [item.where for item in split(script, "init.sql")] == ["init.sql:3", "init.sql:5", "init.sql:6"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("CREATE SCHEMA bronze", ["bronze"]),
        ("create schema if not exists Bronze;", ["bronze"]),
        ('CREATE SCHEMA "Mi ""Oro"""', ['Mi "Oro"']),
        ("CREATE SCHEMA IF NOT EXISTS gold AUTHORIZATION pqrs", ["gold"]),
        ("CREATE SCHEMA IF NOT EXIST gold; CREATE SCHEMA if", ["gold", "if"]),
        ("CREATE SCHEMA IF NOT", []),
        ("CREATE SCHEMA AUTHORIZATION Pqrs", ["pqrs"]),
        ("CREATE /* ; */ SCHEMA -- x\n silver CREATE TABLE t (a int)", ["silver"]),
        ("-- CREATE SCHEMA no;\n/* CREATE SCHEMA nor; */ SELECT 'CREATE SCHEMA neither;'", []),
        ("CREATE TABLE schema_of (a int); CREATE SCHEMA :name;", []),
        ("DROP SCHEMA IF EXISTS a, b CASCADE; CREATE SCHEMA a; CREATE SCHEMA b; DROP SCHEMA b RESTRICT", ["a"]),
        ("CREATE SCHEMA a; \\c metabase\nCREATE SCHEMA b; \\connect 'pqrs'\nCREATE SCHEMA c", ["a", "c"]),
        ("\\connect :DB\nCREATE SCHEMA somewhere", []),
        ("CREATE SCHEMA ñandú", ["ñandú"]),
    ],
)
def test_schemas_that_a_script_leaves_behind(script: str, expected: list[str]) -> None:
    assert schemas(script) == expected


def test_includes_are_followed_from_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "sql" / "parts").mkdir(parents=True)
    (tmp_path / "sql" / "init.sql").write_text("SELECT 1;\n\\ir parts/a.sql\nSELECT 3;", encoding="utf-8")
    (tmp_path / "sql" / "parts" / "a.sql").write_bytes(b"\xef\xbb\xbfCREATE SCHEMA a;\n\\ir 'b.sql'\n")
    (tmp_path / "sql" / "parts" / "b.sql").write_text("SELECT 2;", encoding="utf-8")
    items = load(tmp_path / "sql" / "init.sql", tmp_path)
    assert [item.where for item in items] == [
        "sql/init.sql:1",
        "sql/parts/a.sql:1",
        "sql/parts/b.sql:1",
        "sql/init.sql:3",
    ]


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("\\ir nowhere.sql", "init.sql:1: there is no file nowhere.sql"),
        ("SELECT 1;\n\\i ../outside.sql", "init.sql:2: outside.sql is outside the repository"),
        ("\\ir link.sql", "init.sql:1: link.sql is outside the repository"),
        ("\\ir init.sql", "init.sql:1: includes nest too deep or are too many"),
        ("\\ir loop", "init.sql:1: "),
    ],
)
def test_includes_stay_in_the_repository_and_end(tmp_path: Path, script: str, complaint: str) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    (tmp_path / "outside.sql").write_text("SELECT 1", encoding="utf-8")
    (root / "link.sql").symlink_to(tmp_path / "outside.sql")
    (root / "loop").symlink_to(root / "loop")
    (root / "init.sql").write_text(script, encoding="utf-8")
    with pytest.raises(ScriptError) as error:
        load(root / "init.sql", root)
    assert str(error.value).startswith(complaint)


def test_a_script_is_read_within_bounds(tmp_path: Path) -> None:
    (tmp_path / "init.sql").write_bytes(b"-" * (5 * 2**20))
    with pytest.raises(ScriptError, match="more than"):
        load(tmp_path / "init.sql", tmp_path)


@pytest.mark.parametrize(
    ("line", "harmless", "database"),
    [
        ("\\set ON_ERROR_STOP on", True, None),
        ("\\set name value", False, None),
        ("\\echo hi", True, None),
        ("\\! touch /x", False, None),
        ("\\copy t from program 'id'", False, None),
        ("\\c metabase", False, "metabase"),
        ("\\c - other_user", False, None),
        ("\\connect db user", False, None),
        ("\\", False, None),
    ],
)
def test_what_may_be_left_out_of_a_script(line: str, harmless: bool, database: str | None) -> None:
    (command,) = split(line, "f")
    assert isinstance(command, Command)
    assert (command.harmless, command.connects_to) == (harmless, database)
