"""What a service finds at a path of its container, from models and folders made here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from conformance.observe import mounts as module
from conformance.observe.mounts import Mount, content, in_repository, mounts, tree
from conformance.stacks.base import ComposeModel


def model(service: dict[str, Any], **top: Any) -> ComposeModel:
    return ComposeModel(file="docker-compose.yml", resolved={"services": {"it": service}, **top})


def bind(source: Path, target: str, **more: Any) -> dict[str, Any]:
    return {"type": "bind", "source": str(source), "target": target, **more}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    for name, text in {
        "infra/prometheus/prometheus.yml": "global: {}",
        "infra/prometheus/rules/pqrs.yml": "groups: []",
        "infra/grafana/datasources/prometheus.yml": "apiVersion: 1",
        "other/prometheus.yml": "other: {}",
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / "secret.txt").write_text("outside", encoding="utf-8")
    return root


def test_a_mounted_folder_and_a_mounted_file(root: Path) -> None:
    it = model({
        "volumes": [
            bind(root / "infra/prometheus", "/etc/prometheus/", read_only=True),
            bind(root / "other/prometheus.yml", "/etc/one.yml"),
        ]
    })  # fmt: skip
    assert content(it, root, "it", "/etc/prometheus/prometheus.yml") == b"global: {}"
    assert content(it, root, "it", "/etc/prometheus/./rules/../rules/pqrs.yml") == b"groups: []"
    assert content(it, root, "it", "/etc/one.yml") == b"other: {}"
    assert content(it, root, "it", "/etc/prometheus") is None
    assert content(it, root, "it", "/etc/prometheus/none.yml") is None
    assert content(it, root, "it", "/etc/prometheusx/prometheus.yml") is None
    assert content(it, root, "another", "/etc/one.yml") is None
    assert tree(it, root, "it", "/etc/prometheus") == {"prometheus.yml": b"global: {}", "rules/pqrs.yml": b"groups: []"}
    assert tree(it, root, "it", "/etc/prometheus/rules/") == {"pqrs.yml": b"groups: []"}
    assert set(tree(it, root, "it", "/etc")) == {"prometheus/prometheus.yml", "prometheus/rules/pqrs.yml", "one.yml"}
    assert tree(it, root, "it", "/etc/one.yml") == {}
    assert tree(it, root, "it", "/nothing") == {}


def test_a_mount_below_another_hides_what_is_under_it(root: Path) -> None:
    it = model({
        "volumes": [
            bind(root / "infra/prometheus", "/p"),
            bind(root / "other/prometheus.yml", "/p/prometheus.yml"),
            {"type": "volume", "source": "kept", "target": "/p/rules"},
        ]
    })  # fmt: skip
    assert content(it, root, "it", "/p/prometheus.yml") == b"other: {}"
    assert content(it, root, "it", "/p/rules/pqrs.yml") is None
    assert tree(it, root, "it", "/p") == {"prometheus.yml": b"other: {}"}


def test_configs_and_secrets_by_file_and_inline(root: Path) -> None:
    it = model(
        {
            "configs": [{"source": "inline", "target": "/etc/p/inline.yml"}, {"source": "file"}],
            "secrets": [{"source": "password", "target": "pw"}, {"source": "kept"}],
            "tmpfs": ["/run/fast:size=1m"],
        },
        configs={"inline": {"content": "a: ñ"}, "file": {"file": str(root / "other/prometheus.yml")}},
        secrets={"password": {"file": str(root.parent / "secret.txt")}, "kept": {"environment": "KEPT"}},
    )
    assert content(it, root, "it", "/etc/p/inline.yml") == "a: ñ".encode()
    assert content(it, root, "it", "/etc/p/inline.yml/more") is None
    assert content(it, root, "it", "/file") == b"other: {}"
    assert content(it, root, "it", "/run/secrets/pw") is None, "outside the repository"
    assert content(it, root, "it", "/run/secrets/kept") is None
    assert tree(it, root, "it", "/etc") == {"p/inline.yml": "a: ñ".encode()}
    assert [(mount.kind, mount.target) for mount in mounts(it, "it")] == [
        ("tmpfs", "/run/fast"),
        ("config", "/etc/p/inline.yml"),
        ("config", "/file"),
        ("secret", "/run/secrets/pw"),
        ("secret", "/run/secrets/kept"),
    ]


def test_nothing_is_read_outside_the_repository(root: Path) -> None:
    (root / "infra/prometheus/leak.yml").symlink_to(root.parent / "secret.txt")
    (root / "infra/prometheus/sideways.yml").symlink_to(root / "other/prometheus.yml")
    (root / "infra/prometheus/here.yml").symlink_to("prometheus.yml")
    (root / "infra/prometheus/circle.yml").symlink_to("circle.yml")
    (root / "infra/prometheus/up").symlink_to("../..")
    (root / "away").symlink_to(root.parent)
    os.mkfifo(root / "infra/prometheus/pipe.yml")
    it = model({
        "volumes": [
            bind(root / "infra/prometheus", "/p"),
            bind(root / "away", "/away"),
            bind(root.parent / "secret.txt", "/secret"),
            bind(root / "missing", "/missing"),
            {"type": "bind", "source": "relative", "target": "/relative"},
            {"type": "bind", "source": "/a\0b", "target": "/nul"},
        ]
    })  # fmt: skip
    assert set(tree(it, root, "it", "/p")) == {"prometheus.yml", "rules/pqrs.yml", "here.yml"}
    assert set(tree(it, root, "it", "/")) == {"p/prometheus.yml", "p/rules/pqrs.yml", "p/here.yml"}
    assert tree(it, root, "it", "/p/up") == {}
    for path in ("/p/leak.yml", "/p/sideways.yml", "/p/pipe.yml", "/p/up/other/prometheus.yml", "/away/secret.txt",
                 "/secret", "/missing", "/relative", "/nul"):  # fmt: skip
        assert content(it, root, "it", path) is None, path


def test_where_a_bind_mount_comes_from(root: Path) -> None:
    (root / "away").symlink_to(root.parent)
    places = {"infra/prometheus": "infra/prometheus", ".": ".", "new": "new", "away": None, "..": None}
    for source, place in places.items():
        assert in_repository(root, Mount("bind", str(root / source), "/x")) == place
    assert in_repository(root, Mount("volume", str(root), "/x")) is None


def test_what_is_read_is_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / "many"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.yml").write_bytes(b"x" * 10)
    (folder / "large.yml").write_bytes(b"x" * 21)
    it = model({"volumes": [bind(folder, "/many")]})
    monkeypatch.setattr(module, "MAX_FILE", 20)
    assert content(it, root, "it", "/many/large.yml") is None
    assert sorted(tree(it, root, "it", "/many")) == [f"{number}.yml" for number in range(5)]
    monkeypatch.setattr(module, "MAX_FILES", 2)
    assert len(tree(it, root, "it", "/many")) == 2
    monkeypatch.setattr(module, "MAX_TOTAL", 10)
    assert len(tree(it, root, "it", "/many")) == 1
    monkeypatch.setattr(module, "MAX_ENTRIES", 0)
    assert tree(it, root, "it", "/many") == {}


@pytest.mark.parametrize(
    "resolved",
    [
        {},
        {"services": None},
        {"services": {"it": None}},
        {"services": {"it": {"volumes": [None, "x", {}], "configs": [3]}}},
    ],
)
def test_a_model_without_mounts(root: Path, resolved: dict[str, Any]) -> None:
    odd = ComposeModel(resolved=resolved)
    assert content(odd, root, "it", "/x") is None
    assert tree(odd, root, "it", "/") == {}
