"""Who asks, and what they may do: basic authentication, the anonymous role, and the roles' permissions.

Sources: pkg/services/authn/clients, pkg/api/accesscontrol.go. In the open source edition a Viewer may also read and
query every datasource ("when running oss … all users should be able to query data sources").
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import Any

from .settings import Settings
from .store import Store

_VIEWER = frozenset({"datasources:read", "datasources:query", "dashboards:read", "folders:read", "orgs:read"})
_EDITOR = _VIEWER | {"dashboards:create", "dashboards:write", "dashboards:delete", "folders:create", "folders:delete"}
_ADMIN = _EDITOR | {"datasources:create", "datasources:write", "datasources:delete"}
_SERVER_ADMIN = frozenset({"server:stats:read"})


@dataclass(frozen=True)
class Identity:
    login: str  # empty: anonymous
    role: str
    id: int = 0

    @property
    def permissions(self) -> frozenset[str]:
        if self.login:
            return _ADMIN | _SERVER_ADMIN
        return {"Viewer": _VIEWER, "Editor": _EDITOR, "Admin": _ADMIN}[self.role]


class Refused(Exception):  # noqa: N818 - an answer
    """The request goes no further; ``body`` is Grafana's."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body.get("message"))
        self.status, self.body = status, body


def identify(store: Store, settings: Settings, authorization: str | None) -> Identity | None:
    """Whose request it is; None: nobody's, and there is no anonymous role.

    Raises:
        Refused: credentials that are wrong; they are never taken for no credentials.
    """
    if not authorization:
        return Identity("", settings.anonymous_role) if settings.anonymous_role else None
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise Refused(401, _coded("api-key.invalid", "Invalid API key"))
    try:
        login, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Refused(401, _coded("basic-auth.invalid-header", "Invalid Basic Auth Header")) from None
    account = store.login(login, password, lock_out=settings.lock_out)
    if account is None:
        raise Refused(401, _coded("password-auth.failed", "Invalid username or password"))
    return Identity(login, "Admin", account)


def unauthorized() -> Refused:
    return Refused(401, {"extra": None, **_coded("auth.unauthorized", "Unauthorized"), "traceID": ""})


def denied(permission: str) -> Refused:
    """pkg/services/accesscontrol/middleware.go, deny."""
    number = "".join(secrets.choice("0123456789") for _ in range(10))
    return Refused(
        403,
        {
            "accessErrorId": f"ACE{number}",
            "message": f"You'll need additional permissions to perform this action. Permissions needed: {permission}",
            "title": "Access denied",
        },
    )


def _coded(message_id: str, message: str) -> dict[str, Any]:
    return {"message": message, "messageId": message_id, "statusCode": 401}
