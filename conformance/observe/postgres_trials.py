"""What the database refuses: rows that point at nothing and impossible values, offered and always rolled back.

A refusal means something only when nothing else is wrong with the row. So the kit first looks for a *sound* row: for
each column a few values that suit its type, and of their combinations the first that the table's own CHECKs accept,
which the server itself finds. Foreign keys are left pointing at nothing: PostgreSQL tests them after the CHECKs, so an
answer "violates foreign key" says that the CHECKs were content.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from math import prod
from typing import Final

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from conformance.observe.postgres_catalogue import DEFINITION_CHARS, Connection, identifier
from conformance.observe.postgres_model import Catalogue, Check, Column, OrphanTrial, Relation, RuleTrial, words

MAX_RELATIONS: Final = 80
MAX_RULES: Final = 16  # columns of one relation that are tried
MAX_COMBINATIONS: Final = 100_000
TRIALS_S: Final = 20.0
DETAIL_CHARS: Final = 300

IMPOSSIBLE_CODE: Final = "X"
NEGATIVE: Final = "-1"

_KEY_WORDS = frozenset(words("key id sk fk pk code codigo cod name nombre"))
_TYPE_WORDS = frozenset(words("type tipo"))
_SUBJECT_WORDS = frozenset(words("pqrs pqr pqrsd pqrsf ticket solicitud request caso case peticion"))
_STATUS_WORDS = frozenset(words("status estado state situacion"))
_MEASURE_WORDS = frozenset(
    words(
        "count cnt num numero cantidad total totales conteo received recibidos recibidas responded respondidos"
        " respondidas closed cerrados cerradas opened open abiertos abiertas created creados creadas resolved resueltos"
        " resueltas backlog pendientes pending due met late overdue vencidos vencidas suspended suspendidos suspendidas"
        " tickets messages mensajes attachments adjuntos bytes size tamano days dias hours horas minutes minutos"
        " seconds segundos duration duracion pct percent porcentaje rate tasa volume volumen reopen reaperturas"
    )
)
# changes may go below zero
_SIGNED_WORDS = frozenset(words("delta diff difference diferencia change cambio variacion balance saldo net neto"))

_PASSED_CHECKS = frozenset({"", "23503", "23505", "23P01"})  # accepted; foreign key, unique or exclusion came after
_LITERAL = re.compile(r"'((?:[^']|'')*)'")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")

_SHAPE = """
SELECT a.attname::text AS name, a.atthasdef OR a.attidentity <> '' AS has_default,
       CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)
                      ELSE format_type(a.atttypid, a.atttypmod) END AS base_type,
       CASE WHEN coalesce(base.typname, t.typname) IN ('varchar', 'bpchar')
            THEN nullif(greatest(a.atttypmod, t.typtypmod), -1) - 4 END AS length,
       ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid IN (t.oid, base.oid)
             ORDER BY e.enumsortorder LIMIT 5) AS labels,
       (SELECT string_agg(pg_get_constraintdef(con.oid), ' ') FROM pg_constraint con
        WHERE con.contypid = t.oid) AS domain_checks
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type base ON t.typtype = 'd' AND base.oid = t.typbasetype
WHERE a.attrelid = %(relation)s::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""

Value = str | None
Row = dict[str, Value]


class _NoSoundRow(Exception):  # noqa: N818 - an outcome, not an error
    """No combination of the values that the kit thought of satisfies the table."""


@dataclass(frozen=True)
class _Shape:
    """What the facts leave out and a row needs."""

    has_default: bool
    base_type: str  # of a domain, what it is over
    length: int | None
    labels: tuple[str, ...]
    domain_checks: str

    @property
    def largest(self) -> int:
        """A number that few keys reach and the type can hold."""
        sizes = {"smallint": 32_000, "integer": 2_000_000_000, "bigint": 2_000_000_000, "numeric": 2_000_000_000}
        return sizes.get(self.base_type, 90)

    def holds(self, number: str) -> bool:
        whole = self.base_type in {"smallint", "integer", "bigint"}
        return abs(float(number)) <= self.largest and not (whole and "." in number)


@dataclass(frozen=True)
class _Answer:
    """What the server said to a row: ``state`` is the SQLSTATE, empty when it took the row."""

    state: str
    detail: str = ""
    constraint: str = ""

    @property
    def passed_checks(self) -> bool:
        return self.state in _PASSED_CHECKS


def run(connection: Connection, catalogue: Catalogue) -> Catalogue:
    """The catalogue with what was tried on it, as far as there was time."""
    deadline = time.monotonic() + TRIALS_S
    orphans: dict[str, OrphanTrial] = {}
    rules: dict[str, RuleTrial] = {}
    chosen = [
        (name, relation)
        for name, relation in catalogue.relations.items()
        if relation.kind in {"table", "partitioned"} and (relation.foreign_keys or _ruled(relation))
    ]
    for name, relation in chosen[:MAX_RELATIONS]:
        if time.monotonic() > deadline or connection.closed:
            break
        try:
            with connection.transaction(force_rollback=True):
                connection.execute("SET LOCAL search_path TO DEFAULT")  # for the database's own triggers
                connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                orphan, ruled = _try_relation(connection, name, relation)
        except psycopg.Error as error:  # no rights, or the server went away
            orphan, ruled = _untried(name, relation, _said(error))
        orphans |= {f"{trial.relation} {trial.constraint}": trial for trial in orphan}
        rules |= {f"{trial.rule} {trial.relation}.{trial.column}": trial for trial in ruled}
    return catalogue.model_copy(update={"orphan_trials": orphans, "rule_trials": rules})


def _try_relation(connection: Connection, name: str, relation: Relation) -> tuple[list[OrphanTrial], list[RuleTrial]]:
    table = _Table(connection, name, relation)
    try:
        sound = table.solve({})
    except _NoSoundRow as error:
        return _untried(name, relation, str(error))
    control = table.offer(sound)
    orphans = [_orphan(table, sound, control)] if relation.foreign_keys else []
    rules = [
        _by_foreign_key(name, relation, column, rule) or table.break_rule(rule, column, sound, control)
        for column, rule in _ruled(relation)
    ]
    return orphans, rules


def _untried(name: str, relation: Relation, why: str) -> tuple[list[OrphanTrial], list[RuleTrial]]:
    """Nothing was shown, but for foreign keys, which the catalogue vouches for."""
    orphans = [
        OrphanTrial(relation=name, constraint=next(iter(relation.foreign_keys)), refused=None, detail=why)
    ] if relation.foreign_keys else []  # fmt: skip
    rules = [
        _by_foreign_key(name, relation, column, rule)
        or RuleTrial(rule=rule, relation=name, column=column, refused=None, detail=why)
        for column, rule in _ruled(relation)
    ]
    return orphans, rules


def _orphan(table: _Table, row: Row, answer: _Answer) -> OrphanTrial:
    """All foreign keys of the row point at nothing; the first that PostgreSQL tests is the one that answers."""
    broken = table.orphaned(row)
    refused = {"": False, "23503": True}.get(answer.state) if broken else None
    constraint = answer.constraint if answer.state == "23503" else broken
    return OrphanTrial(
        relation=table.name,
        constraint=constraint or next(iter(table.relation.foreign_keys)),
        refused=refused,
        detail=answer.detail,
    )


def _by_foreign_key(name: str, relation: Relation, column: str, rule: str) -> RuleTrial | None:
    """A column with a foreign key takes what the other table lists; that keys are enforced, the orphan trial shows."""
    for key, foreign in relation.foreign_keys.items():
        if column in foreign.columns:
            return RuleTrial(
                rule=rule, relation=name, column=column, refused=foreign.enforced, detail=f"foreign key {key}"
            )
    return None


def _ruled(relation: Relation) -> list[tuple[str, str]]:
    """Columns that hold a type, a status or a measure, by the words of their names; code lists hold none."""
    if relation.is_code_list:
        return []
    found = ((name, _rule(relation, name, column)) for name, column in relation.columns.items())
    return [(name, rule) for name, rule in found if rule][:MAX_RULES]


def _rule(relation: Relation, name: str, column: Column) -> str:
    told = {*words(name)}
    core = told - _KEY_WORDS
    if column.kind in {"text", "enum", "number"} and not column.generated:
        if core & _TYPE_WORDS and core <= _TYPE_WORDS | _SUBJECT_WORDS:
            return "type"
        if core & _STATUS_WORDS:
            return "status"
    identifies = any(name in key.columns for key in relation.keys.values()) or any(
        name in foreign.columns for foreign in relation.foreign_keys.values()
    )
    measured = told & _MEASURE_WORDS and not told & (_SIGNED_WORDS | {"id", "key"})
    return "measure" if column.kind == "number" and measured and not identifies and not column.generated else ""


class _Table:
    """One relation as something to offer rows to."""

    def __init__(self, connection: Connection, name: str, relation: Relation) -> None:
        self.connection = connection
        self.name = name
        self.relation = relation
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_SHAPE, {"relation": name}).fetchall()
        self.shapes = {
            row["name"]: _Shape(
                row["has_default"], row["base_type"], row["length"], tuple(row["labels"]), row["domain_checks"] or ""
            )
            for row in rows
            if row["name"] in relation.columns
        }
        self.checks = [check for check in relation.checks.values() if check.enforced]
        self.orphans: dict[str, list[Value]] = {
            name: list(_orphans(relation.columns[name], self.shapes[name]))
            for foreign in relation.foreign_keys.values()
            for name in foreign.columns
            if name in self.shapes
        }
        self.candidates = {
            name: values
            for name, column in relation.columns.items()
            if column.generated != "computed" and name in self.shapes and (values := self._candidates(name, column))
        }

    def solve(self, fixed: Mapping[str, Value]) -> Row:
        """A row that all CHECKs accept, with ``fixed`` as given.

        Raises:
            _NoSoundRow: among the candidates there is none.
        """
        for name, column in self.relation.columns.items():
            shape = self.shapes.get(name)
            if (
                column.not_null
                and name not in self.candidates
                and column.generated == ""
                and shape
                and not shape.has_default
            ):
                raise _NoSoundRow(f"column {name}: the kit makes no values of type {column.type}")
        row: Row = {}
        candidates = {**self.candidates, **{name: [value] for name, value in fixed.items()}}
        for group, checks in _groups(candidates, self.checks):
            options = {name: candidates[name] for name in group}
            row |= self._combine(options, checks) if checks else {name: values[0] for name, values in options.items()}
        return row

    def offer(self, row: Row) -> _Answer:
        """Insert the row and take it back."""
        statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
            identifier(self.relation),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(map(sql.Literal, row.values())),
        )
        if not row:
            statement = sql.SQL("INSERT INTO {} DEFAULT VALUES").format(identifier(self.relation))
        try:
            with self.connection.transaction(force_rollback=True):
                self.connection.execute(statement)
        except psycopg.errors.QueryCanceled:
            raise
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate.startswith(("08", "42501", "55", "57")):
                raise  # not an answer about the row
            return _Answer(error.sqlstate, _said(error), error.diag.constraint_name or "")
        return _Answer("", "accepted")

    def break_rule(self, rule: str, column: str, sound: Row, control: _Answer) -> RuleTrial:
        """Offer an impossible value in the soundest row that there is around it."""

        def trial(refused: bool | None, detail: str) -> RuleTrial:
            return RuleTrial(rule=rule, relation=self.name, column=column, refused=refused, detail=detail)

        if not control.passed_checks or column not in sound:
            return trial(None, control.detail)
        value = NEGATIVE if self.relation.columns[column].kind == "number" else self._impossible_code(column)
        try:
            row = self.solve({column: value})
        except (_NoSoundRow, psycopg.DataError):
            row = {**sound, column: value}
        answer = self.offer(row)
        return trial(not answer.passed_checks, "accepted" if answer.passed_checks else answer.detail)

    def _impossible_code(self, column: str) -> str:
        known = {literal for check in self.checks if column in check.columns for literal in _literals(check.definition)}
        return next(code for code in (IMPOSSIBLE_CODE, "?", "~", "#", "") if code not in known)

    def orphaned(self, row: Row) -> str | None:
        """A foreign key that the row breaks."""
        for key, foreign in self.relation.foreign_keys.items():
            if all(name in row and row[name] in self.orphans.get(name, []) for name in foreign.columns):
                return key
        return None

    def _candidates(self, name: str, column: Column) -> list[Value]:
        """Values worth trying, the most ordinary first; a column that has none is left to its default."""
        identifies = any(name in key.columns for key in self.relation.keys.values())
        values = self.orphans.get(name, []) + list(self._ordinary(name, column, unique=identifies))
        if not column.not_null:
            values.insert(len(values) if name in self.orphans or identifies else 0, None)
        return values

    def _ordinary(self, name: str, column: Column, *, unique: bool) -> Iterator[str]:
        shape = self.shapes[name]
        definitions = [check.definition for check in self.checks if name in check.columns] + [shape.domain_checks]
        if column.kind == "number":
            if unique:
                yield str(shape.largest + 3)
            yield from ("1", "0", "2")
            numbers = (number for text in definitions for number in _NUMBER.findall(text))
            yield from (number for number in _first(8, numbers) if shape.holds(number))
        elif column.kind == "text":
            literals = (literal for text in definitions for literal in _literals(text))
            ordinary = (_token(shape), "05001", "05", "a", "0" * 64)
            yield from (text for text in _first(16, [*literals, *ordinary]) if len(text) <= (shape.length or 1000))
        elif column.kind == "time":
            yield from (str(date.today() + timedelta(days=days)) for days in (0, 1, -1))
        elif column.kind == "enum":
            yield from shape.labels
        elif column.kind == "uuid":
            yield str(uuid.uuid4())
        elif column.kind == "boolean":
            yield from ("false", "true")
        elif column.kind == "json":
            yield from ("{}", "[]")
        elif column.kind == "binary":
            yield ""
        elif shape.base_type.endswith("[]"):
            yield from ("{1}", "{}")
        elif shape.base_type.startswith("interval"):
            yield "1 day"

    def _combine(self, options: Mapping[str, Sequence[Value]], checks: Sequence[Check]) -> Row:
        """The first combination of ``options`` that ``checks`` accept, found by the server."""
        names = list(options)
        lists = [list(values) for values in options.values()]
        while prod(map(len, lists)) > MAX_COMBINATIONS:
            max(lists, key=len).pop()
        tables = [
            sql.SQL("(VALUES {}) AS {} ({}, {})").format(
                sql.SQL(", ").join(
                    sql.SQL("({}, CAST({} AS {}))").format(
                        sql.Literal(place), sql.Literal(value), sql.SQL(self.shapes[name].base_type)
                    )
                    for place, value in enumerate(values)
                ),
                sql.Identifier(f"~t{number}"),
                sql.Identifier(f"~{number}"),
                sql.Identifier(name),
            )
            for number, (name, values) in enumerate(zip(names, lists, strict=True))
        ]
        query = sql.SQL("SELECT {} FROM {} WHERE {} LIMIT 1").format(
            sql.SQL(", ").join(sql.Identifier(f"~{number}") for number in range(len(names))),
            sql.SQL(" CROSS JOIN ").join(tables),
            sql.SQL(" AND ").join(sql.SQL(f"({check.definition}) IS NOT FALSE") for check in checks),
        )
        with self.connection.transaction():
            found = self.connection.execute(query).fetchone()
        if found is None:
            raise _NoSoundRow(f"no value that the kit thought of suits the checks on {', '.join(names)}")
        return {name: values[place] for name, values, place in zip(names, lists, found, strict=True)}


def _groups(candidates: Mapping[str, Sequence[Value]], checks: Iterable[Check]) -> list[tuple[list[str], list[Check]]]:
    """Columns that CHECKs bind together, with those CHECKs; what cannot be asked about is left to the insert."""
    group_of = {name: {name} for name in candidates}
    asked = [
        check
        for check in checks
        if check.columns
        and len(check.definition) < DEFINITION_CHARS
        and all(name in group_of for name in check.columns)
    ]
    for check in asked:
        merged: set[str] = set().union(*(group_of[name] for name in check.columns))
        group_of |= dict.fromkeys(merged, merged)
    groups = {min(group): group for group in group_of.values()}
    return [
        ([name for name in candidates if name in group], [check for check in asked if check.columns[0] in group])
        for group in groups.values()
    ]


def _orphans(column: Column, shape: _Shape) -> Iterator[Value]:
    """Values that no table lists."""
    if column.kind == "number":
        yield from (str(shape.largest + 1), str(shape.largest + 2), str(-shape.largest))
    elif column.kind == "text":
        yield from (f"~{_token(shape)}"[: shape.length], f"~~{_token(shape)}"[: shape.length])
    elif column.kind == "uuid":
        yield str(uuid.uuid4())
    elif column.kind == "time":
        yield from ("1700-01-01", "1700-01-02")


def _token(shape: _Shape) -> str:
    return uuid.uuid4().hex[:12][: shape.length]


def _literals(definition: str) -> list[str]:
    """The strings in an expression, those of an array literal one by one."""
    found = [literal.replace("''", "'") for literal in _LITERAL.findall(definition)]
    members = [part.strip('" ') for one in found if one[:1] + one[-1:] == "{}" for part in one[1:-1].split(",")]
    return [*found, *members]


def _first(count: int, values: Iterable[str]) -> list[str]:
    """The first different values."""
    return list(islice(dict.fromkeys(values), count))


def _said(error: psycopg.Error) -> str:
    """What the server said, without the row."""
    return (error.diag.message_primary or str(error)).partition("\n")[0][:DETAIL_CHARS]
