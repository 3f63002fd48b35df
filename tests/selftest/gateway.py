"""A reverse proxy in front of one service: what people put there, with the faults that they put there with it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

HOST = "127.0.0.1"
NOT_PASSED_ON = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"})
TIMEOUT = 60.0


class Answer(BaseModel):
    """To requests whose ``"METHOD /path?query"`` matches ``request``, instead of the service's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: str
    status: int
    code: str = ""  # of an S3 error
    body: str = ""

    @property
    def content(self) -> tuple[str, bytes]:
        if self.code:
            return "application/xml", f"<Error><Code>{self.code}</Code><Message>{self.body}</Message></Error>".encode()
        return "text/html", (self.body or f"<html>{self.status}</html>").encode()


class Rules(BaseModel):
    """What the proxy does beside passing on what it gets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: tuple[Answer, ...] = ()
    largest_body: int | None = None  # bytes; a larger one is refused (nginx: client_max_body_size)
    ranges: bool = True  # without: the whole body is sent, whatever range was asked for
    conditions: bool = True  # without: what is to be written only if it is not there is written


@contextmanager
def gateway(url: str, rules: Rules, signed: Any = None) -> Iterator[int]:
    """The port of a proxy of ``url``.

    ``signed``: a function of method and path that gives the headers of a signed request; for the faults of a store that
    takes requests in its own name.
    """
    behind = urlsplit(url)
    faults = [(re.compile(answer.request), answer) for answer in rules.answers]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = next((one for pattern, one in faults if pattern.search(f"{self.command} {self.path}")), None)
            if rules.largest_body is not None and len(body) > rules.largest_body:
                found = Answer(request="", status=413)
            if found is not None:
                kind, content = found.content
                self.reply(found.status, [("Content-Type", kind)], content)
                return
            if not rules.conditions and "If-None-Match" in self.headers:
                ask("DELETE", self.path, signed("DELETE", self.path))
            status, headers, content = ask(self.command, self.path, list(self.headers.items()), body)
            if not rules.ranges and status == 206:
                status, headers, content = ask("GET", self.path, signed("GET", self.path))
            self.reply(status, headers, content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = handle_any  # noqa: N815

        def reply(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response_only(status)
            told = dict(headers) if self.command == "HEAD" else {}
            for name, value in headers:
                if name.lower() not in NOT_PASSED_ON:
                    self.send_header(name, value)
            self.send_header("Date", self.date_time_string())
            self.send_header("Content-Length", told.get("Content-Length", str(len(content))))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    def ask(
        method: str, path: str, headers: list[tuple[str, str]], body: bytes = b""
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = HTTPConnection(behind.hostname or HOST, behind.port, timeout=TIMEOUT)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
