"""The API of the Grafana stand-in: what it answers to whom, and how its errors look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from grafana_stand_in_running import ADMIN, Client, serving, write
from prometheus_client.parser import text_string_to_metric_families

from grafana_stand_in.queries.frames import Field  # isort: skip - on the path since the line above

HOSTILE = '<script>alert("x")</script>'
BOARDS = {
    "health.json": {
        "title": "Salud", "uid": "pqrs-health", "tags": ["pqrs"],
        "panels": [
            {"id": 1, "type": "stat", "title": HOSTILE, "targets": [{"expr": "sum(up) < 5"}]},
            {"type": "row", "panels": [{"type": "table", "title": "Inner", "targets": [{"rawSql": "SELECT 1"}, 5]}]},
            "no panel",
        ],
    },
    "free.json": {"title": "Libre", "uid": "pqrs-free", "tags": ["pqrs", "libre"], "panels": {"no": "list"}},
}  # fmt: skip


class Prometheus(BaseHTTPRequestHandler):
    """As much of one as the tests need; ``asked`` are the forms and queries it got."""

    asked: ClassVar[list[tuple[str, str, dict[str, str], str | None]]]
    url: ClassVar[str]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self._answer("GET", url.path, url.query)

    def do_POST(self) -> None:
        self._answer("POST", self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, method: str, path: str, form: str) -> None:
        asked = {key: values[0] for key, values in parse_qs(form).items()}
        self.asked.append((method, path, asked, self.headers["Authorization"]))
        status, body = self._result(path, asked.get("query", ""))
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _result(self, path: str, expr: str) -> tuple[int, Any]:
        if expr == "(":
            return 400, {"status": "error", "errorType": "bad_data", "error": "parse error"}
        if expr == "gibberish":
            return 200, b"<html>"
        data: dict[str, Any] = {"resultType": "vector", "result": []}
        if path == "/api/v1/query_range":
            points = [[60, "1"], [75, "NaN"], [90, "+Inf"]]
            data = {"resultType": "matrix", "result": [{"metric": {"job": "a"}, "values": points}]}
        elif expr == "1+1":
            data = {"resultType": "scalar", "result": [4, "2"]}
        elif expr == "up":
            labels = {"__name__": "up", "job": "a"}
            data["result"] = [{"metric": {**labels, "instance": str(n)}, "value": [1.5, str(n)]} for n in (0, 1)]
        return 200, {"status": "success", "data": data}

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


@pytest.fixture(scope="module")
def prometheus() -> Iterator[type[Prometheus]]:
    Prometheus.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Prometheus) as server:
        Prometheus.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Prometheus
        server.shutdown()
        thread.join()


def files(home: Path, url: str) -> None:
    boards = home / "boards"
    write(
        home,
        {
            "provisioning/datasources/d.yml": f"""
apiVersion: 1
datasources:
  - {{name: Prometheus, uid: prometheus, type: prometheus, url: "{url}", isDefault: true}}
  - {{name: Locked, uid: locked, type: prometheus, url: "{url}", basicAuth: true, basicAuthUser: u,
     secureJsonData: {{basicAuthPassword: p}}, jsonData: {{httpMethod: GET}}}}
  - {{name: Gold, uid: gold, type: postgres, url: "127.0.0.1:1", user: reader,
     jsonData: {{database: pqrs, sslmode: disable}}, secureJsonData: {{password: hidden-word}}}}
  - {{name: Down, uid: down, type: prometheus, url: "http://127.0.0.1:1"}}
  - {{name: Loki, uid: loki, type: loki, url: "http://127.0.0.1:1", access: direct, editable: true}}
""",
            "provisioning/dashboards/p.yml": f"""
apiVersion: 1
providers:
  - {{name: fixed, folder: PQRS, options: {{path: "{boards / "fixed"}"}}}}
  - {{name: free, allowUiUpdates: true, options: {{path: "{boards / "free"}"}}}}
""",
            "boards/fixed/sub/health.json": json.dumps(BOARDS["health.json"]),
            "boards/free/free.json": json.dumps(BOARDS["free.json"]),
        },
    )


@pytest.fixture(scope="module")
def grafana(tmp_path_factory: pytest.TempPathFactory, prometheus: type[Prometheus]) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("grafana")
    files(home, prometheus.url)
    with serving(home) as client:
        yield client


@pytest.fixture
def fresh(tmp_path: Path, prometheus: type[Prometheus]) -> Iterator[Client]:
    """One that a test may change."""
    files(tmp_path, prometheus.url)
    with serving(tmp_path) as client:
        yield client


class TestItself:
    def test_health_is_open_and_says_what_it_is(self, grafana: Client) -> None:
        reply = grafana.call("GET", "/api/health", auth=None)
        assert reply.json() == {"database": "ok", "version": "13.2.3", "commit": "stand-in"}
        assert grafana.call("GET", "/healthz", auth=None).text == "Ok"

    @pytest.mark.parametrize("path", ["/api/health", "/api/datasources", "/metrics", "/nowhere", "/login", "/"])
    def test_every_answer_is_labelled(self, grafana: Client, path: str) -> None:
        for auth in (ADMIN, None, ("admin", "x")):
            reply = grafana.call("GET", path, auth=auth, allow_redirects=False)
            assert reply.headers["X-Stand-In"] == "Grafana"

    def test_metrics_are_open(self, grafana: Client) -> None:
        text = grafana.call("GET", "/metrics", auth=None).text
        samples = {(one.name, one.labels.get("plugin_id", "")): one
                   for family in text_string_to_metric_families(text) for one in family.samples}  # fmt: skip
        assert samples["grafana_build_info", ""].labels["version"] == "13.2.3"
        assert samples["grafana_stat_totals_dashboard", ""].value == 2
        assert samples["grafana_stat_totals_datasource", "prometheus"].value == 3

    def test_organisation_user_and_settings(self, grafana: Client) -> None:
        assert grafana.get("/api/org")["name"] == "Main Org."
        user = grafana.get("/api/user")
        assert (user["login"], user["isGrafanaAdmin"]) == ("admin", True)
        settings = grafana.get("/api/frontend/settings")
        assert settings["buildInfo"]["version"] == "13.2.3"
        assert settings["defaultDatasource"] == "Prometheus"
        assert grafana.get("/api/admin/stats")["dashboards"] == 2

    @pytest.mark.parametrize("path", ["/api/datasources/1", "/api/datasources/proxy/1/api/v1/query", "/api/nothing"])
    def test_what_is_not_there(self, grafana: Client, path: str) -> None:
        reply = grafana.call("GET", path)
        assert (reply.status_code, reply.json()) == (404, {"message": "Not found"})


class TestAccess:
    WRITES = (
        ("POST", "/api/datasources", "datasources:create"),
        ("DELETE", "/api/datasources/uid/prometheus", "datasources:delete"),
        ("POST", "/api/dashboards/db", "dashboards:write"),
        ("POST", "/api/folders", "folders:create"),
        ("GET", "/api/admin/stats", "server:stats:read"),
    )

    def test_nobody_may_see_nothing(self, grafana: Client) -> None:
        for path in ("/api/datasources", "/api/search", "/api/user", "/api/org"):
            reply = grafana.call("GET", path, auth=None)
            assert reply.status_code == 401
            body = {
                "extra": None,
                "message": "Unauthorized",
                "messageId": "auth.unauthorized",
                "statusCode": 401,
                "traceID": "",
            }
            assert reply.json() == body

    @pytest.mark.parametrize(
        ("header", "message_id"),
        [
            ("Basic YWRtaW46eA==", "password-auth.failed"),  # admin:x
            ("Basic bm9ib2R5Og==", "password-auth.failed"),  # nobody:
            ("Basic !", "basic-auth.invalid-header"),
            ("Bearer glsa_x", "api-key.invalid"),
        ],
    )
    def test_wrong_credentials_are_not_none(self, tmp_path: Path, header: str, message_id: str) -> None:
        with serving(tmp_path, GF_AUTH_ANONYMOUS_ENABLED="true") as client:
            reply = client.call("GET", "/api/search", auth=None, headers={"Authorization": header})
            assert (reply.status_code, reply.json()["messageId"]) == (401, message_id)

    def test_a_viewer_reads_and_writes_nothing(self, tmp_path: Path, prometheus: type[Prometheus]) -> None:
        files(tmp_path, prometheus.url)
        with serving(tmp_path, GF_AUTH_ANONYMOUS_ENABLED="true") as client:
            client.auth = None
            assert len(client.get("/api/datasources")) == 5
            assert client.get("/api/dashboards/uid/pqrs-health")["meta"]["canSave"] is False
            assert client.call("GET", "/api/datasources/uid/prometheus/health").json()["status"] == "OK"
            assert client.call("GET", "/api/user").status_code == 401
            for method, path, permission in self.WRITES:
                reply = client.call(method, path, json={})
                assert reply.status_code == 403
                body = reply.json()
                assert body["title"] == "Access denied"
                assert body["message"].endswith(f"Permissions needed: {permission}")
                assert body["accessErrorId"].startswith("ACE")

    def test_an_anonymous_editor_writes_dashboards_and_no_datasources(self, tmp_path: Path) -> None:
        with serving(tmp_path, GF_AUTH_ANONYMOUS_ENABLED="true", GF_AUTH_ANONYMOUS_ORG_ROLE="Editor") as client:
            client.auth = None
            assert client.call("POST", "/api/folders", json={"title": "F", "uid": "f"}).status_code == 200
            assert client.call("DELETE", "/api/folders/f").status_code == 200
            assert client.call("POST", "/api/datasources", json={"name": "x", "type": "x"}).status_code == 403

    def test_five_wrong_passwords_lock_even_the_right_one_out(self, tmp_path: Path) -> None:
        with serving(tmp_path) as client:
            for _ in range(5):
                assert client.call("GET", "/api/org", auth=("admin", "x")).status_code == 401
            assert client.call("GET", "/api/org").status_code == 401

    def test_unless_that_is_switched_off(self, tmp_path: Path) -> None:
        with serving(tmp_path, GF_SECURITY_DISABLE_BRUTE_FORCE_LOGIN_PROTECTION="true") as client:
            for _ in range(6):
                client.call("GET", "/api/org", auth=("admin", "x"))
            assert client.call("GET", "/api/org").status_code == 200


class TestDatasources:
    def test_are_listed_by_name(self, grafana: Client) -> None:
        listed = grafana.get("/api/datasources")
        assert [one["name"] for one in listed] == ["Down", "Gold", "Locked", "Loki", "Prometheus"]
        gold, loki = listed[1], listed[3]
        assert (gold["type"], gold["typeName"], gold["readOnly"]) == (
            "grafana-postgresql-datasource",
            "PostgreSQL",
            True,
        )
        assert (loki["access"], loki["readOnly"], loki["isDefault"]) == ("direct", False, False)

    def test_secrets_are_named_and_never_shown(self, grafana: Client) -> None:
        gold = grafana.get("/api/datasources/uid/gold")
        assert gold["secureJsonFields"] == {"password": True}
        assert gold["jsonData"] == {"database": "pqrs", "sslmode": "disable"}
        for path in ("/api/datasources", "/api/datasources/uid/gold", "/api/frontend/settings", "/"):
            assert "hidden-word" not in grafana.call("GET", path).text

    def test_by_name_and_absent_ones(self, grafana: Client) -> None:
        assert grafana.get("/api/datasources/name/Gold")["uid"] == "gold"
        for path in (
            "/api/datasources/uid/nothing",
            "/api/datasources/name/nothing",
            "/api/datasources/uid/nothing/health",
        ):
            reply = grafana.call("GET", path)
            assert (reply.status_code, reply.json()) == (404, {"message": "Data source not found"})

    def test_health_of_a_prometheus(self, grafana: Client, prometheus: type[Prometheus]) -> None:
        reply = grafana.call("GET", "/api/datasources/uid/prometheus/health")
        assert (reply.status_code, reply.json()["status"]) == (200, "OK")
        assert reply.json()["message"] == "Successfully queried the Prometheus API."
        assert prometheus.asked[-1][:2] == ("POST", "/api/v1/query")

    @pytest.mark.parametrize(
        ("uid", "words"),
        [
            (
                "down",
                'Post "http://127.0.0.1:1/api/v1/query": dial tcp: connect: connection refused - There was an error',
            ),
            ("gold", "Network error: Failed to connect to the server. Error message: connection refused"),
        ],
    )
    def test_health_of_one_that_does_not_answer(self, grafana: Client, uid: str, words: str) -> None:
        reply = grafana.call("GET", f"/api/datasources/uid/{uid}/health")
        assert (reply.status_code, reply.json()["status"]) == (400, "ERROR")
        assert reply.json()["message"].startswith(words)

    def test_a_kind_that_the_stand_in_lacks_is_its_own_fault(self, grafana: Client) -> None:
        reply = grafana.call("GET", "/api/datasources/uid/loki/health")
        assert (reply.status_code, reply.json()) == (
            501, {"message": "the kit's stand-in for Grafana has no datasources of type loki"},
        )  # fmt: skip

    def test_those_from_files_cannot_be_changed(self, grafana: Client) -> None:
        change = {"name": "Prometheus", "type": "prometheus", "url": "http://other"}
        for method, verb in (("PUT", "update"), ("DELETE", "delete")):
            reply = grafana.call(method, "/api/datasources/uid/prometheus", json=change)
            assert (reply.status_code, reply.json()) == (403, {"message": f"Cannot {verb} read-only data source"})

    def test_made_changed_and_deleted_by_hand(self, fresh: Client) -> None:
        body = {"name": "Mine", "uid": "mine", "type": "prometheus", "url": "http://a", "secureJsonData": {"k": "v"}}
        made = fresh.call("POST", "/api/datasources", json=body).json()
        assert (made["message"], made["name"], made["datasource"]["readOnly"]) == ("Datasource added", "Mine", False)
        changed = fresh.call(
            "PUT", "/api/datasources/uid/mine", json={**body, "url": "http://b", "secureJsonData": None}
        )
        assert changed.json()["datasource"]["url"] == "http://b"
        assert changed.json()["datasource"]["secureJsonFields"] == {"k": True}  # a secret that is not sent stays
        renamed = fresh.call("PUT", "/api/datasources/uid/mine", json={**body, "name": "Gold"})
        assert (renamed.status_code, renamed.json()["message"]) == (
            409, "Failed to update datasource: data source with the same name already exists",
        )  # fmt: skip
        assert fresh.call("PUT", "/api/datasources/uid/mine", json={**body, "uid": "other"}).status_code == 404
        assert fresh.call("DELETE", "/api/datasources/uid/mine").json()["message"] == "Data source deleted"
        assert fresh.call("GET", "/api/datasources/uid/mine").status_code == 404

    def test_an_editable_one_from_a_file_can_be_changed(self, fresh: Client) -> None:
        assert fresh.call("PUT", "/api/datasources/uid/loki", json={"name": "Loki", "type": "loki"}).status_code == 200

    @pytest.mark.parametrize(
        ("body", "status", "words"),
        [
            ({"name": "Gold", "type": "prometheus"}, 409, "data source with the same name already exists"),
            ({"name": "New", "uid": "gold", "type": "prometheus"}, 409, "data source with the same uid already exists"),
            ({"name": "New", "uid": "a b", "type": "prometheus"}, 400, "invalid UID"),
            ({"name": "New"}, 400, "bad request data"),
            ({"name": 5, "type": "prometheus"}, 400, "bad request data"),
            ([], 400, "bad request data"),
        ],
    )
    def test_that_cannot_be_added(self, grafana: Client, body: object, status: int, words: str) -> None:
        reply = grafana.call("POST", "/api/datasources", json=body)
        assert (reply.status_code, words in reply.json()["message"]) == (status, True)

    def test_a_body_that_is_no_json_or_too_long(self, grafana: Client) -> None:
        for data in (b"{", b"\xff", b"[" * 100_000, b" " * (11 * 2**20)):
            reply = grafana.call("POST", "/api/datasources", data=data)
            assert (reply.status_code, reply.json()) == (400, {"message": "bad request data"})


class TestProxy:
    def test_passes_on_what_prometheus_says(self, grafana: Client, prometheus: type[Prometheus]) -> None:
        reply = grafana.call("GET", "/api/datasources/proxy/uid/prometheus/api/v1/query", params={"query": "up"})
        assert len(reply.json()["data"]["result"]) == 2
        assert prometheus.asked[-1] == ("GET", "/api/v1/query", {"query": "up"}, None)
        bad = grafana.call("GET", "/api/datasources/proxy/uid/prometheus/api/v1/query", params={"query": "("})
        assert (bad.status_code, bad.json()["errorType"]) == (400, "bad_data")

    def test_with_the_datasources_credentials_and_not_the_callers(
        self, grafana: Client, prometheus: type[Prometheus]
    ) -> None:
        grafana.call("POST", "/api/datasources/proxy/uid/locked/api/v1/query", data={"query": "up"})
        assert prometheus.asked[-1] == (
            "POST",
            "/api/v1/query",
            {"query": "up"},
            requests.auth._basic_auth_str("u", "p"),
        )

    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", "api/v1/admin/tsdb/snapshot"), ("DELETE", "api/v1/series"), ("PUT", "api/v1/query")],
    )
    def test_writes_nothing(self, grafana: Client, method: str, path: str) -> None:
        reply = grafana.call(method, f"/api/datasources/proxy/uid/prometheus/{path}", data={})
        message = f"non allow-listed {method}s not allowed on proxied Prometheus datasource"
        assert (reply.status_code, reply.json()) == (403, {"message": message})

    def test_one_that_is_down_is_a_bad_gateway(self, grafana: Client) -> None:
        assert grafana.call("GET", "/api/datasources/proxy/uid/down/api/v1/query").status_code == 502
        assert grafana.call("GET", "/api/datasources/proxy/uid/gold/x").status_code == 400


class TestQueries:
    def ask(self, grafana: Client, uid: str = "prometheus", **query: Any) -> tuple[int, dict[str, Any]]:
        reply = grafana.query({"refId": "A", "datasource": {"uid": uid}, **query}, start="60000", end="120000")
        return reply.status_code, reply.json()["results"]["A"]

    def test_instant(self, grafana: Client, prometheus: type[Prometheus]) -> None:
        status, answer = self.ask(grafana, expr="up", instant=True, legendFormat="{{job}}/{{instance}}")
        assert (status, answer["status"], len(answer["frames"])) == (200, 200, 2)
        time, value = answer["frames"][1]["schema"]["fields"]
        assert (time["name"], time["type"]) == ("Time", "time")
        assert (value["name"], value["type"], value["typeInfo"]) == ("up", "number", {"frame": "float64"})
        assert value["labels"] == {"__name__": "up", "job": "a", "instance": "1"}
        assert value["config"] == {"displayNameFromDS": "a/1"}
        assert answer["frames"][1]["data"]["values"] == [[1500], [1.0]]
        assert answer["frames"][0]["schema"]["meta"]["custom"] == {"resultType": "vector"}
        assert prometheus.asked[-1][2] == {"query": "up", "time": "120.000"}

    def test_range_is_what_is_asked_when_nothing_is_said(self, grafana: Client, prometheus: type[Prometheus]) -> None:
        _, answer = self.ask(grafana, expr="rate(x[$__rate_interval])", intervalMs=15000, maxDataPoints=4)
        (frame,) = answer["frames"]
        assert frame["data"] == {
            "values": [[60_000, 75_000, 90_000], [1.0, None, None]],
            "entities": [None, {"NaN": [1], "Inf": [2]}],
        }
        asked = prometheus.asked[-1]
        assert asked[1:3] == (
            "/api/v1/query_range",
            {"query": "rate(x[1m0s])", "start": "60.000", "end": "120.000", "step": "15"},
        )
        assert frame["schema"]["meta"]["executedQueryString"] == "Expr: rate(x[1m0s])\nStep: 15s"
        assert frame["schema"]["fields"][0]["config"] == {"interval": 15000}

    @pytest.mark.parametrize(
        ("query", "sent"),
        [
            ({"expr": "a[$__interval]", "intervalMs": 60000}, "a[1m]"),
            ({"expr": "a[${__range}]"}, "a[60s]"),
            ({"expr": "$__range_ms $__range_s"}, "60000 60"),
            ({"expr": "a[$__rate_interval]", "interval": "1m"}, "a[4m0s]"),
        ],
    )
    def test_variables(self, grafana: Client, prometheus: type[Prometheus], query: dict[str, Any], sent: str) -> None:
        self.ask(grafana, instant=True, **query)
        assert prometheus.asked[-1][2]["query"] == sent

    def test_both_at_once(self, grafana: Client) -> None:
        assert len(self.ask(grafana, expr="up", instant=True, range=True)[1]["frames"]) == 3

    def test_nothing_found_is_one_empty_frame(self, grafana: Client) -> None:
        status, answer = self.ask(grafana, expr="absent", instant=True)
        (frame,) = answer["frames"]
        assert (status, frame["schema"]["fields"], frame["data"]) == (200, [], {"values": []})

    def test_a_scalar(self, grafana: Client) -> None:
        (frame,) = self.ask(grafana, expr="1+1", instant=True)[1]["frames"]
        assert (frame["schema"]["fields"][1]["name"], frame["data"]["values"]) == ("Value", [[4000], [2.0]])

    @pytest.mark.parametrize(
        ("uid", "query", "status", "words"),
        [
            ("prometheus", {"expr": "(", "instant": True}, 400, "bad_data: parse error"),
            ("prometheus", {"expr": "gibberish", "instant": True}, 502, "unexpected answer of Prometheus"),
            ("prometheus", {"expr": "up", "interval": "often"}, 400, "invalid interval 'often'"),
            ("down", {"expr": "up"}, 502, "connection refused"),
            (
                "gold",
                {"rawSql": "SELECT $__nonsense(x)", "format": "table"},
                400,
                'interpolation failed: unknown macro "__nonsense"',
            ),
            ("gold", {"rawSql": "SELECT 1", "format": "table"}, 500, "db query error: "),
            ("loki", {"expr": "x"}, 501, "no datasources of type loki"),
        ],
    )
    def test_errors_are_the_querys_own(
        self, grafana: Client, uid: str, query: dict[str, Any], status: int, words: str
    ) -> None:
        http, answer = self.ask(grafana, uid, **query)
        assert (http, answer["status"], words in answer["error"]) == (400, status, True), answer

    def test_one_that_fails_leaves_the_others_theirs(self, grafana: Client) -> None:
        good = {"refId": "A", "datasource": {"uid": "prometheus"}, "expr": "up", "instant": True}
        reply = grafana.query(good, {**good, "refId": "B", "datasource": "down"})
        results = reply.json()["results"]
        assert reply.status_code == 400
        assert (len(results["A"]["frames"]), "error" in results["A"], results["B"]["status"]) == (2, False, 502)

    @pytest.mark.parametrize(
        ("body", "status", "words"),
        [
            ({"queries": [], "from": "now-1h", "to": "now"}, 400, "No queries found"),
            ({"queries": [{"refId": "A"}], "from": "now-1h", "to": "now"}, 400, "valid data source identifier"),
            ({"queries": [{"datasource": {"uid": "none"}}], "from": "now-1h", "to": "now"}, 404, "source not found"),
            ({"queries": [{"datasource": {"uid": "gold"}}]}, 500, "Internal Server Error"),
            ({"queries": [{"datasource": {"uid": "gold"}}], "from": 5, "to": 6}, 400, "bad request data"),
            ({"queries": "none"}, 400, "bad request data"),
        ],
    )  # fmt: skip
    def test_requests_that_are_none(self, grafana: Client, body: dict[str, Any], status: int, words: str) -> None:
        reply = grafana.call("POST", "/api/ds/query", json=body)
        assert (reply.status_code, words in reply.json()["message"]) == (status, True)

    def test_numbers_that_json_cannot_write(self) -> None:
        field = Field("x", "number", [float("nan"), 1.0, float("-inf"), None])
        assert field.entities() == {"NaN": [0], "NegInf": [2]}


class TestDashboards:
    def test_are_found(self, grafana: Client) -> None:
        hits = grafana.get("/api/search?type=dash-db")
        assert [(hit["uid"], hit["type"]) for hit in hits] == [("pqrs-free", "dash-db"), ("pqrs-health", "dash-db")]
        assert (hits[1]["folderTitle"], hits[1]["url"], hits[1]["tags"]) == ("PQRS", "/d/pqrs-health/salud", ["pqrs"])
        assert "folderUid" not in hits[0]

    @pytest.mark.parametrize(
        ("query", "uids"),
        [
            ("type=dash-folder", ["PQRS"]),
            ("", ["PQRS", "Libre", "Salud"]),
            ("query=sal", ["Salud"]),
            ("tag=pqrs&tag=libre", ["Libre"]),
            ("dashboardUIDs=pqrs-health", ["Salud"]),
            ("folderUIDs=general", ["Libre"]),
            ("type=dash-db&limit=1", ["Libre"]),
            ("type=dash-db&limit=1&page=2", ["Salud"]),
        ],
    )
    def test_by(self, grafana: Client, query: str, uids: list[str]) -> None:
        assert [hit["title"] for hit in grafana.get(f"/api/search?{query}")] == uids

    def test_too_many_at_once(self, grafana: Client) -> None:
        assert grafana.call("GET", "/api/search?limit=5001").status_code == 422

    def test_provisioned_says_who_may_change_it_and_the_external_id_where_it_is_from(self, grafana: Client) -> None:
        fixed, free = (grafana.get(f"/api/dashboards/uid/{uid}") for uid in ("pqrs-health", "pqrs-free"))
        told = [(one["meta"]["provisioned"], one["meta"]["provisionedExternalId"]) for one in (fixed, free)]
        assert told == [(True, "sub/health.json"), (False, "free.json")]
        assert fixed["meta"]["folderTitle"] == "PQRS"
        assert fixed["meta"]["canSave"] is True  # that is the user's right, not the file's
        assert fixed["dashboard"]["panels"] == BOARDS["health.json"]["panels"]
        assert grafana.call("GET", "/api/dashboards/uid/nothing").json() == {"message": "Dashboard not found"}

    def test_saved_by_hand(self, fresh: Client) -> None:
        def save(**body: Any) -> requests.Response:
            return fresh.call("POST", "/api/dashboards/db", json=body)

        assert save(dashboard={**BOARDS["health.json"]}, overwrite=True).json() == {
            "message": "Cannot save provisioned dashboard"
        }
        assert save(dashboard={**BOARDS["free.json"], "title": "Otra"}, overwrite=True).json()["version"] == 2
        made = save(dashboard={"title": "Nueva"}).json()
        assert (made["status"], made["version"], made["slug"]) == ("success", 1, "nueva")
        mine = {"title": "Nueva", "uid": made["uid"]}
        clash = save(dashboard={**mine, "version": 7})
        assert (clash.status_code, clash.json()["status"]) == (412, "version-mismatch")
        assert save(dashboard={**mine, "version": 1}).json()["version"] == 2
        own = fresh.get(f"/api/dashboards/uid/{made['uid']}")
        assert (own["meta"]["provisionedExternalId"], own["meta"]["updatedBy"]) == ("", "admin")
        assert fresh.call("DELETE", f"/api/dashboards/uid/{made['uid']}").status_code == 200
        kept = fresh.call("DELETE", "/api/dashboards/uid/pqrs-health")
        assert (kept.status_code, kept.json()) == (400, {"message": "provisioned dashboard cannot be deleted"})

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"dashboard": {"title": " "}}, 400),
            ({"dashboard": {"title": "x", "uid": "u" * 41}}, 400),
            ({"dashboard": {"title": "x", "uid": "a b"}}, 400),
            ({"dashboard": {"title": "x"}, "folderUid": "nothing"}, 400),
            ({"dashboard": {"title": "x", "id": 9999}}, 404),
            ({"dashboard": []}, 400),
        ],
    )
    def test_that_cannot_be_saved(self, grafana: Client, body: dict[str, Any], status: int) -> None:
        assert grafana.call("POST", "/api/dashboards/db", json=body).status_code == status

    def test_folders(self, fresh: Client) -> None:
        made = fresh.call("POST", "/api/folders", json={"title": "Mía", "uid": "mine"}).json()
        assert (made["uid"], made["url"]) == ("mine", "/dashboards/f/mine/mia")
        assert fresh.get("/api/folders/mine")["title"] == "Mía"
        assert [folder["title"] for folder in fresh.get("/api/folders")] == ["Mía", "PQRS"]
        assert fresh.call("POST", "/api/folders", json={"title": "x", "uid": "mine"}).status_code == 409
        assert fresh.call("POST", "/api/folders", json={"title": ""}).status_code == 400
        fresh.call("POST", "/api/dashboards/db", json={"dashboard": {"title": "In", "uid": "in"}, "folderUid": "mine"})
        assert fresh.call("DELETE", "/api/folders/mine").status_code == 200
        assert fresh.call("GET", "/api/dashboards/uid/in").status_code == 404
        assert fresh.call("GET", "/api/folders/mine").status_code == 404


class TestPage:
    def test_who_is_not_logged_in_is_sent_to_a_page_that_says_what_it_is(self, grafana: Client) -> None:
        away = grafana.call("GET", "/", auth=None, allow_redirects=False)
        assert (away.status_code, away.headers["Location"]) == (302, "/login")
        text = grafana.call("GET", "/", auth=None).text
        assert "Esto no es Grafana: es el sustituto del kit" in text
        assert "This is not Grafana: it is the conformance kit's stand-in" in text
        assert "Salud" not in text

    def test_the_browser_is_asked_for_a_password(self, grafana: Client) -> None:
        reply = grafana.call("GET", "/dashboards", auth=None)
        assert (reply.status_code, reply.headers["WWW-Authenticate"]) == (401, 'Basic realm="Grafana stand-in"')
        assert "Salud" in grafana.call("GET", "/dashboards").text

    def test_lists_datasources_with_health_and_dashboards_with_panels(self, grafana: Client) -> None:
        text = grafana.call("GET", "/").text
        for part in ("Prometheus", "OK: Successfully queried", "ERROR: Network error", "? (loki)", "PQRS / Salud",
                     "Inner", "<code>SELECT 1</code>", "<code>sum(up) &lt; 5</code>", "Sin paneles"):  # fmt: skip
            assert part in text

    def test_escapes_everything_and_runs_nothing(self, grafana: Client) -> None:
        reply = grafana.call("GET", "/")
        assert "&lt;script&gt;" in reply.text
        assert "<script" not in reply.text
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")
