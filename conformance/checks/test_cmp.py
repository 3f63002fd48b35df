"""Compose today, Kubernetes tomorrow."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.checks.ports import faults
from conformance.checks.standing import cause, has_fallen, how
from conformance.observe.compose_facts import Address, ComposeFacts, Service, Tie
from conformance.observe.containers import ContainersFacts
from conformance.observe.disruption_facts import DisruptionFacts
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import cannot_tell, guarantee, holds, kit_fault

ROLES = (
    "postgres", "object_store", "dask_scheduler", "dask_worker", "prefect_server", "prometheus", "grafana",
)  # fmt: skip
WAITED_FOR = ("service_healthy", "service_completed_successfully")

# Tags that are something else every month.
_MOVING = re.compile(
    r"latest(-.*)?|stable|main|master|edge|nightly|dev(el(op)?)?|canary|rolling|next|alpha|beta|release|lts|alpine|slim"
)
# Upstream images that bring no health check of their own.
_WITHOUT_CHECK = re.compile(
    r"(docker\.io/)?(library/)?(postgres|postgis/postgis|rustfs/rustfs|(ghcr\.io/)?dask(dev)?/dask|prefecthq/prefect"
    r"|(quay\.io/)?prom(etheus)?/prometheus|grafana/grafana(-oss|-enterprise)?)"
)
# Ties to the host that have a text of their own.
_TOLD_APART = ("host_path", "docker_socket", "platform", "device")
# A command that ends well whatever the service does.
_SURE = re.compile(r"(/bin/)?true|:|exit\s+0|(echo|printf|sleep|date|pwd|hostname|whoami)\b.*", re.DOTALL)


@guarantee("CMP-01")
def test_all_roles_are_deployed(compose: ComposeFacts) -> None:
    missing = [role for role in ROLES if not compose.playing(role)]
    found = ", ".join(f"{role} ({', '.join(compose.playing(role))})" for role in ROLES if role not in missing)
    holds(
        not missing,
        observed=f"missing: {', '.join(missing)}; found: {found or '-'}",
        hint=None if found else "elsewhere",
        missing=missing,
        file=compose.file,
    )


@guarantee("CMP-02")
def test_images_are_pinned(compose: ComposeFacts) -> None:
    own = {service.image for service in compose.services.values() if service.built}
    moving = {
        name: image
        for name, service in compose.services.items()
        for image in (service.image, service.image_default)
        if not service.built and image not in own and not _is_pinned(image)
    }
    images = [f"{name}: {image}" for name, image in moving.items()]
    holds(not images, observed="; ".join(images), images=images)


@guarantee("CMP-03")
def test_health_checks_can_fail(compose: ComposeFacts, containers: ContainersFacts | None) -> None:
    seen = {one.service: one for one in containers.containers} if containers else {}
    ended = {name for name, one in seen.items() if one.state == "exited" and one.exit_code == 0}
    lasting = {name: one for name, one in _lasting(compose).items() if name not in ended}
    vain = [name for name, one in lasting.items() if one.health.declared and _cannot_fail(one.health.test)]
    without = [name for name, one in lasting.items() if not one.health.declared]
    known = [
        name
        for name in without
        if lasting[name].health.disabled
        or (
            seen[name].health_check != "image" if name in seen else _WITHOUT_CHECK.fullmatch(_name(lasting[name].image))
        )
    ]
    holds(
        not (vain or known),
        observed=f"without health check: {', '.join(known) or '-'}; cannot fail: {', '.join(vain) or '-'}",
        hint="cannot_fail" if vain else None,
        services=known + vain,
    )
    unseen = [name for name in without if name not in seen]
    if unseen:
        cannot_tell(f"whether their images bring a health check is not seen: {', '.join(unseen)}")


@guarantee("CMP-04")
def test_start_order_waits_for_health(compose: ComposeFacts) -> None:
    rash = [
        f"{name} -> {targets[0]} ({compose.services[name].depends_on.get(targets[0], 'no depends_on')})"
        for name, targets in _needed(compose)
        if not (compose.services[name].waits or _waited_for(compose, name) & set(targets))
    ]
    holds(not rash, observed="; ".join(rash), services=rash)


@guarantee("CMP-05")
def test_services_address_each_other_by_name(compose: ComposeFacts) -> None:
    places = [
        f"{name}: {address.place}: {address.host}:{address.port} ({', '.join(address.of)})"
        for name, service in compose.services.items()
        for address in service.addresses
        if address.of and not _is_right(address)
    ]
    holds(not places, observed="; ".join(places), places=places)


@guarantee("CMP-06")
def test_no_service_is_tied_to_this_host(compose: ComposeFacts) -> None:
    ties = [
        (name, tie)
        for name, service in compose.services.items()
        for tie in service.ties
        if not _is_harmless(tie, service, compose.platform)
    ]
    places = [f"{name}: {'' if tie.detail.startswith(tie.kind) else f'{tie.kind} '}{tie.detail}" for name, tie in ties]
    kind = ties[0][1].kind if ties else ""
    hint = kind if kind in _TOLD_APART else "shared_with_the_host"
    holds(not places, observed="; ".join(places), hint=hint, places=places)


@guarantee("CMP-07")
def test_workers_can_be_scaled(compose: ComposeFacts, disruption: DisruptionFacts | None) -> None:
    workers = compose.playing("dask_worker")
    if not workers:
        cannot_tell("there is no Dask worker")
    single = {name: ", ".join(_only_once(worker)) for name, worker in workers.items()}
    holds(
        not all(single.values()),  # one service of workers that can be multiplied is enough
        observed="; ".join(f"{name}: {why}" for name, why in single.items()),
        hint="once",
        service=", ".join(single),
    )
    if disruption is None:
        return  # nobody could try
    kit_fault(disruption.trouble.get("scaling"))
    tried = disruption.scaling
    if tried is None or not tried.workers_before:
        return
    holds(
        tried.workers_after > tried.workers_before,
        observed=f"workers: {tried.workers_before}; one container more: {tried.workers_after} {tried.detail}".rstrip(),
        hint="unseen",
        service=tried.service,
    )


@guarantee("CMP-08")
def test_containers_have_memory_limits(compose: ComposeFacts, params: Parameters) -> None:
    limited = {name: one for name, one in compose.services.items() if one.plane in params.memory_limited_planes}
    if not limited:
        cannot_tell(f"no service of the planes {', '.join(params.memory_limited_planes)}")
    without = [name for name, service in limited.items() if not (service.memory or service.job)]
    holds(not without, observed=f"without a limit: {', '.join(without)}", services=without)


@guarantee("CMP-09")
def test_every_service_stays_up(containers: ContainersFacts) -> None:
    fallen = sorted(filter(has_fallen, containers.containers), key=lambda one: one.state == "created")  # who waits last
    holds(
        not fallen,
        observed="; ".join(map(how, fallen)),
        hint=cause(fallen[0]) if fallen else None,
        service=fallen[0].service if fallen else "",
    )
    starting = [one.service for one in containers.containers if one.state == "running" and one.health == "starting"]
    if starting:
        cannot_tell(f"still starting: {', '.join(starting)}")


@guarantee("CMP-10")
def test_the_classs_ports_answer(compose: ComposeFacts, containers: ContainersFacts, params: Parameters) -> None:
    closed = list(faults(compose, containers, params.ports))
    holds(
        not closed,
        observed="; ".join(fault.observed for fault in closed),
        hint=closed[0].hint if closed else None,
        service=closed[0].service if closed else "",
    )


@guarantee("CMP-11")
def test_containers_do_not_run_as_root(containers: ContainersFacts) -> None:
    roots = [one for one in containers.containers if one.uid == 0 and (one.user_of_model or one.builds)]
    services = sorted({one.service for one in roots})
    holds(
        not roots,
        observed=", ".join(f"{service}: uid 0" for service in services),
        hint="own_image" if roots and all(one.builds for one in roots) else None,
        services=services,
    )


def _lasting(compose: ComposeFacts) -> dict[str, Service]:
    """The services that stay up: no jobs, and no tools that only start when asked for by their profile."""
    return {
        name: service
        for name, service in compose.services.items()
        if not (service.job or (service.profiles and not service.roles))
    }


def _is_pinned(image: str) -> bool:
    if not image or "@sha256:" in image:
        return True
    _, _, tag = image.rpartition("/")[2].partition(":")
    return bool(tag) and not _MOVING.fullmatch(tag)


def _name(image: str) -> str:
    """An image reference without its tag and digest."""
    return re.sub(r"(:[^:/]*)?(@.*)?$", "", image)


def _cannot_fail(test: tuple[str, ...]) -> bool:
    kind, *words = test or ("CMD",)
    if words[:1] and words[0].rpartition("/")[2] in ("sh", "bash", "ash") and "-c" in words[:-1]:
        kind, words = "CMD-SHELL", words[words.index("-c") + 1 :][:1]
    if kind != "CMD-SHELL":
        return bool(_SURE.fullmatch(" ".join(words)))
    last = re.split(r"[;\n]", " ".join(words).strip().rstrip(";"))[-1]
    alternatives = last.split("||")
    return all(_SURE.fullmatch(part.split("|")[-1].strip()) for part in alternatives[-1].split("&&"))


def _needed(compose: ComposeFacts) -> Iterator[tuple[str, list[str]]]:
    """The services that do not survive without another one, and which: any of these is the one."""
    for name, service in compose.services.items():
        roles = {found.role for found in service.roles}
        named = {naming.service for naming in service.names}
        if "dask_worker" in roles:
            targets = list(compose.playing("dask_scheduler"))
        elif "prefect_worker" in roles:
            targets = list(compose.playing("prefect_server"))
        elif "prefect_server" in roles:
            targets = [other for other in compose.playing("postgres") if other in named]
        elif service.job:
            targets = [
                other for role in ("object_store", "postgres") for other in compose.playing(role) if other in named
            ]
        else:
            continue
        targets = [other for other in targets if other != name]
        if targets:
            yield name, sorted(targets, key=lambda other: other not in named)


def _waited_for(compose: ComposeFacts, name: str) -> set[str]:
    """The services that are healthy or done before ``name`` starts."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        service = compose.services.get(waiting.pop())
        for other, condition in service.depends_on.items() if service else ():
            if condition in WAITED_FOR and other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _is_right(address: Address) -> bool:
    """Its own, or people's, or where it listens. Whom Grafana's datasources call is another promise (GRF-03)."""
    return address.own or address.browser or address.datasource or address.host == "0.0.0.0"  # noqa: S104


def _is_harmless(tie: Tie, service: Service, platform: str) -> bool:
    """A watcher of hosts may look at its host; the platform of this machine is no tie to it."""
    if tie.kind == "platform":
        return not tie.detail or tie.detail.split("/")[:2] == platform.split("/")[:2]
    return tie.kind == "host_path" and tie.read_only and service.host_exporter


def _only_once(worker: Service) -> Iterator[str]:
    """What a second container of the service would collide with."""
    if worker.container_name:
        yield f"container_name: {worker.container_name}"
    yield from (f"ports: {port.published}:{port.target}" for port in worker.ports if port.published.isdigit())
    yield from (f"networks: {network.name}: {network.address}" for network in worker.networks if network.address)
    if worker.worker_name:
        yield f"--name {worker.worker_name}"
