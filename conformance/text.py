"""Text that came from outside, made safe to store and to show; and templates filled with it."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from pathlib import Path

MAX_TEXT = 2_000
MAX_VALUE = 500

# What no report can carry: control characters, lone surrogates, non-characters, and the marks that turn text around.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_PLACEHOLDER = re.compile(r"(?<![${])\{([a-z][a-z0-9_]*)\}(?!\})")


def printable(text: str) -> str:
    r"""``text`` with what cannot be printed written as an escape (``\x1b``)."""
    return _UNPRINTABLE.sub(_escape, text.replace("\r\n", "\n"))


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Printable ``text`` of at most ``limit`` characters."""
    shown = printable(text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def placeholders(template: str) -> frozenset[str]:
    """The names in ``{braces}``; ``${NAME}``, ``{{name}}`` and braces around anything else are plain text."""
    return frozenset(_PLACEHOLDER.findall(template))


def fill(template: str, values: Mapping[str, object]) -> str:
    """``template`` with every placeholder replaced: names only, so no template reaches into a value.

    Raises:
        KeyError: a placeholder has no value.
    """
    return _PLACEHOLDER.sub(lambda match: clean(_shown(values[match[1]]), MAX_VALUE), template)


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple, set, frozenset)):
        members = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return ", ".join(_shown(member) for member in members)
    return str(value)


def describe(error: BaseException) -> str:
    """An unexpected exception in one line, with the last place in the kit that it passed."""
    kit = Path(__file__).parent
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(f.filename).name}:{f.lineno}" for f in frames if Path(f.filename).is_relative_to(kit)]
    return f"{type(error).__name__}: {error} ({places[-1] if places else 'outside the kit'})"
