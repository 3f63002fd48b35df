"""The Grafana stand-in before a real Prometheus and a real PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from grafana_deployment import prometheus
from grafana_stand_in_running import PATIENCE, Client, serving, write

from conformance.stacks.base import PostgresAccess
from conformance.stacks.ports import HOST, PortBlock
from conformance.stacks.processes import Processes
from conformance.stacks.services import postgres

pytestmark = pytest.mark.live

TABLE = """
CREATE ROLE reader LOGIN PASSWORD 'lee';
CREATE TABLE filed (
  at timestamptz, day date, channel text, n int, share numeric, small smallint, big bigint, ok boolean
);
INSERT INTO filed VALUES
  ('2026-03-04 10:00Z', '2026-03-04', 'web', 3, 0.5, 1, 9007199254740993, true),
  ('2026-03-04 10:00Z', '2026-03-04', 'correo', 2, 'NaN', NULL, 1, false),
  ('2026-03-04 10:02Z', '2026-03-04', 'web', 7, NULL, 2, 2, NULL);
GRANT SELECT ON filed TO reader;
"""
TEN, ELEVEN = "1772618400000", "1772622000000"  # of 4 March 2026, UTC
MINUTE = 60_000


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresAccess]:
    with PortBlock() as ports, closing(Processes()) as processes:
        access = PostgresAccess(HOST, ports.take(), "owner", "postgres", "secreto")
        processes.start(postgres.cluster(processes, "postgres", access))
        deadline = time.monotonic() + PATIENCE
        while not postgres.answers(access):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with psycopg.connect(access.dsn(), autocommit=True) as connection:
            connection.execute(TABLE)
        yield access


@pytest.fixture(scope="module")
def grafana(tmp_path_factory: pytest.TempPathFactory, database: PostgresAccess) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("grafana")
    with prometheus(home) as address:
        text = f"""
apiVersion: 1
datasources:
  - {{name: Prometheus, uid: prometheus, type: prometheus, url: "http://{address}"}}
  - {{name: Gold, uid: gold, type: postgres, url: "{HOST}:{database.port}", user: reader, database: postgres,
     jsonData: {{sslmode: disable}}, secureJsonData: {{password: $READER}}}}
  - {{name: Wrong, uid: wrong, type: postgres, url: "{HOST}:{database.port}", user: reader, database: postgres,
     jsonData: {{sslmode: disable}}, secureJsonData: {{password: otra}}}}
  - {{name: TLS, uid: tls, type: postgres, url: "{HOST}:{database.port}", user: reader, database: postgres,
     jsonData: {{sslmode: require}}, secureJsonData: {{password: lee}}}}
  - {{name: URL, uid: url, type: postgres, url: "postgres://{HOST}:{database.port}", user: reader, database: postgres,
     jsonData: {{sslmode: disable}}}}
"""
        write(home, {"provisioning/datasources/d.yml": text})
        with serving(home, READER="lee") as client:
            yield client


def health(grafana: Client, uid: str) -> tuple[int, str, str]:
    reply = grafana.call("GET", f"/api/datasources/uid/{uid}/health")
    return reply.status_code, reply.json()["status"], reply.json()["message"]


def sql(grafana: Client, statement: str, form: str = "table", **more: Any) -> dict[str, Any]:
    query = {"refId": "A", "datasource": {"uid": "gold"}, "rawSql": statement, "format": form, **more}
    answer: dict[str, Any] = grafana.query(query, start=TEN, end=ELEVEN).json()["results"]["A"]
    return answer


def columns(answer: dict[str, Any]) -> dict[str, tuple[str, list[Any]]]:
    """By name (and labels): the Go type and the values."""
    (frame,) = answer["frames"]
    found = {}
    for schema, values in zip(frame["schema"]["fields"], frame["data"]["values"], strict=True):
        labels = ",".join(f"{name}={value}" for name, value in schema.get("labels", {}).items())
        found[schema["name"] + (f"{{{labels}}}" if labels else "")] = (schema["typeInfo"]["frame"], values)
    return found


class TestPrometheus:
    def test_is_healthy(self, grafana: Client) -> None:
        assert health(grafana, "prometheus") == (200, "OK", "Successfully queried the Prometheus API.")

    def test_up_is_one(self, grafana: Client) -> None:
        query = {"refId": "A", "datasource": {"uid": "prometheus"}, "expr": "up"}
        queries = {**query, "instant": True}, {**query, "refId": "B", "range": True, "intervalMs": 1000}
        reply = grafana.query(*queries, end="now+1m")  # a range ends at a whole step: maybe before the first scrape
        instant, ranged = (reply.json()["results"][name]["frames"][0] for name in "AB")
        assert instant["data"]["values"][1] == [1.0]
        assert instant["schema"]["fields"][1]["labels"]["job"] == "prometheus"
        assert instant["schema"]["fields"][1]["config"]["displayNameFromDS"].startswith('up{instance="127.0.0.1:')
        assert set(ranged["data"]["values"][1]) == {1.0}

    def test_rates_over_the_interval_can_be_asked(self, grafana: Client) -> None:
        expr = "rate(prometheus_http_requests_total[$__rate_interval]) or vector($__range_s)"
        query = {"refId": "A", "datasource": {"uid": "prometheus"}, "expr": expr, "intervalMs": 15000}
        assert grafana.query(query).status_code == 200

    def test_a_wrong_expression_is_prometheus_own_error(self, grafana: Client) -> None:
        reply = grafana.query({"refId": "A", "datasource": {"uid": "prometheus"}, "expr": "sum(up", "instant": True})
        answer = reply.json()["results"]["A"]
        assert (reply.status_code, answer["status"]) == (400, 400)
        assert answer["error"].startswith("bad_data: ")
        assert "parse error" in answer["error"]

    def test_its_whole_api_is_behind_the_proxy(self, grafana: Client) -> None:
        targets = grafana.get("/api/datasources/proxy/uid/prometheus/api/v1/targets?state=active")
        assert targets["data"]["activeTargets"][0]["health"] == "up"


class TestPostgres:
    def test_is_healthy(self, grafana: Client) -> None:
        assert health(grafana, "gold") == (200, "OK", "Database Connection OK")

    @pytest.mark.parametrize(
        ("uid", "words"),
        [
            ("wrong", "Database error: Failed to connect to the postgres server"),
            ("tls", "SSL error: Failed to connect to the server"),
            ("url", 'invalid port in host specifier "//127.0.0.1:'),
        ],
    )
    def test_is_not_when_it_cannot_be_reached_that_way(self, grafana: Client, uid: str, words: str) -> None:
        status, word, message = health(grafana, uid)
        assert (status, word) == (400, "ERROR")
        assert message.startswith(words)

    def test_a_table_keeps_types(self, grafana: Client) -> None:
        answer = sql(grafana, "SELECT at, day, channel, n, share, small, big, ok FROM filed ORDER BY at, channel")
        ten = int(TEN)
        midnight = ten - 10 * 60 * MINUTE
        assert columns(answer) == {
            "at": ("time.Time", [ten, ten, ten + 2 * MINUTE]),
            "day": ("time.Time", [midnight] * 3),
            "channel": ("string", ["correo", "web", "web"]),
            "n": ("int32", [2, 3, 7]),
            "share": ("float64", [None, 0.5, None]),
            "small": ("int16", [None, 1, 2]),
            "big": ("int64", [1, 9007199254740993, 2]),
            "ok": ("bool", [False, True, None]),
        }
        assert answer["frames"][0]["data"]["entities"][4] == {"NaN": [0]}

    def test_no_rows_are_no_fields(self, grafana: Client) -> None:
        (frame,) = sql(grafana, "SELECT n FROM filed WHERE false")["frames"]
        assert (frame["schema"]["fields"], frame["data"]["values"]) == ([], [])

    def test_series_by_channel_over_the_range(self, grafana: Client) -> None:
        statement = (
            "SELECT $__timeGroup(at, $__interval) AS time, channel AS metric, sum(n) AS n FROM filed"
            " WHERE $__timeFilter(at) GROUP BY 1, 2 ORDER BY 1"
        )
        answer = sql(grafana, statement, "time_series", intervalMs=MINUTE)
        ten = int(TEN)
        assert columns(answer) == {
            "Time": ("time.Time", [ten, ten + 2 * MINUTE]),
            "correo": ("float64", [2.0, None]),
            "web": ("float64", [3.0, 7.0]),
        }
        assert "floor(extract(epoch from at)/60)*60" in answer["frames"][0]["schema"]["meta"]["executedQueryString"]

    def test_several_values_keep_their_labels(self, grafana: Client) -> None:
        statement = "SELECT at AS time, channel, n, share FROM filed WHERE channel = 'web' ORDER BY 1"
        found = columns(sql(grafana, statement, "time_series"))
        assert list(found) == ["Time", "n{channel=web}", "share{channel=web}"]
        assert found["n{channel=web}"][1] == [3.0, 7.0]

    @pytest.mark.parametrize(
        ("fill", "values"), [("NULL", [12.0, None, 7.0]), ("0", [12.0, 0.0, 7.0]), ("previous", [12.0, 12.0, 7.0])]
    )
    def test_gaps_are_filled(self, grafana: Client, fill: str, values: list[Any]) -> None:
        statement = f"SELECT $__timeGroupAlias(at, 1m, {fill}), sum(n) + 7 * (count(*) - 1) AS n FROM filed GROUP BY 1"
        found = columns(sql(grafana, statement, "time_series"))
        assert found["n"][1][:3] == values
        assert len(found["n"][1]) == 61

    @pytest.mark.parametrize(
        ("statement", "form", "status", "words"),
        [
            ("SELECT nothing FROM filed", "table", 400, 'db query error: column "nothing" does not exist'),
            ("INSERT INTO filed DEFAULT VALUES", "table", 400, "permission denied for table filed"),
            ("SELECT n FROM filed", "time_series", 400, "db has no time column"),
            (
                "SELECT at AS time, channel, n FROM filed ORDER BY at DESC",
                "time_series",
                400,
                "must be sorted ascending",
            ),
        ],
    )
    def test_errors(self, grafana: Client, statement: str, form: str, status: int, words: str) -> None:
        answer = sql(grafana, statement, form)
        assert (answer["status"], words in answer["error"]) == (status, True), answer

    def test_a_percent_sign_and_several_statements(self, grafana: Client) -> None:
        answer = sql(grafana, "SET search_path = public; SELECT 'a%' AS a WHERE 'x' LIKE '%x%'")
        assert columns(answer) == {"a": ("string", ["a%"])}

    def test_the_page_shows_that_it_answers(self, grafana: Client) -> None:
        assert "OK: Database Connection OK" in grafana.call("GET", "/").text
