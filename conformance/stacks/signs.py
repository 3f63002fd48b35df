"""By what one knows a role: the programs that serve it, the images that hold it, and what such services look like."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from conformance.stacks.base import Role
from conformance.stacks.compose.programs import Process

# --- programs -------------------------------------------------------------------------------------------------------

_PREFECT: Mapping[tuple[str, ...], Role] = {
    ("server", "start"): Role.PREFECT_SERVER,
    ("orion", "start"): Role.PREFECT_SERVER,
    ("worker", "start"): Role.PREFECT_WORKER,
    ("agent", "start"): Role.PREFECT_WORKER,
}
_DASK: Mapping[tuple[str, ...], Role] = {
    ("scheduler",): Role.DASK_SCHEDULER,
    ("worker",): Role.DASK_WORKER,
    ("cuda",): Role.DASK_WORKER,
}


def role_of(process: Process) -> Role | None:
    """The role whose server or worker a process is."""
    program = process[0]
    arguments = tuple(word for word in process[1:] if not word.startswith("-"))
    match program:
        case "dask-scheduler" | "dask_scheduler":  # of a console script, of ``python -m distributed.cli.…``
            return Role.DASK_SCHEDULER
        case "dask-worker" | "dask_worker" | "dask-cuda-worker":
            return Role.DASK_WORKER
        case "dask":
            return _DASK.get(arguments[:1])
        case "prefect":
            return next((role for pair in pairwise(arguments) if (role := _PREFECT.get(pair))), None)
        case "uvicorn" if any(word.startswith("prefect.server") for word in arguments):
            return Role.PREFECT_SERVER
        case "postgres" | "postmaster" | "patroni":
            return Role.POSTGRES
        case "pg_ctl" | "pg_ctlcluster" if "start" in arguments:
            return Role.POSTGRES
        case "rustfs":
            return Role.OBJECT_STORE
        case "minio" | "garage" if "server" in arguments:
            return Role.OBJECT_STORE
        case "weed" if _serves_s3(process[1:]):
            return Role.OBJECT_STORE
        case "prometheus":
            return Role.PROMETHEUS
        case "grafana-server":
            return Role.GRAFANA
        case "grafana" if "server" in arguments:
            return Role.GRAFANA
        case _:
            return None


def _serves_s3(arguments: Sequence[str]) -> bool:
    """Whether these arguments of SeaweedFS's ``weed`` start an S3 gateway."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    return command in {"s3", "mini"} or (
        command in {"server", "filer"} and any(re.fullmatch(r"--?s3(=true)?", word) for word in arguments)
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


APPLICATIONS = _words("streamlit jupyter jupyter-lab uvicorn gunicorn hypercorn flask celery node npm yarn java nginx")
TOOLS = APPLICATIONS | _words("""
    psql pg_dump pg_dumpall pg_restore pg_isready pg_basebackup createdb dropdb createuser pgbench pgbackrest wal-g
    mc aws awslocal s3cmd s5cmd rclone restic weed garage minio curl wget nc ncat ping dig nslookup getent openssl
    promtool amtool grafana-cli grafana dask prefect pip pip3 apt-get apk alembic flyway liquibase dbmate sqitch
    echo printf cat ls cd cp mv rm mkdir chown chmod touch tail head sed awk grep envsubst find tee date sleep wait
    gzip gunzip zip tar
    true false exit set export source . : test [ [[ trap return break continue for case esac done fi } read shift
    cron crond supercronic
""")
"""Programs that serve no role, whatever image they are run in: applications, clients, a shell's own words."""

STARTERS = _words("run.sh docker-entrypoint.sh entrypoint.sh timescaledb-entrypoint.sh")
"""With what the images of servers start them."""

IMAGE_PROGRAMS: Mapping[str, str] = MappingProxyType({"minio": "minio", "seaweedfs": "weed", "garage": "garage"})
"""Programs that their image puts before the words of a command, by the image's name."""

# --- images ---------------------------------------------------------------------------------------------------------


class Make(enum.StrEnum):
    """What an image holds of which only the command says the role."""

    DASK = "dask"
    PREFECT = "prefect"


MAKES: Mapping[Make, tuple[Role, ...]] = MappingProxyType(
    {
        Make.DASK: (Role.DASK_SCHEDULER, Role.DASK_WORKER),
        Make.PREFECT: (Role.PREFECT_SERVER, Role.PREFECT_WORKER),
    }
)
_IMAGES: tuple[tuple[Role | Make, re.Pattern[str]], ...] = (
    (
        Role.POSTGRES,
        re.compile(
            r"postgres|postgresql(-(\d[\w.-]*|repmgr))?|postgis|timescaledb(-ha|-postgis)?|pgvector|pgvecto-rs|citus"
            r"|vchord-postgres|spilo(-\d+)?|percona-(distribution-)?postgresql|paradedb|postgres-ssl|postgresml"
        ),
    ),
    (Role.OBJECT_STORE, re.compile(r"rustfs|minio|seaweedfs|garage|localstack(-pro)?")),
    (Role.PROMETHEUS, re.compile(r"prometheus")),
    (Role.GRAFANA, re.compile(r"grafana(-oss|-enterprise)?(-dev)?")),
    (Make.DASK, re.compile(r"dask")),
    (Make.PREFECT, re.compile(r"prefect")),
)


def base_name(reference: str) -> str:
    """An image's last name, without registry, namespace, tag and digest: a mirror keeps only that."""
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()


def held_by(reference: str) -> Role | Make | None:
    """What an image is known to hold."""
    name = base_name(reference)
    return next((held for held, pattern in _IMAGES if pattern.fullmatch(name)), None)


# --- looks ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Looks:
    """How the services of a role look. The patterns match whole variables, and mounts from their beginning."""

    name: re.Pattern[str]  # a part of a name that says it, alone, for what is built here
    words: frozenset[str]  # parts of a name that are a sign among others
    ports: frozenset[int] = frozenset()
    environment: re.Pattern[str] | None = None
    mounts: re.Pattern[str] | None = None
    user: re.Pattern[str] | None = None  # variables that only those have who use such a service


LOOKS: Mapping[Role, Looks] = MappingProxyType(
    {
        Role.POSTGRES: Looks(
            name=re.compile(r"\b(postgres(ql)?|postgis)\b"),
            words=_words("pg db bd database timescaledb catalog catalogo metastore warehouse"),
            ports=frozenset({5432}),
            environment=re.compile(
                r"(POSTGRES|POSTGRESQL)_(PASSWORD|POSTGRES_PASSWORD|PASSWORD_FILE|INITDB_ARGS|HOST_AUTH_METHOD)|PGDATA"
            ),
            mounts=re.compile(r"/docker-entrypoint-initdb\.d|/var/lib/postgresql|/bitnami/postgresql"),
            user=re.compile(
                r"(.*_)?(POSTGRES|POSTGRESQL|PG|DB|DATABASE)_?(HOST|HOSTNAME|SERVER|URL|URI|DSN|ADDR|BACKEND_NODES)"
                r"|DATA_SOURCE_.*|.*CONN(ECTION)?_(STR|STRING|URL)|(MB_DB|AIRFLOW|PGADMIN)_.*"
            ),
        ),
        Role.OBJECT_STORE: Looks(
            name=re.compile(r"\b(rustfs|minio|seaweedfs|garage)\b"),
            words=_words("s3 storage objectstore store lake"),
            ports=frozenset({9000, 8333, 3900, 4566}),
            environment=re.compile(
                r"RUSTFS_(ACCESS_KEY|SECRET_KEY|ROOT_USER|VOLUMES|ADDRESS).*"
                r"|MINIO_(ROOT_USER|ROOT_PASSWORD|VOLUMES).*|GARAGE_.*"
            ),
            mounts=re.compile(r"/data|/export"),
            user=re.compile(r".*(ENDPOINT|_URL|_HOST)(_URL)?"),
        ),
        Role.DASK_SCHEDULER: Looks(
            name=re.compile(r"\bdask-scheduler\b"),
            words=_words("scheduler"),
            ports=frozenset({8786, 8787}),
            environment=re.compile(r"DASK_.*SCHEDULER__.*"),
        ),
        Role.DASK_WORKER: Looks(
            name=re.compile(r"\bdask-workers?\b"),
            words=_words("worker workers"),
            environment=re.compile(r"DASK_SCHEDULER_ADDRESS|DASK_.*WORKER__.*"),
        ),
        Role.PREFECT_SERVER: Looks(
            name=re.compile(r"\bprefect(-(server|orion|api))?$"),
            words=_words("orion"),
            ports=frozenset({4200}),
            environment=re.compile(
                r"PREFECT_(SERVER|ORION|UI)_.*|PREFECT_API_DATABASE_CONNECTION_URL|PREFECT_API_(HOST|PORT)"
            ),
        ),
        Role.PREFECT_WORKER: Looks(
            name=re.compile(r"\bprefect-(worker|agent)s?\b"),
            words=_words("worker workers agent agents"),
            environment=re.compile(r"PREFECT_(API_URL|WORKER_.*)"),
        ),
        Role.PROMETHEUS: Looks(
            name=re.compile(r"\bprometheus\b"),
            words=frozenset(),
            ports=frozenset({9090}),
            mounts=re.compile(r"/etc/prometheus"),
        ),
        Role.GRAFANA: Looks(
            name=re.compile(r"\bgrafana\b"),
            words=frozenset(),
            ports=frozenset({3000}),
            environment=re.compile(r"GF_(SECURITY|SERVER|USERS|AUTH|INSTALL|PATHS)_.*"),
            mounts=re.compile(r"/etc/grafana|/var/lib/grafana"),
        ),
    }
)
ABOUT = _words("""
    exporter init initializer setup bootstrap seed migrate migration migrations create job jobs bucket buckets
    backup backups dump restore admin pgadmin adminer pgweb ui web webui console client cli mc tool tools test tests
    check healthcheck renderer bouncer pgbouncer pgpool pgcat odyssey pooler pool proxy pushgateway gateway
    alertmanager alert alerts loki promtail tempo mimir alloy otel collector cadvisor metabase superset redash
    streamlit dashboard notebook notebooks jupyter redis mysql mariadb mongo kafka kubernetes operator postgrest
    hasura studio meta rest realtime auth api app backend frontend
""")
"""Parts of a name that say that something is about a role's service, and is not that service."""


def parts(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case; numbers at their ends (of replicas, of versions) are left out."""
    split = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower())
    return tuple(part for piece in split if (part := piece.rstrip("0123456789")))


def is_about(name: str) -> bool:
    """Whether a name is that of something which only has to do with a role's service."""
    words = set(parts(name))
    return bool(ABOUT & (words - {"api"} if "prefect" in words else words))
