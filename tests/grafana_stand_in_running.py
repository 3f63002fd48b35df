"""The Grafana stand-in as a process of its own, and its package on the path (it is not part of the wheel)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from conformance.stacks.ports import PortBlock

HOME = Path(__file__).parents[1] / "infra/images/offline/grafana"
if str(HOME) not in sys.path:
    sys.path.insert(0, str(HOME))

ADMIN = ("admin", "admin")
PATIENCE = 20.0  # seconds, on a busy machine


@dataclass
class Running:
    """A stand-in that answers at ``url``; ``log`` is all that it has printed."""

    process: subprocess.Popen[bytes]
    url: str
    log_file: Path
    auth: tuple[str, str] | None = ADMIN
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.session.request(method, self.url + path, **{"auth": self.auth, "timeout": 10, **more})

    def get(self, path: str, **more: Any) -> Any:
        """The JSON of an answer that must be a good one."""
        reply = self.call("GET", path, **more)
        assert reply.status_code == 200, (path, reply.status_code, reply.text)
        return reply.json()

    def until(self, path: str, wanted: Any) -> Any:
        """Ask until ``wanted`` holds of the answer."""
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self.get(path)
            if wanted(answer):
                return answer
            assert time.monotonic() < deadline, (path, answer, self.log)
            time.sleep(0.05)


def environment(home: Path, port: int, **variables: str) -> dict[str, str]:
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
def running(home: Path, **variables: str) -> Iterator[Running]:
    """The stand-in, from when its provisioning has ended."""
    with PortBlock() as ports:
        port = ports.take()
        log_file = home / "grafana.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "grafana_stand_in"],
                env=environment(home, port, **variables), stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        server = Running(process, f"http://127.0.0.1:{port}", log_file)
        try:
            _wait(server)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(server: Running) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert server.process.poll() is None, server.log
        with suppress(requests.ConnectionError):
            ready = server.call("GET", "/api/health", auth=None).ok
            if ready and ("finished to provision dashboards" in server.log or "Failed to provision" in server.log):
                return
        time.sleep(0.05)
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
