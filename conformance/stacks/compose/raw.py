"""YAML as the author wrote it: anchors and merge keys applied, ``${…}`` kept, every key with its line.

Strangers write these files: size, depth and the growth by aliases are bounded, and no tag makes anything but plain data
(Compose ignores the tags that it does not know, and so does this). Scalars are read as Compose reads them: ``22:22``,
``yes`` and dates are text. :func:`dump` writes what was read so plainly that no two parsers can differ over it: Compose
gets that and never the author's text, in which one parser could see what another does not.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

MAX_BYTES = 512 * 1024
MAX_NODES = 50_000  # after aliases are expanded

KeyPath: TypeAlias = tuple[str | int, ...]

_INT = re.compile(r"[-+]?(0|[1-9][0-9_]{0,17})")
_OCTAL = re.compile(r"0o?([0-7]{1,17})")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_PLAIN = "plain"  # the tag, here, of a scalar without quotes and without tag
_MAP = "tag:yaml.org,2002:map"
_COMPOSE_TAGS = {"!reset", "!override"}  # how files merge: the one takes away, the other replaces
_TAB = re.compile(r"(?<=[:,-])\t[\t ]*|[\t ]+$", re.MULTILINE)
_UNSAFE = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")  # parsers differ over these


class ComposeProblem(Exception):  # noqa: N818 - a fact about the file, reported as such
    """The author's file cannot be used; the message has file and line."""

    def __init__(self, file: str, line: int | None, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")


@dataclass(frozen=True)
class Document:
    """One YAML document of a Compose file.

    ``name`` is relative to the repository's root, ``base`` is where its relative paths begin. A value with the tag
    ``!reset`` is None in ``data``; ``tags`` has where Compose's own tags stand.
    """

    path: Path
    name: str
    base: Path
    data: Mapping[str, Any] = field(repr=False)
    lines: Mapping[KeyPath, int] = field(repr=False)
    tags: Mapping[KeyPath, str] = field(repr=False)

    def line_of(self, path: KeyPath) -> int:
        """The line of a key or list item, or of the nearest parent that is written in this file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def load(path: Path, name: str, base: Path) -> tuple[Document, ...]:
    """Read one Compose file; it has at least one document.

    Raises:
        ComposeProblem: unreadable, too large, no YAML, a key twice in one mapping.
    """
    text = _text(path, name)
    try:
        try:
            readers = _parse(text, name)
        except yaml.MarkedYAMLError:
            # Compose takes tabs between tokens, which the parser here does not
            readers = _parse(_TAB.sub(lambda tabs: " " if tabs[0][0] == "\t" else "", text), name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise ComposeProblem(name, mark.line + 1 if mark else None, said) from None
    except yaml.YAMLError as error:
        raise ComposeProblem(name, None, " ".join(str(error).split())) from None
    except RecursionError:
        raise ComposeProblem(name, None, "nested too deeply") from None
    for reader in readers:
        if not isinstance(reader.data, dict):
            raise ComposeProblem(name, reader.lines[()], "the top level must be a mapping with the key services")
    return tuple(Document(path, name, base, reader.data, reader.lines, reader.tags) for reader in readers)


def dump(document: Document, rewrite: Callable[[str], str] = lambda text: text) -> str:
    """The document as one line of JSON with Compose's tags; ``rewrite`` is applied to the texts that are values."""
    return _dumped(document.data, (), document.tags, rewrite)


def _dumped(value: Any, at: KeyPath, tags: Mapping[KeyPath, str], rewrite: Callable[[str], str]) -> str:
    tag = f"{tags[at]} " if at in tags else ""
    if isinstance(value, dict):
        pairs = (f"{_quoted(key)}: {_dumped(one, (*at, key), tags, rewrite)}" for key, one in value.items())
        return f"{tag}{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"{tag}[{', '.join(_dumped(one, (*at, index), tags, rewrite) for index, one in enumerate(value))}]"
    return tag + (_quoted(rewrite(value)) if isinstance(value, str) else json.dumps(value))


def _quoted(text: str) -> str:
    return _UNSAFE.sub(lambda char: f"\\u{ord(char[0]):04x}", json.dumps(text, ensure_ascii=False))


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


def _parse(text: str, name: str) -> list[_Reader]:
    nodes = list(yaml.compose_all(text, Loader=_Loader))
    readers = [_Reader(name, node) for node in nodes]
    return [reader for reader in readers if reader.data is not None] or [_Reader(name, yaml.MappingNode(_MAP, []))]


class _Loader(yaml.SafeLoader):
    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


class _Reader:
    """Makes plain data of YAML nodes and remembers the lines."""

    def __init__(self, name: str, node: yaml.Node) -> None:
        self.name = name
        self.lines: dict[KeyPath, int] = {}
        self.tags: dict[KeyPath, str] = {}
        self._nodes = 0
        self._open: set[int] = set()  # the collections that are being read, by identity
        self.data = self.value(node, ())

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._problem(node, f"more than {MAX_NODES} values once its aliases are expanded")
        self.lines.setdefault(path, _line(node))
        if node.tag in _COMPOSE_TAGS:
            self.tags[path] = node.tag
        if isinstance(node, yaml.ScalarNode):
            made: Any = _scalar(node)
        elif id(node) in self._open:
            raise self._problem(node, "an anchor that contains itself")
        else:
            self._open.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                made = [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
            else:
                made = self._mapping(node, path)
            self._open.discard(id(node))
        return None if node.tag == "!reset" else made

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: yaml.Node | None = None
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._problem(key_node, "a key must be text")
            key: str = key_node.value
            if key in own or (key == "<<" and merged):
                first = _line(merged) if merged and key == "<<" else self.lines[(*path, key)]
                raise self._problem(key_node, f"the key {key!r} is already defined at line {first}")
            if key == "<<":
                merged = value_node
                continue
            self.lines[(*path, key)] = _line(key_node)
            own[key] = self.value(value_node, (*path, key))
        sources = merged.value if isinstance(merged, yaml.SequenceNode) else [merged] if merged else []
        for source in sources:  # the mapping's own keys win, then the first source that has the key
            if not isinstance(source, yaml.MappingNode):
                raise self._problem(source, "<< takes a mapping or a list of mappings")
            self._merge(source, path, own)
        return own

    def _merge(self, source: yaml.Node, path: KeyPath, own: dict[str, Any]) -> None:
        """Add the keys of ``source`` that ``own`` lacks, with their lines and tags."""
        lines, tags = self.lines, self.tags
        self.lines, self.tags = {}, {}
        more: dict[str, Any] = self.value(source, path) or {}

        def is_new(at: KeyPath) -> bool:
            return len(at) > len(path) and at[len(path)] not in own

        lines |= {at: line for at, line in self.lines.items() if is_new(at)}
        tags |= {at: tag for at, tag in self.tags.items() if is_new(at)}
        self.lines, self.tags = lines, tags
        own |= {key: value for key, value in more.items() if key not in own}

    def _problem(self, node: yaml.Node, message: str) -> ComposeProblem:
        return ComposeProblem(self.name, _line(node), message)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1 if node.start_mark else 1


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.tag != _PLAIN:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text.replace("_", ""))
    if octal := _OCTAL.fullmatch(text):
        return int(octal[1], 8)
    if _HEX.fullmatch(text):
        return int(text, 16)
    return float(text) if _FLOAT.fullmatch(text) and math.isfinite(float(text)) else text
