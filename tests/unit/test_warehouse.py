"""The init script's includes, and the order in which gold is replaced."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pqrs_lakehouse import reference, warehouse


def test_includes_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "parts" / "deep").mkdir(parents=True)
    (tmp_path / "init.sql").write_text("BEGIN;\n\\ir parts/one.sql\nCOMMIT;\n")
    (tmp_path / "parts" / "one.sql").write_text("SELECT '\\1 stays';\n\\ir deep/two.sql\n")
    (tmp_path / "parts" / "deep" / "two.sql").write_text("SELECT 'ñ';\n", encoding="utf-8")
    assert [line for line in warehouse.script(tmp_path / "init.sql").splitlines() if line] == [
        "BEGIN;",
        "SELECT '\\1 stays';",
        "SELECT 'ñ';",
        "COMMIT;",
    ]


def test_a_missing_include_is_named(tmp_path: Path) -> None:
    (tmp_path / "init.sql").write_text("\\ir nowhere.sql\n")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.sql"):
        warehouse.script(tmp_path / "init.sql")


def test_gold_is_replaced_in_an_order_that_keeps_foreign_keys() -> None:
    script = warehouse.script(reference.root() / "sql" / "init-postgres.sql")
    tables = dict(re.findall(r"CREATE TABLE IF NOT EXISTS gold\.(\w+) \((.*?)\n\);", script, re.S))
    assert set(tables) == set(warehouse.GOLD)
    order = list(warehouse.GOLD)
    for table, body in tables.items():
        for referenced in re.findall(r"REFERENCES gold\.(\w+)", body):
            assert order.index(referenced) < order.index(table)


def test_keys_are_the_primary_keys() -> None:
    script = warehouse.script(reference.root() / "sql" / "init-postgres.sql")
    for table, key in warehouse.GOLD.items():
        found = re.search(rf"CREATE TABLE IF NOT EXISTS gold\.{table} \((.*?)\n\);", script, re.S)
        assert found
        composite = re.search(r"^\s+PRIMARY KEY \((.*?)\)", found[1], re.M)
        single = re.search(r"^\s+(\w+)\s+\w+\s+PRIMARY KEY", found[1], re.M)
        assert key == (tuple(composite[1].split(", ")) if composite else (single and single[1],))
