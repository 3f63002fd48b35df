"""Which files make a repository's stack: Compose files, env files, samples, and what else they name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from compose_files import repository

from conformance.inputs import InputError
from conformance.stacks.base import Role
from conformance.stacks.compose.project import Project, find
from conformance.stacks.compose.vetting import vet

STACK = "services: {db: {image: postgres}}\n"


def chosen(root: Path, *names: str) -> Project:
    return find(repository(root, dict.fromkeys(names, STACK)))


def names(project: Project) -> list[str]:
    return [project.relative(file) for file in project.files]


# --- Compose files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        (["docker-compose.yml"], ["docker-compose.yml"]),
        (["compose.yml", "docker-compose.yml"], ["compose.yml"]),
        (["compose.yaml", "compose.yml"], ["compose.yaml"]),
        (["infra/local/docker-compose.yml"], ["infra/local/docker-compose.yml"]),
        (["infra/a/b/compose.yml", "infra/z/compose.yml"], ["infra/z/compose.yml"]),
        (["infra/b/compose.yml", "infra/a/compose.yml"], ["infra/a/compose.yml"]),
        (["docker-compose.yml", "infra/local/docker-compose.yml"], ["docker-compose.yml"]),
        (["docker-compose.dev.yml", "infra/local/docker-compose.yml"], ["docker-compose.dev.yml"]),
        (["Infraestructura/docker-compose.yml", "tests/docker-compose.yml"], ["Infraestructura/docker-compose.yml"]),
        (["deploy/docker-compose.yml"], ["deploy/docker-compose.yml"]),
        (["entrega-final/proyecto/infra/compose.yml"], ["entrega-final/proyecto/infra/compose.yml"]),
        (["docker-compose.prod.yml", "docker-compose.yml"], ["docker-compose.yml"]),
        (["docker-compose-infra.yaml", "docker-compose.a.yml"], ["docker-compose.a.yml"]),
        (["docker-compose.yml", "docker-compose.override.yml"], ["docker-compose.yml", "docker-compose.override.yml"]),
        (["compose.yaml", "docker-compose.override.yml"], ["compose.yaml", "docker-compose.override.yml"]),
        (["compose.yaml", "compose.override.yml", "compose.override.yaml"], ["compose.yaml", "compose.override.yml"]),
        (["docker-compose.dev.yml", "docker-compose.override.yml"], ["docker-compose.dev.yml"]),
        (["node_modules/x/docker-compose.yml", "venv/compose.yml", ".git/compose.yml"], []),
        (["docker-compose.override.yml"], []),
        (["my-compose.yml", "compose.txt"], []),
    ],
)
def test_the_nearest_standard_file_is_taken(tmp_path: Path, files: list[str], taken: list[str]) -> None:
    project = chosen(tmp_path, *files)
    assert names(project) == taken
    assert project.name == (taken[0] if taken else "")


@pytest.mark.parametrize(
    ("env", "taken"),
    [
        ("COMPOSE_FILE=a.yml:mas/b.yml\n", ["infra/local/a.yml", "infra/local/mas/b.yml"]),
        ("# Windows\nA=1\nexport COMPOSE_FILE='../c.yml;a.yml' # two\n", ["infra/c.yml", "infra/local/a.yml"]),
        ("#COMPOSE_FILE=a.yml\nMY_COMPOSE_FILE=a.yml\nCOMPOSE_FILE=\n", ["infra/local/compose.yml"]),
        ("COMPOSE_FILE=a.yml:nowhere.yml\n", ["infra/local/compose.yml"]),
        ("COMPOSE_FILE=../../../outside.yml\n", ["infra/local/compose.yml"]),
        ("COMPOSE_FILE=\0\n", ["infra/local/compose.yml"]),
    ],
)
@pytest.mark.parametrize("name", [".env", ".env.example"])
def test_files_that_the_env_file_of_their_folder_names_are_merged(
    tmp_path: Path, name: str, env: str, taken: list[str]
) -> None:
    (tmp_path / "outside.yml").write_text(STACK)
    there = ["infra/local/compose.yml", "infra/local/a.yml", "infra/local/mas/b.yml", "infra/c.yml"]
    root = repository(tmp_path / "repository", {**dict.fromkeys(there, STACK), f"infra/local/{name}": env})
    assert names(find(root)) == taken


def test_a_nearer_compose_file_goes_before_files_that_an_env_file_names(tmp_path: Path) -> None:
    files = {"compose.yml": STACK, "infra/.env": "COMPOSE_FILE=a.yml", "infra/a.yml": STACK}
    assert names(find(repository(tmp_path, files))) == ["compose.yml"]


def test_others_are_reported(tmp_path: Path) -> None:
    project = chosen(
        tmp_path, "docker-compose.yml", "docker-compose.prod.yml", "infra/compose.yml", "deploy/compose.yml"
    )
    assert project.others == ("docker-compose.prod.yml", "infra/compose.yml")


def test_a_file_without_services_gives_way(tmp_path: Path) -> None:
    files = {"docker-compose.yml": "# see infra/local\n", "infra/local/docker-compose.yml": STACK}
    assert find(repository(tmp_path, files)).name == "infra/local/docker-compose.yml"


def test_a_virtual_environment_of_any_name_is_not_searched(tmp_path: Path) -> None:
    root = repository(tmp_path, {"mi-entorno/pyvenv.cfg": "", "mi-entorno/x/docker-compose.yml": STACK})
    assert find(root).files == ()


def test_a_given_file_is_taken_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path, dict.fromkeys(["docker-compose.yml", "docker-compose.override.yml", "x/s.yml"], STACK))
    assert names(find(root, Path("x/s.yml"))) == ["x/s.yml"]
    assert names(find(root, root / "docker-compose.yml")) == ["docker-compose.yml"]
    monkeypatch.chdir(root / "x")
    assert names(find(root, Path("s.yml"))) == ["x/s.yml"]


def test_a_given_file_must_be_there_and_in_the_repository(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo", {"docker-compose.yml": STACK})
    outside = repository(tmp_path / "other", {"compose.yml": STACK}) / "compose.yml"
    with pytest.raises(InputError, match=r"nothing\.yml: no such file"):
        find(root, Path("nothing.yml"))
    with pytest.raises(InputError, match="outside the repository"):
        find(root, outside)
    (root / "link.yml").symlink_to(outside)
    with pytest.raises(InputError, match="outside the repository"):
        find(root, Path("link.yml"))


def test_a_file_that_is_a_link_out_of_the_repository_is_not_found(tmp_path: Path) -> None:
    outside = repository(tmp_path / "other", {"compose.yml": STACK}) / "compose.yml"
    root = repository(tmp_path / "repo", {"infra/docker-compose.yml": STACK})
    (root / "docker-compose.yml").symlink_to(outside)
    assert find(root).name == "infra/docker-compose.yml"


def test_a_repository_reached_by_a_link_is_the_same(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo", {"docker-compose.yml": STACK})
    (tmp_path / "link").symlink_to(root)
    assert find(tmp_path / "link", tmp_path / "link" / "docker-compose.yml").files == (root / "docker-compose.yml",)


# --- conformance.toml ---------------------------------------------------------------------------------------------


def test_conformance_toml_says_files_env_and_roles(tmp_path: Path) -> None:
    root = repository(
        tmp_path,
        {
            "conformance.toml": """
                [compose]
                files = ["infra/data.yml", "infra/compute.yml"]
                env_file = "infra/example"
                [roles]
                postgres = "base"
                dask_worker = ["w1", "w2"]
                """,
            "docker-compose.yml": STACK,
            "infra/data.yml": STACK,
            "infra/compute.yml": "services: {w: {image: x}}",
            "infra/example": "A=1",
        },
    )
    project = find(root)
    assert names(project) == ["infra/data.yml", "infra/compute.yml"]
    assert project.directory == root / "infra"
    assert (project.env.name, project.env.values["A"]) == ("infra/example", "1")
    assert project.config.roles == {Role.POSTGRES: ("base",), Role.DASK_WORKER: ("w1", "w2")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[compose]\nfile = 'x'\n", r"conformance\.toml: compose\.file: Extra inputs"),
        ("[composes]\n", r"conformance\.toml: composes: Extra inputs"),
        ("[roles]\npostgresql = 'db'\n", r"conformance\.toml: roles\.postgresql"),
        ("[roles]\npostgres = 5\n", r"conformance\.toml: roles\.postgres"),
        ("[roles]\npostgres = ''\n", r"conformance\.toml: roles\.postgres"),
        ("[compose\n", r"conformance\.toml: .*line 1"),
        ("[compose]\nfiles = ['x.yml']\n", r"conformance\.toml: compose\.files: x\.yml: no such file"),
        ("[compose]\nfiles = ['../x.yml']\n", r"conformance\.toml: compose\.files: \.\./x\.yml: outside"),
        ("[compose]\nenv_file = 'x.env'\n", r"conformance\.toml: compose\.env_file: x\.env: no such file"),
        ("[compose]\nenv_file = '../x.yml'\n", r"conformance\.toml: compose\.env_file: \.\./x\.yml: outside"),
    ],
)
def test_what_conformance_toml_cannot_mean_is_said(tmp_path: Path, text: str, said: str) -> None:
    root = repository(tmp_path / "repo", {"conformance.toml": text, "docker-compose.yml": STACK})
    repository(tmp_path, {"x.yml": STACK})
    with pytest.raises(InputError, match=said):
        find(root)


# --- env files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "env", "example"),
    [
        ([".env.example"], ".env.example", ".env.example"),
        ([".env", ".env.example"], ".env", ".env.example"),
        (["infra/local/.env.example", ".env"], "infra/local/.env.example", "infra/local/.env.example"),
        ([".env"], ".env", ""),
        (["infra/.env.template"], "infra/.env.template", "infra/.env.template"),
        ([".env.sample", ".env.production.example"], ".env.sample", ".env.sample"),
        (["example.env"], "example.env", "example.env"),
        (["env.example"], "env.example", "env.example"),
        ([".env.ejemplo"], ".env.ejemplo", ".env.ejemplo"),
        ([".env-example"], ".env-example", ".env-example"),
        (["config/.env.example"], "config/.env.example", "config/.env.example"),
        ([".env.local", "environment.yml", "venv.example"], "", ""),
    ],
)
def test_the_env_file_is_the_nearest_or_a_sample_of_it(
    tmp_path: Path, files: list[str], env: str, example: str
) -> None:
    project = find(repository(tmp_path, {"infra/local/docker-compose.yml": STACK, **dict.fromkeys(files, "A=1\n")}))
    assert (project.env.name, project.example) == (env, example)


def test_a_given_env_file_wins_and_may_be_anywhere(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo", {"docker-compose.yml": STACK, ".env": "A=own\n"})
    given = repository(tmp_path / "grader", {"class.env": "A=given\n"}) / "class.env"
    project = find(root, env_file=given)
    assert (project.env.name, project.env.values["A"]) == (str(given), "given")
    with pytest.raises(InputError, match=r"none\.env: no such env file"):
        find(root, env_file=tmp_path / "none.env")


def test_a_broken_env_file_is_the_givers_fault_or_the_authors(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo", {"docker-compose.yml": STACK, ".env": "A=1\nB C=2\n"})
    assert find(root).problem.startswith(".env:2: no NAME=value")
    given = repository(tmp_path / "grader", {"class.env": "B C=2\n"}) / "class.env"
    with pytest.raises(InputError, match=r"class\.env:1: no NAME=value"):
        find(root, env_file=given)


def test_documented_variables_are_those_of_all_samples_also_in_comments(tmp_path: Path) -> None:
    root = repository(
        tmp_path,
        {
            "infra/docker-compose.yml": STACK,
            "infra/.env.example": """
                # The password: change it
                POSTGRES_PASSWORD=change-me
                # POSTGRES_PORT=5432
                #GRAFANA_PORT = 3001
                export S3_KEY=x
                """,
            ".env.example": "TZ=America/Bogota\n",
        },
    )
    project = find(root)
    assert project.example == "infra/.env.example"
    assert project.documented == ("POSTGRES_PASSWORD", "POSTGRES_PORT", "GRAFANA_PORT", "S3_KEY", "TZ")


def test_placeholders_get_values_and_are_named(tmp_path: Path) -> None:
    root = repository(
        tmp_path,
        {
            "docker-compose.yml": "services: {db: {image: postgres, environment: {P: '${P}', U: '${U:-none}'}}}",
            ".env.example": "P=change-me\nT_TOKEN=\nU_TOKEN=\nDSN=x://a:change-me@b/c\nUSER_NAME=pqrs\n",
        },
    )
    project = find(root)
    values = project.env.values
    assert project.env.generated == ("P", "T_TOKEN", "U_TOKEN", "DSN")
    assert len(values["P"]) >= 16
    assert values["DSN"] == f"x://a:{values['P']}@b/c"
    assert values["USER_NAME"] == "pqrs"


def test_an_empty_secret_with_a_default_stays_empty(tmp_path: Path) -> None:
    stack = "services: {db: {image: x, environment: {P: '${P_KEY:-postgres}', Q: '${Q_KEY-postgres}'}}}"
    project = find(repository(tmp_path, {"docker-compose.yml": stack, ".env.example": "P_KEY=\nQ_KEY=\n"}))
    assert project.env.generated == ("Q_KEY",)
    assert project.env.values["P_KEY"] == ""


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("sql/init.sql", "CREATE ROLE prefect LOGIN PASSWORD 'change-me';"),
        ("conf/exporter.yml", "dsn: postgresql://pqrs:change-me@db/pqrs"),
        ("secret.json", '{"password": "change-me"}'),
    ],
)
def test_a_placeholder_that_other_files_hold_stays(tmp_path: Path, where: str, text: str) -> None:
    stack = """
        services:
          db:
            image: postgres
            environment: {P: "${P}"}
            volumes:
              - ./sql:/docker-entrypoint-initdb.d:ro
              - ${CONF:-./conf}:/conf
              - {type: bind, source: ./x, target: /x}
        secrets: {s: {file: ./secret.json}}
        """
    project = find(repository(tmp_path, {"docker-compose.yml": stack, ".env.example": "P=change-me\n", where: text}))
    assert project.env.generated == ()
    assert project.env.values["P"] == "change-me"


def test_a_placeholder_written_in_the_compose_file_stays(tmp_path: Path) -> None:
    written = "services: {db: {image: x, environment: {P: change-me, Q: '${P}'}}}"
    default = "services: {db: {image: x, environment: {P: '${P:-change-me}'}}}"
    for stack, generated in ((written, ()), (default, ("P",))):
        project = find(repository(tmp_path, {"docker-compose.yml": stack, ".env.example": "P=change-me\n"}))
        assert project.env.generated == generated


def test_documents_about_the_placeholder_do_not_keep_it(tmp_path: Path) -> None:
    files = {
        "docker-compose.yml": STACK,
        ".env.example": "P=change-me\n",
        "README.md": "change-me",
        "k8s/x.yml": "change-me",
    }
    assert find(repository(tmp_path, files)).env.generated == ("P",)


def test_unset_variables_are_listed(tmp_path: Path) -> None:
    stack = """
        services:
          db:
            image: postgres:${TAG:-18}
            environment: {A: "${A}", B: "$B", C: "${C?must}", D: "${D-d}", E: "${E:+e}", F: "$$F", G: "${X:-${G}}"}
            volumes: ["${PWD}/sql:/sql", "${HOME}/x:/x"]
            container_name: ${COMPOSE_PROJECT_NAME}-db
        """
    project = find(repository(tmp_path, {"docker-compose.yml": stack, ".env": "A=\n"}))
    assert project.unset == ("B", "C", "G")
    assert project.env.values["PWD"] == str(tmp_path.resolve())


# --- what the files name ------------------------------------------------------------------------------------------


def test_included_and_extended_files_are_read_each_from_its_own_folder(tmp_path: Path) -> None:
    root = repository(
        tmp_path,
        {
            "infra/docker-compose.yml": """
                include:
                  - data/compose.yml
                  - path: [compute/compose.yml, ../shared/extra.yml]
                    project_directory: ..
                services:
                  grafana:
                    extends: {file: "${BASE:-../shared/base.yml}", service: base}
                """,
            "infra/data/compose.yml": "services: {db: {extends: {file: common.yml, service: c}}}",
            "infra/data/common.yml": "services: {c: {image: x}}",
            "infra/compute/compose.yml": "services: {dask: {image: x}}",
            "shared/extra.yml": "services: {extra: {image: x}}",
            "shared/base.yml": "services: {base: {image: x}}",
        },
    )
    project = find(root)
    assert {document.name: document.base for document in project.documents} == {
        "infra/docker-compose.yml": root / "infra",
        "infra/data/compose.yml": root / "infra/data",
        "infra/data/common.yml": root / "infra/data",
        "infra/compute/compose.yml": root,
        "shared/extra.yml": root,
        "shared/base.yml": root / "shared",
    }
    assert project.escapes == ()


def test_files_that_include_each_other_are_read_once(tmp_path: Path) -> None:
    project = find(repository(tmp_path, {"compose.yml": "include: [b.yml]", "b.yml": "include: [compose.yml]"}))
    assert [document.name for document in project.documents] == ["compose.yml", "b.yml"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("include: [../other/compose.yml]", "outside"),
        ("include: [/etc/passwd]", "outside"),
        ("include: [~/compose.yml]", "outside"),
        ("include: ['${UP:-..}/other/compose.yml']", "outside"),
        ("include: [link.yml]", "outside"),
        ("include: [linked/compose.yml]", "outside"),
        ("include: [{path: a.yml, env_file: ../other/.env}]", "outside"),
        ("include: [{path: a.yml, project_directory: ..}]", "outside"),
        ("include: ['https://example.org/x.git']", "fetched"),
        ("include: ['git@example.org:x/y.git']", "fetched"),
        ("include: ['oci://example.org/x:1']", "fetched"),
        ("include: ['github.com/x/y.git#main']", "fetched"),
        ("services: {a: {extends: {file: ../other/compose.yml, service: db}}}", "outside"),
        ("services: {a: {image: x, env_file: ../other/.env}}", "outside"),
        ("services: {a: {image: x, env_file: [{path: /etc/environment, required: false}]}}", "outside"),
        ("services: {a: {image: x, label_file: ../other/.env}}", "outside"),
    ],
)
def test_nothing_outside_the_repository_is_read(tmp_path: Path, text: str, why: str) -> None:
    other = repository(tmp_path / "other", {"compose.yml": "services: {db: {image: secret}}", ".env": "SECRET=1"})
    root = repository(tmp_path / "repo", {"docker-compose.yml": text, "a.yml": STACK})
    (root / "link.yml").symlink_to(other / "compose.yml")
    (root / "linked").symlink_to(other)
    project = find(root)
    assert [escape.why for escape in project.escapes if why in escape.why]
    assert {document.name for document in project.documents} <= {"docker-compose.yml", "a.yml"}
    assert project.service_env == {}


@pytest.mark.parametrize(
    "path",
    ["${PATH:+/etc/passwd}", "${COMPOSE_DISABLE_ENV_FILE}/x", "${DOCKER_HOST-a}", "a/$\u212afoo/../../x", "${A:-${B}}",
     "$$A/x", "${A+x}"],
)  # fmt: skip
def test_a_path_that_could_mean_something_else_to_compose_is_not_followed(tmp_path: Path, path: str) -> None:
    project = find(repository(tmp_path, {"compose.yml": f"services: {{a: {{image: x, env_file: '{path}'}}}}"}))
    assert [escape.text for escape in project.escapes] == [path]


def test_variables_of_an_included_files_own_env_file_count_in_its_paths(tmp_path: Path) -> None:
    root = repository(
        tmp_path,
        {
            "compose.yml": "include: [sub/compose.yml, {path: other/compose.yml, env_file: other/x.env}]",
            ".env": "BOTH=here.env\n",
            "here.env": "A=1\n",
            "sub/compose.yml": "services: {a: {image: x, env_file: ['${OUT}', '${BOTH}', '${IN}']}}",
            "sub/.env": "OUT=/etc/passwd\nBOTH=/etc/passwd\nIN=in.env\n",
            "sub/in.env": "B=${IN}\n",
            "sub/here.env": "C=1\n",
            "other/compose.yml": "services: {b: {image: x, env_file: '${X}'}}",
            "other/x.env": "X=../../x\n",
        },
    )
    project = find(root)
    assert [(escape.document.name, escape.text) for escape in project.escapes] == [
        ("sub/compose.yml", "${OUT}"),
        ("other/compose.yml", "${X}"),
    ]
    assert set(project.service_env) == {
        root / name for name in ("sub/.env", "other/x.env", "sub/here.env", "sub/in.env")
    }
    assert project.service_env[root / "sub/in.env"].values == {"B": "in.env"}


def test_an_env_file_that_would_mean_two_things_is_a_problem(tmp_path: Path) -> None:
    root = repository(
        tmp_path,
        {
            "compose.yml": "include: [sub/compose.yml]\nservices: {a: {image: x, env_file: x.env}}",
            "x.env": "A=${B}\n",
            "sub/compose.yml": "services: {b: {image: x, env_file: ../x.env}}",
            "sub/.env": "B=1\n",
        },
    )
    assert find(root).problem == "sub/compose.yml:1: ../x.env means two things in two places"


def test_every_document_of_a_file_is_followed(tmp_path: Path) -> None:
    text = "include: [a.yml, ../x.yml]\n---\ninclude: [b.yml]\n"
    project = find(repository(tmp_path, {"compose.yml": text, "a.yml": STACK, "b.yml": STACK}))
    assert [document.name for document in project.documents] == ["compose.yml", "compose.yml", "a.yml", "b.yml"]
    assert [escape.text for escape in project.escapes] == ["../x.yml"]


@pytest.mark.parametrize("path", ["a\\0b", "x" * 5_000, "loop", "loop/x", "\\ud800", "a/" * 3_000])
def test_paths_that_are_none_are_no_accident(tmp_path: Path, path: str) -> None:
    text = f'''
        include: ["{path}"]
        services: {{a: {{image: x, env_file: "{path}", volumes: ["./{path}:/x"], build: "{path}"}}}}
        secrets: {{s: {{file: "{path}"}}}}
        '''
    root = repository(tmp_path, {"compose.yml": text, ".env.example": "P=change-me\n"})
    (root / "loop").symlink_to("loop")
    project = find(root)
    assert project.problem == ""
    vet(project)


def test_env_files_of_services_get_the_same_values(tmp_path: Path) -> None:
    root = repository(
        tmp_path,
        {
            "docker-compose.yml": """
                services:
                  a: {image: x, env_file: .env}
                  b: {image: x, env_file: [{path: conf/b.env}, {path: none.env, required: false}]}
                  c: {image: x, env_file: gone.env}
                """,
            ".env.example": "P=change-me\nNAME=pqrs\n",
            "conf/b.env.example": "Q=change-me\nFROM_PROJECT=${NAME}\n",
        },
    )
    project = find(root)
    of_a, of_b = project.service_env[root / ".env"], project.service_env[root / "conf/b.env"]
    assert (of_a.name, of_b.name) == (".env.example", "conf/b.env.example")
    assert of_a.values["P"] == of_b.values["Q"] == project.env.values["P"] != "change-me"
    assert of_b.values["FROM_PROJECT"] == "pqrs"
    assert set(project.service_env) == {root / ".env", root / "conf/b.env"}  # the rest is for Compose to miss


def test_what_cannot_be_read_is_the_projects_problem(tmp_path: Path) -> None:
    project = find(
        repository(tmp_path, {"docker-compose.yml": "include: [b.yml]", "b.yml": "services:\n  a: 1\n  a: 2\n"})
    )
    assert project.problem == "b.yml:3: the key 'a' is already defined at line 2"
    assert project.name == "docker-compose.yml"


def test_many_files_that_include_more_are_bounded(tmp_path: Path) -> None:
    files = {f"c{n}.yml": f"include: [c{n + 1}.yml]" for n in range(80)}
    project = find(repository(tmp_path, {"docker-compose.yml": "include: [c0.yml]", **files}))
    assert "more than 50 Compose files" in project.problem


def test_odd_shapes_are_left_to_compose(tmp_path: Path) -> None:
    text = """
        include: {a: 1}
        services:
          a: [1]
          b: {env_file: 5, extends: [x], volumes: {x: y}, image: {}}
          c:
        configs: [x]
        secrets: {s: 1}
        """
    project = find(repository(tmp_path, {"docker-compose.yml": text, ".env.example": "P=change-me\n"}))
    assert (project.problem, project.escapes) == ("", ())


def test_a_folder_that_nobody_may_read_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path, {"infra/docker-compose.yml": STACK, "infra/data/x": ""})
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "data":
            raise PermissionError
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert find(root).name == "infra/docker-compose.yml"
