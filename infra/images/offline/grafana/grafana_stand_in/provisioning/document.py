"""YAML as Go's yaml.v3 reads it into Grafana's structures: fields by name, unknown ones left out, types checked.

Scalars keep their text (a name ``007`` stays one), duplicate keys and wrong types are errors that name their line, and
only the first document of a file counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .expand import ExpandError, expand_value

_BOOL = {text: text in ("1", "t", "T", "TRUE", "true", "True")
         for text in ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")}  # fmt: skip
_YAML_BOOL = {
    text: text.lower() in ("y", "yes", "true", "on")
    for word in ("y", "n", "yes", "no", "true", "false", "on", "off")
    for text in (word, word.capitalize(), word.upper())
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
MAX_NODES = 100_000
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class DocumentError(ValueError):
    """A provisioning file that Grafana refuses; the message is worded as Go's yaml package words it."""


@dataclass(frozen=True)
class Fields:
    """A mapping of a provisioning file. ``env`` is None where Grafana expands nothing (files without apiVersion)."""

    nodes: Mapping[str, yaml.Node]
    env: Mapping[str, str] | None

    def text(self, key: str) -> str:
        return self._expanded(self._scalar(key))

    def boolean(self, key: str) -> bool:
        node = self._scalar(key)
        if node is None:
            return False
        if self.env is None:
            if node.value not in _YAML_BOOL:
                raise _wrong_type(node, "bool")
            return _YAML_BOOL[node.value]
        value = self._expanded(node)
        if value not in _BOOL:
            raise DocumentError(f'strconv.ParseBool: parsing "{value}": invalid syntax')
        return _BOOL[value]

    def integer(self, key: str) -> int:
        value = self._expanded(self._scalar(key))
        if not value:
            return 0
        if not _INTEGER.fullmatch(value):
            raise DocumentError(f'strconv.ParseInt: parsing "{value}": invalid syntax')
        return int(value)

    def json(self, key: str) -> dict[str, Any]:
        node = self._node(key)
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise _wrong_type(node, "map[string]interface {}")
        value: dict[str, Any] = _plain(node, self.env)
        return value

    def texts(self, key: str) -> dict[str, str]:
        """A map of text to text (``secureJsonData``)."""
        node = self._node(key)
        if node is None:
            return {}
        child = Fields(_entries(node), self.env)
        return {name: child.text(name) for name in child.nodes}

    def items(self, key: str) -> Iterator[Fields]:
        """A list of mappings."""
        node = self._node(key)
        if node is None:
            return
        if not isinstance(node, yaml.SequenceNode):
            raise _wrong_type(node, "[]struct")
        for item in node.value:
            yield Fields(_entries(item), self.env)

    def _node(self, key: str) -> yaml.Node | None:
        node = self.nodes.get(key)
        return None if node is None or _is_null(node) else node

    def _scalar(self, key: str) -> yaml.ScalarNode | None:
        node = self._node(key)
        if node is None or isinstance(node, yaml.ScalarNode):
            return node
        raise _wrong_type(node, "string")

    def _expanded(self, node: yaml.ScalarNode | None) -> str:
        if node is None:
            return ""
        text = str(node.value)
        try:
            return text if self.env is None else expand_value(text, self.env)
        except ExpandError as error:
            raise DocumentError(str(error)) from None


def read_root(path: Path) -> yaml.Node | None:
    """The first document of the file, or None when there is nothing in it.

    Raises:
        DocumentError: it cannot be read or is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DocumentError(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise DocumentError("yaml: invalid leading UTF-8 octet") from None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_node() if loader.check_node() else None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise DocumentError(f"yaml: {line}{error.problem}") from None
    except yaml.YAMLError as error:
        raise DocumentError(f"yaml: {error}".replace("\n", " ")) from None
    except RecursionError:
        raise DocumentError("yaml: exceeded max depth") from None
    if node is None or _is_null(node):
        return None
    _bounded(node)
    return node


def fields(node: yaml.Node | None, env: Mapping[str, str] | None) -> Fields:
    """The document as a mapping."""
    return Fields({} if node is None else _entries(node), env)


def api_version(node: yaml.Node | None) -> int:
    """``apiVersion`` (0: there is none)."""
    version = fields(node, None).nodes.get("apiVersion")
    if version is None or _is_null(version):
        return 0
    if not isinstance(version, yaml.ScalarNode) or version.style or not _FLOAT.fullmatch(version.value):
        raise _wrong_type(version, "int64")
    return int(float(version.value))


def _bounded(root: yaml.Node) -> None:
    """Aliases must not make a small file an endless one: every node counts as often as it would be read."""
    waiting: list[Any] = [root]
    for _ in range(MAX_NODES):
        if not waiting:
            return
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            waiting.extend(part for pair in node.value for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
    raise DocumentError("yaml: document contains excessive aliasing")


def _entries(node: yaml.Node) -> dict[str, yaml.Node]:
    if _is_null(node):
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise _wrong_type(node, "struct")
    entries: dict[str, yaml.Node] = {}
    lines: dict[str, int] = {}
    merged: dict[str, yaml.Node] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if key.tag.endswith(":merge"):
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                merged = {**_entries(source), **merged}
        elif name in entries:
            raise DocumentError(
                f'yaml: unmarshal errors:\n  line {line}: mapping key "{name}" already defined at line {lines[name]}'
            )
        else:
            entries[name], lines[name] = value, line
    return {**merged, **entries}


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style and node.value in _NULLS


def _plain(node: yaml.Node, env: Mapping[str, str] | None) -> Any:
    """A free value with its own types (YAML 1.2: yes and no are text); texts expanded, keys not."""
    if isinstance(node, yaml.MappingNode):
        return {name: _plain(value, env) for name, value in _entries(node).items()}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, env) for item in node.value]
    text = str(node.value)
    if isinstance(node, yaml.ScalarNode) and not node.style:
        if text in _NULLS:
            return None
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    try:
        return text if env is None else expand_value(text, env)
    except ExpandError as error:
        raise DocumentError(str(error)) from None


def _wrong_type(node: yaml.Node, wanted: str) -> DocumentError:
    shown = f" `{str(node.value)[:60]}`" if isinstance(node, yaml.ScalarNode) else ""
    tag = "!!" + node.tag.rsplit(":", 1)[-1]
    line = node.start_mark.line + 1
    return DocumentError(f"yaml: unmarshal errors:\n  line {line}: cannot unmarshal {tag}{shown} into {wanted}")
