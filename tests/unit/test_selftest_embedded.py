"""The parts of the proof on a running stack that need none: the proxy, what is judged, and that steps are undone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import requests
from alterations import Ground, Step, applied
from cases import Case, cases
from embedded import Plan
from gateway import Answer, Rules, gateway
from pydantic import ValidationError

from conformance.kit import Kit

KIT = Kit()
EMBEDDED = [*cases("breach", "embedded"), *cases("variant", "embedded")]


@pytest.mark.parametrize("case", EMBEDDED, ids=lambda case: case.name)
def test_a_case_can_be_read_and_is_judged_on_what_it_is_about(case: Case) -> None:
    judged = Plan.of(case).judged(case, KIT)
    assert judged >= case.fails | set(case.covers)
    assert judged <= case.profile(KIT).ids


@pytest.fixture
def case(tmp_path: Path) -> Callable[[str, str], Case]:
    def write(expect: str, plan: str) -> Case:
        folder = tmp_path / "breaches" / "a case"
        folder.mkdir(parents=True)
        (folder / "expect.toml").write_text(expect, encoding="utf-8")
        (folder / "embedded.toml").write_text(plan, encoding="utf-8")
        return Case(folder)

    return write


@pytest.mark.parametrize(
    ("expect", "judge", "there", "not_there"),
    [
        ('fails = ["PGS-08"]', "", {"PGS-01", "PGS-08"}, {"PGS-04", "PGS-07", "MED-01"}),
        ('fails = ["PGS-04"]', "", {"PGS-04", "PGS-01"}, {"PGS-07"}),
        ('fails = ["DSK-07"]', "", {"DSK-07", "DSK-01"}, {"PRM-04"}),
        ('fails = ["MED-05"]', 'judge = ["OBJ-02"]', {"MED-05", "OBJ-02"}, {"MED-01"}),
        ('fails = ["E2E-01"]', "", {"E2E-01"}, {"E2E-05"}),
    ],
)
def test_what_takes_long_is_judged_when_a_case_is_about_it(
    case: Callable[[str, str], Case], expect: str, judge: str, there: set[str], not_there: set[str]
) -> None:
    one = case(expect, f'{judge}\n[[alter]]\nsql = "SELECT"\n')
    judged = Plan.of(one).judged(one, KIT)
    assert judged >= there
    assert not judged & not_there


@pytest.mark.parametrize("plan", ["", '[[alter]]\nsqll = "SELECT"', '[[alter]]\nsql = "SELECT"\nstop = "postgres"'])
def test_a_case_that_says_something_else_is_refused(case: Callable[[str, str], Case], plan: str) -> None:
    with pytest.raises(ValidationError):
        Plan.of(case('fails = ["PGS-01"]', plan))


class Recorded:
    def __init__(self, name: str, done: list[str], fails: bool = False) -> None:
        self.name, self.done, self.fails = name, done, fails

    def apply(self, _: object) -> Callable[[], object]:
        if self.fails:
            raise ValueError(self.name)
        self.done.append(self.name)
        return lambda: self.done.append(f"not {self.name}")


def test_steps_are_undone_the_last_first_also_when_one_cannot_be_taken() -> None:
    done: list[str] = []
    steps = cast(list[Step], [Recorded("a", done), Recorded("b", done), Recorded("c", done, fails=True)])
    with pytest.raises(ValueError, match="c"), applied(steps, cast(Ground, None)):
        done.append("judged")
    assert done == ["a", "b", "not b", "not a"]


# --- the proxy


@pytest.fixture
def service() -> Iterator[tuple[str, list[tuple[str, str, dict[str, str], bytes]]]]:
    """A server that remembers what it is asked, and says 412 to conditions and 206 to ranges."""
    asked: list[tuple[str, str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path, dict(self.headers), body))
            ranged = "Range" in self.headers
            self.send_response(412 if "If-None-Match" in self.headers else 206 if ranged else 200)
            content = b"some" if ranged else b"something"
            self.send_header("ETag", '"e"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def ask(service: tuple[str, Any]) -> Callable[..., requests.Response]:
    def send(rules: Rules, method: str, path: str, **more: Any) -> requests.Response:
        with gateway(service[0], rules, lambda method, path: [("Host", "h"), ("Authorization", "own")]) as port:
            return requests.request(method, f"http://127.0.0.1:{port}{path}", timeout=10, **more)

    return send


def test_without_rules_all_is_passed_on(service: tuple[str, Any], ask: Callable[..., requests.Response]) -> None:
    reply = ask(Rules(), "PUT", "/a/l%C3%ADnea%3D1?x=%20y", data=b"body", headers={"X-One": "1"})
    method, path, headers, body = service[1][0]
    assert (method, path, headers["X-One"], body) == ("PUT", "/a/l%C3%ADnea%3D1?x=%20y", "1", b"body")
    assert (reply.status_code, reply.content, reply.headers["ETag"]) == (200, b"something", '"e"')
    assert ask(Rules(), "HEAD", "/").headers["Content-Length"] == "9"
    assert ask(Rules(), "GET", "/", headers={"Range": "bytes=0-3"}).content == b"some"
    assert ask(Rules(), "PUT", "/", headers={"If-None-Match": "*"}).status_code == 412


def test_what_it_answers_itself_is_not_passed_on(
    service: tuple[str, Any], ask: Callable[..., requests.Response]
) -> None:
    refusal = Answer(request="^PUT /raw/", status=403, code="AccessDenied", body="no")
    rules = Rules(answers=(refusal, Answer(request="GET /$", status=404)), largest_body=4)
    assert "<Code>AccessDenied</Code><Message>no<" in ask(rules, "PUT", "/raw/1").text
    assert ask(rules, "GET", "/").status_code == 404
    assert ask(rules, "PUT", "/gold/1", data=b"12345").status_code == 413
    assert service[1] == []
    assert ask(rules, "PUT", "/gold/1", data=b"1234").status_code == 200
    assert ask(rules, "GET", "/raw/").status_code == 200


def test_a_store_that_knows_no_ranges_sends_all(
    service: tuple[str, Any], ask: Callable[..., requests.Response]
) -> None:
    reply = ask(Rules(ranges=False), "GET", "/k", headers={"Range": "bytes=0-3", "Authorization": "caller's"})
    assert (reply.status_code, reply.content) == (200, b"something")
    assert [headers["Authorization"] for _, _, headers, _ in service[1]] == ["caller's", "own"]


def test_a_store_that_knows_no_conditions_removes_what_is_there(
    service: tuple[str, Any], ask: Callable[..., requests.Response]
) -> None:
    ask(Rules(conditions=False), "PUT", "/k", headers={"If-None-Match": "*"})
    assert [method for method, *_ in service[1]] == ["DELETE", "PUT"]
