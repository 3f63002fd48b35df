"""The model that really runs: complete, with nothing in it that another project on the engine could share.

Overrides do not serve: their ports are added to the author's, names that the author fixed escape the project, and the
files could change after they were vetted.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.stacks.base import Finding, Role, StackError
from conformance.stacks.compose.images import Entry, Images, reworded
from conformance.stacks.compose.staging import Staging

RUN = "pqrs.conformance.run"
"""The label of everything that belongs to a run; its value is the run's marker."""

ACCESS = "conformance-access-"
"""How the networks begin through which the kit reaches services that are on internal networks only: each has its own,
so that no service sees another through it."""

STATE: Mapping[Role, tuple[str, ...]] = {
    Role.POSTGRES: ("/var/lib/postgresql", "/bitnami/postgresql", "/home/postgres/pgdata", "/pgdata"),
    Role.OBJECT_STORE: ("/data", "/export", "/rustfs", "/bitnami/minio", "/var/lib/garage", "/logs"),
    Role.PROMETHEUS: ("/prometheus", "/opt/bitnami/prometheus/data"),
    Role.GRAFANA: ("/var/lib/grafana", "/opt/bitnami/grafana/data"),
    Role.PREFECT_SERVER: ("/root/.prefect", "/opt/prefect/data"),
}
"""Where services keep their state: a run begins without any, whatever an earlier one left in a bound folder."""

_NETWORK_KEYS = ("driver", "internal", "attachable", "enable_ipv6", "labels")
_VOLUME_KEYS = ("labels",)
_DROPPED = ("container_name", "ports", "profiles", "pull_policy", "scale")


@dataclass(frozen=True)
class Generated:
    """A Compose document as ``docker compose`` reads it, and what was changed for it."""

    document: dict[str, Any]
    images: dict[str, Entry]  # by service, where another image runs than the author named
    left_out: dict[str, str] = field(default_factory=dict)  # services that do not run, and why


def generate(
    document: Mapping[str, Any],
    *,
    project: str,
    marker: str,
    labels: Mapping[str, str],
    root: Path,
    findings: tuple[Finding, ...],
    images: Images,
    ports: Mapping[str, Mapping[int, int]],
    staging: Staging,
    left_out: Mapping[str, str],
) -> Generated:
    """Rewrite what Compose resolved.

    Args:
        document: the output of ``docker compose config --format json``, with ``$`` doubled.
        labels: put on every container, network and volume, beside :data:`RUN`.
        ports: host ports on loopback, by service and port of the container.
        left_out: services that must not run, and why.

    Raises:
        StackError: an image that a role needs cannot be had, or a bound folder cannot be copied.
    """
    roles = {finding.service: finding.role for finding in findings}
    ports = _by_network(document.get("services", {}), ports)
    folders = dict(_folders_as_volumes(document))
    builds = {one["image"]: one["build"] for one in document.get("services", {}).values() if _names_its_build(one)}
    labels = {**labels, RUN: marker}
    services: dict[str, Any] = {}
    mapped: dict[str, Entry] = {}
    left_out = dict(left_out)
    for name, service in document.get("services", {}).items():
        if name in left_out:
            continue
        if service.get("image") in builds:  # of a service's own build, or of another's that it uses by name
            service = {**service, "build": service.get("build") or builds[service["image"]]}
        role = roles.get(name, Role.OTHER)
        entry = _image(name, service, images)
        if entry is None:
            needed = role is not Role.OTHER or _is_needed(name, document, roles)
            if needed and not service.get("build"):
                raise StackError(f"--images {images.name}: no image in place of {service.get('image')} ({name})")
            if not needed:
                left_out[name] = (
                    "it would have to be built, and no role needs it"
                    if service.get("build")
                    else f"its image cannot be had with --images {images.name}"
                )
                continue
        services[name] = _service(name, service, role, root, staging, ports.get(name, {}), labels, folders)
        if entry is not None and not images.upstream:
            mapped[name] = entry
            services[name] |= {"image": entry.image}
            services[name].pop("build", None)
            services[name].pop("platform", None)
            for words in ("command", "entrypoint"):
                services[name][words] = reworded(services[name].get(words), entry.replace)
        if services[name].get("build"):
            services[name]["image"] = f"{project}-{name}"
    for service in services.values():
        _without(service, left_out)
    networks = {
        name: {key: network[key] for key in _NETWORK_KEYS if key in (network or {})} | {"labels": labels}
        for name, network in document.get("networks", {}).items()
    }
    for name, service in services.items():
        if service.get("ports") and all(networks.get(one, {}).get("internal") for one in service.get("networks", [""])):
            service["networks"][f"{ACCESS}{name}"] = None
            networks[f"{ACCESS}{name}"] = {"labels": labels}
    generated = {
        "name": project,
        "services": services,
        "networks": networks,
        "volumes": {name: {"labels": labels} for name in document.get("volumes", {}) if name not in folders},
        "secrets": _files("secrets", document, root, staging),
        "configs": _files("configs", document, root, staging),
    }
    return Generated({key: value for key, value in generated.items() if value}, mapped, left_out)


def _by_network(
    services: Mapping[str, Mapping[str, Any]], ports: Mapping[str, Mapping[int, int]]
) -> dict[str, dict[int, int]]:
    """The ports by the service that publishes them: of one in another's network (``service:OTHER``) that other."""
    found: dict[str, dict[int, int]] = {}
    for name, own in ports.items():
        shared, _, other = str(services[name].get("network_mode") or "").partition(":")
        found.setdefault(other if shared == "service" else name, {}).update(own)
    return found


def _names_its_build(service: Mapping[str, Any]) -> bool:
    return bool(service.get("build") and service.get("image"))


def _image(name: str, service: Mapping[str, Any], images: Images) -> Entry | None:
    """What runs for a service; None where it must be built, or cannot be had."""
    image = service.get("image")
    if service.get("build") and images.upstream:
        return None
    return images.of(str(image)) if image else None


def _is_needed(name: str, document: Mapping[str, Any], roles: Mapping[str, Role]) -> bool:
    """Whether a service with a role waits for this one."""
    return any(
        name in (service.get("depends_on") or {}) and role is not Role.OTHER
        for other, service in document.get("services", {}).items()
        if (role := roles.get(other, Role.OTHER))
    )


def _service(
    name: str,
    service: Mapping[str, Any],
    role: Role,
    root: Path,
    staging: Staging,
    ports: Mapping[int, int],
    labels: Mapping[str, str],
    folders: Mapping[str, str],
) -> dict[str, Any]:
    new = {key: copy.deepcopy(value) for key, value in service.items() if key not in _DROPPED}
    new["labels"] = {**(service.get("labels") or {}), **labels}
    user = str(service.get("user") or "")
    new["volumes"] = [_mount(name, user, mount, role, root, staging, folders) for mount in service.get("volumes") or []]
    new["logging"] = {"driver": "json-file", "options": {"max-size": "20m"}}
    if ports:
        new["ports"] = [
            {"mode": "ingress", "host_ip": "127.0.0.1", "target": target, "published": str(host), "protocol": "tcp"}
            for target, host in ports.items()
        ]
    if "network_mode" not in new:
        new["networks"] = _networks(service)
    return new


def _networks(service: Mapping[str, Any]) -> dict[str, Any]:
    """The author's networks. A fixed container name is one under which others find the service: it becomes an alias."""
    networks: dict[str, Any] = {}
    fixed = service.get("container_name")
    for network, settings in (service.get("networks") or {"default": None}).items():
        aliases = [*((settings or {}).get("aliases") or []), *([fixed] if fixed else [])]
        networks[network] = {"aliases": aliases} if aliases else None
    return networks


def _folders_as_volumes(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Named volumes that are folders of the host (``driver_opts: {o: bind, device: …}``), and which."""
    for name, volume in document.get("volumes", {}).items():
        options = (volume or {}).get("driver_opts") or {}
        if "bind" in str(options.get("o", "")).split(",") and options.get("device"):
            yield name, str(options["device"])


def _mount(
    name: str, user: str, mount: Mapping[str, Any], role: Role, root: Path, staging: Staging, folders: Mapping[str, str]
) -> dict[str, Any]:
    if mount.get("source") in folders:
        mount = {**mount, "type": "bind", "source": str(root / folders[mount["source"]])}
    if mount.get("type") != "bind":
        return dict(mount)
    target = str(mount["target"]).rstrip("/")
    own_state = target in STATE.get(role, ()) or (role is Role.POSTGRES and target.startswith("/var/lib/postgresql"))
    own_state = own_state and not mount.get("read_only")
    source = staging.bind(name, Path(mount["source"]), root, holds_state=own_state, owner=user)
    kept = {key: value for key, value in mount.items() if key in ("type", "target", "read_only")}
    return {**kept, "source": str(source)}


def _files(kind: str, document: Mapping[str, Any], root: Path, staging: Staging) -> dict[str, Any]:
    """Secrets or configs, all as staged files."""
    kept: dict[str, Any] = {}
    for name, one in document.get(kind, {}).items():
        if "file" in one:
            path = staging.bind("", Path(one["file"]), root, holds_state=False)
        else:
            content = str(one.get("content", ""))
            path = staging.write(f"{kind}/{name}", content.replace("$$", "$") if kind == "configs" else content)
        kept[name] = {"file": str(path)}
    return kept


def _without(service: dict[str, Any], left_out: Mapping[str, str]) -> None:
    """Nobody waits for what does not run."""
    depends = {name: how for name, how in (service.get("depends_on") or {}).items() if name not in left_out}
    if depends:
        service["depends_on"] = depends
    else:
        service.pop("depends_on", None)
    if "links" in service:
        service["links"] = [link for link in service["links"] if str(link).partition(":")[0] not in left_out]
