"""The Grafana stand-in as a process: how it starts, what ends it, what it keeps."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer

import pytest
from grafana_stand_in_running import PATIENCE, ended, environment, running, write

from conformance.stacks.ports import PortBlock

from grafana_stand_in.__main__ import main  # isort: skip - on the path since grafana_stand_in_running
from grafana_stand_in.models import DataSource  # isort: skip
from grafana_stand_in.store import Store  # isort: skip

SOURCE = "apiVersion: 1\ndatasources: [{name: Prometheus, type: prometheus, url: 'http://prometheus:9090'}]\n"
Ends = Callable[..., tuple[int, str]]
STAMPED = r"t=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Ends]:
    """Run ``main`` in this process, quicker than in its own: its exit code and what it printed."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(**variables: str) -> tuple[int, str]:
        with PortBlock() as ports:
            for name, value in environment(tmp_path, ports.take(), **variables).items():
                monkeypatch.setenv(name, value)
            watchdog = Timer(PATIENCE, os.kill, (os.getpid(), signal.SIGTERM))
            watchdog.start()
            try:
                return main(), capsys.readouterr().out
            finally:
                watchdog.cancel()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_keeps_its_state_and_its_first_password_and_ends_well(tmp_path: Path) -> None:
    write(tmp_path, {"provisioning/datasources/d.yml": SOURCE})
    with running(tmp_path, GF_SECURITY_ADMIN_USER="profe", GF_SECURITY_ADMIN_PASSWORD="uno") as server:
        server.auth = ("profe", "uno")
        assert server.get("/api/datasources")[0]["uid"] == "PBFA97CFB590B2093"
        server.call("POST", "/api/dashboards/db", json={"dashboard": {"title": "A mano", "uid": "mano"}})
        assert re.search(
            rf'logger=provisioning\.datasources {STAMPED} level=info msg="inserting datasource', server.log
        )
        assert server.terminate() == 0
    (tmp_path / "provisioning/datasources/d.yml").write_text("apiVersion: 1\n")
    with running(tmp_path, GF_SECURITY_ADMIN_PASSWORD="dos") as server:
        assert server.call("GET", "/api/org", auth=("admin", "dos")).status_code == 401
        server.auth = ("profe", "uno")
        assert [one["name"] for one in server.get("/api/datasources")] == ["Prometheus"]
        assert server.get("/api/dashboards/uid/mano")["dashboard"]["title"] == "A mano"


def test_dashboards_appear_while_it_runs(tmp_path: Path) -> None:
    provider = (
        f"apiVersion: 1\nproviders: [{{name: p, updateIntervalSeconds: 1, options: {{path: {tmp_path}/boards}}}}]\n"
    )
    write(tmp_path, {"provisioning/dashboards/p.yml": provider})
    with running(tmp_path) as server:
        assert "can't read datasource provisioning files from directory" in server.log  # and it runs all the same
        assert (server.get("/api/datasources"), server.get("/api/search")) == ([], [])
        write(tmp_path, {"boards/a.json": '{"title": "Llegó", "uid": "a"}'})
        server.until("/api/search", lambda hits: [hit["title"] for hit in hits] == ["Llegó"])


def test_a_datasource_file_that_is_no_yaml_ends_it(tmp_path: Path) -> None:
    write(tmp_path, {"provisioning/datasources/d.yml": "apiVersion: 1\ndatasources: [\n"})
    code, log = ended(tmp_path)
    assert code == 1
    problem = r"Datasource provisioning error: yaml: line \d+: "
    logged = rf'logger=provisioning {STAMPED} level=error msg="Failed to provision data sources" error="{problem}'
    assert re.search(f"^{logged}", log, re.MULTILINE)
    assert re.search(rf"^Error: ✗ \*provisioning\.ProvisioningServiceImpl run error: {problem}", log, re.MULTILINE)


def test_two_defaults_end_it(tmp_path: Path, ends: Ends) -> None:
    default = SOURCE.replace("{name", "{isDefault: true, name")
    write(tmp_path, {f"provisioning/datasources/{name}.yml": default for name in "ab"})
    code, log = ends()
    assert code == 1
    assert "Only one datasource per organization can be marked as default" in log


def test_a_new_uid_over_an_old_state_ends_it(tmp_path: Path, ends: Ends) -> None:
    environment(tmp_path)
    store = Store(tmp_path / "data")
    store.add_datasource(DataSource(name="Prometheus", type="prometheus", uid="old"))
    store.close()
    write(tmp_path, {"provisioning/datasources/d.yml": SOURCE.replace("{name", "{uid: new, name")})
    code, log = ends()
    assert code == 1
    assert 'error="Datasource provisioning error: data source not found"' in log


def test_a_provider_file_that_is_no_yaml_ends_it(tmp_path: Path, ends: Ends) -> None:
    write(tmp_path, {"provisioning/dashboards/p.yml": "apiVersion: 1\nproviders: [\n"})
    code, log = ends()
    assert code == 1
    assert 'level=error msg="Failed to provision dashboard" error="Failed to create provisioner: ' in log


def test_a_data_folder_that_cannot_be_written_ends_it(tmp_path: Path, ends: Ends) -> None:
    code, log = ends(GF_PATHS_DATA=str(tmp_path / "nowhere"))
    assert code == 1
    assert f"GF_PATHS_DATA='{tmp_path / 'nowhere'}' is not writable.\nYou may have issues with file permissions" in log


def test_a_state_that_is_none_ends_it(tmp_path: Path, ends: Ends) -> None:
    write(tmp_path, {"data/stand-in.db": "no database at all, and long enough to be told from one"})
    code, log = ends()
    assert (code, "file is not a database" in log) == (1, True)


def test_an_environment_that_is_wrong_ends_it(ends: Ends) -> None:
    assert ends(GF_SERVER_HTTP_PORT="three") == (1, "GF_SERVER_HTTP_PORT='three' is not a port\n")


def test_a_port_that_is_taken_ends_it(ends: Ends) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, log = ends(GF_SERVER_HTTP_PORT=str(port))
    assert code == 1
    assert f"Error: ✗ *api.HTTPServer run error: failed to open listener on 127.0.0.1:{port}" in log
