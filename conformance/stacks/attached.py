"""A deployment that runs already (in Kubernetes, or somebody's Compose project): reached, never changed.

Where it is stands in an env file, by the variables of :data:`SERVICES`; the lakehouse itself uses the same names. What
the file leaves out is not judged. The kit works in scratch databases and buckets of its own, and removes them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from conformance.stacks.base import (
    Capability,
    Endpoint,
    GrafanaAccess,
    ObjectStoreAccess,
    PostgresAccess,
    Role,
    Stack,
    StackError,
    Unavailable,
)

SERVICES: Mapping[Role, tuple[str, str]] = {
    Role.OBJECT_STORE: ("S3_ENDPOINT_URL", "http"),
    Role.DASK_SCHEDULER: ("DASK_SCHEDULER_ADDRESS", "tcp"),
    Role.PREFECT_SERVER: ("PREFECT_API_URL", "http"),
    Role.PROMETHEUS: ("PROMETHEUS_URL", "http"),
    Role.GRAFANA: ("GRAFANA_URL", "http"),
}
"""The variable that says where a role's service is, and the scheme of its address."""

PORTS = {"http": 80, "https": 443, "tcp": 8786, "tcps": 8786}  # when an address names none

DATABASE = ("POSTGRES_HOST", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB")
DASHBOARD = "DASK_DASHBOARD_URL"
SECRET = ("POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY", "GRAFANA_PASSWORD")
TIMEOUT = 30.0  # seconds: it runs already
POLL = 0.25


class AttachedStack(Stack):
    """
    Args:
        env_file: where its services are, and with which credentials.
        source: the repository that it was made from, where one was named.
        timeout: seconds that a service may take to answer before it is taken as it is.

    Raises:
        StackError: the file cannot be read, names no service, or a value makes no sense; with file and variable.
    """

    kind = "attached"

    def __init__(self, env_file: Path, source: Path | None = None, timeout: float = TIMEOUT) -> None:
        self._file = env_file
        self._source = source
        self._timeout = timeout
        self._values = _read(env_file)
        self._endpoints = {
            role: self._endpoint_of(role, variable, scheme)
            for role, (variable, scheme) in SERVICES.items()
            if self._values.get(variable)
        }
        if self._values.get(DATABASE[0]):
            self._endpoints[Role.POSTGRES] = self._database()
        if Role.OBJECT_STORE in self._endpoints:
            self._require("S3_ACCESS_KEY", "S3_SECRET_KEY")
        if not self._endpoints:
            known = ", ".join([DATABASE[0], *(variable for variable, _ in SERVICES.values())])
            raise StackError(f"{env_file}: names no service; give at least one of {known}")
        self.capabilities = frozenset({Capability.ENDPOINTS, Capability.SOURCE} if source else {Capability.ENDPOINTS})
        self._answered: set[tuple[Role, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was started."""

    def roles(self) -> dict[Role, tuple[str, ...]]:
        return {role: (endpoint.service,) for role, endpoint in sorted(self._endpoints.items())}

    def endpoint(self, role: Role, port: str = "main") -> Endpoint:
        if role not in self._endpoints:
            variable = SERVICES[role][0] if role in SERVICES else DATABASE[0]
            raise Unavailable(f"the env file does not say where {role} is ({variable})")
        endpoint = self._endpoints[role]
        if port != "main":
            variable = DASHBOARD if (role, port) == (Role.DASK_SCHEDULER, "dashboard") else ""
            if not self._values.get(variable):
                raise Unavailable(f"the env file does not say where the {port} of {role} is {variable}".rstrip())
            endpoint = self._endpoint_of(role, variable, "http")
        self._wait(endpoint, port)
        return endpoint

    def postgres(self) -> PostgresAccess:
        endpoint = self.endpoint(Role.POSTGRES)
        user, password, database = (self._values[variable] for variable in DATABASE[1:])
        return PostgresAccess(endpoint.host, endpoint.port, user, database, password)

    def object_store(self) -> ObjectStoreAccess:
        self.endpoint(Role.OBJECT_STORE)
        values = self._values
        access = ObjectStoreAccess(
            values["S3_ENDPOINT_URL"].rstrip("/"), values["S3_ACCESS_KEY"], values["S3_SECRET_KEY"]
        )
        return replace(access, region=values["S3_REGION"]) if values.get("S3_REGION") else access

    def grafana(self) -> GrafanaAccess:
        endpoint = self.endpoint(Role.GRAFANA)
        return GrafanaAccess(
            endpoint.url, self._values.get("GRAFANA_USER") or "admin", self._values.get("GRAFANA_PASSWORD") or "admin"
        )

    def secrets(self) -> frozenset[str]:
        return frozenset(value for name in SECRET if (value := self._values.get(name)))

    def logs(self) -> dict[str, Path]:
        return {}

    def source(self) -> Path:
        if self._source is None:
            raise Unavailable("no repository was named")
        return self._source

    # --- helpers ------------------------------------------------------------------------------------------------------

    def _database(self) -> Endpoint:
        self._require(*DATABASE)
        port = self._values.get("POSTGRES_PORT") or "5432"
        if not port.isdigit() or not 0 < int(port) < 65_536:
            raise StackError(f"{self._file}: POSTGRES_PORT={port[:40]} is not a port number")
        host = self._values[DATABASE[0]]
        return Endpoint(Role.POSTGRES, host, "postgresql", host, int(port))

    def _endpoint_of(self, role: Role, variable: str, scheme: str) -> Endpoint:
        try:
            parts = urlsplit(self._values[variable])
            host, port, path = parts.hostname, parts.port, parts.path.strip("/")
        except ValueError:  # no port, or no brackets
            host = None
        if not host or parts.scheme not in {scheme, f"{scheme}s"} or path not in {"", "api"}:
            raise StackError(f"{self._file}: {variable} must be an address like {scheme}://HOST:PORT, without a path")
        return Endpoint(role, host, parts.scheme, host, port or PORTS[parts.scheme])

    def _require(self, *variables: str) -> None:
        missing = [variable for variable in variables if not self._values.get(variable)]
        if missing:
            raise StackError(f"{self._file}: {', '.join(missing)} missing")

    def _wait(self, endpoint: Endpoint, port: str) -> None:
        """Until something accepts connections there, or patience ends: once for each."""
        import socket

        if (endpoint.role, port) in self._answered:
            return
        self._answered.add((endpoint.role, port))
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            try:
                socket.create_connection((endpoint.host, endpoint.port), timeout=POLL * 8).close()
            except OSError:
                time.sleep(POLL)
            else:
                return


def _read(env_file: Path) -> dict[str, str]:
    from dotenv import dotenv_values

    try:
        with env_file.open(encoding="utf-8") as stream:
            return {name: value for name, value in dotenv_values(stream=stream, interpolate=False).items() if value}
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"cannot read the env file {env_file}: {getattr(error, 'strerror', None) or error}") from error
