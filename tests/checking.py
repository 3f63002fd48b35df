"""The command line, run on repositories that tests make, and what it leaves on this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.verdict.words import Status

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "fixtures/submissions/guia-exacta"
PATIENCE = 300.0  # seconds, on a busy machine
DEPLOYED = ("docker-compose.yml", ".env.example", "infra", "sql", "pqrs_lakehouse", "pyproject.toml")


def copy_of(original: Path, to: Path) -> Path:
    """A repository of its own; of the reference what its deployment consists of."""
    if original != ROOT:
        return Path(shutil.copytree(original, to))
    to.mkdir()
    leave_out = shutil.ignore_patterns("__pycache__", "k8s")
    for name in DEPLOYED:
        if (original / name).is_dir():
            shutil.copytree(original / name, to / name, ignore=leave_out)
        else:
            shutil.copyfile(original / name, to / name)
    return to


@dataclass(frozen=True)
class Checked:
    """How a check ended. ``guarantees``: of its verdict, by id; empty when there is none."""

    code: int
    errors: str
    guarantees: Mapping[str, Mapping[str, Any]]

    def ids(self, status: Status) -> set[str]:
        return {id_ for id_, one in self.guarantees.items() if one["status"] == status}

    def message(self, id_: str) -> str:
        """All that a person is told of a guarantee, in both languages."""
        told = self.guarantees[id_]
        return "\n".join([told["observed"], *told["expected"].values(), *told["remedy"].values()])

    @property
    def complaint(self) -> str:
        """The one line that says why there is no verdict."""
        said = [line for line in self.errors.splitlines() if re.match("conformance: (?!downloading )", line)]
        assert len(said) == 1, self.errors
        return said[0]


def command(
    repository: Path, report: Path, *options: str, images: str | Path = "offline", python: str | Path = sys.executable
) -> list[str]:
    return [
        *(str(python), "-P", "-m", "conformance", "check", str(repository), "--stack", "compose"),
        *("--images", str(images), "--report-dir", str(report), *options),
    ]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, **(changes or {})}


def check(
    repository: Path,
    report: Path,
    *options: str,
    images: str | Path = "offline",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    python: str | Path = sys.executable,
    patience: float = PATIENCE,
) -> Checked:
    """Run a check to its end, with the kit that ``python`` has.

    What another wrote in the report's folder is none of this one's.
    """
    process = subprocess.run(
        command(repository, report, *options, images=images, python=python),
        capture_output=True, text=True, timeout=patience, env=environment(env), cwd=cwd, check=False,
    )  # fmt: skip
    return ended(process.returncode, process.stderr, report)


def ended(code: int, errors: str, report: Path) -> Checked:
    verdict = report / "verdict.json"
    guarantees = json.loads(verdict.read_text(encoding="utf-8"))["guarantees"] if verdict.exists() else []
    return Checked(code, errors, {one["id"]: one for one in guarantees})
