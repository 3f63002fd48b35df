"""The Compose model of a repository, as it is authored and as it resolves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.observe import mounts, naming
from conformance.observe.compose_addresses import addresses, namings
from conformance.observe.compose_facts import (
    ComposeFacts,
    Found,
    HealthCheck,
    Mount,
    Network,
    Port,
    Service,
)
from conformance.observe.compose_provisioning import provisioning
from conformance.observe.compose_ties import is_host_exporter, machine, ties
from conformance.observe.compose_variables import inline_secrets, literals, variables, without_passwords
from conformance.observe.facts import Observer, Probe
from conformance.observe.web import brief
from conformance.stacks.base import ComposeModel, Plane, Role, Stack, Unavailable
from conformance.stacks.compose import service as reading
from conformance.stacks.compose.interpolation import expressions
from conformance.stacks.compose.jobs import why_job
from conformance.stacks.compose.programs import processes
from conformance.stacks.discovery import plane_of
from conformance.text import clean

MAX_SERVICES = 200
MAX_LISTED = 50
MAX_VARIABLES = 1_000

_WAITS = re.compile(r"wait[-_]?for|dockerize|\buntil\b|\bwhile +!|pg_isready|\bnc +-\w*z")


def collect(stack: Stack, probe: Probe) -> ComposeFacts:
    """
    Raises:
        Unavailable: the stack has no Compose file, or more services than the kit reads.
    """
    probe.progress("reading the Compose model")
    model = stack.compose()
    root = stack.source()
    names = list(_services(model.resolved))
    if len(names) > MAX_SERVICES:
        raise Unavailable(f"{len(names)} services: no more than {MAX_SERVICES} are read")
    return ComposeFacts(
        file=model.file,
        problem=clean(model.problem),
        env_file=model.env_file,
        env_generated=model.env_generated[:MAX_LISTED],
        env_example=model.env_example,
        documented=model.env_documented[:MAX_VARIABLES],
        variables=variables(model.authored),
        secrets=inline_secrets(model.authored),
        platform=machine(),
        services={name: _service(model, root, name) for name in names},
        provisioning=tuple(provisioning(model, root, name) for name in model.services_of(Role.GRAFANA)),
    )


OBSERVER = Observer("compose", ComposeFacts, collect)


def _services(document: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    services = document.get("services")
    return services if isinstance(services, Mapping) else {}


def _service(model: ComposeModel, root: Path, name: str) -> Service:
    resolved = naming.service(model, name)
    authored = _mapping(_services(model.authored).get(name))
    written = _mapping(_services(model.raw).get(name))
    found = [finding for finding in model.findings if finding.service == name and finding.role is not Role.OTHER]
    roles: dict[str, list[Role]] = {}
    for finding in model.findings:
        roles.setdefault(finding.service, []).append(finding.role)
    configuration = mounts.configuration(model, root, name)
    return Service(
        roles=tuple(Found(role=one.role, certainty=one.certainty, reason=one.reason) for one in found),
        plane=_plane(resolved, roles.get(name, [])),
        profiles=tuple(map(str, _list(resolved.get("profiles"))))[:MAX_LISTED],
        image=brief(resolved.get("image") or ""),
        image_default=brief(_image_default(authored, resolved)),
        built=resolved.get("build") is not None,
        job=why_job(model, name),
        restart=str(resolved.get("restart") or ""),
        container_name=brief(authored.get("container_name") or ""),
        replicas=_replicas(resolved),
        user=brief(resolved.get("user") or "", 100),
        memory=_memory(resolved),
        worker_name=_worker_name(resolved) if Role.DASK_WORKER in roles.get(name, []) else "",
        environment=tuple(reading.environment(resolved))[: 4 * MAX_LISTED],
        ports=tuple(_ports(authored, resolved))[:MAX_LISTED],
        network_mode=str(resolved.get("network_mode") or ""),
        networks=tuple(_networks(model, name))[:MAX_LISTED],
        mounts=tuple(_mounts(model, root, name, configuration))[:MAX_LISTED],
        depends_on={
            str(other): str(_mapping(how).get("condition") or "service_started")
            for other, how in _mapping(resolved.get("depends_on")).items()
        },
        waits=bool(_WAITS.search(" ".join(_argv(resolved)))),
        health=_health(authored),
        names=namings(model, name)[:MAX_LISTED],
        addresses=addresses(model, root, name, roles, configuration),
        ties=ties(written, authored, root.resolve())[:MAX_LISTED],
        literal_secrets=literals(authored),
        host_exporter=is_host_exporter(authored),
    )


def _plane(service: Mapping[str, Any], roles: list[Role]) -> str:
    declared = reading.labels(service).get("pqrs.plane", "").strip().lower()
    if declared in set(Plane):
        return declared
    return next((plane_of(role) for role in roles if role is not Role.OTHER), "")


def _image_default(authored: Mapping[str, Any], resolved: Mapping[str, Any]) -> str:
    written = str(authored.get("image") or "")
    if all(expression.operator.endswith("-") for expression in expressions(written)):
        return reading.settled(written)
    return str(resolved.get("image") or "")


def _ports(authored: Mapping[str, Any], resolved: Mapping[str, Any]) -> Iterator[Port]:
    """As resolved, each with what its author's defaults publish it as."""
    as_written = list(reading.ports(authored))
    for port in reading.ports(resolved):
        same = next((one for one in as_written if one.target == port.target), None)
        if same:
            as_written.remove(same)
        default = reading.settled(same.published) if same else port.published
        yield Port(
            target=port.target,
            published=port.published,
            default=default,
            variables=tuple(expression.name for expression in expressions(same.published)) if same else (),
            host_ip=port.host_ip,
            protocol=port.protocol,
        )


def _networks(model: ComposeModel, name: str) -> Iterator[Network]:
    declared = _mapping(model.resolved.get("networks"))
    attached = _mapping(naming.service(model, name).get("networks"))
    for network in sorted(naming.networks(model, name)):
        how = _mapping(attached.get(network))
        yield Network(
            name=network,
            internal=bool(_mapping(declared.get(network)).get("internal")),
            address=str(how.get("ipv4_address") or how.get("ipv6_address") or ""),
        )


def _mounts(model: ComposeModel, root: Path, name: str, configuration: tuple[mounts.Mount, ...]) -> Iterator[Mount]:
    authored, written = (_mapping(_services(document).get(name)) for document in (model.authored, model.raw))
    as_written = (*reading.mounts(authored), *reading.mounts(written))  # the YAML's own words go before Compose's
    sources = {mount.target.rstrip("/"): mount.source for mount in as_written}
    for mount in mounts.mounts(model, name):
        inside = mounts.in_repository(root, mount)
        yield Mount(
            kind=mount.kind,
            target=brief(mount.target),
            source=brief(inside or mount.source),
            written=brief(sources.get(mount.target, "")),
            read_only=mount.read_only,
            in_repository=inside is not None,
            configuration=mount in configuration,
        )


def _argv(service: Mapping[str, Any]) -> tuple[str, ...]:
    return (*reading.words(service.get("entrypoint")), *reading.words(service.get("command")))


def _replicas(service: Mapping[str, Any]) -> int | None:
    value = _mapping(service.get("deploy")).get("replicas", service.get("scale"))
    return value if isinstance(value, int) else None


def _memory(service: Mapping[str, Any]) -> str:
    limits = _mapping(_mapping(_mapping(service.get("deploy")).get("resources")).get("limits"))
    limit = str(service.get("mem_limit") or limits.get("memory") or "")
    return "" if limit in ("0", "-1") else limit


def _worker_name(service: Mapping[str, Any]) -> str:
    """The fixed name that a Dask worker gives itself: the scheduler refuses a second one of that name."""
    for process in processes(_argv(service)):
        for word, following in zip(process, (*process[1:], ""), strict=True):
            option, separator, value = word.partition("=")
            value = value if separator else following
            if option == "--name" and value and "$" not in value:
                return brief(value, 100)
    return ""


def _health(authored: Mapping[str, Any]) -> HealthCheck:
    health = _mapping(authored.get("healthcheck"))
    test = health.get("test")
    listed = ("CMD-SHELL", test) if isinstance(test, str) else tuple(map(str, _list(test)))
    disabled = health.get("disable") is True or listed[:1] == ("NONE",)
    return HealthCheck(
        declared=bool(listed) and not disabled,
        disabled=disabled,
        test=tuple(brief(without_passwords(word)) for word in listed[:MAX_LISTED]),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
