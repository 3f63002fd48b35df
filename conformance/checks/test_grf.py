"""Grafana as code: it provisions itself, points at Prometheus by name, draws its panels and keeps strangers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar
from urllib.parse import urlsplit

from conformance.checks.provisioning import faults
from conformance.observe.compose_facts import ComposeFacts
from conformance.observe.disruption_facts import DisruptionFacts, GrafanaWipe
from conformance.observe.grafana_facts import Datasource, Entry, GrafanaFacts, PanelQuery
from conformance.observe.grafana_panels import asks_for_alerts
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import cannot_tell, guarantee, holds, kit_fault

T = TypeVar("T", Datasource, Entry)

PROMETHEUS = "prometheus"  # the type of datasource
LOCALHOST = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - a name to look for
TOLD = 5  # things that a message names

# Words of Grafana's log, and what they mean for a student.
STOPPED = {
    "read_only": ("read-only file system",),
    "permissions": ("not writable", "permission denied", "unable to open database file", "readonly database"),
    "provisioning": ("provisioning", "yaml"),
}
SKIPPED = {
    "new_schema": ("v2 format", '"v2', "v2beta", "v2alpha"),
    "no_provider": ("dashboard provisioning files",),
    "no_folder": ("no such file", "can't read", "stat /"),
    "bad_json": ("failed to load dashboard", "invalid character", "unexpected end of json", "title cannot be empty"),
}
# Words of a datasource's error, likewise.
BROKEN = {
    "name": ("no such host", "server misbehaving", "name resolution"),
    "refused": ("connection refused",),
    "unreachable": ("timeout", "deadline exceeded", "no route to host"),
}


@guarantee("GRF-01")
def test_grafana_is_healthy(grafana: GrafanaFacts) -> None:
    health = grafana.health
    holds(
        health.ok and grafana.database == "ok",
        observed=f"GET /api/health: {health.status or 'no answer'}{_log(grafana)}; {health.detail}",
        hint=_cause(STOPPED, *grafana.log),
    )


@guarantee("GRF-02")
def test_the_prometheus_datasource_provisions_itself(grafana: GrafanaFacts) -> None:
    if grafana.datasources is None:
        cannot_tell(_no_entry(grafana))
    if grafana.provisioning is None:
        cannot_tell(f"the provisioning files cannot be seen: {_some(grafana.trouble)}")
    there, entries = _of_prometheus(grafana.datasources), _of_prometheus(grafana.provisioning.entries)
    holds(
        any(_provisions(entry, one) for entry in entries for one in there),
        observed=f"in Grafana: {_datasources(grafana.datasources)}; in {grafana.provisioning.folder}/datasources: "
        f"{_some(f'{entry.name} ({entry.type}, {entry.file})' for entry in grafana.provisioning.entries)}"
        f"{_also(grafana.provisioning.problems)}",
        hint="not_loaded" if entries else "by_hand" if there else "no_file",
        folder=grafana.provisioning.folder,
    )


@guarantee("GRF-03")
def test_it_points_at_prometheus_by_name_through_the_server(grafana: GrafanaFacts) -> None:
    ours = _ours(grafana)
    if not ours:
        cannot_tell(_no_entry(grafana))
    by_name = [one for one in ours if _is_by_name(one, grafana)]
    holds(
        any(one.access != "direct" for one in by_name),
        observed=_some(f"{one.name}: url {one.url or '(empty)'}, access {one.access}" for one in ours),
        hint="direct" if by_name else "localhost" if _is_localhost(ours[0]) else "another_host",
        service=grafana.prometheus_names[0] if grafana.prometheus_names else PROMETHEUS,
    )


@guarantee("GRF-04")
def test_the_datasource_works(grafana: GrafanaFacts) -> None:
    ours = _ours(grafana)
    if not ours:
        cannot_tell(_no_entry(grafana))
    works = any(_works(one) for one in ours)
    if not works and grafana.prometheus_ready and not grafana.prometheus_ready.ok:
        cannot_tell(f"Prometheus itself is not ready: {grafana.prometheus_ready.detail}")
    holds(works, observed=_some(map(_trial, ours)), hint=_why_broken(ours[0]))


@guarantee("GRF-05")
def test_dashboards_provision_themselves(grafana: GrafanaFacts, params: Parameters) -> None:
    if grafana.dashboards is None:
        cannot_tell(_no_entry(grafana))
    provisioned = [one for one in grafana.dashboards if one.file]
    files = len(grafana.provisioning.dashboards) if grafana.provisioning else 0
    by_hand = "by_hand" if grafana.dashboards and not provisioned else None
    holds(
        len(provisioned) >= params.min_dashboards,
        observed=f"of files: {_some(one.title for one in provisioned)}; "
        f"of none: {_some(one.title for one in grafana.dashboards if not one.file)}; "
        f"JSON files at the paths of the providers: {files}{_log(grafana)}",
        hint=_cause(SKIPPED, *grafana.log) or by_hand or ("no_json" if grafana.provisioning and not files else None),
        minimum=params.min_dashboards,
    )


@guarantee("GRF-06")
def test_every_panel_can_be_drawn(grafana: GrafanaFacts, params: Parameters) -> None:
    if grafana.dashboards is None or grafana.datasources is None:
        cannot_tell(_no_entry(grafana))
    if grafana.prometheus_ready and not grafana.prometheus_ready.ok:
        cannot_tell(f"Prometheus itself is not ready: {grafana.prometheus_ready.detail}")
    unread = [f"{one.title}: {one.problem}" for one in grafana.dashboards if one.problem]
    holds(not unread, observed=_some(unread), hint="unreadable")
    broken = [one for one in grafana.queries if one.problem or (one.last and not one.last.ok)]
    holds(
        not broken,
        observed=_some(map(_panel, broken)),
        hint=_why_not_drawn(broken[0]) if broken else None,
        there=_some(f"{one.name}, uid {one.uid}" for one in grafana.datasources),
    )
    empty = [one for one in grafana.queries if one.last and not one.last.rows and not asks_for_alerts(one.text)]
    holds(
        not (params.panels_return_data and empty),
        observed=_some(f"{_place(one)}: no data for {one.text}" for one in empty),
        hint="no_data",
    )
    if grafana.unasked:
        cannot_tell(f"{grafana.unasked} queries were not asked: there are too many, or they take too long")


@guarantee("GRF-07")
def test_a_new_grafana_is_the_same(disruption: DisruptionFacts) -> None:
    kit_fault(disruption.trouble.get("grafana_wipe"))
    wipe = disruption.grafana_wipe
    if wipe is None or wipe.before.problem:
        cannot_tell(wipe.before.problem if wipe else "Grafana's state was not wiped")
    holds(not wipe.after.problem, observed=wipe.after.problem)
    lost = [
        *(
            f"datasource {one.name} ({one.type})"
            for one in wipe.before.datasources
            if one not in wipe.after.datasources
        ),
        *(f"dashboard {title}" for title in _missing_titles(wipe)),
    ]
    holds(not lost, observed=", ".join(lost))


@guarantee("GRF-08")
def test_strangers_are_not_administrators(grafana: GrafanaFacts, params: Parameters) -> None:
    if grafana.strangers is None:
        cannot_tell(_no_entry(grafana))
    wrote = grafana.strangers.wrote
    holds(not wrote, observed=f"made without a password: {_some(wrote)}", hint="anonymous")
    if params.refuse_factory_login:
        if grafana.factory_login is None:
            cannot_tell("Grafana did not answer to admin/admin")
        holds(not grafana.factory_login, observed="admin/admin is let in", hint="factory")


@guarantee("GRF-09")
def test_provisioning_files_are_right_before_anything_runs(compose: ComposeFacts) -> None:
    if not compose.provisioning:
        cannot_tell("the Compose file has no Grafana")
    for files in compose.provisioning:
        found = list(faults(files))
        holds(
            not found,
            observed="; ".join(fault for _, fault in found),
            hint=found[0][0] if found else None,
            folder=files.folder,
        )
        if not (files.datasources or files.providers):
            if files.built:
                cannot_tell(
                    f"nothing is mounted at {files.folder}; what the image of {files.service} brings is not seen"
                )
            holds(False, observed=f"{files.service}: nothing at {files.folder}", hint="no_files", folder=files.folder)


def _of_prometheus(these: Iterable[T]) -> list[T]:
    return [one for one in these if one.type == PROMETHEUS]


def _provisions(entry: Entry, datasource: Datasource) -> bool:
    return bool(entry.uid and entry.uid == datasource.uid) or entry.name == datasource.name


def _ours(grafana: GrafanaFacts) -> list[Datasource]:
    """The Prometheus datasources that files provision; all of them where the files cannot be seen."""
    there = _of_prometheus(grafana.datasources or ())
    if grafana.provisioning is None:
        return there
    return [
        one for one in there if any(_provisions(entry, one) for entry in _of_prometheus(grafana.provisioning.entries))
    ]


def _is_by_name(datasource: Datasource, grafana: GrafanaFacts) -> bool:
    """By a name of Prometheus, with or without its network's; by another service's where that brings its series."""
    host = (urlsplit(datasource.url).hostname or "").casefold()
    names = {name.casefold() for name in grafana.prometheus_names}
    others = {name.casefold() for name in grafana.service_names}
    return host in names or (_works(datasource) and (host in others or host.partition(".")[0] in names))


def _is_localhost(datasource: Datasource) -> bool:
    return (urlsplit(datasource.url).hostname or "") in LOCALHOST


def _works(datasource: Datasource) -> bool:
    """Its health is good, or cannot be asked for, and `up` has series."""
    healthy = datasource.health is None or datasource.health.ok
    return bool(healthy and datasource.up and datasource.up.ok and datasource.up.rows)


def _trial(datasource: Datasource) -> str:
    health = "not asked" if datasource.health is None else datasource.health.detail or str(datasource.health.ok)
    up = datasource.up
    series = "not asked" if up is None else f"{up.rows} series" if up.ok else up.detail
    return f"{datasource.name} ({datasource.url or 'no url'}): health: {health}; up: {series}"


def _why_broken(datasource: Datasource) -> str | None:
    told = [one.detail for one in (datasource.health, datasource.up) if one is not None and not one.ok]
    if not told:
        return "no_series"
    return "localhost" if _is_localhost(datasource) else _cause(BROKEN, *told)


def _why_not_drawn(query: PanelQuery) -> str:
    if query.problem:
        return "input" if query.datasource.startswith(("${", "$")) else "datasource"
    return "query"


def _panel(query: PanelQuery) -> str:
    return f"{_place(query)}: {query.problem or (query.last.detail if query.last else '')}"


def _place(query: PanelQuery) -> str:
    return f"{query.dashboard} › {query.panel} ({query.ref})"


def _datasources(datasources: Iterable[Datasource]) -> str:
    return _some(f"{one.name} ({one.type}{', read-only' if one.read_only else ''})" for one in datasources)


def _no_entry(grafana: GrafanaFacts) -> str:
    login = grafana.login
    said = f"the configured administrator is not let in: {login.detail}" if login and not login.ok else ""
    return "; ".join(filter(None, [said, *grafana.trouble])) or "Grafana's API does not tell"


def _log(grafana: GrafanaFacts) -> str:
    return f"; log: {' | '.join(grafana.log)}" if grafana.log else ""


def _also(problems: Iterable[str]) -> str:
    return "".join(f"; {problem}" for problem in problems)


def _cause(causes: dict[str, tuple[str, ...]], *texts: str) -> str | None:
    """The first cause any of whose words is in the texts."""
    said = "\n".join(texts).casefold()
    return next((cause for cause, words in causes.items() if any(word in said for word in words)), None)


def _some(items: Iterable[object]) -> str:
    said = [str(item) for item in items]
    return ", ".join([*said[:TOLD], *([f"{len(said) - TOLD} more"] if len(said) > TOLD else [])]) or "none"


def _missing_titles(wipe: GrafanaWipe) -> list[str]:
    """Dashboards by their titles: one whose file gives no uid has another in a new Grafana."""
    left = Counter(one.title for one in wipe.before.dashboards)
    left.subtract(one.title for one in wipe.after.dashboards)
    return sorted(title for title, count in left.items() if count > 0)
