"""Compose models for tests, made of YAML as ``docker compose config`` would make them: no Docker is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from conformance.stacks.base import Certainty, ComposeModel, Finding, Role
from conformance.stacks.compose.interpolation import substitute
from conformance.stacks.compose.service import environment, mounts, ports, words


class Repository:
    """As much of a stack and a probe as an observer asks for."""

    seed = 0

    def __init__(self, model: ComposeModel, root: Path) -> None:
        self._model, self._root = model, root

    def compose(self) -> ComposeModel:
        return self._model

    def source(self) -> Path:
        return self._root

    def progress(self, message: str) -> None:
        pass


def model(root: Path, text: str, values: Mapping[str, str] | None = None, **roles: Role) -> ComposeModel:
    """``roles``: by service, whose names may not hold a hyphen here."""
    raw = yaml.safe_load(text)
    return ComposeModel(
        file="docker-compose.yml",
        raw=raw,
        authored=_shaped(raw, root, resolve=False),
        resolved=_shaped(_interpolated(raw, values or {}), root, resolve=True),
        env_example=".env.example",
        env_documented=tuple(values or {}),
        findings=tuple(Finding(name, role, Certainty.SURE, f"image of {role}") for name, role in roles.items()),
    )


def _interpolated(tree: Any, values: Mapping[str, str]) -> Any:
    if isinstance(tree, str):
        return substitute(tree, values)
    if isinstance(tree, dict):
        return {key: _interpolated(value, values) for key, value in tree.items()}
    return [_interpolated(value, values) for value in tree] if isinstance(tree, list) else tree


def _shaped(document: dict[str, Any], root: Path, *, resolve: bool) -> dict[str, Any]:
    services = {name: _service(dict(service), root, resolve=resolve) for name, service in document["services"].items()}
    return {**document, "services": services}


def _service(service: dict[str, Any], root: Path, *, resolve: bool) -> dict[str, Any]:
    service["environment"] = environment(service)
    depends = service.get("depends_on") or {}
    if isinstance(depends, list):
        depends = {name: {"condition": "service_started"} for name in depends}
    service["depends_on"] = depends
    if isinstance(service.get("networks"), list):
        service["networks"] = dict.fromkeys(service["networks"])
    written = service.get("volumes") or []
    service["volumes"] = [
        {
            "type": mount.type,
            "source": str(root / mount.source) if mount.source.startswith("./") else mount.source,
            "target": mount.target,
            "read_only": str(volume).endswith(":ro"),
        }
        for volume in written
        for mount in mounts({"volumes": [volume]})
    ]
    service["ports"] = [
        {"target": port.target, "published": port.published, "host_ip": port.host_ip, "protocol": port.protocol}
        for port in ports(service)
    ]
    if resolve:
        for key in ("command", "entrypoint"):
            service[key] = list(words(service.get(key)))
    return service
