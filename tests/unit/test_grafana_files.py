"""Grafana's provisioning files: mounted by the Compose model, or inside its container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from conformance.observe.grafana_files import Mounted, expand, provisioned, provisioning
from conformance.stacks.base import Capability, ComposeModel, Container, Executed, Role, Stack

PROMETHEUS = """
apiVersion: 1
datasources:
  - {name: Prometheus, uid: prometheus, type: prometheus, url: http://prometheus:9090}
"""
PROVIDER = """
apiVersion: 1
providers:
  - {name: pqrs, type: file, options: {path: /var/lib/grafana/dashboards}}
"""
BOMB = "\n".join(f"b{number}: &a{number + 1} [*a{number}, *a{number}]" for number in range(30))
SEEN = frozenset({Capability.COMPOSE, Capability.SOURCE, Capability.ENDPOINTS})


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def model(root: Path, mounted: Mapping[str, str], **service: Any) -> ComposeModel:
    """A Grafana with folders or files of ``root`` at paths of its container."""
    volumes = [{"type": "bind", "source": str(root / source), "target": target} for source, target in mounted.items()]
    return ComposeModel(file="docker-compose.yml", resolved={"services": {"grafana": {"volumes": volumes, **service}}})


class Deployment:
    """A stack that shows its files, or the inside of its container, or both."""

    def __init__(
        self,
        root: Path,
        compose: ComposeModel | None,
        inside: Mapping[str, str] | None = None,
        *,
        env: Sequence[str] = (),
    ) -> None:
        self._root, self._compose, self._inside, self._env = root, compose, inside, env
        self.find_is_there = True
        containers = {Capability.CONTAINERS} if inside is not None else set()
        self.capabilities = (SEEN if compose else frozenset()) | containers

    def roles(self) -> dict[Role, tuple[str, ...]]:
        return {Role.GRAFANA: ("grafana",)}

    def compose(self) -> ComposeModel:
        assert self._compose
        return self._compose

    def source(self) -> Path:
        return self._root

    def containers(self) -> tuple[Container, ...]:
        return (Container("c1", "grafana-1", "grafana", "running", 0, 0, ""),)

    def inspect(self, container: str) -> Mapping[str, Any]:
        assert container == "c1"
        return {"Config": {"Env": list(self._env), "Cmd": None}}

    def execute(self, service: str, argv: Sequence[str]) -> Executed:
        assert service == "grafana"
        assert self._inside is not None
        if argv[0] == "cat":
            return Executed(0, self._inside[argv[1]], "")
        if not self.find_is_there:
            return Executed(127, "", "find: not found")
        found = [path for path in self._inside if path.startswith(f"{argv[2]}/")]
        return Executed(0 if found else 1, "\n".join(found), "")


def look(deployment: Deployment) -> Any:
    return provisioning(cast(Stack, deployment))


def test_mounted_files_are_read_where_grafana_reads_them(tmp_path: Path) -> None:
    write(tmp_path, {
        "prov/datasources/a.yml": PROMETHEUS,
        "prov/datasources/notes.txt": "not: read",
        "prov/datasources/below/b.yml": PROMETHEUS,
        "prov/dashboards/d.yaml": PROVIDER,
        "boards/one.json": "{}",
        "boards/sub/two.json": "{}",
        "boards/README.md": "",
    })  # fmt: skip
    mounted = {"prov": "/etc/grafana/provisioning", "boards": "/var/lib/grafana/dashboards"}
    found, why = look(Deployment(tmp_path, model(tmp_path, mounted)))
    assert (why, found.folder, found.seen_in, found.problems) == ("", "/etc/grafana/provisioning", "mounts", ())
    assert [(e.file, e.name, e.type, e.uid, e.url) for e in found.entries] == [
        ("/etc/grafana/provisioning/datasources/a.yml", "Prometheus", "prometheus", "prometheus", "http://prometheus:9090")
    ]  # fmt: skip
    assert found.dashboards == ("/var/lib/grafana/dashboards/one.json", "/var/lib/grafana/dashboards/sub/two.json")


@pytest.mark.parametrize(
    "service",
    [
        {"environment": {"GF_PATHS_PROVISIONING": "/provisioning/"}},
        {"command": ["cfg:default.paths.provisioning=/provisioning"]},
        {"command": "cfg:paths.provisioning=/provisioning"},
        {"environment": {"GF_PATHS_PROVISIONING": "/elsewhere"}, "command": ["cfg:paths.provisioning=/provisioning"]},
    ],
)
def test_the_provisioning_folder_may_be_another(tmp_path: Path, service: dict[str, Any]) -> None:
    write(tmp_path, {"prov/datasources/a.yml": PROMETHEUS})
    found, _ = look(Deployment(tmp_path, model(tmp_path, {"prov": "/provisioning"}, **service)))
    assert (found.folder, [entry.name for entry in found.entries]) == ("/provisioning", ["Prometheus"])


def test_one_file_may_be_mounted_by_itself(tmp_path: Path) -> None:
    write(tmp_path, {"datasource.yml": PROMETHEUS})
    target = "/etc/grafana/provisioning/datasources/datasource.yml"
    found, _ = look(Deployment(tmp_path, model(tmp_path, {"datasource.yml": target})))
    assert [entry.file for entry in found.entries] == [target]


def test_a_file_beside_the_folder_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, {"datasource.yml": PROMETHEUS})
    found, _ = look(
        Deployment(tmp_path, model(tmp_path, {"datasource.yml": "/etc/grafana/provisioning/datasource.yml"}))
    )
    assert found.entries == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("datasources: [", "while parsing"),
        ("when: 2026-99-99", "month must be in"),
        ("just words", "it holds no mapping"),
        ("a: &a [*a]", None),
        ("", None),
        ("datasources: {name: x}", None),
        ("datasources: [7, null, [x]]", None),
        (f"a: &a0 [x, x]\n{BOMB}\ndatasources: [{{type: *a30}}]", None),
    ],
)
def test_files_that_hold_nothing_are_told_or_passed_over(tmp_path: Path, text: str, problem: str | None) -> None:
    write(tmp_path, {"prov/datasources/a.yml": text, "prov/datasources/b.yml": PROMETHEUS})
    found, _ = look(Deployment(tmp_path, model(tmp_path, {"prov": "/etc/grafana/provisioning"})))
    assert [entry.name for entry in found.entries if entry.name] == ["Prometheus"]
    assert [problem in told and "/datasources/a.yml" in told for told in found.problems] == ([True] if problem else [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("http://$HOST:${PORT}", "http://prom:9090"),
        ("$__env{HOST}", "prom"),
        ("a$$HOST", "a$HOST"),
        ("$MISSING-$", "-$"),
        (None, ""),
        (5, "5"),
        (True, "true"),
    ],
)
def test_variables_are_expanded_as_grafana_does(value: object, text: str) -> None:
    assert expand(value, {"HOST": "prom", "PORT": "9090"}) == text


def test_variables_are_those_of_the_service(tmp_path: Path) -> None:
    write(tmp_path, {"prov/datasources/a.yml": PROMETHEUS.replace("http://prometheus", "http://u:secret@$PROM")})
    environment = {"PROM": "metrics", "EMPTY": None}
    seen = Mounted(model(tmp_path, {"prov": "/etc/grafana/provisioning"}, environment=environment), tmp_path, "grafana")
    assert [entry.url for entry in provisioned(seen).entries] == ["http://metrics:9090"]


def test_oldest_forms_are_read(tmp_path: Path) -> None:
    provider = "- {name: default, folder: '', type: file, options: {folder: /boards}}"
    datasource = "datasources:\n  - {name: Prometheus, type: prometheus, is_default: true}"
    write(tmp_path, {"p/dashboards/d.yml": provider, "p/datasources/d.yml": datasource, "boards/a.json": "{}"})
    found, _ = look(Deployment(tmp_path, model(tmp_path, {"p": "/etc/grafana/provisioning", "boards": "/boards"})))
    assert (len(found.entries), found.dashboards, found.problems) == (1, ("/boards/a.json",), ())


INSIDE = {
    "/etc/grafana/provisioning/datasources/a.yml": PROMETHEUS,
    "/etc/grafana/provisioning/dashboards/d.yml": PROVIDER,
    "/var/lib/grafana/dashboards/one.json": "{}",
}


def test_files_of_an_image_count_where_none_is_mounted(tmp_path: Path) -> None:
    found, why = look(Deployment(tmp_path, model(tmp_path, {}), INSIDE))
    assert (found.seen_in, why) == ("container", "")
    assert [entry.name for entry in found.entries] == ["Prometheus"]
    assert found.dashboards == ("/var/lib/grafana/dashboards/one.json",)


def test_without_the_files_of_the_repository_the_container_is_looked_into(tmp_path: Path) -> None:
    inside = {path.replace("/etc/grafana/provisioning", "/p"): text for path, text in INSIDE.items()}
    found, _ = look(Deployment(tmp_path, None, inside, env=["GF_PATHS_PROVISIONING=/p", "ODD"]))
    assert (found.folder, len(found.entries)) == ("/p", 1)


def test_a_container_without_tools_shows_nothing(tmp_path: Path) -> None:
    bare = Deployment(tmp_path, None, INSIDE)
    bare.find_is_there = False
    assert look(bare) == (None, "there is no find in grafana's container")
    bare = Deployment(tmp_path, model(tmp_path, {}), INSIDE)
    bare.find_is_there = False
    found, _ = look(bare)
    assert (found.seen_in, found.entries) == ("mounts", ())


def test_nobody_shows_files(tmp_path: Path) -> None:
    found, why = look(Deployment(tmp_path, None))
    assert found is None
    assert "neither" in why
