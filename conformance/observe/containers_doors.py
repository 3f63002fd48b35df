"""The ports of a container that the kit reaches, and which protocol speaks there."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from conformance.observe.facts import Facts
from conformance.observe.web import Reply, brief, fetch
from conformance.stacks.base import Role

TIMEOUT_S = 5.0
MAX_DOORS = 8
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
POSTGRESQL, S3, CONSOLE, DASK, DASHBOARD = "postgresql", "s3", "console", "dask", "dashboard"
PREFECT, PROMETHEUS, GRAFANA = "prefect", "prometheus", "grafana"


class Door(Facts):
    """A port of the container, by the number that it has inside."""

    port: int
    speaks: str = ""  # a protocol of its role; empty: none of them
    detail: str = ""  # why none


def doors(role: Role, inspected: Mapping[str, Any]) -> tuple[Door, ...]:
    """What answers at the container's published ports (of which host ports they are is the kit's choice)."""
    return tuple(_door(role, *place) for place in list(_published(inspected))[:MAX_DOORS])


def _published(inspected: Mapping[str, Any]) -> Iterator[tuple[int, str, int]]:
    """Port inside, host and port outside."""
    ports = (inspected.get("NetworkSettings") or {}).get("Ports") or {}
    for inside, bindings in sorted(ports.items()):
        port, _, protocol = str(inside).partition("/")
        for binding in (bindings or ())[:1]:
            if protocol in ("", "tcp"):
                host = binding.get("HostIp") or "127.0.0.1"
                yield int(port), "127.0.0.1" if host in ("0.0.0.0", "::") else host, int(binding["HostPort"])  # noqa: S104


def _door(role: Role, port: int, host: str, outside: int) -> Door:
    detail = ""
    for protocol, recognise in _PROTOCOLS.get(role, {}).items():
        spoken, detail = recognise(host, outside)
        if spoken:
            return Door(port=port, speaks=protocol)
    return Door(port=port, detail=brief(detail))


def _speaks_postgresql(host: str, port: int) -> tuple[bool, str]:
    said, error = _say(host, port, SSL_REQUEST, 1)
    return said in (b"S", b"N", b"E"), error or f"answers {said!r} to PostgreSQL's first question"


def _speaks_dask(host: str, port: int) -> tuple[bool, str]:
    """A scheduler greets whoever connects: it tells how it compresses and pickles."""
    said, error = _say(host, port, b"", 4096)
    return b"pickle-protocol" in said, error or "does not greet as Dask does"


def _say(host: str, port: int, first: bytes, limit: int) -> tuple[bytes, str]:
    said = b""
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S) as connection:
            connection.sendall(first)
            while (
                len(said) < limit and b"pickle-protocol" not in said and (piece := connection.recv(limit - len(said)))
            ):
                said += piece
    except OSError as error:
        return said, "" if said else f"{type(error).__name__}: {error}"
    return said, ""


def _over_http(path: str, recognise: Callable[[Reply], bool]) -> Callable[[str, int], tuple[bool, str]]:
    def ask(host: str, port: int) -> tuple[bool, str]:
        reply = fetch(f"http://{host}:{port}{path}", timeout=TIMEOUT_S)
        return reply.status is not None and recognise(reply), f"GET {path}: {reply.status} {reply.answer.detail}"

    return ask


def _is_s3(reply: Reply) -> bool:
    return "xml" in reply.content_type or reply.text.lstrip().startswith("<?xml") or "<Error>" in reply.text


def _holds(*keys: str) -> Callable[[Reply], bool]:
    return lambda reply: isinstance(told := reply.json(), dict) and all(key in told for key in keys)


_PROTOCOLS: Mapping[Role, Mapping[str, Callable[[str, int], tuple[bool, str]]]] = {
    Role.POSTGRES: {POSTGRESQL: _speaks_postgresql},
    Role.OBJECT_STORE: {S3: _over_http("/", _is_s3), CONSOLE: _over_http("/", lambda reply: True)},
    Role.DASK_SCHEDULER: {DASHBOARD: _over_http("/json/identity.json", _holds("workers")), DASK: _speaks_dask},
    Role.PREFECT_SERVER: {PREFECT: _over_http("/api/health", lambda reply: reply.json() is True)},
    Role.PROMETHEUS: {PROMETHEUS: _over_http("/-/healthy", lambda reply: reply.answer.ok)},
    Role.GRAFANA: {GRAFANA: _over_http("/api/health", _holds("database"))},
}
