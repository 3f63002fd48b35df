"""Repositories on disk for tests of the Compose stack, written from a mapping of names to texts."""

from __future__ import annotations

import textwrap
from pathlib import Path


def repository(root: Path, files: dict[str, str]) -> Path:
    """Write ``files`` (relative names) below ``root``; texts may be indented."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return root.resolve()
