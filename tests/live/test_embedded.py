"""The embedded stack as others use it: what it promises while it runs, and what it does not leave behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
import requests
from waiting import until

from conformance.stacks import guard
from conformance.stacks.base import Role, StackError, Unavailable
from conformance.stacks.embedded import WORKERS, EmbeddedStack
from conformance.stacks.ports import PortBlock
from conformance.stacks.services import dask, postgres, prefect, seaweedfs
from conformance.stacks.services.asking import ask, ask_json

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]


def s3(stack: EmbeddedStack) -> Any:
    access = stack.object_store()
    return boto3.client(
        "s3",
        endpoint_url=access.endpoint_url,
        aws_access_key_id=access.access_key,
        aws_secret_access_key=access.secret_key,
        region_name=access.region,
    )


class TestWhileItRuns:
    def test_postgres_has_the_layers_and_demands_its_password(self, stack: EmbeddedStack) -> None:
        access = stack.postgres()
        with psycopg.connect(access.dsn()) as connection:
            schemas = {name for (name,) in connection.execute("SELECT nspname FROM pg_namespace")}
        assert schemas >= {"meta", "bronze", "silver", "gold"}
        for given in ("password=wrong", "password='' passfile=/dev/null"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(f"{access.dsn()} {given}")

    def test_prefect_knows_the_reference_and_has_a_worker(self, stack: EmbeddedStack) -> None:
        with pytest.raises(Unavailable, match="no port"):  # and the worker has answered by now
            stack.endpoint(Role.PREFECT_WORKER)
        url = stack.endpoint(Role.PREFECT_SERVER).url
        assert prefect.worker_is_online(url, "prefect-worker")
        deployment = requests.get(f"{url}/api/deployments/name/pqrs-pipeline/reference", timeout=10).json()
        assert deployment["work_pool_name"] == prefect.POOL
        assert deployment["job_variables"]["env"] == stack.settings().to_env()

    def test_prefect_writes_its_pages_in_the_stacks_own_folder(self, stack: EmbeddedStack) -> None:
        status, page = ask(f"{stack.endpoint(Role.PREFECT_SERVER).url}/")
        assert status == 200
        assert b"<html" in page
        assert (stack._processes.folder("prefect-server") / "pages" / "v1" / "index.html").is_file()

    def test_the_scheduler_counts_its_tasks_for_prometheus(self, stack: EmbeddedStack) -> None:
        status, metrics = ask(f"{stack.endpoint(Role.DASK_SCHEDULER, 'dashboard').url}/metrics")
        assert status == 200
        assert b"\ndask_scheduler_workers" in metrics

    def test_prometheus_sees_every_target_or_says_why_there_is_none(self, stack: EmbeddedStack) -> None:
        if not shutil.which("prometheus"):
            with pytest.raises(Unavailable, match="not on PATH"):
                stack.endpoint(Role.PROMETHEUS)
            return
        url = stack.endpoint(Role.PROMETHEUS).url
        stack.endpoint(Role.PREFECT_SERVER)

        def health() -> dict[str, set[str]]:
            seen: dict[str, set[str]] = {}
            for target in ask_json(f"{url}/api/v1/targets?state=active")["data"]["activeTargets"]:
                seen.setdefault(target["labels"]["job"], set()).add(target["health"])
            return seen

        until(lambda: {state for states in health().values() for state in states} == {"up"})
        assert set(health()) == {"prometheus", "prefect", "postgres", "dask-scheduler", "dask-worker", "seaweedfs"}

    def test_what_it_cannot_have_is_said(self, stack: EmbeddedStack) -> None:
        with pytest.raises(Unavailable, match="Grafana"):
            stack.endpoint(Role.GRAFANA)
        with pytest.raises(Unavailable, match="console"):
            stack.endpoint(Role.OBJECT_STORE, "console")
        with pytest.raises(Unavailable, match="cannot restart"):
            stack.restart(Role.DASK_SCHEDULER)
        with pytest.raises(Unavailable, match="cannot kill"):
            stack.kill_one(Role.POSTGRES)

    def test_every_service_has_a_log_and_none_holds_a_secret(self, stack: EmbeddedStack) -> None:
        logs = stack.logs()
        assert set(logs) >= {"postgres", "seaweedfs", "dask-scheduler", *WORKERS, "prefect-server", "prefect-worker"}
        text = "".join(log.read_text(errors="replace") for log in logs.values())
        assert "database system is ready" in text
        assert not any(secret in text for secret in stack.secrets())

    def test_a_restart_keeps_data_and_ports(self, stack: EmbeddedStack) -> None:
        store, before = s3(stack), (stack.postgres(), stack.object_store())
        body = b"x" * 9_000_000
        store.create_bucket(Bucket="embedded-restart")
        store.put_object(Bucket="embedded-restart", Key="ñ/key", Body=body)
        with psycopg.connect(before[0].dsn()) as connection:
            connection.execute("CREATE TABLE public.embedded_restart AS SELECT 42 AS answer")
        with ThreadPoolExecutor() as pool:
            list(pool.map(stack.restart, (Role.POSTGRES, Role.OBJECT_STORE)))
        assert (stack.postgres(), stack.object_store()) == before
        with psycopg.connect(before[0].dsn()) as connection:
            assert connection.execute("TABLE public.embedded_restart").fetchall() == [(42,)]
            connection.execute("DROP TABLE public.embedded_restart")
        assert store.get_object(Bucket="embedded-restart", Key="ñ/key")["Body"].read() == body
        store.delete_object(Bucket="embedded-restart", Key="ñ/key")
        store.delete_bucket(Bucket="embedded-restart")

    def test_a_killed_worker_is_lost_and_comes_back(self, stack: EmbeddedStack) -> None:
        endpoints = {port: stack.endpoint(Role.DASK_SCHEDULER, port).url for port in ("main", "dashboard")}
        scheduler = dask.Scheduler(endpoints["main"], endpoints["dashboard"])
        killed = stack.kill_one(Role.DASK_WORKER)
        assert scheduler.workers() == set(WORKERS) - {killed}
        stack.heal()
        assert scheduler.workers() == set(WORKERS)
        stack.heal()  # of nothing that is lost

    def test_a_second_postgres_is_another_one_and_goes(self, stack: EmbeddedStack) -> None:
        with stack.second_postgres() as access:
            assert access.port != stack.postgres().port
            with psycopg.connect(access.dsn()) as connection:
                found = connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate").fetchall()
            assert found == [("postgres",)]
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(access.dsn())

    def test_binaries_that_the_servers_user_cannot_reach_are_no_obstacle(
        self, stack: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = postgres.installation().parent
        hidden = tmp_path / "hidden"
        shutil.copytree(package, hidden / package.name)
        shutil.copytree(package.with_name(f"{package.name}.libs"), hidden / f"{package.name}.libs")
        hidden.chmod(0o700)
        monkeypatch.setattr(postgres, "installation", lambda: hidden / package.name / "pginstall")
        with stack.second_postgres() as access, psycopg.connect(access.dsn()) as connection:
            assert connection.execute("SELECT count(*) > 0 FROM pg_timezone_names").fetchone() == (True,)


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder in which nothing may be left; its name is one that programs trip over."""
    folder = Path(tempfile.mkdtemp(prefix=f"a folder, of $ñ {'x' * 90}"))
    folder.chmod(0o755)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    until(lambda: not list(folder.iterdir()))
    folder.rmdir()


OWNER = """
import sys, time
from pathlib import Path
from conformance.stacks.base import Role
from conformance.stacks.embedded import EmbeddedStack

with EmbeddedStack(Path(sys.argv[1])) as stack:
    if sys.argv[2] == "ready":
        stack.endpoint(Role.DASK_WORKER)
        stack.postgres()
    print(stack._processes.marker, flush=True)
    time.sleep(600)
"""


class TestWhatItLeaves:
    def test_two_at_once_do_not_meet_and_leave_nothing(self, tmp_path: Path, traces: Path) -> None:
        with PortBlock() as block:
            asked = {f"{name}_PORT": block.take() for name in ("POSTGRES", "S3", "DASK_SCHEDULER", "PREFECT")}
        env_file = tmp_path / ".env"
        env_file.write_text("".join(f"{name}={port}\n" for name, port in asked.items()))
        stacks = [EmbeddedStack(ROOT), EmbeddedStack(ROOT, env_file=env_file)]
        with stacks[0], stacks[1]:
            marks = [stack._processes.marker for stack in stacks]
            groups = [child.group for stack in stacks for child in stack._processes._children.values()]
            settings = stacks[1].settings()
            assert settings.postgres_port == asked["POSTGRES_PORT"]
            assert settings.s3_endpoint_url.endswith(f":{asked['S3_PORT']}")
            assert settings.dask_scheduler_address.endswith(f":{asked['DASK_SCHEDULER_PORT']}")
            assert settings.prefect_api_url.endswith(f":{asked['PREFECT_PORT']}/api")
            stacks[0].settings()
            ports = [{stack.endpoint(role).port for role in list(Role)[:4]} for stack in stacks]
            assert not ports[0] & ports[1]
            first, second = (stack.postgres() for stack in stacks)
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(first.dsn(), password=second.password)
            assert all(guard.marked(mark) for mark in marks)
            sockets = list(Path("/tmp").glob(f"seaweedfs-*-{stacks[0].endpoint(Role.OBJECT_STORE).port + 1}?.sock"))
        assert not any(guard.marked(mark) for mark in marks)
        assert not any(guard.alive(group) for group in groups)
        assert not any(socket.exists() for socket in sockets)

    def test_a_service_that_dies_ends_all_and_its_log_is_told_without_secrets(
        self, tmp_path: Path, traces: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = tmp_path / "weed"
        broken.write_text(
            '#!/bin/sh\nfor a; do case $a in *s3.json) cat "${a#*=}"; esac; done\necho; echo no disk\nexit 3\n'
        )
        broken.chmod(0o755)
        monkeypatch.setattr(seaweedfs, "installation", lambda: broken)
        with EmbeddedStack(ROOT) as stack:
            mark = stack._processes.marker
            for ask in (stack.object_store, lambda: stack.endpoint(Role.PREFECT_WORKER), stack.settings):
                with pytest.raises(StackError, match=r"seaweedfs ended with 3; its log: .*\*\*\*.* \| no disk") as told:
                    ask()
                assert not any(secret in str(told.value) for secret in stack.secrets())
                assert "\n" not in str(told.value)
            assert guard.marked(mark) == []

    @pytest.mark.parametrize(
        ("moment", "number"),
        [
            ("ready", signal.SIGKILL),
            ("at once", signal.SIGKILL),
            ("at once", signal.SIGINT),
            ("at once", signal.SIGTERM),
        ],
        ids=str,
    )
    def test_the_owner_may_be_killed(self, traces: Path, moment: str, number: signal.Signals) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", OWNER, str(ROOT), moment], stdout=subprocess.PIPE, cwd="/", text=True
        ) as owner:
            assert owner.stdout is not None
            mark = owner.stdout.readline().strip()
            assert mark
            until(lambda: len(guard.marked(mark)) > 4)
            owner.send_signal(number)
            assert owner.wait(30) != 0
        until(lambda: not guard.marked(mark), seconds=15)
