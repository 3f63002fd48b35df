"""A deployment of Grafana (the stand-in) and Prometheus, seen as a Compose stack whose model says what is mounted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from grafana_stand_in_running import ADMIN, running

from conformance.stacks.base import (
    Capability,
    Certainty,
    ComposeModel,
    Endpoint,
    Finding,
    GrafanaAccess,
    Role,
    Unavailable,
)
from conformance.stacks.ports import PortBlock

CONFIGURATION = """
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: prometheus
    static_configs: [{targets: ["%s"]}]
"""


@dataclass
class Deployment:
    """As much of a stack as the Grafana observer asks for."""

    root: Path
    url: str
    log_file: Path
    prometheus: str | None  # host and port
    environment: dict[str, str]
    auth: tuple[str, str] = ADMIN
    kind: str = "compose"
    runs_reference: bool = False
    capabilities: frozenset[Capability] = frozenset({Capability.ENDPOINTS, Capability.COMPOSE, Capability.SOURCE})
    mounted: list[dict[str, Any]] = field(default_factory=list)

    def roles(self) -> dict[Role, tuple[str, ...]]:
        return {Role.GRAFANA: ("grafana",), Role.PROMETHEUS: ("prometheus",)}

    def endpoint(self, role: Role, port: str = "main") -> Endpoint:
        if role is not Role.PROMETHEUS or self.prometheus is None:
            raise Unavailable(f"no {role} here")
        host, _, number = self.prometheus.partition(":")
        return Endpoint(role, "prometheus", "http", host, int(number))

    def grafana(self) -> GrafanaAccess:
        return GrafanaAccess(self.url, *self.auth)

    def compose(self) -> ComposeModel:
        aliases = {"pqr-network": {"aliases": ["127.0.0.1"]}}  # where this Grafana really finds Prometheus
        services = {
            "grafana": {"environment": self.environment, "volumes": self.mounted},
            "prometheus": {"networks": aliases},
        }
        findings = tuple(
            Finding(service, role, Certainty.SURE, "") for role, names in self.roles().items() for service in names
        )
        return ComposeModel(file="docker-compose.yml", resolved={"services": services}, findings=findings)

    def containers(self) -> tuple[()]:
        raise Unavailable("no containers here")

    def source(self) -> Path:
        return self.root

    def logs(self) -> dict[str, Path]:
        return {"grafana": self.log_file}


@contextmanager
def prometheus(home: Path) -> Iterator[str]:
    """One that scrapes itself every second, and has; its host and port."""
    with PortBlock() as ports:
        address = f"127.0.0.1:{ports.take()}"
        (home / "prometheus.yml").write_text(CONFIGURATION % address, encoding="utf-8")
        with (home / "prometheus.log").open("wb") as log:
            process = subprocess.Popen(
                ["prometheus", f"--config.file={home / 'prometheus.yml'}", f"--web.listen-address={address}",
                 f"--storage.tsdb.path={home / 'tsdb'}"], stdout=log, stderr=log,
            )  # fmt: skip
        try:
            deadline = time.monotonic() + 20
            while not _series(address):
                assert time.monotonic() < deadline, (home / "prometheus.log").read_text(encoding="utf-8")
                time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            process.wait(10)


def _series(address: str) -> list[Any]:
    """Of ``up``, once it has scraped itself."""
    try:
        reply = requests.get(f"http://{address}/api/v1/query", params={"query": "up"}, timeout=2)
    except requests.ConnectionError:
        return []
    return list(reply.json()["data"]["result"]) if reply.ok else []


@contextmanager
def deployed(home: Path, prometheus: str | None, **variables: str) -> Iterator[Deployment]:
    """Grafana with the files of ``home/provisioning``, which the model mounts where Grafana reads them."""
    (home / "provisioning").mkdir(exist_ok=True)
    with running(home, **variables) as server:
        folder = str(home / "provisioning")
        mounted = [{"type": "bind", "source": folder, "target": folder}]
        environment = {"GF_PATHS_PROVISIONING": folder, **variables}
        auth = (
            variables.get("GF_SECURITY_ADMIN_USER", ADMIN[0]),
            variables.get("GF_SECURITY_ADMIN_PASSWORD", ADMIN[1]),
        )
        yield Deployment(home, server.url, home / "grafana.log", prometheus, environment, auth, mounted=mounted)
