"""What a repository mounts into Grafana for it to read at its start, and what Grafana would refuse of it.

How Grafana reads it (pkg/services/provisioning): ``*.yaml`` and ``*.yml`` directly in ``datasources/`` and
``dashboards/`` of the provisioning folder, a key twice in one mapping being an error that stops it; ``*.json`` at any
depth below a provider's path, of which it drops those that are no JSON or have no title.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from conformance.observe import naming
from conformance.observe.compose_facts import Dashboard, Datasource, Provider, Provisioning, Section, Stray
from conformance.observe.mounts import in_repository, mount_of, mounts, origin, tree
from conformance.observe.web import brief
from conformance.stacks.base import ComposeModel
from conformance.stacks.compose.service import environment, words

DEFAULT_FOLDER = "/etc/grafana/provisioning"
MAX_LISTED = 20
MAX_DASHBOARDS = 100
MAX_YAML = 256 * 1024

_FOLDER_OPTION = re.compile(r"cfg:(?:default\.)?paths\.provisioning=(.+)")
_YAML = re.compile(r"\.ya?ml$")
_LIKE_PROVISIONING = re.compile(rb"^(datasources|providers):[ \t]*(\[|#|\r?$)", re.MULTILINE)
_VARIABLE = re.compile(r"\$__env\{(?P<grafana>[^}]+)\}|\$\{(?P<braced>[^}]*)\}|\$(?P<bare>[A-Za-z_]\w*)")


def provisioning(model: ComposeModel, root: Path, service: str) -> Provisioning:
    """The files of one Grafana service."""
    return _Reading(model, root, service).provisioning()


class _Reading:
    def __init__(self, model: ComposeModel, root: Path, service: str) -> None:
        self._model, self._root, self._service = model, root, service
        self._spec = naming.service(model, service)
        self._env = environment(self._spec)
        self._folder = self._folder_of_provisioning()
        self._problems: list[str] = []

    def provisioning(self) -> Provisioning:
        datasources = [
            one for file, document in self._documents("datasources") for one in self._datasources(file, document)
        ]
        providers = [one for file, document in self._documents("dashboards") for one in self._providers(file, document)]
        dashboards = [one for path in dict.fromkeys(one.path for one in providers) for one in self._dashboards(path)]
        dashboards.sort(key=lambda dashboard: not dashboard.problem)
        return Provisioning(
            service=self._service,
            folder=self._folder,
            built=self._spec.get("build") is not None,
            datasources=tuple(datasources[:MAX_LISTED]),
            providers=tuple(providers[:MAX_LISTED]),
            dashboards=tuple(dashboards[:MAX_DASHBOARDS]),
            problems=tuple(self._problems[:MAX_LISTED]),
            strays=tuple(self._strays())[:MAX_LISTED],
        )

    def _folder_of_provisioning(self) -> str:
        options = map(_FOLDER_OPTION.fullmatch, words(self._spec.get("command")))
        by_option = next((match[1] for match in options if match), "")
        return (by_option or self._env.get("GF_PATHS_PROVISIONING") or DEFAULT_FOLDER).rstrip("/") or "/"

    def _documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The files of a kind that parse; the others go to the problems."""
        folder = f"{self._folder}/{kind}"
        for name, data in tree(self._model, self._root, self._service, folder).items():
            if "/" in name or not _YAML.search(name) or len(data) > MAX_YAML:
                continue
            file = self._origin(f"{folder}/{name}")
            try:
                document = _parsed(data)
            except ValueError as error:
                self._problems.append(f"{file}: {error}")
                continue
            if isinstance(document, list) and kind == "dashboards":  # the oldest form: the providers alone
                document = {"providers": document}
            if isinstance(document, Mapping):
                yield file, document
            elif document is not None:
                self._problems.append(f"{file}: it holds no mapping")

    def _datasources(self, file: str, document: Mapping[str, Any]) -> Iterator[Datasource]:
        versioned = bool(document.get("apiVersion"))  # without it Grafana reads the old form and no isDefault
        for entry in self._entries(file, document, "datasources"):
            yield Datasource(
                file=file,
                name=brief(self._expanded(entry.get("name")), 100),
                type=brief(self._expanded(entry.get("type")), 100),
                has_url=bool(self._expanded(entry.get("url")).strip()),
                org=self._expanded(entry.get("orgId")),
                default=versioned and self._expanded(entry.get("isDefault")) == "true",
            )

    def _providers(self, file: str, document: Mapping[str, Any]) -> Iterator[Provider]:
        for entry in self._entries(file, document, "providers"):
            options = entry.get("options")
            options = options if isinstance(options, Mapping) else {}
            path = self._expanded(options.get("path") or options.get("folder")).strip()
            path = f"/{path.strip('/')}" if path.startswith("/") else path
            yield Provider(
                file=file, name=brief(self._expanded(entry.get("name")), 100), path=brief(path), seen=self._seen(path)
            )

    def _entries(self, file: str, document: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
        entries = document.get(key)
        if entries is not None and not isinstance(entries, list):
            self._problems.append(f"{file}: {key} is no list")
            return
        for entry in entries or ():
            if isinstance(entry, Mapping):
                yield entry
            else:
                self._problems.append(f"{file}: {key} holds something that is no mapping")

    def _dashboards(self, path: str) -> Iterator[Dashboard]:
        if path.startswith("/"):
            for name, data in tree(self._model, self._root, self._service, path).items():
                if name.endswith(".json"):
                    yield Dashboard(file=self._origin(f"{path}/{name}"), problem=_dashboard_problem(data))

    def _seen(self, path: str) -> str:
        mount = mount_of(self._model, self._service, path)
        below = any(one.target.startswith(f"{path}/") for one in mounts(self._model, self._service))
        if below or (mount and (mount.kind == "config" or in_repository(self._root, mount) is not None)):
            return "repository"
        return "volume" if mount else ""

    def _strays(self) -> Iterator[Stray]:
        """Files that look like provisioning and lie where Grafana does not look for it."""
        read = {f"{self._folder}/datasources", f"{self._folder}/dashboards"}
        seen = set()
        for mount in mounts(self._model, self._service):
            folder = mount.target.rpartition("/")[0] if _YAML.search(mount.target) else mount.target
            for name, data in tree(self._model, self._root, self._service, folder or "/").items():
                path = f"{folder}/{name}"
                if path in seen or path.rpartition("/")[0] in read or not _YAML.search(name):
                    continue
                seen.add(path)
                if looks := _LIKE_PROVISIONING.search(data):
                    kind: Section = "providers" if looks[1] == b"providers" else "datasources"
                    yield Stray(file=self._origin(path), kind=kind, path=brief(path))

    def _origin(self, path: str) -> str:
        return brief(origin(self._model, self._root, self._service, path), 200)

    def _expanded(self, value: object) -> str:
        """A value with the variables of Grafana's environment in it; one that is not set is empty."""
        if value is None or isinstance(value, Mapping | list):
            return ""
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return "$".join(
            _VARIABLE.sub(lambda match: self._env.get(next(filter(None, match.groups()), ""), ""), part)
            for part in text.split("$$")
        )


def _parsed(data: bytes) -> Any:
    """
    Raises:
        ValueError: what Grafana would refuse, in one line.
    """
    try:
        text = data.decode("utf-8-sig")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if twice := _twice(node):
            raise ValueError(twice)
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(brief(error)) from None


def _twice(root: yaml.Node | None) -> str:
    """A key that stands twice in one mapping."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and lines.setdefault(key.value, line) != line:
                return f"line {line}: the key {brief(key.value, 60)} is already defined at line {lines[key.value]}"
            waiting.append(value)
    return ""


def _dashboard_problem(data: bytes) -> str:
    """Why Grafana drops a dashboard; a byte order mark is no JSON to it, nor is NaN."""
    try:
        dashboard = json.loads(data.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return brief(f"no JSON: {error}")
    if not isinstance(dashboard, dict):
        return "no JSON object"
    spec = dashboard.get("spec")
    titles = (dashboard.get("title"), spec.get("title") if isinstance(spec, dict) else None)
    return "" if any(isinstance(title, str) and title.strip() for title in titles) else "it has no title"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
