"""What a guarantee needs a stack to be able to do: ``endpoints and (source or containers)``."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from conformance.stacks.base import Capability

_WORD = re.compile(r"\s*(?:([a-z]+)|([()]))")


@dataclass(frozen=True)
class Needs:
    """A parsed expression: the sets of capabilities any of which suffices."""

    text: str
    alternatives: frozenset[frozenset[Capability]]

    @classmethod
    def parse(cls, text: str) -> Needs:
        """Capabilities joined by ``and``, ``or`` and parentheses; ``and`` binds tighter.

        Raises:
            ValueError: anything else.
        """
        if len(text) > 200:
            raise ValueError("longer than 200 characters")
        words = _words(text)
        alternatives = _either(words)
        if words:
            raise ValueError(f"{words[-1]!r} is not expected in {text!r}")
        return cls(text, alternatives)

    def met_by(self, capabilities: AbstractSet[Capability]) -> bool:
        return any(alternative <= capabilities for alternative in self.alternatives)

    def __str__(self) -> str:
        return self.text


def _words(text: str) -> list[str]:
    """The words, last first (a stack to pop from)."""
    words, at = [], 0
    while text[at:].strip():
        match = _WORD.match(text, at)
        if not match:
            raise ValueError(f"{text[at:].strip()[0]!r} is not expected in {text!r}")
        words.append(match[1] or match[2])
        at = match.end()
    return words[::-1]


def _either(words: list[str]) -> frozenset[frozenset[Capability]]:
    found = _both(words)
    while words and words[-1] == "or":
        words.pop()
        found |= _both(words)
    return found


def _both(words: list[str]) -> frozenset[frozenset[Capability]]:
    found = _one(words)
    while words and words[-1] == "and":
        words.pop()
        right = _one(words)
        found = frozenset(a | b for a in found for b in right)
    return found


def _one(words: list[str]) -> frozenset[frozenset[Capability]]:
    if not words:
        raise ValueError("a capability is missing")
    word = words.pop()
    if word == "(":
        found = _either(words)
        if not words or words.pop() != ")":
            raise ValueError("a closing parenthesis is missing")
        return found
    if word not in frozenset(Capability):
        raise ValueError(f"{word!r} is no capability (one of {', '.join(Capability)})")
    return frozenset([frozenset([Capability(word)])])
