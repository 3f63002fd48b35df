"""Prefect: the server, a process worker, and the reference's deployment."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from conformance.stacks.base import StackError
from conformance.stacks.ports import HOST
from conformance.stacks.processes import Command, Processes
from conformance.stacks.services.asking import ask, ask_json

POOL = "pqrs"

AFTER = """\
import importlib, os, sys, time
gate, modules, entry = sys.argv[1:4]
del sys.argv[1:4]
for module in modules.split(","):
    importlib.import_module(module)
while not os.path.exists(gate):
    time.sleep(0.05)
module, function = entry.split(":")
getattr(importlib.import_module(module), function)()
"""
"""A program that imports what it needs, seconds of work, while the server that it needs is still starting."""


def server(processes: Processes, name: str, url: str, port: int) -> Command:
    env = _environment(
        processes,
        name,
        url,
        PREFECT_SERVER_METRICS_ENABLED="true",
        # Otherwise it writes its pages beside its code, for all servers there, one under the other's feet.
        PREFECT_SERVER_UI_STATIC_DIRECTORY=str(processes.folder(name) / "pages"),
        PREFECT_API_BLOCKS_REGISTER_ON_START="false",  # seconds of the start, for blocks that nobody here uses
    )
    argv = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    # Asked to end, it waits for its clients' connections; its state goes with the stack.
    return Command(name, argv, env, processes.folder(name), stop=signal.SIGKILL)


def worker(processes: Processes, name: str, url: str, gate: Path) -> Command:
    """A process worker that starts working when ``gate`` is there."""
    env = _environment(processes, name, url, PREFECT_WORKER_QUERY_SECONDS="1")
    argv = [
        sys.executable, "-c", AFTER, str(gate), "prefect.cli.worker,prefect.workers.process", "prefect.cli:app",
        "worker", "start", "--pool", POOL, "--type", "process", "--name", name,
    ]  # fmt: skip
    # Asked to end, it waits for flow runs, and for ever when the server has gone before it.
    return Command(name, argv, env, processes.folder(name), stop=signal.SIGKILL)


def deployment(processes: Processes, name: str, url: str, gate: Path, settings: dict[str, str]) -> Command:
    """Registers the reference's flow when ``gate`` is there, and ends."""
    env = _environment(processes, name, url) | settings
    argv = [
        sys.executable, "-c", AFTER, str(gate), "pqrs_lakehouse.flows", "pqrs_lakehouse.cli:main",
        "deploy", "--pool", POOL,
    ]  # fmt: skip
    return Command(name, argv, env, processes.folder(name))


def make_pool(url: str) -> None:
    """An empty process pool: its worker fills in the template. (For whoever asks, the server looks on the Internet.)"""
    status, body = ask(f"{url}/api/work_pools/", payload={"name": POOL, "type": "process"})
    if status != 201:
        raise StackError(f"Prefect made no work pool: {status} {body[:200]!r}")


def worker_is_online(url: str, name: str) -> bool:
    found = ask_json(f"{url}/api/work_pools/{POOL}/workers/filter", payload={}) or []
    return any(worker["name"] == name and worker["status"] == "ONLINE" for worker in found)


def _environment(processes: Processes, name: str, url: str, **more: str) -> dict[str, str]:
    home = processes.folder(name)
    return processes.environment(
        {
            "PREFECT_HOME": str(home),
            "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
            "PREFECT_API_URL": f"{url}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_CLI_PROMPT": "false",
            "PREFECT_CLI_COLORS": "false",
            **more,
        }
    )
