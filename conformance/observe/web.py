"""HTTP as observers need it: a bounded reply or why there was none, never an exception."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import Any

from conformance.observe.facts import Facts

MAX_BODY = 8 * 1024 * 1024
EXCERPT = 300
PATIENCE_S = 20.0  # a small machine with ten containers may need most of it for the first Bokeh page


def brief(text: object, limit: int = EXCERPT) -> str:
    """One line of at most ``limit`` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


class Answer(Facts):
    """What an HTTP request came back with."""

    status: int | None = None  # None: no answer at all
    content_type: str = ""
    detail: str = ""  # how the body begins, or the error

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class Reply:
    """A whole reply of less than :data:`MAX_BODY` bytes; otherwise ``status`` is None and ``error`` says why."""

    status: int | None
    content_type: str = ""
    body: bytes = b""
    error: str = ""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    @property
    def answer(self) -> Answer:
        return Answer(
            status=self.status, content_type=brief(self.content_type, 100), detail=self.error or brief(self.text)
        )

    def json(self) -> Any:
        """The body as JSON; None when it is not, or when the request did not succeed."""
        if not self.answer.ok:
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def fetch(
    url: str, *, method: str = "GET", payload: object = None, params: dict[str, str] | None = None,
    accept: str = "*/*", timeout: float = PATIENCE_S, auth: tuple[str, str] | None = None,
) -> Reply:  # fmt: skip
    """One request, straight to the deployment (the environment's proxies are for the internet), following redirects.

    ``auth``: user and password for HTTP Basic, sent in UTF-8; no redirect takes them to another host.
    """
    import requests
    from urllib3.exceptions import HTTPError

    headers = {"Accept": accept}
    if auth is not None:
        headers["Authorization"] = f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}"
    deadline = time.monotonic() + 2 * timeout
    with requests.Session() as session:
        session.trust_env = False
        try:
            with session.request(
                method, url, json=payload, params=params, headers=headers, timeout=timeout, stream=True
            ) as response:
                body = b""
                while chunk := response.raw.read1(65536, decode_content=True):
                    body += chunk
                    if len(body) >= MAX_BODY or time.monotonic() > deadline:  # endless, or a byte at a time
                        return Reply(None, error=f"the body was still coming after {len(body)} bytes")
                return Reply(response.status_code, response.headers.get("Content-Type", ""), body)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            return Reply(None, error=brief(f"{type(error).__name__}: {error}"))
