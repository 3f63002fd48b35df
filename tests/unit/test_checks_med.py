"""The judgments on the medallion and the star, over facts written by hand: what is sound passes, whatever its names."""

from __future__ import annotations

import pytest
from warehouses import codes, column, database, relation, verdict

from conformance.checks import medallion, pqrs_domain
from conformance.checks import test_med as checks
from conformance.observe.facts import Attempt
from conformance.observe.pipeline_facts import Delivery, Execution, PipelineFacts
from conformance.observe.postgres_model import Index, OrphanTrial, PostgresFacts, Relation, RuleTrial, Schema
from conformance.observe.pqrs_stores import LayerObjects
from conformance.verdict.parameters import Parameters

PARAMS = Parameters()
CLASS = Parameters(min_dimensions=2, require_foreign_keys=False, min_departments=1)
STRICT = Parameters(min_dimensions=2)

EVENTS = relation(
    "bronze.pqrs_events",
    {"event_id": "uuid", "data": "json", "run_id": "uuid", "ingested_at": "time clock", "ts": "time"},
    primary=["event_id"],
)
CHANNEL = codes("silver.dim_channel", "email", "phone", "chat")
STATUS = codes("silver.dim_status", "Open", "Closed")
TICKETS = relation(
    "silver.tickets",
    {"ticket_id": "text", "channel": "text", "status": "text", "created_at": "time", "run_id": "uuid null"},
    primary=["ticket_id"],
    refers={"run_id": "meta.etl_runs"},
    indexed=[["created_at"]],
)
VOLUME = relation(
    "gold.kpi_volume_daily",
    {"day": "time", "channel": "text", "received": "number"},
    primary=["day", "channel"],
)
RUNS = relation("meta.etl_runs", {"run_id": "uuid", "status": "text", "finished_at": "time"}, primary=["run_id"])


def lakehouse(*changed: tuple[str, Relation], without: tuple[str, ...] = (), **more: object) -> PostgresFacts:
    """A small one like the class's, with some of its relations changed."""
    relations = dict([EVENTS, CHANNEL, STATUS, TICKETS, VOLUME, RUNS, *changed])
    return database(*((name, one) for name, one in relations.items() if name not in without), **more)


# --- layers


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("bronze", "silver", "gold"), "pass"),
        (("bronce", "plata", "oro"), "pass"),
        (("raw", "staging", "marts"), "pass"),
        (("01_Bronze", "02_silver", "pqrs-gold"), "pass"),
        (("bronze", "silver"), "fail missing"),
        (("bronzed", "silverware", "golden"), "fail missing"),
        ((), "fail missing"),
    ],
)
def test_layers_by_any_of_their_names(names: tuple[str, ...], expected: str) -> None:
    facts = database(relation("public.t", {"a": "text"}), *(relation(f"{name}.t", {"a": "text"}) for name in names))
    assert verdict(checks.test_the_three_layers_exist_and_hold_something, facts, PARAMS).startswith(expected)


def test_an_empty_layer_is_no_layer() -> None:
    facts = lakehouse(without=("gold.kpi_volume_daily",), schemas={"gold": Schema()})
    said = verdict(checks.test_the_three_layers_exist_and_hold_something, facts, PARAMS)
    assert said.startswith("fail empty")
    assert "gold: 0 tables" in said


def test_analytics_beside_gold_is_no_second_gold() -> None:
    facts = lakehouse(relation("analytics.scratch", {"a": "text"}))
    found = medallion.Medallion(facts, PARAMS)
    assert found.schemas("gold") == ("gold",)
    facts = lakehouse(
        relation("analytics.kpi", {"a": "text"}), without=("gold.kpi_volume_daily",), schemas={"gold": Schema()}
    )
    assert medallion.Medallion(facts, PARAMS).schemas("gold") == ("analytics",)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ([], "pass"),
        ([relation("bronze.pqrs_events", {"id": "uuid", "archivo": "text", "fecha_carga": "time"})], "pass"),
        ([relation("bronze.pqrs_events", {"id": "uuid", "ts": "time", "run_id": "uuid"})], "fail no_lineage"),
        ([relation("bronze.pqrs_events", {"id": "uuid", "ingested_at": "time"})], "fail no_lineage"),
        ([relation("gold.wide", {"payload": "json"})], "fail payload"),
        ([relation("gold.wide", {"data": "json"})], "fail payload"),  # as bronze calls it
        ([relation("gold.wide", {"raw_event": "text"})], "fail payload"),
        ([relation("gold.wide", {"by_channel": "json", "message": "text"})], "pass"),  # made in gold
        ([relation("bronze.extra", {"t": "text"}, refers={"t": "silver.tickets"})], "fail foreign_key"),
        ([relation("bronze.extra", {"r": "uuid"}, refers={"r": "meta.etl_runs"})], "pass"),
    ],
)
def test_each_layer_has_a_job(changed: list[tuple[str, Relation]], expected: str) -> None:
    assert verdict(checks.test_each_layer_keeps_its_own_job, lakehouse(*changed), PARAMS).startswith(expected)


# --- dimensions and facts


@pytest.mark.parametrize(
    ("dimension", "is_one", "is_sound"),
    [
        (codes("silver.dim_canal", "a"), True, True),
        (codes("gold.canales", "a", "b"), True, True),  # by what it holds
        (codes("gold.DimCanal"), True, True),  # by its name, though empty
        (codes("gold.canales"), False, False),  # nothing shows what it is
        (codes("bronze.dim_canal", "a"), False, False),
        (codes("meta.dim_canal", "a"), True, True),
        (codes("meta.reglas", "a"), False, False),
        (codes("gold.fact_codes", "a"), False, False),
        (relation("gold.dim_x", {"id": "number sequence", "name": "text"}, primary=["id"]), True, False),
        (relation("gold.dim_x", {"id_x": "number", "name": "text"}, primary=["id_x"]), True, False),
        (relation("gold.dim_x", {"code": "text", "name": "text"}, primary=["code"]), True, True),
        (relation("gold.dim_x", {"divipola": "number", "name": "text"}, primary=["divipola"]), True, True),
        (relation("gold.dim_x", {"name": "text"}, unique=[["name"]]), True, False),  # no primary key
        (
            relation(
                "gold.dim_geo",
                {"id": "number identity", "dep": "text", "mun": "text"},
                primary=["id"],
                unique=[["dep", "mun"]],
            ),
            True,
            True,
        ),
        (relation("gold.dim_v", {"code": "text"}, kind="view"), False, False),
    ],
)
def test_what_is_a_dimension(dimension: tuple[str, Relation], is_one: bool, is_sound: bool) -> None:
    name, _ = dimension
    found = medallion.Medallion(lakehouse(dimension), PARAMS)
    assert (name in found.dimensions) == is_one
    params = Parameters(min_dimensions=3)  # the two of the lakehouse and this one
    passed = verdict(checks.test_facts_and_dimensions_are_modelled, lakehouse(dimension), params) == "pass"
    assert passed == is_sound


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (TICKETS, "pass"),
        (relation("silver.tickets", {"id": "number identity", "created_at": "time"}, primary=["id"]), "fail facts"),
        (relation("silver.tickets", {"id": "uuid uuid", "created_at": "time"}, primary=["id"]), "fail facts"),
        (
            relation(
                "silver.tickets", {"id": "number identity", "n": "text", "at": "time"}, primary=["id"], unique=[["n"]]
            ),
            "pass",
        ),
        (relation("silver.tickets", {"id": "number identity", "at": "time"}, primary=["at", "id"]), "fail facts"),
        (relation("silver.tickets", {"created_at": "time"}), "fail facts"),
        (relation("silver.hechos_pqrs", {"radicado": "text"}, primary=["radicado"]), "pass"),
    ],
)
def test_a_fact_has_a_key_at_its_grain(fact: tuple[str, Relation], expected: str) -> None:
    facts = lakehouse(fact, without=("gold.kpi_volume_daily",) + (() if fact[0] == TICKETS[0] else (TICKETS[0],)))
    assert verdict(checks.test_facts_and_dimensions_are_modelled, facts, CLASS).startswith(expected)


# --- references


def test_the_class_may_carry_natural_codes_and_the_reference_may_not() -> None:
    assert verdict(checks.test_facts_reference_their_dimensions, lakehouse(), CLASS) == "pass"
    assert verdict(checks.test_facts_reference_their_dimensions, lakehouse(), STRICT) == (
        "fail foreign_key: no foreign key: gold.kpi_volume_daily.channel → silver.dim_channel"
    )


@pytest.mark.parametrize(
    ("columns", "refers", "params", "expected"),
    [
        ({"channel_id": "number"}, {"channel_id": "silver.dim_channel"}, STRICT, "pass"),
        ({"channel_id": "number"}, {}, STRICT, "fail foreign_key"),
        ({"channel_id": "number"}, {}, CLASS, "pass"),
        ({"id_channel": "text"}, {}, CLASS, "pass"),
        ({"channel": "enum"}, {}, CLASS, "pass"),
        ({"channel_id": "uuid"}, {}, CLASS, "fail type"),
        ({"canal": "text"}, {}, CLASS, "fail none"),  # another language: nothing links them
        ({"source_channel": "text"}, {}, CLASS, "fail none"),
    ],
)
def test_a_fact_names_its_dimension(
    columns: dict[str, str], refers: dict[str, str], params: Parameters, expected: str
) -> None:
    kpi = relation("gold.kpi", {"day": "time", **columns}, primary=["day"], refers=refers)
    facts = lakehouse(kpi, without=("gold.kpi_volume_daily", "silver.tickets", "silver.dim_status"))
    assert verdict(checks.test_facts_reference_their_dimensions, facts, params).startswith(expected)


def test_a_dimension_that_plays_a_role_is_found_by_its_key() -> None:
    place = relation("gold.dim_geo", {"municipality_code": "text", "name": "text"}, primary=["municipality_code"])
    kpi = relation("gold.kpi", {"day": "time", "origin_municipality_code": "text"}, primary=["day"])
    said = verdict(checks.test_facts_reference_their_dimensions, lakehouse(place, kpi), STRICT)
    assert "gold.kpi.origin_municipality_code → gold.dim_geo" in said


def test_a_calendar_needs_no_foreign_key() -> None:
    calendar = relation("gold.dim_fecha", {"fecha_key": "number", "fecha": "time"}, primary=["fecha_key"])
    kpi = relation(
        "gold.kpi", {"fecha_key": "number", "channel_id": "number"}, refers={"channel_id": "silver.dim_channel"}
    )
    facts = lakehouse(calendar, kpi, without=("gold.kpi_volume_daily",))
    assert verdict(checks.test_facts_reference_their_dimensions, facts, STRICT) == "pass"


# --- seeds

SEEDS = (
    codes("silver.dim_channel", "email", "phone", "web_portal", "chat"),
    codes("silver.dim_status", "Open", "In Progress", "Closed"),
    codes("silver.dim_pqrs_type", "P", "Q", "R", "S"),
    codes("silver.dim_geo", "Bogotá D.C.", "Antioquia"),
)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ([], "pass"),
        ([codes("silver.dim_pqrs_type", "Petición", "QUEJA", "reclamo", "Sugerencia", "Felicitación")], "pass"),
        ([codes("silver.dim_pqrs_type", "Petition", "Complaint", "Claim", "Suggestion")], "pass"),
        ([codes("silver.dim_pqrs_type", "Derecho de petición", "Quejas", "Reclamos", "Sugerencias")], "pass"),
        ([codes("silver.dim_pqrs_type", "P", "Q", "R")], "fail types: missing types: S"),
        ([codes("silver.dim_pqrs_type")], "fail types: missing types: P, Q, R, S"),
        ([codes("silver.dim_channel", "correo", "línea telefónica")], "pass"),
        ([codes("silver.dim_channel", "email", "e-mail", "correo")], "fail channels"),
        ([codes("silver.dim_channel")], "fail channels"),
        ([codes("silver.dim_status", "Radicada", "En trámite", "Respondida")], "pass"),
        ([codes("silver.dim_status", "Ingresada", "En gestión", "Gestionada")], "pass"),
        ([codes("silver.dim_status", "Por atender", "Asignada", "Terminada")], "pass"),
        ([codes("silver.dim_status", "To do", "In queue", "Solved")], "pass"),
        ([codes("silver.dim_status", "En trámite", "Terminada")], "fail statuses"),
        ([codes("silver.dim_channel", "Virtual", "Buzón")], "pass"),
        ([codes("silver.dim_channel", "In person", "Teléfono")], "pass"),
        ([codes("silver.dim_channel", "Virtual", "Portal web")], "fail channels"),
        ([codes("silver.dim_status", "En trámite", "Asignada")], "fail statuses"),
        ([codes("silver.dim_status", "Recibida")], "fail statuses"),
        ([codes("silver.dim_geo", "Springfield")], "fail places"),
        ([codes("silver.dim_geo", "05001")], "pass"),
        ([codes("silver.dim_geo", "Santiago de Cali")], "pass"),
    ],
)
def test_seeds_in_either_language(changed: list[tuple[str, Relation]], expected: str) -> None:
    facts = database(*dict([*SEEDS, *changed]).items())
    assert verdict(checks.test_dimensions_are_seeded_with_the_pqrs_domain, facts, CLASS).startswith(expected)


def test_a_table_that_uses_the_types_is_not_the_list_of_types() -> None:
    terms = relation(
        "silver.terms",
        {"id": "number", "pqrs_type": "text"},
        primary=["id"],
        rows=18,
        values={"pqrs_type": ("P", "Q", "R", "S")},
    )
    facts = database(*dict([*SEEDS, codes("silver.dim_pqrs_type"), terms]).items())
    assert "missing types: P, Q, R, S" in verdict(checks.test_dimensions_are_seeded_with_the_pqrs_domain, facts, CLASS)


def test_an_enum_is_a_list_of_types_too() -> None:
    facts = database(*dict([*SEEDS, codes("silver.dim_pqrs_type")]).items(), enums={"gold.tipo": ("P", "Q", "R", "S")})
    assert verdict(checks.test_dimensions_are_seeded_with_the_pqrs_domain, facts, CLASS) == "pass"


def test_one_table_may_list_everything() -> None:
    values = ("P", "Q", "R", "S", "correo", "teléfono", "Recibida", "Cerrada", "11001")
    catalogue = relation(
        "silver.catalogo", {"id": "number", "valor": "text"}, primary=["id"], rows=9, values={"valor": values}
    )
    assert verdict(checks.test_dimensions_are_seeded_with_the_pqrs_domain, database(catalogue), CLASS) == "pass"


def test_rows_that_could_not_be_read_are_not_held_against_anyone() -> None:
    facts = database(*SEEDS[1:], relation("silver.dim_channel", {"name": "text"}, rows=None))
    assert verdict(checks.test_dimensions_are_seeded_with_the_pqrs_domain, facts, CLASS).startswith("cannot tell")


def test_every_department_is_known_by_its_name_its_capital_and_its_code() -> None:
    for code, names in pqrs_domain.DEPARTMENTS.items():
        for value in (*names, f"{code}001", names[0].upper()):
            facts = database(codes("silver.dim_geo", value))
            assert facts.catalogue is not None
            assert pqrs_domain.departments(facts.catalogue) == 1, value
    assert len(pqrs_domain.DEPARTMENTS) == 33


# --- integrity, grain, indexes, rules


def _orphans(refused: bool | None) -> dict[str, OrphanTrial]:
    return {"t": OrphanTrial(relation="silver.tickets", constraint="run_id_fkey", refused=refused, detail="said so")}


@pytest.mark.parametrize(
    ("change", "refused", "expected"),
    [
        ({}, True, "pass"),
        ({}, False, "fail accepted: orphan accepted: silver.tickets"),
        ({}, None, "cannot tell: no orphan could be offered: said so"),
        ({"validated": False}, True, "fail idle: not validated or not enforced: silver.tickets.run_id_fkey"),
        ({"enforced": False}, True, "fail idle"),
    ],
)
def test_integrity_is_read_and_tried(change: dict[str, bool], refused: bool | None, expected: str) -> None:
    name, tickets = TICKETS
    key = tickets.foreign_keys["run_id_fkey"].model_copy(update=change)
    changed = tickets.model_copy(update={"foreign_keys": {"run_id_fkey": key}})
    facts = lakehouse((name, changed), orphan_trials=_orphans(refused))
    assert verdict(checks.test_referential_integrity_is_enforced, facts, PARAMS).startswith(expected)


def test_no_foreign_key_is_no_integrity() -> None:
    facts = lakehouse(without=("silver.tickets",))
    assert verdict(checks.test_referential_integrity_is_enforced, facts, PARAMS) == "fail none: foreign keys: 0"


@pytest.mark.parametrize(
    ("kpi", "expected"),
    [
        (VOLUME, "pass"),
        (relation("gold.kpi", {"day": "time", "n": "number"}), "fail no_key"),
        (relation("gold.kpi", {"id": "number sequence", "day": "time"}, primary=["id"]), "fail surrogate"),
        (relation("gold.kpi", {"id": "number sequence", "day": "time"}, primary=["id"], unique=[["day"]]), "pass"),
        (relation("gold.kpi", {"day": "time", "c": "text"}, unique=[["day", "COALESCE(c, ''::text)"]]), "pass"),
        (relation("gold.kpi", {"day": "time"}, kind="view"), "cannot tell"),
        (
            relation("gold.kpi", {"day": "time", "id": "number identity"}, kind="partitioned", primary=["day", "id"]),
            "fail",
        ),
    ],
)
def test_gold_is_unique_at_its_grain(kpi: tuple[str, Relation], expected: str) -> None:
    facts = lakehouse(kpi, without=() if kpi is VOLUME else (VOLUME[0],))
    assert verdict(checks.test_gold_tables_are_unique_at_their_grain, facts, PARAMS).startswith(expected)


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (TICKETS, "pass"),  # the key to its run is not joined by readers
        (
            relation(
                "silver.messages",
                {"id": "uuid", "t": "text", "ts": "time"},
                refers={"t": "silver.tickets"},
                indexed=[["ts"]],
            ),
            "fail None: no index begins with: silver.messages (t)",
        ),
        (
            relation(
                "silver.messages",
                {"id": "uuid", "t": "text", "ts": "time"},
                refers={"t": "silver.tickets"},
                indexed=[["t", "ts"]],
            ),
            "fail None: no index begins with: silver.messages (ts)",
        ),
        (
            relation(
                "silver.messages",
                {"id": "uuid", "t": "text", "ts": "time"},
                refers={"t": "silver.tickets"},
                indexed=[["t"], ["ts", "id"]],
            ),
            "pass",
        ),
        (
            relation("silver.messages", {"id": "uuid", "ts": "time", "loaded_at": "time"}, indexed=[["loaded_at"]]),
            "fail",
        ),
        (relation("gold.kpi", {"anio": "number", "mes": "number"}, primary=["mes", "anio"]), "pass"),
    ],
)
def test_joins_and_time_have_an_index(fact: tuple[str, Relation], expected: str) -> None:
    assert verdict(checks.test_joins_and_time_filters_are_indexed, lakehouse(fact), PARAMS).startswith(expected)


@pytest.mark.parametrize(
    ("index", "columns", "expected"),
    [
        (Index(columns=("a", "b")), ["a"], True),
        (Index(columns=("a", "b")), ["b"], False),
        (Index(columns=("a", "b")), ["b", "a"], True),
        (Index(columns=("a", "b"), method="brin"), ["b"], True),
        (Index(columns=("a",), valid=False), ["a"], False),
    ],
)
def test_what_an_index_serves(index: Index, columns: list[str], expected: bool) -> None:
    table = Relation(namespace="s", name="t", kind="table", columns={"a": column("text")}, indexes={"i": index})
    assert medallion.leads(table, columns) is expected


def _rules(**refused: bool | None) -> dict[str, RuleTrial]:
    return {
        rule: RuleTrial(rule=rule, relation="silver.tickets", column=rule, refused=one) for rule, one in refused.items()
    }


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        (_rules(type=True, status=True, measure=True), "pass"),
        (_rules(type=False, status=True, measure=True), "fail type: impossible type accepted: silver.tickets.type"),
        (_rules(type=True, status=False, measure=False), "fail status: impossible status accepted"),
        (_rules(type=True, status=True, measure=None), "cannot tell: nothing to try an impossible measure on"),
        (_rules(type=True, status=True), "cannot tell"),
        ({"s": RuleTrial(rule="status", relation="meta.etl_runs", column="status", refused=False)}, "cannot tell"),
        ({"s": RuleTrial(rule="status", relation="silver.dim_status", column="name", refused=False)}, "cannot tell"),
    ],
)
def test_rules_are_tried_in_silver_and_gold(trials: dict[str, RuleTrial], expected: str) -> None:
    facts = lakehouse(rule_trials=trials)
    assert verdict(checks.test_pqrs_rules_live_in_the_model, facts, PARAMS).startswith(expected)


# --- the object store


def _pipeline(ok: bool = True, **layers: tuple[int, int]) -> PipelineFacts:
    day = "2026-01-15"
    delivery = Delivery.model_validate(
        {
            "seed": 1, "rows": 1, "files": 1, "first_day": day, "last_day": day, "tickets": 1, "duplicates": 0,
            "late": 0, "out_of_order": 0, "invalid_transitions": 0, "malformed": {},
        }
    )  # fmt: skip
    return PipelineFacts(
        place="kit",
        delivery=delivery,
        scratch=Attempt(ok=True),
        execution=Execution(run=Attempt(ok=ok, detail="it broke"), seconds=1),
        layers=tuple(LayerObjects(layer=name, objects=count, by_day=by) for name, (count, by) in layers.items()),
    )


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        (_pipeline(raw=(3, 2), bronze=(2, 2), silver=(4, 0), gold=(9, 0)), "pass"),
        (_pipeline(landing=(3, 3), bronce=(2, 2), plata=(4, 0), oro=(9, 0)), "pass"),
        (_pipeline(raw=(3, 3), silver=(4, 0), gold=(9, 0)), "fail missing"),  # raw is not bronze
        (_pipeline(raw=(3, 3), bronze=(2, 0), silver=(4, 0), gold=(9, 0)), "fail not_by_day"),
        (_pipeline(raw=(9, 1), bronze=(2, 2), silver=(4, 0), gold=(9, 0)), "fail not_by_day"),
        (_pipeline(), "fail missing: empty"),
        (_pipeline(ok=False), "cannot tell: it broke"),
    ],
)
def test_layers_in_the_object_store(pipeline: PipelineFacts, expected: str) -> None:
    assert verdict(checks.test_the_layers_exist_in_the_object_store_too, pipeline, PARAMS).startswith(expected)
