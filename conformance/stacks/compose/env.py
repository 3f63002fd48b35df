"""Env files as Compose reads them, with placeholders and empty secrets given values that work.

A repository holds no passwords, only a sample whose ``change-me`` people replace. The kit does what people do: each
placeholder text becomes one generated value, the same wherever the text stands.
"""

from __future__ import annotations

import re
import secrets
import string
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conformance.stacks.compose.interpolation import InvalidInterpolation, substitute
from conformance.stacks.compose.raw import ComposeProblem, read_bounded

LENGTH = (
    20  # of a generated value: what PostgreSQL, S3 servers (access keys take 3 to 20 characters) and Grafana accept
)
MAX_PLACEHOLDER = 100  # characters

_NAME = re.compile(r"(?:export[ \t]+)?([\w.\[\]-]*)[^\S\n]*([=:\n]|$)")
_ESCAPE = re.compile(r'\\([abfnrtv$"\\])')
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "$": "$$"}
_SIMPLE = re.compile(r"[\w./:@%+,=~-]+", re.ASCII)

_PLACEHOLDER = re.compile(
    r"""
      change[-_ ]?(me|this|it).* | replace([-_ ].*|d?me.*)
    | your[-_ ].+ | your(password|passwd|secret|key|token|user|username|name|database)\w*
    | (put|insert|enter|type)[-_ ].+ | (set|fill|add)[-_ ](me|your|a|an|the)\b.*
    | <.*> | x{3,} | \*{3,} | \.{3} | … | (todo|tbd|fixme)(\W.*)? | .+[-_ ](here|aqu[ií])
    | c[aá]mbi(a|e|ar|é)(me|lo|la)?([-_ \d].*)? | por[-_ ](cambiar|definir) | pendiente([-_ ].*)?
    | reempla[zc](a|ar|ame|e|arme|arlo|eme)?([-_ ].*)? | (tu|su)[-_ ].+ | (ponga?|escrib[ae]|ingres[ae]|coloque)[-_ ].+
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SECRET_ENDINGS = ("password", "passwd", "secret", "token", "clave", "contrasena", "contraseña", "apikey")
_SECRET_WORDS = {"pass", "pwd", "key"}
_NO_SECRET = {"file", "path", "dir", "url", "host", "port", "enabled", "type", "algorithm", "ttl", "expires", "length"}


@dataclass(frozen=True)
class Binding:
    """One assignment; ``expands``: ``${…}`` in it is replaced (not within single quotes)."""

    name: str
    value: str = field(repr=False)
    expands: bool
    line: int


def read(path: Path, name: str) -> tuple[Binding, ...]:
    """The assignments of an env file.

    Raises:
        ComposeProblem: unreadable, too large, or what Compose refuses in it; with the line.
    """
    try:
        return parse(read_bounded(path, name).decode("utf-8-sig"), name)
    except UnicodeDecodeError:
        raise ComposeProblem(name, None, "not UTF-8") from None


def parse(text: str, name: str) -> tuple[Binding, ...]:
    """The assignments in ``text``, in order; a name without a value (taken from the shell) makes none.

    Raises:
        ComposeProblem: what Compose refuses; with the line.
    """
    text = text.replace("\r\n", "\n")
    found: list[Binding] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        if text[at] == "#":
            at = _end_of_line(text, at)
            continue
        line = text.count("\n", 0, at) + 1
        named = _NAME.match(text, at)
        if not named or not named[1]:
            raise ComposeProblem(name, line, "no NAME=value: a name holds letters, digits, _ . - and no space")
        at = named.end()
        if named[2] not in {"=", ":"}:
            continue
        while at < len(text) and text[at] != "\n" and text[at].isspace():
            at += 1
        if text[at : at + 1] in {"'", '"'}:
            value, end = _quoted(text, at)
            if end < 0:
                raise ComposeProblem(name, line, f"{named[1]}: the quote is not closed")
        else:
            end = _end_of_line(text, at)
            value = text[at:end].split(" #", 1)[0].rstrip()
        found.append(Binding(named[1], value, text[at : at + 1] != "'", line))
        at = end
    return tuple(found)


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _quoted(text: str, at: int) -> tuple[str, int]:
    """The text between quotes and where it ends, or -1: a backslash before the quote takes its meaning away."""
    quote = text[at]
    whole = re.compile(rf"(?:[^\\{quote}]|\\.)*{quote}", re.DOTALL).match(text, at + 1)
    if not whole:
        return "", -1
    inner = re.sub(rf"\\(\\|{quote})", lambda m: quote if m[1] == quote else m[0], whole[0][:-1])
    if quote == '"':
        inner = _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), inner)
    return inner, whole.end()


def values(bindings: Iterable[Binding], file: str, outer: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the variables are: each may use those before it, and those of ``outer``, which win.

    Raises:
        ComposeProblem: an expression that Compose refuses; with the line.
    """
    known: dict[str, str] = {}
    visible = ChainMap(dict(outer or {}), known)
    for binding in bindings:
        try:
            known[binding.name] = substitute(binding.value, visible) if binding.expands else binding.value
        except InvalidInterpolation as error:
            raise ComposeProblem(file, binding.line, f"{binding.name}: {error}") from None
    return known


def written(known: Mapping[str, str]) -> str:
    """An env file that Compose reads as exactly these values."""
    return "".join(
        f"{name}={value if _SIMPLE.fullmatch(value) else _in_quotes(value)}\n" for name, value in known.items()
    )


def _in_quotes(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$").replace("\r\n", "\\r\n")
    return f'"{escaped}"'


def is_placeholder(value: str) -> bool:
    """Whether a sample's value asks to be replaced; what holds an address, a path or an expression does not."""
    if len(value) > MAX_PLACEHOLDER or any(mark in value for mark in "@/$"):
        return False
    return bool(_PLACEHOLDER.fullmatch(value.strip()))


def is_secret(name: str) -> bool:
    """Whether a variable's name is that of a password, key or token (and not of the file that holds it)."""
    parts = re.split(r"[\W_]+", name.lower())
    return parts[-1] not in _NO_SECRET and any(
        part.endswith(_SECRET_ENDINGS) or part in _SECRET_WORDS for part in parts
    )


def generated_value() -> str:
    """Letters and digits that begin with a letter: no quoting, no escaping in URLs."""
    rest = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(LENGTH - 1))
    return secrets.choice(string.ascii_lowercase) + rest


class Filler:
    """Gives placeholders and empty secrets values, the same placeholder the same value in all env files of a project.

    Args:
        stays: placeholder texts that stay, because other files of the project hold them as they are.
        may_be_empty: variables that have a default for the empty value where they are used.
    """

    def __init__(
        self,
        stays: Callable[[str], bool] = lambda text: False,
        may_be_empty: Callable[[str], bool] = lambda name: False,
        make: Callable[[], str] = generated_value,
    ) -> None:
        self._stays = stays
        self._may_be_empty = may_be_empty
        self._make = make
        self._by_text: dict[str, str] = {}
        self._by_name: dict[str, str] = {}

    def filled(self, bindings: Sequence[Binding]) -> tuple[tuple[Binding, ...], tuple[str, ...]]:
        """The assignments with values that work, and the names of those that were replaced.

        A name that is assigned twice counts with its last value, as in Compose.
        """
        replaced = {binding.name: self._replacement(binding) for binding in bindings}
        inside = self._inside()
        filled = []
        names = []
        for binding in bindings:
            value = replaced[binding.name]
            if value is None and inside:
                value = inside.sub(lambda text: self._by_text[text[0]], binding.value)
                value = None if value == binding.value else value
            if value is not None:
                names.append(binding.name)
                binding = Binding(binding.name, value, binding.expands, binding.line)
            filled.append(binding)
        return tuple(filled), tuple(dict.fromkeys(names))

    def _replacement(self, binding: Binding) -> str | None:
        text = binding.value.strip()
        if not text:
            if not is_secret(binding.name) or self._may_be_empty(binding.name):
                return None
            return self._once(self._by_name, binding.name)
        if not is_placeholder(text) or binding.name.lower().endswith("port") or self._stays(text):
            return None
        return self._once(self._by_text, text)

    def _once(self, made: dict[str, str], key: str) -> str:
        if key not in made:
            made[key] = self._make()
        return made[key]

    def _inside(self) -> re.Pattern[str] | None:
        """Finds known placeholder texts within longer values, such as the password in a URL."""
        if not self._by_text:
            return None
        longest_first = sorted(self._by_text, key=len, reverse=True)
        return re.compile(rf"(?<![A-Za-z0-9_-])(?:{'|'.join(map(re.escape, longest_first))})(?![A-Za-z0-9_-])")
