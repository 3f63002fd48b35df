"""Where stateful servers write, and what holds that."""

from __future__ import annotations

from typing import Any

import pytest
from container_stacks import Containers, running

from conformance.observe.containers_homes import Home, Mount, homes, mounts
from conformance.observe.containers_inside import Running
from conformance.stacks.base import Executed, Role

PG_15 = "/var/lib/postgresql/data"
ANONYMOUS = "9f" * 32


def inspected(*mounted: dict[str, Any], tmpfs: str = "", **variables: str) -> dict[str, Any]:
    return {
        "Mounts": list(mounted),
        "HostConfig": {"Tmpfs": {tmpfs: ""} if tmpfs else None},
        "Config": {"Env": [f"{name}={value}" for name, value in variables.items()]},
    }


def volume(name: str, target: str, writable: bool = True) -> dict[str, Any]:
    return {"Type": "volume", "Name": name, "Destination": target, "RW": writable}


def bind(target: str) -> dict[str, Any]:
    return {"Type": "bind", "Source": "/srv/x", "Destination": target, "RW": True}


def found(
    role: Role,
    told: dict[str, Any],
    *processes: str,
    data_directory: str = "",
    declared: tuple[dict[str, Any], ...] = (),
    links: dict[str, str] | None = None,
) -> tuple[Home, ...]:
    """The homes of a container in which these commands run."""

    def run(argv: Any, stdin: bytes, timeout: float) -> Executed:
        linked = next((real for path, real in (links or {}).items() if argv[-1] == f"realpath {path}"), None)
        if argv[-1].startswith("realpath"):
            return Executed(0, f"{linked or argv[-1].split()[1]}\n", "")
        return Executed(0, "Linux\n", "")

    container = running("store")
    return homes(
        Containers(seen=[container], run=run),  # type: ignore[arg-type]
        role,
        container,
        told,
        [Running(number, 0, tuple(command.split())) for number, command in enumerate(processes, 1)],
        mounts(told, declared),
        data_directory,
    )


@pytest.mark.parametrize(
    ("told", "declared", "kind"),
    [
        (volume("project_data", "/data"), (), "named"),
        (volume(ANONYMOUS, "/data"), (), "anonymous"),
        (volume("project_x", "/data/"), ({"type": "volume", "target": "/data"},), "anonymous"),
        (volume(ANONYMOUS, "/data"), ({"type": "volume", "source": "d", "target": "/data/"},), "named"),
        (bind("/data"), (), "bind"),
        ({"Type": "tmpfs", "Destination": "/data"}, (), "tmpfs"),
    ],
)
def test_mounts_are_told_by_what_becomes_of_them(
    told: dict[str, Any], declared: tuple[dict[str, Any], ...], kind: str
) -> None:
    assert mounts(inspected(told), declared) == (Mount(kind=kind, target="/data", writable=True),)


def test_read_only_mounts_and_the_engine_s_tmpfs_are_seen() -> None:
    told = mounts(inspected(volume("v", "/b", writable=False), tmpfs="/a"), ())
    assert told == (
        Mount(kind="tmpfs", target="/a", writable=True),
        Mount(kind="named", target="/b", writable=False),
    )


@pytest.mark.parametrize(
    ("told", "processes", "said", "path", "known_by"),
    [
        (inspected(PGDATA="/var/lib/postgresql/data"), (), "", "/var/lib/postgresql/data", "PGDATA"),
        (inspected(PGDATA="/elsewhere"), ("postgres",), "/pg/main", "/pg/main", "SHOW data_directory"),
        (inspected(PGDATA="/x"), ("/usr/bin/postgres -D /pg/15",), "", "/pg/15", "postgres -D"),
    ],
)
def test_postgresql_says_itself_where_it_writes(
    told: dict[str, Any], processes: tuple[str, ...], said: str, path: str, known_by: str
) -> None:
    (home,) = found(Role.POSTGRES, told, *processes, data_directory=said)
    assert (home.path, home.known_by, home.kind) == (path, known_by, "layer")


@pytest.mark.parametrize(
    ("told", "process", "paths", "known_by"),
    [
        (inspected(RUSTFS_VOLUMES="/data"), "/usr/bin/rustfs", ["/data"], "RUSTFS_VOLUMES"),
        (inspected(RUSTFS_VOLUMES="/d/r{0...2}"), "rustfs", ["/d/r0", "/d/r1", "/d/r2"], "RUSTFS_VOLUMES"),
        (inspected(RUSTFS_VOLUMES="/a, /b"), "rustfs", ["/a", "/b"], "RUSTFS_VOLUMES"),
        (inspected(RUSTFS_VOLUMES="/data"), "rustfs /other", ["/other"], "rustfs /other"),
        (inspected(), "rustfs --address :9000", ["/data"], "rustfs's default"),
        (inspected(), "minio server http://m{1...2}:9000/d1 /d2", ["/d1", "/d2"], "minio /d1"),
        (inspected(MINIO_VOLUMES="/mnt/data"), "minio server", ["/mnt/data"], "MINIO_VOLUMES"),
        (inspected(), "weed server -s3 -dir=/data -filer", ["/data"], "weed -dir"),
        (inspected(), "weed server -dir /a,/b -s3", ["/a", "/b"], "weed -dir"),
    ],
)
def test_object_stores_are_known_by_command_and_variables(
    told: dict[str, Any], process: str, paths: list[str], known_by: str
) -> None:
    told_homes = found(Role.OBJECT_STORE, told, "tini --", process)
    assert [home.path for home in told_homes] == paths
    assert {home.known_by for home in told_homes} == {known_by}


@pytest.mark.parametrize(("told", "processes"), [(inspected(), ()), (inspected(), ("/garage server",))])
def test_a_store_that_does_not_say_where_it_writes_has_no_home(
    told: dict[str, Any], processes: tuple[str, ...]
) -> None:
    assert found(Role.OBJECT_STORE, told, *processes) == ()
    assert found(Role.POSTGRES, told, *processes) == ()


@pytest.mark.parametrize(
    ("mounted", "kind", "mount"),
    [
        ((volume("p_pg", "/var/lib/postgresql/data"),), "named", "/var/lib/postgresql/data"),
        ((bind("/var/lib/postgresql"),), "bind", "/var/lib/postgresql"),
        ((bind("/var/lib/postgres"),), "layer", ""),
        ((bind("/var/lib/postgresql/data2"),), "layer", ""),
        ((bind("/var/lib/postgresql/data/pgdata"),), "layer", ""),
        ((volume(ANONYMOUS, PG_15), bind("/pg")), "anonymous", PG_15),
        ((bind("/var/lib/postgresql"), volume(ANONYMOUS, PG_15)), "anonymous", PG_15),
    ],
)
def test_the_deepest_mount_around_the_data_holds_them(
    mounted: tuple[dict[str, Any], ...], kind: str, mount: str
) -> None:
    (home,) = found(Role.POSTGRES, inspected(*mounted), data_directory="/var/lib/postgresql/data")
    assert (home.kind, home.mount) == (kind, mount)
    assert len(home.mounts) == len(mounted)


def test_a_link_leads_to_where_the_data_are() -> None:
    told = inspected(volume("p_pg", "/volumes/pg"))
    (home,) = found(Role.POSTGRES, told, data_directory="/pg", links={"/pg": "/volumes/pg/15"})
    assert (home.path, home.kind, home.mount) == ("/pg", "named", "/volumes/pg")
