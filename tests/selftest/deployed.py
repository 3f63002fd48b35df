"""The level of deployments: a case is a repository with something changed, deployed with Compose and judged."""

from __future__ import annotations

import shutil
import time
import tomllib
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


class Deployment(BaseModel):
    """``deployment.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str
    """A folder of ``fixtures/submissions``, or ``reference``: this repository's own deployment."""
    static: bool = False
    """Judge files alone; start nothing."""
    options: tuple[str, ...] = ()
    """Further ones of ``conformance check``; ``{repository}`` is the folder that is checked."""
    judge: tuple[str, ...] = ()
    """Families or guarantees. Left out, of a breach the families of what fails, of a variant the whole profile."""
    remove: tuple[str, ...] = ()
    edit: tuple[Edit, ...] = ()

    @classmethod
    def of(cls, case: Case) -> Self:
        return cls.model_validate(tomllib.loads((case.folder / FORMS["compose"]).read_text(encoding="utf-8")))

    @property
    def before(self) -> dict[str, Status]:
        """What is not sound in the base itself, as ``<base>.toml`` in ``fixtures/submissions`` says."""
        undone = tomllib.loads((FIXTURES / "submissions" / f"{self.base}.toml").read_text(encoding="utf-8"))
        return {id_: status for status in (Status.FAIL, Status.BLOCKED) for id_ in undone[_KEYS[status]]}

    def lay(self, case: Case, repository: Path) -> Path:
        """Make ``repository``: the base, without what is removed, under the case's own files, and edited."""
        copy_of(ROOT if self.base == "reference" else FIXTURES / "submissions" / self.base, repository)
        for name in self.remove:
            path = repository / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if (case.folder / "files").is_dir():
            shutil.copytree(case.folder / "files", repository, dirs_exist_ok=True)
        for edit in self.edit:
            edit.apply(repository)
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


def proof(case: Case, kit: Kit, folder: Path) -> Proof:
    """Deploy the case, judge it, take it down. Works in ``folder``, which is empty.

    Raises:
        AssertionError: the check ended without a verdict.
    """
    deployment = Deployment.of(case)
    repository = deployment.lay(case, folder / "repository")
    options = [option.replace("{repository}", str(repository)) for option in deployment.options]
    options += ["--static"] if deployment.static else []
    options += [word for id_ in sorted(deployment.judged(case, kit)) for word in ("--only", id_)]
    started = time.monotonic()
    checked = check(repository, folder / "report", "--profile", case.profile(kit).name, *options)
    assert checked.guarantees, f"exit {checked.code}, no verdict: {checked.errors}"
    told = {id_: Told.of_verdict(one) for id_, one in checked.guarantees.items()}
    return Proof.of("compose", case, kit, told, deployment.before, time.monotonic() - started)
