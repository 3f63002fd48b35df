"""How Docker Compose is asked to resolve a project, and what is made of its answer. A script stands for ``docker``."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compose_files import repository

from conformance.stacks.base import StackError, Unavailable
from conformance.stacks.compose import model
from conformance.stacks.compose.model import Resolution, resolve
from conformance.stacks.compose.project import find

STAND_IN = """\
#!{python} -I
import json, os, pathlib, sys
here = pathlib.Path({here!r})
words = sys.argv[1:]
root = words[words.index("--project-directory") + 1]
env_file = pathlib.Path(words[words.index("--env-file") + 1])
seen = {{
    "words": words, "environment": dict(os.environ), "cwd": os.getcwd(), "env": env_file.read_text(),
    "files": {{str(one.relative_to(root)): one.read_text() for one in pathlib.Path(root).rglob("*") if one.is_file()}},
    "settings": json.loads(pathlib.Path(os.environ["HOME"], ".docker", "config.json").read_text()),
}}
written = "--no-interpolate" in words
(here / ("written.json" if written else "values.json")).write_text(json.dumps(seen))
answer = json.loads((here / "answers.json").read_text())["written" if written else "values"]
text = lambda said: said.replace("@ROOT", root).replace("@HOME", os.environ["HOME"])
sys.stderr.write(text(answer.get("stderr", "")))
sys.stdout.write(text(answer.get("stdout", "")))
sys.exit(answer.get("code", 0))
"""

Docker = Callable[..., None]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Puts a ``docker`` on PATH that answers as told; @ROOT and @HOME in its answer are what it was given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "docker"
    script.write_text(STAND_IN.format(python=sys.executable, here=str(folder)))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))

    def answers(
        values: dict[str, Any] | None = None, written: dict[str, Any] | None = None, written_code: int = 0, **said: Any
    ) -> None:
        of_values = said or {"stdout": json.dumps(values or {"services": {}})}
        of_written = {"stdout": json.dumps(written or {"services": {}}), "code": written_code}
        told = {"values": of_values, "written": of_written}
        (folder / "answers.json").write_text(json.dumps(told))

    return answers


def asked(tmp_path: Path, which: str) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads((tmp_path / "bin" / f"{which}.json").read_text())
    return seen


STACK = """
services:
  db:
    image: postgres:${TAG:-18}
    environment: {P: "${P}"}   # ${TAG:-x
    volumes: ["${DATA:-./data}:/data:ro"]
"""


def resolution(root: Path, stack: str = STACK, **files: str) -> Resolution:
    return resolve(find(repository(root / "repo", {"infra/docker-compose.yml": stack, **files})))


def test_compose_sees_a_copy_of_what_was_read_and_nothing_else(
    tmp_path: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    docker()
    resolution(
        tmp_path, **{"infra/.env": "P=a b\nCOMPOSE_FILE=/etc/passwd\n", "infra/other.txt": "x", "README.md": "x"}
    )
    seen = asked(tmp_path, "values")
    root = Path(seen["words"][seen["words"].index("--project-directory") + 1])
    assert seen["words"] == [
        "compose", "--project-name", "author", "--project-directory", str(root), "-f", f"{root}/docker-compose.yml",
        "--env-file", str(root.parents[1] / "env"), "--profile", "*", "config", "--format", "json",
    ]  # fmt: skip
    assert asked(tmp_path, "written")["words"][-1] == "--no-interpolate"
    assert seen["files"] == {
        "docker-compose.yml": '{"services": {"db": {"image": "postgres:${TAG:-18}", "environment": {"P": "${P}"}, '
        '"volumes": ["${DATA:-./data}:/data:ro"]}}}'
    }
    assert (seen["cwd"], root.name) == (str(root), "infra")
    assert seen["env"] == f'PWD={root}\nP="a b"\n'
    assert set(seen["environment"]) - {"LC_CTYPE"} == {
        "PATH", "HOME", "COMPOSE_DISABLE_ENV_FILE", "COMPOSE_EXPERIMENTAL_GIT_REMOTE",
        "COMPOSE_EXPERIMENTAL_OCI_REMOTE",
    }  # fmt: skip
    assert Path(seen["environment"]["HOME"]).is_relative_to(root.parents[1])
    assert not root.exists()


def test_compose_as_a_plugin_is_found_from_an_empty_home(
    tmp_path: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
    resolution(tmp_path)
    assert asked(tmp_path, "values")["settings"] == {"cliPluginsExtraDirs": [str(tmp_path / "config" / "cli-plugins")]}


def test_expressions_lose_their_colons_on_the_way_to_compose_and_get_them_back(tmp_path: Path, docker: Docker) -> None:
    docker(
        values={"services": {"db": {"volumes": [{"type": "bind", "source": "@ROOT/data", "target": "/data"}]}}},
        written={
            "services": {
                "db": {
                    "image": "postgres:${CONFORMANCE_0_}",
                    "environment": {"P": "${P}"},
                    "volumes": [{"type": "volume", "source": "${CONFORMANCE_1_}", "target": "/data", "volume": {}}],
                }
            }
        },
    )
    made = resolution(tmp_path).model
    service = json.loads(asked(tmp_path, "written")["files"]["docker-compose.yml"])["services"]["db"]
    assert service["image"] == "postgres:${CONFORMANCE_0_}"
    assert service["volumes"] == ["${CONFORMANCE_1_}:/data:ro"]
    assert service["environment"] == {"P": "${P}"}
    assert made.authored["services"]["db"] == {
        "image": "postgres:${TAG:-18}",
        "environment": {"P": "${P}"},
        "volumes": [{"type": "bind", "source": "${DATA:-./data}", "target": "/data"}],
    }


def test_resolved_has_plain_dollars_the_repositorys_paths_and_nothing_to_be_filled_in(
    tmp_path: Path, docker: Docker
) -> None:
    service = {
        "command": ["sh", "-c", "echo $$HOME"],
        "environment": {"A": "$${B}", "FROM_SHELL": None},
        "env_file": [{"path": "@ROOT/.env"}],
        "build": {"context": "@ROOT/app", "args": {"X": None, "Y": "1"}},
        "develop": {"watch": []},
        "volumes": [
            {"type": "bind", "source": "@ROOT", "target": "/a"},
            {"type": "bind", "source": "@HOME/x", "target": "/b"},
        ],
    }
    docker(values={"services": {"db": service}, "networks": {"default": None}})
    made = resolution(tmp_path)
    infra = str(tmp_path.resolve() / "repo" / "infra")
    expected = {
        "environment": {"A": "${B}"},
        "build": {"context": f"{infra}/app", "args": {"Y": "1"}},
        "volumes": [
            {"type": "bind", "source": infra, "target": "/a"},
            {"type": "bind", "source": "~/x", "target": "/b"},
        ],
    }
    assert made.model.resolved["services"]["db"] == {"command": ["sh", "-c", "echo $HOME"], **expected}
    assert made.document["services"]["db"]["command"] == ["sh", "-c", "echo $$HOME"]
    assert made.document["services"]["db"]["environment"] == {"A": "$${B}"}
    assert made.document["networks"] == {"default": None}


def test_authored_is_brought_to_the_shapes_of_resolved(tmp_path: Path, docker: Docker) -> None:
    docker(
        values={"services": {"a": {}}},
        written={
            "services": {
                "a": {
                    "environment": ["A=${A}", "B=x=y", "SHELL"],
                    "labels": ["pqrs.role=postgres"],
                    "build": {"context": "@ROOT/x", "args": ["V=1"]},
                    "tmpfs": "/run",
                    "dns": "8.8.8.8",
                    "healthcheck": {"test": "pg_isready"},
                    "ports": [
                        "${H}:${P}:5432/udp", "5432:5432", "7000", "${T}", "127.0.0.1::80", "[::1]:90:90",
                        "9000-9001:9000-9001",
                        {"mode": "ingress", "target": 1, "published": "2", "protocol": "tcp"},
                    ],
                    "command": "a $$b",
                },
                "b": {
                    "environment": {"N": 1, "T": True, "F": 1.5, "S": "s", "E": None}, "ports": None, "volumes": None,
                },
                "c": None,
            },
            "volumes": {"v": {"name": "author_v"}},
        },
    )  # fmt: skip
    made = resolution(tmp_path).model.authored
    tcp = {"mode": "ingress", "protocol": "tcp"}
    assert made["services"]["a"] == {
        "environment": {"A": "${A}", "B": "x=y", "SHELL": None},
        "labels": {"pqrs.role": "postgres"},
        "build": {"context": f"{tmp_path.resolve()}/repo/infra/x", "args": {"V": "1"}},
        "tmpfs": ["/run"],
        "dns": ["8.8.8.8"],
        "healthcheck": {"test": ["CMD-SHELL", "pg_isready"]},
        "ports": [
            {"mode": "ingress", "target": 5432, "published": "${P}", "host_ip": "${H}", "protocol": "udp"},
            {**tcp, "target": 5432, "published": "5432"},
            {**tcp, "target": 7000},
            {**tcp, "target": "${T}"},
            {**tcp, "target": 80, "host_ip": "127.0.0.1"},
            {**tcp, "target": 90, "published": "90", "host_ip": "::1"},
            {**tcp, "target": "9000-9001", "published": "9000-9001"},
            {**tcp, "target": 1, "published": "2"},
        ],
        "command": "a $$b",
    }
    assert made["services"]["b"]["environment"] == {"N": "1", "T": "true", "F": "1.5", "S": "s", "E": None}
    assert made["services"]["b"]["ports"] == made["services"]["b"]["volumes"] == []
    assert made["services"]["c"] == {}
    assert made["volumes"] == {"v": {"name": "author_v"}}


def test_what_compose_cannot_show_without_interpolating_is_read_as_it_stands(tmp_path: Path, docker: Docker) -> None:
    docker(values={"services": {"db": {"volumes": [{"type": "bind", "target": "/data"}]}, "gone": {}}}, written_code=1)
    override = "services: {db: {image: mine, volumes: ['./a:/a', '/b']}, other: {image: x}}"
    made = resolution(tmp_path, **{"infra/docker-compose.override.yml": override}).model.authored
    assert made["services"]["db"]["environment"] == {"P": "${P}"}
    assert made["services"]["db"]["image"] == "mine"
    assert made["services"]["db"]["volumes"] == [
        {"type": "bind", "source": "${DATA:-./data}", "target": "/data", "read_only": True},
        {"type": "bind", "source": "./a", "target": "/a"},
        {"type": "volume", "target": "/b"},
    ]
    assert made["services"].keys() == {"db", "gone"}


WRONG = """\
services:
  db.main:
    image: x
    networks: [here]
    prots: [1]
    healthcheck:
      retries: ${R:-x}
    depends_on: [nobody]
  web:
    image: x
    environment:
      A: ${B:?say it}
networks:
  here:
"""


@pytest.mark.parametrize(
    ("stderr", "problem"),
    [
        ("validating @ROOT/docker-compose.yml: services.db.main Additional property prots is not allowed",
         "infra/docker-compose.yml:5: validating infra/docker-compose.yml: services.db.main Additional property prots "
         "is not allowed"),
        ('service "db.main" refers to undefined network q: invalid compose project\n',
         'infra/docker-compose.yml:4: service "db.main" refers to undefined network q'),
        ('service "db.main" depends on undefined service "nobody": invalid compose project',
         'infra/docker-compose.yml:8: service "db.main" depends on undefined service "nobody"'),
        ("error while interpolating services.web.environment.A: required variable B is missing a value: say it",
         "infra/docker-compose.yml:12: error while interpolating services.web.environment.A: required variable B is "
         "missing a value: say it"),
        ("services.db.main.healthcheck.retries must be a number",
         "infra/docker-compose.yml:7: services.db.main.healthcheck.retries must be a number"),
        ("services.web.image[0]: wrong", "infra/docker-compose.yml:10: services.web.image[0]: wrong"),
        ("env file @ROOT/gone.env not found: stat @ROOT/gone.env: no such file or directory",
         "env file infra/gone.env not found: stat infra/gone.env: no such file or directory"),
        ("Invalid containerPort: b", "Invalid containerPort: b"),
        ('time="2026-11-24" level=warning msg="x"\nyaml: line 3: bad\nsecond line\n', "yaml: line 3: bad second line"),
        ("", "docker compose config fails and says nothing"),
        ("services.nobody: x", "infra/docker-compose.yml:1: services.nobody: x"),
    ],
)  # fmt: skip
def test_why_it_does_not_resolve_is_said_with_file_and_line(
    tmp_path: Path, docker: Docker, stderr: str, problem: str
) -> None:
    docker(stderr=stderr, code=15)
    made = resolution(tmp_path, WRONG)
    assert made.model.problem == problem
    assert (made.model.resolved, made.model.authored, made.document) == ({}, {}, {})
    assert made.model.file == "infra/docker-compose.yml"
    assert made.model.raw["services"]["web"]["image"] == "x"


def test_problems_are_bounded(tmp_path: Path, docker: Docker) -> None:
    docker(stderr="x" * 5_000 + "\x1b[2J", code=1)
    assert len(resolution(tmp_path).model.problem) <= 500


@pytest.mark.parametrize(
    "said",
    [
        "unknown flag: --project-name", "docker: 'compose' is not a docker command.", "unknown command: docker compose",
        "unknown shorthand flag: 'f' in -f",
    ],
)  # fmt: skip
def test_docker_without_compose_is_unavailable(tmp_path: Path, docker: Docker, said: str) -> None:
    docker(stderr=said, code=125)
    with pytest.raises(Unavailable, match="docker compose is not installed"):
        resolution(tmp_path)


def test_no_docker_at_all_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="docker compose is not installed"):
        resolution(tmp_path)


def test_an_answer_that_is_no_json_or_never_comes_is_an_error(
    tmp_path: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker(stdout="Hello", code=0)
    with pytest.raises(StackError, match="printed no JSON: Hello"):
        resolution(tmp_path)
    monkeypatch.setattr(model, "TIMEOUT", 0.001)
    with pytest.raises(StackError, match="did not end within"):
        resolution(tmp_path)


def test_no_compose_file_is_an_empty_model(tmp_path: Path) -> None:
    made = resolve(find(tmp_path))
    assert (made.model.file, made.model.problem, made.model.raw, made.document) == ("", "", {}, {})


def test_a_file_that_cannot_be_read_is_a_problem_without_asking_compose(tmp_path: Path) -> None:
    made = resolution(tmp_path, "services:\n  a: 1\n  a: 2\n").model
    assert made.problem == "infra/docker-compose.yml:3: the key 'a' is already defined at line 2"
    assert made.file == "infra/docker-compose.yml"


def test_what_would_grow_out_of_all_proportion_is_not_given_to_compose(tmp_path: Path) -> None:
    stack = "services: {a: {image: x, command: [" + ", ".join(["$A"] * 1_000) + "]}}"
    made = resolution(tmp_path, stack, **{"infra/.env": f"A={'ab' * 5_000}\n"}).model
    assert "interpolation makes it larger than" in made.problem


def test_the_model_says_which_env_file_and_what_was_replaced(tmp_path: Path, docker: Docker) -> None:
    docker()
    made = resolution(tmp_path, **{"infra/.env.example": "P=change-me\n# TAG=18\n"}).model
    assert (made.env_file, made.env_generated) == ("infra/.env.example", ("P",))
    assert (made.env_example, made.env_documented) == ("infra/.env.example", ("P", "TAG"))
    assert "change-me" not in asked(tmp_path, "values")["env"]


def test_raw_holds_all_merged_files_and_no_interpolation(tmp_path: Path, docker: Docker) -> None:
    docker()
    override = "services: {db: {ports: ['1:1'], image: y}, more: {image: z}}"
    made = resolution(tmp_path, "services: {db: {image: x, ports: ['${A:-2}:2']}}", **{
        "infra/docker-compose.override.yml": override
    }).model  # fmt: skip
    assert made.raw == {"services": {"db": {"image": "y", "ports": ["${A:-2}:2", "1:1"]}, "more": {"image": "z"}}}
