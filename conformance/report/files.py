"""The files of a report folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from conformance.inputs import InputError
from conformance.report import html, junit, summary
from conformance.verdict.model import Verdict

VERDICT = "verdict.json"
REPORT = "report.html"
_RENDERERS: dict[str, Callable[[Verdict, str], str]] = {
    VERDICT: lambda verdict, lang: verdict.to_json(),
    REPORT: html.render,
    "junit.xml": junit.render,
    "summary.md": summary.render,
}


def write(verdict: Verdict, folder: Path, lang: str) -> None:
    """
    Raises:
        InputError: a file cannot be written.
    """
    for name, render in _RENDERERS.items():
        try:
            (folder / name).write_text(render(verdict, lang), encoding="utf-8")
        except OSError as error:
            raise InputError(f"{folder / name}: cannot be written: {error.strerror or error}") from None


def remove(folder: Path) -> None:
    """No report of an earlier run may be taken for this one's."""
    for name in _RENDERERS:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{folder / name}: cannot be replaced: {error.strerror or error}") from None


def check_folder(folder: Path) -> None:
    """
    Raises:
        InputError: reports cannot be written to ``folder``, which need not exist yet.
    """
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir():
        raise InputError(f"--report-dir {folder}: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"--report-dir {folder}: {existing} is not writable")
