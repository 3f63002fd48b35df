"""Bronze, silver and gold keep their jobs, and the star in them is whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from conformance.checks import pqrs_domain
from conformance.checks.medallion import (
    TIME,
    Medallion,
    Relations,
    business_keys,
    catalogue_of,
    conformed,
    grain_keys,
    is_calendar,
    leads,
    references,
    some,
    tables,
)
from conformance.observe.pipeline_facts import PipelineFacts
from conformance.observe.postgres_model import ForeignKey, PostgresFacts, Relation, words
from conformance.observe.pqrs_stores import LayerObjects
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import cannot_tell, guarantee, holds

LAYERS = ("bronze", "silver", "gold")

# How the words of a column's name begin.
INGESTION = (
    "ingest",
    "load",
    "carg",
    "land",
    "arriv",
    "llega",
    "insert",
    "process",
    "proces",
    "extract",
    "recib",
    "receiv",
)
LINEAGE = (
    "run",
    "batch",
    "lote",
    "source",
    "fuente",
    "orig",
    "file",
    "archivo",
    "job",
    "etl",
    "ejecuc",
    "corrida",
    "pipeline",
)
RAW = frozenset(words("raw payload crudo cruda"))
CARRIES_ALL = RAW | frozenset(
    words("data datos json event evento body document documento message mensaje blob content")
)

RULES = ("type", "status", "measure")
RAW_PREFIXES = ("raw", "landing", "crudo", "crudos")
DAILY = ("raw", "bronze")  # layers that grow by the day, and are kept, read again and deleted by it


@guarantee("MED-01")
def test_the_three_layers_exist_and_hold_something(postgres: PostgresFacts, params: Parameters) -> None:
    medallion = Medallion(postgres, params)
    schemas = medallion.catalogue.schemas
    missing = [layer for layer in LAYERS if not medallion.schemas(layer)]
    empty = [layer for layer in LAYERS if not any(schemas[one].relations for one in medallion.schemas(layer))]
    observed = (
        "; ".join(f"{name}: {schema.relations} tables and views" for name, schema in schemas.items()) or "no schema"
    )
    holds(not empty, observed=observed, hint="missing" if missing else "empty", layers=missing or empty)


@guarantee("MED-02")
def test_each_layer_keeps_its_own_job(postgres: PostgresFacts, params: Parameters) -> None:
    medallion = Medallion(postgres, params)
    bronze = medallion.layer("bronze")
    traced = any(_has_ingestion_time(relation) and _has_lineage(relation) for relation in bronze.values())
    holds(traced, observed=f"with lineage and ingestion time: none of {some(bronze)}", hint="no_lineage")
    payloads = list(_payloads(medallion.layer("gold"), bronze))
    holds(not payloads, observed=f"raw payload in gold: {some(payloads)}", hint="payload")
    ahead = [f"{name} → {key.target}" for name, key in _keys_into(bronze, medallion.layer("silver", "gold"))]
    holds(not ahead, observed=f"foreign keys out of bronze: {some(ahead)}", hint="foreign_key")


@guarantee("MED-03")
def test_facts_and_dimensions_are_modelled(postgres: PostgresFacts, params: Parameters) -> None:
    medallion = Medallion(postgres, params)
    sound = [name for name, one in medallion.dimensions.items() if _has_primary_key(one) and business_keys(one)]
    unsound = [name for name in medallion.dimensions if name not in sound]
    observed = f"sound dimensions: {some(sound)}; without primary or business key: {some(unsound)}"
    wanted = {"dimensions": params.min_dimensions, "facts": params.min_facts}
    holds(len(sound) >= params.min_dimensions, observed=observed, hint="dimensions", **wanted)
    facts = [name for name, one in medallion.facts.items() if grain_keys(one)]
    observed = f"facts with a key at their grain: {some(facts)}; facts in all: {some(medallion.facts)}"
    holds(len(facts) >= params.min_facts, observed=observed, hint="facts", **wanted)


@guarantee("MED-04")
def test_facts_reference_their_dimensions(postgres: PostgresFacts, params: Parameters) -> None:
    medallion = Medallion(postgres, params)
    facts = medallion.star if params.require_foreign_keys else medallion.facts
    linked, loose, mismatched = _links(facts, medallion.dimensions)
    if params.require_foreign_keys:
        holds(not loose, observed=f"no foreign key: {some(loose)}", hint="foreign_key")
    else:
        holds(not mismatched, observed=f"types differ: {some(mismatched)}", hint="type")
        linked += loose
    holds(linked, observed=f"no reference to a dimension from: {some(facts)}", hint="none")


@guarantee("MED-05")
def test_dimensions_are_seeded_with_the_pqrs_domain(postgres: PostgresFacts, params: Parameters) -> None:
    catalogue = catalogue_of(postgres)
    types, places = pqrs_domain.missing_types(catalogue), pqrs_domain.departments(catalogue)
    channels, statuses = pqrs_domain.channels(catalogue), pqrs_domain.has_statuses(catalogue)
    lacking = {
        "types": bool(types),
        "channels": channels < 2,
        "statuses": not statuses,
        "places": places < params.min_departments,
    }
    observed = (
        f"missing types: {some(types)}; kinds of channel: {channels}; statuses: {statuses}; departments: {places}"
    )
    first = next((cause for cause, is_so in lacking.items() if is_so), None)
    unread = [name for name, table in tables(catalogue.relations).items() if table.rows is None]
    if first and unread:
        cannot_tell(f"{observed}; not read: {some(unread)}")
    holds(first is None, observed=observed, hint=first, types=types, places=params.min_departments)


@guarantee("MED-06")
def test_referential_integrity_is_enforced(postgres: PostgresFacts, params: Parameters) -> None:
    medallion = Medallion(postgres, params)
    judged = tables(medallion.layer(*LAYERS) | medallion.metadata)
    keys = {f"{name}.{key}": foreign for name, one in judged.items() for key, foreign in one.foreign_keys.items()}
    idle = [name for name, foreign in keys.items() if not (foreign.validated and foreign.enforced)]
    trials = [trial for trial in medallion.catalogue.orphan_trials.values() if trial.relation in judged]
    accepted = [trial.relation for trial in trials if trial.refused is False]
    holds(keys, observed="foreign keys: 0", hint="none", relations="-")
    holds(not idle, observed=f"not validated or not enforced: {some(idle)}", hint="idle", relations=some(idle))
    holds(not accepted, observed=f"orphan accepted: {some(accepted)}", hint="accepted", relations=some(accepted))
    if not any(trial.refused for trial in trials):
        cannot_tell(f"no orphan could be offered: {trials[0].detail if trials else 'no trial'}")


@guarantee("MED-07")
def test_gold_tables_are_unique_at_their_grain(postgres: PostgresFacts, params: Parameters) -> None:
    gold = tables(Medallion(postgres, params).layer("gold"))
    if not gold:
        cannot_tell("gold holds views alone, and a view has no key")
    loose = {name: one for name, one in gold.items() if not grain_keys(one)}
    hint = "surrogate" if any(one.keys for one in loose.values()) else "no_key"
    holds(not loose, observed=f"no key at the grain: {some(loose)}", hint=hint, relations=some(loose))


@guarantee("MED-08")
def test_joins_and_time_filters_are_indexed(postgres: PostgresFacts, params: Parameters) -> None:
    medallion = Medallion(postgres, params)
    facts = medallion.facts
    if not facts:
        cannot_tell("there are no facts")
    slow = [name for fact, one in facts.items() for name in _unindexed(fact, one, medallion.metadata)]
    holds(not slow, observed=f"no index begins with: {some(slow)}", columns=some(slow))


@guarantee("MED-09")
def test_the_layers_exist_in_the_object_store_too(pipeline: PipelineFacts, params: Parameters) -> None:
    if pipeline.execution is None or not pipeline.execution.run.ok:
        cannot_tell(pipeline.execution.run.detail if pipeline.execution else "; ".join(pipeline.trouble) or "no run")
    found = {layer: _of_layer(pipeline.layers, layer, params) for layer in ("raw", *LAYERS)}
    missing = [layer for layer, there in found.items() if not sum(one.objects for one in there)]
    observed = (
        "; ".join(f"{one.layer}: {one.objects} objects, {one.by_day} by day" for one in pipeline.layers) or "empty"
    )
    holds(not missing, observed=observed, hint="missing", layers=missing)
    heaped = [layer for layer in DAILY if not all(2 * one.by_day >= one.objects for one in found[layer])]
    holds(not heaped, observed=observed, hint="not_by_day", layers=heaped)


@guarantee("MED-10")
def test_pqrs_rules_live_in_the_model(postgres: PostgresFacts, params: Parameters) -> None:
    medallion = Medallion(postgres, params)
    judged = medallion.layer("silver", "gold").keys() - medallion.dimensions.keys()
    trials = [trial for trial in medallion.catalogue.rule_trials.values() if trial.relation in judged]
    accepted = {
        rule: [f"{t.relation}.{t.column}" for t in trials if t.rule == rule and t.refused is False] for rule in RULES
    }
    first = next((rule for rule in RULES if accepted[rule]), None)
    observed = "; ".join(f"impossible {rule} accepted: {some(found)}" for rule, found in accepted.items() if found)
    holds(first is None, observed=observed, hint=first, columns=some(accepted[first]) if first else "")
    untried = [rule for rule in RULES if not any(trial.rule == rule and trial.refused for trial in trials)]
    if untried:
        cannot_tell(f"nothing to try an impossible {untried[0]} on")


def _begins(name: str, stems: tuple[str, ...]) -> bool:
    return any(word.startswith(stems) for word in words(name))


def _has_ingestion_time(relation: Relation) -> bool:
    """A time that is called after ingestion or that the server fills in."""
    return any(
        column.kind == "time" and (column.generated == "clock" or _begins(name, INGESTION))
        for name, column in relation.columns.items()
    )


def _has_lineage(relation: Relation) -> bool:
    """A column that names the run, the batch, the file or the system that an event came with."""
    return any(_begins(name, LINEAGE) for name in relation.columns)


def _payloads(gold: Relations, bronze: Relations) -> Iterator[str]:
    """Columns of gold that carry an event as it came: called raw, or documents called as such or as those of bronze."""
    documents = {name for one in bronze.values() for name, column in one.columns.items() if column.kind == "json"}
    for full_name, relation in gold.items():
        for name, column in relation.columns.items():
            told = {*words(name)}
            carries = column.kind in {"json", "binary"} and (bool(told & CARRIES_ALL) or name in documents)
            if carries or (column.kind == "text" and told & RAW):
                yield f"{full_name}.{name}"


def _keys_into(relations: Relations, targets: Relations) -> Iterator[tuple[str, ForeignKey]]:
    for name, relation in relations.items():
        yield from ((name, key) for key in relation.foreign_keys.values() if key.target in targets)


def _has_primary_key(relation: Relation) -> bool:
    return any(key.primary for key in relation.keys.values())


def _of_layer(layers: Iterable[LayerObjects], name: str, params: Parameters) -> list[LayerObjects]:
    """The prefixes or buckets of a layer; raw has names of its own, which in a database count as bronze."""
    if name == "raw":
        return [one for one in layers if one.layer in RAW_PREFIXES]
    return [one for one in layers if one.layer in params.layers[name] and one.layer not in RAW_PREFIXES]


def _links(facts: Relations, dimensions: Relations) -> tuple[list[str], list[str], list[str]]:
    """Pairs of fact and dimension: with a foreign key; with columns of the dimension's name and type alone; of its name
    alone. A calendar needs no key to be joined: a date means itself.
    """
    linked: list[str] = []
    loose: list[str] = []
    mismatched: list[str] = []
    for fact_name, fact in facts.items():
        for name, dimension in dimensions.items():
            if references(fact, name):
                linked.append(f"{fact_name} → {name}")
            elif not is_calendar(dimension):
                for column, same_type in conformed(fact, name, dimension):
                    (loose if same_type else mismatched).append(f"{fact_name}.{column} → {name}")
    return linked, loose, mismatched


def _unindexed(name: str, fact: Relation, metadata: Relations) -> Iterator[str]:
    """Foreign keys (to metadata aside: runs are looked up, not joined by readers) and the time by which a fact is
    filtered: one such column is enough.
    """
    for foreign in fact.foreign_keys.values():
        if foreign.target not in metadata and not leads(fact, foreign.columns):
            yield f"{name} ({', '.join(foreign.columns)})"
    times = [column for column in fact.columns if column in fact.event_times or {*words(column)} & TIME]
    if times and not any(leads(fact, [column]) for column in times):
        yield f"{name} ({' | '.join(times)})"
