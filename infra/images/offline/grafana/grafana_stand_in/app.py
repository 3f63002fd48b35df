"""The application: routes, the header that says what it is, and Grafana's answer to what is not there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import HEADER, page
from .api import dashboards, datasources, server
from .api.calls import Grafana


class _Labelled:
    """Every answer says that it is the stand-in's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def labelled(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER[0]] = HEADER[1]
            await send(message)

        await self._app(scope, receive, labelled)


async def _absent(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return JSONResponse({"message": "Not found" if status == 404 else "Method not allowed"}, status)


async def _broken(request: Request, error: Exception) -> Response:
    words = "Internal Server Error - Check the Grafana server logs for the detailed error message."
    return JSONResponse({"message": words}, 500)


def application(
    grafana: Grafana, started: Callable[[], None] | None = None, ended: Callable[[], None] | None = None
) -> ASGIApp:
    """``started`` is called when requests can be answered, ``ended`` when no more will come."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if started:
            started()
        yield
        if ended:
            ended()

    span: Callable[[Starlette], AbstractAsyncContextManager[None]] = lifespan
    app = Starlette(
        routes=[*server.ROUTES, *datasources.ROUTES, *dashboards.ROUTES, *page.ROUTES],
        exception_handlers={404: _absent, 405: _absent, 500: _broken},
        lifespan=span,
    )
    app.state.grafana = grafana
    return _Labelled(app)
