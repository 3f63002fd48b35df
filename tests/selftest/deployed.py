"""The level of deployments: a case is a repository with something changed, deployed with Compose and judged."""

from __future__ import annotations

import shutil
import sys
import time
import tomllib
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from cases import FIXTURES, FORMS, Case, Told
from checking import ROOT, check, copy_of
from proof import Proof
from pydantic import BaseModel, ConfigDict, Field

from conformance.kit import Kit
from conformance.verdict.words import Status

SLOW = frozenset({"disruption", "pipeline"})
"""Subjects that take most of a check's time: a breach of something else is judged without them."""
PATIENCE = 900.0  # seconds for a check with disruptions, on a busy machine


class Edit(BaseModel):
    """``before``, which stands once in ``file``, becomes ``after``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    before: Annotated[str, Field(min_length=1)]
    after: str

    def apply(self, repository: Path) -> None:
        file = repository / self.file
        content = file.read_bytes().decode("utf-8")
        if content.count(self.before) != 1:
            raise ValueError(f"{self.file}: {self.before!r} stands there {content.count(self.before)} times, not once")
        file.write_bytes(content.replace(self.before, self.after).encode("utf-8"))


class Write(BaseModel):
    """A file of ``text``, ``times`` over: what this repository must not hold itself, such as a ``.env`` or a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    text: str
    times: Annotated[int, Field(ge=1)] = 1

    def apply(self, repository: Path) -> None:
        file = repository / self.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.text * self.times, encoding="utf-8")


class Deployment(BaseModel):
    """``deployment.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str
    """A folder of ``fixtures/submissions``, or ``reference``: this repository's own deployment."""
    with_pipeline: bool = False
    """The copy of the reference holds the kit as well and is judged by it: it is its reference, whose pipeline runs."""
    static: bool = False
    """Judge files alone; start nothing."""
    options: tuple[str, ...] = ()
    """Further ones of ``conformance check``; ``{repository}`` is the folder that is checked."""
    judge: tuple[str, ...] = ()
    """Families or guarantees. Left out, of a breach the families of what fails, of a variant the whole profile."""
    move: dict[str, str] = {}
    """Files of the base, by where they go."""
    remove: tuple[str, ...] = ()
    write: tuple[Write, ...] = ()
    edit: tuple[Edit, ...] = ()

    @classmethod
    def of(cls, case: Case) -> Self:
        return cls.model_validate(tomllib.loads((case.folder / FORMS["compose"]).read_text(encoding="utf-8")))

    @property
    def before(self) -> dict[str, Status]:
        """What is not sound in the base itself, as ``<base>.toml`` in ``fixtures/submissions`` says."""
        if self.with_pipeline:
            return {}
        undone = tomllib.loads((FIXTURES / "submissions" / f"{self.base}.toml").read_text(encoding="utf-8"))
        return {id_: status for status in (Status.FAIL, Status.BLOCKED) for id_ in undone[_KEYS[status]]}

    def lay(self, case: Case, repository: Path) -> Path:
        """Make ``repository``: the base, moved and removed from, under the case's own files, written to and edited."""
        copy_of(ROOT if self.base == "reference" else FIXTURES / "submissions" / self.base, repository)
        if self.with_pipeline:
            shutil.copytree(
                ROOT / "conformance", repository / "conformance", ignore=shutil.ignore_patterns("__pycache__")
            )
        for old, new in self.move.items():
            (repository / new).parent.mkdir(parents=True, exist_ok=True)
            (repository / old).rename(repository / new)
        for name in self.remove:
            path = repository / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if (case.folder / "files").is_dir():
            shutil.copytree(case.folder / "files", repository, dirs_exist_ok=True)
        for change in (*self.write, *self.edit):
            change.apply(repository)
        return repository

    def judged(self, case: Case, kit: Kit) -> frozenset[str]:
        """The guarantees to ask for; none means the whole profile."""
        ids = case.profile(kit).ids
        if self.judge:
            return ids & frozenset().union(*map(kit.catalogue.named, self.judge))
        if case.kind == "variant" or self.static:
            return frozenset()
        families = {id_[:3] for id_ in case.fails}
        quick = {id_ for id_ in ids if id_[:3] in families and not SLOW & set(kit.checks[id_].subjects)}
        return case.fails | quick


_KEYS: Mapping[Status, str] = {Status.FAIL: "fails", Status.BLOCKED: "blocked"}


def python_of(repository: Path, at: Path) -> Path:
    """A Python, made in ``at``, that takes the kit from ``repository`` and everything else from where it is here."""
    venv.create(at, symlinks=True)
    (packages,) = at.glob("lib/python*/site-packages")
    here = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "kit.pth").write_text("\n".join([str(repository), *here]), encoding="utf-8")
    return at / "bin/python"


def proof(case: Case, kit: Kit, folder: Path) -> Proof:
    """Deploy the case, judge it, take it down. Works in ``folder``, which is empty.

    Raises:
        AssertionError: the check ended without a verdict.
    """
    deployment = Deployment.of(case)
    repository = deployment.lay(case, folder / "repository")
    python = python_of(repository, folder / "python") if deployment.with_pipeline else Path(sys.executable)
    options = [option.replace("{repository}", str(repository)) for option in deployment.options]
    options += ["--static"] if deployment.static else []
    options += [word for id_ in sorted(deployment.judged(case, kit)) for word in ("--only", id_)]
    started = time.monotonic()
    checked = check(
        repository, folder / "report", "--profile", case.profile(kit).name, *options, python=python, patience=PATIENCE
    )
    assert checked.guarantees, f"exit {checked.code}, no verdict: {checked.errors}"
    told = {id_: Told.of_verdict(one) for id_, one in checked.guarantees.items()}
    return Proof.of("compose", case, kit, told, deployment.before, time.monotonic() - started)
