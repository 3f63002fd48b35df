"""Requests to a datasource's own address, with its credentials; answers are bounded and failures are worded as Go's."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from ..models import DataSource

CONNECT, READ = 10.0, 60.0  # seconds: the SDK's dial timeout, and jsonData.queryTimeout's default
MAX_BODY = 64 * 2**20
CHUNK = 64 * 2**10


class Unreachable(Exception):  # noqa: N818 - a state of the other side
    """No answer came; the message says why."""


@dataclass(frozen=True)
class Reply:
    status: int
    reason: str
    body: bytes
    content_type: str | None


def send(
    source: DataSource, method: str, path: str, *, query: Mapping[str, str] | str | None = None,
    form: Mapping[str, str] | bytes | None = None, content_type: str | None = None,
) -> Reply:  # fmt: skip
    """Ask ``path`` below the datasource's url.

    Raises:
        Unreachable
    """
    url = f"{source.url.rstrip('/')}/{path.lstrip('/')}"
    headers = {"Content-Type": content_type} if content_type else {}
    try:
        with requests.request(
            method, url, params=query, data=form or None, headers=headers, auth=_credentials(source),
            timeout=(CONNECT, READ), stream=True,
        ) as answer:  # fmt: skip
            body = b""
            for chunk in answer.iter_content(CHUNK):
                body += chunk
                if len(body) > MAX_BODY:
                    raise Unreachable(f'{method.title()} "{url}": the answer has more than {MAX_BODY} bytes')
            return Reply(answer.status_code, answer.reason, body, answer.headers.get("content-type"))
    except requests.RequestException as error:
        raise Unreachable(f'{method.title()} "{url}": {_cause(error, url)}') from None


def _credentials(source: DataSource) -> tuple[str, str] | None:
    """pkg/services/datasources/service/datasource.go, httpClientOptions."""
    if source.basic_auth:
        return source.basic_auth_user, source.secure.get("basicAuthPassword", "")
    return (source.user, source.secure.get("password", "")) if source.user else None


def _cause(error: requests.RequestException, url: str) -> str:
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.MissingSchema):
        return f'unsupported protocol scheme "{urlsplit(url).scheme}"'
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return f"dial tcp: lookup {urlsplit(url).hostname}: no such host"
        if isinstance(cause, requests.Timeout):
            return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException) and cause.errno:
            return f"dial tcp: connect: {os.strerror(cause.errno).lower()}"
        cause = _below(cause)
    return str(error)


def _below(error: BaseException) -> BaseException | None:
    """urllib3 hands the cause on as an argument or an attribute, Python as a context."""
    handed = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
    return next((one for one in handed if isinstance(one, BaseException)), None)
