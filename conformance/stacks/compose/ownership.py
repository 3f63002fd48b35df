"""Whose containers are whose: what a killed kit left on the engine is removed by the next one.

Everything of a run carries labels: its marker, the machine and its folder. In that folder lies a file that the run
keeps locked for as long as it lives; the lock ends with the process, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import secrets
import socket
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from conformance.stacks import guard
from conformance.stacks.base import StackError
from conformance.stacks.compose.engine import Engine, EngineError
from conformance.stacks.compose.generate import RUN

MACHINE = "pqrs.conformance.machine"
FOLDER = "pqrs.conformance.folder"
KEPT = "pqrs.conformance.kept"  # left running on purpose
PREFIX = "pqrs-stack-"
LOCK = "owner.lock"
KEEP = "kept"  # in the folder: it stays
CLEANER = "cleaner"  # in the folder: an image of the run, with which files of other users can be removed
ORPHANS = "volumes"  # in the folder: volumes without a name that a `down` has left behind, as it does
KINDS = ("container", "network", "volume")


class Ownership:
    """One run's marker, folder and lock."""

    def __init__(self, *, keep: bool) -> None:
        """Raises: StackError: there is no folder for temporary files."""
        self.marker = secrets.token_hex(6)
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{self.marker}-"))
        except OSError as error:
            raise StackError(f"the stack has nowhere to write: {error.strerror}") from error
        if keep:
            (self.folder / KEEP).touch()
        begun = self.folder / f"{LOCK}.begun"
        self._lock: IO[bytes] = begun.open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        begun.rename(self.folder / LOCK)  # it is locked from its first moment on
        self.labels = {MACHINE: machine(), FOLDER: str(self.folder)} | ({KEPT: "yes"} if keep else {})

    @property
    def project(self) -> str:
        return f"pqrs-{self.marker}"

    def release(self) -> None:
        self._lock.close()


def machine() -> str:
    """This machine, as far as locks reach: the same engine may serve others."""
    return f"{socket.gethostname()}-{uuid.getnode():x}"


def remove(engine: Engine, marker: str, folder: Path) -> list[str]:
    """Remove everything of a run from the engine; what could not be removed."""
    for kind in KINDS:
        names = engine.listed(kind, **{RUN: marker})
        force = ["--force", "--volumes"] if kind == "container" else ["--force"] if kind == "volume" else []
        if names:
            engine.attempt([kind, "rm", *force, *names], timeout=120.0)
    with contextlib.suppress(OSError):
        orphans = (folder / ORPHANS).read_text(encoding="utf-8").split()
        engine.attempt(["volume", "rm", "--force", *orphans], timeout=120.0)
    return [f"{kind} {name}" for kind in KINDS for name in engine.listed(kind, **{RUN: marker})]


def remove_folder(engine: Engine, folder: Path) -> None:
    """Remove a run's folder; what containers wrote there as other users, with a container's help."""
    cleaner = folder / CLEANER
    for entry in folder.iterdir() if folder.exists() else ():
        if entry != cleaner:
            guard.remove([str(entry)])
    if not folder.exists() or list(folder.iterdir()) in ([], [cleaner]):
        guard.remove([str(folder)])
        return
    with contextlib.suppress(OSError):
        image = cleaner.read_text(encoding="utf-8")
        mount = f"type=bind,source={folder},target=/conformance"
        engine.attempt(
            ["run", "--rm", "--network=none", "--user=0", "--entrypoint=/bin/sh", "--mount", mount, image,
             "-c", "rm -rf /conformance/*"], timeout=120.0,
        )  # fmt: skip
    guard.remove([str(folder)])


def sweep(engine: Engine) -> None:
    """Remove what runs on this machine left that are no more."""
    for marker, folder in _runs(engine):
        with _abandoned(folder) as abandoned:
            if abandoned:
                remove(engine, marker, folder)
                remove_folder(engine, folder)


def _runs(engine: Engine) -> Iterator[tuple[str, Path]]:
    """Marker and folder of every run of this machine, but for those that were kept.

    A folder may be all that is left of a run.
    """
    locks = Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}")
    folders = [lock.parent for lock in locks if not (lock.parent / KEEP).exists()]
    found = {folder.name.removeprefix(PREFIX).partition("-")[0]: folder for folder in folders}
    for kind in KINDS:
        with contextlib.suppress(EngineError):
            for told in engine.inspect(kind, engine.listed(kind, **{RUN: "", MACHINE: machine()})):
                labels = (told.get("Config") or told).get("Labels") or {}
                if labels.get(RUN) and KEPT not in labels:
                    found[labels[RUN]] = Path(labels.get(FOLDER, ""))
    yield from found.items()


@contextlib.contextmanager
def _abandoned(folder: Path) -> Iterator[bool]:
    """Whether nobody holds the folder's lock; meanwhile nobody else gets it."""
    if not folder.name.startswith(PREFIX):
        yield False
        return
    try:
        with (folder / LOCK).open("rb+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
    except FileNotFoundError:
        yield True
    except PermissionError:  # another user's
        yield False
