"""Which protocol speaks at a port: small servers answer as the real ones do."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conformance.observe.containers_doors import Door, doors
from conformance.stacks.base import Role
from conformance.stacks.ports import PortBlock


@contextmanager
def served(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]  # type: ignore[misc]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def saying(first: bytes = b"", answer: bytes = b"") -> socketserver.ThreadingTCPServer:
    """A server that greets with ``first`` and answers ``answer`` to whatever it hears."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(first)
            if answer and self.request.recv(1024):
                self.request.sendall(answer)

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    return socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)


def web(status: int, body: str, kind: str, only: str = "") -> ThreadingHTTPServer:
    """A web server that answers everything (or only that path) so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = not only or self.path == only
            self.send_response(status if found else 404)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode() if found else b"")

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def inspected(inside: int, outside: int, host: str = "127.0.0.1") -> dict[str, object]:
    bindings = [{"HostIp": host, "HostPort": str(outside)}]
    return {"NetworkSettings": {"Ports": {f"{inside}/tcp": bindings, "9187/tcp": None, "53/udp": bindings}}}


S3 = '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'
IDENTITY = '{"type": "Scheduler", "workers": {}}'


@pytest.mark.parametrize(
    ("role", "server", "spoken"),
    [
        (Role.POSTGRES, lambda: saying(answer=b"N"), "postgresql"),
        (Role.POSTGRES, lambda: saying(answer=b"S"), "postgresql"),
        (Role.POSTGRES, lambda: saying(answer=b"H"), ""),
        (Role.POSTGRES, lambda: saying(), ""),
        (Role.OBJECT_STORE, lambda: web(403, S3, "application/xml"), "s3"),
        (Role.OBJECT_STORE, lambda: web(200, "<html>console</html>", "text/html"), "console"),
        (Role.OBJECT_STORE, lambda: saying(answer=b"no HTTP\n"), ""),
        (Role.DASK_SCHEDULER, lambda: saying(first=b"\x01\x00\x84\xafpickle-protocol\x05"), "dask"),
        (Role.DASK_SCHEDULER, lambda: web(200, IDENTITY, "application/json", "/json/identity.json"), "dashboard"),
        (Role.DASK_SCHEDULER, lambda: web(200, "<html>", "text/html"), ""),
        (Role.PREFECT_SERVER, lambda: web(200, "true", "application/json", "/api/health"), "prefect"),
        (Role.PREFECT_SERVER, lambda: web(200, '"true"', "application/json", "/api/health"), ""),
        (Role.PROMETHEUS, lambda: web(200, "Healthy", "text/plain", "/-/healthy"), "prometheus"),
        (Role.PROMETHEUS, lambda: web(404, "", "text/plain"), ""),
        (Role.GRAFANA, lambda: web(200, '{"database": "ok"}', "application/json", "/api/health"), "grafana"),
        (Role.GRAFANA, lambda: web(200, '{"status": "ok"}', "application/json", "/api/health"), ""),
        (Role.OTHER, lambda: saying(), ""),
    ],
)  # fmt: skip
def test_a_protocol_is_known_by_its_answer(role: Role, server: object, spoken: str) -> None:
    with served(server()) as port:  # type: ignore[operator]
        (door,) = doors(role, inspected(4242, port))
    assert (door.port, door.speaks) == (4242, spoken)
    assert bool(door.detail) == (not spoken and role is not Role.OTHER)


def test_a_port_that_every_address_leads_to_is_asked_on_loopback() -> None:
    with served(saying(answer=b"N")) as port:
        assert doors(Role.POSTGRES, inspected(5432, port, "0.0.0.0")) == (Door(port=5432, speaks="postgresql"),)


def test_nobody_there_is_told() -> None:
    with PortBlock() as ports:
        (door,) = doors(Role.POSTGRES, inspected(5432, ports.take()))
    assert door.speaks == ""
    assert "refused" in door.detail.lower()


def test_what_is_not_published_is_no_door() -> None:
    assert doors(Role.POSTGRES, {"NetworkSettings": {"Ports": {"5432/tcp": None}}}) == ()
    assert doors(Role.POSTGRES, {}) == ()
    assert socket.getdefaulttimeout() is None
