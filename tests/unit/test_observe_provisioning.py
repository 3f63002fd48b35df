"""What a repository mounts into Grafana, and what Grafana would refuse of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from compose_models import model

from conformance.observe.compose_facts import Provisioning
from conformance.observe.compose_provisioning import provisioning
from conformance.stacks.base import Role

GRAFANA = """
services:
  grafana:
    image: grafana/grafana:13.2.3
    environment: {PROM: "http://prometheus:9090", BLANK: ""}
    volumes: ["./provisioning:/etc/grafana/provisioning:ro", "./dashboards:/var/dashboards:ro"]
"""
DATASOURCE = (
    "apiVersion: 1\ndatasources: [{name: P, type: prometheus, url: 'http://prometheus:9090', isDefault: true}]\n"
)
PROVIDER = "apiVersion: 1\nproviders: [{name: files, type: file, options: {path: /var/dashboards/}}]\n"
SOUND = {
    "provisioning/datasources/p.yml": DATASOURCE,
    "provisioning/dashboards/files.yaml": PROVIDER,
    "dashboards/a.json": '{"title": "A", "panels": []}',
}


def look(root: Path, files: dict[str, str | bytes], text: str = GRAFANA) -> Provisioning:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return provisioning(model(root, text, grafana=Role.GRAFANA), root, "grafana")


def test_what_is_mounted_where_grafana_reads_it(tmp_path: Path) -> None:
    told = look(tmp_path, SOUND | {"dashboards/sub/b.json": '{"title": "B"}', "dashboards/notes.txt": "x"})
    assert (told.service, told.folder, told.built) == ("grafana", "/etc/grafana/provisioning", False)
    [datasource] = told.datasources
    assert (datasource.file, datasource.name, datasource.type, datasource.has_url, datasource.default) == (
        "provisioning/datasources/p.yml", "P", "prometheus", True, True,
    )  # fmt: skip
    [provider] = told.providers
    assert (provider.file, provider.name, provider.path, provider.seen) == (
        "provisioning/dashboards/files.yaml", "files", "/var/dashboards", "repository",
    )  # fmt: skip
    assert [(one.file, one.problem) for one in told.dashboards] == [
        ("dashboards/a.json", ""), ("dashboards/sub/b.json", ""),
    ]  # fmt: skip
    assert (told.problems, told.strays) == ((), ())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("datasources: [", "while parsing"),
        ("\tdatasources: x", "found character"),
        ("apiVersion: 1\napiVersion: 1\n", "line 2: the key apiVersion is already defined at line 1"),
        ("datasources:\n- name: P\n  url: a\n  url: b\n", "line 4: the key url is already defined at line 3"),
        ("just text", "it holds no mapping"),
        ("- a list", "it holds no mapping"),
        ("datasources: {name: P}", "datasources is no list"),
        ("datasources: [P]", "datasources holds something that is no mapping"),
        (b"datasources: \xff", "utf-8"),
        ("a: " + "[" * 3_000, ""),
    ],
)
def test_a_file_that_does_not_parse_is_named(tmp_path: Path, content: str | bytes, says: str) -> None:
    told = look(tmp_path, SOUND | {"provisioning/datasources/q.yml": content})
    [problem] = told.problems
    assert problem.startswith("provisioning/datasources/q.yml: ")
    assert says in problem
    assert len(told.datasources) == 1


@pytest.mark.parametrize(
    ("dashboard", "problem"),
    [
        ('{"title": "A"}', ""),
        ('{"spec": {"title": "A"}, "kind": "Dashboard"}', ""),
        ('{"title": "A", "panels": [,]}', "no JSON: "),
        (b'\xef\xbb\xbf{"title": "A"}', "no JSON: "),
        ('{"title": "A", "x": NaN}', "no JSON: NaN is no number"),
        (b'{"title": "\xff"}', "no JSON: "),
        ("[]", "no JSON object"),
        ('{"title": " "}', "it has no title"),
        ('{"dashboard": {"title": "A"}, "meta": {}}', "it has no title"),
        ("", "no JSON: "),
        ("[" * 100_000, "no JSON: "),
    ],
)
def test_a_dashboard_that_grafana_drops_is_told(tmp_path: Path, dashboard: str | bytes, problem: str) -> None:
    [told] = look(tmp_path, SOUND | {"dashboards/a.json": dashboard}).dashboards
    assert told.problem.startswith(problem) if problem else told.problem == ""


def test_values_take_the_environment_of_grafana(tmp_path: Path) -> None:
    entries = [
        {"name": "$$A", "type": "prometheus", "url": "${PROM}", "orgId": 2},
        {"name": "B", "type": "$__env{TYPE}", "url": "$BLANK"},
        {"name": {"a": 1}, "type": None, "url": 3, "isDefault": True},
    ]
    files = SOUND | {"provisioning/datasources/p.yml": json.dumps({"datasources": entries})}
    told = look(tmp_path, files).datasources
    assert [(one.name, one.type, one.has_url, one.org, one.default) for one in told] == [
        ("$A", "prometheus", True, "2", False), ("B", "", False, "", False), ("", "", True, "", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "folder"),
    [
        ("environment: {GF_PATHS_PROVISIONING: /conf/}", "/conf"),
        ("command: ['cfg:default.paths.provisioning=/conf', other]", "/conf"),
        ("command: cfg:paths.provisioning=/conf", "/conf"),
        ("command: cfg:paths.data=/conf", "/etc/grafana/provisioning"),
    ],
)
def test_the_folder_that_grafana_reads(tmp_path: Path, more: str, folder: str) -> None:
    text = f"services:\n  grafana:\n    {more}\n    volumes: ['./provisioning:/conf']\n"
    told = look(tmp_path, SOUND, text)
    assert told.folder == folder
    assert bool(told.datasources) is (folder == "/conf")


def test_files_where_grafana_does_not_look_are_strays(tmp_path: Path) -> None:
    text = """
services:
  grafana:
    volumes:
      - ./provisioning:/etc/grafana
      - ./provisioning/dashboards/files.yaml:/etc/grafana/provisioning/files.yaml
      - ./other:/etc/grafana/provisioning/datasources
"""
    other = {
        "other/nested/q.yml": DATASOURCE,
        "other/x.yml.example": DATASOURCE,
        "other/y.yml": "deleteDatasources: []",
    }
    told = look(tmp_path, SOUND | other, text)
    assert told.datasources == ()
    assert {(one.kind, one.path) for one in told.strays} == {
        ("providers", "/etc/grafana/dashboards/files.yaml"),
        ("datasources", "/etc/grafana/datasources/p.yml"),
        ("datasources", "/etc/grafana/provisioning/datasources/nested/q.yml"),
        ("providers", "/etc/grafana/provisioning/files.yaml"),
    }


@pytest.mark.parametrize(
    ("volumes", "seen"),
    [
        ("['./provisioning:/etc/grafana/provisioning']", ""),
        ("['./provisioning:/etc/grafana/provisioning', 'data:/var']", "volume"),
        ("['./provisioning:/etc/grafana/provisioning', './dashboards:/var/dashboards']", "repository"),
        ("['./provisioning:/etc/grafana/provisioning', './dashboards/a.json:/var/dashboards/x/a.json']", "repository"),
        ("['./provisioning:/etc/grafana/provisioning', '/srv/d:/var/dashboards']", "volume"),
    ],
)
def test_what_is_at_a_providers_path(tmp_path: Path, volumes: str, seen: str) -> None:
    told = look(tmp_path, SOUND, f"services:\n  grafana:\n    volumes: {volumes}\n")
    assert [one.seen for one in told.providers] == [seen]
    assert bool(told.dashboards) is (seen == "repository")


def test_providers_of_older_forms(tmp_path: Path) -> None:
    old = "- {name: a, options: {folder: /var/dashboards}}\n- {name: b}\n- {name: c, options: {path: relative}}\n"
    told = look(tmp_path, SOUND | {"provisioning/dashboards/files.yaml": old}).providers
    assert [(one.name, one.path) for one in told] == [("a", "/var/dashboards"), ("b", ""), ("c", "relative")]


def test_aliases_that_grow_cost_nothing(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    lines.append("datasources: [{name: *a11, type: prometheus, url: x}]")
    started = time.monotonic()
    told = look(tmp_path, SOUND | {"provisioning/datasources/p.yml": "\n".join(lines)})
    assert [one.name for one in told.datasources] == [""]
    assert time.monotonic() - started < 5
