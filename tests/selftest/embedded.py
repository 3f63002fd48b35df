"""The level of a running stack: a case alters one embedded stack, which is judged, mended in place and judged again."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

from alterations import SEEN_ONLY, Ground, Step, applied
from cases import FORMS, Case, Told
from observing import altered
from proof import Proof
from pydantic import BaseModel, ConfigDict

from conformance.kit import Kit
from conformance.observe.collector import Collector
from conformance.observe.facts import Observation, Observer
from conformance.observe.redaction import Redactor
from conformance.stacks.base import Stack, Unavailable
from conformance.stacks.embedded import EmbeddedStack
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Status

ROOT = Path(__file__).parents[2]
SLOW_SUBJECTS = frozenset({"disruption", "pipeline"})
SLOW = frozenset({"PGS-04", "PRF-05", "PRM-04"})
"""Guarantees with an experiment of seconds: judged when a case is about them."""
PATIENCE: Mapping[str, float] = {
    "prometheus.PATIENCE_S": 6.0,
    "prefect.WORKER_PATIENCE_S": 3.0,
    "prefect.RUN_PATIENCE_S": 8.0,
    "prefect_api.BUSY_S": 1.0,
    "dask.PATIENCE_S": 3.0,
    "dask.SETTLED_S": 0.5,
    "dask.CONNECT_S": 3.0,
    "dask.ANSWER_S": 5.0,
}
"""Seconds. Observers wait for what is still coming up; here all has been up, and what is broken stays broken."""
OBSERVER_S = 240.0
SEED = 7


class NotMended(Exception):  # noqa: N818 - a state of the stack
    """After an alteration was undone, the kit still finds something: the case is at fault, or the kit."""


class Plan(BaseModel):
    """``embedded.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: tuple[str, ...] = ()
    """Families or guarantees, besides what fails or is covered. Left out: the families of those."""
    alter: tuple[Step, ...]

    @classmethod
    def of(cls, case: Case) -> Self:
        return cls.model_validate(tomllib.loads((case.folder / FORMS["embedded"]).read_text(encoding="utf-8")))

    def judged(self, case: Case, kit: Kit) -> frozenset[str]:
        """The guarantees to ask for; what takes long only when the case is about it."""
        ids, about = case.profile(kit).ids, case.fails | set(case.covers)
        if self.judge:
            return about | ids & frozenset().union(*map(kit.catalogue.named, self.judge))
        families = {id_[:3] for id_ in about}
        return about | {
            id_ for id_ in ids - SLOW if id_[:3] in families and not SLOW_SUBJECTS & set(kit.checks[id_].subjects)
        }


class Bench:
    """One embedded stack for all cases. One that could not be mended is thrown away, and the next is started."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._life = ExitStack()
        self._stack: EmbeddedStack | None = None

    @property
    def stack(self) -> EmbeddedStack:
        """With every role up."""
        if self._stack is None:
            self._stack = self._life.enter_context(EmbeddedStack(ROOT))
            for role in self._stack.roles():
                self._stack._launcher.running(role)
        return self._stack

    def close(self) -> None:
        """End the stack, if there is one."""
        self._stack = None
        self._life.pop_all().close()

    def prove(self, case: Case) -> Proof:
        """What the kit says of the stack as the case alters it.

        Raises:
            NotMended: what the case broke is not whole again.
        """
        plan, profile = Plan.of(case), case.profile(self._kit)
        ground = Ground(self.stack)
        started = time.monotonic()
        try:
            with applied(plan.alter, ground), hurried() if case.kind == "breach" else nullcontext():
                told = self._told(ground.seen, plan.judged(case, self._kit), profile.parameters)
            if not all(isinstance(step, SEEN_ONLY) for step in plan.alter):
                self._check_mended(case.fails | set(case.covers), profile.parameters)
        except BaseException:
            self.close()
            raise
        finally:
            ground.close()
        return Proof.of("embedded", case, self._kit, told, {}, time.monotonic() - started)

    def _check_mended(self, ids: frozenset[str], parameters: Parameters) -> None:
        again = self._told(self.stack, ids, parameters)
        worse = {id_: f"{one.status}: {one.observed}" for id_, one in again.items() if one.status is not Status.PASS}
        if worse:
            raise NotMended(str(worse))

    def _told(self, stack: Stack, ids: frozenset[str], parameters: Parameters) -> dict[str, Told]:
        """Observe what these guarantees need and nothing else, and judge them."""
        kit = self._kit
        closure = kit.catalogue.closure(ids)
        if "PGS-04" not in closure:
            stack = altered(stack, second_postgres=_not_asked_for)
        judge = kit.judge(
            lambda subject: collector.observation(subject),
            parameters,
            capabilities=stack.capabilities,
            roles=stack.roles().keys(),
            own_pipeline=stack.runs_reference,
        )
        subjects = judge.subjects(ids)
        others = {
            subject: Observer(subject, observer.facts, _not_asked_for)
            for subject, observer in kit.observers.items()
            if subject not in subjects
        }
        collector = Collector(
            stack, {**kit.observers, **others}, subjects,
            seed=SEED, timeout=OBSERVER_S, redactor=Redactor(stack.secrets()), keep=bool, progress=_Quiet(),
        )  # fmt: skip
        collector.start()
        try:
            with patch("conformance.observe.prefect.RUN_PATIENCE_S", 0.0) if "PRF-05" not in closure else nullcontext():
                return {id_: Told.of_judgment(one) for id_, one in judge.judge_all(ids).items()}
        finally:
            collector.close()


@contextmanager
def hurried() -> Iterator[None]:
    """Observers wait no longer than a broken stack is worth."""
    with ExitStack() as patches:
        for name, seconds in PATIENCE.items():
            patches.enter_context(patch(f"conformance.observe.{name}", seconds))
        yield


def _not_asked_for(*_: object) -> Any:
    raise Unavailable("not asked for")


class _Quiet:
    def note(self, subject: str, message: str) -> None:
        """Nothing."""

    def done(self, observation: Observation) -> None:
        """Nothing."""
