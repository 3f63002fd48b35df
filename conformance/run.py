"""One run of the kit: the deployment while it is observed, and the evidence, verdict and reports at its end."""

from __future__ import annotations

import contextlib
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from time import monotonic
from types import FrameType, TracebackType

from conformance.inputs import complain
from conformance.kit import VERSION, Kit
from conformance.observe.collector import Collector
from conformance.observe.facts import Observation, ObservationStatus
from conformance.observe.redaction import Redactor
from conformance.plan import EVIDENCE, Plan
from conformance.progress import Console
from conformance.report import files
from conformance.stacks.base import Role, Stack, StackError
from conformance.stacks.opening import StackRequest
from conformance.stacks.recorded import RecordedStack
from conformance.text import printable
from conformance.verdict.bundle import Evidence, EvidenceWriter, RunRecord, StackRecord
from conformance.verdict.judge import Judge, absent
from conformance.verdict.model import StackInfo, Verdict
from conformance.verdict.score import Scope, verdict_of

OBSERVER_TIMEOUT = 600.0  # seconds that one observer may work; the slowest needs a tenth of it

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def verdict_on(kit: Kit, stack: StackRecord, run: RunRecord, observations: Mapping[str, Observation]) -> Verdict:
    """The verdict that follows from evidence: the only way in which one comes about, at the end of a run and later."""
    missing = _cut_off if run.interrupted else absent
    judge = kit.judge(
        lambda subject: observations.get(subject) or missing(subject),
        run.profile.parameters,
        capabilities=frozenset(stack.capabilities),
        roles=stack.roles.keys(),
        own_pipeline=stack.runs_reference,
    )
    scope: Scope = "incomplete" if run.only or run.interrupted else "static" if run.static else "full"
    return verdict_of(
        judge.judge_all(run.only or run.profile.ids),
        kit.catalogue,
        run.profile,
        scope=scope,
        coverage_required=0 if run.only else run.profile.coverage.of(stack.kind),
        kit_version=VERSION,
        subject=stack.subject,
        stack=StackInfo(
            kind=stack.kind,
            capabilities=stack.capabilities,
            roles={role.value: services for role, services in stack.roles.items()},
            stand_ins=stack.stand_ins,
        ),
        started_at=run.started_at,
        duration_s=run.duration_s,
        seed=stack.seed,
    )


def _cut_off(subject: str) -> Observation:
    """What an interrupted run did not get to: nobody's fault, and nothing can be said of it."""
    reason = "the run ended before it was observed"
    return Observation(subject=subject, status=ObservationStatus.UNOBSERVABLE, reason=reason)


class Run(ABC):
    """Enter :meth:`deployment`, ask :attr:`judge` about guarantees, leave it, and :meth:`finish`."""

    judge: Judge

    def __init__(self, kit: Kit, plan: Plan) -> None:
        self.plan = plan
        self._kit = kit
        self._observations: dict[str, Observation] = {}

    @abstractmethod
    def deployment(self, ids: AbstractSet[str], *, bar: bool) -> AbstractContextManager[None]:
        """What ``ids`` are judged on, for as long as it is there; ``bar``: show progress as one.

        Raises:
            StackError: it cannot be brought up.
        """

    @abstractmethod
    def seal(self, *, only: frozenset[str], interrupted: bool) -> tuple[StackRecord, RunRecord]:
        """Complete the evidence. ``only`` as in :class:`Plan`."""

    def finish(self, *, only: frozenset[str], interrupted: bool) -> Verdict:
        """Seal the evidence, and write the verdict that follows from it and its reports."""
        with _interruptible():
            _deafen()
            stack, run = self.seal(only=only, interrupted=interrupted)
            verdict = verdict_on(self._kit, stack, run, self._observations)
            files.write(verdict, self.plan.options.report_dir, self.plan.options.lang)
        return verdict

    def _judge(self, stack: Stack, observation: Callable[[str], Observation]) -> Judge:
        return self._kit.judge(
            observation,
            self.plan.profile.parameters,
            capabilities=stack.capabilities,
            roles=stack.roles().keys(),
            own_pipeline=stack.runs_reference,
        )


class LiveRun(Run):
    """A run on a deployment that is brought up, or reached, for it."""

    def __init__(self, kit: Kit, plan: Plan) -> None:
        """
        Raises:
            InputError: the report folder cannot be used.
            StackError: this version cannot have the stack.
        """
        super().__init__(kit, plan)
        self._started_at = datetime.now(UTC)
        self._clock = monotonic()
        self._stack = _open(kit, plan)
        self._roles: dict[Role, tuple[str, ...]] = {}
        self._evidence = EvidenceWriter(plan.options.report_dir / EVIDENCE)
        files.remove(plan.options.report_dir)

    @contextlib.contextmanager
    def deployment(self, ids: AbstractSet[str], *, bar: bool) -> Iterator[None]:
        """Once its end has begun, interruptions wait for it."""
        options = self.plan.options
        with ExitStack() as life:
            life.enter_context(_interruptible())
            stack = self._stack
            stack.__enter__()
            life.push(_leaving(stack))
            self._roles = stack.roles()
            names = {name for names in self._roles.values() for name in names}
            redactor = Redactor(stack.secrets(), public=frozenset({*Role, *names}))
            life.callback(lambda: self._evidence.logs(stack.logs(), redactor))
            self.judge = self._judge(stack, lambda subject: collector.observation(subject))
            subjects = self.judge.subjects(ids)
            collector = Collector(
                stack,
                self._kit.observers,
                subjects,
                seed=options.seed,
                timeout=options.timeout or OBSERVER_TIMEOUT,
                redactor=redactor,
                keep=self._evidence.observation,
                progress=life.enter_context(Console(len(subjects), bar=bar)),
            )
            life.callback(lambda: self._observations.update(collector.close()))
            life.callback(_deafen)
            collector.start()
            yield

    def seal(self, *, only: frozenset[str], interrupted: bool) -> tuple[StackRecord, RunRecord]:
        stack = StackRecord(
            kit_version=VERSION,
            kind=self._stack.kind,
            capabilities=tuple(sorted(self._stack.capabilities)),
            roles={role: tuple(map(printable, names)) for role, names in sorted(self._roles.items())},
            stand_ins=self._stack.stand_ins,
            runs_reference=self._stack.runs_reference,
            subject=self.plan.subject,
            seed=self.plan.options.seed,
        )
        run = RunRecord(
            started_at=self._started_at,
            duration_s=round(monotonic() - self._clock, 3),
            profile=self.plan.profile,
            only=tuple(sorted(only)),
            static=self.plan.options.static,
            interrupted=interrupted,
        )
        self._evidence.seal(stack, run)
        return stack, run


class Replay(Run):
    """A run over recorded evidence: nothing is started, and what, when and how long are as recorded."""

    def __init__(self, kit: Kit, plan: Plan, recorded: Evidence) -> None:
        """
        Raises:
            InputError: the report folder cannot be used.
        """
        super().__init__(kit, plan)
        self._recorded = recorded
        self._observations = recorded.observations
        folder = plan.options.report_dir / EVIDENCE
        self._copy = None if recorded.folder.resolve() == folder.resolve() else EvidenceWriter(folder)
        files.remove(plan.options.report_dir)

    @contextlib.contextmanager
    def deployment(self, ids: AbstractSet[str], *, bar: bool) -> Iterator[None]:
        record = self._recorded.stack
        with RecordedStack(
            kind=record.kind,
            capabilities=frozenset(record.capabilities),
            roles=record.roles,
            stand_ins=record.stand_ins,
            runs_reference=record.runs_reference,
            logs=self._recorded.logs,
        ) as stack:
            self.judge = self._judge(stack, lambda subject: self._observations.get(subject) or absent(subject))
            yield

    def seal(self, *, only: frozenset[str], interrupted: bool) -> tuple[StackRecord, RunRecord]:
        before = self._recorded.run
        run = before.model_copy(
            update={
                "profile": self.plan.profile,
                "only": tuple(sorted(only)),
                "interrupted": before.interrupted or interrupted,
            }
        )
        if self._copy:
            for observation in self._observations.values():
                self._copy.observation(observation)
            self._copy.logs(self._recorded.logs, Redactor(()))
            self._copy.seal(self._recorded.stack, run)
        return self._recorded.stack, run


def start(kit: Kit, plan: Plan) -> Run:
    return Replay(kit, plan, plan.recorded) if plan.recorded else LiveRun(kit, plan)


def _open(kit: Kit, plan: Plan) -> Stack:
    options = plan.options
    return kit.open_stack(
        StackRequest(
            kind=plan.kind,
            source=options.path or kit.reference(),
            is_named=options.path is not None,
            is_reference=plan.is_reference,
            env_file=options.env_file,
            compose_file=options.compose_file,
            images=options.images,
            trust=options.trust,
            keep=options.keep,
            timeout=options.timeout,
        )
    )


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Every way to ask for an end interrupts as Ctrl-C does; what was set before is set again afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.getsignal(number) for number in _ENDS}
    try:
        for number in _ENDS:
            signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _deafen() -> None:
    """Interruptions are of no use while things are being cleaned up."""
    if threading.current_thread() is threading.main_thread():
        for number in _ENDS:
            signal.signal(number, signal.SIG_IGN)


def _leaving(
    stack: Stack,
) -> Callable[[type[BaseException] | None, BaseException | None, TracebackType | None], None]:
    """The stack's exit. That it did not clean up is said, and takes no verdict away.

    When the run ends because the deployment is lost, that is what is said, and that alone.
    """

    def leave(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            stack.__exit__(kind, error, trace)
        except StackError as trouble:
            if error is None or isinstance(error, KeyboardInterrupt):
                complain(f"clean-up: {trouble}")

    return leave
