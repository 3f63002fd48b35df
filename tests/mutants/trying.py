"""Mutants before the kit: each is planted in a copy of the reference, observed on real services and judged."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import psycopg
import pytest
from broken_guarantees import broken
from mutating import ROOT, Mutant, Trial, plant
from observing import Alone, altered
from psycopg import sql

from conformance.observe import pipeline, pipeline_crash, postgres, prefect
from conformance.observe.disruption_facts import DisruptionFacts
from conformance.observe.pipeline_facts import PipelineFacts
from conformance.stacks.base import Role
from conformance.stacks.embedded import SERVICES, EmbeddedStack
from pqrs_lakehouse import warehouse

HERE = Path(__file__).parent
OBSERVER = HERE / "observing_mutant.py"
SHARED = (HERE, HERE.parent / "live", HERE.parent / "selftest")  # what the observing process imports of the tests
PATIENCE_S = 240.0
CRASHES = 3
PACKAGE = "pqrs_lakehouse"


class Stores(EmbeddedStack):
    """PostgreSQL and the object store alone."""

    def __init__(self) -> None:
        super().__init__(ROOT)
        needed = (Role.POSTGRES, Role.OBJECT_STORE)
        self._absent |= {role: "no mutant here asks for it" for role in SERVICES if role not in needed}


class Bench:
    """One stack on which mutants are tried, in folders of their own below ``folder``."""

    def __init__(self, stack: EmbeddedStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder

    def broken_by(self, mutant: Mutant | None, trial: Trial) -> dict[str, str]:
        """The guarantees that do not hold of the mutant (None: of the reference itself), with what was observed."""
        with self._planted(mutant) as planted:
            match trial:
                case Trial.PIPELINE:
                    return broken({"pipeline": self._observed(planted)})
                case Trial.FLOW:
                    return broken({"pipeline": self._observed(planted, **self._whole())})
                case Trial.CRASH:
                    return self._crashed(planted)
                case Trial.DATABASE:
                    return self._made_by_its_script(planted)
        raise AssertionError(f"{trial} needs no bench")

    @contextmanager
    def _planted(self, mutant: Mutant | None) -> Iterator[Path]:
        folder = plant(mutant, self._folder / secrets.token_hex(4))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def _whole(self) -> dict[str, str]:
        """The stack's own Dask and Prefect."""
        return {
            "dask": self._stack.settings().dask_scheduler_address,
            "prefect": self._stack.endpoint(Role.PREFECT_SERVER).url,
            "pool": prefect.collect(self._stack, Alone()).pools[0].name,
        }

    def _observed(self, planted: Path, **more: str) -> PipelineFacts:
        order = {
            "postgres": asdict(self._stack.postgres()),
            "object_store": asdict(self._stack.object_store()),
            "planted": str(planted),
            **more,
        }
        answer = planted / "facts.json"
        path = os.pathsep.join(map(str, [planted, *SHARED, *filter(None, [os.environ.get("PYTHONPATH")])]))
        ended = subprocess.run(
            [sys.executable, str(OBSERVER), str(answer)], input=json.dumps(order), capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": path}, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, f"the observer failed: {ended.stderr[-3_000:]}"
        return PipelineFacts.model_validate_json(answer.read_text(encoding="utf-8"))

    def _crashed(self, planted: Path) -> dict[str, str]:
        with installed(planted):
            for _ in range(CRASHES):
                crash = pipeline_crash.crash(self._stack, Alone())
                if not crash.first.ok:  # a run that gets through it leaves nothing to repair
                    break
        return broken({"disruption": DisruptionFacts(crash=crash)})

    def _made_by_its_script(self, planted: Path) -> dict[str, str]:
        access = self._stack.postgres()
        name = f"mutant_{secrets.token_hex(4)}"
        with psycopg.connect(access.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            try:
                # What is missing after an error is for the observer to see, as in a deployment.
                with suppress(psycopg.Error), psycopg.connect(access.dsn(name), autocommit=True) as own:
                    own.execute(warehouse.script(planted / "sql" / "init-postgres.sql").encode())
                made = altered(
                    self._stack, postgres=lambda: replace(access, database=name), source=lambda: planted, logs=dict
                )
                return broken({"postgres": postgres.collect(made, Alone())})
            finally:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def installed(planted: Path) -> Iterator[None]:
    """In this process, the planted package in the place of the real one."""
    real = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == PACKAGE}
    with pytest.MonkeyPatch.context() as patch:
        for name in real:
            patch.delitem(sys.modules, name)
        patch.syspath_prepend(planted)
        pipeline.deployment_errors.cache_clear()
        try:
            yield
        finally:
            pipeline.deployment_errors.cache_clear()
            for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
                del sys.modules[name]
