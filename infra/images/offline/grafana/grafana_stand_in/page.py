"""The page for people: what this is, which datasources answer, what the dashboards hold. Everything is escaped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from . import VERSION
from .api.calls import Grafana
from .auth import Refused, identify
from .models import Dashboard, DataSource
from .sources import kind_of, plugin_id

_TEMPLATE = Environment(autoescape=True).from_string("""<!doctype html>
<html lang="es"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sustituto de Grafana · Grafana stand-in</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
th,td{border:1px solid #c8ccd1;padding:.3rem .6rem;text-align:left;vertical-align:top}
td,code{overflow-wrap:anywhere}
th,td:not(:last-child){min-width:7rem}
.note{border-left:.4rem solid #b35900;background:#fff4e5;padding:.5rem 1rem}
</style></head><body>
<h1>Sustituto de Grafana · Grafana stand-in</h1>
<div class="note">
<p lang="es">Esto no es Grafana: es el sustituto del kit de conformidad. Lee los archivos de aprovisionamiento y los
tableros reales y responde la API HTTP como Grafana {{ version }}, para laboratorios sin acceso a la imagen original.
No dibuja los paneles.</p>
<p lang="en">This is not Grafana: it is the conformance kit's stand-in. It reads the real provisioning files and
dashboards and answers the HTTP API as Grafana {{ version }} does, for labs that cannot have the original image.
It draws no panels.</p>
</div>
{% if not listed %}
<p><a href="/dashboards">Entrar · Log in</a></p>
{% else %}
<h2>Fuentes de datos · Datasources</h2>
<table><tr><th>Nombre · Name</th><th>Tipo · Type</th><th>URL</th><th>uid</th><th>Salud · Health</th></tr>
{% for source, health in sources %}
<tr><td>{{ source.name }}{% if source.is_default %} (predeterminada · default){% endif %}</td><td>{{ source.type }}</td>
<td>{{ source.url }}</td><td>{{ source.uid }}</td><td>{{ health }}</td></tr>
{% else %}<tr><td colspan="5">Ninguna · None</td></tr>{% endfor %}</table>
<h2>Tableros · Dashboards</h2>
{% for dashboard, folder, panels in dashboards %}
<h3>{% if folder %}{{ folder }} / {% endif %}{{ dashboard.title }} <small>({{ dashboard.uid }})</small></h3>
<table><tr><th>Panel</th><th>Tipo · Type</th><th>Consultas · Queries</th></tr>
{% for panel in panels %}
<tr><td>{{ panel.title }}</td><td>{{ panel.type }}</td>
<td>{% for query in panel.queries %}<code>{{ query }}</code><br>{% endfor %}</td></tr>
{% else %}<tr><td colspan="3">Sin paneles · No panels</td></tr>{% endfor %}</table>
{% else %}<p>Ninguno · None</p>{% endfor %}
{% endif %}
</body></html>
""")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


def _render(**values: Any) -> Response:
    return HTMLResponse(_TEMPLATE.render(version=VERSION, **values), headers=_HEADERS)


async def _login(request: Request) -> Response:
    """Open to all: what this is, and nothing of what it holds."""
    return _render(listed=False)


def _root(request: Request) -> Response:
    """Grafana sends whoever is not logged in to ``/login``."""
    grafana: Grafana = request.app.state.grafana
    try:
        identity = identify(grafana.store, grafana.settings, request.headers.get("authorization"))
    except Refused:
        identity = None
    return _listing(grafana) if identity else RedirectResponse("/login", 302)


def _dashboards(request: Request) -> Response:
    """The same after the browser has asked for user and password."""
    answer = _root(request)
    if answer.status_code == 302:
        answer = HTMLResponse("401", 401, headers={"WWW-Authenticate": 'Basic realm="Grafana stand-in"'})
    return answer


def _listing(grafana: Grafana) -> Response:
    folders = {folder.uid: folder.title for folder in grafana.store.folders()}
    return _render(
        listed=True,
        sources=[(source, _health(source)) for source in grafana.store.datasources()],
        dashboards=[
            (dashboard, folders.get(dashboard.folder_uid, ""), list(_panels(dashboard)))
            for dashboard in grafana.store.dashboards()
        ],
    )


def _health(source: DataSource) -> str:
    kind = kind_of(source)
    if kind is None:
        return f"? ({plugin_id(source)})"
    health = kind.health(source)
    return f"{'OK' if health.ok else 'ERROR'}: {health.message}"


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    """Panels, those of collapsed rows too; whatever has not the shape of a panel is left out."""
    waiting = list(_dicts(dashboard.data.get("panels")))
    while waiting:
        panel = waiting.pop(0)
        if panel.get("type") == "row":
            waiting[:0] = _dicts(panel.get("panels"))
            continue
        queries = (target.get("expr") or target.get("rawSql") or "" for target in _dicts(panel.get("targets")))
        yield {
            "title": str(panel.get("title") or ""),
            "type": str(panel.get("type") or ""),
            "queries": [str(query)[:2000] for query in queries if query],
        }


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    yield from (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


ROUTES = [Route("/", _root), Route("/login", _login), Route("/dashboards", _dashboards)]
