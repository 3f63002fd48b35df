"""What a service finds at a path of its container, as far as the repository puts it there.

Bind mounts of the repository's own folders and files, Compose ``configs`` and ``secrets`` (a file, or inline content).
What comes from an image, from a named volume or from outside the repository is not seen: for these it is as if nothing
were there. Pure but for reading files below the repository's root.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.stacks.base import ComposeModel, Role

MAX_FILE = 4 * 2**20
MAX_FILES = 500
MAX_TOTAL = 32 * 2**20
MAX_ENTRIES = 20_000  # of a folder that is searched
FROM_FILES = ("bind", "config", "secret")

_CONFIGURATION_PLACE = re.compile(r"^/etc(/|$)|/\.config/|^/docker-entrypoint-\w+\.d(/|$)|provisioning")
_CONFIGURATION_FILE = re.compile(r"\.(ya?ml|ini|conf|cfg|toml|properties|json)$", re.IGNORECASE)
_DASHBOARDS = re.compile(r"dashboards?(/|$)")


@dataclass(frozen=True)
class Mount:
    """A place of a service's container that does not come from its image, as the resolved model says."""

    kind: str  # bind | volume | tmpfs | config | secret, or what Compose calls it
    source: str  # the host's path, or the name of the volume, config or secret; empty: an anonymous volume
    target: str  # absolute, without "." and ".."
    read_only: bool = False
    inline: bytes | None = field(default=None, repr=False)  # content that stands in the Compose file itself


def mounts(model: ComposeModel, service: str) -> tuple[Mount, ...]:
    """The service's mounts in the model's order: volumes, tmpfs, configs, secrets."""
    return tuple(_mounts(model.resolved, _mapping(_mapping(model.resolved.get("services")).get(service))))


def content(model: ComposeModel, root: Path, service: str, path: str) -> bytes | None:
    """The file at ``path`` in a container of ``service``.

    None: it is not there, not a regular file, larger than :data:`MAX_FILE`, or does not come from the repository.
    """
    path = _normal(path)
    mount = _covering(mounts(model, service), path)
    if mount is None or mount.inline is not None:
        return mount.inline if mount and mount.target == path else None
    source = _inside(root, mount)
    return _read(source, path[len(mount.target) :].strip("/")) if source else None


def tree(model: ComposeModel, root: Path, service: str, folder: str) -> dict[str, bytes]:
    """The regular files below ``folder`` in a container of ``service``, by their path below it, sorted.

    At most :data:`MAX_FILES` of together :data:`MAX_TOTAL` bytes; a file over :data:`MAX_FILE` is left out.
    """
    folder = _normal(folder)
    found: dict[str, bytes] = {}
    total = 0
    for name, path in _names(mounts(model, service), root, folder):
        data = content(model, root, service, path)
        if data is not None and total + len(data) <= MAX_TOTAL:
            found[name] = data
            total += len(data)
        if len(found) == MAX_FILES:
            break
    return dict(sorted(found.items()))


def configuration(model: ComposeModel, root: Path, service: str) -> tuple[Mount, ...]:
    """The mounts that configure a server, as opposed to code that runs and data that are kept.

    Compose ``configs``; folders of the repository at a place for configuration; single configuration files of it.
    """
    of_grafana = service in model.services_of(Role.GRAFANA)
    return tuple(mount for mount in mounts(model, service) if _configures(mount, root, of_grafana))


def mount_of(model: ComposeModel, service: str, path: str) -> Mount | None:
    """The mount that decides what is at ``path`` in a container of ``service``; None: its image does."""
    return _covering(mounts(model, service), _normal(path))


def origin(model: ComposeModel, root: Path, service: str, path: str) -> str:
    """Where the file at ``path`` in a container of ``service`` is kept, for people to read."""
    path = _normal(path)
    mount = _covering(mounts(model, service), path)
    if mount is None:
        return path
    if mount.inline is not None:
        return f"configs.{mount.source}"
    source = _inside(root, mount)
    return (source / path[len(mount.target) :].strip("/")).relative_to(root.resolve()).as_posix() if source else path


def in_repository(root: Path, mount: Mount) -> str | None:
    """The folder or file that is mounted, relative to the repository; ``.`` for all of it.

    None: the mount has none, or it lies outside, also through a symbolic link.
    """
    source = _inside(root, mount)
    return source.relative_to(root.resolve()).as_posix() if source else None


def _configures(mount: Mount, root: Path, of_grafana: bool) -> bool:
    if mount.kind == "config":
        return True
    if in_repository(root, mount) is None:
        return False
    is_file = _CONFIGURATION_FILE.search(mount.target) and Path(mount.source).is_file()
    is_place = _CONFIGURATION_PLACE.search(mount.target) or (of_grafana and _DASHBOARDS.search(mount.target))
    return bool(is_file or is_place)


def _mounts(model: Mapping[str, Any], service: Mapping[str, Any]) -> Iterator[Mount]:
    for volume in map(_mapping, _list(service.get("volumes"))):
        if isinstance(volume.get("target"), str):
            source = str(volume.get("source") or "")
            yield Mount(str(volume.get("type")), source, _normal(volume["target"]), bool(volume.get("read_only")))
    tmpfs = service.get("tmpfs")
    for target in [tmpfs] if isinstance(tmpfs, str) else _list(tmpfs):
        yield Mount("tmpfs", "", _normal(str(target).partition(":")[0]))
    for kind, folder in (("config", "/"), ("secret", "/run/secrets")):
        definitions = _mapping(model.get(f"{kind}s"))
        for use in _list(service.get(f"{kind}s")):
            name = str(_mapping(use).get("source") or "") if isinstance(use, Mapping) else str(use)
            definition = _mapping(definitions.get(name))
            inline = definition.get("content")
            yield Mount(
                kind,
                name if isinstance(inline, str) else str(definition.get("file") or name),
                _normal(posixpath.join(folder, str(_mapping(use).get("target") or name))),
                True,
                inline.encode() if isinstance(inline, str) else None,
            )


def _covering(candidates: tuple[Mount, ...], path: str) -> Mount | None:
    """The mount that decides what is at ``path``: the deepest one, and of two at one place the last."""
    covering = [mount for mount in candidates if _is_below(path, mount.target)]
    return max(reversed(covering), key=lambda mount: len(mount.target), default=None)


def _names(candidates: tuple[Mount, ...], root: Path, folder: str) -> Iterator[tuple[str, str]]:
    """What may be below ``folder``: names below it, and the same as paths of the container."""
    seen: set[str] = set()
    covering = _covering(candidates, folder)
    below = [mount for mount in candidates if mount is not covering and _is_below(mount.target, folder)]
    for mount in [*([covering] if covering else []), *below]:
        source = _inside(root, mount)
        start = folder if mount is covering else mount.target
        within = source / start[len(mount.target) :].strip("/") if source else None
        relative = _files(within, source) if source and within and within.is_dir() else ("",)
        for name in relative:
            path = _normal(f"{start}/{name}")
            if path != folder and path not in seen:
                seen.add(path)
                yield path[len(folder) :].strip("/"), path


def _files(folder: Path, mounted: Path) -> Iterator[str]:
    """Files and links below ``folder``, in the order of names. A link to a folder is not followed."""
    if not folder.resolve().is_relative_to(mounted):
        return
    entries = 0
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            entries += 1
            if entries > MAX_ENTRIES:
                return
            yield (Path(parent) / name).relative_to(folder).as_posix()


def _inside(root: Path, mount: Mount) -> Path | None:
    """Where the mount's source really is, if that is in the repository."""
    if (
        mount.kind not in ("bind", "config", "secret")
        or mount.inline is not None
        or not Path(mount.source).is_absolute()
    ):
        return None
    try:
        source = Path(mount.source).resolve()
        return source if source.is_relative_to(root.resolve()) else None
    except (OSError, RuntimeError, ValueError):  # a circle of links, a NUL
        return None


def _read(source: Path, name: str) -> bytes | None:
    """The regular file ``name`` below ``source`` (or ``source`` itself): a container cannot follow a link out of it."""
    try:
        file = (source / name).resolve() if name else source
        if not file.is_relative_to(source) or not stat.S_ISREG(file.stat().st_mode):
            return None
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except (OSError, RuntimeError, ValueError):
        return None
    return data if len(data) <= MAX_FILE else None


def _is_below(path: str, folder: str) -> bool:
    return folder == "/" or path == folder or path.startswith(f"{folder}/")


def _normal(path: str) -> str:
    return "/" + posixpath.normpath(f"/{path}").lstrip("/")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
