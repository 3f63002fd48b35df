"""Under which names, and on which networks, services find each other: as the author of the Compose model set it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.stacks.base import ComposeModel
from conformance.stacks.compose.service import host_names


def service(model: ComposeModel, name: str) -> Mapping[str, Any]:
    """A service of the resolved model; empty when there is none of that name."""
    found = (model.resolved.get("services") or {}).get(name)
    return found if isinstance(found, Mapping) else {}


def names(model: ComposeModel, name: str) -> tuple[str, ...]:
    """The service's name, then its others (container_name, hostname, aliases) in order of the alphabet."""
    return (name, *sorted(host_names(name, service(model, name)) - {name}))


def networks(model: ComposeModel, name: str) -> frozenset[str]:
    """The networks that a service is on; those of the other where it shares another service's."""
    mode = str(service(model, name).get("network_mode") or "")
    if mode.startswith("service:"):
        name = mode.partition(":")[2]
    elif mode:
        return frozenset()
    declared = service(model, name).get("networks")
    if isinstance(declared, Mapping | list) and declared:
        return frozenset(map(str, declared))
    return frozenset({"default"})
