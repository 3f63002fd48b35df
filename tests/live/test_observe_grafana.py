"""The Grafana observer on the stand-in with real provisioning files, and on a real Prometheus."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import requests
from grafana_deployment import Deployment, deployed, prometheus
from grafana_stand_in_running import ended
from judging import Outcome, judge
from observing import Alone

from conformance.checks import test_e2e as e2e
from conformance.checks import test_grf as grf
from conformance.observe import grafana
from conformance.observe.facts import Observation, ObservationStatus
from conformance.observe.grafana_facts import GrafanaFacts
from conformance.stacks.base import Stack
from conformance.stacks.ports import PortBlock
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Status

pytestmark = pytest.mark.live

DATASOURCE = """
apiVersion: 1
datasources:
  - name: Prometheus
    type: prometheus
    access: proxy
    url: {url}
    isDefault: true
    editable: true
"""
PROVIDER = """
apiVersion: 1
providers:
  - {{name: clase, folder: Plataforma, type: file, allowUiUpdates: true, options: {{path: {path}}}}}
"""
VARIABLE = {"name": "job", "type": "query", "query": "label_values(up, job)", "includeAll": True, "current": {}}
BOARD: dict[str, Any] = {
    "title": "Salud de la plataforma",
    "templating": {"list": [VARIABLE]},
    "panels": [
        {"type": "stat", "title": "Arriba", "datasource": {"type": "prometheus"},
         "targets": [{"refId": "A", "expr": "sum(up)"}]},
        {"type": "row", "title": "Más", "collapsed": True, "panels": [
            {"type": "timeseries", "title": "Por servicio", "datasource": "Prometheus",
             "targets": [{"refId": "A", "expr": 'rate(process_cpu_seconds_total{job=~"$job"}[$__rate_interval])'}]},
        ]},
        {"type": "text", "title": "Ayuda", "options": {"content": "…"}},
    ],
}  # fmt: skip
DEFAULT = Parameters()

Deploy = Callable[..., AbstractContextManager[Deployment]]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that watches itself."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    with prometheus(tmp_path_factory.mktemp("prometheus")) as address:
        yield address


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not there in these small deployments does not come later."""
    monkeypatch.setattr(grafana, "PROVISIONED_S", 3.0)


@pytest.fixture
def deploy(tmp_path: Path, scraped: str) -> Deploy:
    """The class's files, changed: a file whose new text is None is not there."""

    @contextmanager
    def start(files: Mapping[str, str | None] | None = None, **variables: str) -> Iterator[Deployment]:
        write(tmp_path, scraped, files or {})
        with deployed(tmp_path, scraped, **variables) as deployment:
            yield deployment

    return start


def write(home: Path, scraped: str, files: Mapping[str, str | None]) -> None:
    boards = home / "provisioning" / "boards"
    texts = {
        "datasources/prometheus.yml": DATASOURCE.format(url=f"http://{scraped}/"),
        "dashboards/files.yml": PROVIDER.format(path=boards),
        "boards/clase/salud.json": json.dumps(BOARD),
        **files,
    }
    for name, text in texts.items():
        if text is not None:
            (home / "provisioning" / name).parent.mkdir(parents=True, exist_ok=True)
            (home / "provisioning" / name).write_text(text, encoding="utf-8")


def observe(deployment: Deployment, probe: Alone | None = None) -> GrafanaFacts:
    return grafana.collect(cast(Stack, deployment), probe or Alone())


def outcomes(seen: GrafanaFacts) -> dict[str, Outcome]:
    checks = {
        "GRF-01": (grf.test_grafana_is_healthy, seen),
        "GRF-02": (grf.test_the_prometheus_datasource_provisions_itself, seen),
        "GRF-03": (grf.test_it_points_at_prometheus_by_name_through_the_server, seen),
        "GRF-04": (grf.test_the_datasource_works, seen),
        "GRF-05": (grf.test_dashboards_provision_themselves, seen, DEFAULT),
        "GRF-06": (grf.test_every_panel_can_be_drawn, seen, Parameters(panels_return_data=True)),
        "GRF-08": (grf.test_strangers_are_not_administrators, seen, DEFAULT),
    }
    return {id_: judge(*arguments) for id_, arguments in checks.items()}


def failed(seen: GrafanaFacts) -> dict[str, str | None]:
    """The broken promises with the causes that the kit names."""
    return {id_: one.hint for id_, one in outcomes(seen).items() if one.status is not Status.PASS}


def test_what_the_class_deploys_is_sound(deploy: Deploy) -> None:
    with deploy() as deployment:
        seen = observe(deployment)
        assert failed(seen) == {}
        assert seen.version
        assert seen.datasources is not None
        (datasource,) = seen.datasources
        assert datasource.uid == "PBFA97CFB590B2093"
        assert not datasource.read_only
        assert seen.provisioning is not None
        assert [entry.uid for entry in seen.provisioning.entries] == [""]
        assert seen.dashboards is not None
        assert [(one.folder, one.file, one.panels) for one in seen.dashboards] == [
            ("Plataforma", "clase/salud.json", 3)
        ]
        assert [(one.panel, one.problem) for one in seen.queries] == [("Arriba", ""), ("Por servicio", "")]
        assert '{job=~"prometheus"}[123s]' in seen.queries[1].text
        assert seen.factory_login
        taken = grafana.snapshot(deployment.grafana())
        assert [one.name for one in taken.datasources] == ["Prometheus"]
        assert [one.title for one in taken.dashboards] == ["Salud de la plataforma"]


def test_a_password_of_ones_own_keeps_the_factorys_out(deploy: Deploy) -> None:
    with deploy(GF_SECURITY_ADMIN_PASSWORD="una larga con ñ") as deployment:
        seen = observe(deployment)
        assert failed(seen) == {}
        assert seen.factory_login is False
        assert "una larga" not in seen.model_dump_json()


def test_an_anonymous_viewer_reads_and_is_no_fault(deploy: Deploy) -> None:
    with deploy(GF_AUTH_ANONYMOUS_ENABLED="true") as deployment:
        seen = observe(deployment)
        assert failed(seen) == {}
        assert seen.strangers is not None
        assert seen.strangers.reads
        assert seen.factory_login


def test_an_anonymous_administrator_is_caught_and_leaves_nothing(deploy: Deploy) -> None:
    with deploy(GF_AUTH_ANONYMOUS_ENABLED="true", GF_AUTH_ANONYMOUS_ORG_ROLE="Admin") as deployment:
        before = grafana.snapshot(deployment.grafana())
        seen = observe(deployment)
        assert failed(seen) == {"GRF-08": "anonymous"}
        assert seen.strangers is not None
        assert (seen.strangers.wrote, seen.strangers.left_behind) == (("folder", "datasource"), ())
        assert grafana.snapshot(deployment.grafana()) == before
        folders = requests.get(f"{deployment.url}/api/folders", auth=deployment.auth, timeout=5).json()
        assert [one["title"] for one in folders] == ["Plataforma"]


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://localhost:{free}", "localhost"),
        ("http://prometeus:9090", "name"),
        ("http://127.0.1.1:{free}", "refused"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_with_its_cause(deploy: Deploy, url: str, hint: str) -> None:
    with PortBlock() as ports:
        text = DATASOURCE.format(url=url.format(free=ports.take()))
        with deploy({"datasources/prometheus.yml": text}) as deployment:
            assert failed(observe(deployment))["GRF-04"] == hint


def test_a_datasource_made_by_hand_is_no_provisioning(deploy: Deploy, scraped: str) -> None:
    with deploy({"datasources/prometheus.yml": None}) as deployment:
        assert failed(observe(deployment))["GRF-02"] == "no_file"
        made = {
            "name": "Prometheus",
            "type": "prometheus",
            "access": "proxy",
            "url": f"http://{scraped}",
            "isDefault": True,
        }
        requests.post(
            f"{deployment.url}/api/datasources", json=made, auth=deployment.auth, timeout=5
        ).raise_for_status()
        assert failed(observe(deployment))["GRF-02"] == "by_hand"


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        ({"boards/clase/salud.json": "{"}, "bad_json"),
        ({"dashboards/files.yml": PROVIDER.format(path="/nowhere/at/all")}, "no_folder"),
        ({"dashboards/files.yml": None}, "no_provider"),
        ({"boards/clase/salud.json": None}, "no_folder"),
    ],
)
def test_dashboards_that_grafana_drops_are_told_with_their_cause(
    deploy: Deploy, files: dict[str, str | None], hint: str
) -> None:
    with deploy(files) as deployment:
        assert failed(observe(deployment)) == {"GRF-05": hint}


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ({"expr": "up", "datasource": "${DS_PROMETHEUS}"}, "input"),
        ({"expr": "up", "datasource": {"type": "prometheus", "uid": "from-another-grafana"}}, "datasource"),
        ({"expr": "sum(up"}, "query"),
        ({"expr": "no_such_metric"}, "no_data"),
    ],
)
def test_a_panel_that_shows_an_error_is_told_with_its_cause(
    deploy: Deploy, target: dict[str, Any], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grafana, "SETTLED_S", 3.0)
    panel = {
        "type": "stat",
        "title": "Roto",
        "datasource": target.get("datasource"),
        "targets": [{"refId": "A", **target}],
    }
    board = {"title": BOARD["title"], "panels": [BOARD["panels"][0], panel]}
    with deploy({"boards/clase/salud.json": json.dumps(board)}) as deployment:
        seen = observe(deployment)
        assert failed(seen) == {"GRF-06": hint}
        assert "Salud de la plataforma › Roto (A)" in outcomes(seen)["GRF-06"].observed


def test_a_file_that_stops_grafana_is_named(tmp_path: Path, scraped: str) -> None:
    write(tmp_path, scraped, {"datasources/prometheus.yml": "apiVersion: 1\ndatasources:\n  - name: [\n"})
    code, said = ended(tmp_path)
    assert code
    log = tmp_path / "grafana.log"
    log.write_text(said, encoding="utf-8")
    with PortBlock() as ports:
        seen = observe(Deployment(tmp_path, f"http://127.0.0.1:{ports.take()}", log, scraped, {}))
    outcome = outcomes(seen)["GRF-01"]
    assert (outcome.status, outcome.hint) == (Status.FAIL, "provisioning")
    assert "yaml" in outcome.observed


class Pipeline(Alone):
    """The pipeline's observation, made when it is asked for."""

    def __init__(self, run: Callable[[], None]) -> None:
        super().__init__()
        self._run = run

    def observation(self, subject: str) -> Observation:
        assert subject == "pipeline"
        self._run()
        fresh = {"own_stores": True, "execution": {"run": {"ok": True}}}
        return Observation(subject=subject, status=ObservationStatus.OBSERVED, facts={"fresh": fresh})


def test_a_run_shows_in_panels_that_ask_the_database(deploy: Deploy, stack: Stack) -> None:
    postgres = stack.postgres()
    sql = """
apiVersion: 1
datasources:
  - name: Gold
    uid: gold
    type: postgres
    url: {host}:{port}
    user: {user}
    jsonData: {{database: {database}, sslmode: disable}}
    secureJsonData: {{password: $GOLD_PASSWORD}}
"""
    query = "SELECT day AS time, count(*) AS recibidas FROM grafana_trial WHERE $__timeFilter(day) GROUP BY day"
    panel = {"type": "timeseries", "title": "Recibidas", "datasource": {"uid": "gold"},
             "targets": [{"refId": "A", "rawSql": query, "format": "time_series"}]}  # fmt: skip
    files = {
        "datasources/gold.yml": sql.format(
            host=postgres.host, port=postgres.port, user=postgres.user, database=postgres.database
        ),
        "boards/clase/salud.json": json.dumps({"title": "PQRS", "panels": [panel]}),
    }
    with closing(psycopg.connect(postgres.dsn(), autocommit=True)) as connection:
        connection.execute("CREATE TABLE grafana_trial (day timestamptz NOT NULL)")
        try:
            with deploy(files, GOLD_PASSWORD=postgres.password) as deployment:
                deployment.runs_reference = True
                write_rows = "INSERT INTO grafana_trial VALUES ('2025-12-09 12:00Z'), ('2025-12-10 12:00Z')"
                seen = observe(deployment, Pipeline(lambda: connection.execute(write_rows) and None))
        finally:
            connection.execute("DROP TABLE grafana_trial")
    (drawn,) = seen.queries
    assert drawn.first is not None
    assert drawn.last is not None
    assert (drawn.first.ok, drawn.first.rows) == (True, 0), drawn
    assert (drawn.last.ok, drawn.last.rows) == (True, 2), drawn
    assert judge(e2e.test_a_run_shows_in_the_dashboard, seen).status is Status.PASS
