"""How the pipeline speaks to Prefect's API, against a server that does what a busy one does."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pqrs_lakehouse import flows
from pqrs_lakehouse.settings import Settings

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@contextmanager
def prefect(drops: Callable[[int], bool]) -> Iterator[tuple[Settings, list[str]]]:
    """Answers every request, but resets the connections of those that ``drops`` names, by their number from 1."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(f"{self.command} {self.path}")
            if drops(len(asked)):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                self.connection.shutdown(socket.SHUT_RD)
                self.close_connection = True
                return
            body = b'{"id": "made"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            api = f"http://127.0.0.1:{server.server_port}/api"
            yield Settings(*["unused"] * 4, "http://unused", *["unused"] * 2, prefect_api_url=api), asked
        finally:
            server.shutdown()
            thread.join()


def test_a_connection_that_was_closed_when_it_was_used_again_is_no_failure() -> None:
    with prefect(drops=lambda number: number == 3) as (settings, asked):
        assert flows.deploy(settings) == "made"
    assert asked == ["GET /api/work_pools/default", "POST /api/flows/", *["POST /api/deployments/"] * 2]


def test_a_server_that_never_answers_is_told() -> None:
    told = pytest.raises(flows.OrchestrationError, match=r"Prefect does not answer at .*: ConnectionError")
    with prefect(drops=lambda number: True) as (settings, asked), told:
        flows.deploy(settings)
    assert len(asked) == 3
