"""Runs observers in threads, each once, on demand; nobody waits longer than an observer's deadline."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from time import monotonic

from conformance.inputs import InputError
from conformance.observe.facts import Observation, ObservationStatus, Observer
from conformance.observe.redaction import Redactor
from conformance.observe.registry import LAST
from conformance.progress import Progress
from conformance.stacks.base import AbsentRole, Stack, StackError, Unavailable
from conformance.text import clean, describe


class Collector:
    """The observations of one run.

    ``keep`` gets every observation as it comes, from the thread that made it (InputError: it cannot be kept). Waiting
    for another's observation does not use up an observer's time; one that needs more than ``timeout`` seconds is given
    up, and what it brings later is dropped.
    """

    def __init__(
        self,
        stack: Stack,
        observers: Mapping[str, Observer],
        subjects: Iterable[str],
        *,
        seed: int,
        timeout: float,
        redactor: Redactor,
        keep: Callable[[Observation], None],
        progress: Progress,
    ) -> None:
        self.seed = seed
        self._stack = stack
        self._observers = observers
        self._subjects = tuple(subjects)
        self._timeout = timeout
        self._redactor = redactor
        self._keep = keep
        self._progress = progress
        self._lock = threading.RLock()
        self._jobs: dict[str, _Job] = {}
        self._broken: str | None = None  # why the deployment is lost: StackError
        self._closed = False

    def start(self) -> None:
        """Begin to observe every subject."""
        for subject in self._subjects:
            self._job(subject)

    def observation(self, subject: str) -> Observation:
        """The observation of ``subject``; begun now if it was not, and waited for.

        Raises:
            StackError: an observer found that the deployment is lost for a reason that is not the subject's.
        """
        job = self._job(subject)
        while not job.settled.wait(max(0.05, job.time_left(self._timeout))):
            if job.time_left(self._timeout) <= 0:
                self._settle(job, ObservationStatus.ERROR, reason=f"no result within {self._timeout:g} s")
        if job.observation is None:
            raise StackError(self._broken or "the observation was given up")
        return job.observation

    def close(self) -> dict[str, Observation]:
        """What has been observed. Nothing that still comes is kept, and nobody waits for it."""
        with self._lock:
            self._closed = True
        self._give_up("the run is over")
        return {subject: job.observation for subject, job in self._jobs.items() if job.observation}

    def _job(self, subject: str) -> _Job:
        with self._lock:
            job = self._jobs.get(subject)
            if job is None:
                job = self._jobs[subject] = _Job(subject)
                if self._broken is not None:
                    job.settled.set()
                elif subject not in self._observers:
                    self._settle(job, ObservationStatus.ERROR, reason="this version of the kit has no observer for it")
                else:
                    threading.Thread(target=self._observe, args=(job,), name=f"observe {subject}", daemon=True).start()
            return job

    def _observe(self, job: _Job) -> None:
        probe = _Probe(self, job)
        try:
            if job.subject == LAST:
                for other in self._subjects:
                    if other != LAST:
                        probe.observation(other)
            self._progress.note(job.subject, "…")
            found = self._observers[job.subject].collect(self._stack, probe)
            facts = self._redactor.tree(found.model_dump(mode="json"), found.field_names())
            json.dumps(facts, allow_nan=False)  # what cannot be stored is no fact
        except AbsentRole as reason:
            self._settle(job, ObservationStatus.ABSENT, reason=str(reason))
        except Unavailable as reason:
            self._settle(job, ObservationStatus.UNOBSERVABLE, reason=str(reason))
        except StackError as error:
            self._give_up(self._redactor.text(str(error)))
        except BaseException as error:  # whatever it is, those who wait must learn of it
            self._settle(job, ObservationStatus.ERROR, reason=describe(error))
        else:
            self._settle(job, ObservationStatus.OBSERVED, facts=facts)

    def _settle(
        self, job: _Job, status: ObservationStatus, *, reason: str = "", facts: dict[str, object] | None = None
    ) -> None:
        """The first to settle a job wins."""
        with self._lock:
            if job.settled.is_set() or self._closed:
                return
            job.observation = Observation(
                subject=job.subject,
                status=status,
                reason=clean(self._redactor.text(reason)),
                facts=facts,
                duration_s=round(job.time_used(), 3),
            )
            try:
                self._keep(job.observation)
            except InputError as error:
                job.observation = None
                self._give_up(str(error))
            job.settled.set()
        if job.observation:
            self._progress.done(job.observation)

    def _give_up(self, reason: str) -> None:
        with self._lock:
            self._broken = self._broken or reason
            for job in self._jobs.values():
                job.settled.set()

    def tell(self, subject: str, message: str) -> None:
        self._progress.note(subject, self._redactor.text(message))

    def observes(self, subject: str) -> bool:
        return subject in self._subjects

    def wait_from(self, waiter: _Job, subject: str) -> Observation:
        """``waiter``'s observer asks for another observation.

        Raises:
            ValueError: it would wait for itself.
        """
        if subject == LAST:
            raise ValueError(f"{waiter.subject} cannot wait for {LAST}, which comes after everything else")
        with self._lock:
            self._refuse_circle(waiter.subject, subject)
            waiter.pause(subject)
        try:
            return self.observation(subject)
        finally:
            with self._lock:
                waiter.resume()

    def _refuse_circle(self, waiter: str, subject: str) -> None:
        path = [waiter]
        while subject not in path:
            path.append(subject)
            job = self._jobs.get(subject)
            if job is None or job.waits_for is None:
                return
            subject = job.waits_for
        if subject == waiter:
            raise ValueError(f"observers wait for each other: {' → '.join([*path, subject])}")


class _Job:
    """One observer at work. Its clock stands while it waits for another."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.settled = threading.Event()
        self.observation: Observation | None = None
        self.waits_for: str | None = None
        self._began = monotonic()
        self._paused_at = 0.0

    def time_used(self) -> float:
        return (self._paused_at if self.waits_for else monotonic()) - self._began

    def time_left(self, timeout: float) -> float:
        return timeout - self.time_used()

    def pause(self, subject: str) -> None:
        self._paused_at = monotonic()
        self.waits_for = subject

    def resume(self) -> None:
        self._began += monotonic() - self._paused_at
        self.waits_for = None


class _Probe:
    """What an observer sees of the collector."""

    def __init__(self, collector: Collector, job: _Job) -> None:
        self.seed = collector.seed
        self._collector = collector
        self._job = job

    def observation(self, subject: str) -> Observation:
        return self._collector.wait_from(self._job, subject)

    def observes(self, subject: str) -> bool:
        return self._collector.observes(subject)

    def progress(self, message: str) -> None:
        self._collector.tell(self._job.subject, message)
