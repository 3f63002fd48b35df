"""A Compose service's keys in one shape, however its author (or Compose itself) wrote them.

What Compose resolved has one shape; what an author wrote has several, with ``${…}`` in them. Strange values are read as
nothing: whether a file is valid is Compose's to say.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_VARIABLE = re.compile(r"\$(?:(?P<plain>[A-Za-z_]\w*)|\{\w+(?:(?P<operator>:?[-?+])(?P<operand>[^{}]*))?\})")
_NESTED = 8  # ${A:-${B:-…}} deeper than that is not read


@dataclass(frozen=True)
class Port:
    """A port of the container, and where its author publishes it."""

    target: int
    published: str = ""  # as written: "5432", "${POSTGRES_PORT:-5432}", "8000-8010"; empty: any free one
    host_ip: str = ""  # empty: every address
    protocol: str = "tcp"


@dataclass(frozen=True)
class Mount:
    """Something mounted into a container."""

    type: str  # bind | volume | tmpfs | …; of the short form: bind when its source is a path
    source: str
    target: str


def environment(service: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables that have a value. Those taken from the host's (``KEY`` alone) have none."""
    return _pairs(service.get("environment"))


def labels(service: Mapping[str, Any]) -> dict[str, str]:
    return _pairs(service.get("labels"))


def _pairs(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(key): _scalar(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        split = (str(item).partition("=") for item in value)
        return {key: item for key, separator, item in split if separator}
    return {}


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def words(value: Any) -> tuple[str, ...]:
    """A ``command`` or ``entrypoint``: a list, or a string that Compose splits into words as a shell does."""
    if isinstance(value, str):
        try:
            return tuple(shlex.split(value))
        except ValueError:  # a quote that is not closed
            return tuple(value.split())
    if isinstance(value, list):
        return tuple(_scalar(item) for item in value if item is not None)
    return ()


def image(service: Mapping[str, Any]) -> str:
    """The image reference, with the defaults of its variables."""
    value = service.get("image")
    return settled(value).strip() if isinstance(value, str) else ""


def ports(service: Mapping[str, Any]) -> tuple[Port, ...]:
    """The ports that are published; ranges one by one, unless their bounds are variables."""
    value = service.get("ports")
    return tuple(port for item in value for port in _ports(item)) if isinstance(value, list) else ()


def exposed(service: Mapping[str, Any]) -> tuple[int, ...]:
    """The container's ports that the service names: published and ``expose``d."""
    value = service.get("expose")
    declared = [str(item).partition("/")[0] for item in value] if isinstance(value, list) else []
    named = [port.target for port in ports(service)] + [port for item in declared for port in _range(settled(item))]
    return tuple(dict.fromkeys(named))


def _ports(item: Any) -> Iterator[Port]:
    if isinstance(item, Mapping):
        published, host_ip = str(item.get("published") or ""), str(item.get("host_ip") or "")
        target, protocol = str(item.get("target") or ""), str(item.get("protocol") or "tcp")
    else:
        address, _, protocol = str(item).partition("/")
        *before, target = _parts(address)
        published = before[-1] if before else ""
        host_ip = before[0].strip("[]") if len(before) > 1 else ""
    targets, sources = _range(settled(target)), _range(published)
    for index, port in enumerate(targets):
        source = str(sources[index]) if len(sources) == len(targets) else published
        yield Port(port, source, host_ip, protocol or "tcp")


def _range(text: str) -> tuple[int, ...]:
    """``8000`` or ``8000-8010``; nothing when it is neither."""
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text.strip())
    if not match:
        return ()
    first, last = int(match[1]), int(match[2] or match[1])
    return tuple(range(first, last + 1)) if 0 < first <= last <= 65535 else ()


def mounts(service: Mapping[str, Any]) -> tuple[Mount, ...]:
    """``volumes`` and ``tmpfs``; an anonymous volume has no source."""
    found = []
    volumes, tmpfs = service.get("volumes"), service.get("tmpfs")
    for item in volumes if isinstance(volumes, list) else ():
        if isinstance(item, Mapping):
            found.append(
                Mount(str(item.get("type") or "volume"), str(item.get("source") or ""), str(item.get("target") or ""))
            )
        elif isinstance(item, str):
            parts = _parts(item)
            source, target = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
            kind = "bind" if source.startswith((".", "/", "~", "${PWD}", "$PWD")) else "volume"
            found.append(Mount(kind, source, target))
    for item in [tmpfs] if isinstance(tmpfs, str) else tmpfs if isinstance(tmpfs, list) else ():
        found.append(Mount("tmpfs", "", str(item).partition(":")[0]))
    return tuple(found)


def host_names(name: str, service: Mapping[str, Any]) -> frozenset[str]:
    """The names by which other services can reach this one."""
    found = {name}
    for key in ("container_name", "hostname"):
        if isinstance(service.get(key), str):
            found.add(service[key])
    networks = service.get("networks")
    for network in networks.values() if isinstance(networks, Mapping) else ():
        aliases = network.get("aliases") if isinstance(network, Mapping) else None
        found.update(str(alias) for alias in aliases if alias) if isinstance(aliases, list) else None
    return frozenset(found)


def settled(text: str) -> str:
    """``text`` with every variable replaced by its default; by nothing where it has none."""
    for _ in range(_NESTED):
        text, replaced = _VARIABLE.subn(_default, text)
        if not replaced:
            break
    return text


def _default(match: re.Match[str]) -> str:
    operator = match["operator"] or ""
    return match["operand"] if operator.endswith("-") else ""


def _parts(text: str) -> list[str]:
    """``text`` split at the colons that are in no ``${…}`` and in no ``[…]``."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "{[") - (letter in "}]")
        if letter == ":" and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
