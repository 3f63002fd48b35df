"""Containers seen for what they are: a stack with one fault of each kind, on the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from observing import Alone

from conformance.checks import test_cmp as cmp
from conformance.checks import test_dsk as dsk
from conformance.checks import test_pln as pln
from conformance.observe import containers as containers_observer
from conformance.observe import dask as dask_observer
from conformance.observe import prefect as prefect_observer
from conformance.observe import prometheus as prometheus_observer
from conformance.observe.containers import ContainersFacts
from conformance.observe.dask import DaskFacts
from conformance.stacks.base import Role, Stack
from conformance.stacks.compose.images import load
from conformance.stacks.compose.stack import ComposeRequest, ComposeStack
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Broken

pytestmark = pytest.mark.compose

ROOT = Path(__file__).parents[2]
COMPOSE = """
services:
  postgres:
    image: postgres:18.6
    environment: {POSTGRES_PASSWORD: "${PASSWORD}"}
    volumes: ["pgdata:/var/lib/postgres"]                  # beside its data
    ports: ["5433:5432"]
    networks: [catalog]
  rustfs:
    image: rustfs/rustfs:1.0.0
    environment: {RUSTFS_ACCESS_KEY: "${KEY}", RUSTFS_SECRET_KEY: "${PASSWORD}"}
    volumes: ["./volumes/rustfs:/data"]
    networks: {storage: {aliases: [lago]}}
  dask-scheduler:
    image: daskdev/dask:2026.3.0
    command: dask scheduler --host 0.0.0.0
    ports: ["8786:8786", "8787:8787"]
    networks: [compute]
  dask-worker:
    image: daskdev/dask:2026.3.0
    command: dask worker tcp://dask-scheduler:8786 --nworkers 1 --nthreads 1
    volumes: ["./volumes/rustfs:/lake", "scratch:/scratch", "./apps:/apps"]
    networks: [compute, catalog]                           # not storage
  dask-worker-old:
    image: daskdev/dask:2026.3.0
    command: dask worker tcp://dask-scheduler:8786 --nprocs 2
    restart: unless-stopped
    networks: [compute]
  grafana:
    image: grafana/grafana:13.2.3
    networks: [serving, storage]
  prometheus:
    image: prom/prometheus:v3.14.0
    user: root
    volumes: ["./prometheus.yml:/etc/prometheus.yml:ro"]   # where it does not read
    networks: [serving, compute]
  hello:
    image: python:3.12-slim
    command: python -c "print('done')"
    networks: [compute]
  web:
    image: python:3.12-slim
    command: python -c "import streamlit"
    restart: unless-stopped
    networks: [serving]
networks: {catalog: , storage: , compute: , serving: }
volumes: {pgdata: , scratch: }
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("repository")
    (root / "docker-compose.yml").write_text(COMPOSE, encoding="utf-8")
    (root / ".env").write_text("PASSWORD=a-long-secret-1\nKEY=a-long-key-1\n", encoding="utf-8")
    (root / "prometheus.yml").write_text("scrape_configs: [{job_name: dask}]\n", encoding="utf-8")
    (root / "apps").mkdir()
    (root / "apps" / "flow.py").write_text("print('code')\n", encoding="utf-8")
    with ComposeStack(ComposeRequest(root, load("offline", ROOT), timeout=90.0)) as compose:
        yield compose


@pytest.fixture(scope="module")
def facts(stack: Stack) -> ContainersFacts:
    lake = "mkdir -p /scratch/silver/tickets/_delta_log"
    stack.endpoint(Role.DASK_SCHEDULER)
    assert stack.execute("dask-worker", ["sh", "-c", lake]).ok
    return containers_observer.collect(stack, Alone())


@pytest.fixture(scope="module")
def dask(stack: Stack, facts: ContainersFacts) -> DaskFacts:
    assert facts.named
    return dask_observer.collect(stack, Alone())


def test_who_stays_up_is_told_from_who_does_not(facts: ContainersFacts) -> None:
    with pytest.raises(Broken) as broken:
        cmp.test_every_service_stays_up(facts)
    fallen = {part.partition(":")[0] for part in broken.value.observed.split("; ")}
    assert fallen == {"dask-worker-old", "web"}
    assert "No such option" in broken.value.observed
    assert "No module named 'streamlit'" in broken.value.observed
    assert (facts.named["hello-1"].state, facts.named["hello-1"].exit_code) == ("exited", 0)


def test_processes_tell_roles_and_users(facts: ContainersFacts) -> None:
    roles = {name: {role for one in told.processes for role in one.roles} for name, told in facts.named.items()}
    assert roles["postgres-1"] == {"postgres"}
    assert roles["dask-scheduler-1"] == {"dask_scheduler"}
    assert roles["dask-worker-1"] == {"dask_worker"}
    assert roles["prometheus-1"] == {"prometheus"}
    assert facts.named["postgres-1"].uid not in (0, None)  # its entry point begins as root and drops that
    assert facts.named["rustfs-1"].uid == 10001
    with pytest.raises(Broken, match="prometheus: uid 0"):
        cmp.test_containers_do_not_run_as_root(facts)


def test_state_beside_its_volume_is_seen(facts: ContainersFacts) -> None:
    homes = {home.service: home for home in facts.homes}
    assert (homes["postgres"].known_by, homes["postgres"].kind) == ("SHOW data_directory", "anonymous")
    assert "named /var/lib/postgres" in homes["postgres"].mounts
    assert (homes["rustfs"].path, homes["rustfs"].kind) == ("/data", "bind")
    with pytest.raises(Broken, match="/var/lib/postgresql"):
        pln.test_state_lives_in_volumes(facts)


def test_data_mounted_into_compute_are_seen_and_code_is_not(facts: ContainersFacts) -> None:
    mounts = {mount.target: mount for mount in facts.named["dask-worker-1"].mounts}
    assert mounts["/lake"].shared_with == ("rustfs",)
    assert mounts["/scratch"].holds == "/scratch/silver/tickets/_delta_log"
    assert (mounts["/apps"].shared_with, mounts["/apps"].holds) == ((), "")


def test_who_reaches_whom_is_tried_from_inside(facts: ContainersFacts) -> None:
    (serving,) = facts.from_serving
    assert serving.shared == ("storage",)
    assert {"rustfs:9000", "lago:9000"} <= set(serving.reached)
    compute = {(one.container, one.to): one for one in facts.from_compute}
    assert compute["dask-worker-1", "postgres"].reached == ("postgres:5432",)
    lost = compute["dask-worker-1", "rustfs"]
    assert (lost.told, lost.reached, lost.shared) == (True, (), ())
    with pytest.raises(Broken, match="dask-worker-1 -> rustfs"):
        pln.test_compute_reaches_data_and_control_by_name(facts)


def test_ports_are_known_by_their_protocol(facts: ContainersFacts) -> None:
    spoken = {name: {door.port: door.speaks for door in told.doors} for name, told in facts.named.items()}
    assert spoken["postgres-1"] == {5432: "postgresql"}
    assert spoken["rustfs-1"] == {9000: "s3", 9001: "console"}
    assert spoken["dask-scheduler-1"] == {8786: "dask", 8787: "dashboard"}
    assert spoken["prometheus-1"] == {9090: "prometheus"}
    assert spoken["grafana-1"] == {3000: "grafana"}


def test_dask_is_tried_from_inside_its_scheduler(dask: DaskFacts) -> None:
    assert dask.inside
    assert dask.protocol.ok, dask.protocol.detail
    assert dask.fan_out is not None
    assert dask.fan_out.result == dask.fan_out.expected != 0
    assert {versions.member for versions in dask.versions} == {"scheduler", dask.workers[0].address}
    assert {versions.packages["distributed"] for versions in dask.versions} == {"2026.3.0"}
    assert "No module named 'polars'" in dask.engines[0].detail


def test_a_missing_worker_is_explained_by_its_own_container(dask: DaskFacts) -> None:
    assert dask.worker_count == 1
    with pytest.raises(Broken) as broken:
        dsk.test_workers_are_registered(dask, Parameters(min_workers=3))
    assert broken.value.hint == "nprocs"
    assert "dask-worker-old-1: restarting (2)" in broken.value.observed or "restarts: " in broken.value.observed


def test_a_file_that_prometheus_does_not_read_is_not_its_configuration(stack: Stack) -> None:
    facts = prometheus_observer.collect(stack, Alone())
    assert facts.ready.ok
    assert (facts.mounted, facts.mounted_nothing) == (None, "/etc/prometheus/prometheus.yml")


def test_a_role_that_is_not_there_is_not_waited_for(stack: Stack) -> None:
    from conformance.stacks.base import AbsentRole

    with pytest.raises(AbsentRole):
        prefect_observer.collect(stack, Alone())
