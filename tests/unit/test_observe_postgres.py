"""What the PostgreSQL observer reads of a repository and of a log; the server itself is in tests/live."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.observe import postgres, postgres_catalogue
from conformance.observe.postgres_model import ROW_LIMIT, Column, InitScript, Key, Relation, words
from conformance.stacks.base import Capability, Role


class Repository:
    """As much of a stack as the script's reader asks for."""

    kind = "compose"
    capabilities = frozenset({Capability.SOURCE})

    def __init__(self, root: Path) -> None:
        self.root = root

    def source(self) -> Path:
        return self.root

    def roles(self) -> dict[Role, tuple[str, ...]]:
        return {Role.POSTGRES: ("db", "replica")}

    def logs(self) -> dict[str, Path]:
        return {"db": self.root / "db.log"}


def script_of(root: Path) -> InitScript | None:
    return postgres._init_script(Repository(root), "pqrs")[1]  # type: ignore[arg-type]


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "volume",
    [
        "- ./init-scripts:/docker-entrypoint-initdb.d",
        "- ./init-scripts/:/docker-entrypoint-initdb.d/:ro",
        "- {type: bind, source: ./init-scripts, target: /docker-entrypoint-initdb.d}",
    ],
)
def test_the_script_is_what_the_image_will_run(tmp_path: Path, volume: str) -> None:
    write(
        tmp_path,
        {
            "infra/local/docker-compose.yml": f"services:\n  db:\n    volumes:\n      {volume}\n",
            "infra/local/init-scripts/02.sql": "CREATE SCHEMA second;",
            "infra/local/init-scripts/01.sql": "CREATE SCHEMA first;",
            "infra/local/init-scripts/deeper/00.sql": "CREATE SCHEMA unseen;",
            "sql/init.sql": "CREATE SCHEMA not_mounted;",
        },
    )
    assert script_of(tmp_path) == InitScript(
        files=("infra/local/init-scripts/01.sql", "infra/local/init-scripts/02.sql"),
        mounted=True,
        schemas=("first", "second"),
    )


def test_a_single_file_can_be_mounted(tmp_path: Path) -> None:
    volume = "./sql/schema.sql:/docker-entrypoint-initdb.d/00-schema.sql"
    compose = f"services: {{db: {{volumes: ['{volume}']}}}}"
    write(tmp_path, {"compose.yaml": compose, "sql/schema.sql": "CREATE SCHEMA a"})
    assert script_of(tmp_path) == InitScript(files=("sql/schema.sql",), mounted=True, schemas=("a",))


def test_other_deployments_in_the_repository_have_scripts_of_their_own(tmp_path: Path) -> None:
    compose = "services: {db: {volumes: ['./init:/docker-entrypoint-initdb.d']}}"
    write(
        tmp_path,
        {
            "docker-compose.yml": "services: {dashboard: {build: apps}}",
            "infra/local/docker-compose.yml": compose,
            "infra/local/init/01.sql": "CREATE SCHEMA bronze;",
            "docs/examples/last-year/docker-compose.yml": compose,
            "docs/examples/last-year/init/01.sql": "CREATE SCHEMA legacy;",
        },
    )
    script = script_of(tmp_path)
    assert script is not None
    assert (script.files, script.schemas) == (("infra/local/init/01.sql",), ("bronze",))


def test_a_shell_script_is_not_read_as_sql(tmp_path: Path) -> None:
    volumes = "['./a.sh:/docker-entrypoint-initdb.d/a.sh', './b.sql:/docker-entrypoint-initdb.d/b.sql']"
    write(
        tmp_path,
        {
            "compose.yaml": f"services: {{db: {{volumes: {volumes}}}}}",
            "a.sh": 'psql -c "SELECT 1"; CREATE SCHEMA not_sql;',
            "b.sql": "CREATE SCHEMA gold;",
        },
    )
    assert script_of(tmp_path) == InitScript(files=("b.sql",), mounted=True, schemas=("gold",))


@pytest.mark.parametrize(
    ("name", "rows", "read"),
    [
        ("dim_contact_channel", 5, True),
        ("tipo_cliente", 5, True),
        ("dim_centro_poblado", 8_900, True),
        ("clientes", 5, False),
        ("dim_ciudadano", 5, False),
        ("dim_canal", ROW_LIMIT, False),
        ("dim_canal", 0, False),
    ],
)
def test_lists_of_codes_are_told_from_people(name: str, rows: int, read: bool) -> None:
    relation = Relation(
        namespace="silver",
        name=name,
        kind="table",
        columns={"code": Column(type="text", kind="text")},
        keys={"pk": Key(columns=("code",), primary=True)},
    )
    assert postgres_catalogue._lists_codes(relation, rows) is read


def test_seeds_are_read_where_a_dimension_lacks_its_key() -> None:
    columns = {"name": Column(type="text", kind="text")}
    assert postgres_catalogue._lists_codes(
        Relation(namespace="silver", name="dim_canal", kind="table", columns=columns), 4
    )
    assert not postgres_catalogue._lists_codes(
        Relation(namespace="silver", name="notes", kind="table", columns=columns), 4
    )


def test_a_script_that_nobody_mounts_is_found_by_its_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "docker-compose.yml": "services: {db: {image: postgres}}",
            "db/init-postgres.sql": "CREATE SCHEMA bronze;",
            "db/queries.sql": "CREATE SCHEMA scratch;",
        },
    )
    assert script_of(tmp_path) == InitScript(files=("db/init-postgres.sql",), mounted=False, schemas=("bronze",))


@pytest.mark.parametrize(
    "compose", ["a: [1", "services: 7", "services: {db: 7}", "- x", "a: &a [*a]", "!!python/name:os"]
)
def test_a_compose_file_that_cannot_be_read_names_no_script(tmp_path: Path, compose: str) -> None:
    write(tmp_path, {"docker-compose.yml": compose})
    assert script_of(tmp_path) is None


def test_nothing_outside_the_repository_is_read(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    mounts = "['../secret.sql:/docker-entrypoint-initdb.d/a.sql', '/etc:/docker-entrypoint-initdb.d']"
    write(tmp_path, {"secret.sql": "CREATE SCHEMA secret;"})
    write(
        root,
        {"docker-compose.yml": f"services: {{db: {{volumes: {mounts}}}}}", "init.sql": "\\ir ../secret.sql"},
    )
    script = script_of(root)
    assert script is not None
    assert script.files == ("init.sql",)
    assert script.problem == "init.sql:1: secret.sql is outside the repository"


def test_the_image_s_complaints_about_scripts_are_quoted(tmp_path: Path) -> None:
    lines = [
        "PostgreSQL init process in progress",
        'psql:/docker-entrypoint-initdb.d/init.sql:12: ERROR:  type "geometry" does not exist',
        "2026-11-24 08:00:00 UTC [42] ERROR:  duplicate key value",
        "psql:/docker-entrypoint-initdb.d/init.sql:13: NOTICE:  fine",
        "/usr/local/bin/docker-entrypoint.sh: sourcing /docker-entrypoint-initdb.d/a.sh",
        "/docker-entrypoint-initdb.d/a.sh: line 3: set: -\r: invalid option",
        "/docker-entrypoint-initdb.d/a.sh: line 4: warning: setlocale: LC_ALL",
        "docker-entrypoint.sh: /docker-entrypoint-initdb.d/b.sh: /bin/bash^M: bad interpreter: No such file\r",
        "",
    ]
    (tmp_path / "db.log").write_bytes("\n".join(lines).encode() + b"\xff")
    assert postgres._init_errors(Repository(tmp_path)) == (  # type: ignore[arg-type]
        lines[1].replace("  ", " "),
        "/docker-entrypoint-initdb.d/a.sh: line 3: set: -\\r: invalid option",
        lines[7].rstrip(),
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("FechaCreación_TS", ("fecha", "creacion", "ts")),
        ("dim_canal2", ("dim", "canal", "2")),
        ("HTTPStatus", ("httpstatus",)),
        ("Último estado", ("ultimo", "estado")),
        ("日本", ()),
        ("", ()),
    ],
)
def test_the_words_of_a_name(name: str, expected: tuple[str, ...]) -> None:
    assert words(name) == expected
