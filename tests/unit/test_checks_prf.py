"""The judgments on Prefect, on facts written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from judging import judge

from conformance.checks import test_prf as prf
from conformance.observe.prefect import Pool, PrefectFacts, ProbeRun, StuckRun, Ui, Worker
from conformance.observe.web import Answer
from conformance.verdict.words import Status

OK = Answer(status=200, content_type="application/json", detail="true")
SILENCE = Answer(detail="ConnectionError: refused")
PAGE = Answer(status=200, content_type="text/html; charset=utf-8", detail="<!DOCTYPE html>")
ONLINE = Worker(name="prefect-worker-1", status="ONLINE", seconds_silent=3.0)
POOL = Pool(name="pqrs", type="process", status="READY", workers=(ONLINE,))


def facts(**changes: Any) -> PrefectFacts:
    """A sound server with a worker, changed."""
    sound: dict[str, Any] = {
        "endpoint": "http://127.0.0.1:4200",
        "host": "127.0.0.1",
        "port": 4200,
        "health": OK,
        "ready": OK,
        "version": "3.8.5",
        "version_answer": OK,
        "ui": Ui(page=PAGE, settings=OK, api_url="http://localhost:4200/api"),
        "pools": (POOL,),
        "stuck": (),
        "run": ProbeRun(pool="pqrs", state="COMPLETED", seconds=7.0),
    }
    return PrefectFacts(**(sound | changes))


CHECKS = [
    prf.test_the_api_is_healthy,
    prf.test_its_ui_is_served_and_reaches_the_api,
    prf.test_a_worker_is_online_in_a_work_pool,
    prf.test_nothing_is_stuck,
    prf.test_a_flow_run_completes,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.guarantee_id)
def test_a_sound_server_passes(check: Any) -> None:
    assert judge(check, facts()).status is Status.PASS


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"health": SILENCE, "version": "", "version_answer": SILENCE, "ready": SILENCE}, "unreachable"),
        ({"ready": Answer(status=503)}, "database"),
        ({"health": Answer(status=200, detail="false")}, None),
        ({"health": Answer(status=502, detail="Bad Gateway")}, None),
        ({"version": "", "version_answer": Answer(status=404)}, None),
    ],
)
def test_an_unhealthy_api_fails(changes: dict[str, Any], hint: str | None) -> None:
    outcome = judge(CHECKS[0], facts(**changes))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)


def test_the_address_inside_the_container_is_the_first_suspect() -> None:
    outcome = judge(CHECKS[0], facts(health=SILENCE, version="", version_answer=SILENCE, ready=SILENCE))
    assert "--host 0.0.0.0" in outcome.es
    assert "--host 0.0.0.0" in outcome.en
    assert "refused" in outcome.observed


def test_an_api_without_readiness_is_judged_by_its_health() -> None:
    assert judge(CHECKS[0], facts(ready=Answer(status=404))).status is Status.PASS


@pytest.mark.parametrize("changes", [{"version_answer": Answer(status=401)}, {"health": Answer(status=401)}])
def test_a_password_on_the_api_decides_nothing(changes: dict[str, Any]) -> None:
    assert judge(CHECKS[0], facts(version="", **changes)).status is Status.UNOBSERVABLE


@pytest.mark.parametrize(
    ("api_url", "sound"),
    [
        ("http://localhost:4200/api", True),
        ("http://127.0.0.1:4200/api", True),
        ("http://0.0.0.0:4200/api", True),
        ("http://[::1]:4200/api", True),
        ("/api", True),
        ("http://prefect-server:4200/api", False),
        ("http://localhost:4201/api", False),
        ("http://localhost/api", False),
        ("http://localhost:99999/api", False),
        ("api", False),
        ("", False),
    ],
)
def test_the_ui_must_find_the_api_from_a_browser(api_url: str, sound: bool) -> None:
    outcome = judge(CHECKS[1], facts(ui=Ui(page=PAGE, settings=OK, api_url=api_url)))
    assert outcome.status is (Status.PASS if sound else Status.FAIL)
    if not sound:
        assert outcome.hint == "api_url"
        assert "PREFECT_SERVER_UI_API_URL: http://localhost:4200/api" in outcome.es


def test_the_host_by_which_the_kit_reaches_it_will_do_for_a_browser() -> None:
    remote = facts(host="prefect.example", ui=Ui(page=PAGE, settings=OK, api_url="http://prefect.example:4200/api"))
    assert judge(CHECKS[1], remote).status is Status.PASS


@pytest.mark.parametrize("page", [Answer(status=404), OK, SILENCE])
def test_an_api_without_a_page_is_no_ui(page: Answer) -> None:
    outcome = judge(CHECKS[1], facts(ui=Ui(page=page, settings=OK, api_url="http://localhost:4200/api")))
    assert (outcome.status, outcome.hint) == (Status.FAIL, "no_page")


@pytest.mark.parametrize("settings", [Answer(status=404), PAGE], ids=["none", "the page again"])
def test_untold_settings_decide_nothing(settings: Answer) -> None:
    outcome = judge(CHECKS[1], facts(ui=Ui(page=PAGE, settings=settings)))
    assert outcome.status is Status.UNOBSERVABLE


@pytest.mark.parametrize(
    ("api_url", "status"),
    [
        ("http://localhost:4200/api", Status.UNOBSERVABLE),  # as its author publishes it, for all that is seen
        ("/api", Status.PASS),
        ("http://prefect-server:4200/api", Status.FAIL),
    ],
)
def test_a_port_that_the_kit_chose_says_nothing_of_the_author_s(api_url: str, status: Status) -> None:
    remapped = facts(port=49152, remapped=True, ui=Ui(page=PAGE, settings=OK, api_url=api_url))
    assert judge(CHECKS[1], remapped).status is status


@pytest.mark.parametrize(
    ("api_url", "published", "status"),
    [
        ("http://localhost:4200/api", (4200,), Status.PASS),
        ("http://127.0.0.1:14200/api", (14200,), Status.PASS),  # another port in .env, told to the page as well
        ("/api", (), Status.PASS),
        ("http://localhost:4200/api", (4300,), Status.FAIL),
        ("http://localhost:4200/api", (), Status.FAIL),
        ("http://prefect-server:4200/api", (4200,), Status.FAIL),
        ("http://localhost:80/api", (4200,), Status.UNOBSERVABLE),  # a proxy's port: what it passes on is not seen
    ],
)
def test_the_page_must_name_a_port_that_the_author_publishes(
    api_url: str, published: tuple[int, ...], status: Status
) -> None:
    remapped = facts(
        port=49152, remapped=True, published=published, published_by_others=(80,),
        ui=Ui(page=PAGE, settings=OK, api_url=api_url),
    )  # fmt: skip
    outcome = judge(CHECKS[1], remapped)
    assert outcome.status is status
    if status is Status.FAIL:
        assert outcome.hint == ("api_url" if published else "unpublished")
        assert "49152" not in outcome.es


def test_a_server_that_is_down_is_heard() -> None:
    silent = facts(health=SILENCE, version="", version_answer=SILENCE, complaints="prefect-server-1: exited (1)")
    assert "prefect-server-1: exited (1)" in judge(CHECKS[0], silent).observed


@pytest.mark.parametrize(
    ("pools", "hint"),
    [
        ((), "no_pool"),
        ((POOL.model_copy(update={"workers": (), "status": "NOT_READY"}),), "no_worker"),
        ((POOL.model_copy(update={"workers": (ONLINE.model_copy(update={"status": "OFFLINE"}),)}),), "offline"),
        ((POOL.model_copy(update={"status": "PAUSED"}),), "paused"),
    ],
)
def test_a_pool_that_nobody_serves_is_told(pools: tuple[Pool, ...], hint: str) -> None:
    outcome = judge(CHECKS[2], facts(pools=pools, run=None))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)
    assert "prefect worker start --pool pqrs --type process" in outcome.es


def test_one_served_pool_among_others_is_enough() -> None:
    empty = Pool(name="docker", type="docker", status="NOT_READY", workers=())
    assert judge(CHECKS[2], facts(pools=(empty, POOL))).status is Status.PASS


@pytest.mark.parametrize("check", [CHECKS[2], CHECKS[3]])
def test_what_the_api_does_not_list_decides_nothing(check: Any) -> None:
    assert judge(check, facts(pools=None, stuck=None)).status is Status.UNOBSERVABLE


@pytest.mark.parametrize("why", ["late", "pending", "crashed"])
def test_stuck_runs_are_told_with_their_cause(why: str) -> None:
    outcome = judge(CHECKS[3], facts(stuck=(StuckRun(name="red-fox", why=why, state=why.title(), seconds=312.4),)))
    assert (outcome.status, outcome.hint) == (Status.FAIL, why)
    assert outcome.observed == f"red-fox: {why} ({why.title()}), 312 s"


@pytest.mark.parametrize(
    ("state", "hint"),
    [("SCHEDULED", "not_taken"), ("PENDING", "not_taken"), ("FAILED", "failed"), ("CRASHED", "crashed"), ("", None)],
)
def test_a_run_that_does_not_complete_is_told(state: str, hint: str | None) -> None:
    outcome = judge(CHECKS[4], facts(run=ProbeRun(pool="pqrs", state=state, seconds=120.0, detail="why")))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)
    assert outcome.observed.endswith("why")


def test_without_a_pool_for_the_experiment_nothing_is_decided() -> None:
    assert judge(CHECKS[4], facts(run=None)).status is Status.UNOBSERVABLE
