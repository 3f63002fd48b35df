"""What is wrong with the files that a repository mounts into Grafana, as Grafana would find at its start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from conformance.observe.compose_facts import Provisioning

# kinds of datasource that are reached at a url; others (of files, of test data) may have none
_WITH_URL = (
    "prometheus", "loki", "tempo", "alertmanager", "elasticsearch", "influxdb", "graphite", "mysql", "mssql",
    "postgres", "grafana-postgresql-datasource",
)  # fmt: skip


def faults(files: Provisioning) -> Iterator[tuple[str, str]]:
    """What is wrong, each with its kind: the name of a hint."""
    yield from (("not_parsed", problem) for problem in files.problems)
    yield from (("entry", fault) for fault in _datasources(files))
    defaults = Counter(one.org or "1" for one in files.datasources if one.default)
    if any(count > 1 for count in defaults.values()):
        yield "two_defaults", f"isDefault in {', '.join(one.name for one in files.datasources if one.default)}"
    for provider in files.providers:
        if not provider.path:
            yield "entry", f"{provider.file}: provider {provider.name or '?'} names no path"
        elif not (provider.seen or files.built):
            yield "no_folder", f"{provider.file}: nothing is mounted at {provider.path}"
    yield from (("dashboard", f"{one.file}: {one.problem}") for one in files.dashboards if one.problem)
    read = {"datasources": files.datasources, "providers": files.providers}
    yield from (("not_read", f"{one.file} is mounted at {one.path}") for one in files.strays if not read[one.kind])


def _datasources(files: Provisioning) -> Iterator[str]:
    for one in files.datasources:
        lacking = [word for word, there in (("name", one.name), ("type", one.type)) if not there]
        lacking += ["url"] if one.type in _WITH_URL and not one.has_url else []
        if lacking:
            yield f"{one.file}: datasource {one.name or '?'} lacks {', '.join(lacking)}"
