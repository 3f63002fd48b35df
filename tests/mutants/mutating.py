"""Mutants: the reference's own source with one small mistake in it."""

from __future__ import annotations

import enum
import shutil
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
COPIED = ("pqrs_lakehouse", "sql")
IN_A_NAME = 60  # characters of the edit


class Trial(enum.StrEnum):
    """Who is shown a mutant and must see it."""

    PROPERTY = "the property tests, on worlds of their own, in memory"
    PIPELINE = "the kit's pipeline observer, on PostgreSQL and S3, with Dask inside of the same process"
    FLOW = "the same, on a stack's own Dask and Prefect"
    CRASH = "the kit's crash experiment, on a whole stack"
    DATABASE = "the kit's PostgreSQL observer, on a database that the mutant's script made"


class Mutant(NamedTuple):
    """One edit.

    ``where`` is a module of ``pqrs_lakehouse`` (``layers.gold``) or a file of ``sql`` (``schema/20-bronze.sql``).
    ``equivalent``: why nobody can see it; then nobody may.
    """

    where: str
    before: str
    after: str
    trials: tuple[Trial, ...]
    equivalent: str = ""

    @property
    def file(self) -> str:
        """Below the root of the repository."""
        is_sql = self.where.endswith(".sql")
        return f"sql/{self.where}" if is_sql else f"pqrs_lakehouse/{self.where.replace('.', '/')}.py"

    @property
    def id(self) -> str:
        said = f"{' '.join(self.before.split())} → {' '.join(self.after.split()) or '(nothing)'}"
        return f"{self.where}: {said}"

    def edit(self, source: str) -> str:
        """Raises: AssertionError: the source no longer says what was to be edited."""
        assert self.before in source, f"{self.file} no longer says {self.before!r}: renew this mutant"
        assert self.before != self.after
        return source.replace(self.before, self.after)


def name_of(mutant: Mutant) -> str:
    """For a test's name."""
    after = " ".join(mutant.after.split())[:IN_A_NAME] or f"without {' '.join(mutant.before.split())[:IN_A_NAME]}"
    return f"{mutant.where}: {after}"


def plant(mutant: Mutant | None, folder: Path) -> Path:
    """A copy of the package and its SQL in ``folder`` with the edit in it: what ``PYTHONPATH`` must name first."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name)
    if mutant is not None:
        file = folder / mutant.file
        file.write_text(mutant.edit(file.read_text(encoding="utf-8")), encoding="utf-8")
    return folder
