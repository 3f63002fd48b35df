"""The judgments on Grafana, on facts written by hand; the run that its dashboards show, too."""

from __future__ import annotations

from typing import Any

import pytest
from judging import Outcome, judge

from conformance.checks import test_e2e as e2e
from conformance.checks import test_grf as grf
from conformance.observe.facts import Attempt
from conformance.observe.grafana_facts import (
    Dashboard,
    Datasource,
    Drawn,
    Entry,
    GrafanaFacts,
    PanelQuery,
    Provisioning,
    Strangers,
)
from conformance.observe.web import Answer
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Status

HEALTHY = Attempt(ok=True, detail="Successfully queried the Prometheus API.")
REFUSED = Attempt(ok=False, detail="dial tcp 127.0.0.1:9090: connect: connection refused")
SERIES = Drawn(ok=True, rows=2, digest="a")
PROMETHEUS = Datasource(
    uid="PBFA97CFB590B2093", name="Prometheus", type="prometheus", access="proxy", url="http://prometheus:9090",
    is_default=True, read_only=True, health=HEALTHY, up=SERIES,
)  # fmt: skip
ENTRY = Entry(
    file="/etc/grafana/provisioning/datasources/d.yml", name="Prometheus", type="prometheus", url=PROMETHEUS.url
)
FILES = Provisioning(folder="/etc/grafana/provisioning", seen_in="mounts", entries=(ENTRY,), dashboards=("/d/a.json",))
NO_JSON = FILES.model_copy(update={"dashboards": ()})
BOARD = Dashboard(uid="a", title="Salud", file="a.json", panels=1)
UNFILED = BOARD.model_copy(update={"file": ""})
QUERY = PanelQuery(
    dashboard="Salud", panel="Arriba", ref="A", datasource="Prometheus", type="prometheus", text="up",
    first=SERIES, last=SERIES,
)  # fmt: skip
DEFAULT, STRICT = Parameters(), Parameters(panels_return_data=True, refuse_factory_login=True, min_dashboards=3)


def facts(**changes: Any) -> GrafanaFacts:
    """A sound Grafana, changed."""
    sound: dict[str, Any] = {
        "health": Answer(status=200, detail='{"database":"ok"}'),
        "database": "ok",
        "version": "13.2.3",
        "login": Attempt(ok=True),
        "datasources": (PROMETHEUS,),
        "provisioning": FILES,
        "prometheus_ready": Answer(status=200),
        "prometheus_names": ("prometheus", "pqrs-prometheus"),
        "service_names": ("grafana", "prometheus", "pqrs-prometheus", "thanos"),
        "dashboards": (BOARD,),
        "queries": (QUERY,),
        "strangers": Strangers(reads=False),
        "factory_login": False,
    }
    return GrafanaFacts(**(sound | changes))


def source(**changes: Any) -> GrafanaFacts:
    return facts(datasources=(PROMETHEUS.model_copy(update=changes),))


def query(**changes: Any) -> PanelQuery:
    return QUERY.model_copy(update=changes)


def judged(outcome: Outcome) -> tuple[Status, str | None]:
    return outcome.status, outcome.hint


def test_a_sound_grafana_passes() -> None:
    for check in (
        grf.test_grafana_is_healthy,
        grf.test_the_prometheus_datasource_provisions_itself,
        grf.test_it_points_at_prometheus_by_name_through_the_server,
        grf.test_the_datasource_works,
    ):
        assert judge(check, facts()).status is Status.PASS
    for check in (
        grf.test_dashboards_provision_themselves,
        grf.test_every_panel_can_be_drawn,
        grf.test_strangers_are_not_administrators,
    ):
        assert judge(check, facts(), DEFAULT).status is Status.PASS


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"health": Answer(detail="connection refused")}, None),
        ({"health": Answer(status=503, detail='{"database":"failing"}'), "database": "failing"}, None),
        ({"database": ""}, None),
        ({"health": Answer(), "log": ("Error: ✗ Datasource provisioning error: yaml: line 3",)}, "provisioning"),
        ({"health": Answer(), "log": ("GF_PATHS_DATA='/var/lib/grafana' is not writable.",)}, "permissions"),
        ({"health": Answer(), "log": ("is not writable", "mkdir: Read-only file system")}, "read_only"),
    ],
)
def test_a_sick_grafana_fails_with_its_last_words(changes: dict[str, Any], hint: str | None) -> None:
    outcome = judge(grf.test_grafana_is_healthy, facts(**changes))
    assert judged(outcome) == (Status.FAIL, hint)
    assert all(line in outcome.observed for line in changes.get("log", ()))


@pytest.mark.parametrize(
    ("there", "entries", "expected"),
    [
        ((PROMETHEUS,), (ENTRY,), (Status.PASS, None)),
        ((PROMETHEUS,), (ENTRY.model_copy(update={"name": "", "uid": PROMETHEUS.uid}),), (Status.PASS, None)),
        ((), (), (Status.FAIL, "no_file")),
        ((PROMETHEUS,), (), (Status.FAIL, "by_hand")),
        ((PROMETHEUS.model_copy(update={"type": "loki"}),), (), (Status.FAIL, "no_file")),
        ((), (ENTRY,), (Status.FAIL, "not_loaded")),
        ((PROMETHEUS,), (ENTRY.model_copy(update={"name": "Loki", "type": "loki"}),), (Status.FAIL, "by_hand")),
        ((PROMETHEUS,), (ENTRY.model_copy(update={"name": "Otro", "uid": "otro"}),), (Status.FAIL, "not_loaded")),
    ],
)
def test_a_datasource_must_come_of_a_file(there: Any, entries: Any, expected: Any) -> None:
    files = FILES.model_copy(update={"entries": entries})
    outcome = judge(grf.test_the_prometheus_datasource_provisions_itself, facts(datasources=there, provisioning=files))
    assert judged(outcome) == expected


def test_files_that_do_not_parse_are_named() -> None:
    files = FILES.model_copy(update={"entries": (), "problems": ("/p/datasources/d.yml: while parsing",)})
    outcome = judge(grf.test_the_prometheus_datasource_provisions_itself, facts(provisioning=files, datasources=()))
    assert "while parsing" in outcome.observed


@pytest.mark.parametrize(
    "changes",
    [
        {"datasources": None, "login": Attempt(ok=False, detail="admin: 401 Invalid username or password")},
        {"provisioning": None, "trouble": ("neither the mounted files nor the container can be seen",)},
    ],
)
def test_what_cannot_be_seen_is_not_judged(changes: dict[str, Any]) -> None:
    outcome = judge(grf.test_the_prometheus_datasource_provisions_itself, facts(**changes))
    assert outcome.status is Status.UNOBSERVABLE
    assert any(word in outcome.observed for word in ("401", "neither"))


def test_without_an_administrator_nothing_inside_is_judged() -> None:
    unseen = facts(
        datasources=None, dashboards=None, queries=(), strangers=None, login=Attempt(ok=False, detail="admin: 401")
    )
    for check in (grf.test_it_points_at_prometheus_by_name_through_the_server, grf.test_the_datasource_works):
        assert judge(check, unseen).status is Status.UNOBSERVABLE
    for check in (
        grf.test_dashboards_provision_themselves,
        grf.test_every_panel_can_be_drawn,
        grf.test_strangers_are_not_administrators,
    ):
        assert judge(check, unseen, DEFAULT).status is Status.UNOBSERVABLE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"url": "http://prometheus:9090/"}, (Status.PASS, None)),
        ({"url": "http://Prometheus:9090"}, (Status.PASS, None)),
        ({"url": "http://pqrs-prometheus:9090"}, (Status.PASS, None)),
        ({"url": "http://prometheus.pqr-network:9090"}, (Status.PASS, None)),
        ({"url": "http://thanos:10902"}, (Status.PASS, None)),  # what stands before Prometheus, and brings its series
        ({"url": "http://thanos:10902", "up": None}, (Status.FAIL, "another_host")),
        ({"url": "http://localhost:9090"}, (Status.FAIL, "localhost")),
        ({"url": "http://127.0.0.1:9090"}, (Status.FAIL, "localhost")),
        ({"url": "http://[::1]:9090"}, (Status.FAIL, "localhost")),
        ({"url": "http://host.docker.internal:9090"}, (Status.FAIL, "another_host")),
        ({"url": "http://172.18.0.5:9090"}, (Status.FAIL, "another_host")),
        ({"url": ""}, (Status.FAIL, "another_host")),
        ({"url": "prometheus:9090"}, (Status.FAIL, "another_host")),
        ({"access": "direct"}, (Status.FAIL, "direct")),
    ],
)
def test_the_datasource_points_by_name_and_through_the_server(changes: dict[str, Any], expected: Any) -> None:
    outcome = judge(grf.test_it_points_at_prometheus_by_name_through_the_server, source(**changes))
    assert judged(outcome) == expected
    assert outcome.status is Status.PASS or "http://prometheus:9090" in outcome.es


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"health": None}, (Status.PASS, None)),
        ({"up": Drawn(ok=True)}, (Status.FAIL, "no_series")),
        ({"health": REFUSED, "up": Drawn(ok=False, detail=REFUSED.detail)}, (Status.FAIL, "refused")),
        ({"health": REFUSED, "url": "http://localhost:9090"}, (Status.FAIL, "localhost")),
        (
            {"health": Attempt(ok=False, detail="lookup prometeus on 127.0.0.11:53: no such host")},
            (Status.FAIL, "name"),
        ),
        ({"health": Attempt(ok=False, detail="context deadline exceeded")}, (Status.FAIL, "unreachable")),
        ({"health": Attempt(ok=False, detail="401 Unauthorized")}, (Status.FAIL, None)),
        ({"up": None}, (Status.FAIL, "no_series")),
    ],
)
def test_the_datasource_brings_series(changes: dict[str, Any], expected: Any) -> None:
    assert judged(judge(grf.test_the_datasource_works, source(**changes))) == expected


def test_one_of_several_datasources_of_files_suffices() -> None:
    broken = PROMETHEUS.model_copy(
        update={"uid": "b", "name": "B", "url": "http://gone:9090", "health": REFUSED, "up": None}
    )
    by_hand = PROMETHEUS.model_copy(update={"uid": "c", "name": "C", "health": REFUSED})
    files = FILES.model_copy(update={"entries": (ENTRY.model_copy(update={"name": "B"}), ENTRY)})
    several = facts(datasources=(broken, by_hand, PROMETHEUS), provisioning=files)
    assert judge(grf.test_the_datasource_works, several).status is Status.PASS
    assert judge(grf.test_it_points_at_prometheus_by_name_through_the_server, several).status is Status.PASS
    alone = facts(datasources=(broken, by_hand), provisioning=files)
    assert judge(grf.test_the_datasource_works, alone).status is Status.FAIL


def test_a_prometheus_that_is_down_is_not_the_datasources_fault() -> None:
    down = facts(
        datasources=(PROMETHEUS.model_copy(update={"health": REFUSED, "up": None}),),
        prometheus_ready=Answer(detail="connection refused"),
        queries=(query(last=Drawn(ok=False, detail="connection refused")),),
    )
    assert judge(grf.test_the_datasource_works, down).status is Status.UNOBSERVABLE
    assert judge(grf.test_every_panel_can_be_drawn, down, DEFAULT).status is Status.UNOBSERVABLE


@pytest.mark.parametrize(
    ("changes", "params", "expected"),
    [
        ({}, STRICT, (Status.FAIL, None)),
        ({"dashboards": ()}, DEFAULT, (Status.FAIL, None)),
        ({"dashboards": (BOARD.model_copy(update={"file": ""}),)}, DEFAULT, (Status.FAIL, "by_hand")),
        (
            {
                "dashboards": (),
                "log": ('msg="failed to save dashboard" error="dashboard appears to be in v2 format."',),
            },
            DEFAULT,
            (Status.FAIL, "new_schema"),
        ),
        ({"dashboards": (), "log": ('msg="stat /d: no such file or directory"',)}, DEFAULT, (Status.FAIL, "no_folder")),
        (
            {"dashboards": (), "log": ('msg="failed to load dashboard from " error="invalid character"',)},
            DEFAULT,
            (Status.FAIL, "bad_json"),
        ),
        (
            {"dashboards": (), "log": ('msg="can\'t read dashboard provisioning files from directory"',)},
            DEFAULT,
            (Status.FAIL, "no_provider"),
        ),
        ({"dashboards": (), "provisioning": NO_JSON}, DEFAULT, (Status.FAIL, "no_json")),
        ({"dashboards": (UNFILED,), "provisioning": NO_JSON}, DEFAULT, (Status.FAIL, "by_hand")),
        ({"dashboards": (), "provisioning": None}, DEFAULT, (Status.FAIL, None)),
    ],
)
def test_dashboards_come_of_files(changes: dict[str, Any], params: Parameters, expected: Any) -> None:
    assert judged(judge(grf.test_dashboards_provision_themselves, facts(**changes), params)) == expected


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"queries": (query(datasource="${DS_PROMETHEUS}", problem="there is no datasource", last=None),)}, "input"),
        ({"queries": (query(datasource="gone", problem="there is no datasource gone", last=None),)}, "datasource"),
        ({"queries": (query(last=Drawn(ok=False, detail="parse error")),)}, "query"),
        ({"dashboards": (BOARD.model_copy(update={"problem": "500"}),)}, "unreadable"),
    ],
)
def test_a_panel_that_cannot_be_drawn_is_named(changes: dict[str, Any], hint: str) -> None:
    outcome = judge(grf.test_every_panel_can_be_drawn, facts(**changes), DEFAULT)
    assert judged(outcome) == (Status.FAIL, hint)
    assert "Salud" in outcome.observed
    assert ("uid PBFA97CFB590B2093" in outcome.es) is (hint in ("input", "datasource"))


def test_data_is_asked_of_panels_only_where_the_profile_does_and_never_of_alerts() -> None:
    nothing = Drawn(ok=True)
    empty = facts(queries=(query(first=SERIES, last=nothing), query(panel="Otro", last=SERIES)))
    assert judge(grf.test_every_panel_can_be_drawn, empty, DEFAULT).status is Status.PASS
    outcome = judge(grf.test_every_panel_can_be_drawn, empty, STRICT)
    assert judged(outcome) == (Status.FAIL, "no_data")
    assert "Arriba" in outcome.observed
    assert "Otro" not in outcome.observed
    alerts = facts(queries=(query(text='ALERTS{alertstate="firing"}', last=nothing),))
    assert judge(grf.test_every_panel_can_be_drawn, alerts, STRICT).status is Status.PASS


def test_panels_that_nobody_asked_are_not_sound_and_those_asked_may_be_unsound() -> None:
    some = facts(queries=(query(last=SERIES),)).model_copy(update={"unasked": 7})
    outcome = judge(grf.test_every_panel_can_be_drawn, some, DEFAULT)
    assert outcome.status is Status.UNOBSERVABLE
    assert "7 queries" in outcome.observed
    broken = facts(queries=(query(problem="no datasource"),)).model_copy(update={"unasked": 7})
    assert judge(grf.test_every_panel_can_be_drawn, broken, DEFAULT).status is Status.FAIL


@pytest.mark.parametrize(
    ("changes", "params", "expected"),
    [
        ({"strangers": Strangers(reads=True)}, STRICT, (Status.PASS, None)),
        ({"strangers": Strangers(reads=True, wrote=("folder",))}, DEFAULT, (Status.FAIL, "anonymous")),
        ({"factory_login": True}, DEFAULT, (Status.PASS, None)),
        ({"factory_login": True}, STRICT, (Status.FAIL, "factory")),
        ({"factory_login": None}, STRICT, (Status.UNOBSERVABLE, None)),
        ({"factory_login": None}, DEFAULT, (Status.PASS, None)),
    ],
)
def test_strangers_do_not_write(changes: dict[str, Any], params: Parameters, expected: Any) -> None:
    assert judged(judge(grf.test_strangers_are_not_administrators, facts(**changes), params)) == expected


GOLD = query(panel="PQRS abiertas", type="grafana-postgresql-datasource", text="SELECT sum(x) FROM gold.kpi")
NOTHING, ONE, OTHER = Drawn(ok=True), Drawn(ok=True, rows=1, digest="1"), Drawn(ok=True, rows=1, digest="2")


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        ((GOLD.model_copy(update={"first": NOTHING, "last": ONE}),), (Status.PASS, None)),
        ((GOLD.model_copy(update={"first": Drawn(ok=False), "last": ONE}),), (Status.PASS, None)),
        ((GOLD.model_copy(update={"first": ONE, "last": OTHER}),), (Status.PASS, None)),
        ((query(text="pqrs_dataset_rows", first=NOTHING, last=ONE),), (Status.PASS, None)),
        ((GOLD.model_copy(update={"first": ONE, "last": ONE}),), (Status.FAIL, None)),
        ((GOLD.model_copy(update={"first": ONE, "last": NOTHING}),), (Status.FAIL, None)),
        ((GOLD.model_copy(update={"last": Drawn(ok=False, detail="permission denied")}),), (Status.FAIL, None)),
        ((query(first=NOTHING, last=ONE), query(first=ONE, last=OTHER)), (Status.FAIL, "nobody_looks")),
        ((), (Status.FAIL, "nobody_looks")),
    ],
)
def test_a_run_is_seen_in_rows_that_were_not_there(queries: Any, expected: Any) -> None:
    outcome = judge(e2e.test_a_run_shows_in_the_dashboard, facts(queries=queries, run_between=True))
    assert judged(outcome) == expected


@pytest.mark.parametrize("changes", [{}, {"run_between": True, "dashboards": None, "trouble": ("no API",)}])
def test_without_a_run_or_a_look_nothing_is_decided(changes: dict[str, Any]) -> None:
    assert judge(e2e.test_a_run_shows_in_the_dashboard, facts(**changes)).status is Status.UNOBSERVABLE
