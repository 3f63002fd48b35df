"""Who reaches whom, tried from inside the containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from conformance.observe import inside, naming
from conformance.observe.containers_inside import host
from conformance.observe.facts import Facts
from conformance.observe.web import brief
from conformance.stacks.base import ComposeModel, Container, Stack, Unavailable

TIMEOUT_S = 60.0
MAX_PLACES = 12


class Reach(Facts):
    """What came of reaching one service from inside a container of another."""

    service: str  # from whose container
    container: str
    to: str  # the service that was to be reached
    protocol: str  # tcp | postgresql | s3
    shared: tuple[str, ...] = ()  # the author's networks that both are on
    tried: tuple[str, ...] = ()  # "rustfs:9000"
    reached: tuple[str, ...] = ()  # those that answered in the protocol
    told: bool = False  # the container has a tool to try it with
    detail: str = ""  # what came of the others


def reach(
    stack: Stack,
    model: ComposeModel,
    container: Container,
    to: str,
    protocol: str,
    ports: Sequence[int],
    addresses: Sequence[str] = (),
    pythons: Sequence[str] = (),
) -> Reach:
    """Try ``to`` by all its names, and by ``addresses``, from inside ``container``."""
    hosts = [*naming.names(model, to), *addresses]
    places = [(name, port) for port in ports for name in hosts][:MAX_PLACES]
    answers = _by_python(stack, container, protocol, places, pythons)
    if answers is None and protocol == "tcp":
        answers = _by_tools(stack, container, places)
    shared = naming.networks(model, container.service) & naming.networks(model, to)
    told = dict(zip([f"{name}:{port}" for name, port in places], answers or (), strict=False))
    return Reach(
        service=container.service,
        container=container.name,
        to=to,
        protocol=protocol,
        shared=tuple(sorted(shared)),
        tried=tuple(told),
        reached=tuple(place for place, (ok, _) in told.items() if ok),
        told=answers is not None,
        detail=brief("; ".join(f"{place}: {detail}" for place, (ok, detail) in told.items() if not ok), 500),
    )


def addresses(inspected: Mapping[str, Any], shared: frozenset[str]) -> tuple[str, ...]:
    """A container's addresses on the networks of these names (the engine puts the project's name before them)."""
    networks = (inspected.get("NetworkSettings") or {}).get("Networks") or {}
    return tuple(
        str(network["IPAddress"])
        for name, network in networks.items()
        if (network or {}).get("IPAddress") and any(name == one or name.endswith(f"_{one}") for one in shared)
    )


def _by_python(
    stack: Stack, container: Container, protocol: str, places: Sequence[tuple[str, int]], pythons: Sequence[str]
) -> list[tuple[bool, str]] | None:
    asked = [[protocol, name, port] for name, port in places]
    try:
        answers, _ = inside.run(stack, container, "reach.py", asked, first=pythons, timeout=TIMEOUT_S)
    except Unavailable:
        return None
    if not isinstance(answers, list) or len(answers) != len(places):
        return None
    return [(bool(ok), brief(detail, 200)) for ok, detail in answers]


def _by_tools(stack: Stack, container: Container, places: Sequence[tuple[str, int]]) -> list[tuple[bool, str]] | None:
    """Where there is no Python: netcat or bash, as testinfra uses them."""
    within = host(stack, container)
    with suppress(Unavailable, AssertionError, RuntimeError):
        if within.exists("nc") or within.exists("bash"):
            opened = [bool(within.addr(name).port(port).is_reachable) for name, port in places]
            return [(ok, "connected" if ok else "no connection") for ok in opened]
    return None
