"""What a browser would ask for a dashboard: datasources, variables, rows, time. On models as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.observe.grafana_api import Frames, Json, Window
from conformance.observe.grafana_facts import Datasource
from conformance.observe.grafana_panels import Datasources, Target, asks_for_alerts, panels, targets, window

PROMETHEUS = Datasource(
    uid="prom-1", name="Prometheus", type="prometheus", access="proxy", url="http://prometheus:9090", is_default=True
)
OTHER = PROMETHEUS.model_copy(update={"uid": "prom-2", "name": "Otro", "is_default": False})
GOLD = Datasource(
    uid="gold", name="PostgreSQL", type="grafana-postgresql-datasource", access="proxy", url="postgres:5432"
)
LOKI = Datasource(uid="loki", name="Loki", type="loki", access="proxy", url="http://loki:3100")
SOURCES = Datasources([GOLD, OTHER, PROMETHEUS, LOKI])
HOUR = Window(1_700_000_000_000, 1_700_003_600_000)
UP = {"refId": "A", "expr": "up"}


def nobody(query: Json) -> Frames:
    raise AssertionError(f"asked for options: {query}")


def asked(dashboard: Json, sources: Datasources = SOURCES, ask: Any = nobody) -> list[Target]:
    return [target for of_panel in targets(dashboard, sources, HOUR, ask) for target in of_panel]


def panel(datasource: Any, *of_panel: Json, **more: Any) -> Json:
    return {"id": 3, "title": "P", "type": "timeseries", "datasource": datasource, "targets": list(of_panel), **more}


def variables(*told: Json, expr: str, datasource: Any = None, ask: Any = nobody) -> str:
    """What the query of a panel becomes."""
    dashboard = {"templating": {"list": list(told)}, "panels": [panel(datasource, {"refId": "A", "expr": expr})]}
    return asked(dashboard, ask=ask)[0].text


@pytest.mark.parametrize(
    ("reference", "uid"),
    [
        (None, "prom-1"),
        ("default", "prom-1"),
        ("Otro", "prom-2"),
        ("prom-2", "prom-2"),
        ({"type": "prometheus", "uid": "prom-2"}, "prom-2"),
        ({"uid": "Otro"}, "prom-2"),
        ({"type": "prometheus"}, "prom-1"),
        ({"type": "grafana-postgresql-datasource"}, "gold"),
        ({}, "prom-1"),
    ],
)
def test_a_reference_is_resolved_by_uid_by_name_by_kind_or_is_the_default(reference: Any, uid: str) -> None:
    (target,) = asked({"panels": [panel(reference, UP)]})
    assert target.query is not None
    assert (target.problem, target.query["datasource"]["uid"]) == ("", uid)


@pytest.mark.parametrize(
    ("reference", "written"),
    [
        ("${DS_PROMETHEUS}", "${DS_PROMETHEUS}"),
        ({"type": "prometheus", "uid": "gone"}, "gone"),
        ("prometheus", "prometheus"),
    ],
)
def test_a_reference_to_nothing_is_told_as_it_is_written(reference: Any, written: str) -> None:
    (target,) = asked({"panels": [panel(reference, UP)]})
    assert (target.datasource, target.query, target.problem) == (written, None, f"there is no datasource {written}")


def test_without_a_default_nothing_stands_for_it() -> None:
    (target,) = asked({"panels": [panel(None, UP)]}, Datasources([GOLD, LOKI]))
    assert target.problem == "there is no datasource default"


def test_the_panels_datasource_decides_for_its_targets() -> None:
    mine = {"refId": "A", "expr": "up", "datasource": {"uid": "gone"}}
    (target,) = asked({"panels": [panel({"uid": "prom-2"}, mine)]})
    assert target.query is not None
    assert target.query["datasource"] == {"type": "prometheus", "uid": "prom-2"}


def test_a_panel_without_one_takes_that_of_its_first_target_that_has_one() -> None:
    found = asked({"panels": [panel(None, UP, {"refId": "B", "expr": "up", "datasource": {"uid": "prom-2"}})]})
    assert [target.datasource for target in found] == ["Otro", "Otro"]


def test_in_a_mixed_panel_each_target_has_its_own() -> None:
    sql = {"refId": "B", "rawSql": "SELECT 1", "datasource": {"uid": "gold"}}
    found = asked({"panels": [panel({"uid": "-- Mixed --"}, UP, sql)]})
    assert [(target.ref, target.datasource, target.text) for target in found] == [
        ("A", "Prometheus", "up"),
        ("B", "PostgreSQL", "SELECT 1"),
    ]


@pytest.mark.parametrize(
    "reference",
    [{"type": "datasource", "uid": "grafana"}, "-- Grafana --", {"uid": "-- Dashboard --"}, {"uid": "loki"}],
)
def test_what_grafana_answers_itself_or_the_kit_does_not_speak_is_no_fault(reference: Any) -> None:
    (target,) = asked({"panels": [panel(reference, {"refId": "A"})]})
    assert (target.query, target.problem) == (None, "")


@pytest.mark.parametrize(
    "still",
    [
        panel("gone", type="text"),
        panel("gone", UP, libraryPanel={"uid": "l", "name": "Library"}),
        panel("gone", {"refId": "A", "expr": " "}),
        panel("gone", {"refId": "A", "rawSql": ""}),
        panel("gone", {"refId": "A", "expr": "up", "hide": True}),
        panel("gone", type="row", panels=[]),
        {"title": "no targets at all"},
        {"targets": "nonsense"},
    ],
)
def test_panels_that_ask_nothing_have_nothing_to_resolve(still: Json) -> None:
    assert asked({"panels": [still]}) == []


def test_panels_of_collapsed_rows_and_of_old_dashboards_count_and_rows_do_not() -> None:
    row = {"type": "row", "collapsed": True, "panels": [panel(None, UP, title="inside")]}
    old = {"rows": [{"title": "Row", "panels": [panel(None, UP, title="old")]}]}
    assert [one.panel for one in asked({"panels": [row, panel(None, UP, title="beside")]})] == ["inside", "beside"]
    assert [one.panel for one in asked(old)] == ["old"]
    assert len(list(panels({"panels": [row]}))) == 1


def test_rows_within_rows_without_end_are_left() -> None:
    row: dict[str, Any] = {"type": "row"}
    row["panels"] = [row]
    assert list(panels({"panels": [row]})) == []


def test_expressions_are_asked_with_what_they_stand_on_and_what_that_hides() -> None:
    hidden = {**UP, "hide": True}
    reckoned = {
        "refId": "B",
        "datasource": {"type": "__expr__", "uid": "__expr__"},
        "expression": "A",
        "type": "reduce",
    }
    found = asked({"panels": [panel({"uid": "prom-1"}, hidden, reckoned)]})
    assert [(target.ref, target.hidden) for target in found] == [("A", True), ("B", False)]
    assert found[1].query is not None
    assert found[1].query["datasource"] == {"type": "__expr__", "uid": "__expr__"}


def test_an_expression_on_what_is_not_asked_is_not_asked_either() -> None:
    reckoned = {"refId": "B", "datasource": {"type": "__expr__", "uid": "__expr__"}, "expression": "A"}
    assert [target.ref for target in asked({"panels": [panel({"uid": "loki"}, {"refId": "A"}, reckoned)]})] == ["A"]


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"type": "constant", "query": "dask"}, "dask"),
        ({"type": "textbox", "query": "dask", "current": {"value": "prefect"}}, "prefect"),
        ({"type": "textbox", "query": "dask"}, "dask"),
        ({"type": "custom", "query": "a,b", "current": {"text": "b", "value": "b"}}, "b"),
        ({"type": "custom", "query": "uno : 1, dos : 2"}, "1"),
        ({"type": "custom", "query": "a\\,b,c"}, "a,b"),
        ({"type": "custom", "query": "a,b", "current": {"value": "from another time"}}, "a"),
        ({"type": "custom", "query": "a,b", "multi": True, "current": {"value": ["a", "b"]}}, "(a|b)"),
        ({"type": "custom", "query": "a.b", "multi": True, "current": {"value": ["a.b"]}}, "a\\\\.b"),
        ({"type": "custom", "query": "a,b", "includeAll": True, "current": {"value": "$__all"}}, "(a|b)"),
        ({"type": "custom", "query": "a", "includeAll": True, "allValue": ".+", "current": {"value": "$__all"}}, ".+"),
        ({"type": "interval", "query": "5m,1h", "current": {"value": "$__auto_interval_v"}}, "5m"),
        ({"type": "query", "query": "metrics(x)", "datasource": "prom-1", "current": {"value": "kept"}}, "kept"),
        ({"type": "query", "query": "metrics(x)", "datasource": {"uid": "prom-1"}}, ".*"),
        ({"type": "query", "query": "label_values(job)", "regex": "/d/", "current": {"value": "dask"}}, "dask"),
        ({"type": "adhoc", "filters": []}, "$v"),
        ({"type": "new kind"}, "$v"),
    ],
)  # fmt: skip
def test_a_variable_is_what_it_is_when_the_dashboard_opens(told: Json, text: str) -> None:
    assert variables({"name": "v", **told}, expr='up{job=~"$v"}') == f'up{{job=~"{text}"}}'


@pytest.mark.parametrize("form", ["$v", "${v}", "[[v]]", "${v:raw}", "[[v:csv]]"])
def test_every_way_to_write_a_variable_is_known(form: str) -> None:
    assert variables({"name": "v", "type": "constant", "query": "x"}, expr=f"sum({form})") == "sum(x)"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("${v:pipe}", "a|b"),
        ("${v:regex}", "(a|b)"),
        ("${v:csv}", "a,b"),
        ("${v:singlequote}", "'a','b'"),
        ("${v:doublequote}", '"a","b"'),
    ],
)
def test_the_formats_of_lists_are_known(form: str, text: str) -> None:
    told = {"name": "v", "type": "custom", "query": "a,b", "multi": True, "current": {"value": ["a", "b"]}}
    assert variables(told, expr=form) == text


def test_what_is_no_variable_stays() -> None:
    query = 'label_replace(up, "a", "$1", "b", "(.*)")'
    assert variables(expr=query) == query


def test_lists_go_into_sql_as_quoted_strings() -> None:
    told = {"name": "t", "type": "custom", "query": "P,O'Q", "multi": True, "current": {"value": ["P", "O'Q"]}}
    sql = {"refId": "A", "rawSql": "SELECT 1 WHERE type IN ($t) AND $__timeFilter(day)", "format": "table"}
    (target,) = asked({"templating": {"list": [told]}, "panels": [panel({"uid": "gold"}, sql)]})
    assert target.text == "SELECT 1 WHERE type IN ('P','O''Q') AND $__timeFilter(day)"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("rate(x[$__rate_interval])", "rate(x[60s])"),
        ("rate(x[$__interval])", "rate(x[18s])"),
        ("x[${__range_s}s]", "x[3600s]"),
        ("$__from-$__to", "1700000000000-1700003600000"),
        ("${__from:date:seconds}", "1700000000"),
        ("${__from:date}", "2023-11-14T22:13:20.000Z"),
        ("${__to:date:YYYY-MM-DD}", "2023-11-14"),
    ],
)
def test_the_time_of_the_dashboard_stands_in_its_queries(text: str, filled: str) -> None:
    assert variables(expr=text) == filled


@pytest.mark.parametrize(
    ("current", "uid"),
    [
        ({}, "prom-1"),
        ({"value": "prom-2"}, "prom-2"),
        ({"value": "Otro"}, "prom-2"),
        ({"value": "gone"}, "prom-1"),
    ],
)
def test_a_variable_may_choose_the_datasource(current: Json, uid: str) -> None:
    told = {"name": "DS_PROMETHEUS", "type": "datasource", "query": "prometheus", "current": current}
    dashboard = {
        "templating": {"list": [told]},
        "panels": [panel({"type": "prometheus", "uid": "${DS_PROMETHEUS}"}, UP)],
    }
    (target,) = asked(dashboard)
    assert target.query is not None
    assert target.query["datasource"]["uid"] == uid


def test_a_variable_that_can_choose_nothing_resolves_nothing() -> None:
    told = {"name": "DS", "type": "datasource", "query": "influxdb"}
    (target,) = asked({"templating": {"list": [told]}, "panels": [panel("$DS", UP)]})
    assert target.datasource == "$DS"


def label_frames(*values: str) -> Frames:
    fields = [
        [{"name": "Time", "type": "time"}, {"name": "Value", "type": "number", "labels": {"job": one}}]
        for one in values
    ]
    return Frames(tuple({"schema": {"fields": two}, "data": {"values": [[1], [1]]}} for two in fields))


@pytest.mark.parametrize(
    ("query", "expr"),
    [
        ("label_values(job)", 'group by (job) ({job!=""})'),
        ("label_values(up, job)", "group by (job) (up)"),
        ('label_values(up{a=~"x,y"}, job)', 'group by (job) (up{a=~"x,y"})'),
        ({"query": "label_values(up, job)", "refId": "x"}, "group by (job) (up)"),
    ],
)
def test_options_of_labels_are_asked_for(query: Any, expr: str) -> None:
    queries: list[Json] = []

    def ask(told: Json) -> Frames:
        queries.append(told)
        return label_frames("prefect", "dask")

    told = {"name": "v", "type": "query", "query": query, "datasource": {"uid": "prom-2"}, "current": {"value": "old"}}
    assert variables(told, expr="$v", ask=ask) == "dask"
    assert [(one["expr"], one["datasource"]["uid"]) for one in queries] == [(expr, "prom-2")]


def test_options_of_a_table_are_asked_for_and_may_depend_on_other_variables() -> None:
    queries: list[Json] = []

    def ask(told: Json) -> Frames:
        queries.append(told)
        fields = [{"name": "__text", "type": "string"}, {"name": "__value", "type": "string"}]
        return Frames(
            ({"schema": {"fields": fields}, "data": {"values": [["Medellín", "Bogotá"], ["05001", "11001"]]}},)
        )

    told = [
        {"name": "d", "type": "constant", "query": "05"},
        {"name": "v", "type": "query", "query": "SELECT a FROM b WHERE d='$d'", "datasource": "gold",
         "includeAll": True, "multi": True, "current": {"value": ["$__all"]}},
    ]  # fmt: skip
    assert variables(*told, expr="$v", ask=ask) == "(05001|11001)"
    assert queries[0]["rawSql"] == "SELECT a FROM b WHERE d='05'"


def test_options_that_cannot_be_had_leave_what_was_saved() -> None:
    told = {"name": "v", "type": "query", "query": "label_values(job)", "current": {"value": "saved"}}
    assert variables(told, expr="$v", ask=lambda _: Frames(error="bad gateway")) == "saved"


@pytest.mark.parametrize(
    ("times", "start", "end"),
    [
        ({"from": "now-1h", "to": "now"}, -3600, 0),
        ({"from": "now-7d/d", "to": "now/d"}, -8 * 86_400, 0),
        ({"from": "now/d", "to": "now/d"}, -86_400, 0),
        ({"from": "now-2M", "to": "now+1h"}, -2 * 31 * 86_400, 3600),
        ({"from": 1_700_000_000_000 - 5_000, "to": "1700000000000"}, -5, 0),
        ({"from": "2023-11-14T22:13:10.000Z", "to": "2023-11-14T22:13:20.000Z"}, -10, 0),
        ({"from": "now", "to": "now"}, -6 * 3600, 0),
        ({"from": "yesterday", "to": "now"}, -6 * 3600, 0),
        ({"from": "2023-99-99", "to": None}, -6 * 3600, 0),
        (None, -6 * 3600, 0),
    ],
)
def test_the_time_a_dashboard_opens_with(times: Any, start: int, end: int) -> None:
    opened = window({"time": times}, now=1_700_000_000.0)
    assert (opened.start // 1000 - 1_700_000_000, opened.end // 1000 - 1_700_000_000) == (start, end)


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {"panels": None, "templating": 7},
        {"panels": [None, 3, {"targets": [None, {}]}], "templating": {"list": [None, {"name": 5, "type": "custom"}]}},
        {"panels": [panel({"uid": 7, "type": []}, {"refId": 3, "expr": {"a": ["$x"]}})]},
        {
            "panels": [panel(["x"], UP)],
            "templating": {"list": [{"name": "x", "type": "query", "query": 4, "current": 3}]},
        },
        {"panels": [panel(None, {"refId": "A", "expr": "${__from:date:}"})]},
    ],
)
def test_nonsense_is_survived(nonsense: Json) -> None:
    asked(nonsense, ask=lambda _: Frames())
    window(nonsense)


def test_alerts_are_told_from_other_series() -> None:
    assert asks_for_alerts('ALERTS{alertstate="firing"}')
    assert not asks_for_alerts("MY_ALERTS_total")
