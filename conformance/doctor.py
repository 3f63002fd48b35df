"""``conformance doctor``: whether this machine can run the checks, and the remedy for what keeps it from it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from conformance.inputs import read_toml
from conformance.stacks.base import StackError
from conformance.stacks.compose.engine import Engine
from conformance.stacks.compose.images import OFFLINE, load
from conformance.stacks.services import postgres, seaweedfs
from conformance.stacks.services.asking import require
from conformance.text import fill

TEXTS = Path(__file__).with_name("doctor.toml")
GIB = 2**30
MEMORY, DISK = 4 * GIB, 8 * GIB  # what the reference stack takes at most, and its images with their layers
COMPOSE = (2, 24)  # `docker compose config` before it does not know all that the kit asks for
ANSWER_S = 20.0  # that a registry may take to say that it has an image
PORTS: Mapping[str, tuple[int, str]] = {
    "POSTGRES_PORT": (5432, "PostgreSQL"),
    "S3_PORT": (9000, "S3"),
    "S3_CONSOLE_PORT": (9001, "S3 console"),
    "DASK_SCHEDULER_PORT": (8786, "Dask"),
    "DASK_DASHBOARD_PORT": (8787, "Dask"),
    "PREFECT_PORT": (4200, "Prefect"),
    "PROMETHEUS_PORT": (9090, "Prometheus"),
    "GRAFANA_PORT": (3001, "Grafana"),
}
"""The class's ports, by the variables of .env.example that move them."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``stops``: without it no Compose stack can be checked; otherwise it is worth knowing."""

    subject: str  # a table of doctor.toml
    ok: bool
    seen: str = ""  # a fact that is the same in every language
    stops: bool = True
    values: Mapping[str, str] = field(default_factory=dict)

    def title(self, lang: str) -> str:
        return fill(str(_texts()[self.subject][lang]), self.values)

    def remedy(self, lang: str) -> str:
        return "" if self.ok else fill(str(_texts()[self.subject]["remedy"][lang]), self.values)


def examine(reference: Path) -> Iterator[Finding]:
    """Look at this machine; ``reference`` is the repository whose images and ports are meant."""
    yield _embedded()
    try:
        engine = Engine()
    except StackError as error:
        yield Finding("engine", False, str(error))
        yield from _ports({})
        return
    yield Finding("engine", True, engine.version)
    yield _compose(engine)
    told = json.loads(engine.run("info", "--format", "{{json .}}"))
    yield _memory(told)
    yield _disk(told)
    yield from _ports(_published(engine))
    yield from _images(engine, reference)
    yield _offline(engine, reference)


def _texts() -> dict[str, Any]:
    return read_toml(TEXTS)


def _embedded() -> Finding:
    """What the embedded stack itself asks for before it starts."""
    missing = []
    needed: tuple[Callable[[], object], ...] = (
        postgres.installation,
        seaweedfs.installation,
        lambda: require("distributed", "dask[distributed]"),
        lambda: require("prefect", "prefect"),
    )
    for have in needed:
        try:
            have()
        except StackError as error:
            missing.append(str(error))
    missing += [] if shutil.which("prometheus") else ["prometheus"]
    seen = "" if missing else "PostgreSQL, SeaweedFS, Dask, Prefect, Prometheus"
    return Finding("embedded", not missing, seen, stops=False, values={"missing": "; ".join(missing)})


def _compose(engine: Engine) -> Finding:
    version = engine.attempt(["compose", "version", "--short"]).out.strip()
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    return Finding("compose", numbers >= COMPOSE, version, values={"minimum": ".".join(map(str, COMPOSE))})


def _memory(told: Mapping[str, Any]) -> Finding:
    """What the engine has in all, or what is free where it is this very machine's."""
    import psutil

    has = int(told.get("MemTotal") or 0)
    here = psutil.virtual_memory()
    free = min(has, here.available) if abs(has - here.total) < GIB else has
    return Finding("memory", free >= MEMORY, _gib(free), values={"minimum": _gib(MEMORY)})


def _disk(told: Mapping[str, Any]) -> Finding:
    folder = Path(str(told.get("DockerRootDir") or "/"))
    free = shutil.disk_usage(folder if folder.exists() else Path.home()).free
    return Finding("disk", free >= DISK, _gib(free), values={"minimum": _gib(DISK)})


def _ports(published: Mapping[int, str]) -> Iterator[Finding]:
    """The class's ports. One that is taken stops nobody from checking: the kit takes others."""
    listening = _listening()
    for variable, (port, service) in PORTS.items():
        holder = published.get(port) or listening.get(port, "")
        values = {"port": str(port), "service": service, "variable": variable, "holder": holder}
        yield Finding("port", not holder, holder, stops=False, values=values)


def _published(engine: Engine) -> dict[int, str]:
    """Containers by the ports that they hold on this machine."""
    found: dict[int, str] = {}
    for line in engine.run("ps", "--format", "{{.Names}}\t{{.Ports}}").splitlines():
        name, _, ports = line.partition("\t")
        for first, last in re.findall(r":(\d+)(?:-(\d+))?->", ports):
            found |= dict.fromkeys(range(int(first), int(last or first) + 1), name)
    return found


def _listening() -> dict[int, str]:
    """Programs by the ports that they listen on; of other users' programs the name may stay unknown."""
    import psutil

    found: dict[int, str] = {}
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS, for ordinary users
        return found
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr:
            name = "?"
            if connection.pid:
                try:
                    name = f"{psutil.Process(connection.pid).name()} ({connection.pid})"
                except psutil.Error:
                    name = f"({connection.pid})"
            found.setdefault(connection.laddr.port, name)
    return found


def _images(engine: Engine, reference: Path) -> Iterator[Finding]:
    """The images that the reference names: here, or to be had from their registry."""
    model = yaml.safe_load((reference / "docker-compose.yml").read_text(encoding="utf-8"))
    services = model["services"].values()
    names = sorted({service["image"] for service in services if "image" in service and "build" not in service})

    def look(name: str) -> Finding:
        if engine.inspect("image", [name]):
            return Finding("image", True, values={"image": name})
        there = engine.attempt(["manifest", "inspect", name], timeout=ANSWER_S).ok
        return Finding("image", there, "registry" if there else "", stops=False, values={"image": name})

    with ThreadPoolExecutor(len(names) or 1) as pool:
        yield from pool.map(look, names)


def _offline(engine: Engine, reference: Path) -> Finding:
    wanted = sorted({entry.image for entry in load(OFFLINE, reference).entries or ()})
    missing = [image for image in wanted if not engine.inspect("image", [image])]
    seen = f"{len(wanted) - len(missing)}/{len(wanted)}"
    return Finding("offline", not missing, seen, stops=False, values={"missing": ", ".join(missing)})


def _gib(count: float) -> str:
    return f"{count / GIB:.1f} GiB"
