"""The judgments on Dask, on facts written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from judging import judge

from conformance.checks import test_dsk as dsk
from conformance.observe.dask import DaskFacts, DaskWorker, Engine, FanOut, Load, Share, Versions
from conformance.observe.disruption import DisruptionFacts, WorkerKill
from conformance.observe.facts import Attempt
from conformance.observe.web import Answer
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Status

ONE, TWO = "tcp://172.18.0.4:40001", "tcp://172.18.0.5:40002"
PACKAGES = {"dask": "2026.7.1", "distributed": "2026.7.1", "msgpack": "1.2.4", "polars": "2.1.0"}
IDLE = {"tasks": 0, "waiting": 0, "processing": 0, "memory": 0, "erred": 0, "unrunnable": 0}
PARAMETERS = Parameters(min_workers=2, polars_major=2)


def versions(member: str, python: str = "3.12.4.final.0", **packages: str) -> Versions:
    return Versions(member=member, python=python, packages=PACKAGES | packages)


def facts(**changes: Any) -> DaskFacts:
    """A sound cluster of two workers, changed."""
    sound: dict[str, Any] = {
        "identity": Attempt(ok=True, detail="Scheduler-1"),
        "health": Answer(status=200, detail="ok"),
        "dashboard": Answer(status=200, content_type="text/html", detail="<!DOCTYPE html>"),
        "draws": True,
        "protocol": Attempt(ok=True),
        "workers": tuple(
            DaskWorker(address=address, name=address, nthreads=1, memory_limit=1, status="running")
            for address in (ONE, TWO)
        ),
        "worker_count": 2,
        "load": Load(**IDLE),
        "versions": tuple(versions(member) for member in ("kit", "scheduler", ONE, TWO)),
        "fan_out": FanOut(
            tasks=8, expected=10, result=10, ran_on=(Share(worker=ONE, tasks=4), Share(worker=TWO, tasks=4))
        ),
        "engines": (Engine(worker=ONE, polars="2.1.0"), Engine(worker=TWO, polars="2.0.0")),
    }
    return DaskFacts(**(sound | changes))


def kill(**changes: Any) -> DisruptionFacts:
    sound: dict[str, Any] = {
        "started": Attempt(ok=True), "killed": "dask-worker-2", "workers_before": 2, "workers_at_work": 2,
        "workers_lost": 1, "tasks": 200, "done_before": 20, "result": 5, "expected": 5,
    }  # fmt: skip
    return DisruptionFacts(worker_kill=WorkerKill(**(sound | changes)))


SOUND = [
    (dsk.test_the_scheduler_answers, (facts(),)),
    (dsk.test_workers_are_registered, (facts(), PARAMETERS)),
    (dsk.test_it_is_idle, (facts(),)),
    (dsk.test_its_dashboard_is_served, (facts(),)),
    (dsk.test_scheduler_and_workers_run_the_same_versions, (facts(),)),
    (dsk.test_work_really_is_distributed, (facts(),)),
    (dsk.test_a_lost_worker_loses_no_work, (kill(),)),
    (dsk.test_workers_can_run_the_pipelines_engine, (facts(), PARAMETERS)),
]


@pytest.mark.parametrize(("check", "arguments"), SOUND, ids=lambda value: getattr(value, "guarantee_id", ""))
def test_a_sound_cluster_passes(check: Any, arguments: tuple[Any, ...]) -> None:
    assert judge(check, *arguments).status is Status.PASS


def test_one_of_http_and_protocol_is_enough() -> None:
    no_http = facts(identity=Attempt(ok=False), health=Answer(detail="no dashboard port"))
    no_protocol = facts(protocol=Attempt(ok=False, detail="StreamClosedError"))
    assert judge(dsk.test_the_scheduler_answers, no_http).status is Status.PASS
    assert judge(dsk.test_the_scheduler_answers, no_protocol).status is Status.PASS


def test_a_scheduler_that_does_not_start_is_heard() -> None:
    nobody = Attempt(ok=False)
    silent = facts(identity=nobody, protocol=nobody, scheduler_complaints="dask-scheduler-1: exited (127)")
    assert "dask-scheduler-1: exited (127)" in judge(dsk.test_the_scheduler_answers, silent).observed


def test_a_silent_scheduler_fails_and_the_retired_command_is_named() -> None:
    nobody = Attempt(ok=False, detail="OSError: timed out")
    silent = facts(identity=nobody, health=Answer(detail="refused"), protocol=nobody)
    outcome = judge(dsk.test_the_scheduler_answers, silent)
    assert (outcome.status, outcome.hint) == (Status.FAIL, "unreachable")
    assert "OSError: timed out" in outcome.observed
    assert "executable file not found" in outcome.en


@pytest.mark.parametrize(
    ("log", "hint"),
    [
        ("Error: No such option '--nprocs'.", "nprocs"),
        ("Error: Got unexpected extra arguments: (2 tcp://dask-scheduler:8786).", "nprocs"),
        ("Waiting to connect to: tcp://localhost:8786", "address"),
        ("OSError: Timed out trying to connect to tcp://dask-scheduler:8786 after 30 s", "address"),
        ('dask-worker-1: created (127), exec: "dask-worker": executable file not found in $PATH', "command"),
        ("Worker exceeded 95% memory budget. Restarting", "memory"),
        ("", "few"),
        ("ValueError: something else", "few"),
    ],
)
def test_missing_workers_are_explained_by_their_own_log(log: str, hint: str) -> None:
    outcome = judge(
        dsk.test_workers_are_registered, facts(worker_count=0, workers=(), worker_complaints=log), PARAMETERS
    )
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)
    assert log in outcome.observed
    assert "al menos 2 workers" in outcome.es


def test_the_profile_decides_how_many_workers_are_enough() -> None:
    alone = facts(worker_count=1, workers=facts().workers[:1])
    assert judge(dsk.test_workers_are_registered, alone, PARAMETERS).status is Status.FAIL
    assert judge(dsk.test_workers_are_registered, alone, Parameters(min_workers=1)).status is Status.PASS


@pytest.mark.parametrize("state", ["processing", "waiting", "unrunnable", "erred"])
def test_leftover_tasks_are_told_by_state(state: str) -> None:
    outcome = judge(dsk.test_it_is_idle, facts(load=Load(**(IDLE | {"tasks": 3, state: 3}))))
    assert (outcome.status, outcome.hint) == (Status.FAIL, state)
    assert f"'{state}': 3" in outcome.observed


def test_results_kept_in_memory_are_not_work() -> None:
    assert judge(dsk.test_it_is_idle, facts(load=Load(**(IDLE | {"tasks": 3, "memory": 3})))).status is Status.PASS


def test_a_load_that_is_not_told_decides_nothing() -> None:
    assert judge(dsk.test_it_is_idle, facts(load=None)).status is Status.UNOBSERVABLE


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"draws": False}, "bokeh"),
        ({"draws": False, "dashboard": Answer(status=404)}, "unreachable"),
        ({"draws": False, "dashboard": Answer(detail="refused")}, "unreachable"),
    ],
)
def test_a_page_without_plots_is_no_dashboard(changes: dict[str, Any], hint: str) -> None:
    outcome = judge(dsk.test_its_dashboard_is_served, facts(**changes))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ((versions("scheduler"), versions(ONE, python="3.11.9.final.0")), "python: scheduler 3.12, tcp"),
        ((versions("scheduler"), versions(ONE, distributed="2026.6.0")), "distributed: scheduler 2026.7.1"),
        ((versions("scheduler"), versions(ONE, lz4="4.3")), "lz4: scheduler none"),
        ((versions("scheduler"), versions(ONE), versions(TWO, polars="1.9.0")), f"polars: {ONE} 2.1.0, {TWO} 1.9.0"),
    ],
)
def test_different_versions_are_told_by_member(members: tuple[Versions, ...], says: str) -> None:
    outcome = judge(dsk.test_scheduler_and_workers_run_the_same_versions, facts(versions=members))
    assert outcome.status is Status.FAIL
    assert says in outcome.observed


@pytest.mark.parametrize(
    "members",
    [
        (versions("scheduler"), versions(ONE, python="3.12.11.final.0")),  # its bytecode is the same
        (versions("scheduler", polars=""), versions(ONE), versions(TWO)),  # the scheduler runs no task
        (versions("kit", dask="2026.8.0"), versions("scheduler"), versions(ONE)),  # the kit is no member
    ],
)
def test_harmless_differences_are_spared(members: tuple[Versions, ...]) -> None:
    assert judge(dsk.test_scheduler_and_workers_run_the_same_versions, facts(versions=members)).status is Status.PASS


@pytest.mark.parametrize("members", [(), (versions("kit"), versions("scheduler"))])
def test_untold_versions_decide_nothing(members: tuple[Versions, ...]) -> None:
    outcome = judge(dsk.test_scheduler_and_workers_run_the_same_versions, facts(versions=members))
    assert outcome.status is Status.UNOBSERVABLE


@pytest.mark.parametrize(
    ("fan_out", "hint"),
    [
        (FanOut(tasks=8, expected=10, result=10, ran_on=(Share(worker=ONE, tasks=8),)), None),
        (FanOut(tasks=8, expected=10, result=9, ran_on=facts().fan_out.ran_on), None),  # type: ignore[union-attr]
        (FanOut(tasks=8, expected=10, detail="TimeoutError: "), "no_answer"),
    ],
)
def test_work_that_is_not_shared_or_not_right_fails(fan_out: FanOut, hint: str | None) -> None:
    outcome = judge(dsk.test_work_really_is_distributed, facts(fan_out=fan_out))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)


@pytest.mark.parametrize(
    "changes",
    [
        {"fan_out": None, "protocol": Attempt(ok=False, detail="OSError: not published")},
        {
            "fan_out": FanOut(tasks=8, expected=10, detail="TypeError: unexpected keyword"),
            "versions": (versions("kit", distributed="2026.8.0"), versions("scheduler"), versions(ONE)),
        },
        {"fan_out": FanOut(tasks=8, expected=10, detail="TypeError: unexpected keyword"), "versions": ()},
    ],
)
def test_what_the_kits_own_version_may_have_spoilt_decides_nothing(changes: dict[str, Any]) -> None:
    assert judge(dsk.test_work_really_is_distributed, facts(**changes)).status is Status.UNOBSERVABLE


def test_from_inside_its_container_the_cluster_has_no_other_version_to_blame() -> None:
    failed = FanOut(tasks=8, expected=10, detail="TimeoutError: ")
    versions_told = tuple(versions(member) for member in ("scheduler", ONE, TWO))
    outcome = judge(dsk.test_work_really_is_distributed, facts(fan_out=failed, versions=versions_told, inside=True))
    assert (outcome.status, outcome.hint) == (Status.FAIL, "no_answer")


def test_workers_that_call_themselves_localhost_in_their_container_are_told_so() -> None:
    failed = FanOut(tasks=8, expected=10, detail="TimeoutError: ")
    here = DaskWorker(address="tcp://127.0.0.1:4001", name="w", nthreads=1, memory_limit=1, status="running")
    outcome = judge(dsk.test_work_really_is_distributed, facts(fan_out=failed, workers=(here,), inside=True))
    assert (outcome.status, outcome.hint) == (Status.FAIL, "localhost")
    assert "from these no answer: tcp://127.0.0.1:4001" in outcome.observed


@pytest.mark.parametrize(("processing", "status"), [(3, Status.UNOBSERVABLE), (0, Status.FAIL)])
def test_workers_that_do_somebody_elses_work_are_not_asked_for_more(processing: int, status: Status) -> None:
    late = FanOut(tasks=8, expected=10, detail="TimeoutError: ")
    load = Load(tasks=3, waiting=0, processing=processing, memory=0, erred=0, unrunnable=0)
    assert judge(dsk.test_work_really_is_distributed, facts(fan_out=late, load=load)).status is status


def test_lost_work_is_caught() -> None:
    outcome = judge(dsk.test_a_lost_worker_loses_no_work, kill(result=None, detail="KilledWorker: task"))
    assert outcome.status is Status.FAIL
    assert "dask-worker-2" in outcome.observed
    assert "KilledWorker" in outcome.observed


@pytest.mark.parametrize(
    "disruption",
    [
        DisruptionFacts(),
        kill(started=Attempt(ok=False, detail="no task was done")),
        kill(workers_lost=0),
    ],
)
def test_a_kill_that_did_not_happen_decides_nothing(disruption: DisruptionFacts) -> None:
    assert judge(dsk.test_a_lost_worker_loses_no_work, disruption).status is Status.UNOBSERVABLE


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        (Engine(worker=TWO, polars="1.40.0"), "polars 1.40.0"),
        (Engine(worker=TWO, detail="ModuleNotFoundError: No module named 'polars'"), "No module named 'polars'"),
        (Engine(worker=TWO, polars="20.1.0"), "polars 20.1.0"),
    ],
)
def test_a_worker_without_the_engine_is_named(engine: Engine, says: str) -> None:
    outcome = judge(
        dsk.test_workers_can_run_the_pipelines_engine, facts(engines=(*facts().engines[:1], engine)), PARAMETERS
    )
    assert outcome.status is Status.FAIL
    assert outcome.observed == f"{TWO}: {says}" or says in outcome.observed
    assert ONE not in outcome.observed
    assert "polars>=2" in outcome.en


def test_a_worker_that_does_not_answer_lacks_nothing() -> None:
    silent = Engine(worker=TWO, detail="TimeoutError: ")
    outcome = judge(dsk.test_workers_can_run_the_pipelines_engine, facts(engines=(*facts().engines[:1], silent)),
                    PARAMETERS)  # fmt: skip
    assert outcome.status is Status.UNOBSERVABLE
    assert TWO in outcome.observed
    unfit = (Engine(worker=ONE, polars="1.40.0"), silent)
    outcome = judge(dsk.test_workers_can_run_the_pipelines_engine, facts(engines=unfit), PARAMETERS)
    assert outcome.observed == f"{ONE}: polars 1.40.0"


def test_engines_that_could_not_be_asked_decide_nothing() -> None:
    outcome = judge(dsk.test_workers_can_run_the_pipelines_engine, facts(engines=()), PARAMETERS)
    assert outcome.status is Status.UNOBSERVABLE
