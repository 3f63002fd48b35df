"""The Grafana observer on a small Grafana that answers what it is told to."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from container_stacks import running

from conformance.observe import grafana
from conformance.observe.facts import Observation, ObservationStatus, Probe
from conformance.observe.grafana_api import Frames, GrafanaApi, Window
from conformance.observe.grafana_facts import GrafanaFacts
from conformance.stacks.base import (
    Capability,
    Certainty,
    ComposeModel,
    Container,
    Endpoint,
    Finding,
    GrafanaAccess,
    Role,
    Stack,
    Unavailable,
)

Reply = tuple[int, Any]
Answers = dict[str, Reply | Callable[[Any, str], Reply]]
DATASOURCE = {
    "id": 1, "uid": "prometheus", "name": "Prometheus", "type": "prometheus", "access": "proxy", "isDefault": True,
    "url": "http://reader:hidden@prometheus:9090", "readOnly": True, "jsonData": {"httpHeaderName1": "X"},
}  # fmt: skip
BOARD = {
    "uid": "health", "title": "Salud", "panels": [{"title": "Arriba", "targets": [{"refId": "A", "expr": "up"}]}],
}  # fmt: skip
OK = {"status": "OK", "message": "Successfully queried the Prometheus API."}


def frame(*values: object, type_: str = "number") -> dict[str, Any]:
    fields = [{"name": "Time", "type": "time"}, {"name": "Value", "type": type_}]
    return {"schema": {"refId": "A", "fields": fields}, "data": {"values": [[1] * len(values), list(values)]}}


def brings(*values: object) -> Reply:
    return 200, {"results": {"A": {"status": 200, "frames": [frame(*values)]}}}


def user(_: Any, login: str) -> Reply:
    return (200, {"login": "admin"}) if login == "admin:right" else (401, {"message": "Unauthorized"})


def search(_: Any, login: str) -> Reply:
    return (200, [{"uid": "health", "title": "Salud", "folderTitle": "PQRS"}]) if login else (401, {})


SOUND: Answers = {
    "GET /api/health": (200, {"database": "ok", "version": "13.2.3", "commit": "abc"}),
    "GET /api/user": user,
    "GET /api/datasources": (200, [DATASOURCE]),
    "GET /api/datasources/uid/prometheus/health": (200, OK),
    "GET /api/search": search,
    "GET /api/dashboards/uid/health": (200, {"meta": {"provisionedExternalId": "health.json"}, "dashboard": BOARD}),
    "POST /api/ds/query": brings(1),
    "POST /api/folders": (401, {"message": "Unauthorized"}),
    "POST /api/datasources": (401, {"message": "Unauthorized"}),
}  # fmt: skip


@contextmanager
def a_grafana(answers: Answers) -> Iterator[tuple[str, list[str]]]:
    """Its address, and what it is asked: method, path and, after a space, who asks."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            payload = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            login = base64.b64decode((self.headers.get("Authorization") or " ").split(" ")[1]).decode()
            key = f"{self.command} {self.path.partition('?')[0]}"
            asked.append(f"{key} {login}".rstrip())
            found = answers.get(key, (404, {"message": "Not found"}))
            status, told = found(json.loads(payload or b"null"), login) if callable(found) else found
            content = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Deployment:
    """A stack with that Grafana and nothing else to see; ``model`` as its Compose model."""

    def __init__(self, url: str, model: ComposeModel | None = None, log: Path | None = None) -> None:
        self._url, self._model, self._log = url, model, log
        self.runs_reference = False
        self.capabilities = frozenset({Capability.ENDPOINTS} | ({Capability.COMPOSE} if model else set()))

    def grafana(self) -> GrafanaAccess:
        return GrafanaAccess(self._url, "admin", "right")

    def roles(self) -> dict[Role, tuple[str, ...]]:
        return {Role.GRAFANA: ("grafana",)}

    def endpoint(self, role: Role, port: str = "main") -> Endpoint:
        raise Unavailable(f"no {role} here")

    def compose(self) -> ComposeModel:
        assert self._model
        return self._model

    def containers(self) -> tuple[()]:
        raise Unavailable("no containers here")

    def logs(self) -> dict[str, Path]:
        return {"grafana": self._log} if self._log else {}


class Watching:
    """A probe; ``pipeline`` is what it says of that subject, and ``then`` happens when it is asked."""

    seed = 7

    def __init__(self, pipeline: Observation | None = None, then: Callable[[], None] = lambda: None) -> None:
        self._pipeline, self._then = pipeline, then

    def observation(self, subject: str) -> Observation:
        assert subject == "pipeline"
        assert self._pipeline
        self._then()
        return self._pipeline

    def progress(self, message: str) -> None:
        assert message


def collect(deployment: Deployment, probe: Watching | None = None) -> GrafanaFacts:
    return grafana.collect(cast(Stack, deployment), cast(Probe, probe or Watching()))


def facts(changes: Answers | None = None) -> GrafanaFacts:
    """Of a sound Grafana, changed."""
    with a_grafana(SOUND | (changes or {})) as (url, _):
        return collect(Deployment(url))


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for patience in ("SCRAPED_S", "PROVISIONED_S", "SETTLED_S"):
        monkeypatch.setattr(grafana, patience, 0.0)


def test_what_a_sound_grafana_shows() -> None:
    seen = facts()
    assert (seen.health.status, seen.database, seen.version) == (200, "ok", "13.2.3")
    assert seen.login is not None
    assert seen.login.ok
    assert seen.datasources is not None
    (datasource,) = seen.datasources
    assert datasource.url == "http://prometheus:9090"
    assert (datasource.read_only, datasource.is_default) == (True, True)
    assert datasource.health is not None
    assert datasource.health.ok
    assert datasource.up is not None
    assert datasource.up.rows == 1
    assert seen.dashboards is not None
    assert [(one.title, one.folder, one.file, one.panels) for one in seen.dashboards] == [
        ("Salud", "PQRS", "health.json", 1)
    ]
    (query,) = seen.queries
    assert (query.dashboard, query.panel, query.text, query.problem) == ("Salud", "Arriba", "up", "")
    assert query.first == query.last
    assert query.last is not None
    assert (query.last.ok, query.last.rows) == (True, 1)
    assert seen.strangers is not None
    assert (seen.strangers.reads, seen.strangers.wrote, seen.factory_login) == (False, (), False)
    assert not seen.run_between
    assert "hidden" not in seen.model_dump_json()


class Restarting(Deployment):
    """Its Grafana has ended and was started again, as the engine tells."""

    def __init__(self, url: str, container: Container, started: datetime, log: Path) -> None:
        super().__init__(url, log=log)
        self._container, self._started = container, started

    def containers(self) -> tuple[Container, ...]:  # type: ignore[override]
        return (self._container,)

    def inspect(self, container: str) -> Mapping[str, Any]:
        return {"State": {"StartedAt": self._started.strftime("%Y-%m-%dT%H:%M:%S.123456789Z")}}


@pytest.mark.parametrize(
    ("changes", "minutes", "stays"),
    [
        ({}, -1, True),
        ({"restarts": 2}, -1, True),  # before anybody looked: what it needs was not there yet
        ({"restarts": 2}, 1, False),
        ({"state": "restarting", "exit_code": 1, "restarts": 1}, -1, False),
    ],
)
def test_one_that_ends_while_it_is_looked_at_is_not_healthy(
    changes: dict[str, Any], minutes: int, stays: bool, tmp_path: Path
) -> None:
    log = tmp_path / "grafana.log"
    log.write_text("Error: only one datasource per organization can be marked as default\n", encoding="utf-8")
    started = datetime.now(UTC) + timedelta(minutes=minutes)
    with a_grafana(SOUND) as (url, _):
        seen = collect(Restarting(url, running("grafana", **changes), started, log))
    assert seen.health.ok is stays
    assert stays or "only one datasource" in seen.log[-1]
    assert (seen.datasources is None) is not stays


def test_every_password_is_tried_once() -> None:
    with a_grafana(SOUND) as (url, asked):
        collect(Deployment(url))
        assert [one for one in asked if one.startswith("GET /api/user")] == [
            "GET /api/user admin:right",
            "GET /api/user admin:admin",
        ]
        assert not [one for one in asked if one.endswith("admin:admin") and "user" not in one]


def test_a_grafana_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "grafana.log"
    error = "Error: ✗ Datasource provisioning error: yaml: line 3: did not find expected key"
    log.write_text(f"level=info msg=Starting\n{error}\n", encoding="utf-8")
    seen = collect(Deployment("http://127.0.0.1:1", log=log))
    assert (seen.health.status, seen.log, seen.datasources) == (None, (error,), None)


def test_provisioning_that_failed_is_told_though_grafana_is_healthy(tmp_path: Path) -> None:
    log = tmp_path / "grafana.log"
    failed = 'logger=provisioning.dashboard level=error msg="failed to load dashboard from " file=/d/a.json'
    other = 'logger=provisioning.plugins level=error msg="failed to read"'
    log.write_text(f"{other}\n{failed}\nlogger=provisioning.dashboard level=info msg=done\n", encoding="utf-8")
    with a_grafana(SOUND) as (url, _):
        assert collect(Deployment(url, log=log)).log == (failed,)


def test_who_is_not_let_in_sees_nothing_and_is_no_error() -> None:
    seen = facts({"GET /api/user": (401, {"message": "Invalid username or password"})})
    assert seen.login is not None
    assert not seen.login.ok
    assert "Invalid username" in seen.login.detail
    assert (seen.datasources, seen.dashboards, seen.factory_login) == (None, None, False)


def test_the_factorys_password_serves_where_the_configured_one_does_not() -> None:
    seen = facts({"GET /api/user": lambda _, login: (200, {}) if login == "admin:admin" else (401, {})})
    assert seen.login is not None
    assert not seen.login.ok
    assert seen.datasources
    assert seen.factory_login


@pytest.mark.parametrize("nonsense", [(200, b"<html>"), (200, {"a": 1}), (200, [7, None, {}]), (500, {}), (200, b"")])
@pytest.mark.parametrize("key", [key for key in SOUND if key != "GET /api/user"])
def test_nonsense_in_any_place_is_survived(key: str, nonsense: Reply) -> None:
    facts({key: nonsense})


def test_a_kind_without_health_check_is_not_unhealthy() -> None:
    seen = facts({"GET /api/datasources/uid/prometheus/health": (404, {"message": "Plugin not found"})})
    assert seen.datasources is not None
    assert seen.datasources[0].health is None


def test_a_sick_datasource_says_why() -> None:
    why = 'Post "http://localhost:9090/api/v1/query": dial tcp 127.0.0.1:9090: connect: connection refused'
    seen = facts({
        "GET /api/datasources/uid/prometheus/health": (400, {"status": "ERROR", "message": why}),
        "POST /api/ds/query": (400, {"results": {"A": {"status": 502, "error": why, "frames": []}}}),
    })  # fmt: skip
    assert seen.datasources is not None
    health, up = seen.datasources[0].health, seen.datasources[0].up
    assert health is not None
    assert up is not None
    assert (health.ok, health.detail) == (False, why)
    assert (up.ok, up.detail) == (False, why)
    assert [(one.last.ok, one.last.detail) for one in seen.queries if one.last] == [(False, why)]


def test_up_comes_by_the_proxy_where_the_query_api_has_no_answer() -> None:
    seen = facts({
        "POST /api/ds/query": (404, {"message": "Not found"}),
        "GET /api/datasources/proxy/uid/prometheus/api/v1/query":
            (200, {"status": "success", "data": {"resultType": "vector", "result": [{}, {}]}}),
    })  # fmt: skip
    assert seen.datasources is not None
    assert seen.datasources[0].up is not None
    assert (seen.datasources[0].up.ok, seen.datasources[0].up.rows) == (True, 2)


def test_up_is_waited_for_until_it_has_been_scraped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grafana, "SCRAPED_S", 20.0)
    answers = iter([brings(1), brings(), brings(1)])  # the panel, and then ``up``
    seen = facts({"POST /api/ds/query": lambda *_: next(answers, brings(1))})
    assert seen.datasources is not None
    assert seen.datasources[0].up is not None
    assert seen.datasources[0].up.rows == 1


def test_dashboards_are_waited_for_until_grafana_has_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grafana, "PROVISIONED_S", 20.0)
    lists = iter([[], [], [{"uid": "health", "title": "Salud"}]])
    seen = facts({"GET /api/search": lambda *_: (200, next(lists, []))})
    assert seen.dashboards is not None
    assert [one.title for one in seen.dashboards] == ["Salud"]


def test_a_dashboard_that_cannot_be_read_is_told() -> None:
    seen = facts({"GET /api/dashboards/uid/health": (500, {"message": "dashboard data is invalid"})})
    assert seen.dashboards is not None
    assert "dashboard data is invalid" in seen.dashboards[0].problem
    assert seen.queries == ()


def test_what_strangers_make_is_removed_again() -> None:
    made: set[str] = set()

    def make(told: Any, login: str) -> Reply:
        assert not login
        made.add(str(told["uid"]))
        return 200, {"uid": told["uid"]}

    class Removing(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            uid = key.rpartition("/")[2]
            return (made.discard(uid), (200, {}))[1] if key.startswith("DELETE") else super().get(key, default)

    with a_grafana(Removing(SOUND | {"POST /api/folders": make, "POST /api/datasources": make})) as (url, asked):
        seen = collect(Deployment(url)).strangers
    assert seen is not None
    assert (seen.wrote, seen.left_behind, made) == (("folder", "datasource"), (), set())
    assert all(one.endswith("admin:right") for one in asked if one.startswith("DELETE"))


def test_what_cannot_be_removed_is_told() -> None:
    seen = facts({"POST /api/folders": (200, {})}).strangers
    assert seen is not None
    assert seen.wrote == ("folder",)
    assert seen.left_behind[0].startswith("folder conformance-")


def test_no_more_than_so_many_queries_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.observe.grafana_drawing.MAX_QUERIES", 3)
    board = {**BOARD, "panels": BOARD["panels"] * 5}  # type: ignore[operator]
    seen = facts({"GET /api/dashboards/uid/health": (200, {"meta": {}, "dashboard": board})})
    assert (len(seen.queries), seen.unasked) == (3, 2)


def test_queries_that_no_time_was_left_for_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.observe.grafana_drawing.ASKING_S", -1.0)
    seen = facts(SOUND)
    assert (len(seen.queries), seen.unasked) == (1, 1)


RAN = {"own_stores": True, "execution": {"run": {"ok": True}}}


@pytest.mark.parametrize(
    ("pipeline", "ran"),
    [
        ({"fresh": RAN}, True),
        ({"fresh": {**RAN, "own_stores": False}}, False),
        ({"fresh": {**RAN, "execution": {"run": {"ok": False}}}}, False),
        ({"fresh": None}, False),
        (None, False),
    ],
)
def test_panels_are_drawn_before_and_after_the_pipeline(pipeline: dict[str, Any] | None, ran: bool) -> None:
    rows: list[object] = []
    with a_grafana(SOUND | {"POST /api/ds/query": lambda *_: brings(*rows)}) as (url, _):
        deployment = Deployment(url)
        deployment.runs_reference = True
        status = ObservationStatus.OBSERVED if pipeline is not None else ObservationStatus.ERROR
        observation = Observation(subject="pipeline", status=status, facts=pipeline)
        seen = collect(deployment, Watching(observation, then=lambda: rows.append(1)))
    assert seen.run_between is ran
    (query,) = seen.queries
    assert query.first is not None
    assert query.last is not None
    assert (query.first.rows, query.last.rows) == (0, 1)


def test_databases_are_asked_about_the_days_of_the_pipeline() -> None:
    begins: dict[str, int] = {}
    gold = {**DATASOURCE, "uid": "gold", "name": "Gold", "type": "grafana-postgresql-datasource", "isDefault": False}
    sql = {"title": "SQL", "datasource": {"uid": "gold"}, "targets": [{"refId": "A", "rawSql": "SELECT 1"}]}
    board = {**BOARD, "panels": [*cast(list[Any], BOARD["panels"]), sql]}

    def note(told: Any, _: str) -> Reply:
        begins.setdefault(told["queries"][0].get("rawSql") or told["queries"][0]["expr"], int(told["from"]))
        return brings(1)

    with a_grafana(SOUND | {
        "GET /api/datasources": (200, [DATASOURCE, gold]),
        "GET /api/dashboards/uid/health": (200, {"meta": {}, "dashboard": board}),
        "POST /api/ds/query": note,
    }) as (url, _):  # fmt: skip
        deployment = Deployment(url)
        deployment.runs_reference = True
        unseen = Observation(subject="pipeline", status=ObservationStatus.ERROR)
        collect(deployment, Watching(unseen))
    assert begins["SELECT 1"] < 1_765_170_000_000 < begins["up"]  # 8 December 2025


def test_names_of_services_are_those_of_the_authors_model() -> None:
    services = {
        "prom": {
            "container_name": "pqrs-prometheus",
            "hostname": "metrics",
            "networks": {"a": {"aliases": ["prometheus"]}, "b": None},
        },
        "graf": {"links": ["prom:p8s", "web"], "networks": {"a": None}},
        "web": {},
    }
    findings = (
        Finding("prom", Role.PROMETHEUS, Certainty.SURE, ""),
        Finding("graf", Role.GRAFANA, Certainty.SURE, ""),
    )
    with a_grafana(SOUND) as (url, _):
        seen = collect(Deployment(url, ComposeModel(resolved={"services": services}, findings=findings)))
    assert seen.prometheus_names[0] == "prom"
    assert set(seen.prometheus_names) == {"prom", "pqrs-prometheus", "metrics", "prometheus", "p8s"}
    assert {*seen.prometheus_names, "graf", "web"} == set(seen.service_names)


def test_a_snapshot_names_what_is_there_and_does_not_try_strangers() -> None:
    with a_grafana(SOUND) as (url, asked):
        taken = grafana.snapshot(GrafanaAccess(url, "admin", "right"))
        assert not [one for one in asked if one.endswith("admin:admin") or one.startswith("POST")]
    assert taken.problem == ""
    assert [(one.name, one.type, one.url) for one in taken.datasources] == [
        ("Prometheus", "prometheus", "http://prometheus:9090")
    ]
    assert [(one.uid, one.title) for one in taken.dashboards] == [("health", "Salud")]


def test_a_snapshot_that_cannot_be_taken_says_why() -> None:
    assert "refused" in grafana.snapshot(GrafanaAccess("http://127.0.0.1:1", "admin", "right")).problem
    with a_grafana(SOUND | {"GET /api/datasources": (500, {})}) as (url, _):
        assert "does not list" in grafana.snapshot(GrafanaAccess(url, "admin", "right")).problem


@pytest.mark.parametrize(
    ("frames", "rows"),
    [
        ((), 0),
        (({},), 0),
        ((frame(),), 0),
        ((frame(None, None),), 0),
        ((frame(None, 0),), 1),
        ((frame(1, 2), frame(3)), 3),
        (({"schema": {"fields": [{"name": "t", "type": "time"}]}, "data": {"values": [[1, 2]]}},), 2),
        (({"schema": {"fields": "x"}, "data": {"values": [[1]]}}, {"schema": 1, "data": 2}), 0),
    ],
)
def test_rows_are_those_with_a_value(frames: tuple[Any, ...], rows: int) -> None:
    assert Frames(frames).drawn.rows == rows


def test_answers_are_told_apart_by_their_values() -> None:
    assert Frames((frame(1),)).drawn.digest == Frames((frame(1),)).drawn.digest != Frames((frame(2),)).drawn.digest


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ((404, {"message": "Data source not found"}), "Data source not found"),
        ((502, b"<html>bad gateway</html>"), "HTTP 502 <html>bad gateway</html>"),
        ((200, {"results": {}}), "no result"),
        ((400, {"results": {"A": {"error": "parse error", "status": 400}}}), "parse error"),
    ],
)
def test_errors_of_queries_are_told(reply: Reply, error: str) -> None:
    with a_grafana({"POST /api/ds/query": reply}) as (url, _):
        answers = GrafanaApi(url, None).query([{"refId": "A", "datasource": {"uid": "x"}}], Window.of_last(minutes=1))
    assert answers["A"].error == error
