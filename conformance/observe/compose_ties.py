"""What ties a service to the one host that it was written on."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.observe.compose_facts import Tie
from conformance.stacks.compose.interpolation import InvalidInterpolation, split
from conformance.stacks.compose.service import image, mounts, settled

_SOCKET = re.compile(r"(/var)?/run/(docker|podman/podman|containerd/containerd|crio/crio)\.sock")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_ABSOLUTE = re.compile(rf"/|~|{_WINDOWS.pattern}")
_HOMES = ("HOME", "USERPROFILE", "HOMEPATH")
_EVERYWHERE = ("/etc/localtime", "/etc/timezone")  # the clock of any Linux, read by many images
_HOST_EXPORTER = re.compile(
    r"(^|/)(node[-_]exporter|cadvisor|process[-_]exporter|promtail|alloy|grafana-agent|telegraf|fluent-?bit|fluentd|vector"
    r"|filebeat|metricbeat|netdata|glances|dcgm-exporter|smartctl-exporter|systemd[-_]exporter|datadog-agent|agent)$"
)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_SHARED = ("network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup")


def machine() -> str:
    """What images this machine runs without emulation, as Compose names it."""
    name = platform.machine().lower()
    return f"linux/{_ARCHITECTURES.get(name, name)}"


def is_host_exporter(authored: Mapping[str, Any]) -> bool:
    """Whether its image is of a kind that watches the host, which it cannot do without looking at it."""
    reference = image(authored).partition("@")[0]
    name, separator, tag = reference.rpartition(":")
    return bool(_HOST_EXPORTER.search(name if separator and "/" not in tag else reference))


def ties(written: Mapping[str, Any], authored: Mapping[str, Any], root: Path) -> tuple[Tie, ...]:
    """Of a service as it stands in the YAML, where paths are as its author wrote them, and as Compose reads it.

    Compose makes paths absolute: of those that it reads and the YAML does not hold (``include`` and ``extends`` bring
    them) or holds as relative only those count that lie outside the repository, of which a clone has nothing.
    """
    named = {mount.target: mount.source for mount in mounts(written)}
    found = [*_settings(written), *_settings(authored), *_paths(written)]
    for tie in _paths({"volumes": authored.get("volumes")}):
        source, _, target = tie.detail.rpartition(":")
        as_written = named.get(target, source)
        if (target not in named or as_written.startswith(".")) and not _is_inside(root, source):
            found.append(tie.model_copy(update={"detail": f"{as_written}:{target}"}))
    return tuple({(tie.kind, tie.detail): tie for tie in found}.values())


def _settings(service: Mapping[str, Any]) -> Iterator[Tie]:
    if _is_true(service.get("privileged")):
        yield Tie(kind="privileged", detail="privileged: true")
    for key in _SHARED:
        if settled(str(service.get(key) or "")).strip() == "host":
            yield Tie(kind=key, detail=f"{key}: host")
    devices = service.get("devices")
    for device in devices if isinstance(devices, list) else ():
        source = str(device.get("source") if isinstance(device, Mapping) else device)
        if _is_host_path(source):
            yield Tie(kind="device", detail=source)
    if isinstance(service.get("platform"), str):
        yield Tie(kind="platform", detail=settled(service["platform"]))


def _paths(service: Mapping[str, Any]) -> Iterator[Tie]:
    read_only = _read_only_targets(service)
    for volume in _volumes(service):
        if isinstance(volume, str) and _WINDOWS.match(volume):
            yield Tie(kind="host_path", detail=volume)
    for mount in mounts(service):
        detail, only_read = f"{mount.source}:{mount.target}", mount.target in read_only
        if _SOCKET.fullmatch(mount.source.rstrip("/")):
            yield Tie(kind="docker_socket", detail=detail, read_only=only_read)
        elif _is_host_path(mount.source) and not (mount.source in _EVERYWHERE and only_read):
            yield Tie(kind="host_path", detail=detail, read_only=only_read)


def _is_host_path(source: str) -> bool:
    """An absolute path, in the YAML itself or as a default there, or one from somebody's home.

    What a variable without default holds is the installation's to say; ``${PWD}`` is the project's own folder.
    """
    try:
        first = next(split(source), "")
    except InvalidInterpolation:
        return False
    if isinstance(first, str):
        return bool(_ABSOLUTE.match(source))
    if first.operator.endswith("-"):
        return _is_host_path(first.operand)
    return first.name in _HOMES


def _is_inside(root: Path, source: str) -> bool:
    return Path(os.path.normpath(source)).is_relative_to(root)


def _read_only_targets(service: Mapping[str, Any]) -> frozenset[str]:
    """The targets of mounts that may only be read."""
    found = set()
    for volume in _volumes(service):
        if isinstance(volume, Mapping) and _is_true(volume.get("read_only")):
            found.add(str(volume.get("target")))
        elif isinstance(volume, str) and "ro" in volume.rpartition(":")[2].split(","):
            found.update(mount.target for mount in mounts({"volumes": [volume]}))
    return frozenset(found)


def _volumes(service: Mapping[str, Any]) -> list[Any]:
    volumes = service.get("volumes")
    return volumes if isinstance(volumes, list) else []


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and settled(value).lower() == "true")
