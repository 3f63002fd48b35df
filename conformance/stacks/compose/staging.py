"""A run's own folder: copies of what services mount, so that no file of the submission is touched.

On Docker Desktop any uid may write into a bound folder; on Linux only its owner may. Copies and folders made here are
open to every uid, so that a grade does not depend on where it is given.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

from conformance.stacks.base import StackError

MAX_BYTES = 256 * 2**20
MAX_FILES = 20_000
SKIPPED = frozenset({".git", "node_modules", ".venv", "__pycache__"})


@dataclass
class Staging:
    """The folder of one run. ``made`` are the bound folders that the submission does not hold."""

    folder: Path
    made: list[str] = field(default_factory=list)
    state: dict[str, list[Path]] = field(default_factory=dict)  # by service: the folders that hold its state
    _copied: dict[Path, Path] = field(default_factory=dict)
    _bytes: int = 0
    _files: int = 0

    def bind(self, service: str, source: Path, root: Path, *, holds_state: bool, owner: str = "") -> Path:
        """Where ``source`` is mounted from: a copy, or an empty folder for state and for what is not there.

        ``owner``: the service's user, ``"1000:1000"``. PostgreSQL wants its folder to be its own.

        Raises:
            StackError: it is too large to be copied, or cannot be read.
        """
        if holds_state:
            empty = self._place(source, root, "state")
            self._make(empty)
            _give(empty, owner)
            self.state.setdefault(service, []).append(empty)
            return empty
        if source in self._copied:
            return self._copied[source]
        target = self._place(source, root, "files")
        if source.is_dir():
            self._copy_folder(source, target)
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._copy(source, target)
        else:
            self.made.append(os.path.relpath(source, root))
            self._make(target)  # as Docker does, whatever was meant
        self._copied[source] = target
        return target

    def write(self, name: str, content: str) -> Path:
        """A file of the kit's own."""
        path = self.folder / "written" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        path.chmod(0o666)
        return path

    def _place(self, source: Path, root: Path, kind: str) -> Path:
        """A place that no other source gets: the same path below a folder of this run."""
        try:
            inside = source.relative_to(root)
        except ValueError:
            inside = Path("outside", *source.parts[1:])
        return self.folder / kind / inside / ("content" if kind == "state" else "")

    def _make(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)

    def _copy_folder(self, source: Path, target: Path) -> None:
        self._make(target)
        for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
            path = Path(entry.path)
            if entry.is_symlink() and not path.resolve().is_relative_to(source.resolve()):
                continue  # it leads out of what is mounted: in the container it would lead nowhere
            if entry.is_dir():
                if entry.name not in SKIPPED:
                    self._copy_folder(path, target / entry.name)
            elif entry.is_file():
                self._copy(path, target / entry.name)

    def _copy(self, source: Path, target: Path) -> None:
        try:
            self._bytes += source.stat().st_size
            self._files += 1
            if self._bytes > MAX_BYTES or self._files > MAX_FILES:
                raise StackError(
                    f"{source}: the folders that the Compose file mounts hold more than {MAX_BYTES >> 20} MiB "
                    f"or {MAX_FILES} files; keep data out of them"
                )
            shutil.copyfile(source, target)
            executable = source.stat().st_mode & stat.S_IXUSR
            target.chmod(0o777 if executable else 0o666)
        except OSError as error:
            raise StackError(f"{source}: cannot be copied: {error.strerror}") from error


def _give(folder: Path, owner: str) -> None:
    """Give a folder to a user with a number, where whoever runs this may."""
    user, _, group = owner.partition(":")
    if user.isdecimal():
        with contextlib.suppress(OSError):
            os.chown(folder, int(user), int(group) if group.isdecimal() else -1)
