"""What the real ``docker compose`` makes of projects. It needs no engine for that."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from compose_files import repository
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.stacks.compose import env
from conformance.stacks.compose.model import Resolution, resolve
from conformance.stacks.compose.project import find
from conformance.stacks.compose.reading import read
from conformance.stacks.compose.vetting import vet, vet_resolved

pytestmark = pytest.mark.compose

ROOT = Path(__file__).parents[2]


def resolution(root: Path, stack: str, **files: str) -> Resolution:
    return resolve(find(repository(root, {"infra/docker-compose.yml": stack, **files})))


def services(made: Resolution) -> tuple[Any, Any]:
    assert made.model.problem == ""
    return made.model.authored["services"], made.model.resolved["services"]


@pytest.mark.parametrize("where", [".", "fixtures/submissions/guia-exacta"])
def test_the_projects_own_stacks_resolve_and_pass(where: str) -> None:
    project = find(ROOT / where)
    made = resolve(project)
    assert made.model.problem == ""
    assert len(made.model.resolved["services"]) > 6
    assert made.model.authored["services"].keys() == made.model.resolved["services"].keys()
    assert vet(project) == vet_resolved(project, made.model) == ()
    assert project.unset == ()


def test_everything_has_the_shapes_that_are_promised(tmp_path: Path) -> None:
    authored, resolved = services(
        resolution(
            tmp_path,
            """
            services:
              db:
                image: postgres:${TAG:-18}
                environment: ["A=${A}", "B=$${X}", FROM_SHELL]
                env_file: [.env, {path: gone.env, required: false}]
                ports: ["127.0.0.1:${PORT:-5432}:5432", "9000-9001:9000-9001"]
                volumes:
                  - ${DATA:-./data}:/data:ro
                  - ${CONF:-./a}/x:/conf
                  - ./${SUB:-sub}/y:/y
                  - named:/named
                  - ${VOL:-named}:/named2
                command: echo $$HOME
                healthcheck: {test: "pg_isready -U $$USER"}
              later: {image: x, profiles: [never]}
            volumes: {named: }
            """,
            **{"infra/.env": "A=a$b\n"},
        )
    )
    root = f"{tmp_path.resolve()}/infra"
    db = authored["db"]
    assert db["image"] == "postgres:${TAG:-18}"
    assert db["environment"] == {"A": "${A}", "B": "$${X}", "FROM_SHELL": None}
    assert db["ports"] == [
        {"mode": "ingress", "target": 5432, "published": "${PORT:-5432}", "host_ip": "127.0.0.1", "protocol": "tcp"},
        {"mode": "ingress", "target": "9000-9001", "published": "9000-9001", "protocol": "tcp"},
    ]
    assert [(volume["type"], volume["source"], volume["target"]) for volume in db["volumes"]] == [
        ("bind", "${DATA:-./data}", "/data"),
        ("bind", "${CONF:-./a}/x", "/conf"),
        ("bind", f"{root}/${{SUB:-sub}}/y", "/y"),
        ("volume", "named", "/named"),
        ("volume", "${VOL:-named}", "/named2"),
    ]
    assert db["healthcheck"]["test"] == ["CMD-SHELL", "pg_isready -U $$USER"]
    db = resolved["db"]
    assert db["image"] == "postgres:18"
    assert db["environment"] == {"A": "a", "B": "${X}"}
    assert db["command"] == ["echo", "$HOME"]
    assert "env_file" not in db
    assert [(port["target"], port["published"]) for port in db["ports"]] == [
        (5432, "5432"), (9000, "9000"), (9001, "9001"),
    ]  # fmt: skip
    assert [(volume["type"], volume["source"]) for volume in db["volumes"]] == [
        ("bind", f"{root}/data"), ("bind", f"{root}/a/x"), ("bind", f"{root}/sub/y"), ("volume", "named"),
        ("volume", "named"),
    ]  # fmt: skip
    assert resolved["later"]["image"] == "x"


def test_split_files_and_overrides_come_together(tmp_path: Path) -> None:
    authored, resolved = services(
        resolution(
            tmp_path,
            "include: [data/compose.yml]\nservices: {web: {image: a, ports: ['${P:-1}:1']}}",
            **{
                "infra/docker-compose.override.yml": "services: {web: {image: '${I:-b}', ports: !override ['2:2']}}",
                "infra/data/compose.yml": "services: {db: {extends: {file: b.yml, service: b}, volumes: ['./d:/d']}}",
                "infra/data/b.yml": "services: {b: {image: '${DB:-postgres:18}', privileged: false}}",
            },
        )
    )
    assert (authored["web"]["image"], resolved["web"]["image"]) == ("${I:-b}", "b")
    assert [port["published"] for port in resolved["web"]["ports"]] == ["2"]
    assert (authored["db"]["image"], resolved["db"]["image"]) == ("${DB:-postgres:18}", "postgres:18")
    assert resolved["db"]["volumes"][0]["source"] == f"{tmp_path.resolve()}/infra/data/d"


def test_what_compose_cannot_show_without_interpolating_is_read_as_it_stands(tmp_path: Path) -> None:
    authored, resolved = services(
        resolution(
            tmp_path,
            """
            services:
              db:
                extends: {file: "${BASE:-base.yml}", service: db}
                environment: ["P=${P:-x:y}"]
                ports: ["${PORT:-5432}:5432"]
                volumes: ["${DATA:-./data}:/data:ro", "/anonymous", {type: volume, source: v, target: /v}]
            volumes: {v: }
            """,
            **{"infra/base.yml": "services: {db: {image: '${I:-postgres:18}'}}"},
        )
    )
    assert resolved["db"]["image"] == "postgres:18"
    assert authored["db"]["image"] == "${I:-postgres:18}"
    assert authored["db"]["environment"] == {"P": "${P:-x:y}"}
    assert authored["db"]["ports"][0]["published"] == "${PORT:-5432}"
    assert authored["db"]["volumes"] == [
        {"type": "bind", "source": "${DATA:-./data}", "target": "/data", "read_only": True},
        {"type": "volume", "target": "/anonymous"},
        {"type": "volume", "source": "v", "target": "/v"},
    ]


def test_an_env_file_that_is_not_in_the_repository_is_stood_in_for(tmp_path: Path) -> None:
    made = resolution(
        tmp_path,
        "services: {a: {image: x, env_file: .env, environment: {COPY: '${P}', WORD: '${WORD}'}}}",
        **{"infra/.env.example": "P=change-me\nWORD='it$s \"so\" \\\\'\n"},
    )
    environment = services(made)[1]["a"]["environment"]
    assert environment["P"] == environment["COPY"] != "change-me"
    assert environment["WORD"] == 'it$s "so" \\\\'


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        ("services:\n  a:\n    image: x\n    prots: [1]\n", "infra/docker-compose.yml:4: "),
        ("services:\n  a:\n    image: x\n    environment:\n      A: ${B:?say it}\n", "infra/docker-compose.yml:5: "),
        ("services:\n  a:\n    command: x\n", "infra/docker-compose.yml:2: "),
        ("services:\n  a:\n    image: x\n    networks: [q]\n", "infra/docker-compose.yml:4: "),
        ("services:\n  a:\n    image: x\n    depends_on: [q]\n", "infra/docker-compose.yml:4: "),
        ("services:\n  a:\n    image: x\n    env_file: [gone.env]\n", "env file infra/gone.env not found"),
        ("services:\n  a:\n    image: x\n    command: ${x y}\n", "infra/docker-compose.yml:4: invalid interpolation"),
        ("services:\n  a:\n    image: x\n    healthcheck:\n      retries: ${Z:-x}\n", "infra/docker-compose.yml:5: "),
        ("include: [gone.yml]\nservices:\n  a:\n    image: x\n", "infra/gone.yml"),
    ],
)
def test_why_it_does_not_resolve_is_said_with_file_and_line(tmp_path: Path, stack: str, said: str) -> None:
    problem = resolution(tmp_path, stack).model.problem
    assert said in problem
    assert "conformance-compose" not in problem
    assert str(tmp_path) not in problem


def test_nothing_of_the_host_gets_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "hunter2")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.env").write_text("STOLEN=hunter2\n")
    made = resolution(
        tmp_path / "repo",
        """
        services:
          a:
            image: x
            environment: ["SECRET_OF_THE_HOST", "B=${SECRET_OF_THE_HOST}", "C=${HOME}"]
          b: {image: x, env_file: [{path: ../../outside/x.env, required: false}]}
        """,
    )
    assert "hunter2" not in repr(services(made))
    assert made.model.resolved["services"]["a"]["environment"] == {"B": "", "C": "~"}


@pytest.mark.parametrize(
    "stack",
    [
        "services: {a: {image: x, env_file: OUTSIDE}}",
        "services: {a: {image: x, env_file: '${PATH:+OUTSIDE}'}}",
        "services: {a: {image: x, env_file: '${F}'}}",
        "include: [sub/compose.yml]",
        "services: {a: {extends: {file: OUTSIDE.yml, service: s}}}",
        "include: [OUTSIDE.yml]",
        "include: [OUTSIDE.yml]\n---\ninclude: []\nservices: {a: {image: x}}",
        "x: &x {env_file: OUTSIDE}\nservices: {a: {image: x, ! <<: *x}}",
        "x: &x {env_file: OUTSIDE}\nservices:\n  a:\n    image:\tx\n    <<: *x\n",
        "services: {a: {image: x, env_file: link.env}}",
        "services: {a: {image: x, env_file: linked/x}}",
        "services: {a: {image: x, env_file: '../outside/x'}}",
        "services: {a: {image: x, env_file: '" + "$\u212ax/" * 30 + "../" * 30 + "..OUTSIDE'}}",
    ],
)
def test_no_file_outside_the_repository_is_read(tmp_path: Path, stack: str) -> None:
    """Each is read by Compose itself where it is asked to resolve the author's own text."""
    outside = repository(
        tmp_path / "outside", {"x": "STOLEN=hunter2\n", "x.yml": "services: {s: {image: x, command: hunter2}}"}
    )
    root = repository(
        tmp_path / "repo",
        {
            "docker-compose.yml": stack.replace("OUTSIDE", f"{outside}/x"),
            ".env": f"F={outside}/x\n",
            "sub/compose.yml": "services: {a: {image: x, env_file: '${G}'}}",
            "sub/.env": f"G={outside}/x\n",
        },
    )
    (root / "link.env").symlink_to(outside / "x")
    (root / "linked").symlink_to(outside)
    project = find(root)
    made = resolve(project)
    assert "hunter2" not in repr(made)
    assert vet(project)


_LINES = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "C"]),
        st.one_of(
            st.text(string.ascii_letters + " #'\"\\$.-", max_size=8).filter(lambda text: text[:1] not in "'\""),
            st.text(string.ascii_letters + " #'$.-n", max_size=8).map(lambda text: f'"{text}"'),
            st.text(string.ascii_letters + ' #"$.-', max_size=8).map(lambda text: f"'{text}'"),
            st.sampled_from(["$A", "${B}-$C", "x${A:-d}", '"${A}"', r'"\$A \n"', "'${A}'", "a$$b"]),
        ),
    ),
    max_size=5,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=_LINES)
def test_env_files_are_read_as_compose_reads_them(tmp_path: Path, lines: list[tuple[str, str]]) -> None:
    """Compose reads a service's env file with the rules of all env files: here as it stands, beside ours."""
    import json
    import subprocess

    text = "".join(f"{name}={value}\n" for name, value in lines)
    (tmp_path / ".env").write_text(text)
    (tmp_path / "compose.yml").write_text("services: {a: {image: x, environment: {A: $A, B: $B, C: $C}}}")
    done = subprocess.run(
        ["docker", "compose", "--env-file", ".env", "-f", "compose.yml", "config", "--format", "json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.replace("$$", "$"))["services"]["a"]["environment"]
    ours = env.values(env.parse(text, ".env"), ".env")
    assert {name: ours.get(name, "") for name in "ABC"} == theirs


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.dictionaries(st.sampled_from(["A", "B"]), st.text(st.characters(codec="utf-8", exclude_characters="\0")))
)
def test_compose_gets_exactly_the_values_that_were_read(tmp_path: Path, values: dict[str, str]) -> None:
    given_file = tmp_path / "given.env"
    given_file.write_text(env.written(values), encoding="utf-8", newline="")
    root = repository(tmp_path / "repo", {"compose.yml": "services: {a: {image: x, environment: {A: $A, B: $B}}}"})
    environment = resolve(find(root, env_file=given_file)).model.resolved["services"]["a"]["environment"]
    assert environment == {"A": values.get("A", ""), "B": values.get("B", "")}


PROFILED = """
services:
  db: {image: "postgres:18", profiles: [control], depends_on: [seed]}
  seed: {image: busybox, profiles: [seeds]}
  tool: {image: busybox, profiles: [tools, more]}
  page: {image: nginx, depends_on: [helper]}
  helper: {image: busybox, profiles: [never]}
  host: {image: x, privileged: true, profiles: [tools]}
"""


@pytest.mark.parametrize(
    ("profiles", "left_out"), [("", {"tool", "host"}), ("a, more", {"host"}), ("tools", {"host"}), ("*", {"host"})]
)
def test_what_nobody_asks_for_is_left_out_unless_a_role_rests_on_it(
    tmp_path: Path, profiles: str, left_out: set[str]
) -> None:
    files = {"compose.yml": PROFILED, ".env.example": f"COMPOSE_PROFILES={profiles}\n"}
    made = read(repository(tmp_path, files))
    assert made.left_out.keys() == left_out
    assert "privileged" in made.left_out["host"]
