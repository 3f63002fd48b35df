"""The Grafana stand-in in a process of its own or in a thread; puts its package, which no wheel has, on the path."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
import uvicorn

from conformance.stacks.ports import PortBlock

HOME = Path(__file__).parents[1] / "infra/images/offline/grafana"
if str(HOME) not in sys.path:
    sys.path.insert(0, str(HOME))

from grafana_stand_in.api.calls import Grafana  # noqa: E402 - needs the path above
from grafana_stand_in.app import application  # noqa: E402
from grafana_stand_in.provisioning import datasources  # noqa: E402
from grafana_stand_in.provisioning.dashboards import Dashboards  # noqa: E402
from grafana_stand_in.settings import Settings  # noqa: E402
from grafana_stand_in.store import Store  # noqa: E402

ADMIN = ("admin", "admin")
PATIENCE = 20.0  # seconds, on a busy machine


class Client:
    """Asks a stand-in at ``url``, as the administrator unless told otherwise."""

    def __init__(self, url: str, auth: tuple[str, str] | None = ADMIN) -> None:
        self.url, self.auth = url, auth

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        return requests.request(method, self.url + path, **{"auth": self.auth, "timeout": 10, **more})

    def get(self, path: str, **more: Any) -> Any:
        """The JSON of an answer that must be a good one."""
        reply = self.call("GET", path, **more)
        assert reply.status_code == 200, (path, reply.status_code, reply.text)
        return reply.json()

    def query(self, *queries: Mapping[str, Any], start: str = "now-5m", end: str = "now") -> requests.Response:
        return self.call("POST", "/api/ds/query", json={"from": start, "to": end, "queries": list(queries)})

    def until(self, path: str, wanted: Callable[[Any], bool]) -> Any:
        """Ask until ``wanted`` holds of the answer."""
        deadline = time.monotonic() + PATIENCE
        while not wanted(answer := self.get(path)):
            assert time.monotonic() < deadline, (path, answer)
            time.sleep(0.05)
        return answer


def environment(home: Path, port: int = 3000, **variables: str) -> dict[str, str]:
    """As the image sets it, but in ``home``: ``home/provisioning`` and ``home/data``, which is made."""
    (home / "data").mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GF_")}
    return {
        **kept,
        "PYTHONPATH": str(HOME),
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_PATHS_DATA": str(home / "data"),
        "GF_PATHS_PROVISIONING": str(home / "provisioning"),
        **variables,
    }


@contextmanager
def serving(home: Path, **variables: str) -> Iterator[Client]:
    """In a thread of this process, once provisioned; files are not read again."""
    env = environment(home, **variables)
    settings = Settings.from_env(env)
    store = Store(settings.data)
    grafana = Grafana(settings, store)
    store.ensure_admin(settings.admin_user, settings.admin_password)
    datasources.provision(settings.provisioning / "datasources", store, env)
    grafana.dashboards = Dashboards(settings.provisioning / "dashboards", store, env)
    grafana.dashboards.provision()
    server = uvicorn.Server(uvicorn.Config(application(grafana), log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Client(f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join()
            store.close()


class Process(Client):
    """A stand-in of its own; ``log`` is all that it has printed."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log_file: Path) -> None:
        super().__init__(url)
        self.process, self._log_file = process, log_file

    @property
    def log(self) -> str:
        return self._log_file.read_text(encoding="utf-8")

    def terminate(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextmanager
def running(home: Path, **variables: str) -> Iterator[Process]:
    """The stand-in as a process, from when its provisioning has ended."""
    with PortBlock() as ports, (home / "grafana.log").open("wb") as log:
        port = ports.take()
        process = subprocess.Popen(
            [sys.executable, "-m", "grafana_stand_in"],
            env=environment(home, port, **variables), stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        server = Process(process, f"http://127.0.0.1:{port}", home / "grafana.log")
        try:
            _wait(server)
            yield server
        finally:
            process.kill()
            process.wait()


def _wait(server: Process) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert server.process.poll() is None, server.log
        with suppress(requests.ConnectionError):
            ready = server.call("GET", "/api/health", auth=None).ok
            if ready and ("finished to provision dashboards" in server.log or "Failed to provision" in server.log):
                return
        time.sleep(0.02)
    raise AssertionError(f"the stand-in did not come up: {server.log}")


def ended(home: Path, **variables: str) -> tuple[int, str]:
    """Run a stand-in that ends by itself: its exit code and what it printed."""
    with PortBlock() as ports:
        done = subprocess.run(
            [sys.executable, "-m", "grafana_stand_in"], env=environment(home, ports.take(), **variables),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False, text=True,
        )  # fmt: skip
    return done.returncode, done.stdout


def write(home: Path, files: Mapping[str, str]) -> None:
    """Files below ``home``, with their folders."""
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
