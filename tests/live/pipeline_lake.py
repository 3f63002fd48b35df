"""A lake and a database of a test's own on the embedded stack, and what the tests ask them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from psycopg import sql

from conformance.stacks.embedded import EmbeddedStack
from pqrs_lakehouse import catalog, warehouse
from pqrs_lakehouse.generator import GeneratorConfig
from pqrs_lakehouse.lake import Lake
from pqrs_lakehouse.settings import Settings

START, END = date(2025, 12, 15), date(2026, 1, 20)


@pytest.fixture
def settings(stack: EmbeddedStack) -> Iterator[Settings]:
    """A lake and a database of the test's own."""
    name = f"test_{secrets.token_hex(4)}"
    everywhere = stack.settings()
    own = replace(everywhere, postgres_db=name, lake_bucket="tests", lake_prefix=name)
    with catalog.connect(everywhere) as connection:
        connection.autocommit = True
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    warehouse.init_db(own)
    yield own
    Lake(own).make_bucket()
    Lake(own).delete("")
    with catalog.connect(everywhere) as connection:
        connection.autocommit = True
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def config(events: int = 1_500, seed: int = 7) -> GeneratorConfig:
    return GeneratorConfig.for_events(events, seed=seed, start=START, end=END)


def query(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with catalog.connect(settings) as connection:
        return connection.execute(statement.encode()).fetchall()
