"""The model that runs: nothing of it shared, nothing of the submission touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.stacks.base import Certainty, Finding, Role, StackError
from conformance.stacks.compose.generate import ACCESS, RUN, Generated, generate
from conformance.stacks.compose.images import Entry, Images
from conformance.stacks.compose.staging import Staging

UPSTREAM = Images("upstream")


def found(**roles: Role) -> tuple[Finding, ...]:
    return tuple(Finding(name, role, Certainty.SURE, "") for name, role in roles.items())


def generated(
    root: Path,
    document: dict[str, Any],
    findings: tuple[Finding, ...] = (),
    images: Images = UPSTREAM,
    left_out: dict[str, str] | None = None,
    ports: dict[str, dict[int, int]] | None = None,
) -> tuple[Generated, Staging]:
    staging = Staging(root / "staging")
    made = generate(
        document, project="pqrs-x", marker="x", labels={"owner": "me"}, root=root / "repository", findings=findings,
        images=images, ports=ports or {}, staging=staging, left_out=left_out or {},
    )  # fmt: skip
    return made, staging


def service(made: Generated, name: str = "db") -> dict[str, Any]:
    told: dict[str, Any] = made.document["services"][name]
    return told


def bind(source: Path, target: str, **more: Any) -> dict[str, Any]:
    return {"type": "bind", "source": str(source), "target": target, **more}


def test_names_and_ports_that_the_author_fixed_are_the_project_s_own(tmp_path: Path) -> None:
    document = {
        "name": "theirs",
        "services": {
            "db": {
                "image": "postgres",
                "container_name": "the-db",
                "ports": [{"target": 5432, "published": "5432"}],
                "profiles": ["db"],
                "labels": {"pqrs.role": "postgres"},
                "networks": {"lake": {"aliases": ["catalogue"]}},
                "volumes": [{"type": "volume", "source": "data", "target": "/var/lib/postgresql/data"}],
            }
        },
        "networks": {"lake": {"name": "fixed", "ipam": {"config": [{"subnet": "10.9.0.0/16"}]}, "driver": "bridge"}},
        "volumes": {"data": {"name": "fixed"}},
    }
    made, _ = generated(tmp_path, document, found(db=Role.POSTGRES), ports={"db": {5432: 20001}})
    db = service(made)
    assert made.document["name"] == "pqrs-x"
    assert not {"container_name", "profiles"} & db.keys()
    assert db["ports"] == [
        {"mode": "ingress", "host_ip": "127.0.0.1", "target": 5432, "published": "20001", "protocol": "tcp"}
    ]
    assert db["networks"] == {"lake": {"aliases": ["catalogue", "the-db"]}}  # others may call it by either name
    assert db["labels"] == {"pqrs.role": "postgres", "owner": "me", RUN: "x"}
    assert made.document["networks"] == {"lake": {"driver": "bridge", "labels": {"owner": "me", RUN: "x"}}}
    assert made.document["volumes"] == {"data": {"labels": {"owner": "me", RUN: "x"}}}


def test_a_service_on_internal_networks_only_gets_a_way_out_of_its_own(tmp_path: Path) -> None:
    document = {
        "services": {
            "db": {"image": "postgres", "networks": {"inner": None}},
            "graf": {"image": "grafana/grafana", "networks": {"inner": None, "outer": None}},
        },
        "networks": {"inner": {"internal": True}, "outer": {}},
    }
    made, _ = generated(
        tmp_path, document, found(db=Role.POSTGRES, graf=Role.GRAFANA), ports={"db": {5432: 1}, "graf": {3000: 2}}
    )
    assert list(service(made)["networks"]) == ["inner", f"{ACCESS}db"]
    assert list(service(made, "graf")["networks"]) == ["inner", "outer"]
    assert f"{ACCESS}graf" not in made.document["networks"]


def test_who_lives_in_anothers_network_is_published_by_it(tmp_path: Path) -> None:
    graf = {"image": "grafana/grafana", "network_mode": "service:prom"}
    document = {"services": {"graf": graf, "prom": {"image": "prom/prometheus"}}}
    roles = found(graf=Role.GRAFANA, prom=Role.PROMETHEUS)
    made, _ = generated(tmp_path, document, roles, ports={"graf": {3000: 1}, "prom": {9090: 2}})
    assert "ports" not in service(made, "graf")
    assert {port["target"]: port["published"] for port in service(made, "prom")["ports"]} == {3000: "1", 9090: "2"}


def test_what_is_mounted_is_copied_and_state_begins_empty(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    (root / "init").mkdir(parents=True)
    (root / "init" / "01.sql").write_text("SELECT 1")
    (root / "init" / "run.sh").write_text("#!/bin/sh")
    (root / "init" / "run.sh").chmod(0o744)
    (root / "init" / "out").symlink_to("/etc")
    (root / "data").mkdir()
    (root / "data" / "PG_VERSION").write_text("15")
    document = {
        "services": {
            "db": {
                "image": "postgres",
                "volumes": [
                    bind(root / "init", "/docker-entrypoint-initdb.d", read_only=True),
                    bind(root / "data", "/var/lib/postgresql/data", bind={"create_host_path": True}),
                    bind(root / "nowhere", "/backup"),
                ],
            }
        }
    }
    made, staging = generated(tmp_path, document, found(db=Role.POSTGRES))
    init, data, nowhere = (Path(mount["source"]) for mount in service(made)["volumes"])
    assert all(path.is_relative_to(tmp_path / "staging") for path in (init, data, nowhere))
    assert sorted(path.name for path in init.iterdir()) == ["01.sql", "run.sh"]
    assert (init / "run.sh").stat().st_mode & 0o777 == 0o777
    assert (init / "01.sql").stat().st_mode & 0o777 == 0o666
    assert list(data.iterdir()) == []
    assert data.stat().st_mode & 0o777 == 0o777
    assert list(nowhere.iterdir()) == []
    assert staging.made == ["nowhere"]
    assert staging.state == {"db": [data]}
    assert (root / "data" / "PG_VERSION").read_text() == "15"
    assert not (root / "nowhere").exists()


@pytest.mark.parametrize(
    ("user", "given"), [("1000:1001", (1000, 1001)), ("1000", (1000, -1)), ("999:postgres", (999, -1))]
)
def test_state_belongs_to_the_user_of_its_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, given: tuple[int, int]
) -> None:
    owners: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr("os.chown", lambda path, *owner: owners.setdefault(str(path), owner))
    data = bind(tmp_path / "repository" / "data", "/var/lib/postgresql/data")
    document = {"services": {"db": {"image": "postgres", "user": user, "volumes": [data]}}}
    made, _ = generated(tmp_path, document, found(db=Role.POSTGRES))
    assert owners == {service(made)["volumes"][0]["source"]: given}


@pytest.mark.parametrize("user", ["", "postgres"])
def test_state_of_a_user_without_a_number_is_given_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setattr("os.chown", lambda *_: pytest.fail("given away"))
    data = bind(tmp_path / "repository" / "data", "/var/lib/postgresql/data")
    generated(
        tmp_path, {"services": {"db": {"image": "postgres", "user": user, "volumes": [data]}}}, found(db=Role.POSTGRES)
    )


def test_folders_that_hold_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.stacks.compose.staging.MAX_BYTES", 10)
    (tmp_path / "repository" / "conf").mkdir(parents=True)
    (tmp_path / "repository" / "conf" / "dump").write_bytes(b"x" * 11)
    document = {"services": {"db": {"image": "x", "volumes": [bind(tmp_path / "repository" / "conf", "/conf")]}}}
    with pytest.raises(StackError, match="hold more than"):
        generated(tmp_path, document)


def test_mapped_images_bring_their_words_and_others_are_left_out(tmp_path: Path) -> None:
    images = Images(
        "campus",
        (
            Entry(match="prom/*", image="campus/prom:2", replace={"--new": "--old"}),
            Entry(match="postgres:*", image="pg"),
        ),
    )
    document = {
        "services": {
            "prom": {"image": "prom/prometheus:v3", "command": ["--new", "--x"], "platform": "linux/arm64"},
            "meta": {"image": "metabase/metabase", "depends_on": {"prom": {"condition": "service_started"}}},
            "app": {"build": {"context": "."}, "depends_on": {"meta": {"condition": "service_started"}}},
            "db": {"image": "postgres:15", "depends_on": {"prom": {"condition": "service_started"}}},
        }
    }
    findings = found(prom=Role.PROMETHEUS, db=Role.POSTGRES)
    made, _ = generated(tmp_path, document, (findings[0],), images, left_out={"db": "it is dangerous"})
    assert service(made, "prom")["image"] == "campus/prom:2"
    assert "platform" not in service(made, "prom")
    assert service(made, "prom")["command"] == ["--old", "--x"]
    assert made.left_out.keys() == {"db", "meta", "app"}
    made, _ = generated(tmp_path, document, findings, images)
    assert made.left_out == {
        "meta": "its image cannot be had with --images campus",
        "app": "it would have to be built, and no role needs it",
    }
    assert service(made)["depends_on"].keys() == {"prom"}


@pytest.mark.parametrize("images", [UPSTREAM, Images("campus", ())], ids=["upstream", "campus"])
def test_who_uses_by_name_the_image_that_another_builds_has_it_built(tmp_path: Path, images: Images) -> None:
    build = {"context": "/repository/dask"}
    document = {"services": {"base": {"image": "us/dask:1", "build": build}, "worker": {"image": "us/dask:1"}}}
    made, _ = generated(tmp_path, document, found(worker=Role.DASK_WORKER), images)
    assert (service(made, "worker")["build"], service(made, "worker")["image"]) == (build, "pqrs-x-worker")


def test_nobody_waits_for_what_is_left_out(tmp_path: Path) -> None:
    waits = {"old": {"condition": "service_started"}}
    document = {
        "services": {"old": {"image": "x"}, "db": {"image": "postgres", "depends_on": waits, "links": ["old:o"]}}
    }
    made, _ = generated(tmp_path, document, found(db=Role.POSTGRES), left_out={"old": "it is dangerous"})
    assert "depends_on" not in service(made)
    assert service(made)["links"] == []


def test_a_role_whose_image_cannot_be_had_ends_the_run(tmp_path: Path) -> None:
    document = {"services": {"db": {"image": "postgres:9"}}}
    with pytest.raises(StackError, match=r"--images campus: no image in place of postgres:9 \(db\)"):
        generated(tmp_path, document, found(db=Role.POSTGRES), Images("campus", ()))


def test_secrets_and_configs_are_files_of_the_run(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    (root / "here.txt").write_text("here")
    document = {
        "services": {"db": {"image": "postgres"}},
        "secrets": {
            "here": {"file": str(root / "here.txt"), "name": "fixed"},
            "given": {"content": "t0ken"},
        },
        "configs": {"inline": {"content": "price: $$5"}},
    }
    made, _ = generated(tmp_path, document)
    read = {name: Path(one["file"]).read_text() for name, one in made.document["secrets"].items()}
    assert read == {"here": "here", "given": "t0ken"}
    assert Path(made.document["configs"]["inline"]["file"]).read_text() == "price: $5"


def test_a_volume_that_is_a_folder_of_the_repository_is_mounted_as_one(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    (root / "init").mkdir(parents=True)
    (root / "init" / "01.sql").write_text("SELECT 1")
    options = {"type": "none", "o": "bind", "device": str(root / "init")}
    document = {
        "services": {
            "db": {"image": "postgres", "volumes": [{"type": "volume", "source": "init", "target": "/initdb.d"}]}
        },
        "volumes": {"init": {"driver": "local", "driver_opts": options}},
    }
    made, _ = generated(tmp_path, document)
    (mount,) = service(made)["volumes"]
    assert mount["type"] == "bind"
    assert (Path(mount["source"]) / "01.sql").exists()
    assert "volumes" not in made.document
