"""Things of the kit's own that must outlive containers, and what the deployment itself holds."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from conformance.observe.disruption_facts import Survival
from conformance.observe.facts import Attempt
from conformance.observe.prefect_api import PrefectApi, Refused
from conformance.observe.scratch import s3_client
from conformance.observe.web import brief
from conformance.stacks.base import ObjectStoreAccess, PostgresAccess, Role, Stack

MAX_TABLES, MAX_ROWS, MAX_OBJECTS = 300, 200_000, 20_000
STATEMENT_MS = 20_000
TOOLS = ("alembic_version", "flow_run", "databasechangelog", "report_card", "dashboard_acl")
"""Tables by which one knows the schema of a tool (Prefect, Metabase, Grafana), which writes there all the time."""

TABLES = """
SELECT n.nspname, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
  AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'conformance\\_%%'
  AND NOT EXISTS (
    SELECT FROM pg_class t WHERE t.relnamespace = n.oid AND t.relname = ANY(%s)
  )
ORDER BY 1, 2
LIMIT %s
"""


class Row:
    """A row of a table of its own in the configured database."""

    def __init__(self) -> None:
        self._schema = f"conformance_{secrets.token_hex(6)}"
        self._token = secrets.token_hex(16)
        self.written = Attempt(ok=False, detail="not tried")

    def put(self, access: PostgresAccess) -> None:
        import psycopg
        from psycopg import sql

        schema = sql.Identifier(self._schema)
        try:
            with psycopg.connect(access.dsn()) as connection:
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
                connection.execute(sql.SQL("CREATE TABLE {}.probe (token text PRIMARY KEY)").format(schema))
                connection.execute(sql.SQL("INSERT INTO {}.probe VALUES (%s)").format(schema), [self._token])
            self.written = Attempt(ok=True)
        except psycopg.Error as error:
            self.written = Attempt(ok=False, detail=brief(error))

    def found(self, access: PostgresAccess) -> Survival:
        """Whether it is there; then it is removed."""
        import psycopg
        from psycopg import sql

        if not self.written.ok:
            return Survival(put=self.written)
        schema = sql.Identifier(self._schema)
        try:
            with psycopg.connect(access.dsn(), autocommit=True) as connection:
                try:
                    rows = connection.execute(sql.SQL("SELECT token FROM {}.probe").format(schema)).fetchall()
                except psycopg.errors.UndefinedTable as error:
                    return Survival(put=self.written, found=False, detail=brief(error))
                connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))
                return Survival(put=self.written, found=rows == [(self._token,)], detail=f"rows: {len(rows)}")
        except psycopg.Error as error:
            return Survival(put=self.written, found=False, detail=brief(error))


class Object:
    """An object in a bucket of its own."""

    def __init__(self) -> None:
        self._bucket = f"conformance-{secrets.token_hex(6)}"
        self._content = secrets.token_bytes(4_096)
        self.written = Attempt(ok=False, detail="not tried")

    def put(self, access: ObjectStoreAccess) -> None:
        try:
            s3 = s3_client(access)
            s3.create_bucket(Bucket=self._bucket)
            s3.put_object(Bucket=self._bucket, Key="probe", Body=self._content)
            self.written = Attempt(ok=True)
        except _s3_errors() as error:
            self.written = Attempt(ok=False, detail=brief(error))

    def found(self, access: ObjectStoreAccess) -> Survival:
        """Whether it is there, with the same content; then it is removed."""
        if not self.written.ok:
            return Survival(put=self.written)
        try:
            s3 = s3_client(access)
            content = s3.get_object(Bucket=self._bucket, Key="probe")["Body"].read()
            s3.delete_object(Bucket=self._bucket, Key="probe")
            s3.delete_bucket(Bucket=self._bucket)
        except _s3_errors() as error:
            return Survival(put=self.written, found=False, detail=brief(error))
        same = content == self._content
        return Survival(put=self.written, found=same, detail="" if same else f"{len(content)} other bytes")


class History:
    """A run in Prefect's history that nobody has run: only its record counts."""

    def __init__(self) -> None:
        self._name = f"conformance-{secrets.token_hex(4)}"
        self.written = Attempt(ok=False, detail="not tried")
        self._run = ""

    def put(self, url: str) -> None:
        api = PrefectApi(url)
        try:
            flow = api.make("flows", "/flows/", {"name": self._name})
            state = {"type": "COMPLETED", "message": "made by the conformance kit"}
            self._run = api.make("flow_runs", "/flow_runs/", {"name": self._name, "flow_id": flow, "state": state})
            self.written = Attempt(ok=True)
        except Refused as refusal:
            self.written = Attempt(ok=False, detail=str(refusal))
        self._made = list(api.made)

    def found(self, url: str) -> Survival:
        """Whether the API still tells of it; then it is removed."""
        if not self.written.ok:
            return Survival(put=self.written)
        api = PrefectApi(url)
        api.made = self._made
        reply = api.get(f"/flow_runs/{self._run}")
        told = reply.json()
        found = isinstance(told, dict) and told.get("name") == self._name
        api.remove_all()
        gone = f"the API does not know the run any more that it had in its history: {reply.status} {reply.error}"
        return Survival(put=self.written, found=found, detail="" if found else brief(gone))


class Content(NamedTuple):
    """What a table or an object holds; ``rows`` of a table."""

    digest: str
    rows: int | None = None


def contents(stack: Stack) -> dict[str, Content]:
    """What the tables of the configured database and the objects of the store hold, within bounds.

    Raises:
        psycopg.Error, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: it cannot be read.
    """
    roles = stack.roles()
    found: dict[str, Content] = {}
    if Role.POSTGRES in roles:
        found |= _tables(stack.postgres())
    if Role.OBJECT_STORE in roles:
        found |= _objects(stack.object_store())
    return found


def lost(before: Mapping[str, Content], after: Mapping[str, Content]) -> list[str]:
    """What is gone or not the same; a table that has grown meanwhile has lost nothing."""
    return [
        f"{name} ({'changed' if name in after else 'gone'})"
        for name, content in before.items()
        if name not in after or (after[name] != content and not _grew(content, after[name]))
    ]


def _grew(before: Content, after: Content) -> bool:
    return before.rows is not None and after.rows is not None and after.rows > before.rows


def _tables(access: PostgresAccess) -> Iterator[tuple[str, Content]]:
    import psycopg
    from psycopg import sql

    with psycopg.connect(access.dsn(), autocommit=True) as connection:
        connection.execute("SELECT set_config('statement_timeout', %s, false)", [str(STATEMENT_MS)])
        for schema, table in connection.execute(TABLES, [list(TOOLS), MAX_TABLES]).fetchall():
            told = connection.execute(
                sql.SQL(
                    "SELECT count(*), CASE WHEN count(*) < {} THEN"
                    " sum(('x' || left(md5(one::text), 15))::bit(60)::bigint) END "
                    "FROM (SELECT * FROM {}.{} LIMIT {}) AS one"
                ).format(sql.Literal(MAX_ROWS), sql.Identifier(schema), sql.Identifier(table), sql.Literal(MAX_ROWS))
            ).fetchone()
            rows, digest = told or (None, None)
            yield f"{schema}.{table}", Content(str(digest), rows)


def _objects(access: ObjectStoreAccess) -> Iterator[tuple[str, Content]]:
    s3 = s3_client(access)
    named = (
        (f"{bucket['Name']}/{item['Key']}", Content(f"{item['Size']} {item['ETag']}"))
        for bucket in s3.list_buckets().get("Buckets", ())
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"])
        for item in page.get("Contents", ())
    )
    yield from islice(named, MAX_OBJECTS)


def _s3_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)
