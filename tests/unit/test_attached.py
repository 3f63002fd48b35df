"""A deployment that runs already, by what its env file says."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from conformance.stacks.attached import AttachedStack
from conformance.stacks.base import Capability, Role, StackError, Unavailable

LAKE = """
POSTGRES_HOST=db.campus.edu
POSTGRES_USER=pqrs
POSTGRES_PASSWORD='s3cr3t $word'
POSTGRES_DB=pqrs
S3_ENDPOINT_URL=https://s3.campus.edu/
S3_ACCESS_KEY=KEY
S3_SECRET_KEY=SECRET
DASK_SCHEDULER_ADDRESS=tcp://dask.campus.edu
DASK_DASHBOARD_URL=http://dask.campus.edu:8787
PREFECT_API_URL=http://prefect.campus.edu:4200/api
"""


def attached(tmp_path: Path, text: str, source: Path | None = None) -> AttachedStack:
    file = tmp_path / "campus.env"
    file.write_text(text, encoding="utf-8")
    return AttachedStack(file, source, timeout=0.05)


def test_services_are_where_the_file_says(tmp_path: Path) -> None:
    with attached(tmp_path, LAKE) as stack:
        assert stack.roles().keys() == {
            Role.POSTGRES, Role.OBJECT_STORE, Role.DASK_SCHEDULER, Role.PREFECT_SERVER,
        }  # fmt: skip
        assert stack.endpoint(Role.DASK_SCHEDULER).url == "tcp://dask.campus.edu:8786"
        assert stack.endpoint(Role.DASK_SCHEDULER, "dashboard").url == "http://dask.campus.edu:8787"
        assert stack.endpoint(Role.PREFECT_SERVER).url == "http://prefect.campus.edu:4200"
        assert (stack.postgres().port, stack.postgres().password) == (5432, "s3cr3t $word")
        assert stack.object_store().endpoint_url == "https://s3.campus.edu"
        assert stack.secrets() == {"s3cr3t $word", "KEY", "SECRET"}


def test_what_the_file_leaves_out_cannot_be_had(tmp_path: Path) -> None:
    stack = attached(tmp_path, LAKE)
    with pytest.raises(Unavailable, match="does not say where grafana is"):
        stack.grafana()
    with pytest.raises(Unavailable, match="the console of object_store"):
        stack.endpoint(Role.OBJECT_STORE, "console")


def test_a_repository_is_read_only_if_one_was_named(tmp_path: Path) -> None:
    assert attached(tmp_path, LAKE).capabilities == {Capability.ENDPOINTS}
    assert attached(tmp_path, LAKE, tmp_path).capabilities == {Capability.ENDPOINTS, Capability.SOURCE}
    with pytest.raises(Unavailable):
        attached(tmp_path, LAKE).source()


def test_it_waits_for_a_service_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        stack = attached(tmp_path, f"PROMETHEUS_URL=http://127.0.0.1:{port}\n")
        assert stack.endpoint(Role.PROMETHEUS).port == port
    assert stack.endpoint(Role.PROMETHEUS).port == port


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no service; give at least one of POSTGRES_HOST, S3_ENDPOINT_URL"),
        ("POSTGRES_HOST=db\nPOSTGRES_USER=u\n", "POSTGRES_PASSWORD, POSTGRES_DB missing"),
        ("S3_ENDPOINT_URL=http://s3\n", "S3_ACCESS_KEY, S3_SECRET_KEY missing"),
        (LAKE + "POSTGRES_PORT=many\n", "POSTGRES_PORT=many is not a port number"),
        ("PROMETHEUS_URL=prometheus:9090\n", "PROMETHEUS_URL must be an address like http://HOST:PORT"),
        ("PROMETHEUS_URL=http://prometheus:ninety\n", "PROMETHEUS_URL must be an address like http://HOST:PORT"),
        (
            "GRAFANA_URL=http://campus.edu/grafana\n",
            "GRAFANA_URL must be an address like http://HOST:PORT, without a path",
        ),
        ("DASK_SCHEDULER_ADDRESS=http://dask\n", "DASK_SCHEDULER_ADDRESS must be an address like tcp://HOST:PORT"),
    ],
)
def test_what_makes_no_sense_is_told_with_file_and_variable(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(StackError) as told:
        attached(tmp_path, text)
    assert said in str(told.value)
    assert "campus.env" in str(told.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot read the env file"):
        AttachedStack(tmp_path)
