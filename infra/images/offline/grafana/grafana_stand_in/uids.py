"""Grafana's identifiers (pkg/util/shortid_generator.go) and slugs."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import unicodedata

_ALPHABET = string.digits + string.ascii_lowercase
_VALID = re.compile(r"[A-Za-z0-9\-_]*")
MAX_LENGTH = 40


def new_uid() -> str:
    """A short identifier that begins with a letter."""
    return secrets.choice(string.ascii_lowercase) + "".join(secrets.choice(_ALPHABET) for _ in range(13))


def uid_of_name(name: str) -> str:
    """What a provisioned datasource without uid gets (pkg/services/provisioning/datasources/types.go)."""
    return "P" + hashlib.sha256(name.encode()).digest()[:8].hex().upper()


def fault_of(uid: str) -> str:
    """Why ``uid`` is not valid; empty: it is."""
    if len(uid) > MAX_LENGTH:
        return f"UID is longer than {MAX_LENGTH} symbols"
    if not _VALID.fullmatch(uid):
        return "invalid format of UID. Only letters, numbers, '-' and '_' are allowed"
    return ""


def slug(title: str) -> str:
    """``title`` for a URL: "Salud de la plataforma" → "salud-de-la-plataforma"."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
