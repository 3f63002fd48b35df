"""The image of the Grafana stand-in keeps the contract of grafana/grafana: user, paths, tools, state, ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests
from docker_containers import Container, Deployment, build, docker, published

pytestmark = pytest.mark.compose

GRAFANA = "grafana:13"
SOURCE = "apiVersion: 1\ndatasources: [{name: Prometheus, type: prometheus, url: $PROMETHEUS}]\n"


@pytest.fixture(scope="module", autouse=True)
def image() -> None:
    done = build(GRAFANA)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def provisioned(tmp_path: Path) -> tuple[str, ...]:
    """Options that mount a datasource file and a password where Grafana has them."""
    (tmp_path / "datasources").mkdir()
    (tmp_path / "datasources/d.yml").write_text(SOURCE)
    (tmp_path / "password").write_text("de un archivo\n")
    tmp_path.chmod(0o755)
    mounts = (
        f"{tmp_path / 'datasources'}:/etc/grafana/provisioning/datasources",
        f"{tmp_path / 'password'}:/run/password",
    )
    return tuple(word for mount in mounts for word in ("--volume", f"{mount}:ro"))


def healthy(server: Container) -> bool:
    return server.runs("wget", "-q", "-O", "/dev/null", "http://127.0.0.1:3000/api/health")


def datasources(server: Container, password: str = "admin") -> requests.Response:
    return requests.get(server.url(3000) + "/api/datasources", auth=("admin", password), timeout=10)


def test_says_what_it_is() -> None:
    labels = json.loads(docker("image", "inspect", "-f", "{{json .Config.Labels}}", f"pqrs-offline/{GRAFANA}"))
    assert labels.items() >= {
        "pqrs.image": "offline", "pqrs.stands-in-for": "Grafana", "pqrs.stand-in": "the kit's Grafana stand-in",
    }.items()  # fmt: skip


def test_runs_as_472_with_the_tools_of_health_checks(deployment: Deployment) -> None:
    server = deployment.run(GRAFANA, "--config=/etc/grafana/grafana.ini", "cfg:log.level=debug")
    server.comes_up(lambda: healthy(server))
    assert server.says("id", "-u") + ":" + server.says("id", "-g") == "472:0"
    assert server.runs("curl", "-fsS", "http://localhost:3000/healthz")
    assert server.runs("wget", "-q", "--spider", "http://localhost:3000/")  # which sends on to /login
    docker("stop", server.name)
    assert server.ended() == 0


def test_its_volume_outlives_it(deployment: Deployment, provisioned: tuple[str, ...]) -> None:
    options = (*published(3000), *provisioned, "--volume", f"{deployment.volume()}:/var/lib/grafana")
    env = {"PROMETHEUS": "http://prometheus:9090", "GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/password"}
    first = deployment.run(GRAFANA, env=env, options=options)
    first.comes_up(lambda: "finished to provision" in first.log and healthy(first))
    assert datasources(first, "de un archivo").json()[0]["url"] == "http://prometheus:9090"
    docker("rm", "--force", first.name)

    second = deployment.run(GRAFANA, env={**env, "PROMETHEUS": "http://other:9090"}, options=options)
    second.comes_up(lambda: "finished to provision" in second.log and healthy(second))
    (source,) = datasources(second, "de un archivo").json()
    assert (source["url"], source["uid"]) == ("http://other:9090", "PBFA97CFB590B2093")
    assert "Created default admin" not in second.log


def test_a_folder_that_is_not_its_own_ends_it(deployment: Deployment, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    server = deployment.run(GRAFANA, options=("--volume", f"{tmp_path}:/var/lib/grafana"))
    assert server.ended() == 1
    assert "GF_PATHS_DATA='/var/lib/grafana' is not writable.\nYou may have issues with file permissions" in server.log
    as_root = deployment.run(GRAFANA, options=("--volume", f"{tmp_path}:/var/lib/grafana", "--user", "0"))
    as_root.comes_up(lambda: healthy(as_root))


def test_a_broken_datasource_file_ends_it(deployment: Deployment, provisioned: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "datasources/d.yml").write_text(SOURCE.replace("]", ""))
    server = deployment.run(GRAFANA, options=provisioned)
    assert server.ended() == 1
    assert (
        'level=error msg="Failed to provision data sources" error="Datasource provisioning error: yaml: ' in server.log
    )
