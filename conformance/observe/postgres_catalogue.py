"""A database read from pg_catalog: information_schema hides materialised views and what the user may not touch.

Everything is bounded: relations by schema, columns by relation, rows counted, values read, and the time of each
statement. Queries are qualified by a ``search_path`` of pg_catalog alone, so that nothing in the database can stand in
for a function of the server.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from conformance.observe.postgres_model import (
    ROW_LIMIT,
    Catalogue,
    Check,
    Column,
    ForeignKey,
    Grants,
    Index,
    Key,
    Relation,
    RoleFacts,
    Schema,
    words,
)

MAX_SCHEMAS: Final = 100
MAX_PER_SCHEMA: Final = 200
MAX_RELATIONS: Final = 1_000
MAX_COLUMNS: Final = 200
MAX_ROLES: Final = 50
MAX_VALUES: Final = 200
VALUE_CHARS: Final = 80
DEFINITION_CHARS: Final = 1_000
CODE_COLUMNS: Final = 16
COUNTING_S: Final = 20.0

_PEOPLE: Final = frozenset(
    words(
        "user users usuario usuarios account accounts cuenta cuentas person persons people persona personas"
        " citizen citizens ciudadano ciudadanos peticionario peticionarios customer customers cliente clientes"
        " agent agents agente agentes employee employees empleado empleados funcionario funcionarios"
        " contact contacts contacto contactos"
    )
)
# a list of channels of contact or of types of customer is about no person
_CODED: Final = frozenset(
    words("channel channels canal canales medio medios type types tipo tipos status statuses estado estados")
)
_PRIVATE: Final = frozenset(
    words(
        "password passwd pwd contrasena hash salt token secret secreto email mail correo phone telefono celular"
        " documento cedula username login"
    )
)
_CLOCK = re.compile(r"now\(\)|current_(date|timestamp)|localtimestamp|_timestamp\(\)|'now'", re.IGNORECASE)

_SCHEMAS = """
WITH own AS (
    SELECT c.relnamespace, count(*) AS relations
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    GROUP BY c.relnamespace
)
SELECT n.nspname::text AS name, coalesce(own.relations, 0)::int AS relations,
       coalesce(btrim(obj_description(n.oid, 'pg_namespace')), '') <> '' AS commented,
       own.relations IS NULL AND EXISTS (
           SELECT FROM pg_depend d
           WHERE d.deptype = 'e' AND (
                 d.classid = 'pg_namespace'::regclass AND d.objid = n.oid
              OR d.classid = 'pg_class'::regclass AND d.objid IN (SELECT oid FROM pg_class WHERE relnamespace = n.oid)
              OR d.classid = 'pg_proc'::regclass AND d.objid IN (SELECT oid FROM pg_proc WHERE pronamespace = n.oid))
       ) AS of_extensions
FROM pg_namespace n LEFT JOIN own ON own.relnamespace = n.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname LIMIT %(limit)s
"""

_RELATIONS = """
WITH own AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, row_number() OVER (PARTITION BY n.oid ORDER BY c.relname) AS nth
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND n.nspname = ANY (%(schemas)s)
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT oid::bigint AS oid, format('%%I.%%I', nspname, relname) AS full_name, nspname::text AS namespace,
       relname::text AS name, relkind::text AS relkind,
       coalesce(btrim(obj_description(oid, 'pg_class')), '') <> '' AS commented
FROM own WHERE nth <= %(per_schema)s
ORDER BY nth, nspname LIMIT %(limit)s
"""

_COLUMNS = """
SELECT a.attrelid::bigint AS relation, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
       t.typcategory::text AS category, coalesce(base.typname, t.typname)::text AS base, a.attnotnull AS not_null,
       coalesce(btrim(col_description(a.attrelid, a.attnum)), '') <> '' AS commented,
       a.attidentity::text AS identity, a.attgenerated::text AS computed,
       pg_get_expr(def.adbin, def.adrelid) AS "default"
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type base ON t.typtype = 'd' AND base.oid = t.typbasetype
LEFT JOIN pg_attrdef def ON def.adrelid = a.attrelid AND def.adnum = a.attnum
WHERE a.attrelid = ANY (%(oids)s::oid[]) AND a.attnum BETWEEN 1 AND %(limit)s AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

_INDEXES = """
SELECT i.indrelid::bigint AS relation, c.relname::text AS name, am.amname::text AS method, i.indisunique AS "unique",
       i.indisprimary AS "primary", i.indisvalid AS valid, i.indpred IS NOT NULL AS partial,
       ARRAY(SELECT coalesce(a.attname::text, left(pg_get_indexdef(i.indexrelid, k, true), 200))
             FROM generate_series(1, i.indnkeyatts::int) AS k
             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1] AND a.attnum > 0
             ORDER BY k) AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
WHERE i.indrelid = ANY (%(oids)s::oid[])
ORDER BY i.indrelid, c.relname
"""

# conenforced is new in PostgreSQL 18; a missing member reads as null
_CONSTRAINTS = """
SELECT con.conrelid::bigint AS relation, con.conname::text AS name, con.contype::text AS kind,
       ARRAY(SELECT a.attname::text FROM unnest(con.conkey) WITH ORDINALITY AS k(n, o)
             JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.n ORDER BY k.o) AS columns,
       (SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = con.confrelid) AS target,
       ARRAY(SELECT a.attname::text FROM unnest(con.confkey) WITH ORDINALITY AS k(n, o)
             JOIN pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.n ORDER BY k.o) AS target_columns,
       con.convalidated AS validated,
       coalesce((to_jsonb(con) ->> 'conenforced')::boolean, true) AND NOT EXISTS (
           SELECT FROM pg_trigger t WHERE t.tgconstraint = con.oid AND t.tgenabled IN ('D', 'R')) AS enforced,
       pg_get_expr(con.conbin, con.conrelid) AS definition
FROM pg_constraint con
WHERE con.conrelid = ANY (%(oids)s::oid[]) AND con.contype IN ('f', 'c')
ORDER BY con.conrelid, con.conname
"""

_ENUMS = """
SELECT format('%%I.%%I', n.nspname, t.typname) AS name,
       (array_agg(left(e.enumlabel::text, %(chars)s) ORDER BY e.enumsortorder))[1:50] AS labels
FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = ANY (%(schemas)s)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
GROUP BY 1 ORDER BY 1 LIMIT 100
"""

_ROLES = """
WITH candidates AS (
    SELECT r.oid, r.rolname::text AS name, r.rolcanlogin AS login,
           EXISTS (SELECT FROM pg_roles s WHERE s.rolsuper AND pg_has_role(r.oid, s.oid, 'MEMBER')) AS superuser
    FROM pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY r.rolsuper, r.rolname LIMIT %(limit)s
)
SELECT r.name, r.login, r.superuser, n.nspname::text AS schema,
       has_schema_privilege(r.oid, n.oid, 'USAGE') AS usage, has_schema_privilege(r.oid, n.oid, 'CREATE') AS "create",
       count(*) FILTER (WHERE has_any_column_privilege(r.oid, c.oid, 'SELECT'))::int AS "select",
       count(*) FILTER (WHERE has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE')
                           OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE'))::int AS write
FROM candidates r
LEFT JOIN pg_namespace n ON n.nspname = ANY (%(schemas)s) AND NOT r.superuser
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.oid = ANY (%(oids)s::oid[])
GROUP BY r.oid, r.name, r.login, r.superuser, n.oid, n.nspname
ORDER BY r.name, n.nspname
"""

_KINDS = {"r": "table", "p": "partitioned", "v": "view", "m": "materialized view", "f": "foreign table"}
_CATEGORIES = {"S": "text", "N": "number", "D": "time", "B": "boolean", "E": "enum"}
_BASES = {"json": "json", "jsonb": "json", "xml": "json", "bytea": "binary", "uuid": "uuid"}

Row = dict[str, Any]
Connection = psycopg.Connection[Any]


def read(connection: Connection) -> Catalogue:
    """What the database holds, without trying anything on it.

    Raises:
        psycopg.Error: the server went away, or a statement took too long.
    """
    schemas = {row["name"]: row for row in _rows(connection, _SCHEMAS, limit=MAX_SCHEMAS)}
    found = _rows(connection, _RELATIONS, schemas=list(schemas), per_schema=MAX_PER_SCHEMA, limit=MAX_RELATIONS)
    oids = [row["oid"] for row in found]
    columns = _by_relation(_rows(connection, _COLUMNS, oids=oids, limit=MAX_COLUMNS))
    indexes = _by_relation(_rows(connection, _INDEXES, oids=oids))
    constraints = _by_relation(_rows(connection, _CONSTRAINTS, oids=oids))
    relations = {
        row["full_name"]: _relation(row, columns.get(oid, []), indexes.get(oid, []), constraints.get(oid, []))
        for oid, row in sorted(zip(oids, found, strict=True), key=lambda pair: pair[1]["full_name"])
    }
    return Catalogue(
        schemas={
            name: Schema(commented=row["commented"], relations=row["relations"], of_extensions=row["of_extensions"])
            for name, row in schemas.items()
        },
        relations=_with_contents(connection, relations),
        enums={
            row["name"]: tuple(row["labels"])
            for row in _rows(connection, _ENUMS, schemas=list(schemas), chars=VALUE_CHARS)
        },
        roles=_roles(_rows(connection, _ROLES, schemas=list(schemas), oids=oids, limit=MAX_ROLES)),
    )


def identifier(relation: Relation) -> sql.Identifier:
    return sql.Identifier(relation.namespace, relation.name)


def _rows(connection: Connection, query: str, **parameters: object) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()


def _by_relation(rows: Iterable[Row]) -> dict[int, list[Row]]:
    grouped: dict[int, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row["relation"], []).append(row)
    return grouped


def _relation(row: Row, columns: list[Row], indexes: list[Row], constraints: list[Row]) -> Relation:
    return Relation(
        namespace=row["namespace"],
        name=row["name"],
        kind=_KINDS[row["relkind"]],
        commented=row["commented"],
        columns={column["name"]: _column(column) for column in columns},
        keys={
            index["name"]: Key(columns=tuple(index["columns"]), primary=index["primary"])
            for index in indexes
            if index["unique"] and index["valid"] and not index["partial"]
        },
        indexes={
            index["name"]: Index(columns=tuple(index["columns"]), method=index["method"], valid=index["valid"])
            for index in indexes
        },
        foreign_keys={
            constraint["name"]: ForeignKey(
                columns=tuple(constraint["columns"]),
                target=constraint["target"],
                target_columns=tuple(constraint["target_columns"]),
                validated=constraint["validated"],
                enforced=constraint["enforced"],
            )
            for constraint in constraints
            if constraint["kind"] == "f"
        },
        checks={
            constraint["name"]: Check(
                columns=tuple(constraint["columns"]),
                definition=constraint["definition"][:DEFINITION_CHARS],
                enforced=constraint["enforced"],
            )
            for constraint in constraints
            if constraint["kind"] == "c"
        },
    )


def _column(row: Row) -> Column:
    default = row["default"] or ""
    if row["computed"]:
        generated = "computed"
    elif row["identity"]:
        generated = "identity"
    elif default.startswith("nextval("):
        generated = "sequence"
    elif "uuid" in default and row["base"] in {"uuid", "text", "varchar"}:
        generated = "uuid"
    elif _CLOCK.search(default):
        generated = "clock"
    else:
        generated = ""
    return Column(
        type=row["type"],
        kind=_BASES.get(row["base"]) or _CATEGORIES.get(row["category"], "other"),
        not_null=row["not_null"],
        commented=row["commented"],
        generated=generated,
    )


def _with_contents(connection: Connection, relations: Mapping[str, Relation]) -> dict[str, Relation]:
    """Count rows and read code lists while there is time; what is left out stays None."""
    deadline = time.monotonic() + COUNTING_S
    seen: dict[str, Relation] = {}
    for name, relation in relations.items():
        seen[name] = relation
        if relation.kind not in {"table", "partitioned", "materialized view"} or time.monotonic() > deadline:
            continue
        try:
            rows = _count(connection, relation)
            values = _values(connection, relation) if _lists_codes(relation, rows) else None
        except (psycopg.Error, UnicodeError):  # no rights, locked, not populated, no text in this encoding, …
            if connection.closed:
                raise
            continue
        seen[name] = relation.model_copy(update={"rows": rows, "values": values})
    return seen


def _count(connection: Connection, relation: Relation) -> int:
    query = sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT {}) AS counted").format(
        identifier(relation), sql.Literal(ROW_LIMIT)
    )
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _lists_codes(relation: Relation, rows: int) -> bool:
    """Whether the table looks like a list of codes, which is all whose contents are read.

    It has rows, but few, and few columns, one of them text; it is called a dimension or it has a key, is not called a
    fact and holds no time at which something happened; and it is not about people.
    """
    return (
        0 < rows < ROW_LIMIT
        and (bool(relation.keys) or relation.is_called_dimension)
        and len(relation.columns) <= CODE_COLUMNS
        and any(column.kind in {"text", "enum"} for column in relation.columns.values())
        and (relation.is_called_dimension or not (relation.is_called_fact or relation.event_times))
        and (not _PEOPLE & {*words(relation.name)} or bool(_CODED & {*words(relation.name)}))
    )


def _values(connection: Connection, relation: Relation) -> dict[str, tuple[str, ...]]:
    """Distinct texts by column; of many, some from everywhere rather than the first of the alphabet."""
    values = {}
    for name, column in relation.columns.items():
        if column.kind not in {"text", "enum"} or _PRIVATE & {*words(name)}:
            continue
        query = sql.SQL(
            "SELECT v FROM (SELECT DISTINCT left({column}::text, {chars}) AS v FROM {relation}) AS d"
            " WHERE v IS NOT NULL ORDER BY hashtext(v), v LIMIT {limit}"
        ).format(
            column=sql.Identifier(name),
            relation=identifier(relation),
            chars=sql.Literal(VALUE_CHARS),
            limit=sql.Literal(MAX_VALUES),
        )
        values[name] = tuple(sorted(str(row[0]) for row in connection.execute(query)))
    return values


def _roles(rows: Iterable[Row]) -> dict[str, RoleFacts]:
    roles: dict[str, RoleFacts] = {}
    grants: dict[str, dict[str, Grants]] = {}
    for row in rows:
        roles[row["name"]] = RoleFacts(login=row["login"], superuser=row["superuser"])
        schema = Grants(
            usage=row["usage"] or False, create=row["create"] or False, select=row["select"], write=row["write"]
        )
        if row["schema"] is not None and schema != Grants():
            grants.setdefault(row["name"], {})[row["schema"]] = schema
    return {name: role.model_copy(update={"schemas": grants.get(name, {})}) for name, role in roles.items()}
