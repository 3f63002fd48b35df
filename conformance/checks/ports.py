"""The ports by which everybody reaches the platform: where they are published, and whether their protocol is spoken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from conformance.observe.compose_facts import ComposeFacts, Port
from conformance.observe.containers import ContainersFacts

ROLE_OF = {
    "postgresql": "postgres",
    "s3": "object_store",
    "dask": "dask_scheduler",
    "dashboard": "dask_scheduler",
    "prefect": "prefect_server",
    "prometheus": "prometheus",
    "grafana": "grafana",
}


class Fault(NamedTuple):
    """What is wrong with a port; ``hint`` names the text for it."""

    service: str
    observed: str
    hint: str


def faults(compose: ComposeFacts, containers: ContainersFacts, expected: dict[str, int]) -> Iterator[Fault]:
    """Of the ports (by protocol), those at which nobody speaks it."""
    for protocol, port in expected.items():
        services = compose.playing(ROLE_OF[protocol])
        if services and (fault := _fault(compose, containers, protocol, port, list(services))):
            yield fault


def _fault(
    compose: ComposeFacts, containers: ContainersFacts, protocol: str, expected: int, services: list[str]
) -> Fault | None:
    published = [(name, port) for name in services for port in compose.services[name].ports if port.protocol == "tcp"]
    leading = [(name, port) for name, port in published if _speaks(containers, name, port.target, protocol)]
    if any(_is_meant(compose, port, expected) for _, port in leading):
        return None
    if leading:
        name, port = leading[0]
        return Fault(
            name, f"{name}: {protocol} is published at {port.published or 'any port'}, not {expected}", "moved"
        )
    wrong = [(name, port) for name, port in published if str(expected) in (port.published, port.default)]
    if wrong:
        name, port = wrong[0]
        return Fault(name, f"{name}: {expected}:{port.target}, but {protocol} is not spoken at {port.target}", "target")
    return Fault(services[0], f"{services[0]}: {protocol} is not published (expected at {expected})", "unpublished")


def _speaks(containers: ContainersFacts, service: str, target: int, protocol: str) -> bool:
    """Whether the protocol is spoken at that port; where the kit does not reach it, whether anybody listens there."""
    for one in containers.containers:
        if one.service == service:
            doors = {door.port: door.speaks for door in one.doors}
            if doors.get(target) == protocol or (target not in doors and target in (one.listening or ())):
                return True
    return False


def _is_meant(compose: ComposeFacts, port: Port, expected: int) -> bool:
    """The class's port as it is written or by default, or another that whoever starts it has chosen (or may choose)."""
    if str(expected) in (port.published, port.default):
        return True
    chosen = bool(port.published) and port.published != port.default
    return chosen or any(variable in compose.documented for variable in port.variables)
