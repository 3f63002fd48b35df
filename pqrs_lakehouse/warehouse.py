"""PostgreSQL as the serving store: its schema, and gold replaced in one transaction.

Rows go by COPY, as blocks of CSV that Polars writes, into a staging table; then what is new is inserted, what differs
is updated, what is gone is deleted. Readers see the version before or the one after, and loading again rewrites no row.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString

import polars as pl
import psycopg
from psycopg import sql

from pqrs_lakehouse import reference
from pqrs_lakehouse.catalog import connect
from pqrs_lakehouse.settings import Settings

GOLD: Final[dict[str, tuple[str, ...]]] = {
    "dim_date": ("date_key",),
    "dim_channel": ("channel_key",),
    "dim_pqrs_type": ("pqrs_type_key",),
    "dim_priority": ("priority_key",),
    "dim_status": ("status_key",),
    "dim_geo": ("geo_key",),
    "fact_ticket": ("ticket_id",),
    "fact_term": ("ticket_id", "term_no"),
    "kpi_volume_daily": ("date_key", "channel_key", "pqrs_type_key"),
    "kpi_backlog_daily": ("date_key", "pqrs_type_key"),
    "kpi_sla_daily": ("date_key", "pqrs_type_key"),
}
"""Every table of gold with its key; a table stands behind those that it references."""

COPY_ROWS = 50_000
"""Rows of one block: some MB of CSV."""

_INCLUDE = re.compile(r"^\\ir\s+(\S+)\s*$", re.MULTILINE)


def script(path: Path) -> str:
    """The text of an SQL script with the files of its ``\\ir`` lines in their places.

    Raises:
        OSError: a file cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda line: script(path.parent / line[1]), text)


def init_db(settings: Settings) -> None:
    """Apply ``sql/init-postgres.sql``; again changes nothing."""
    text = script(reference.root() / "sql" / "init-postgres.sql")
    with connect(settings) as connection:
        connection.autocommit = True  # the script is a transaction of its own
        connection.execute(text)


def replace_gold(settings: Settings, tables: Mapping[str, Iterable[pl.DataFrame]]) -> dict[str, int]:
    """Make the tables of gold hold exactly these rows, all in one transaction.

    Args:
        tables: for every table of :data:`GOLD` its rows in pieces; columns by name, more are ignored.

    Returns:
        the rows of each table.
    """
    with connect(settings) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('pqrs_lakehouse.warehouse'))")
        targets = [_Target(connection, "gold", table, key) for table, key in GOLD.items()]
        for target in targets:
            target.stage(tables[target.table])
            target.merge()
        for target in reversed(targets):
            target.delete_missing()
        return {target.table: target.count() for target in targets}


def replace_quarantine(settings: Settings, run_id: str, pieces: Iterable[pl.DataFrame]) -> None:
    """Make ``bronze.quarantined_event`` hold exactly these rows of ``run_id``."""
    shown = pl.col("raw").str.replace_all("\0", "\u2400", literal=True)  # PostgreSQL cannot store NUL
    with connect(settings) as connection:
        target = _Target(connection, "bronze", "quarantined_event", ("source_file", "line_no"))
        target.stage(piece.with_columns(shown) for piece in pieces)
        target.merge()
        target.delete_missing(sql.SQL("t.run_id = {}").format(run_id))


def content_hashes(settings: Settings) -> dict[str, str]:
    """SHA-256 of each table of gold: all columns of its rows, in the order of its key."""
    with connect(settings) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return {table: _Target(connection, "gold", table, key).content_hash() for table, key in GOLD.items()}


@dataclass(frozen=True)
class _Target:
    """A table that is brought to hold what was staged for it, within the connection's transaction."""

    connection: psycopg.Connection[Any]
    schema: str
    table: str
    key: tuple[str, ...]

    def stage(self, pieces: Iterable[pl.DataFrame]) -> None:
        self._execute("CREATE TEMP TABLE {stage} ON COMMIT DROP AS TABLE {target} WITH NO DATA")
        columns = self.columns
        with self.connection.cursor() as cursor, cursor.copy(self._sql("COPY {stage} FROM STDIN (FORMAT csv)")) as copy:
            for piece in pieces:
                for block in piece.select(columns).iter_slices(COPY_ROWS):
                    # Quotes tell an empty string from a null.
                    copy.write(block.write_csv(include_header=False, quote_style="non_numeric"))
        self._execute("ANALYZE {stage}")

    def merge(self) -> None:
        columns = self.columns
        values = [column for column in columns if column not in self.key]
        self._execute(
            "MERGE INTO {target} AS t USING {stage} AS s ON {same} "
            "WHEN MATCHED AND ({old}) IS DISTINCT FROM ({new}) THEN UPDATE SET {assignments} "
            "WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({row})",
            old=_columns_of("t", values),
            new=_columns_of("s", values),
            assignments=sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(column), sql.Identifier("s", column)) for column in values
            ),
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            row=_columns_of("s", columns),
        )

    def delete_missing(self, within: sql.Composable | None = None) -> None:
        """Delete the rows (those that fulfil ``within``) that were not staged."""
        self._execute(
            "DELETE FROM {target} AS t WHERE {within} AND NOT EXISTS (SELECT FROM {stage} AS s WHERE {same})",
            within=within or sql.SQL("true"),
        )

    def count(self) -> int:
        row = self._execute("SELECT count(*) FROM {target}").fetchone()
        assert row is not None
        count: int = row[0]
        return count

    def content_hash(self) -> str:
        collations = {"ticket_id": sql.SQL(' COLLATE "C"')}  # the order of text is not to depend on the server
        order = sql.SQL(", ").join(sql.Identifier(column) + collations.get(column, sql.SQL("")) for column in self.key)
        digest = hashlib.sha256()
        query = self._sql("COPY (SELECT * FROM {target} ORDER BY {order}) TO STDOUT", order=order)
        with self.connection.cursor() as cursor, cursor.copy(query) as copy:
            for block in copy:
                digest.update(block)
        return digest.hexdigest()

    @property
    def columns(self) -> list[str]:
        description = self._execute("SELECT * FROM {target} LIMIT 0").description
        assert description is not None
        return [column.name for column in description]

    def _execute(self, statement: LiteralString, **parts: sql.Composable) -> psycopg.Cursor[Any]:
        return self.connection.execute(self._sql(statement, **parts))

    def _sql(self, statement: LiteralString, **parts: sql.Composable) -> sql.Composed:
        return sql.SQL(statement).format(
            target=sql.Identifier(self.schema, self.table),
            stage=sql.Identifier(f"stage_{self.table}"),
            same=sql.SQL(" AND ").join(
                sql.SQL("{} = {}").format(sql.Identifier("t", column), sql.Identifier("s", column))
                for column in self.key
            ),
            **parts,
        )


def _columns_of(alias: str, columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, column) for column in columns)
