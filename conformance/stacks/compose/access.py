"""Credentials, ports and secrets of a Compose deployment, as its author configured them.

All of it comes from the resolved model and from files inside the submission that it points to.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from conformance.stacks.base import ComposeModel, Plane, Role
from conformance.stacks.compose import object_stores
from conformance.stacks.compose.configured import Configured, main_port, port_of, read_within
from conformance.stacks.compose.object_stores import ObjectStoreCredentials
from conformance.stacks.compose.service import Port, environment, host_names, ports, settled, words


@dataclass(frozen=True)
class PostgresCredentials:
    """With which user and password, and to which database, one connects."""

    user: str
    database: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class GrafanaCredentials:
    """Grafana's administrator."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Published:
    """An address of the host at which the author publishes a port."""

    port: int | None  # None: the engine chooses a free one
    host_ip: str = ""  # empty: every address
    default: int | None = None  # what the file says without the env file: the default of the variable that names it


# --- credentials ----------------------------------------------------------------------------------------------------


def postgres(model: ComposeModel, service: str, root: Path) -> PostgresCredentials:
    """What PostgreSQL's image makes of its environment: ``POSTGRES_*``, or Bitnami's ``POSTGRESQL_*``."""
    told = _configured(model, service, root)
    user = told.value("POSTGRES_USER", "POSTGRESQL_USERNAME", "POSTGRESQL_USER")[0] or "postgres"
    passwords = ["POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD"]
    if user == "postgres":
        passwords.append("POSTGRESQL_POSTGRES_PASSWORD")
    database = told.value("POSTGRES_DB", "POSTGRESQL_DATABASE")[0]
    return PostgresCredentials(user, database or user, told.value(*passwords)[0])


def object_store(model: ComposeModel, service: str, root: Path) -> ObjectStoreCredentials:
    """An object store's keys: of its options, its variables, its configuration file, or what its vendor takes then."""
    others = (_configured(model, other, root) for other in model.resolved["services"] if other != service)
    return object_stores.credentials(_configured(model, service, root), others)


def grafana(model: ComposeModel, service: str, root: Path) -> GrafanaCredentials:
    """Grafana's administrator: of its variables, its ``grafana.ini``, or ``admin``/``admin``."""
    told = _configured(model, service, root)
    ini = _grafana_ini(told)
    user = told.value("GF_SECURITY_ADMIN_USER")[0] or _of_ini(told, ini, "security", "admin_user")
    password = told.value("GF_SECURITY_ADMIN_PASSWORD")[0] or _of_ini(told, ini, "security", "admin_password")
    return GrafanaCredentials(user or "admin", password or "admin")


def _configured(model: ComposeModel, service: str, root: Path) -> Configured:
    return Configured(model.resolved["services"][service], model.resolved, root)


def _grafana_ini(told: Configured) -> configparser.RawConfigParser:
    ini = configparser.RawConfigParser(strict=False)
    text = told.file(told.environment.get("GF_PATHS_CONFIG") or "/etc/grafana/grafana.ini") or ""
    try:
        ini.read_string(f"[DEFAULT]\n{text}")
    except configparser.Error:
        return configparser.RawConfigParser()
    return ini


def _of_ini(told: Configured, ini: configparser.RawConfigParser, section: str, key: str) -> str:
    value = ini.get(section, key, fallback="").strip().strip("\"'")
    return re.sub(r"\$__env\{(\w+)\}|\$\{(\w+)\}", lambda match: told.environment.get(match[1] or match[2], ""), value)


# --- ports ----------------------------------------------------------------------------------------------------------


def container_ports(role: Role, service: Mapping[str, Any], root: Path | None = None) -> dict[str, int]:
    """The ports at which a role's service listens in its container: ``main`` of every role that others call.

    Besides, ``dashboard`` of the Dask scheduler and ``console`` of an object store, where they have one. They come from
    the service's options, its variables and its configuration, and else are what its vendor takes.
    """
    told = Configured(service, root=root)
    match role:
        case Role.POSTGRES:
            return {"main": main_port(told, _postgres_port(told), 5432)}
        case Role.OBJECT_STORE:
            return object_stores.listening(told)
        case Role.DASK_SCHEDULER:
            dashboard = port_of(told.option("--dashboard-address")) or 8787
            main = main_port(told, told.option("--port"), 8786, besides={dashboard})
            without = any("--no-dashboard" in process for process in told.processes)
            return {"main": main} if without else {"main": main, "dashboard": dashboard}
        case Role.PREFECT_SERVER:
            setting = told.setting("--port", "PREFECT_SERVER_API_PORT", "PREFECT_ORION_API_PORT")
            return {"main": main_port(told, setting, 4200)}
        case Role.PROMETHEUS:
            return {"main": main_port(told, told.option("--web.listen-address"), 9090)}
        case Role.GRAFANA:
            setting = told.value("GF_SERVER_HTTP_PORT")[0] or _of_ini(told, _grafana_ini(told), "server", "http_port")
            return {"main": main_port(told, setting, 3000)}
        case _:
            return {}


def _postgres_port(told: Configured) -> str:
    for process in told.processes:
        for option, value in pairwise(process):
            key, _, port = value.partition("=")
            if option in {"-c", "--set"} and key.strip() == "port":
                return port.strip(" '\"")
    return told.setting("-p", "--port", "PGPORT", "POSTGRESQL_PORT_NUMBER")


def published(model: ComposeModel, service: str, target: int) -> tuple[Published, ...]:
    """Where the author publishes the port ``target`` of a service's container; empty: nowhere."""
    resolved, authored = (
        [port for port in ports((document.get("services") or {}).get(service) or {}) if port.target == target]
        for document in (model.resolved, model.authored)
    )
    authored += [Port(target)] * (len(resolved) - len(authored))
    return tuple(
        Published(port_of(port.published), port.host_ip, port_of(settled(written.published)))
        for port, written in zip(resolved, authored, strict=False)
    )


# --- secrets --------------------------------------------------------------------------------------------------------

_SECRET = re.compile(
    r"PASS(WORD|WD|PHRASE|CODE)?(_|$)|PWD$|SECRET|TOKEN|API_?KEY|ACCESS_?KEY(_ID)?$|PRIVATE_?KEY|CREDENTIAL|FERNET|SALT"
)
_NO_SECRET = re.compile(
    r"(_|^)(FILE|PATH|DIR|TTL|EXPIR\w*|ENABLED?|LENGTH|SIZE|URL|URI|ENDPOINT|NAME|ALGORITHM|METHOD|TYPE|MODE|FORMAT"
    r"|BACKEND|PROVIDER|STORE|POLICY|COMPLEXITY|ENCRYPTION|ENCODING)$"
)
_OPTION = re.compile(r"--?([\w.]+-)*(password|passwd|secret|secret-key|access-key|token|requirepass)")
_IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,40}://[^\s/:@]*:([^\s@/]+)@")
_IN_DSN = re.compile(r"(?i)\bpass(?:word|wd)?\s*=\s*(?:'[^']+'|[^\s;&'\"]+)")
_NAME = re.compile(r"(USER|USERNAME|DB|DATABASE|HOST|BUCKET|SCHEMA|NAME|REGION)$")
# what people take for passwords and is also the name of something everywhere: to hide it would falsify what is observed
_COMMON = frozenset({
    *Role, *Plane, "true", "false", "yes", "no", "on", "off", "none", "null", "trust", "md5", "scram-sha-256",
    "disabled", "root", "user", "admin", "guest", "public", "test", "any", "default", "localhost", "data", "lake",
    "raw", "meta", "bronze", "silver", "gold", "pqrs", "rustfs", "minio", "dask", "prefect",
})  # fmt: skip


def secrets_of(model: ComposeModel, env_values: Mapping[str, str], root: Path) -> frozenset[str]:
    """Every secret value of the deployment.

    They are the values of variables and build arguments with a secret's name (of the env file as well), of options such
    as ``--secret-key``, the passwords inside URLs and connection strings, and the secret files. What is also a public
    name (a user's, a database's, a service's), a switch or a small number is left out.
    """
    resolved = model.resolved
    services = resolved.get("services") or {}
    found = {*_of_variables(env_values), *_of_texts(resolved)}
    for name in services:
        found.update(_of_service(_configured(model, name, root)))
    for definition in (resolved.get("secrets") or {}).values():
        if isinstance(definition, Mapping):
            file = definition.get("file")
            found.add((read_within(root, file) or "").strip() if isinstance(file, str) else "")
            found.add(env_values.get(str(definition.get("environment")), ""))
    public = _COMMON | _public_names(services)
    return frozenset(
        value
        for value in found
        if len(value) > 1 and value.lower() not in public and not re.fullmatch(r"\d{1,5}", value)
    )


def _of_service(told: Configured) -> Iterator[str]:
    build = told.service.get("build")
    arguments = environment({"environment": build.get("args")}) if isinstance(build, Mapping) else {}
    yield from _of_variables({**arguments, **told.environment})
    for name, value in told.environment.items():
        if name.endswith("_FILE") and _SECRET.search(name.removesuffix("_FILE").rstrip("_")):
            yield (told.file(value) or "").strip()
    yield from object_stores.seaweed_identity(told) or ()
    yield _of_ini(told, _grafana_ini(told), "security", "admin_password")
    for argv in (words(told.service.get("entrypoint")), words(told.service.get("command")), *told.processes):
        for word, following in pairwise((*argv, "")):
            option, separator, value = word.partition("=")
            if _OPTION.fullmatch(option):
                yield value if separator else following


def _of_variables(values: Mapping[str, str]) -> Iterator[str]:
    for name, value in values.items():
        if _SECRET.search(name.upper()) and not _NO_SECRET.search(name.upper()):
            yield value
    yield from _of_texts(list(values.values()))


def _of_texts(document: Any) -> Iterator[str]:
    """Passwords inside the URLs and connection strings of any document, as they stand there and decoded."""
    pending = [document]
    while pending:
        match pending.pop():
            case str() as text:
                for password in _IN_URL.findall(text):
                    yield from (password, unquote(password))
                for setting in _IN_DSN.findall(text):
                    yield setting.partition("=")[2].strip().strip("'")
            case Mapping() as items:
                pending += items.values()
            case list() as items:
                pending += items


def _public_names(services: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    found: set[str] = set()
    for name, service in services.items():
        found |= host_names(name, service)
        found |= {value for key, value in environment(service).items() if _NAME.search(key.upper())}
    return frozenset(name.lower() for name in found)
