"""How a service of a Compose deployment is configured: its variables, what it runs, and the files that it reads.

Files are read where they are inside the submission (secrets, configs, bound files, Dockerfiles); others are not opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from conformance.stacks.compose.programs import Built, Process, dockerfile, processes
from conformance.stacks.compose.service import environment, mounts, ports, words

READ_BYTES = 2**18  # of a file; more is not read


@dataclass(frozen=True)
class Configured:
    """A service of the resolved model. Without ``root`` no file is read."""

    service: Mapping[str, Any]
    model: Mapping[str, Any] = field(default_factory=dict)
    root: Path | None = None

    @cached_property
    def environment(self) -> dict[str, str]:
        return environment(self.service)

    @cached_property
    def processes(self) -> tuple[Process, ...]:
        built = built_from(self.service, self.root) if self.root else Built()
        return processes(built.argv(words(self.service.get("entrypoint")), words(self.service.get("command"))))

    def value(self, *names: str) -> tuple[str, str]:
        """The first of these variables that is set, itself or as ``…_FILE``, and its name; ("", "") when none is."""
        for name in names:
            if self.environment.get(name):
                return self.environment[name], name
            for suffix in ("_FILE", "__FILE"):  # Grafana's has two underscores
                path = self.environment.get(name + suffix)
                text = self.file(path) if path else None
                if text is not None and (content := text.strip("\r\n")):
                    return content, name + suffix
        return "", ""

    def option(self, *names: str) -> str:
        """The value of the first of these options (``--port 1``, ``--port=1``) in what it runs; empty: none."""
        for process in self.processes:
            for index, word in enumerate(process):
                name, separator, value = word.partition("=")
                if name in names:
                    if separator:
                        return value
                    if index + 1 < len(process):
                        return process[index + 1]
        return ""

    def setting(self, *names: str) -> str:
        """The first of these options or else of these variables that is set."""
        option = self.option(*(name for name in names if name.startswith("-")))
        return option or self.value(*(name for name in names if not name.startswith("-")))[0]

    def file(self, path: str) -> str | None:
        """The text of a file that the container sees at ``path``; None: it is none of the submission's."""
        for kind in ("secrets", "configs"):
            granted = self.service.get(kind)
            for item in granted if isinstance(granted, list) else ():
                source, target = _grant(item, kind)
                if target == path:
                    definition = (self.model.get(kind) or {}).get(source) or {}
                    content = definition.get("content")
                    return content if isinstance(content, str) else self._read(definition.get("file"))
        for mount in mounts(self.service):
            if mount.type == "bind" and mount.target and PurePosixPath(path).is_relative_to(mount.target):
                return self._read(str(Path(mount.source) / PurePosixPath(path).relative_to(mount.target)))
        return None

    def _read(self, name: Any) -> str | None:
        return read_within(self.root, name) if self.root and isinstance(name, str) else None


def _grant(item: Any, kind: str) -> tuple[str, str]:
    """The name of a secret or config, and where the container sees it."""
    source = str(item.get("source") or "") if isinstance(item, Mapping) else str(item)
    target = str(item.get("target") or "") if isinstance(item, Mapping) else ""
    target = target or source
    folder = "/run/secrets/" if kind == "secrets" else "/"
    return source, target if target.startswith("/") else folder + target


def read_within(root: Path, name: str) -> str | None:
    """The text of a file whose real path is inside ``root``, so that no link leads out; None: it is no such file."""
    try:
        path = (root / name).resolve()
        if not path.is_relative_to(root.resolve()) or not path.is_file():
            return None
        with path.open("rb") as stream:
            return stream.read(READ_BYTES).decode("utf-8")
    except (OSError, ValueError):
        return None


def built_from(service: Mapping[str, Any], root: Path) -> Built:
    """What the Dockerfile says that a service is built from; nothing when it has none, or one outside ``root``."""
    build = service.get("build")
    build = {"context": build} if isinstance(build, str) else build
    if not isinstance(build, Mapping):
        return Built()
    text = build.get("dockerfile_inline")
    if not isinstance(text, str):
        file = Path(str(build.get("context") or ".")) / str(build.get("dockerfile") or "Dockerfile")
        text = read_within(root, str(file))
    return dockerfile(text or "", str(build.get("target") or ""), environment({"environment": build.get("args")}))


def all_built(services: Mapping[str, Mapping[str, Any]], root: Path) -> dict[str, Built]:
    """:func:`built_from` of every service that is built, as :func:`conformance.stacks.discovery.discover` takes it."""
    return {name: built_from(service, root) for name, service in services.items() if service.get("build")}


def port_of(address: str) -> int | None:
    """The port of ``4200``, ``:9000``, ``0.0.0.0:9000``, ``[::]:9000`` or ``http://host:9000``."""
    match = re.search(r"(?:^|:)(\d{1,5})/?$", address.strip())
    return int(match[1]) if match and 0 < int(match[1]) < 65536 else None


def main_port(told: Configured, address: str, default: int, besides: AbstractSet[int] = frozenset()) -> int:
    """The port of ``address``, where one is configured, else ``default``.

    What is built here may have its port in its own code: then it is the only one that it publishes (``besides`` others
    that are not its main one).
    """
    port = port_of(address)
    if port is None and told.service.get("build"):
        targets = {port.target for port in ports(told.service) if port.protocol == "tcp"} - besides
        port = targets.pop() if len(targets) == 1 else None
    return port or default
