"""YAML as the author wrote it: anchors and merge keys applied, ``${…}`` kept, every key with its line.

Strangers write these files: size, depth and the growth by aliases are bounded, and no tag makes anything but plain data
(Compose ignores the tags that it does not know, and so does this). Scalars are read as Compose reads them: ``22:22``,
``yes`` and dates are text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

MAX_BYTES = 512 * 1024
MAX_NODES = 50_000  # after aliases are expanded

KeyPath: TypeAlias = tuple[str | int, ...]

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_STANDARD = "tag:yaml.org,2002:"
_RESET = "!reset"  # takes away what a file before this one says; ``!override`` replaces it and changes nothing here
_TAB = re.compile(r"(?<=[:,-])\t[\t ]*|[\t ]+$", re.MULTILINE)


class ComposeProblem(Exception):  # noqa: N818 - a fact about the file, reported as such
    """The author's file cannot be used; the message has file and line."""

    def __init__(self, file: str, line: int | None, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")


@dataclass(frozen=True)
class Document:
    """One Compose file. ``name`` is relative to the repository's root, ``base`` is what its relative paths begin at."""

    path: Path
    name: str
    base: Path
    text: str = field(repr=False)
    data: Mapping[str, Any] = field(repr=False)
    lines: Mapping[KeyPath, int] = field(repr=False)

    def line_of(self, path: KeyPath) -> int:
        """The line of a key or list item, or of the nearest parent that is written in this file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def load(path: Path, name: str, base: Path) -> Document:
    """Read one Compose file; several YAML documents in it are merged, the later ones win.

    Raises:
        ComposeProblem: unreadable, too large, no YAML, a key twice in one mapping.
    """
    text = _text(path, name)
    try:
        data, lines = _parse(text, name)
    except yaml.MarkedYAMLError as first:
        # Compose takes tabs between tokens, which the parser here does not
        try:
            data, lines = _parse(_TAB.sub(lambda tabs: " " if tabs[0][0] == "\t" else "", text), name)
        except yaml.MarkedYAMLError:
            mark = first.problem_mark or first.context_mark
            said = ", ".join(part for part in (first.context, first.problem) if part)
            raise ComposeProblem(name, mark.line + 1 if mark else None, said) from None
    except yaml.YAMLError as error:
        raise ComposeProblem(name, None, " ".join(str(error).split())) from None
    except RecursionError:
        raise ComposeProblem(name, None, "nested too deeply") from None
    if not isinstance(data, dict):
        raise ComposeProblem(name, 1, "the top level must be a mapping with the key services")
    return Document(path, name, base, text, data, lines)


def _text(path: Path, name: str) -> str:
    content = read_bounded(path, name)
    try:
        return content.decode("utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ComposeProblem(name, content[: error.start].count(b"\n") + 1, "not UTF-8") from None


def read_bounded(path: Path, name: str) -> bytes:
    """The content of a stranger's configuration file.

    Raises:
        ComposeProblem: it is no regular file, cannot be read, or is too large.
    """
    try:
        if not path.is_file():  # a pipe would be waited for
            raise ComposeProblem(name, None, "is no file")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ComposeProblem(name, None, f"cannot be read: {error.strerror or error}") from None
    if len(content) > MAX_BYTES:
        raise ComposeProblem(name, None, f"larger than {MAX_BYTES // 1024} KiB")
    return content


def _parse(text: str, name: str) -> tuple[Any, Mapping[KeyPath, int]]:
    reader = _Reader(name)
    data: Any = {}
    for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
        value = reader.value(node, ())
        data = data if value is None else _merged(data, value)
    return data, reader.lines


def _merged(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return {key: _merged(base[key], over[key]) if key in base and key in over else over.get(key, base.get(key))
                for key in (*base, *(key for key in over if key not in base))}  # fmt: skip
    return over


class _Reader:
    """Makes plain data of YAML nodes and remembers the lines."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[KeyPath, int] = {}
        self._nodes = 0
        self._open: set[int] = set()  # the collections that are being read, by identity

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._problem(node, f"more than {MAX_NODES} values once its aliases are expanded")
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return None if node.tag == _RESET else _scalar(node)
        if id(node) in self._open:
            raise self._problem(node, "an anchor that contains itself")
        self._open.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            made: Any = [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        else:
            made = self._mapping(node, path)
        self._open.discard(id(node))
        return None if node.tag == _RESET else made

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        own: dict[str, Any] = {}
        sources: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._problem(key_node, "a key must be text")
            key: str = key_node.value
            if key_node.tag == f"{_STANDARD}merge":
                sources += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                continue
            if key in own:
                first = self.lines[(*path, key)]
                raise self._problem(key_node, f"the key {key!r} is already defined at line {first}")
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            own[key] = self.value(value_node, (*path, key))
        for source in sources:  # the mapping's own keys win, then the first source that has the key
            if not isinstance(source, yaml.MappingNode):
                raise self._problem(source, "<< takes a mapping or a list of mappings")
            self._merge(source, path, own)
        return own

    def _merge(self, source: yaml.Node, path: KeyPath, own: dict[str, Any]) -> None:
        """Add the keys of ``source`` that ``own`` lacks, with their lines."""
        lines, self.lines = self.lines, {}
        merged: dict[str, Any] = self.value(source, path)
        lines, self.lines = self.lines, lines
        self.lines |= {at: line for at, line in lines.items() if len(at) > len(path) and at[len(path)] not in own}
        own |= {key: value for key, value in merged.items() if key not in own}

    def _problem(self, node: yaml.Node, message: str) -> ComposeProblem:
        return ComposeProblem(self.name, node.start_mark.line + 1, message)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style is not None or node.tag == f"{_STANDARD}str":
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and math.isfinite(float(text)) else text
