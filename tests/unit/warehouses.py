"""Databases written by hand, as the PostgreSQL observer would have seen them.

A column is told in words: ``"number identity"``, ``"text null"``, ``"time clock"``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from conformance.observe.facts import Attempt
from conformance.observe.postgres_model import (
    Catalogue,
    Column,
    ForeignKey,
    Index,
    Key,
    PostgresFacts,
    Relation,
    Schema,
)
from conformance.verdict.words import Broken, CannotTell

KINDS = frozenset({"text", "number", "time", "boolean", "enum", "json", "binary", "uuid", "other"})


def column(told: str) -> Column:
    kind, *marks = told.split()
    assert kind in KINDS
    generated = next((mark for mark in marks if mark != "null"), "")
    return Column(type=kind, kind=kind, not_null="null" not in marks, commented=True, generated=generated)


def relation(
    full_name: str,
    columns: Mapping[str, str],
    *,
    primary: Iterable[str] = (),
    unique: Iterable[Iterable[str]] = (),
    refers: Mapping[str, str] | None = None,
    indexed: Iterable[Iterable[str]] = (),
    **more: Any,
) -> tuple[str, Relation]:
    """``refers``: column → relation. Keys come with their indexes, as in PostgreSQL."""
    namespace, _, name = full_name.partition(".")
    keys = {"primary": Key(columns=tuple(primary), primary=True)} if primary else {}
    keys |= {f"unique_{number}": Key(columns=tuple(one)) for number, one in enumerate(unique)}
    indexes = {name: Index(columns=key.columns) for name, key in keys.items()}
    indexes |= {f"index_{number}": Index(columns=tuple(one)) for number, one in enumerate(indexed)}
    return full_name, Relation(
        namespace=namespace,
        name=name,
        kind=more.pop("kind", "table"),
        commented=True,
        columns={name: column(told) for name, told in columns.items()},
        keys=keys,
        indexes=indexes,
        foreign_keys={
            f"{one}_fkey": ForeignKey(columns=(one,), target=target, target_columns=("id",))
            for one, target in (refers or {}).items()
        },
        rows=more.pop("rows", 0),
        **more,
    )


def codes(full_name: str, *values: str, key: str = "number sequence") -> tuple[str, Relation]:
    """A dimension as the class makes them: a made-up key, a unique name, seeded."""
    return relation(
        full_name,
        {"id": key, "name": "text"},
        primary=["id"],
        unique=[["name"]],
        rows=len(values),
        values={"name": values} if values else None,
    )


def database(*relations: tuple[str, Relation], **more: Any) -> PostgresFacts:
    """Facts of a server with these relations, each in a commented schema of its own name."""
    found = dict(relations)
    counts: dict[str, int] = {}
    for one in found.values():
        counts[one.namespace] = counts.get(one.namespace, 0) + 1
    schemas = {name: Schema(commented=True, relations=count) for name, count in counts.items()}
    schemas |= more.pop("schemas", {})
    parts = {name: more.pop(name) for name in ("enums", "roles", "orphan_trials", "rule_trials") if name in more}
    catalogue = Catalogue(schemas=schemas, relations=found, **parts)
    return PostgresFacts(**{"login": Attempt(ok=True), "version": "18.6", "catalogue": catalogue, **more})


def verdict(check: Callable[..., None], *arguments: Any) -> str:
    """``pass``, ``fail HINT: OBSERVED`` or ``cannot tell: WHY``."""
    try:
        check(*arguments)
    except Broken as broken:
        return f"fail {broken.hint}: {broken.observed}"
    except CannotTell as reason:
        return f"cannot tell: {reason}"
    return "pass"
