"""Where PostgreSQL and the object store really write, and what is mounted there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from conformance.observe.containers_inside import Running, host
from conformance.observe.facts import Facts
from conformance.observe.web import brief
from conformance.stacks.base import Container, Role, Stack, Unavailable

LAYER, UNKNOWN = "layer", ""
MAX_FOLDERS = 8  # of one store
_RANGE = re.compile(r"\{(\d+)\.{2,3}(\d+)\}")  # /data/disk{1...4}
_STORES = {  # program: what names its folders in the environment, and the folder that its image begins with
    "rustfs": ("RUSTFS_VOLUMES", "/data"),
    "minio": ("MINIO_VOLUMES", "/data"),
}
_WEED_FOLDERS = ("-dir", "--dir", "-volume.dir", "--volume.dir")


class Mount(Facts):
    """A mount of a container, seen from inside."""

    kind: str  # named | anonymous | bind | tmpfs
    target: str
    writable: bool
    holds: str = ""  # compute and orchestrator: the first thing in it that is of a catalogue or a lake
    shared_with: tuple[str, ...] = ()  # compute and orchestrator: the services that keep their state in it


class Home(Facts):
    """A folder in which a stateful service keeps its data."""

    service: str
    role: str
    path: str
    known_by: str  # what says so: "SHOW data_directory", a variable, the running command
    mount: str = ""  # where what holds it is mounted; empty: nowhere
    kind: str = UNKNOWN  # named | anonymous | bind | tmpfs | layer (the container's own)
    mounts: tuple[str, ...] = ()  # all that is mounted into the container: "named /var/lib/postgres"


def mounts(inspected: Mapping[str, Any], declared: Sequence[Mapping[str, Any]]) -> tuple[Mount, ...]:
    """What the engine mounted into a container; ``declared``: the volumes of its service in the resolved model."""
    nameless = {
        _normal(str(volume.get("target")))
        for volume in declared
        if volume.get("type") == "volume" and not volume.get("source")
    }
    named = {_normal(str(volume.get("target"))) for volume in declared if volume.get("source")}
    found = {}
    for mount in inspected.get("Mounts") or ():
        target = _normal(str(mount.get("Destination")))
        kind = str(mount.get("Type"))
        if kind == "volume":
            made_up = re.fullmatch(r"[0-9a-f]{64}", str(mount.get("Name"))) is not None
            kind = "anonymous" if target in nameless or (made_up and target not in named) else "named"
        found[target] = Mount(kind=kind, target=target, writable=bool(mount.get("RW", True)))
    for target in (inspected.get("HostConfig") or {}).get("Tmpfs") or {}:
        found[_normal(target)] = Mount(kind="tmpfs", target=_normal(target), writable=True)
    return tuple(found[target] for target in sorted(found))


def homes(
    stack: Stack,
    role: Role,
    container: Container,
    inspected: Mapping[str, Any],
    processes: Sequence[Running],
    mounted: Sequence[Mount],
    data_directory: str,
) -> tuple[Home, ...]:
    """The folders of PostgreSQL or an object store; none when it cannot be told where it writes.

    Args:
        data_directory: what PostgreSQL itself says; empty: it does not.
    """
    variables = dict(str(variable).partition("=")[::2] for variable in (inspected.get("Config") or {}).get("Env") or ())
    if role is Role.POSTGRES:
        folders = _of_postgres(variables, processes, data_directory)
    else:
        folders = _of_store(variables, processes)
    told = tuple(f"{mount.kind} {brief(mount.target, 200)}" for mount in mounted)
    return tuple(
        Home(
            service=container.service,
            role=role,
            path=brief(path, 300),
            known_by=known_by,
            mounts=told[:20],
            **_held(_real(stack, container, path), mounted),
        )
        for path, known_by in list(dict(folders).items())[:MAX_FOLDERS]
    )


def _of_postgres(
    variables: Mapping[str, str], processes: Sequence[Running], data_directory: str
) -> Iterator[tuple[str, str]]:
    started = (
        process.argv for process in processes if posixpath.basename(process.argv[0]) in ("postgres", "postmaster")
    )
    asked = next((value for argv in started if (value := _option(argv, ("-D",)))), "")
    if data_directory:
        yield data_directory, "SHOW data_directory"
    elif asked:
        yield asked, "postgres -D"
    elif variables.get("PGDATA"):
        yield variables["PGDATA"], "PGDATA"


def _of_store(variables: Mapping[str, str], processes: Sequence[Running]) -> Iterator[tuple[str, str]]:
    for process in processes:
        program, words = posixpath.basename(process.argv[0]), process.argv[1:]
        if program == "weed":
            for folder in (_option(words, _WEED_FOLDERS) or "").split(","):
                if folder:
                    yield folder, "weed -dir"
        elif program in _STORES:
            variable, usual = _STORES[program]
            asked = [folder for word in words for folder in _folders(word)]
            by_variable = [
                folder for word in re.split(r"[\s,]+", variables.get(variable, "")) for folder in _folders(word)
            ]
            known_by = f"{program} {asked[0]}" if asked else variable if by_variable else f"{program}'s default"
            yield from ((folder, known_by) for folder in asked or by_variable or [usual])


def _folders(word: str) -> Iterator[str]:
    """``/data/disk{1...2}`` in full; of a URL its path (other nodes have the same folders), of an option nothing."""
    path = re.sub(r"^https?://[^/]+", "", word)
    if not path.startswith("/"):
        return
    match = _RANGE.search(path)
    if match is None:
        yield path
        return
    for number in range(int(match[1]), min(int(match[2]), int(match[1]) + MAX_FOLDERS) + 1):
        yield from _folders(f"{path[: match.start()]}{number}{path[match.end() :]}")


def _option(words: Sequence[str], names: Sequence[str]) -> str | None:
    for index, word in enumerate(words):
        name, separator, value = word.partition("=")
        if name in names:
            return value if separator else next(iter(words[index + 1 :]), None)
    return None


def _real(stack: Stack, container: Container, path: str) -> str:
    """The path with its symbolic links followed, where the container runs and has the tool."""
    with suppress(Unavailable, AssertionError, RuntimeError):
        linked = host(stack, container).file(path).linked_to
        if isinstance(linked, str) and linked.startswith("/"):
            return _normal(linked)
    return _normal(path)


def _held(path: str, mounted: Sequence[Mount]) -> dict[str, str]:
    holding = [mount for mount in mounted if within(path, mount.target)]
    if not holding:
        return {"kind": LAYER}
    deepest = max(holding, key=lambda mount: len(mount.target))
    return {"kind": deepest.kind, "mount": deepest.target}


def within(path: str, folder: str) -> bool:
    return folder == "/" or path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _normal(path: str) -> str:
    return "/" + posixpath.normpath(f"/{path}").lstrip("/")
