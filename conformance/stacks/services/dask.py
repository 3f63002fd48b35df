"""Dask: the scheduler with its HTTP side, and workers with their nannies."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from conformance.stacks.ports import HOST
from conformance.stacks.processes import Command, Processes
from conformance.stacks.services.asking import ask, ask_json

WORKER_MEMORY = "1536MiB"


def scheduler(processes: Processes, name: str, port: int, dashboard: int, file: Path) -> Command:
    """A scheduler that writes ``file`` once it listens."""
    argv = [
        sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", HOST, "--port", str(port),
        "--dashboard-address", f"{HOST}:{dashboard}", "--scheduler-file", str(file),
    ]  # fmt: skip
    return Command(name, argv, _environment(processes), processes.folder(name))


def worker(processes: Processes, name: str, dashboard: int, file: Path) -> Command:
    """A worker with its nanny; it waits for the scheduler's ``file``, so it can be started beside the scheduler."""
    folder = processes.folder(name)
    argv = [
        sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--host", HOST,
        "--name", name, "--nworkers", "1", "--nthreads", "1", "--memory-limit", WORKER_MEMORY,
        "--local-directory", str(folder), "--dashboard-address", f"{HOST}:{dashboard}", "--death-timeout", "120",
    ]  # fmt: skip
    return Command(name, argv, _environment(processes), folder)


@dataclass(frozen=True)
class Scheduler:
    """The HTTP side of a scheduler."""

    address: str  # tcp://…
    http: str  # http://…

    def answers(self) -> bool:
        """Whether it is healthy, and this one: a scheduler that finds its dashboard's port taken picks another."""
        identity = ask_json(f"{self.http}/json/identity.json")
        return isinstance(identity, dict) and identity.get("address") == self.address and self._is_healthy()

    def workers(self) -> set[str]:
        """The names of the registered workers."""
        identity = ask_json(f"{self.http}/json/identity.json")
        workers = identity.get("workers", {}) if isinstance(identity, dict) else {}
        return {str(worker.get("name")) for worker in workers.values()}

    def _is_healthy(self) -> bool:
        return ask(f"{self.http}/health") == (200, b"ok")


def _environment(processes: Processes) -> dict[str, str]:
    config = str(processes.folder("dask-config"))  # empty: neither the user's configuration nor the machine's counts
    return processes.environment(
        {"DASK_CONFIG": config, "DASK_ROOT_CONFIG": config, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    )
