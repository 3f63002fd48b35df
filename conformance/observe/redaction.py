"""Secrets are taken out of everything that is observed, before anyone sees it or it is stored."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import quote, quote_plus

from conformance.text import printable

REDACTED = "[redacted]"
_SHORT = 8  # below this a secret is only looked for as a whole word
_OWN = """
    tcp http postgresql s3 console dask dashboard prefect prometheus grafana
    named anonymous bind tmpfs layer volume config secret image model repository mounts container
    created running paused restarting exited dead healthy unhealthy starting up down unknown late pending crashed
    privileged platform device proxy direct list get put small empty multipart parquet delta kit stack
    text number time boolean enum json binary uuid other table partitioned view type status measure identity sequence
    clock computed
"""
"""The words by which facts name kinds and states: people take some of them for passwords."""
_LABEL = r"(?i:pass(?:word|wd|phrase)?|pwd|secret(?:[_-]?(?:access[_-]?)?key)?|token|api[_-]?key)"


class Redactor:
    """Replaces the secrets of a deployment in any text.

    A secret is found as it is, URL-encoded, escaped as JSON or HTML and in base64 (also inside a longer base64 text, as
    in an HTTP Basic header). A secret that is also the public name of something in the deployment (the password
    ``postgres``) or a word of the facts themselves (``dashboard``) is replaced only where it stands as a secret: after
    ``password=`` or ``//user:``. Replacing the word everywhere would falsify the facts and hide nothing.
    """

    def __init__(self, secrets: Iterable[str], public: AbstractSet[str] = frozenset()) -> None:
        public = public | frozenset(_OWN.split())
        patterns: dict[str, None] = {}
        for secret in sorted({secret for secret in secrets if secret.strip()}, key=lambda one: (-len(one), one)):
            if secret in public:
                word = re.escape(secret)
                patterns[rf"(?<=:){word}(?=@)"] = None
                patterns[rf"(?P<label_{len(patterns)}>{_LABEL}[\"']?\s*[:=]\s*[\"']?){word}(?!\w)"] = None
            else:
                patterns.update(dict.fromkeys(_patterns(secret)))
            patterns.update(dict.fromkeys(_in_base64(secret)))
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def text(self, text: str) -> str:
        return self._pattern.sub(_replacement, text) if self._pattern else text

    def tree(self, value: Any, fields: AbstractSet[str] = frozenset()) -> Any:
        """``value`` (plain data: dicts, lists, scalars) with every string redacted and printable, keys as well.

        ``fields`` are keys that are the kit's own words, and stay whatever the secrets are.
        """
        match value:
            case str():
                return printable(self.text(value))
            case dict():
                return {
                    key if key in fields else self.tree(key): self.tree(item, fields) for key, item in value.items()
                }
            case list() | tuple():
                return [self.tree(item, fields) for item in value]
            case _:
                return value


def _replacement(match: re.Match[str]) -> str:
    label = next((text for text in match.groupdict().values() if text is not None), "")
    return label + REDACTED


def _patterns(secret: str) -> Iterator[str]:
    as_json = (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    for form in dict.fromkeys((secret, *as_json, html.escape(secret), repr(secret)[1:-1])):
        yield _pattern_of(form)
    for form in dict.fromkeys((quote(secret, safe=""), quote(secret), quote_plus(secret))):
        if form != secret:
            yield re.sub(r"%([0-9A-F]{2})", lambda code: f"%(?i:{code[1]})", _pattern_of(form))


def _in_base64(secret: str) -> Iterator[str]:
    for form in dict.fromkeys(_base64_forms(secret)):
        yield rf"[\w+/-]?{re.escape(form)}[\w+/-]?={{0,2}}"


def _pattern_of(form: str) -> str:
    escaped = re.escape(form)
    return escaped if len(form) >= _SHORT else rf"(?<![0-9A-Za-z]){escaped}(?![0-9A-Za-z])"


def _base64_forms(secret: str) -> Iterator[str]:
    """How the secret reads inside base64 at each of the three alignments, without the characters shared with others."""
    raw = secret.encode("utf-8", errors="surrogatepass")
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(bytes(offset) + raw).decode().rstrip("=")
            start = (0, 2, 3)[offset]
            end = len(encoded) - (1 if (offset + len(raw)) % 3 else 0)
            if end - start >= _SHORT:
                yield encoded[start:end]
