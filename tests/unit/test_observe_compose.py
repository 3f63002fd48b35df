"""The Compose observer on models made here."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from compose_models import Repository, model

from conformance.observe import compose
from conformance.observe.compose_facts import ComposeFacts, Service, Variable
from conformance.observe.compose_ties import machine, ties
from conformance.observe.compose_variables import inline_secrets, literals, places, variables, without_passwords
from conformance.stacks.base import ComposeModel, Role, Unavailable


def look(root: Path, text: str, values: dict[str, str] | None = None, **roles: Role) -> ComposeFacts:
    repository = Repository(model(root, text, values, **roles), root)
    facts = compose.collect(repository, repository)  # type: ignore[arg-type]
    assert ComposeFacts.model_validate(json.loads(facts.model_dump_json())) == facts
    return facts


def one(root: Path, service: str, values: dict[str, str] | None = None, **roles: Role) -> Service:
    """The facts of a service ``it``, written in YAML below ``services.it``."""
    indented = "\n".join(f"    {line}" for line in service.splitlines())
    return look(root, f"services:\n  it:\n{indented}\n", values, **roles).services["it"]


# --- what it is -------------------------------------------------------------------------------------------------------


def test_a_service_is_told_by_what_its_author_wrote(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    it = one(
        tmp_path,
        """
image: postgres:${TAG:-16}
restart: unless-stopped
container_name: db
user: "70"
profiles: [full]
labels: {pqrs.plane: control}
environment: [POSTGRES_PASSWORD=secreta, "PGDATA=/var/lib/postgresql/data"]
ports: ["127.0.0.1:${PORT:-5432}:5432", "9187"]
volumes: ["data:/var/lib/postgresql/data", "./infra:/docker-entrypoint-initdb.d:ro", "/tmp", "/home/ana:/backup"]
deploy: {replicas: 2, resources: {limits: {memory: "1073741824"}}}
healthcheck: {test: "psql postgresql://u:clave@127.0.0.1/db -c 'select 1'"}
networks: {back: {ipv4_address: 10.0.0.5}, front: }
""",
        {"TAG": "18", "PORT": "15432"},
        it=Role.POSTGRES,
    )
    assert [(found.role, found.certainty, found.reason) for found in it.roles] == [
        ("postgres", "sure", "image of postgres")
    ]
    assert (it.plane, it.image, it.image_default, it.built) == ("control", "postgres:18", "postgres:16", False)
    assert (it.restart, it.container_name, it.user, it.profiles) == ("unless-stopped", "db", "70", ("full",))
    assert (it.memory, it.replicas) == ("1073741824", 2)
    assert it.environment == ("POSTGRES_PASSWORD", "PGDATA")
    assert [(p.target, p.published, p.default, p.host_ip) for p in it.ports] == [
        (5432, "15432", "5432", "127.0.0.1"),
        (9187, "", "", ""),
    ]
    assert [(m.kind, m.source, m.target, m.read_only, m.in_repository, m.configuration) for m in it.mounts] == [
        ("volume", "data", "/var/lib/postgresql/data", False, False, False),
        ("bind", "infra", "/docker-entrypoint-initdb.d", True, True, True),
        ("volume", "", "/tmp", False, False, False),
        ("bind", "/home/ana", "/backup", False, False, False),
    ]
    assert it.mounts[1].written == "./infra"
    assert [(network.name, network.address) for network in it.networks] == [("back", "10.0.0.5"), ("front", "")]
    assert it.health.declared
    assert it.health.test == ("CMD-SHELL", "psql postgresql://u:…@127.0.0.1/db -c 'select 1'")
    assert it.literal_secrets == ("environment POSTGRES_PASSWORD", "healthcheck.test")


def test_no_value_of_an_environment_is_in_the_facts(tmp_path: Path) -> None:
    facts = look(
        tmp_path,
        """
services:
  it:
    image: x
    environment: {POSTGRES_PASSWORD: literal-clave, A: "value-a", URL: "postgresql://u:url-clave@localhost:5432/db"}
    command: [serve, --password=opcion-clave, "--token", ficha-clave]
    healthcheck: {test: ["CMD", "check", "host=x password=dsn-clave"]}
""",
    )
    text = facts.model_dump_json()
    for value in ("literal-clave", "value-a", "url-clave", "opcion-clave", "ficha-clave", "dsn-clave"):
        assert value not in text


def test_a_model_that_does_not_resolve(tmp_path: Path) -> None:
    repository = Repository(ComposeModel(file="compose.yml", problem="compose.yml:3: no"), tmp_path)
    facts = compose.collect(repository, repository)  # type: ignore[arg-type]
    assert (facts.file, facts.problem, facts.services, facts.provisioning) == (
        "compose.yml",
        "compose.yml:3: no",
        {},
        (),
    )
    assert facts.platform == machine()


@pytest.mark.parametrize(
    ("service", "plane"),
    [
        ("labels: {pqrs.plane: Serving}", "serving"),
        ('labels: ["pqrs.plane=data"]', "data"),
        ("labels: {pqrs.plane: nowhere}", "compute"),
        ("image: x", "compute"),
    ],
)
def test_the_plane_is_that_of_the_label_or_of_the_role(tmp_path: Path, service: str, plane: str) -> None:
    assert one(tmp_path, service, it=Role.DASK_WORKER).plane == plane
    assert one(tmp_path, "image: x", it=Role.OTHER).plane == ""


@pytest.mark.parametrize(
    ("image", "shown", "default"),
    [
        ("x:${TAG:-latest}", "x:1", "x:latest"),
        ("x:${TAG}", "x:1", "x:1"),
        ("${REGISTRY-docker.io}/x:${TAG:-2}", "docker.io/x:1", "docker.io/x:2"),
    ],
)
def test_an_image_is_told_with_the_values_and_with_the_defaults(
    tmp_path: Path, image: str, shown: str, default: str
) -> None:
    it = one(tmp_path, f"image: {image}", {"TAG": "1"})
    assert (it.image, it.image_default) == (shown, default)


@pytest.mark.parametrize(
    ("service", "memory"),
    [
        ("mem_limit: '512'", "512"),
        ("deploy: {resources: {limits: {memory: '1'}}}", "1"),
        ("mem_limit: '0'", ""),
        ("mem_limit: 0", ""),
        ("mem_limit: '-1'", ""),
        ("deploy: {resources: {reservations: {memory: '1'}}}", ""),
        ("image: x", ""),
    ],
)
def test_a_memory_limit_is_one_that_limits(tmp_path: Path, service: str, memory: str) -> None:
    assert one(tmp_path, service).memory == memory


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("dask worker tcp://s:8786 --name uno", "uno"),
        ("sh -c 'exec dask-worker tcp://s:8786 --name=uno'", "uno"),
        ("sh -c 'dask worker s:8786 --name $$HOSTNAME'", ""),
        ("dask worker s:8786 --nthreads 1", ""),
    ],
)
def test_the_fixed_name_of_a_worker(tmp_path: Path, command: str, name: str) -> None:
    assert one(tmp_path, f'command: "{command}"', it=Role.DASK_WORKER).worker_name == name
    assert one(tmp_path, f'command: "{command}"').worker_name == ""


@pytest.mark.parametrize(
    ("healthcheck", "declared", "disabled", "test"),
    [
        ("{test: pg_isready}", True, False, ("CMD-SHELL", "pg_isready")),
        ("{test: [CMD, curl, x]}", True, False, ("CMD", "curl", "x")),
        ("{test: [NONE]}", False, True, ("NONE",)),
        ("{disable: true}", False, True, ()),
        ("{interval: 5s}", False, False, ()),
    ],
)
def test_health_checks(tmp_path: Path, healthcheck: str, declared: bool, disabled: bool, test: tuple[str, ...]) -> None:
    health = one(tmp_path, f"healthcheck: {healthcheck}").health
    assert (health.declared, health.disabled, health.test) == (declared, disabled, test)


@pytest.mark.parametrize(
    ("name", "service", "is_job"),
    [
        ("create-buckets", "image: x", True),
        ("minio_init", "{image: x, restart: on-failure}", True),
        ("mc", "{image: minio/mc, entrypoint: [sh, -c, 'mc alias set a http://s3:9000; mc mb a/lake']}", True),
        ("backup", "{image: p, command: pg_dump -h db x, restart: 'no'}", True),
        ("cargar-datos", "image: x", True),
        ("registrar_flujos", "image: x", True),
        ("flyway", "{image: flyway/flyway, command: [flyway, migrate]}", True),
        ("load-balancer", "image: x", False),
        ("create-buckets", "{image: x, restart: always}", False),
        ("seed-api", "{image: x, ports: ['80:80']}", False),
        ("initech", "image: x", False),
        ("web", "{image: x, command: python app.py}", False),
        ("web", "image: x", False),
    ],
)
def test_a_job_is_what_ends_by_itself(tmp_path: Path, name: str, service: str, is_job: bool) -> None:
    facts = look(tmp_path, f"services:\n  {name}: {service if service.startswith('{') else '{' + service + '}'}\n")
    assert bool(facts.services[name].job) is is_job


def test_whoever_is_waited_for_until_it_ends_is_a_job(tmp_path: Path) -> None:
    text = "services: {a: {image: a, depends_on: {b: {condition: service_completed_successfully}}}, b: {image: b}}"
    facts = look(tmp_path, text)
    assert facts.services["b"].job == "a waits until it has completed"
    assert facts.services["a"].depends_on == {"b": "service_completed_successfully"}


def test_what_plays_a_role_is_no_job(tmp_path: Path) -> None:
    assert look(tmp_path, "services: {init_db: {image: postgres}}", init_db=Role.POSTGRES).services["init_db"].job == ""


def test_networks_of_a_service_that_shares_anothers(tmp_path: Path) -> None:
    facts = look(
        tmp_path,
        """
services:
  a: {image: a, networks: [back]}
  b: {image: b, network_mode: "service:a"}
  c: {image: c}
networks: {back: {internal: true}}
""",
    )
    told = {name: [(n.name, n.internal) for n in service.networks] for name, service in facts.services.items()}
    assert told == {"a": [("back", True)], "b": [("back", True)], "c": [("default", False)]}


# --- whom it calls ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "places"),
    [
        ("environment: {URL: 'postgresql://u:${P}@db:5432/x'}", ("environment URL",)),
        ("environment: {URI: 'db:5432/x?sslmode=disable'}", ("environment URI",)),
        ("environment: {DB_HOST: db}", ("environment DB_HOST",)),
        ("environment: {DSN: 'host=db user=x'}", ("environment DSN",)),
        ("command: [tool, --url, 'http://db']", ("command",)),
        ("command: psql -h db -c x", ("command",)),
        ("environment: {URL: 'http://catalogo:1'}", ("environment URL",)),
        ("environment: {DB_NAME: db, NOTE: 'the db', URL: 'http://db.example.org', OTHER: 'http://my-db'}", ()),
    ],
)
def test_who_names_whom(tmp_path: Path, service: str, places: tuple[str, ...]) -> None:
    # psql's words are one option and its value
    text = f"services:\n  it:\n    {service}\n  db: {{image: postgres, hostname: catalogo}}\n"
    named = {one.service: one.places for one in look(tmp_path, text).services["it"].names}
    assert named == ({"db": places} if places else {})


BESIDE = """
  scheduler: {image: dask, ports: ["8786:8786"]}
  server: {image: prefect, ports: ["14200:4200"]}
  db: {image: postgres}
"""
ROLES = {"scheduler": Role.DASK_SCHEDULER, "server": Role.PREFECT_SERVER, "db": Role.POSTGRES}


@pytest.mark.parametrize(
    ("service", "host", "port", "of"),
    [
        ("environment: {A: 'tcp://localhost:8786'}", "localhost", 8786, ("scheduler",)),
        ("environment: {A: 'http://127.0.0.1:4200/api'}", "127.0.0.1", 4200, ("server",)),
        ("environment: {A: 'http://[::1]:4200/api'}", "[::1]", 4200, ("server",)),
        ("environment: {A: 'postgresql://u:${P}@localhost/x'}", "localhost", 5432, ("db",)),
        ("environment: {A: 'postgresql+asyncpg://u@localhost/x'}", "localhost", 5432, ("db",)),
        ("environment: {A: 'http://host.docker.internal:14200/api'}", "host.docker.internal", 14200, ("server",)),
        ("environment: {A: 'tcp://localhost:14200'}", "localhost", 14200, ("server",)),
        ("environment: {POSTGRES_HOST: localhost}", "localhost", 5432, ("db",)),
        ("environment: {PGHOST: localhost}", "localhost", 5432, ("db",)),
        ("environment: {APP_HOST: localhost, APP_PORT: 8786}", "localhost", 8786, ("scheduler",)),
        ("command: dask worker localhost:8786", "localhost", 8786, ("scheduler",)),
        ("command: [sh, -c, 'exec dask worker tcp://127.0.0.1:8786']", "127.0.0.1", 8786, ("scheduler",)),
        ("entrypoint: [run, '--scheduler=localhost:8786']", "localhost", 8786, ("scheduler",)),
    ],
)
def test_another_service_called_as_oneself(
    tmp_path: Path, service: str, host: str, port: int, of: tuple[str, ...]
) -> None:
    told = look(tmp_path, f"services:\n  it:\n    {service}\n{BESIDE}", **ROLES).services["it"].addresses
    assert [(one.host, one.port, one.of, one.own, one.browser) for one in told] == [(host, port, of, False, False)]


def test_an_address_of_a_variable_is_told_with_the_variable(tmp_path: Path) -> None:
    text = f"""
services:
  it:
    command: dask worker ${{SCHEDULER}} --nthreads ${{THREADS}}
    environment:
      A: ${{SCHEDULER:-x}}
      B: tcp://localhost:${{NOBODY:-8786}}
      C: ${{NOBODY:-tcp://localhost:8786}}
{BESIDE}"""
    values = {"SCHEDULER": "tcp://localhost:8786", "THREADS": "1"}
    told = look(tmp_path, text, values, **ROLES).services["it"].addresses
    assert {one.place for one in told} == {
        "command ${SCHEDULER}",
        "environment A ${SCHEDULER}",
        "environment B",
        "environment C",
    }


@pytest.mark.parametrize(
    "service",
    [
        "environment: {A: 'http://localhost:14200'}",  # published: a browser's
        "environment: {A: 'http://localhost:9999'}",
        "environment: {A: 'http://host.docker.internal:11434'}",
        "environment: {HOST: localhost}",
        "environment: {A: 'http://localhost.example.org:8786', B: 'http://my-localhost:8786', C: 1127.0.0.1}",
        "environment: {PREFECT_UI_URL: 'http://localhost:4200', PREFECT_UI: 'http://localhost:4200'}",
        "environment: {ENLACE_PREFECT: 'http://localhost:4200', URL_DEL_NAVEGADOR: 'http://localhost:4200'}",
        "environment: {GF_SERVER_ROOT_URL: 'http://localhost:4200/'}",
        "environment: {APP_PUBLIC_URL: 'http://localhost:4200/', CORS_ALLOWED_ORIGINS: 'http://localhost:4200'}",
        "environment: {VITE_API: 'http://localhost:4200/'}",
        "command: [serve, --host, 127.0.0.1, --port, '8786', --self, 'http://localhost:8786']",
        "{command: [x, 'localhost:8786'], expose: ['8786']}",
        "{command: [x, 'localhost:8786'], network_mode: 'service:scheduler'}",
        "{command: [x, 'localhost:8786'], network_mode: host}",
        "healthcheck: {test: 'curl http://localhost:8786'}",
    ],
)
def test_addresses_that_are_right_or_mean_nobody(tmp_path: Path, service: str) -> None:
    it = f"  it: {service}" if service.startswith("{") else f"  it:\n    {service}"
    told = look(tmp_path, f"services:\n{it}\n{BESIDE}", **ROLES).services["it"].addresses
    assert [one for one in told if one.of and not (one.own or one.browser)] == []


def test_mounted_configuration_is_read_and_comments_are_not(tmp_path: Path) -> None:
    files = {
        "prometheus/prometheus.yml": "a: [{b: ['localhost:8786']}]\n# localhost:4200\nexternal_url: http://localhost:4200",
        "prometheus/app.ini": "[db]\n# host = localhost:5432\nurl = postgresql://u@localhost:5432/x ; localhost:4200\n",
        "prometheus/broken.yml": "a: [\n# localhost:4200\nb: localhost:8786",
        "prometheus/notes.txt": "localhost:4200",
        "code/settings.yml": "url: localhost:8786",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    text = f"""
services:
  it:
    image: x
    volumes: ["./prometheus:/etc/prometheus:ro", "./code:/app"]
    configs: [inline]
{BESIDE}
configs: {{inline: {{content: "scheduler: tcp://localhost:8786"}}}}
"""
    told = look(tmp_path, text, **ROLES).services["it"].addresses
    wrong = {(one.place, one.port) for one in told if one.of and not one.browser}
    assert wrong == {
        ("prometheus/prometheus.yml", 8786),
        ("prometheus/app.ini", 5432),
        ("prometheus/broken.yml", 8786),
        ("configs.inline", 8786),
    }


@pytest.mark.parametrize(
    ("more", "target", "is_read"),
    [
        ("image: web", "/app/settings.yml", True),
        ("build: .", "/app/settings.yml", False),
        ("build: .", "/etc/web/settings.yml", True),
        ("build: .", "/root/.config/dask/dask.yml", True),
    ],
)
def test_files_beside_ones_own_code_are_not_read(tmp_path: Path, more: str, target: str, is_read: bool) -> None:
    (tmp_path / "settings.yml").write_text("development: {url: 'tcp://localhost:8786'}", encoding="utf-8")
    text = f"services:\n  it:\n    {more}\n    volumes: ['./settings.yml:{target}']\n{BESIDE}"
    assert bool(look(tmp_path, text, **ROLES).services["it"].addresses) is is_read
    of_a_worker = look(tmp_path, text, **ROLES, it=Role.DASK_WORKER).services["it"].addresses
    assert bool(of_a_worker) is (is_read and "/app" not in target)


def test_the_url_of_a_datasource_is_told_apart(tmp_path: Path) -> None:
    for name in ("datasources/p.yml", "more.yml"):
        (tmp_path / "grafana" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "grafana" / name).write_text("url: http://localhost:9090", encoding="utf-8")
    text = """
services:
  grafana: {image: g, volumes: ["./grafana:/etc/grafana/provisioning"]}
  prometheus: {image: p}
"""
    facts = look(tmp_path, text, grafana=Role.GRAFANA, prometheus=Role.PROMETHEUS)
    told = {one.place: one.datasource for one in facts.services["grafana"].addresses}
    assert told == {"grafana/datasources/p.yml": True, "grafana/more.yml": False}


# --- what ties it to a host -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "kinds"),
    [
        ("privileged: true", ["privileged"]),
        ("{network_mode: host, pid: host, ipc: host}", ["network_mode", "pid", "ipc"]),
        ("volumes: ['/home/ana/datos:/data']", ["host_path"]),
        ("volumes: ['~/datos:/data']", ["host_path"]),
        ("volumes: ['${HOME}/datos:/data']", ["host_path"]),
        ("volumes: ['${DATA:-/srv/data}:/data']", ["host_path"]),
        ("volumes: ['C:\\datos:/data']", ["host_path"]),
        ("volumes: [{type: bind, source: /srv/data, target: /data}]", ["host_path"]),
        ("volumes: ['/var/run/docker.sock:/var/run/docker.sock:ro']", ["docker_socket"]),
        ("devices: ['/dev/fuse:/dev/fuse']", ["device"]),
        ("platform: linux/arm64", ["platform"]),
        ("volumes: ['/etc/localtime:/etc/localtime:ro']", []),
        ("volumes: ['/etc/localtime:/etc/localtime']", ["host_path"]),
        ("volumes: ['./data:/data', './a/../b:/more', 'named:/data2', '/anonymous']", []),
        ("volumes: ['${PWD}/data:/data', '${DATA}/x:/x', '${DATA:-./data}:/y', '$PWD:/z']", []),
        ("{network_mode: bridge, ipc: private, privileged: false}", []),
    ],
)
def test_ties(tmp_path: Path, service: str, kinds: list[str]) -> None:
    text = service if service.startswith("{") else f"{{{service}}}"
    told = look(tmp_path, f"services: {{it: {text}}}").services["it"].ties
    assert [tie.kind for tie in told] == kinds


def test_paths_that_compose_made_absolute_are_no_ties(tmp_path: Path) -> None:
    """Of a file that is included the YAML is not seen, but what Compose makes of it is."""
    inside, outside = str(tmp_path / "data"), "/srv/data"
    volumes = [{"type": "bind", "source": source, "target": source} for source in (inside, outside)]
    odd = ComposeModel(
        file="x",
        authored={"services": {"it": {"volumes": volumes}}},
        resolved={"services": {"it": {"volumes": volumes}}},
    )
    repository = Repository(odd, tmp_path)
    facts = compose.collect(repository, repository)  # type: ignore[arg-type]
    assert [tie.detail for tie in facts.services["it"].ties] == ["/srv/data:/srv/data"]


def test_a_folder_beside_the_repository_is_a_tie(tmp_path: Path) -> None:
    """A clone does not hold it. What a Compose file in ``infra/local`` mounts of the repository's own root, it does."""
    base = tmp_path / "infra/local"
    written = {"volumes": ["../../data:/data", "../../../data:/more"]}
    volumes = [
        {"type": "bind", "source": os.path.normpath(base / source), "target": target}
        for source, target in (("../../data", "/data"), ("../../../data", "/more"))
    ]
    told = ties(written, {"volumes": volumes}, tmp_path)
    assert [(tie.kind, tie.detail) for tie in told] == [("host_path", "../../../data:/more")]


@pytest.mark.parametrize(
    ("image", "is_one"),
    [
        ("prom/node-exporter:v1", True),
        ("quay.io/prometheus/node-exporter@sha256:0", True),
        ("gcr.io/cadvisor/cadvisor", True),
        ("registry:5000/cadvisor", True),
        ("grafana/promtail:3", True),
        ("quay.io/prometheuscommunity/postgres-exporter:v0.20.1", False),
        ("postgres", False),
        ("python:3.12", False),
    ],
)
def test_watchers_of_hosts(tmp_path: Path, image: str, is_one: bool) -> None:
    assert one(tmp_path, f"image: {image}").host_exporter is is_one


# --- what it takes from its environment -------------------------------------------------------------------------------


def test_variables_without_default_are_told_once_with_their_place() -> None:
    authored = {
        "x-unused": {"a": "${UNUSED}"},
        "services": {
            "it": {
                "environment": {"A": "${A}", "B": "pre $B post", "C": "${C:?say it}", "A2": "${A}"},
                "command": ["$$NOT", "${D:-x}${E-}${F:+y}", "${G:-${H}}", "${I:-${J:-${K}}}", "${bad"],
            }
        },
        "volumes": {"data": {"name": "${PROJECT}_data"}},
    }
    assert variables(authored) == (
        Variable(name="A", place="services.it.environment.A"),
        Variable(name="B", place="services.it.environment.B"),
        Variable(name="C", place="services.it.environment.C"),
        Variable(name="H", place="services.it.command", instead_of="G"),
        Variable(name="K", place="services.it.command", instead_of="I"),
        Variable(name="PROJECT", place="volumes.data.name"),
    )


def test_a_variable_that_is_needed_anywhere_is_needed() -> None:
    assert variables({"services": {"a": "${G:-${H}}", "b": "${H}"}}) == (Variable(name="H", place="services.b"),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_PASSWORD", "postgres"),
        ("PGPASSWORD", "x1"),
        ("DB_PASS", "x1"),
        ("MYSQL_PWD", "x1"),
        ("RUSTFS_SECRET_KEY", "x1"),
        ("AWS_SECRET_ACCESS_KEY", "x1"),
        ("GF_SECURITY_SECRET_KEY", "x1"),
        ("JWT_SECRET", "x1"),
        ("API_TOKEN", "x1"),
        ("PREFECT_API_KEY", "x1"),
        ("AIRFLOW__CORE__FERNET_KEY", "x1"),
        ("clientSecret", "x1"),
        ("POSTGRES_PASSWORD", "pa$$word"),
        ("ANY_URL", "postgresql://u:literal@db/x"),
        ("ANY_DSN", "host=db password='literal one' user=x"),
        ("DATABASE", "Server=db;Password=literal;"),
    ],
)
def test_secrets_that_are_written_out(name: str, value: str) -> None:
    assert literals({"environment": {name: value}}) == (f"environment {name}",)
    assert literals({"environment": [f"{name}={value}"]}) == (f"environment {name}",)
    assert literals({"build": {"args": {name: value}}}) == (f"build.args {name}",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_PASSWORD", "${POSTGRES_PASSWORD}"),
        ("POSTGRES_PASSWORD", "$POSTGRES_PASSWORD"),
        ("POSTGRES_PASSWORD", "${POSTGRES_PASSWORD:-postgres}"),
        ("POSTGRES_PASSWORD", ""),
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/pg"),
        ("POSTGRES_PASSWORD", "/run/secrets/pg"),
        ("RUSTFS_ACCESS_KEY", "pqrs-lake"),
        ("MINIO_ROOT_USER", "admin"),
        ("CACHE_KEY_PREFIX", "pqrs"),
        ("TOKEN_TTL", "3600"),
        ("MAX_TOKENS", "4096"),
        ("ALLOW_EMPTY_PASSWORD", "yes"),
        ("GF_SECURITY_ALLOW_EMBEDDING", "true"),
        ("PASSWORD_ENCRYPTION", "scram-sha-256"),
        ("COMPASS", "north"),
        ("URL", "postgresql://u:${P}@db/x"),
        ("URL", "postgresql://u@db/x"),
        ("URL", "http://db:5432/a@b"),
        ("DSN", "host=db password=${P}"),
    ],
)
def test_what_is_no_secret_written_out(name: str, value: str) -> None:
    assert literals({"environment": {name: value}}) == ()


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("redis-server --requirepass clave", ("command --requirepass",)),
        (["minio", "--secret-key", "clave"], ("command --secret-key",)),
        ("x --db.password=clave", ("command --db.password",)),
        (["sh", "-c", "psql postgresql://u:clave@db/x"], ("command",)),
        ("x --password $${P}", ()),
        ("x --password ${P}", ()),
        ("x --no-password --token-ttl 3", ()),
        ("x --password --other", ()),
    ],
)
def test_secrets_in_a_command(command: Any, found: tuple[str, ...]) -> None:
    assert literals({"command": command}) == found


def test_secrets_in_the_content_of_configs() -> None:
    contents = {
        "a": "datasources: [{secureJsonData: {password: clave}}]",
        "b": "url: postgresql://u:clave@db/x",
        "c": "password: ${CLAVE}\npassword_file: /run/x",
        "d": "a: [",
        "e": None,
    }
    authored = {"configs": {name: {"content": content} for name, content in contents.items()}}
    assert inline_secrets(authored) == ("configs.a", "configs.b")


def test_passwords_are_left_out_of_a_text() -> None:
    assert without_passwords("postgresql://u:clave@db/x and password=clave;") == "postgresql://u:…@db/x and password=…;"


# --- strange input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "service",
    [
        {}, None, [], "x", {"volumes": "x", "ports": 3, "environment": 5, "networks": "x", "healthcheck": []},
        {"volumes": [None, 3, {"target": None}], "ports": [None, {}], "depends_on": [None], "deploy": {"resources": 1}},
        {"image": 3, "build": "x", "command": {"a": 1}, "labels": 7, "devices": {}, "platform": 4, "profiles": "x"},
    ],
)  # fmt: skip
def test_strange_services_are_read_as_nothing(tmp_path: Path, service: object) -> None:
    document = {"services": {"it": service}, "networks": None, "configs": []}
    odd = ComposeModel(file="x", raw=document, authored=document, resolved=document)
    repository = Repository(odd, tmp_path)
    assert compose.collect(repository, repository).services["it"].ties == ()  # type: ignore[arg-type]


def test_services_are_bounded(tmp_path: Path) -> None:
    many = "services: {" + ", ".join(f"s{number}: {{image: x}}" for number in range(210)) + "}"
    with pytest.raises(Unavailable, match="210 services"):
        look(tmp_path, many)


@pytest.mark.parametrize("text", ["a" * 200_000, "a://" * 50_000, "--" + "a." * 50_000, "localhost:" * 20_000])
def test_long_texts_are_read_in_time(tmp_path: Path, text: str) -> None:
    started = time.monotonic()
    it = {"environment": {"A_PASSWORD_X": text}, "command": [text]}
    document = {"services": {"it": it, "other": {"image": "x"}}}
    odd = ComposeModel(file="x", raw=document, authored=document, resolved=document)
    repository = Repository(odd, tmp_path)
    compose.collect(repository, repository)  # type: ignore[arg-type]
    assert time.monotonic() - started < 5


def test_a_tree_of_aliases_ends() -> None:
    tree: list[object] = ["x"] * 1_000
    for _ in range(30):
        tree = [tree] * 1_000
    started = time.monotonic()
    assert len(list(places({"a": tree}))) < 100_000
    assert time.monotonic() - started < 5
