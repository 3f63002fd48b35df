"""The reference stack's files: they fit together, and nothing in them is left to chance."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
JOBS = {"lake-init"}
CLASS_PORTS = {5432, 9000, 9001, 8786, 8787, 4200, 9090, 3001}
EXAMPLE = dict(
    line.split("=", 1)
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
PROMETHEUS = yaml.safe_load((INFRA / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
DATASOURCES = {
    source["uid"]: source
    for file in sorted((INFRA / "grafana" / "provisioning" / "datasources").glob("*.yml"))
    for source in yaml.safe_load(file.read_text(encoding="utf-8"))["datasources"]
}
DASHBOARDS = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted((INFRA / "grafana" / "dashboards").glob("*.json"))
}
DOCKERFILE = (INFRA / "images" / "runtime" / "Dockerfile").read_text(encoding="utf-8")
PROMTOOL = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on PATH")


def networks(service: str) -> set[str]:
    return set(SERVICES[service]["networks"])


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            yield name, panel


def targets() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, panel in panels():
        for target in panel.get("targets", ()):
            yield f"{name}: {panel['title']}", target


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


class TestCompose:
    @pytest.mark.parametrize("name", SERVICES)
    def test_every_service_is_of_a_plane_pinned_limited_and_logs_within_bounds(self, name: str) -> None:
        service = SERVICES[name]
        assert service["labels"]["pqrs.plane"] in {"control", "data", "compute", "serving"}
        assert "pqrs.role" in service["labels"]
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", service["image"])
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
        assert service["logging"]["options"]["max-size"] == "10m"
        assert "container_name" not in service

    @pytest.mark.parametrize("name", sorted(SERVICES.keys() - JOBS))
    def test_what_stays_up_is_asked_for_its_health_and_started_again(self, name: str) -> None:
        service = SERVICES[name]
        test = " ".join(service["healthcheck"]["test"])
        assert "127.0.0.1" in test, "a health check asks the service itself"
        assert service["healthcheck"]["start_period"]
        assert service["restart"] == "unless-stopped"

    def test_a_job_ends_and_those_who_need_it_wait_for_that(self) -> None:
        for job in JOBS:
            assert SERVICES[job]["restart"] == "no"
            waiting = {service.get("depends_on", {}).get(job, {}).get("condition") for service in SERVICES.values()}
            assert waiting == {None, "service_completed_successfully"}

    def test_who_needs_a_service_waits_for_its_health(self) -> None:
        for service in SERVICES.values():
            for needed, how in service.get("depends_on", {}).items():
                assert how["condition"] == ("service_completed_successfully" if needed in JOBS else "service_healthy")

    def test_ports_are_the_class_s_on_loopback_and_can_be_moved(self) -> None:
        published = [port for service in SERVICES.values() for port in service.get("ports", ())]
        found = [re.fullmatch(r"127\.0\.0\.1:\$\{([A-Z0-9_]+_PORT):-(\d+)\}:\d+", port) for port in published]
        assert None not in found
        assert {int(port[2]) for port in found if port} == CLASS_PORTS
        assert all(EXAMPLE[port[1]] == port[2] for port in found if port)

    def test_the_example_documents_every_variable_and_no_other(self) -> None:
        used = set(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)", COMPOSE_TEXT))
        assert used == EXAMPLE.keys()

    def test_no_secret_is_written_down_and_each_is_another(self) -> None:
        for name, service in SERVICES.items():
            for variable, value in service.get("environment", {}).items():
                if re.search(r"PASS|SECRET|ACCESS_KEY", variable):
                    assert str(value).startswith("${"), f"{name}: {variable}"
        placeholders = [value for value in EXAMPLE.values() if value.startswith("change-me")]
        assert len(placeholders) == len(set(placeholders)) == 7

    def test_serving_reaches_metrics_and_gold_but_not_the_store(self) -> None:
        assert networks("grafana") & networks("prometheus")
        assert networks("grafana") & networks("postgres")
        reached = {name for name in SERVICES if networks(name) & networks("grafana")}
        assert reached == {"grafana", "prometheus", "postgres"}
        assert networks("rustfs") & networks("prometheus"), "the store pushes its metrics"

    def test_networks_and_volumes_are_all_in_use(self) -> None:
        assert set().union(*map(networks, SERVICES)) == COMPOSE["networks"].keys()
        mounted = {
            volume.split(":")[0]
            for service in SERVICES.values()
            for volume in service.get("volumes", ())
            if not volume.startswith(".")
        }
        assert mounted == COMPOSE["volumes"].keys()

    def test_what_is_mounted_is_there_and_read_only(self) -> None:
        for service in SERVICES.values():
            for volume in service.get("volumes", ()):
                if volume.startswith("."):
                    source, _, mode = volume.split(":")
                    assert (ROOT / source).is_dir()
                    assert mode == "ro"

    def test_the_server_of_prefect_keeps_its_history_in_its_own_database(self) -> None:
        environment = SERVICES["prefect-server"]["environment"]
        assert environment["PREFECT_SERVER_DATABASE_HOST"] == "postgres"
        assert "volumes" not in SERVICES["prefect-server"]
        script = (INFRA / "postgres" / "20-services.sh").read_text(encoding="utf-8")
        assert f"CREATE DATABASE {environment['PREFECT_SERVER_DATABASE_NAME']} OWNER" in script


class TestPostgresEntry:
    FOLDER = INFRA / "postgres"

    def test_the_first_script_finds_the_schema_from_the_repository_and_from_the_container(self) -> None:
        include = re.search(r"^\\ir (\S+)$", (self.FOLDER / "10-lakehouse.sql").read_text(encoding="utf-8"), re.M)
        assert include
        assert (self.FOLDER / include[1]).resolve() == ROOT / "sql" / "init-postgres.sql"
        mounts = [volume.rsplit(":", 1)[0].split(":") for volume in SERVICES["postgres"]["volumes"] if volume[0] == "."]
        inside = {PurePosixPath(target): ROOT / source for source, target in mounts}
        entry = PurePosixPath("/docker-entrypoint-initdb.d")
        assert inside[entry] == self.FOLDER
        found = PurePosixPath(os.path.normpath(entry / include[1]))
        assert inside[found.parent] / found.name == ROOT / "sql" / "init-postgres.sql"

    def test_the_second_script_runs_and_its_passwords_come_from_the_environment(self) -> None:
        script = self.FOLDER / "20-services.sh"
        assert os.access(script, os.X_OK)
        variables = set(re.findall(r"^\\getenv \w+ (\w+)$", script.read_text(encoding="utf-8"), re.M))
        assert variables == SERVICES["postgres"]["environment"].keys() - {
            "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB",
        }  # fmt: skip


class TestPrometheus:
    def test_every_target_is_a_service_that_prometheus_reaches(self) -> None:
        for job in PROMETHEUS["scrape_configs"]:
            static = [target for group in job.get("static_configs", ()) for target in group["targets"]]
            named = [name for group in job.get("dns_sd_configs", ()) for name in group["names"]]
            hosts = {target.partition(":")[0] for target in static} | set(named)
            assert hosts
            for host in hosts - {"localhost"}:
                assert networks(host) & networks("prometheus"), f"{job['job_name']}: {host}"

    def test_every_plane_is_watched(self) -> None:
        watched = {job["job_name"] for job in PROMETHEUS["scrape_configs"]}
        assert watched == {"prometheus", "prefect", "postgres", "lakehouse", "dask-scheduler", "dask-worker", "grafana"}
        assert "--web.enable-otlp-receiver" in SERVICES["prometheus"]["command"]
        assert SERVICES["rustfs"]["environment"]["RUSTFS_OBS_ENDPOINT"] == "http://prometheus:9090/api/v1/otlp"

    @PROMTOOL
    def test_promtool_accepts_configuration_and_rules(self) -> None:
        promtool("check", "config", INFRA / "prometheus" / "prometheus.yml")

    @PROMTOOL
    def test_alerts_tell_what_they_should_and_when(self) -> None:
        promtool("test", "rules", Path(__file__).with_name("prometheus_rules.yml"))


class TestDashboards:
    def test_there_are_at_least_three_with_names_of_their_own(self) -> None:
        assert len(DASHBOARDS) >= 3
        for part in ("uid", "title"):
            assert len({dashboard[part] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS)
        home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        assert PurePosixPath(home).stem in DASHBOARDS

    def test_the_provider_reads_the_folder_that_is_mounted(self) -> None:
        file = INFRA / "grafana" / "provisioning" / "dashboards" / "files.yml"
        (provider,) = yaml.safe_load(file.read_text(encoding="utf-8"))["providers"]
        folders = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
        assert provider["options"]["path"] in folders

    def test_datasources_are_reached_by_name_and_variables_are_given(self) -> None:
        assert {source["type"] for source in DATASOURCES.values()} == {"prometheus", "grafana-postgresql-datasource"}
        assert [source["uid"] for source in DATASOURCES.values() if source.get("isDefault")] == ["prometheus"]
        for source in DATASOURCES.values():
            host = source["url"].rpartition("//")[2].partition(":")[0]
            assert networks(host) & networks("grafana")
            assert source["editable"] is False
            assert set(re.findall(r"\$(\w+)", json.dumps(source))) <= SERVICES["grafana"]["environment"].keys()

    def test_panels_have_ids_of_their_own_and_do_not_overlap(self) -> None:
        for dashboard in DASHBOARDS.values():
            places = [panel["gridPos"] for panel in dashboard["panels"]]
            assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)
            assert all(place["x"] + place["w"] <= 24 for place in places)
            for one, other in combinations(places, 2):
                apart = [
                    a[start] + a[size] <= b[start]
                    for a, b in ((one, other), (other, one))
                    for start, size in (("x", "w"), ("y", "h"))
                ]
                assert any(apart), f"{dashboard['uid']}: {one} and {other}"

    def test_every_panel_asks_a_datasource_that_there_is(self) -> None:
        asking = [(name, panel) for name, panel in panels() if panel["type"] != "row"]
        assert len(asking) > 30
        for name, panel in asking:
            assert panel["targets"], f"{name}: {panel['title']}"
            for reference in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
                assert DATASOURCES[reference["uid"]]["type"] == reference["type"]

    def test_nothing_waits_for_an_import_by_hand(self) -> None:
        for dashboard in DASHBOARDS.values():
            assert "__inputs" not in dashboard
            assert "${DS_" not in json.dumps(dashboard)
            assert dashboard.get("id") is None
            assert dashboard["timezone"] == "America/Bogota"

    def test_figures_have_units(self) -> None:
        for name, panel in panels():
            defaults = panel.get("fieldConfig", {}).get("defaults", {})
            if panel["type"] in {"timeseries", "barchart"}:
                assert "unit" in defaults, f"{name}: {panel['title']}"

    def test_queries_write_nothing(self) -> None:
        for name, target in targets():
            if "rawSql" in target:
                assert target["rawSql"].startswith("SELECT "), name
                assert ";" not in target["rawSql"], name
                assert set(re.findall(r"\b(meta|gold|bronze|silver)\.", target["rawSql"])) <= {"meta", "gold"}, name

    @PROMTOOL
    def test_every_promql_expression_parses(self, tmp_path: Path) -> None:
        expressions = [target["expr"] for _, target in targets() if "expr" in target]
        assert len(expressions) > 10
        rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions)]
        file = tmp_path / "panels.yml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
        promtool("check", "rules", file)


class TestRuntimeImage:
    def test_it_holds_what_the_lakehouse_imports_and_what_its_processes_need(self) -> None:
        lines = (INFRA / "images" / "runtime" / "requirements.txt").read_text(encoding="utf-8").splitlines()
        wanted = {re.sub(r"\[.*", "", line) for line in lines if not line.startswith("#")}
        distributions = {"arro3": "arro3-core", "botocore": "boto3", "distributed": "dask", "dotenv": "python-dotenv"}
        distributions |= {"prometheus_client": "prometheus-client", "urllib3": "requests"}
        imported = {
            distributions.get(name, name)
            for file in (ROOT / "pqrs_lakehouse").rglob("*.py")
            for name in _imports(ast.parse(file.read_text(encoding="utf-8")))
            if name not in sys.stdlib_module_names | {"pqrs_lakehouse"}
        }
        # the scheduler's pages; what keeps Prefect's version working; Dask's and the kit's configuration
        assert wanted == imported | {"bokeh", "fastapi", "pyyaml"}
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
        declared = {re.split(r"[\[<>=, ]", dependency)[0] for dependency in project}
        assert wanted - {"arro3-core"} <= declared  # deltalake brings it

    def test_it_is_built_without_buildkit_and_does_not_run_as_root(self) -> None:
        assert "--mount" not in DOCKERFILE
        assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.M) == ["10002"]

    def test_the_context_holds_what_is_copied_and_no_env_file(self) -> None:
        allowed = {
            line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"
        }
        copied = {
            source for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M) for source in line.split()[:-1]
        }
        assert all((ROOT / source).exists() for source in copied)
        assert {source.partition("/")[0] for source in copied} == allowed
        assert ".env" not in allowed


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
