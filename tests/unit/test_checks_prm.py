"""The judgments on Prometheus, on facts written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from judging import judge

from conformance.checks import test_prm as prm
from conformance.observe.facts import Attempt
from conformance.observe.prometheus import Counter, Job, PrometheusFacts, Target, Watched
from conformance.observe.web import Answer
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Status

ITSELF = Job(name="prometheus", targets=("localhost:9090",))
DASK = Job(name="dask-scheduler", targets=("dask-scheduler:8787",))
UP = Target(job="dask-scheduler", url="http://dask-scheduler:8787/metrics", health="up")
SCHEDULER = Watched(role="dask_scheduler", targets=(UP.url,), series=True)
PARAMETERS = Parameters(scrape_roles=("dask_scheduler",))
CHECKS: list[Any] = [
    prm.test_it_runs_the_mounted_configuration,
    prm.test_all_its_targets_are_up,
    prm.test_it_watches_the_compute_plane,
    prm.test_metrics_move_when_work_is_done,
]


def facts(**changes: Any) -> PrometheusFacts:
    """A sound Prometheus, changed."""
    sound: dict[str, Any] = {
        "ready": Answer(status=200, detail="Prometheus Server is Ready."),
        "loaded": (ITSELF, DASK),
        "mounted": (DASK, ITSELF),
        "mounted_file": "prometheus.yml",
        "target_count": 1,
        "targets": (UP,),
        "watched": (SCHEDULER,),
        "counter": Counter(work=Attempt(ok=True), tasks=20, before=0.0, after=20.0, waited_s=1.0),
    }
    return PrometheusFacts(**(sound | changes))


def down(error: str, url: str = UP.url) -> PrometheusFacts:
    return facts(targets=(Target(job="dask-scheduler", url=url, health="down", last_error=error), UP), target_count=2)


def counter(**changes: Any) -> PrometheusFacts:
    return facts(counter=facts().counter.model_copy(update=changes))  # type: ignore[union-attr]


@pytest.mark.parametrize("check", CHECKS[:2] + CHECKS[3:], ids=lambda check: check.guarantee_id)
def test_a_sound_prometheus_passes(check: Any) -> None:
    assert judge(check, facts()).status is Status.PASS


def test_a_sound_prometheus_watches_compute() -> None:
    assert judge(CHECKS[2], facts(), PARAMETERS).status is Status.PASS


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"ready": Answer(status=503, detail="Service Unavailable"), "loaded": None, "mounted": None}, "not_ready"),
        ({"ready": Answer(detail="refused"), "loaded": None, "mounted": None}, "not_ready"),
        ({"loaded": (ITSELF,)}, "default"),
        ({"loaded": (ITSELF, DASK, Job(name="old", targets=("old:1",)))}, "stale"),
        ({"loaded": (ITSELF, DASK.model_copy(update={"targets": ("dask:8787",)}))}, "stale"),
        ({"loaded": (ITSELF, DASK.model_copy(update={"discovery": ("dns_sd_configs",)}))}, "stale"),
    ],
)
def test_another_configuration_than_the_mounted_one_is_told(changes: dict[str, Any], hint: str) -> None:
    outcome = judge(CHECKS[0], facts(**changes))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)


def test_nothing_mounted_is_told_when_the_image_s_own_file_is_loaded() -> None:
    unmounted = {"mounted": None, "mounted_nothing": "/etc/prometheus/prometheus.yml"}
    outcome = judge(CHECKS[0], facts(loaded=(ITSELF,), **unmounted))
    assert (outcome.status, outcome.hint) == (Status.FAIL, "default")
    assert outcome.observed.startswith("nothing is mounted at /etc/prometheus/prometheus.yml; loaded: prometheus [")
    assert judge(CHECKS[0], facts(**unmounted)).status is Status.UNOBSERVABLE  # it came another way


def test_a_prometheus_that_does_not_start_is_heard() -> None:
    silent = facts(ready=Answer(detail="refused"), complaints='level=error msg="yaml: line 3"')
    assert 'level=error msg="yaml: line 3"' in judge(CHECKS[0], silent).observed


def test_the_job_that_was_not_loaded_is_named() -> None:
    outcome = judge(CHECKS[0], facts(loaded=(ITSELF,)))
    assert outcome.observed == "not loaded: dask-scheduler ['dask-scheduler:8787']; loaded beside the file: -"


@pytest.mark.parametrize("changes", [{"mounted": None}, {"loaded": None}])
def test_a_configuration_that_cannot_be_seen_decides_nothing(changes: dict[str, Any]) -> None:
    assert judge(CHECKS[0], facts(**changes)).status is Status.UNOBSERVABLE


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ("dial tcp: lookup dask-sheduler on 127.0.0.11:53: no such host", "name"),
        ("dial tcp 172.18.0.4:8786: connect: connection refused", "refused"),
        ('HTTP/1.x transport connection broken: malformed HTTP response ":\x00"', "protocol"),
        ("server returned HTTP status 404 Not Found", "path"),
        ('expected a valid start token, got "<" ("INVALID") while parsing: "<"', "path"),
        ("context deadline exceeded", "slow"),
        ("something new", None),
        ("", None),
    ],
)
def test_a_target_that_is_down_says_why(error: str, hint: str | None) -> None:
    outcome = judge(CHECKS[1], down(error))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)
    assert error in outcome.observed


def test_localhost_is_told_from_a_closed_port() -> None:
    outcome = judge(
        CHECKS[1], down("dial tcp 127.0.0.1:8787: connect: connection refused", "http://localhost:8787/metrics")
    )
    assert outcome.hint == "localhost"


def test_a_target_that_was_not_scraped_yet_is_not_down() -> None:
    waiting = Target(job="slow", url="http://exporter:9100/metrics", health="unknown")
    outcome = judge(CHECKS[1], facts(targets=(waiting, UP), target_count=2))
    assert outcome.status is Status.UNOBSERVABLE
    assert "exporter:9100" in outcome.observed
    broken = Target(job="dask", url=UP.url, health="down", last_error="connection refused")
    outcome = judge(CHECKS[1], facts(targets=(waiting, broken), target_count=2))
    assert (outcome.status, outcome.hint) == (Status.FAIL, "refused")


def test_a_target_whose_service_the_kit_left_out_is_nobodys_fault() -> None:
    asleep = Target(
        job="node", url="http://node-exporter:9100/metrics", health="down", last_error="no such host", left_out=True
    )
    assert judge(prm.test_all_its_targets_are_up, facts(targets=(asleep, UP), target_count=2)).status is Status.PASS
    unseen = asleep.model_copy(update={"health": "unknown"})
    assert judge(prm.test_all_its_targets_are_up, facts(targets=(unseen, UP), target_count=2)).status is Status.PASS


@pytest.mark.parametrize("arguments", [(CHECKS[1],), (CHECKS[2], PARAMETERS)], ids=["PRM-02", "PRM-03"])
def test_who_does_not_tell_what_it_loaded_is_not_said_to_watch_nothing(arguments: tuple[Any, ...]) -> None:
    silent = facts(loaded=None, targets=(), target_count=0, watched=())
    assert judge(arguments[0], silent, *arguments[1:]).status is Status.UNOBSERVABLE


def test_no_target_is_no_success() -> None:
    outcome = judge(CHECKS[1], facts(targets=(), target_count=0))
    assert (outcome.status, outcome.hint) == (Status.FAIL, "none")


def test_the_profile_decides_what_must_be_watched() -> None:
    outcome = judge(CHECKS[2], facts(), Parameters(scrape_roles=("dask_scheduler", "postgres", "object_store")))
    assert outcome.status is Status.FAIL
    assert "not watched: postgres, object_store" in outcome.observed
    assert "postgres, object_store" in outcome.es


@pytest.mark.parametrize(
    ("role", "job", "url", "spared"),
    [
        ("postgres", "db", "http://postgres-exporter:9187/metrics", True),
        ("postgres", "postgres", "http://10.0.0.7:9187/metrics", True),
        ("dask_scheduler", "dask-scheduler", "http://localhost:8787/metrics", True),
        ("dask_scheduler", "dask", "http://dask-sheduler:8787/metrics", True),
        ("postgres", "prefect", "http://prefect:4200/metrics", False),
    ],
)
def test_who_is_looked_for_and_not_found_is_told_of_once(role: str, job: str, url: str, spared: bool) -> None:
    lost = Target(job=job, url=url, health="down", last_error="connect: connection refused")
    found = facts(targets=(lost, UP), target_count=2, watched=(), counter=facts().counter.model_copy(  # type: ignore[union-attr]
        update={"before": None, "after": None}))  # fmt: skip
    parameters = Parameters(scrape_roles=(role,))
    assert judge(CHECKS[1], found).status is Status.FAIL
    assert judge(CHECKS[2], found, parameters).status is (Status.PASS if spared else Status.FAIL)
    of_counter = judge(CHECKS[3], found).status
    assert of_counter is (Status.UNOBSERVABLE if role == "dask_scheduler" else Status.FAIL)


def test_series_or_a_target_will_do() -> None:
    for watched in (
        Watched(role="dask_scheduler", targets=(), series=True),
        Watched(role="dask_scheduler", targets=(UP.url,), series=False),
    ):
        assert judge(CHECKS[2], facts(watched=(watched,)), PARAMETERS).status is Status.PASS


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"before": None, "after": None}, "no_series"),
        ({"before": 0.0, "after": 0.0}, None),
        ({"before": 20.0, "after": 39.0}, None),
        ({"before": 0.0, "after": None}, None),
    ],
)
def test_a_counter_that_does_not_move_enough_fails(changes: dict[str, Any], hint: str | None) -> None:
    outcome = judge(CHECKS[3], counter(**changes))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)


def test_a_counter_that_was_not_there_before_counts_from_zero() -> None:
    assert judge(CHECKS[3], counter(before=None)).status is Status.PASS


@pytest.mark.parametrize("there", [None, Counter(work=Attempt(ok=False, detail="OSError"), tasks=20)])
def test_without_work_nothing_is_decided(there: Counter | None) -> None:
    assert judge(CHECKS[3], facts(counter=there)).status is Status.UNOBSERVABLE
