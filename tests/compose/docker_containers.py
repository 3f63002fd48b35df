"""Containers, networks and volumes that a test starts, under names of its own, and that are gone after it."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

OFFLINE = Path(__file__).parents[2] / "infra/images/offline"
PATIENCE = 240.0  # seconds, on a busy machine


def build(*names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, OFFLINE / "build", *names], capture_output=True, text=True, timeout=1_200, check=False
    )


def docker(*words: str, check: bool = True) -> str:
    """What the command printed, on both streams."""
    done = subprocess.run(
        ["docker", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0 or not check, f"docker {' '.join(words)}: {done.stdout}"
    return done.stdout


def until(condition: Callable[[], object], what: Callable[[], str] = str, seconds: float = PATIENCE) -> None:
    """Wait for ``condition``; ``what`` says what is there instead."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


@dataclass(frozen=True)
class Container:
    name: str

    @property
    def log(self) -> str:
        return docker("logs", self.name)

    @property
    def running(self) -> bool:
        return docker("inspect", "-f", "{{.State.Running}}", self.name).strip() == "true"

    def runs(self, *command: str) -> bool:
        """Whether ``command`` in it ends well."""
        done = subprocess.run(
            ["docker", "exec", self.name, *command], capture_output=True, timeout=PATIENCE, check=False
        )
        return done.returncode == 0

    def says(self, *command: str) -> str:
        return docker("exec", self.name, *command).strip()

    def port(self, port: int) -> int:
        """Where ``port`` is published on the loopback address."""
        return int(docker("port", self.name, str(port)).splitlines()[0].rpartition(":")[2])

    def url(self, port: int) -> str:
        return f"http://127.0.0.1:{self.port(port)}"

    def ended(self) -> int:
        """Its exit status, once it has ended."""
        return int(docker("wait", self.name))

    def comes_up(self, condition: Callable[[], object]) -> None:
        """Wait for ``condition``, or fail with its log as soon as it has ended."""
        until(lambda: condition() or not self.running, lambda: self.log)
        assert self.running, self.log


@dataclass
class Deployment:
    """What one test starts."""

    prefix: str = field(default_factory=lambda: f"pqrs-test-{uuid.uuid4().hex[:12]}")
    containers: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    def run(
        self, image: str, *command: str, env: Mapping[str, str] | None = None, options: tuple[str, ...] = ()
    ) -> Container:
        """Start a container of ``pqrs-offline/<image>``; its ports are published on free loopback ports."""
        name = f"{self.prefix}-{len(self.containers)}"
        self.containers.append(name)
        words = ["run", "--detach", "--name", name, *options]
        words += [word for key, value in (env or {}).items() for word in ("--env", f"{key}={value}")]
        docker(*words, f"pqrs-offline/{image}", *command)
        return Container(name)

    def network(self) -> str:
        name = f"{self.prefix}-net{len(self.networks)}"
        self.networks.append(name)
        docker("network", "create", name)
        return name

    def volume(self) -> str:
        name = f"{self.prefix}-vol{len(self.volumes)}"
        self.volumes.append(name)
        docker("volume", "create", name)
        return name

    def remove(self) -> None:
        for name in self.containers:
            docker("rm", "--force", "--volumes", name, check=False)
        for kind, names in (("network", self.networks), ("volume", self.volumes)):
            for name in names:
                docker(kind, "rm", name, check=False)


def published(*ports: int) -> tuple[str, ...]:
    return tuple(word for port in ports for word in ("--publish", f"127.0.0.1::{port}"))
