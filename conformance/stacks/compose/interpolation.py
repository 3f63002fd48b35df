"""Compose's ``$VARIABLE`` and ``${VARIABLE:-default}``, as in values of Compose files and of env files.

Source: https://docs.docker.com/reference/compose-file/interpolation/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":[-?+]|[-?+]")
_BRACES = re.compile(r"\$\{|\}")

MAX_DEPTH = 20  # of defaults within defaults
MAX_VALUE = 16 * 1024  # characters


@dataclass(frozen=True)
class Expression:
    """``text`` is what is written: ``${name}``, ``$name``, or with one of ``:- - :? ? :+ +`` and an operand."""

    text: str
    name: str
    operator: str = ""
    operand: str = ""


class InvalidInterpolation(ValueError):  # noqa: N818 - names what is invalid
    """A ``${`` that begins no expression."""


def split(text: str) -> Iterator[str | Expression]:
    """The literal parts (``$$`` and a ``$`` before no name stay as they are) and the expressions of ``text``, in order.

    Raises:
        InvalidInterpolation: Compose would refuse the text.
    """
    at = 0
    while at < len(text):
        dollar = text.find("$", at)
        if dollar < 0:
            dollar = len(text)
        if dollar > at:
            yield text[at:dollar]
        if text.startswith("${", dollar):
            expression = _braced(text, dollar)
        elif name := _NAME.match(text, dollar + 1):
            expression = Expression(f"${name[0]}", name[0])
        else:
            plain = text[dollar : dollar + 2] if text.startswith("$$", dollar) else text[dollar : dollar + 1]
            if plain:
                yield plain
            at = dollar + len(plain)
            continue
        yield expression
        at = dollar + len(expression.text)


def _braced(text: str, dollar: int) -> Expression:
    depth, end = 0, dollar
    for brace in _BRACES.finditer(text, dollar):
        depth += 1 if brace[0] == "${" else -1
        end = brace.end()
        if depth == 0 or depth > MAX_DEPTH:
            break
    if depth != 0:
        raise InvalidInterpolation(f"invalid interpolation: {text[dollar : dollar + 20]!r} is not closed")
    whole = text[dollar:end]
    name = _NAME.match(whole, 2)
    operator = _OPERATOR.match(whole, name.end()) if name else None
    if not name or not (operator or name.end() == len(whole) - 1):
        raise InvalidInterpolation(f"invalid interpolation: {whole[:60]!r}")
    if not operator:
        return Expression(whole, name[0])
    return Expression(whole, name[0], operator[0], whole[operator.end() : -1])


def substitute(text: str, values: Mapping[str, str]) -> str:
    """``text`` with its expressions replaced, as Compose does it; a required variable without value becomes empty.

    Raises:
        InvalidInterpolation: Compose would refuse the text, or the result is out of all proportion.
    """
    made = ""
    for part in split(text):
        made += part.replace("$$", "$") if isinstance(part, str) else _value(part, values)
        if len(made) > MAX_VALUE and not isinstance(part, str):
            raise InvalidInterpolation(f"longer than {MAX_VALUE} characters when interpolated")
    return made


def _value(expression: Expression, values: Mapping[str, str]) -> str:
    value = values.get(expression.name)
    given = bool(value) if expression.operator.startswith(":") else value is not None
    if expression.operator.endswith("-") and not given:
        return substitute(expression.operand, values)
    if expression.operator.endswith("+"):
        return substitute(expression.operand, values) if given else ""
    return value or ""


def strings(tree: Any) -> Iterator[str]:
    """Every string value of a YAML or JSON tree (keys are not interpolated)."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from strings(value)
    elif isinstance(tree, Sequence):
        for value in tree:
            yield from strings(value)


def expressions(tree: Any) -> Iterator[Expression]:
    """Every expression in the values of ``tree``, those in defaults too; what Compose would refuse has none."""
    for text in strings(tree):
        yield from _expressions(text)


def _expressions(text: str) -> Iterator[Expression]:
    try:
        found = [part for part in split(text) if isinstance(part, Expression)]
    except InvalidInterpolation:
        return
    for expression in found:
        yield expression
        yield from _expressions(expression.operand)
