"""A catalogue read as a medallion with a star in it: which schema is which layer, which table a dimension or a fact.

The class's students name things in Spanish or English and put dimensions in silver or in gold, so nothing here rests
on one name. Each rule can be said in a sentence, and the sentence is its docstring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from conformance.observe.postgres_model import DIMENSION, Catalogue, Column, Key, PostgresFacts, Relation, words
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import cannot_tell

TIME = frozenset(words("date fecha day dia ts time tiempo timestamp periodo period month mes year calendar calendario"))
IDENTIFIER = frozenset(words("id key sk pk fk llave code codigo cod"))
NOTHING_SAID = IDENTIFIER | frozenset(words("name nombre description descripcion label etiqueta value valor"))
MADE_UP = frozenset({"identity", "sequence", "uuid"})

Relations = Mapping[str, Relation]


def catalogue_of(postgres: PostgresFacts) -> Catalogue:
    """The catalogue, or the end of the judgment when it could not be read."""
    if postgres.catalogue is None:
        cannot_tell(postgres.catalogue_problem or "the catalogue was not read")
    return postgres.catalogue


def some(names: Iterable[str], shown: int = 6) -> str:
    """The first names, and how many more there are, in no language."""
    listed = sorted(names) if isinstance(names, (set, frozenset)) else list(names)
    more = f", … (+{len(listed) - shown})" if len(listed) > shown else ""
    return ", ".join(listed[:shown]) + more or "0"


def tables(relations: Relations) -> dict[str, Relation]:
    return {name: relation for name, relation in relations.items() if relation.kind in {"table", "partitioned"}}


class Medallion:
    """The database through the profile's words."""

    def __init__(self, postgres: PostgresFacts, params: Parameters) -> None:
        self.catalogue = catalogue_of(postgres)
        self._params = params

    def schemas(self, layer: str) -> tuple[str, ...]:
        """The schemas of a layer: those called by the first of its names that any schema with a table bears.

        A name counts when it is one of the words of the schema's (``01_bronze``, ``pqrs_gold``). The profile lists the
        names by preference, so that a schema ``analytics`` beside a schema ``gold`` is no second gold.
        """
        named = [self._named(name) for name in self._params.layers[layer]]
        filled = [[schema for schema in found if self.catalogue.schemas[schema].relations] for found in named]
        return tuple(next((found for found in [*filled, *named] if found), ()))

    @cached_property
    def metadata(self) -> dict[str, Relation]:
        """What is in the metadata schemas; where no schema bears such a name, what is in no layer."""
        layered = {schema for layer in self._params.layers for schema in self.schemas(layer)}
        return self._within((self._metadata_schemas or set(self.catalogue.schemas)) - layered)

    @property
    def _metadata_schemas(self) -> set[str]:
        return {schema for name in self._params.metadata_schemas for schema in self._named(name)}

    def layer(self, *layers: str) -> dict[str, Relation]:
        """What is in the layers."""
        return self._within(schema for layer in layers for schema in self.schemas(layer))

    @cached_property
    def dimensions(self) -> dict[str, Relation]:
        """Tables outside bronze that are called dimensions or (outside metadata too) hold a short list of codes."""
        bronze, metadata = self.layer("bronze"), self._within(self._metadata_schemas)
        return {
            name: relation
            for name, relation in tables(self.catalogue.relations).items()
            if name not in bronze and (relation.is_called_dimension or (name not in metadata and relation.is_code_list))
        }

    @cached_property
    def facts(self) -> dict[str, Relation]:
        """Tables of silver and gold, no dimensions, that tell when something happened or point at other tables."""
        return {
            name: relation
            for name, relation in tables(self.layer("silver", "gold")).items()
            if name not in self.dimensions
            and (relation.is_called_fact or relation.event_times or relation.foreign_keys)
        }

    @cached_property
    def star(self) -> dict[str, Relation]:
        """The facts of gold; those of silver where gold has none."""
        gold = self.layer("gold")
        return {name: fact for name, fact in self.facts.items() if name in gold} or self.facts

    def _named(self, name: str) -> list[str]:
        wanted = " ".join(words(name))
        return [schema for schema in self.catalogue.schemas if wanted in words(schema) or schema == name]

    def _within(self, schemas: Iterable[str]) -> dict[str, Relation]:
        chosen = set(schemas)
        found = {name: one for name, one in self.catalogue.relations.items() if one.namespace in chosen}
        there = sum(self.catalogue.schemas[schema].relations for schema in chosen)
        if there > len(found):
            cannot_tell(f"{', '.join(sorted(chosen))}: {there} tables and views, {len(found)} of them read")
        return found


def is_calendar(relation: Relation) -> bool:
    """Called after time, or keyed by a date."""
    keyed = any(relation.columns[name].kind == "time" for name in relation.single_keys)
    return keyed or bool({*words(relation.name)} & TIME)


def grain_keys(relation: Relation) -> list[Key]:
    """Keys without a column that the server makes up: a made-up number never collides, so it keeps nothing unique."""
    return [
        key
        for key in relation.keys.values()
        if not any(name in relation.columns and relation.columns[name].generated in MADE_UP for name in key.columns)
    ]


def business_keys(relation: Relation) -> list[Key]:
    """Keys at the grain that are more than a number called id or key."""
    return [
        key for key in grain_keys(relation) if not (len(key.columns) == 1 and _is_number_of_no_meaning(relation, key))
    ]


def _is_number_of_no_meaning(relation: Relation, key: Key) -> bool:
    column = relation.columns.get(key.columns[0])
    told = words(key.columns[0])
    return (
        column is not None
        and column.kind == "number"
        and bool({told[0], told[-1]} & {"id", "key", "sk", "pk", "llave"})
    )


def references(fact: Relation, name: str) -> bool:
    """Whether a foreign key leads from the fact to that table."""
    return any(foreign.target == name for foreign in fact.foreign_keys.values())


def conformed(fact: Relation, name: str, dimension: Relation) -> Iterator[tuple[str, bool]]:
    """Columns of the fact that are named after the dimension, and whether they have the type of one of its keys.

    Named after it: like one of its keys, where that says more than "id" or "code", alone or in a role
    (``due_date_key``); or like the dimension itself (``channel``, ``channel_id``, ``id_canal`` for ``dim_channel``,
    ``canales``).
    """
    keys = {key: dimension.columns[key] for key in dimension.single_keys}
    told = {key for key in keys if {*words(key)} - NOTHING_SAID}
    subject = _singular(word for word in words(dimension.name) if word not in DIMENSION)
    for column_name, column in fact.columns.items():
        by_key = any(column_name == key or column_name.endswith(f"_{key}") for key in told)
        by_name = bool(subject) and _singular(w for w in words(column_name) if w not in IDENTIFIER) == subject
        if by_key or by_name:
            yield column_name, any(_same_type(column, key) for key in keys.values())


def _singular(told: Iterable[str]) -> tuple[str, ...]:
    return tuple(word.removesuffix("s").removesuffix("e") for word in told)


def _same_type(one: Column, other: Column) -> bool:
    text = {"text", "enum"}
    return one.kind == other.kind or {one.kind, other.kind} <= text


def leads(relation: Relation, columns: Iterable[str]) -> bool:
    """Whether an index begins with these columns, in any order; a BRIN or GIN index serves each of its columns."""
    wanted = set(columns)
    return any(
        index.valid
        and (
            set(index.columns[: len(wanted)]) == wanted
            or (index.method in {"brin", "gin"} and wanted <= set(index.columns))
        )
        for index in relation.indexes.values()
    )
