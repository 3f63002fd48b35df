"""The kinds of datasource that answer here, by the names that Grafana's files and API give them."""

from __future__ import annotations

from .models import DataSource
from .queries.model import Kind
from .queries.postgres import Postgres
from .queries.prometheus import Prometheus

POSTGRES = "grafana-postgresql-datasource"
ALIASES = {"postgres": POSTGRES}  # "postgres" in a file is answered with the plugin's id
NAMES = {"prometheus": "Prometheus", POSTGRES: "PostgreSQL"}
_KINDS: dict[str, Kind] = {"prometheus": Prometheus(), POSTGRES: Postgres()}


def plugin_id(source: DataSource) -> str:
    return ALIASES.get(source.type, source.type)


def kind_of(source: DataSource) -> Kind | None:
    """None: the stand-in has no such plugin."""
    return _KINDS.get(plugin_id(source))
