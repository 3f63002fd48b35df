"""Grafana's provisioning files as it finds them at its start: those that are mounted, or those of its image.

How Grafana reads them: ``*.yaml`` and ``*.yml`` directly in ``datasources/`` and ``dashboards/`` of its provisioning
folder; variables of the environment stand in values (``$NAME``, ``${NAME}``, ``$__env{NAME}``; ``$$`` is a dollar);
``*.json`` at any depth below a provider's path (pkg/services/provisioning).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from conformance.observe.grafana_facts import Entry, Provisioning
from conformance.observe.mounts import tree
from conformance.observe.web import brief
from conformance.stacks.base import Capability, ComposeModel, Role, Stack, Unavailable

DEFAULT_FOLDER = "/etc/grafana/provisioning"
FOLDER_SETTING = re.compile(r"^cfg:(?:default\.)?paths\.provisioning=(.+)$")
NO_COMMAND = (126, 127)
MAX_FILES = 20  # provisioning files of a kind
MAX_ENTRIES = 20
MAX_DASHBOARDS = 100

_EXPANSION = re.compile(r"\$__env\{(?P<grafana>[^}]+)\}|\$\{(?P<braced>[^}]*)\}|\$(?P<bare>[A-Za-z_]\w*)")


class Place(Protocol):
    """Where files of Grafana's container can be seen."""

    name: str  # "mounts" | "container"
    env: Mapping[str, str]
    command: tuple[str, ...]

    def names(self, folder: str) -> Iterable[str]:
        """The files below ``folder``, by their path below it."""

    def read(self, folder: str, name: str) -> str: ...


class Mounted:
    """The repository's files where the Compose model mounts them."""

    name = "mounts"

    def __init__(self, model: ComposeModel, root: Path, service: str) -> None:
        self._model, self._root, self._service = model, root, service
        self._seen: dict[str, dict[str, bytes]] = {}
        written = model.resolved.get("services", {}).get(service, {})
        self.env: Mapping[str, str] = {
            name: str(value) for name, value in (written.get("environment") or {}).items() if value is not None
        }
        self.command = _words(written.get("command"))

    def names(self, folder: str) -> Iterable[str]:
        return self._files(folder)

    def read(self, folder: str, name: str) -> str:
        return self._files(folder)[name].decode("utf-8", errors="replace")

    def _files(self, folder: str) -> dict[str, bytes]:
        if folder not in self._seen:
            self._seen[folder] = tree(self._model, self._root, self._service, folder)
        return self._seen[folder]


class Inside:
    """The files of the running container, whatever put them there."""

    name = "container"

    def __init__(self, stack: Stack, service: str) -> None:
        """Raises Unavailable: there is no container to look into."""
        self._stack, self._service = stack, service
        container = next((one for one in stack.containers() if one.service == service), None)
        if container is None:
            raise Unavailable(f"{service} has no container")
        config = stack.inspect(container.id).get("Config") or {}
        self.env: Mapping[str, str] = dict(pair.split("=", 1) for pair in config.get("Env") or () if "=" in pair)
        self.command = _words(config.get("Cmd"))

    def names(self, folder: str) -> Iterable[str]:
        found = self._stack.execute(self._service, ["find", "-L", folder, "-type", "f"])
        if found.code in NO_COMMAND:
            raise Unavailable(f"there is no find in {self._service}'s container")
        prefix = f"{folder.rstrip('/')}/"
        return sorted(line.removeprefix(prefix) for line in found.out.splitlines() if line.startswith(prefix))

    def read(self, folder: str, name: str) -> str:
        return self._stack.execute(self._service, ["cat", f"{folder.rstrip('/')}/{name}"]).out


def provisioning(stack: Stack) -> tuple[Provisioning | None, str]:
    """What Grafana is provisioned with, or None and why that cannot be seen.

    The repository's mounted files come first; where they provision no datasource the container is looked into, since
    an image of the author's own may hold them.
    """
    service = next(iter(stack.roles().get(Role.GRAFANA, ())), "")
    found, why = None, "neither the mounted files nor the container can be seen"
    if {Capability.COMPOSE, Capability.SOURCE} <= stack.capabilities:
        found = provisioned(Mounted(stack.compose(), stack.source(), service))
    if Capability.CONTAINERS in stack.capabilities and not (found and found.entries):
        try:
            inside = provisioned(Inside(stack, service))
        except Unavailable as reason:
            why = str(reason)
        else:
            found = inside if inside.entries or found is None else found
    return found, "" if found else why


def provisioned(place: Place) -> Provisioning:
    """What the files of one place say."""
    folder = _folder(place)
    problems: list[str] = []
    entries = [
        entry
        for file, document in _documents(place, f"{folder}/datasources", problems)
        for entry in _entries(file, document, place.env)
    ]
    paths = [
        path
        for _, document in _documents(place, f"{folder}/dashboards", problems)
        for path in _provider_paths(document, place.env)
    ]
    dashboards = [f"{path}/{name}" for path in paths for name in place.names(path) if name.endswith(".json")]
    return Provisioning(
        folder=folder,
        seen_in=place.name,
        entries=tuple(entries[:MAX_ENTRIES]),
        dashboards=tuple(dict.fromkeys(brief(path, 200) for path in dashboards[:MAX_DASHBOARDS])),
        problems=tuple(problems[:MAX_FILES]),
    )


def expand(value: object, env: Mapping[str, str]) -> str:
    """A scalar with the variables of Grafana's environment in it; one that is not set is empty."""
    if not isinstance(value, str | int | float):  # a list made of a few aliases may be endless as a text
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "$".join(
        _EXPANSION.sub(lambda match: env.get(match["grafana"] or match["braced"] or match["bare"] or "", ""), part)
        for part in text.split("$$")
    )


def _folder(place: Place) -> str:
    set_by_command = (match[1] for word in place.command if (match := FOLDER_SETTING.match(word)))
    folder = next(set_by_command, "") or place.env.get("GF_PATHS_PROVISIONING") or DEFAULT_FOLDER
    return folder.rstrip("/") or "/"


def _words(command: Any) -> tuple[str, ...]:
    return tuple(command.split()) if isinstance(command, str) else tuple(map(str, command or ()))


def _documents(place: Place, folder: str, problems: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The provisioning files of ``folder`` by path; those that do not parse are told in ``problems``."""
    import yaml

    names = [name for name in place.names(folder) if "/" not in name and name.endswith((".yaml", ".yml"))]
    for name in names[:MAX_FILES]:
        path = f"{folder}/{name}"
        try:
            document = yaml.safe_load(place.read(folder, name))
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that is none is a ValueError
            problems.append(brief(f"{path}: {error}"))
            continue
        if isinstance(document, Mapping):
            yield path, document
        elif isinstance(document, list):  # dashboards' oldest form: the providers alone
            yield path, {"providers": document}
        elif document is not None:
            problems.append(brief(f"{path}: it holds no mapping"))


def _entries(file: str, document: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[Entry]:
    for entry in _mappings(document.get("datasources")):
        told = {key: expand(entry.get(key), env) for key in ("name", "type", "uid", "url")}
        yield Entry(
            file=brief(file, 200),
            name=brief(told["name"], 200),
            type=brief(told["type"], 100),
            uid=brief(told["uid"], 100),
            url=without_login(told["url"]),
        )


def _provider_paths(document: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[str]:
    for provider in _mappings(document.get("providers")):
        options = provider.get("options")
        path = expand(options.get("path") or options.get("folder"), env) if isinstance(options, Mapping) else ""
        if path.startswith("/"):
            yield path.rstrip("/")


def without_login(url: str) -> str:
    """``url`` in short without user and password."""
    return brief(re.sub(r"//[^/@]*@", "//", url), 200)


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else iter(())
