"""Every file that Compose reads to resolve a project, followed from the first as Compose follows it.

Nothing outside the repository is read, and nothing remote: such references are :class:`Escape`s. So are paths whose
meaning would hang on more than the env files: they are to mean here what they mean to Compose.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conformance.stacks.compose import env
from conformance.stacks.compose.interpolation import Expression, InvalidInterpolation, split, substitute
from conformance.stacks.compose.raw import ComposeProblem, Document, KeyPath, load

MAX_DOCUMENTS = 50

_REMOTE = re.compile(
    r"^[a-z][a-z0-9+.-]*://|^[\w.-]+@[\w.-]+:|^(github|gitlab|bitbucket)\.\w+[:/]|^(oci|git):|\.git(#|$)", re.IGNORECASE
)
_OF_THE_MACHINE = re.compile(r"PATH|(COMPOSE|DOCKER|BUILDKIT|OTEL|LC)_\w*")  # variables that Compose may see set


@dataclass(frozen=True)
class Reference:
    """A file that a document names, as Compose looks for it; ``required``: Compose fails without it.

    ``values`` are those that an env file may use there.
    """

    document: Document
    at: KeyPath
    text: str
    path: Path
    values: Mapping[str, str] = field(repr=False)
    required: bool = True


@dataclass(frozen=True)
class Escape:
    """A reference that leaves the repository."""

    document: Document
    at: KeyPath
    text: str
    why: str


@dataclass
class Sources:
    documents: list[Document] = field(default_factory=list)
    env_files: list[Reference] = field(default_factory=list)  # of services and of included files
    escapes: list[Escape] = field(default_factory=list)


def is_remote(text: str) -> bool:
    """Whether Compose or the engine would fetch this from elsewhere."""
    return bool(_REMOTE.search(text))


def inside(root: Path, path: Path) -> bool:
    """Whether ``path``, as it is written and with its symbolic links followed, lies in ``root`` (a real path)."""
    try:
        return Path(os.path.normpath(path)).is_relative_to(root) and path.resolve().is_relative_to(root)
    except (OSError, ValueError, RuntimeError):  # no path at all, or links that go in circles
        return False


def is_file(path: Path) -> bool:
    """Whether a stranger's path is a file, whatever it looks like."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether a stranger's path is a folder, whatever it looks like."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


Fill = Callable[[Sequence[env.Binding]], Sequence[env.Binding]]


def collect(root: Path, files: tuple[Path, ...], base: Path, values: Mapping[str, str], fill: Fill) -> Sources:
    """The files of a project, read.

    Args:
        root: the repository, a real path.
        base: the project directory.
        values: of the variables, for paths that are interpolated.
        fill: what happens to the env files of included files.

    Raises:
        ComposeProblem: a file cannot be read or is no YAML; with file and line.
    """
    found = Sources()
    todo = [(file, base, values) for file in files]
    seen = {(file, base) for file in files}
    while todo:
        file, folder, known = todo.pop(0)
        name = file.relative_to(root).as_posix()
        if len(seen) > MAX_DOCUMENTS:
            raise ComposeProblem(name, None, f"more than {MAX_DOCUMENTS} Compose files include one another")
        for document in load(file, name, folder):
            found.documents.append(document)
            for following in _References(root, document, known, fill, found).followed():
                if following[:2] not in seen:
                    seen.add(following[:2])
                    todo.append(following)
    return found


_Next = tuple[Path, Path, Mapping[str, str]]  # a Compose file, the folder where its paths begin, its variables


class _References:
    """What one document names: env files go to ``found``, Compose files are to be followed."""

    def __init__(self, root: Path, document: Document, values: Mapping[str, str], fill: Fill, found: Sources) -> None:
        self._root = root
        self._document = document
        self._values = values
        self._fill = fill
        self._found = found

    def followed(self) -> Iterator[_Next]:
        yield from self._included()
        yield from self._extended()
        self._of_services()

    def _included(self) -> Iterator[_Next]:
        for index, entry in enumerate(_listed(self._document.data.get("include"))):
            at: KeyPath = ("include", index)
            entry = entry if isinstance(entry, dict) else {"path": entry}
            references = [self._reference(at, path) for path in _listed(entry.get("path"))]
            files = [reference.path for reference in references if reference and is_file(reference.path)]
            base = files[0].parent if files else self._document.base
            if entry.get("project_directory"):
                folder = self._reference((*at, "project_directory"), entry["project_directory"])
                if folder is None:
                    continue
                base = folder.path
            env_files = [self._env_file((*at, "env_file"), path) for path in _listed(entry.get("env_file"))]
            if files and not env_files and is_file(base / ".env"):
                env_files = [self._env_file(at, str(base / ".env"))]
            values: dict[str, str] = {}
            for reference in env_files:
                if reference and is_file(reference.path):
                    name = reference.path.relative_to(self._root).as_posix()
                    values |= env.values(self._fill(env.read(reference.path, name)), name, self._values)
            for file in files:
                yield file, base, {**values, **self._values}

    def _extended(self) -> Iterator[_Next]:
        for name, service in _mapping(self._document.data.get("services")).items():
            file = _mapping(_mapping(service).get("extends")).get("file")
            reference = self._reference(("services", name, "extends", "file"), file) if file else None
            if reference and is_file(reference.path):
                yield reference.path, reference.path.parent, self._values

    def _of_services(self) -> None:
        for name, service in _mapping(self._document.data.get("services")).items():
            for key in ("env_file", "label_file"):
                for index, entry in enumerate(_listed(_mapping(service).get(key))):
                    at: KeyPath = ("services", name, key, index)
                    if isinstance(entry, dict):
                        self._env_file(at, entry.get("path"), required=entry.get("required") is not False)
                    else:
                        self._env_file(at, entry)

    def _env_file(self, at: KeyPath, text: Any, *, required: bool = True) -> Reference | None:
        reference = self._reference(at, text)
        if reference:
            reference = replace(reference, required=required)
            self._found.env_files.append(reference)
        return reference

    def _reference(self, at: KeyPath, text: Any) -> Reference | None:
        """The file that is meant; None where Compose itself will complain, or where it leaves the repository."""
        if not isinstance(text, str) or not text:
            return None
        try:
            meant, why = substitute(text, self._values), self._objection(text)
        except InvalidInterpolation:
            return None
        path = self._document.base / meant
        if not why and is_remote(meant):
            why = "it would be fetched from elsewhere"
        if not why and (meant.startswith("~") or not inside(self._root, path)):
            why = "it lies outside the repository"
        if why:
            self._found.escapes.append(Escape(self._document, at, text, why))
            return None
        return Reference(self._document, at, text, Path(os.path.normpath(path)), self._values)

    def _objection(self, text: str) -> str:
        for part in split(text):
            plain = isinstance(part, str) and "$" not in part
            simple = isinstance(part, Expression) and not part.operator.endswith("+") and "$" not in part.operand
            if not (plain or simple):
                return "its path is more than text and variables with plain defaults"
            if isinstance(part, Expression) and _OF_THE_MACHINE.fullmatch(part.name):
                return "its path hangs on the machine"
        return ""


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
