"""Facts changed field by field: which fields a subject has, what else each could say, and the facts that say so.

A field's path is its subject and the names that lead to it; positions in lists and keys of mappings are left out, so
that ``grafana.datasources.url`` is the field ``url`` of every datasource.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from conformance.observe.facts import Facts


@dataclass(frozen=True)
class Field:
    """``annotation`` is the type of its values, ``model`` that of the facts in them (if any)."""

    path: str
    annotation: Any
    model: type[Facts] | None

    @property
    def subject(self) -> str:
        return self.path.partition(".")[0]

    @property
    def names(self) -> tuple[str, ...]:
        """What leads to it from its subject."""
        return tuple(self.path.split(".")[1:])

    @property
    def says_something(self) -> bool:
        """All do but records that are always there: those say what their fields say."""
        return self.annotation is not self.model

    @property
    def kinds(self) -> frozenset[Any]:
        """The types of its values."""
        one_of = typing.get_args(self.annotation) if _is_union(self.annotation) else (self.annotation,)
        return frozenset(typing.get_origin(one) or one for one in one_of)

    def accepts(self, value: object) -> bool:
        try:
            return bool(_type(self.annotation).validate_python(value, strict=True) == value)  # {} is no record
        except ValidationError:
            return False


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


@cache
def _type(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def fields_of(subject: str, model: type[Facts]) -> Iterator[Field]:
    """Every field, each before those that it holds."""
    for name, info in model.model_fields.items():
        inner = next(_models(info.annotation), None)
        yield Field(f"{subject}.{name}", info.annotation, inner)
        if inner:
            yield from fields_of(f"{subject}.{name}", inner)


def _models(annotation: Any) -> Iterator[type[Facts]]:
    """The models that a type speaks of: ``tuple[Port, ...]`` of ``Port``."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, Facts):
            yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from _models(argument)


@contextmanager
def watched(facts: Mapping[str, Facts | None]) -> Iterator[set[str]]:
    """The paths of the fields that are read meanwhile, of facts by subject."""
    read: set[str] = set()
    paths: dict[int, set[str]] = {}
    for subject, one in facts.items():
        for path, record in _records(subject, one):
            paths.setdefault(id(record), set()).add(path)

    def looked(record: Facts, name: str) -> Any:
        fields = type(record).model_fields
        whole = name in ("__dict__", "__pydantic_serializer__")  # it is compared, hashed or written out
        for path in paths.get(id(record), ()) if whole or name in fields else ():
            read.update(f"{path}.{one}" for one in (fields if whole else (name,)))
        return object.__getattribute__(record, name)

    Facts.__getattribute__ = looked  # type: ignore[method-assign]
    try:
        yield read
    finally:
        del Facts.__getattribute__


def _records(path: str, value: object) -> Iterator[tuple[str, Facts]]:
    match value:
        case Facts():
            yield path, value
            for name in type(value).model_fields:
                yield from _records(f"{path}.{name}", getattr(value, name))
        case tuple():
            for item in value:
                yield from _records(path, item)
        case dict():
            for item in value.values():
                yield from _records(path, item)


def values(facts: object, names: tuple[str, ...]) -> Iterator[Any]:
    """What a field says, wherever it is in the facts."""
    match facts:
        case Facts():
            yield from values(getattr(facts, names[0]), names[1:]) if names[1:] else [getattr(facts, names[0])]
        case tuple():
            for item in facts:
                yield from values(item, names)
        case dict():
            for item in facts.values():
                yield from values(item, names)


def places(facts: object, field: Field) -> int:
    """In how many places of the facts a field is."""
    return sum(1 for _ in values(facts, field.names))


class Change(NamedTuple):
    """Another value in the place of one. ``of`` is asked only for values of ``kind`` (None: of any)."""

    name: str
    of: Callable[[Any], Any]
    kind: type | None = None

    def __repr__(self) -> str:
        return self.name


def become(new: object) -> Change:
    return Change(f"= {new!r}", lambda _: new)


def changed(facts: Any, field: Field, change: Change, only: int | None = None) -> Any:
    """The facts with a field changed: wherever it is, or in one place by its number (counted round).

    A value that the field cannot have is not given to it, so that the facts stay valid.
    """

    def other(old: Any) -> Any:
        if change.kind is not None and type(old) is not change.kind:
            return old
        new = change.of(old)
        return new if field.accepts(new) else old

    if only is None:
        return _changed(facts, field.names, other)
    there = places(facts, field)
    turn = iter(range(there))
    return _changed(facts, field.names, lambda old: other(old) if next(turn) == only % there else old)


def _changed(facts: Any, names: tuple[str, ...], other: Callable[[Any], Any]) -> Any:
    match facts:
        case Facts():
            name, rest = names[0], names[1:]
            old = getattr(facts, name)
            new = _changed(old, rest, other) if rest else other(old)
            return facts if new is old else facts.model_copy(update={name: new})
        case tuple():
            return tuple(_changed(item, names, other) for item in facts)
        case dict():
            return {key: _changed(item, names, other) for key, item in facts.items()}
    return facts


def _without(old: Any, position: int) -> Any:
    kept = [*old][1:] if position == 0 else [*old][:-1]
    return {key: old[key] for key in kept} if isinstance(old, dict) else tuple(kept)


def _twice(old: Any) -> Any:
    return {**old, **{f"{key}2": item for key, item in old.items()}} if isinstance(old, dict) else old + old


def _other_items(old: Any) -> Any:
    match old:
        case dict():
            return {key: _other_items(item) for key, item in old.items()}
        case tuple():
            return tuple(_other_items(item) for item in old)
        case str():
            return f"{old}x"
        case int() if type(old) is int:
            return old + 1
    return old


def _of_many(kind: type) -> Iterator[Change]:
    yield Change("without the first", lambda old: _without(old, 0), kind)
    yield Change("without the last", lambda old: _without(old, -1), kind)
    yield Change("twice", _twice, kind)
    yield Change("with other items", _other_items, kind)


NEAR = (
    Change("the contrary", lambda old: not old, bool),
    Change("one more", lambda old: old + 1, int),
    Change("one less", lambda old: old - 1, int),
    Change("more", lambda old: old + 1, float),
    Change("longer", lambda old: f"{old}x", str),
    Change("shorter", lambda old: old[:-1], str),
    Change("a day later", lambda old: old + timedelta(days=1), date),
    *_of_many(tuple),
    *_of_many(dict),
    Change("under other names", lambda old: {f"{key}x": item for key, item in old.items()}, dict),
)
EXTREMES: tuple[object, ...] = (
    None, 0, 1, -1, 10**9, 0.0, 1e9, -1e9, "", "other", (), ("other",), (1,), {}, {"other": "other"}, {"other": 1},
)  # fmt: skip
