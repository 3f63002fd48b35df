"""What the server says of itself: health, metrics, organisation, user, settings of the page."""

from __future__ import annotations

import sqlite3

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .. import COMMIT, VERSION
from ..auth import unauthorized
from ..settings import ORGANISATION
from ..sources import plugin_id
from .calls import Call, Grafana, reply, route


def _health(request: Request) -> Response:
    """pkg/api/health.go: open to all; 503 when the database does not answer."""
    grafana: Grafana = request.app.state.grafana
    try:
        grafana.store.folders()
    except sqlite3.Error:
        return reply({"database": "failing", "version": VERSION, "commit": COMMIT}, 503)
    return reply({"database": "ok", "version": VERSION, "commit": COMMIT})


def _healthz(request: Request) -> Response:
    return PlainTextResponse("Ok")


def _metrics(request: Request) -> Response:
    """A few of Grafana's own series (pkg/infra/metrics/metrics.go); open to all unless configured otherwise."""
    grafana: Grafana = request.app.state.grafana
    registry = CollectorRegistry()
    build = "A metric with a constant '1' value labeled by version, revision, branch, and goversion"
    info = Gauge(
        "grafana_build_info", build, ["branch", "edition", "goversion", "revision", "version"], registry=registry
    )
    info.labels("HEAD", "oss", "stand-in", COMMIT, VERSION).set(1)
    sources = grafana.store.datasources()
    by_type = Gauge(
        "grafana_stat_totals_datasource",
        "total number of defined datasources, labeled by pluginId",
        ["plugin_id"],
        registry=registry,
    )
    for kind in sorted(set(map(plugin_id, sources))):
        by_type.labels(kind).set(sum(plugin_id(source) == kind for source in sources))
    for name, text, value in (
        ("grafana_stat_totals_dashboard", "total amount of dashboards", len(grafana.store.dashboards())),
        ("grafana_stat_totals_folder", "total amount of folders", len(grafana.store.folders())),
    ):
        Gauge(name, text, registry=registry).set(value)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _org(call: Call) -> Response:
    address = dict.fromkeys(("address1", "address2", "city", "zipCode", "state", "country"), "")
    return reply({"id": 1, "name": ORGANISATION, "address": address})


def _user(call: Call) -> Response:
    """Who is logged in; the anonymous are nobody here."""
    identity = call.identity
    if not identity.login:
        raise unauthorized()
    return reply(
        {
            "id": identity.id,
            "uid": f"u{identity.id:06d}",
            "email": f"{identity.login}@localhost",
            "name": "",
            "login": identity.login,
            "theme": "",
            "orgId": 1,
            "isGrafanaAdmin": True,
            "isDisabled": False,
            "isExternal": False,
            "authLabels": [],
        }
    )


def _frontend_settings(call: Call) -> Response:
    """The parts that tools read: which build, which datasources, which is the default."""
    sources = call.store.datasources()
    default = next((source.name for source in sources if source.is_default), "-- Grafana --")
    listed = {
        source.name: {
            "id": source.id,
            "uid": source.uid,
            "name": source.name,
            "type": plugin_id(source),
            "access": source.access,
            "isDefault": source.is_default,
            "readOnly": source.read_only,
            "jsonData": source.json_data,
        }
        for source in sources
    }
    build = {
        "hideVersion": False,
        "version": VERSION,
        "versionString": f"Grafana v{VERSION} ({COMMIT})",
        "commit": COMMIT,
        "buildstamp": 0,
        "edition": "Open Source",
        "env": "production",
    }
    return reply({"appUrl": "", "defaultDatasource": default, "datasources": listed, "buildInfo": build})


def _stats(call: Call) -> Response:
    return reply(
        {
            "orgs": 1,
            "dashboards": len(call.store.dashboards()),
            "datasources": len(call.store.datasources()),
            "folders": len(call.store.folders()),
            "users": 1,
        }
    )


ROUTES = [
    Route("/api/health", _health),
    Route("/healthz", _healthz),
    Route("/metrics", _metrics),
    route("/api/org", _org, "orgs:read"),
    route("/api/user", _user),
    route("/api/frontend/settings", _frontend_settings),
    route("/api/admin/stats", _stats, "server:stats:read"),
]
