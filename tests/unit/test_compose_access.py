"""Credentials, ports and secrets as authors configure them, in files that are the submission's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.stacks.base import ComposeModel, Role
from conformance.stacks.compose import access
from conformance.stacks.compose.access import Published
from conformance.stacks.compose.configured import all_built, built_from, read_within
from conformance.stacks.compose.programs import Built, dockerfile, processes
from conformance.stacks.compose.service import Mount, Port, environment, mounts, ports, settled, words
from conformance.stacks.discovery import discover


def model(authored: Mapping[str, Any] | None = None, **services: Mapping[str, Any]) -> ComposeModel:
    """A model of these services; names may not have hyphens here."""
    resolved = {"services": services}
    return ComposeModel(resolved=resolved, authored=authored or resolved)


# --- PostgreSQL


@pytest.mark.parametrize(
    ("variables", "user", "database", "password"),
    [
        ({"POSTGRES_PASSWORD": "s"}, "postgres", "postgres", "s"),
        ({"POSTGRES_USER": "pqr", "POSTGRES_PASSWORD": "s"}, "pqr", "pqr", "s"),
        ({"POSTGRES_USER": "pqr", "POSTGRES_PASSWORD": "s", "POSTGRES_DB": "d"}, "pqr", "d", "s"),
        ({"POSTGRES_USER": "", "POSTGRES_PASSWORD": "s", "POSTGRES_DB": ""}, "postgres", "postgres", "s"),
        ({"POSTGRES_HOST_AUTH_METHOD": "trust"}, "postgres", "postgres", ""),
        ({"POSTGRESQL_USERNAME": "u", "POSTGRESQL_PASSWORD": "s", "POSTGRESQL_DATABASE": "d"}, "u", "d", "s"),
        ({"POSTGRESQL_POSTGRES_PASSWORD": "s"}, "postgres", "postgres", "s"),
        ({"POSTGRESQL_USERNAME": "u", "POSTGRESQL_POSTGRES_PASSWORD": "admins"}, "u", "u", ""),
    ],
)
def test_postgres_is_reached_as_its_image_is_configured(
    variables: Mapping[str, str], user: str, database: str, password: str, tmp_path: Path
) -> None:
    told = access.postgres(model(db={"environment": variables}), "db", tmp_path)
    assert (told.user, told.database, told.password) == (user, database, password)
    assert password == "" or f"'{password}'" not in repr(told)


def test_a_secret_file_of_the_submission_is_read(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/pg.txt").write_text("clave larga\n")
    service = {
        "environment": {"POSTGRES_USER": "u", "POSTGRES_PASSWORD_FILE": "/run/secrets/pg"},
        "secrets": [{"source": "pg"}],
    }
    resolved = {"services": {"db": service}, "secrets": {"pg": {"file": str(tmp_path / "secrets/pg.txt")}}}
    told = access.postgres(ComposeModel(resolved=resolved), "db", tmp_path)
    assert (told.user, told.password) == ("u", "clave larga")
    service["secrets"] = [{"source": "pg", "target": "/otro/sitio"}]
    assert access.postgres(ComposeModel(resolved=resolved), "db", tmp_path).password == ""


def test_a_bound_file_and_a_config_are_read(tmp_path: Path) -> None:
    (tmp_path / "clave").write_text("s1")
    bound = {
        "environment": ["POSTGRES_PASSWORD_FILE=/claves/clave"],
        "volumes": [{"type": "bind", "source": str(tmp_path), "target": "/claves"}],
    }
    assert access.postgres(model(db=bound), "db", tmp_path).password == "s1"
    granted = {"environment": ["POSTGRES_PASSWORD_FILE=/pg"], "configs": [{"source": "c", "target": "/pg"}]}
    resolved = {"services": {"db": granted}, "configs": {"c": {"content": "s2\n"}}}
    assert access.postgres(ComposeModel(resolved=resolved), "db", tmp_path).password == "s2"


def test_no_file_outside_the_submission_is_read(tmp_path: Path) -> None:
    inside, outside = tmp_path / "repo", tmp_path / "afuera"
    inside.mkdir()
    outside.write_text("ajena")
    (inside / "enlace").symlink_to(outside)
    (inside / "binario").write_bytes(b"\xff\xfe")
    for name in (str(outside), "../afuera", "enlace", "binario", ".", "nada", "a\0b"):
        assert read_within(inside, name) is None
    service = {"environment": ["POSTGRES_PASSWORD_FILE=/run/secrets/s"], "secrets": ["s"]}
    resolved = {"services": {"db": service}, "secrets": {"s": {"file": str(outside)}}}
    assert access.postgres(ComposeModel(resolved=resolved), "db", inside).password == ""
    assert "ajena" not in access.secrets_of(ComposeModel(resolved=resolved), {}, inside)


# --- object stores


@pytest.mark.parametrize(
    ("service", "keys", "vendor"),
    [
        (
            {"image": "rustfs/rustfs", "environment": {"RUSTFS_ACCESS_KEY": "a", "RUSTFS_SECRET_KEY": "s"}},
            ("a", "s"),
            "rustfs",
        ),
        ({"image": "rustfs/rustfs"}, ("rustfsadmin", "rustfsadmin"), "rustfs"),
        (
            {"image": "rustfs/rustfs", "command": "--access-key a --secret-key=s --region co /data"},
            ("a", "s"),
            "rustfs",
        ),
        ({"image": "quay.io/minio/minio", "command": "server /data"}, ("minioadmin", "minioadmin"), "minio"),
        ({"image": "bitnami/minio"}, ("minio", "miniosecret"), "minio"),
        (
            {"image": "minio/minio", "environment": {"MINIO_ROOT_USER": "a", "MINIO_ROOT_PASSWORD": "s"}},
            ("a", "s"),
            "minio",
        ),
        (
            {"image": "localstack/localstack", "environment": {"SERVICES": "s3"}},
            ("test", "test"),
            "localstack",
        ),
        (
            {"image": "chrislusf/seaweedfs", "command": "server -s3", "environment": {"AWS_ACCESS_KEY_ID": "a"}},
            ("a", "any"),
            "seaweedfs",
        ),
        (
            {
                "image": "dxflrs/garage:v2.3.0",
                "environment": {"GARAGE_DEFAULT_ACCESS_KEY": "GKa", "GARAGE_DEFAULT_SECRET_KEY": "s"},
            },
            ("GKa", "s"),
            "garage",
        ),
        ({"build": ".", "command": "minio server /d"}, ("minioadmin", "minioadmin"), "minio"),
        (
            {"image": "lab/s3", "environment": {"RUSTFS_ACCESS_KEY": "a", "RUSTFS_SECRET_KEY": "s"}},
            ("a", "s"),
            "rustfs",
        ),
        ({"image": "lab/s3", "environment": {"S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "s"}}, ("a", "s"), ""),
    ],
)
def test_a_store_has_the_keys_that_it_is_given_or_its_vendors(
    service: Mapping[str, Any], keys: tuple[str, str], vendor: str, tmp_path: Path
) -> None:
    told = access.object_store(model(s3=service), "s3", tmp_path)
    assert (told.access_key, told.secret_key, told.vendor) == (*keys, vendor)
    assert told.deprecated == ()


def test_keys_under_names_that_a_vendor_gave_up_are_flagged(tmp_path: Path) -> None:
    old = {"RUSTFS_ROOT_USER": "a", "RUSTFS_ROOT_PASSWORD": "s"}
    told = access.object_store(model(s3={"image": "rustfs/rustfs", "environment": old}), "s3", tmp_path)
    assert (told.access_key, told.secret_key) == ("a", "s")
    assert told.variables == told.deprecated == ("RUSTFS_ROOT_USER", "RUSTFS_ROOT_PASSWORD")
    both = {**old, "RUSTFS_ACCESS_KEY": "b", "RUSTFS_SECRET_KEY": "t"}
    told = access.object_store(model(s3={"image": "rustfs/rustfs", "environment": both}), "s3", tmp_path)
    assert (told.access_key, told.secret_key, told.deprecated) == ("b", "t", ())


def test_keys_in_secret_files_and_regions_are_found(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("s3cr3t0\n")
    service = {
        "image": "minio/minio",
        "environment": {
            "MINIO_ROOT_USER": "a", "MINIO_ROOT_PASSWORD_FILE": "/run/secrets/k", "MINIO_REGION": "us-west-1",
        },
        "secrets": [{"source": "k"}],
    }  # fmt: skip
    resolved = {"services": {"s3": service}, "secrets": {"k": {"file": "k"}}}
    told = access.object_store(ComposeModel(resolved=resolved), "s3", tmp_path)
    assert (told.secret_key, told.region) == ("s3cr3t0", "us-west-1")
    assert told.variables == ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD_FILE")


def test_seaweedfs_identities_are_read_from_their_file(tmp_path: Path) -> None:
    (tmp_path / "s3.json").write_text(
        '{"identities": [{"name": "r", "actions": ["Read"], "credentials": [{"accessKey": "r", "secretKey": "r2"}]},'
        ' {"name": "a", "actions": ["Admin"], "credentials": [{"accessKey": "adm", "secretKey": "s3kr1t"}]}]}'
    )
    service = {
        "image": "chrislusf/seaweedfs",
        "command": ["server", "-s3", "-s3.config=/etc/s3.json"],
        "volumes": [{"type": "bind", "source": str(tmp_path / "s3.json"), "target": "/etc/s3.json"}],
    }
    told = access.object_store(model(s3=service), "s3", tmp_path)
    assert (told.access_key, told.secret_key) == ("adm", "s3kr1t")
    assert "s3kr1t" in access.secrets_of(model(s3=service), {}, tmp_path)
    (tmp_path / "s3.json").write_text('{"identities": 3}')
    assert access.object_store(model(s3=service), "s3", tmp_path).access_key == "any"


def test_garage_is_configured_by_its_file_and_its_clients(tmp_path: Path) -> None:
    (tmp_path / "garage.toml").write_text('[s3_api]\ns3_region = "co"\napi_bind_addr = "[::]:3950"\n')
    store = {
        "image": "dxflrs/garage",
        "volumes": [{"type": "bind", "source": str(tmp_path / "garage.toml"), "target": "/etc/garage.toml"}],
    }
    client = {"environment": {"AWS_ACCESS_KEY_ID": "GK1", "AWS_SECRET_ACCESS_KEY": "s"}}
    told = access.object_store(model(other={}, client=client, s3=store), "s3", tmp_path)
    assert (told.access_key, told.secret_key, told.region) == ("GK1", "s", "co")
    assert access.container_ports(Role.OBJECT_STORE, store, tmp_path) == {"main": 3950}
    assert access.container_ports(Role.OBJECT_STORE, store) == {"main": 3900}


# --- Grafana


def test_grafanas_administrator(tmp_path: Path) -> None:
    def told(**service: Any) -> tuple[str, str]:
        found = access.grafana(model(g={"image": "grafana/grafana", **service}), "g", tmp_path)
        return found.user, found.password

    assert told() == ("admin", "admin")
    assert told(environment=["GF_SECURITY_ADMIN_USER=u", "GF_SECURITY_ADMIN_PASSWORD=p"]) == ("u", "p")
    (tmp_path / "p").write_text("de archivo\n")
    (tmp_path / "grafana.ini").write_text(
        "app_mode = production\n[security]\nadmin_user = jefe\nadmin_password = $__env{CLAVE}\n"
        "[server]\nhttp_port = 3030\n"
    )
    in_file = {
        "environment": {"GF_SECURITY_ADMIN_PASSWORD__FILE": "/p"},
        "volumes": [{"type": "bind", "source": str(tmp_path / "p"), "target": "/p"}],
    }
    assert told(**in_file) == ("admin", "de archivo")
    ini = {
        "environment": {"CLAVE": "de ini"},
        "volumes": [{"type": "bind", "source": str(tmp_path), "target": "/etc/grafana"}],
    }
    assert told(**ini) == ("jefe", "de ini")
    assert access.container_ports(Role.GRAFANA, ini, tmp_path) == {"main": 3030}
    (tmp_path / "grafana.ini").write_text("[security\nadmin_user")
    assert told(**ini) == ("admin", "admin")


# --- ports in the container


@pytest.mark.parametrize(
    ("role", "service", "expected"),
    [
        (Role.POSTGRES, {}, {"main": 5432}),
        (Role.POSTGRES, {"command": "-p 5433"}, {"main": 5433}),
        (Role.POSTGRES, {"command": "postgres -c max_connections=9 -c port=5434"}, {"main": 5434}),
        (Role.POSTGRES, {"environment": {"PGPORT": "5435"}}, {"main": 5435}),
        (
            Role.POSTGRES,
            {"image": "bitnami/postgresql", "environment": ["POSTGRESQL_PORT_NUMBER=5436"]},
            {"main": 5436},
        ),
        (Role.POSTGRES, {"image": "postgres", "ports": ["5433:5433"]}, {"main": 5432}),
        (Role.OBJECT_STORE, {"image": "rustfs/rustfs"}, {"main": 9000, "console": 9001}),
        (
            Role.OBJECT_STORE,
            {
                "image": "rustfs/rustfs",
                "environment": {"RUSTFS_ADDRESS": "0.0.0.0:9100", "RUSTFS_CONSOLE_ADDRESS": ":9101"},
            },
            {"main": 9100, "console": 9101},
        ),
        (
            Role.OBJECT_STORE,
            {"image": "rustfs/rustfs", "environment": {"RUSTFS_CONSOLE_ENABLE": False}},
            {"main": 9000},
        ),
        (
            Role.OBJECT_STORE,
            {"image": "minio/minio", "command": ["server", "/data", "--address", ":9002", "--console-address=:9003"]},
            {"main": 9002, "console": 9003},
        ),
        (Role.OBJECT_STORE, {"image": "minio/minio", "environment": {"MINIO_BROWSER": "off"}}, {"main": 9000}),
        (Role.OBJECT_STORE, {"image": "chrislusf/seaweedfs", "command": "server -s3"}, {"main": 8333}),
        (
            Role.OBJECT_STORE,
            {"image": "chrislusf/seaweedfs", "command": "server -s3 -s3.port=9000"},
            {"main": 9000},
        ),
        (Role.OBJECT_STORE, {"image": "chrislusf/seaweedfs", "command": "s3 -port=9000"}, {"main": 9000}),
        (Role.OBJECT_STORE, {"image": "localstack/localstack"}, {"main": 4566}),
        (Role.OBJECT_STORE, {"image": "lab/s3", "ports": ["9000:9000", "9001:9001"]}, {"main": 9000, "console": 9001}),
        (Role.DASK_SCHEDULER, {"command": "dask-scheduler"}, {"main": 8786, "dashboard": 8787}),
        (
            Role.DASK_SCHEDULER,
            {"command": ["sh", "-c", "dask scheduler --port 8800 --dashboard-address 0.0.0.0:8801"]},
            {"main": 8800, "dashboard": 8801},
        ),
        (Role.DASK_SCHEDULER, {"command": "dask scheduler --no-dashboard"}, {"main": 8786}),
        (Role.PREFECT_SERVER, {"command": "prefect server start --host 0.0.0.0 --port=4300"}, {"main": 4300}),
        (Role.PREFECT_SERVER, {"environment": {"PREFECT_SERVER_API_PORT": 4400}}, {"main": 4400}),
        (Role.PREFECT_SERVER, {"build": ".", "ports": [{"target": 8080, "published": "8080"}]}, {"main": 8080}),
        (Role.PREFECT_SERVER, {"build": ".", "ports": ["8080:8080", "4200:4200"]}, {"main": 4200}),
        (Role.PROMETHEUS, {"command": ["--web.listen-address=0.0.0.0:9095"]}, {"main": 9095}),
        (Role.PROMETHEUS, {"command": ["--web.listen-address", ":9096"]}, {"main": 9096}),
        (Role.PROMETHEUS, {}, {"main": 9090}),
        (Role.GRAFANA, {"image": "grafana/grafana", "ports": ["3001:3001"]}, {"main": 3000}),
        (Role.GRAFANA, {"environment": {"GF_SERVER_HTTP_PORT": "3001"}}, {"main": 3001}),
        (Role.DASK_WORKER, {"command": "dask worker x --dashboard-address :8788"}, {}),
        (Role.PREFECT_WORKER, {}, {}),
        (Role.GRAFANA, {"environment": {"GF_SERVER_HTTP_PORT": "99999"}}, {"main": 3000}),
    ],
)
def test_a_role_listens_where_it_is_told_to(
    role: Role, service: Mapping[str, Any], expected: Mapping[str, int]
) -> None:
    assert access.container_ports(role, service) == expected


def test_the_port_of_a_dockerfiles_command_counts(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        'FROM prefecthq/prefect:3\nCMD ["prefect", "server", "start", "--port", "4210"]\n'
    )
    service = {"build": {"context": str(tmp_path), "dockerfile": "Dockerfile"}}
    assert access.container_ports(Role.PREFECT_SERVER, service, tmp_path) == {"main": 4210}
    assert access.container_ports(Role.PREFECT_SERVER, service) == {"main": 4200}


# --- published


def test_ports_are_published_as_the_author_says() -> None:
    authored = {
        "services": {
            "g": {"ports": ["127.0.0.1:${GRAFANA_PORT:-3001}:3000", "${OTHER}:3000", "3000", "${P:-9}:3000/udp"]}
        }
    }
    resolved = {
        "ports": [
            {"target": 3000, "published": "3005", "host_ip": "127.0.0.1", "protocol": "tcp"},
            {"target": 3000, "published": "3006", "protocol": "tcp"},
            {"target": 3000, "protocol": "tcp"},
            {"target": 3000, "published": "9", "protocol": "udp"},
        ]
    }
    found = access.published(model(authored, g=resolved), "g", 3000)
    assert found[:3] == (Published(3005, "127.0.0.1", 3001), Published(3006, "", None), Published(None, "", None))
    assert access.published(model(authored, g=resolved), "g", 3001) == ()
    assert access.published(model(authored, g=resolved), "nobody", 3000) == ()


def test_the_class_publishes_its_ports_where_its_roles_listen() -> None:
    root = Path(__file__).parents[2] / "fixtures/submissions/guia-exacta"
    written = yaml.safe_load((root / "infra/local/docker-compose.yml").read_text(encoding="utf-8"))
    deployed = ComposeModel(resolved=written, authored=written)
    found = {}
    for finding in discover(written["services"]):
        for name, target in access.container_ports(finding.role, written["services"][finding.service], root).items():
            found[f"{finding.role} {name}"] = [one.port for one in access.published(deployed, finding.service, target)]
    assert found == {
        "postgres main": [5432], "object_store main": [9000], "object_store console": [9001],
        "dask_scheduler main": [8786], "dask_scheduler dashboard": [8787], "prefect_server main": [4200],
        "prometheus main": [9090], "grafana main": [3001],
    }  # fmt: skip


# --- secrets


def test_every_secret_is_known_and_no_common_word(tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_text("t0k3n-de-archivo\n")
    services: dict[str, Any] = {
        "postgres": {
            "environment": {
                "POSTGRES_USER": "pqr_user", "POSTGRES_PASSWORD": "cl4ve-pg", "POSTGRES_DB": "lakehouse",
                "POSTGRES_HOST_AUTH_METHOD": "scram-sha-256", "TOKEN_TTL": "3600",
            },
        },
        "app": {
            "environment": {
                "DATABASE_URL": "postgresql://pqr_user:cl%40ve-url@postgres:5432/lakehouse",
                "DSN": "host=postgres password='cl4ve dsn' user=x",
                "S3_SECRET_KEY": "s3cr3t", "S3_ACCESS_KEY": "AK1A", "GRAFANA_PASSWORD": "admin",
                "REDIS_PASSWORD": "postgres", "OTHER_PASSWORD": "pqr_user", "PIN_PASSWORD": "5432",
                "SECRET_NAME": "visible", "PASSWORD_FILE": "/run/secrets/t", "SECRET_BACKEND": "env",
                "MB_PASSWORD_COMPLEXITY": "normal", "TOKEN_TYPE": "bearer", "PASSWORD_MIN_LENGTH": "12",
            },
            "command": ["serve", "--token", "t0k3n-arg", "--redis-password=cl4ve-arg"],
            "build": {"context": ".", "args": {"NPM_TOKEN": "t0k3n-build"}},
            "healthcheck": {"test": ["CMD-SHELL", "curl http://u:cl4ve-health@localhost/"]},
        },
    }  # fmt: skip
    resolved = {
        "services": services,
        "secrets": {"t": {"file": str(tmp_path / "token.txt")}, "e": {"environment": "DE_ENTORNO"}},
    }
    env = {"DE_ENTORNO": "v4lor", "SIN_USAR_PASSWORD": "cl4ve-env", "STREAMLIT_PORT": "8501"}
    assert access.secrets_of(ComposeModel(resolved=resolved), env, tmp_path) == {
        "cl4ve-pg", "cl@ve-url", "cl%40ve-url", "cl4ve dsn", "s3cr3t", "AK1A", "t0k3n-arg", "cl4ve-arg", "t0k3n-build",
        "cl4ve-health", "t0k3n-de-archivo", "v4lor", "cl4ve-env",
    }  # fmt: skip


def test_a_model_without_services_has_no_secrets(tmp_path: Path) -> None:
    assert access.secrets_of(ComposeModel(), {}, tmp_path) == frozenset()
    assert access.secrets_of(ComposeModel(), {"X_PASSWORD": "abc"}, tmp_path) == {"abc"}


# --- the shapes that services are written in


def test_environment_is_a_mapping_or_a_list() -> None:
    assert environment({"environment": {"A": 1, "B": True, "C": None, "D": ""}}) == {"A": "1", "B": "true", "D": ""}
    assert environment({"environment": ["A=1", "B", "C=x=y"]}) == {"A": "1", "C": "x=y"}
    assert environment({"environment": "A=1"}) == {}


def test_ports_are_strings_or_mappings() -> None:
    written = [
        "8080",
        90,
        "127.0.0.1:5432:5432",
        "[::1]:1:2/udp",
        "${A:-1}:3",
        "${A:-${B:-2}}:4",
        "7000-7001:8000-8001",
        "x",
    ]
    assert ports({"ports": written}) == (
        Port(8080), Port(90), Port(5432, "5432", "127.0.0.1"), Port(2, "1", "::1", "udp"), Port(3, "${A:-1}"),
        Port(4, "${A:-${B:-2}}"), Port(8000, "7000"), Port(8001, "7001"),
    )  # fmt: skip
    assert ports({"ports": [{"target": 80, "published": 8080, "host_ip": "::1"}]}) == (Port(80, "8080", "::1"),)
    assert ports({"ports": ["0:0", "99999", {"target": None}]}) == ()


def test_mounts_are_strings_or_mappings() -> None:
    written = ["./a:/b:ro", "data:/c", "/d", {"type": "bind", "source": "/x", "target": "/y"}]
    assert mounts({"volumes": written, "tmpfs": "/t:size=1m"}) == (
        Mount("bind", "./a", "/b"), Mount("volume", "data", "/c"), Mount("volume", "", "/d"), Mount("bind", "/x", "/y"),
        Mount("tmpfs", "", "/t"),
    )  # fmt: skip


def test_commands_are_strings_or_lists() -> None:
    assert words("a 'b c' \"d\"") == ("a", "b c", "d")
    assert words(["a", 1, None, True]) == ("a", "1", "true")
    assert words(None) == words({}) == ()


def test_variables_are_replaced_by_their_defaults() -> None:
    assert settled("${A:-x}${B-y}${C}$D${E:?no}${F:+z}${G:-${H:-w}}") == "xyw"


def test_a_script_is_split_into_its_programs() -> None:
    script = (
        "set -e\n# dask-worker a\nif ! nc -z s 1; then sleep 1; fi\n"
        "pip install x \\\n  y && (exec dask-worker $(hostname)) &\nwait"
    )
    found = processes(["bash", "-euo", "pipefail", "-c", script])
    assert [process[0] for process in found] == ["set", "nc", "sleep", "fi", "pip", "dask-worker", "wait"]


def test_a_dockerfiles_last_stage_counts_or_the_one_that_is_named() -> None:
    text = (
        "# syntax=docker/dockerfile:1\nARG PG=16\nFROM --platform=$BUILDPLATFORM golang AS build\nCMD make\n"
        'FROM postgres:${PG}-alpine AS db\nENTRYPOINT ["a"]\nCMD ["b", \\\n  "c"]\nFROM db\nCMD ["d"]\n'
    )
    assert dockerfile(text) == Built("postgres:16-alpine", ("a",), ("d",))
    assert dockerfile(text, "db") == Built("postgres:16-alpine", ("a",), ("b", "c"))
    assert dockerfile(text, "build") == Built("golang", (), ("/bin/sh", "-c", "make"))
    assert dockerfile(text, arguments={"PG": "17"}).image == "postgres:17-alpine"
    assert dockerfile("") == Built()


def test_composes_entry_point_puts_the_dockerfiles_aside() -> None:
    built = Built("x", ("a",), ("b",))
    assert built.argv((), ()) == ("a", "b")
    assert built.argv((), ("c",)) == ("a", "c")
    assert built.argv(("d",), ()) == ("d",)


def test_dockerfiles_are_found_where_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Dockerfile").write_text("FROM one\n")
    (tmp_path / "app/other.Dockerfile").write_text("FROM two\n")
    assert built_from({"build": "app"}, tmp_path).image == "one"
    assert built_from({"build": {"context": "app", "dockerfile": "other.Dockerfile"}}, tmp_path).image == "two"
    assert built_from({"build": {"dockerfile_inline": "FROM three"}}, tmp_path).image == "three"
    assert built_from({"build": {"context": "/etc"}}, tmp_path) == built_from({"image": "x"}, tmp_path) == Built()
    assert set(all_built({"a": {"build": "app"}, "b": {"image": "x"}}, tmp_path)) == {"a"}
