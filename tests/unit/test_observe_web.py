"""HTTP for observers: whatever the other side does, a bounded reply comes back and no exception."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conformance.observe import web
from conformance.observe.web import brief, fetch


class Odd(BaseHTTPRequestHandler):
    """Answers by path."""

    stop = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(307)
            self.send_header("Location", "/json?seen=1")
            self.end_headers()
        elif self.path.startswith("/json"):
            self._answer(200, json.dumps({"path": self.path, "accept": self.headers["Accept"]}).encode())
        elif self.path == "/who":
            self._answer(200, json.dumps(self.headers["Authorization"]).encode())
        elif self.path == "/text":
            self._answer(200, b"not json\xff")
        elif self.path == "/denied":
            self._answer(403, b'{"ok": true}')
        elif self.path == "/drip":
            self._drip()
        elif self.path == "/circle":
            self.send_response(302)
            self.send_header("Location", "/circle")
            self.end_headers()
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"only this")
        else:
            self.wfile.write(b"gibberish\r\n\r\n")

    def do_POST(self) -> None:
        self._answer(201, self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while not self.stop.wait(0.02):
                self.wfile.write(b"x")
        except OSError:
            pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Odd.stop.set()
        server.shutdown()
        thread.join()


def test_redirects_are_followed_and_parameters_sent(url: str) -> None:
    reply = fetch(f"{url}/away", accept="text/html")
    assert (reply.status, reply.json()) == (200, {"path": "/json?seen=1", "accept": "text/html"})
    assert fetch(f"{url}/json", params={"q": "a b"}).json()["path"] == "/json?q=a+b"


def test_a_payload_goes_as_json(url: str) -> None:
    reply = fetch(f"{url}/", method="POST", payload={"a": [1]})
    assert (reply.status, reply.json()) == (201, {"a": [1]})


def test_what_is_no_json_is_none(url: str) -> None:
    reply = fetch(f"{url}/text")
    assert reply.answer.ok
    assert reply.json() is None
    assert reply.answer.detail == "not json\ufffd"


def test_json_of_a_refusal_is_not_taken_for_an_answer(url: str) -> None:
    reply = fetch(f"{url}/denied")
    assert (reply.status, reply.answer.ok, reply.json()) == (403, False, None)


def test_user_and_password_are_sent_when_given(url: str) -> None:
    assert fetch(f"{url}/who").json() is None
    scheme, _, token = fetch(f"{url}/who", auth=("admin", "contraseña:1")).json().partition(" ")
    assert (scheme, base64.b64decode(token).decode()) == ("Basic", "admin:contraseña:1")


@pytest.mark.parametrize("path", ["/circle", "/short", "/gibberish"])
def test_broken_http_is_a_reply_without_status(url: str, path: str) -> None:
    reply = fetch(f"{url}{path}")
    assert reply.status is None
    assert reply.error
    assert reply.answer.detail == reply.error


def test_a_body_that_never_ends_is_left(url: str) -> None:
    reply = fetch(f"{url}/drip", timeout=0.2)
    assert reply.status is None
    assert "still coming" in reply.error


def test_a_body_that_is_too_long_is_left(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_BODY", 16)
    assert fetch(f"{url}/json").status is None


def test_nobody_there_is_a_reply_too() -> None:
    reply = fetch("http://127.0.0.1:1/")
    assert reply.status is None
    assert "refused" in reply.error


def test_nonsense_for_a_url_is_a_reply_too() -> None:
    assert fetch("nonsense").status is None


def test_proxies_of_the_environment_are_not_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert fetch(f"{url}/json").status == 200


def test_brief_is_one_short_line() -> None:
    assert brief("a\n  b\tc") == "a b c"
    assert brief("x" * 400) == "x" * 299 + "…"
