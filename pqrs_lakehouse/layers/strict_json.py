"""JSON by the letter of RFC 8259, for what the fast parser refuses: it is slow, and knows no limit of depth or size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

HUGE: Final = 10**1000
"""Stands, with its sign, for every whole number that is longer to write: reading one takes quadratic time."""

_TOKEN: Final = re.compile(
    r"""[ \t\n\r]*(?:
        (?P<mark>[{}\[\],:])
      | (?P<string>"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*")
      | (?P<number>-?(?:0|[1-9][0-9]*)(?P<real>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?))
      | (?P<word>true|false|null)
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_WORDS: Final = {"true": True, "false": False, "null": None}


def loads(text: str) -> Any:
    """Parse a JSON text; of members with one name the last stands.

    Raises:
        ValueError: it is none, or one of its strings is no Unicode text (a lone surrogate).
    """
    tokens = _tokens(text)
    containers: list[list[Any] | dict[str, Any]] = []
    names: list[str] = []  # of the members under way, one per open object
    kind, value = next(tokens)
    while True:
        # Here stands a value.
        if value == "{" and kind == "mark":
            containers.append({})
            kind, value = next(tokens)
            if (kind, value) != ("mark", "}"):
                names.append(_name(kind, value, tokens))
                kind, value = next(tokens)
                continue
            value = containers.pop()
        elif value == "[" and kind == "mark":
            containers.append([])
            kind, value = next(tokens)
            if (kind, value) != ("mark", "]"):
                continue
            value = containers.pop()
        elif kind in ("mark", "end"):
            raise ValueError("a value is missing")
        # The value is whole: it belongs to the innermost container, and may be its last.
        while containers:
            container = containers[-1]
            kind, mark = next(tokens)
            if isinstance(container, dict):
                container[names.pop()] = value
                if (kind, mark) == ("mark", ","):
                    names.append(_name(*next(tokens), tokens))
                    break
                closed = (kind, mark) == ("mark", "}")
            else:
                container.append(value)
                if (kind, mark) == ("mark", ","):
                    break
                closed = (kind, mark) == ("mark", "]")
            if not closed:
                raise ValueError("a container does not end")
            value = containers.pop()
        else:
            if next(tokens)[0] != "end":
                raise ValueError("more than one value")
            return value
        kind, value = next(tokens)


def _tokens(text: str) -> Iterator[tuple[str, Any]]:
    """The tokens with their kinds (mark, string, number, word, end) and values."""
    position = 0
    while True:
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"no JSON at character {position}")
        position = token.end()
        kind = str(token.lastgroup)
        yield kind, _value(kind, token)


def _value(kind: str, token: re.Match[str]) -> Any:
    written = token[kind]
    if kind == "string":
        string = json.loads(written)
        string.encode()  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
        return string
    if kind == "number":
        if token["real"]:
            return float(written)
        if len(written) <= 1000:
            return int(written)
        return -HUGE if written.startswith("-") else HUGE
    return _WORDS[written] if kind == "word" else written


def _name(kind: str, value: Any, tokens: Iterator[tuple[str, Any]]) -> str:
    if kind != "string" or next(tokens) != ("mark", ":"):
        raise ValueError("a member has no name")
    return str(value)
