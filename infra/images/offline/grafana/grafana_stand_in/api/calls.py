"""How an endpoint is written: a plain function of a call, run in a thread, guarded by a permission."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..auth import Identity, Refused, denied, identify, unauthorized
from ..provisioning.dashboards import Dashboards
from ..settings import Settings
from ..store import Store

MAX_BODY = 10 * 2**20


@dataclass
class Grafana:
    """The running server. ``dashboards`` is None until the providers have been read."""

    settings: Settings
    store: Store
    dashboards: Dashboards | None = None


@dataclass(frozen=True)
class Call:
    """A request that may be answered."""

    grafana: Grafana
    identity: Identity
    request: Request
    body: bytes

    @property
    def store(self) -> Store:
        return self.grafana.store

    @property
    def path(self) -> Mapping[str, str]:
        return self.request.path_params

    def json(self) -> dict[str, Any]:
        """The body as an object.

        Raises:
            Refused
        """
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise error(400, "bad request data")
        return value


Handler = Callable[[Call], Response]


def error(code: int, message: str, **more: Any) -> Refused:
    """An answer with that status code; ``more`` goes into its body beside the message."""
    return Refused(code, {"message": message, **more})


def reply(body: Any, status: int = 200) -> Response:
    return JSONResponse(body, status)


def route(path: str, handler: Handler, needs: str = "", methods: tuple[str, ...] = ("GET",)) -> Route:
    """``needs``: a permission; empty: whoever is known, the anonymous too."""

    async def endpoint(request: Request) -> Response:
        grafana: Grafana = request.app.state.grafana
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                return reply({"message": "bad request data"}, 400)
        try:
            return await run_in_threadpool(_answer, grafana, request, body)
        except Refused as refused:
            return reply(refused.body, refused.status)

    def _answer(grafana: Grafana, request: Request, body: bytes) -> Response:
        identity = identify(grafana.store, grafana.settings, request.headers.get("authorization"))
        if identity is None:
            raise unauthorized()
        if needs and needs not in identity.permissions:
            raise denied(needs)
        return handler(Call(grafana, identity, request, body))

    return Route(path, endpoint, methods=list(methods))
