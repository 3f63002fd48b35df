"""Every file that Compose reads to resolve a project, followed from the first as Compose follows it.

Nothing outside the repository is read, and nothing remote: such references are :class:`Escape`s.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.stacks.compose.interpolation import InvalidInterpolation, substitute
from conformance.stacks.compose.raw import ComposeProblem, Document, KeyPath, load

MAX_DOCUMENTS = 50

_REMOTE = re.compile(
    r"^[a-z][a-z0-9+.-]*://|^[\w.-]+@[\w.-]+:|^(github|gitlab|bitbucket)\.\w+[:/]|^(oci|git):|\.git(#|$)", re.IGNORECASE
)


@dataclass(frozen=True)
class Reference:
    """A file that a document names, as Compose looks for it; ``required``: Compose fails without it."""

    document: Document
    at: KeyPath
    text: str
    path: Path
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
    return Path(os.path.normpath(path)).is_relative_to(root) and path.resolve().is_relative_to(root)


def collect(root: Path, files: tuple[Path, ...], base: Path, values: Mapping[str, str]) -> Sources:
    """The files of a project, read.

    Args:
        root: the repository, a real path.
        base: the project directory.
        values: of the variables, for paths that are interpolated.

    Raises:
        ComposeProblem: a file cannot be read or is no YAML; with file and line.
    """
    return _Walk(root, values).of(files, base)


class _Walk:
    def __init__(self, root: Path, values: Mapping[str, str]) -> None:
        self._root = root
        self._values = values
        self._found = Sources()

    def of(self, files: tuple[Path, ...], base: Path) -> Sources:
        todo = [(file, base) for file in files]
        seen = set(todo)
        while todo:
            file, folder = todo.pop(0)
            name = file.relative_to(self._root).as_posix()
            if len(self._found.documents) == MAX_DOCUMENTS:
                raise ComposeProblem(name, None, f"more than {MAX_DOCUMENTS} Compose files include one another")
            document = load(file, name, folder)
            self._found.documents.append(document)
            for following in [*self._included(document), *self._extended(document)]:
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
            self._of_services(document)
        return self._found

    def _included(self, document: Document) -> Iterator[tuple[Path, Path]]:
        for index, entry in enumerate(_listed(document.data.get("include"))):
            at: KeyPath = ("include", index)
            entry = entry if isinstance(entry, dict) else {"path": entry}
            references = [self._reference(document, at, path) for path in _listed(entry.get("path"))]
            files = [reference.path for reference in references if reference and reference.path.is_file()]
            base = files[0].parent if files else document.base
            if entry.get("project_directory"):
                folder = self._reference(document, (*at, "project_directory"), entry["project_directory"])
                if folder is None:
                    continue
                base = folder.path
            env_files = _listed(entry.get("env_file"))
            for path in env_files:
                self._env_file(document, (*at, "env_file"), path)
            if files and not env_files and (base / ".env").is_file():
                self._env_file(document, at, str(base / ".env"))
            for file in files:
                yield file, base

    def _extended(self, document: Document) -> Iterator[tuple[Path, Path]]:
        for name, service in _mapping(document.data.get("services")).items():
            file = _mapping(_mapping(service).get("extends")).get("file")
            reference = self._reference(document, ("services", name, "extends", "file"), file) if file else None
            if reference and reference.path.is_file():
                yield reference.path, reference.path.parent

    def _of_services(self, document: Document) -> None:
        for name, service in _mapping(document.data.get("services")).items():
            for key in ("env_file", "label_file"):
                for index, entry in enumerate(_listed(_mapping(service).get(key))):
                    at: KeyPath = ("services", name, key, index)
                    if isinstance(entry, dict):
                        self._env_file(document, at, entry.get("path"), required=entry.get("required") is not False)
                    else:
                        self._env_file(document, at, entry)

    def _env_file(self, document: Document, at: KeyPath, text: Any, *, required: bool = True) -> None:
        reference = self._reference(document, at, text)
        if reference:
            self._found.env_files.append(Reference(document, at, reference.text, reference.path, required))

    def _reference(self, document: Document, at: KeyPath, text: Any) -> Reference | None:
        """The file that is meant; None where Compose itself will complain, or where it leaves the repository."""
        if not isinstance(text, str) or not text:
            return None
        try:
            meant = substitute(text, self._values)
        except InvalidInterpolation:
            return None
        if is_remote(meant):
            self._found.escapes.append(Escape(document, at, text, "it would be fetched from elsewhere"))
            return None
        path = document.base / meant
        if meant.startswith("~") or not inside(self._root, path):
            self._found.escapes.append(Escape(document, at, text, "it lies outside the repository"))
            return None
        return Reference(document, at, text, Path(os.path.normpath(path)))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
