"""Grafana: what provisions itself, whether its datasources and panels work, and what strangers may do."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from conformance.observe import naming
from conformance.observe.facts import Attempt, ObservationStatus, Observer, Probe
from conformance.observe.grafana_api import GrafanaApi, Json, body
from conformance.observe.grafana_drawing import Exhibition
from conformance.observe.grafana_facts import (
    Dashboard,
    DashboardKey,
    Datasource,
    DatasourceKey,
    GrafanaFacts,
    GrafanaSnapshot,
    Provisioning,
    Strangers,
)
from conformance.observe.grafana_files import provisioning, without_login
from conformance.observe.grafana_panels import panels
from conformance.observe.last_words import COMPLAINT, last_words, tail
from conformance.observe.web import Answer, brief, fetch
from conformance.stacks.base import Capability, ComposeModel, GrafanaAccess, Role, Stack, Unavailable

FACTORY = ("admin", "admin")
MAX_DATASOURCES = 20
MAX_DASHBOARDS = 30
LOG_LINES = 5
SCRAPED_S = 75.0  # until `up` has series: the default scrape interval is one minute
PROVISIONED_S = 15.0  # until Grafana, up already, has read the dashboards' files
SETTLED_S = 20.0  # until what has happened has been scraped, and rates have their second sample


def collect(stack: Stack, probe: Probe) -> GrafanaFacts:
    """Look at everything once, early; then, when the pipeline has run, at what the panels show."""
    access = stack.grafana()
    health = fetch(f"{access.url}/api/health")
    told = body(health)
    seen: dict[str, Any] = {
        "health": health.answer,
        "database": brief(told.get("database", ""), 40),
        "version": brief(told.get("version", ""), 40),
    }
    if not health.answer.ok:
        return GrafanaFacts(**seen, log=tuple(last_words(stack, Role.GRAFANA).splitlines()))
    since = datetime.now(UTC)
    api, seen["login"] = _log_in(access)
    seen |= _names(stack)
    found, unseen = provisioning(stack)
    seen |= {"provisioning": found, "trouble": (unseen,) if unseen else ()}
    if api is not None:
        seen |= _inventory(api, stack, probe, found)
    seen["strangers"] = _strangers(access, api)
    factory = _let_in(access, FACTORY)[1]
    seen["factory_login"] = None if factory.status is None else factory.ok
    if _has_ended(stack, since):  # one that starts again and again answers in between
        ended = Answer(detail="it answered, and ended while it was looked at")
        return GrafanaFacts(health=ended, log=tuple(last_words(stack, Role.GRAFANA).splitlines()))
    return GrafanaFacts(**seen, log=_provisioning_log(stack))


OBSERVER = Observer("grafana", GrafanaFacts, collect)


def snapshot(access: GrafanaAccess) -> GrafanaSnapshot:
    """The datasources and dashboards at this moment. Right after a start, dashboards may still be on their way."""
    api, login = _log_in(access)
    if api is None:
        return GrafanaSnapshot(problem=login.detail)
    datasources, dashboards = _datasources(api), _search(api)
    if datasources is None or dashboards is None:
        return GrafanaSnapshot(problem="the API does not list datasources and dashboards")
    return GrafanaSnapshot(
        datasources=tuple(DatasourceKey(name=one.name, type=one.type, url=one.url) for one in datasources),
        dashboards=tuple(DashboardKey(uid=_text(one, "uid"), title=_text(one, "title")) for one in dashboards),
    )


def _log_in(access: GrafanaAccess) -> tuple[GrafanaApi | None, Attempt]:
    """The API as the configured user, or else as the factory's; None: neither is let in. And how the first one did."""
    api, answer = _let_in(access, (access.user, access.password))
    login = Attempt(ok=answer.ok, detail="" if answer.ok else brief(f"{access.user}: {answer.status} {answer.detail}"))
    return api if answer.ok else _let_in(access, FACTORY)[0], login


def _let_in(access: GrafanaAccess, credentials: tuple[str, str]) -> tuple[GrafanaApi | None, Answer]:
    """Once only: five wrong passwords lock a user out."""
    api = GrafanaApi(access.url, credentials)
    answer = api.ask("/api/user").answer  # which anonymous access does not answer
    return api if answer.ok else None, answer


def _inventory(api: GrafanaApi, stack: Stack, probe: Probe, files: Provisioning | None) -> dict[str, Any]:
    for role in (Role.PROMETHEUS, Role.POSTGRES):  # what datasources ask must be there before they are
        with suppress(Unavailable):
            stack.endpoint(role)
    datasources = _datasources(api)
    models = list(_models(api, files))
    if datasources is None:
        return {"dashboards": tuple(dashboard for dashboard, _ in models)}
    probe.progress("Grafana: does every panel's query bring something?")
    exhibition = Exhibition(api, datasources, models, since=_first_day() if stack.runs_reference else None)
    first = exhibition.draw()
    probe.progress("Grafana: do its datasources work?")
    datasources = [_tried(api, one) for one in datasources]
    ran = stack.runs_reference and _pipeline_ran(probe)
    last = exhibition.draw(patience=SETTLED_S)
    return {
        "datasources": tuple(datasources),
        "dashboards": tuple(dashboard for dashboard, _ in models),
        "queries": tuple(exhibition.queries(first, last)),
        "unasked": exhibition.unasked(last),
        "run_between": ran,
    }


def _datasources(api: GrafanaApi) -> list[Datasource] | None:
    listed = api.mappings("/api/datasources")
    if listed is None:
        return None
    return [
        Datasource(
            uid=_text(one, "uid"),
            name=_text(one, "name"),
            type=_text(one, "type"),
            access=_text(one, "access"),
            url=without_login(str(one.get("url") or "")),
            is_default=one.get("isDefault") is True,
            read_only=one.get("readOnly") is True,
        )
        for one in listed[:MAX_DATASOURCES]
    ]


def _tried(api: GrafanaApi, datasource: Datasource) -> Datasource:
    """With its health and, of a Prometheus, ``up``: patient with one that answers and has not scraped yet."""
    health = api.datasource_health(datasource.uid)
    if datasource.type != "prometheus":
        return datasource.model_copy(update={"health": health})
    deadline = time.monotonic() + SCRAPED_S
    while True:
        up = api.up(datasource.uid)
        if not up.ok or up.rows or time.monotonic() > deadline:
            return datasource.model_copy(update={"health": health, "up": up})
        time.sleep(0.5)


def _models(api: GrafanaApi, files: Provisioning | None) -> Iterator[tuple[Dashboard, Json]]:
    """The dashboards with what they hold, once Grafana has read as many as there are files; one where none is seen."""
    expected = max(1, len(files.dashboards)) if files else 1
    deadline = time.monotonic() + PROVISIONED_S
    while len(listed := _search(api) or []) < expected and time.monotonic() < deadline:
        time.sleep(0.5)
    for one in listed[:MAX_DASHBOARDS]:
        uid, title, folder = _text(one, "uid"), _text(one, "title"), _text(one, "folderTitle")
        reply = api.ask(f"/api/dashboards/uid/{quote(uid, safe='')}")
        told = body(reply)
        meta, model = told.get("meta"), told.get("dashboard")
        if reply.answer.ok and isinstance(meta, Mapping) and isinstance(model, Mapping):
            file, count = _text(meta, "provisionedExternalId"), sum(1 for _ in panels(model))
            yield Dashboard(uid=uid, title=title, folder=folder, file=file, panels=count), model
        else:
            problem = brief(f"{reply.status} {reply.answer.detail}")
            yield Dashboard(uid=uid, title=title, folder=folder, problem=problem), {}


def _search(api: GrafanaApi) -> list[Json] | None:
    return api.mappings("/api/search", type="dash-db", limit="200")


def _first_day() -> datetime:
    """The day of the first PQRS that the kit's pipeline writes."""
    from conformance.observe.pipeline import FIRST_DAY

    return datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC) - timedelta(days=1)


def _pipeline_ran(probe: Probe) -> bool:
    """Wait for the pipeline; whether it ran into this deployment's own stores."""
    observation = probe.observation("pipeline")
    fresh = (observation.facts or {}).get("fresh") if observation.status is ObservationStatus.OBSERVED else None
    return bool(fresh and fresh["own_stores"] and fresh["execution"]["run"]["ok"])


def _strangers(access: GrafanaAccess, api: GrafanaApi | None) -> Strangers:
    """Read and write without a password; whatever could be made is removed again."""
    stranger = GrafanaApi(access.url, None)
    name = f"conformance-{uuid4().hex[:12]}"
    trials = {
        "folder": ("/api/folders", {"uid": name, "title": name}, f"/api/folders/{name}"),
        "datasource": (
            "/api/datasources",
            {"uid": name, "name": name, "type": "prometheus", "access": "proxy", "url": "http://localhost:1"},
            f"/api/datasources/uid/{name}",
        ),
    }
    wrote, left = [], []
    for kind, (path, payload, made) in trials.items():
        if stranger.ask(path, method="POST", payload=payload).answer.ok:
            wrote.append(kind)
            if not (api or stranger).ask(made, method="DELETE").answer.ok:
                left.append(f"{kind} {name}")
    return Strangers(
        reads=stranger.ask("/api/search", params={"limit": "1"}).answer.ok, wrote=tuple(wrote), left_behind=tuple(left)
    )


def _has_ended(stack: Stack, since: datetime) -> bool:
    """Whether a container of Grafana is down, or was started again by the engine after ``since``."""
    services = stack.roles().get(Role.GRAFANA, ())
    with suppress(Unavailable):
        for one in stack.containers():
            if one.service in services:
                started = str((stack.inspect(one.id).get("State") or {}).get("StartedAt", ""))
                if one.state != "running" or (one.restarts and started[:19] > since.isoformat()[:19]):
                    return True
    return False


def _names(stack: Stack) -> dict[str, Any]:
    """Prometheus as it answers directly, and the names by which services reach each other."""
    seen: dict[str, Any] = {}
    with suppress(Unavailable):
        seen["prometheus_ready"] = fetch(f"{stack.endpoint(Role.PROMETHEUS).url}/-/ready").answer
    if Capability.COMPOSE in stack.capabilities:
        model = stack.compose()
        grafana, prometheus = model.services_of(Role.GRAFANA), model.services_of(Role.PROMETHEUS)
        seen["prometheus_names"] = _known_as(model, prometheus, grafana)
        seen["service_names"] = _known_as(model, tuple(model.resolved.get("services") or {}), grafana)
    return seen


def _known_as(model: ComposeModel, services: Sequence[str], to: Sequence[str]) -> tuple[str, ...]:
    """The names of services on the author's networks, and their links' for the services in ``to``."""
    found = [name for service in services for name in naming.names(model, service)]
    for caller in to:
        links = [str(link).partition(":") for link in naming.service(model, caller).get("links") or ()]
        found += [alias for target, _, alias in links if alias and target in services]
    return tuple(dict.fromkeys(brief(name, 100) for name in found))


def _provisioning_log(stack: Stack) -> tuple[str, ...]:
    """The last lines of Grafana's log about dashboards whose provisioning did not go well."""
    logs = stack.logs()
    lines = [line for service in stack.roles().get(Role.GRAFANA, ()) if service in logs for line in tail(logs[service])]
    told = [brief(line) for line in lines if "provisioning.dashboard" in line and COMPLAINT.search(line)]
    return tuple(told[-LOG_LINES:])


def _text(told: Json, key: str) -> str:
    value = told.get(key)
    return brief(value, 200) if isinstance(value, str) else ""
