"""The collector: every observer once, in threads, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from teakit import KIT, TeaStack

from conformance.inputs import InputError
from conformance.observe.collector import Collector
from conformance.observe.facts import Facts, Observation, ObservationStatus, Observer, Probe
from conformance.observe.redaction import Redactor
from conformance.stacks.base import Stack, StackError, Unavailable
from conformance.stacks.opening import StackRequest

OBSERVED, UNOBSERVABLE, ERROR = ObservationStatus.OBSERVED, ObservationStatus.UNOBSERVABLE, ObservationStatus.ERROR
Collect = Callable[[Stack, Probe], Facts]


class Seen(Facts):
    what: str = ""
    number: float = 0


class Log:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, subject: str, message: str) -> None:
        self.lines.append(f"{subject}: {message}")

    def done(self, observation: Observation) -> None:
        self.lines.append(f"{observation.subject} {observation.status}")


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What hanging observers wait for; set at the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


def collector(observers: dict[str, Collect], **settings: Any) -> Collector:
    given: dict[str, Any] = {
        "subjects": tuple(observers),
        "seed": 7,
        "timeout": 20.0,
        "redactor": Redactor(["hunter22"]),
        "keep": lambda observation: None,
        "progress": Log(),
        **settings,
    }
    known = {subject: Observer(subject, Seen, collect) for subject, collect in observers.items()}
    return Collector(TeaStack(StackRequest("embedded", KIT.reference())), known, **given)


def returns(what: str) -> Collect:
    return lambda stack, probe: Seen(what=what)


def raises(error: BaseException) -> Collect:
    def collect(stack: Stack, probe: Probe) -> Facts:
        raise error

    return collect


def test_a_password_that_is_also_the_name_of_a_field_hides_no_fact() -> None:
    with_weak_password = collector({"tea": returns("what it is")}, redactor=Redactor(["what"]))
    seen = with_weak_password.observation("tea")
    assert (seen.status, seen.facts) == (ObservationStatus.OBSERVED, {"what": "[redacted] it is", "number": 0.0})


def test_facts_are_observed_redacted_kept_and_told() -> None:
    kept: list[Observation] = []
    log = Log()

    def collect(stack: Stack, probe: Probe) -> Facts:
        probe.progress("trying hunter22")
        return Seen(what=f"seed {probe.seed} hunter22 \x1b")

    observations = collector({"a": collect}, keep=kept.append, progress=log)
    observation = observations.observation("a")
    assert observation.status is OBSERVED
    assert observation.facts == {"what": "seed 7 [redacted] \\x1b", "number": 0.0}
    assert kept == [observation]
    assert log.lines == ["a: …", "a: trying [redacted]", "a observed"]


def test_each_is_made_once_whoever_asks() -> None:
    made: list[str] = []

    def collect(stack: Stack, probe: Probe) -> Facts:
        made.append("a")
        return Seen()

    observations = collector({"a": collect})
    observations.start()
    threads = [threading.Thread(target=observations.observation, args=("a",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert observations.observation("a") is observations.observation("a")
    assert made == ["a"]


def test_observers_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=10)

    def collect(stack: Stack, probe: Probe) -> Facts:
        both.wait()
        return Seen()

    observations = collector({"a": collect, "b": collect})
    observations.start()
    assert observations.observation("a").status is OBSERVED
    assert observations.observation("b").status is OBSERVED


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (Unavailable("no window, hunter22"), UNOBSERVABLE, "no window, [redacted]"),
        (ZeroDivisionError("hunter22"), ERROR, "ZeroDivisionError: [redacted] (collector.py:"),
        (SystemExit(3), ERROR, "SystemExit: 3 (collector.py:"),
        (RuntimeError("x" * 100_000), ERROR, "RuntimeError: xxx"),
        (RuntimeError("\ud800\x00"), ERROR, "RuntimeError: \\ud800\\x00"),
    ],
)
def test_why_there_are_no_facts(error: BaseException, status: ObservationStatus, reason: str) -> None:
    observation = collector({"a": raises(error)}).observation("a")
    assert observation.status is status
    assert observation.reason.startswith(reason)
    assert len(observation.reason) <= 2000
    assert observation.facts is None


def test_facts_that_cannot_be_stored_are_an_error() -> None:
    observation = collector({"a": lambda stack, probe: Seen(number=float("inf"))}).observation("a")
    assert observation.status is ERROR
    assert "not JSON compliant" in observation.reason


def test_a_subject_without_an_observer_is_an_error() -> None:
    observation = collector({}).observation("a")
    assert (observation.status, observation.reason) == (ERROR, "this version of the kit has no observer for it")


def test_an_observer_can_look_at_what_another_saw() -> None:
    def collect(stack: Stack, probe: Probe) -> Facts:
        return Seen(what=f"after {probe.observation('b').facts}")

    observation = collector({"a": collect, "b": returns("tea")}, subjects=("a",)).observation("a")
    assert observation.facts == {"what": "after {'what': 'tea', 'number': 0.0}", "number": 0.0}


def asks_for(*subjects: str) -> Collect:
    def collect(stack: Stack, probe: Probe) -> Facts:
        return Seen(what=" ".join(probe.observation(subject).status for subject in subjects))

    return collect


@pytest.mark.parametrize(
    "observers",
    [
        {"a": asks_for("a")},
        {"a": asks_for("b"), "b": asks_for("a")},
        {"a": asks_for("b"), "b": asks_for("c"), "c": asks_for("a")},
    ],
)
def test_observers_that_wait_for_each_other_do_not_hang(observers: dict[str, Collect]) -> None:
    observations = collector(observers)
    observations.start()
    seen = [observations.observation(subject) for subject in observers]
    assert [one.status for one in seen].count(ERROR) == 1
    assert any("observers wait for each other: " in one.reason for one in seen)


def test_disruption_comes_after_everything_else(release: threading.Event) -> None:
    order: list[str] = []

    def slow(stack: Stack, probe: Probe) -> Facts:
        release.wait(10)
        order.append("a")
        return Seen()

    def disrupt(stack: Stack, probe: Probe) -> Facts:
        order.append("disruption")
        return Seen()

    observations = collector({"disruption": disrupt, "a": slow, "b": raises(ValueError("b"))})
    observations.start()
    assert observations.observation("b").status is ERROR
    assert order == []
    release.set()
    assert observations.observation("disruption").status is OBSERVED
    assert order == ["a", "disruption"]


def test_observers_can_tell_what_the_run_observes_in_any_case() -> None:
    def tells(stack: Stack, probe: Probe) -> Facts:
        return Seen(what=" ".join(subject for subject in ("a", "b", "c") if probe.observes(subject)))

    observers = {"a": tells, "b": returns(""), "c": returns("")}
    assert collector(observers, subjects=("a", "c")).observation("a").facts == {"what": "a c", "number": 0.0}


def test_nobody_can_wait_for_disruption() -> None:
    observation = collector({"a": asks_for("disruption"), "disruption": returns("")}).observation("a")
    assert "cannot wait for disruption" in observation.reason


def test_who_takes_too_long_is_given_up_and_comes_too_late(release: threading.Event) -> None:
    kept: list[Observation] = []
    late = threading.Event()

    def hang(stack: Stack, probe: Probe) -> Facts:
        release.wait(10)
        late.set()
        return Seen()

    observations = collector({"a": hang}, timeout=0.2, keep=kept.append)
    observation = observations.observation("a")
    assert (observation.status, observation.reason) == (ERROR, "no result within 0.2 s")
    release.set()
    assert late.wait(5)
    assert observations.observation("a") is observation
    assert observations.close() == {"a": observation}
    assert kept == [observation]


def test_waiting_for_another_does_not_use_up_ones_time(release: threading.Event) -> None:
    def slow(stack: Stack, probe: Probe) -> Facts:
        release.wait(0.6)
        return Seen()

    def waits(stack: Stack, probe: Probe) -> Facts:
        release.wait(0.3)
        return Seen(what=probe.observation("slow").status)

    observations = collector({"waits": waits, "slow": slow}, timeout=0.8)
    observation = observations.observation("waits")
    assert observation.facts == {"what": "observed", "number": 0.0}
    assert observation.duration_s < 0.6


def test_a_lost_deployment_wakes_everybody(release: threading.Event) -> None:
    def hang(stack: Stack, probe: Probe) -> Facts:
        release.wait(10)
        return Seen()

    observations = collector({"a": hang, "b": raises(StackError("the kettle is gone, hunter22"))})
    observations.start()
    began = time.monotonic()
    for subject in ("a", "b", "never begun"):
        with pytest.raises(StackError, match=r"the kettle is gone, \[redacted\]"):
            observations.observation(subject)
    assert time.monotonic() - began < 5
    assert observations.close() == {}


def test_evidence_that_cannot_be_kept_ends_the_run() -> None:
    def full(observation: Observation) -> None:
        raise InputError("facts/a.json: cannot be written: No space left on device")

    with pytest.raises(StackError, match="No space left on device"):
        collector({"a": returns("")}, keep=full).observation("a")


def test_nothing_is_kept_after_the_end(release: threading.Event) -> None:
    kept: list[Observation] = []
    late = threading.Event()

    def hang(stack: Stack, probe: Probe) -> Facts:
        release.wait(10)
        late.set()
        return Seen()

    observations = collector({"a": hang, "b": returns("b")}, keep=kept.append)
    observations.start()
    seen = observations.observation("b")
    assert observations.close() == {"b": seen}
    release.set()
    assert late.wait(5)
    with pytest.raises(StackError):
        observations.observation("a")
    assert kept == [seen]
