"""The whole observation, on a stack whose containers are this machine and whose facts are written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from container_stacks import Containers, model, running

from conformance.observe import containers as observer
from conformance.observe import containers_watch
from conformance.observe.containers import ContainersFacts, collect
from conformance.observe.containers_homes import Home
from conformance.observe.facts import Observation, ObservationStatus
from conformance.stacks.base import Container, Endpoint, Executed, Role, Unavailable

SERVICES: dict[str, dict[str, Any]] = {
    "postgres": {
        "image": "postgres:18",
        "volumes": [{"type": "volume", "source": "pg", "target": "/var/lib/postgresql"}],
        "healthcheck": {"test": ["CMD", "pg_isready"]},
    },
    "rustfs": {
        "image": "rustfs/rustfs",
        "volumes": [{"type": "bind", "source": "/repo/volumes/rustfs-data", "target": "/data"}],
    },
    "dask-worker": {
        "build": {"context": "/repo"},
        "user": "1000",
        "volumes": [
            {"type": "bind", "source": "/repo/apps", "target": "/apps"},
            {"type": "bind", "source": "/repo/volumes/rustfs-data/lake", "target": "/lake"},
            {"type": "volume", "source": "pg", "target": "/pg"},
            {"type": "volume", "source": "scratch", "target": "/scratch"},
            {"type": "bind", "source": "/repo", "target": "/repo"},
            {"type": "bind", "source": "/repo/volumes", "target": "/all"},
        ],
    },
    "grafana": {"image": "grafana/grafana"},
    "web": {"image": "web"},
}
ROLES = {
    "postgres": Role.POSTGRES, "rustfs": Role.OBJECT_STORE, "dask_worker": Role.DASK_WORKER, "grafana": Role.GRAFANA,
}  # fmt: skip
PROCESSES = {
    "postgres": "postgres",
    "rustfs": "rustfs",
    "dask-worker": "dask\0worker\0tcp://s:8786",
    "grafana": "grafana\0server",
}
MOUNTS = {
    name: [{"Type": mount["type"], "Name": f"p_{mount['source']}", "Destination": mount["target"], "RW": True}
           for mount in service.get("volumes", [])]
    for name, service in SERVICES.items()
}  # fmt: skip


class Deployment(Containers):
    """``inside``: what a search finds below a folder of the worker."""

    def __init__(self, tmp_path: Path, *seen: Container, inside: dict[str, str] | None = None) -> None:
        log = tmp_path / "web.log"
        log.write_text("starting\nModuleNotFoundError: No module named 'streamlit'\n", encoding="utf-8")
        super().__init__(
            model(SERVICES, **ROLES),
            seen,
            inspected={
                name: {
                    "Config": {
                        "Image": f"offline/{name}",
                        "User": service.get("user", ""),
                        "Env": ["PGDATA=/var/lib/postgresql/18/docker"] if name == "postgres" else [],
                        "Healthcheck": {"Test": ["CMD", "x"]} if name in ("postgres", "grafana") else None,
                    },
                    "State": {"OOMKilled": name == "web"},
                    "Mounts": MOUNTS[name],
                }
                for name, service in SERVICES.items()
            },
            endpoints={role: Endpoint(role, str(role), "tcp", "127.0.0.1", 1) for role in ROLES.values()},
            root=Path("/repo"),
            log_files={"web": log},
        )
        self.inside = inside or {}

    def execute(self, service: str, argv: Sequence[str], **_: Any) -> Executed:
        line = argv[-1] if argv[0] == "/bin/sh" else ""
        if "/proc/[0-9]*" in line:
            return Executed(0, f"\x1e1 0 999 {PROCESSES.get(service, 'x')}\0\x1etcp sl\n", "")
        if line.startswith("find "):
            return Executed(0, self.inside.get(line.split()[1], ""), "")
        if line.startswith("realpath "):
            return Executed(0, line.split()[1], "")
        return Executed(127, "", "not found")


class Probe:
    """Whose answers about others come at once, or after something has happened."""

    seed = 7

    def __init__(self, happens: Callable[[str], None] = lambda subject: None) -> None:
        self.asked: list[str] = []
        self._happens = happens

    def observation(self, subject: str) -> Observation:
        self.asked.append(subject)
        self._happens(subject)
        return Observation(subject=subject, status=ObservationStatus.ERROR)

    def observes(self, subject: str) -> bool:
        return subject in ("dask", "disruption")

    def progress(self, message: str) -> None:
        assert message


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers_watch, "SETTLED_S", 0.0)
    monkeypatch.setattr(containers_watch, "POLL_S", 0.01)
    monkeypatch.setattr(observer, "_data_directory", lambda stack, seen: "")


WELL = tuple(map(running, SERVICES))


def observed(tmp_path: Path, *seen: Container, **more: Any) -> ContainersFacts:
    return collect(Deployment(tmp_path, *(seen or WELL), **more), Probe())  # type: ignore[arg-type]


def test_containers_are_told_with_what_their_services_are_meant_to_be(tmp_path: Path) -> None:
    facts = observed(tmp_path)
    assert list(facts.named) == [f"{name}-1" for name in SERVICES]
    postgres, worker, web = (facts.named[name] for name in ("postgres-1", "dask-worker-1", "web-1"))
    assert (postgres.role, postgres.image, postgres.uid, postgres.health_check) == (
        "postgres",
        "offline/postgres",
        999,
        "model",
    )
    assert (postgres.builds, postgres.user_of_model) == (False, False)
    assert (worker.role, worker.builds, worker.user, worker.user_of_model) == ("dask_worker", True, "1000", True)
    assert (web.role, web.health_check, web.last_words) == ("", "", "")
    assert facts.named["grafana-1"].health_check == "image"
    assert [process.roles for process in postgres.processes] == [("postgres",)]
    assert all(one.settled and not one.restarts_since for one in facts.containers)


def test_what_does_not_stay_up_is_told_in_its_own_words(tmp_path: Path) -> None:
    ended = running("web", state="exited", exit_code=1, restarts=2)
    web = observed(tmp_path, *WELL[:-1], ended).named["web-1"]
    assert (web.state, web.exit_code, web.restarts, web.oom_killed) == ("exited", 1, 2, True)
    assert web.last_words == "ModuleNotFoundError: No module named 'streamlit'"
    assert (web.uid, web.processes, web.listening) == (None, (), None)


def test_what_a_failing_health_check_said_last_is_told_first(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, *WELL[:-1], running("web", health="unhealthy"))
    deployment.inspected["web"]["State"]["Health"] = {
        "Log": [{"Output": "starting"}, {"Output": "curl: not found\n"}, {"Output": ""}]
    }
    web = collect(deployment, Probe()).named["web-1"]  # type: ignore[arg-type]
    assert web.last_words.splitlines()[0] == "health check: curl: not found"
    assert "No module named 'streamlit'" in web.last_words


def test_a_restart_during_the_others_experiments_counts(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, *WELL)

    def crash(subject: str) -> None:
        if subject == "dask":
            deployment.seen = [*WELL[:-1], running("web", restarts=1)]

    probe = Probe(crash)
    web = collect(deployment, probe).named["web-1"]  # type: ignore[arg-type]
    assert (web.restarts, web.restarts_since, web.settled) == (1, 1, True)
    assert web.last_words
    assert probe.asked == ["dask"]  # those that this run observes, but for what breaks things


def test_who_waits_for_this_observation_is_not_waited_for(tmp_path: Path) -> None:
    def circle(subject: str) -> None:
        raise ValueError("observers wait for each other")

    assert collect(Deployment(tmp_path, *WELL), Probe(circle)).named  # type: ignore[arg-type]


def test_nothing_deployed_is_nothing_to_observe(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    with pytest.raises(Unavailable):
        collect(deployment, Probe())  # type: ignore[arg-type]


def test_stores_say_where_they_keep_their_data(tmp_path: Path) -> None:
    facts = observed(tmp_path)
    assert facts.stores == ("postgres", "rustfs")
    assert facts.homes == (
        Home(
            service="postgres", role="postgres", path="/var/lib/postgresql/18/docker", known_by="PGDATA",
            mount="/var/lib/postgresql", kind="named", mounts=("named /var/lib/postgresql",),
        ),
        Home(
            service="rustfs", role="object_store", path="/data", known_by="rustfs's default",
            mount="/data", kind="bind", mounts=("bind /data",),
        ),
    )  # fmt: skip


def test_data_that_compute_shares_with_a_store_are_seen_and_code_is_spared(tmp_path: Path) -> None:
    mounts = {mount.target: mount for mount in observed(tmp_path).named["dask-worker-1"].mounts}
    assert {target: mount.shared_with for target, mount in mounts.items() if mount.shared_with} == {
        "/lake": ("rustfs",),  # a part of it
        "/pg": ("postgres",),  # the same volume
        "/all": ("rustfs",),  # a folder around it that is not the project's
    }


@pytest.mark.parametrize(
    ("listing", "holds"),
    [
        ("/scratch/silver/tickets/_delta_log", "/scratch/silver/tickets/_delta_log"),
        ("/scratch/pg/PG_VERSION", "/scratch/pg/PG_VERSION"),
        ("/scratch/Bronze/day=1/part-0.parquet", "/scratch/Bronze/day=1/part-0.parquet"),
        ("/scratch/sample.parquet", ""),
        ("/scratch/raw/sample.parquet", ""),
        ("/scratch/app/x.py\n/scratch/silver/t/_delta_log", ""),  # code, and its tests
        ("", ""),
    ],
)
def test_a_lake_in_a_mount_of_compute_is_seen(tmp_path: Path, listing: str, holds: str) -> None:
    mounts = observed(tmp_path, inside={"/scratch": f"{listing}\n"}).named["dask-worker-1"].mounts
    assert {mount.target: mount.holds for mount in mounts if mount.holds} == ({"/scratch": holds} if holds else {})


def test_reachability_is_tried_from_where_it_matters(tmp_path: Path) -> None:
    facts = observed(tmp_path)
    assert [(one.service, one.to, one.protocol, one.shared, one.told) for one in facts.from_serving] == [
        ("grafana", "rustfs", "tcp", ("default",), False)
    ]
    assert [(one.service, one.to, one.protocol) for one in facts.from_compute] == [
        ("dask-worker", "postgres", "postgresql"),
        ("dask-worker", "rustfs", "s3"),
    ]


def test_who_does_not_run_reaches_nobody(tmp_path: Path) -> None:
    ended = [running(name, state="exited") for name in ("dask-worker", "grafana")]
    facts = observed(tmp_path, running("postgres"), running("rustfs"), *ended)
    assert (facts.from_serving, facts.from_compute) == ((), ())
