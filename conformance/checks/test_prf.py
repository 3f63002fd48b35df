"""The orchestrator waits for work and directs it."""

from __future__ import annotations

from urllib.parse import urlsplit

from conformance.checks.survival import survived
from conformance.observe.disruption_facts import DisruptionFacts
from conformance.observe.prefect import Pool, PrefectFacts
from conformance.verdict.words import cannot_tell, guarantee, holds, kit_fault

USUAL_PORT = 4200
THIS_MACHINE = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - names in a URL, nothing is bound


@guarantee("PRF-01")
def test_the_api_is_healthy(prefect: PrefectFacts) -> None:
    if 401 in (prefect.health.status, prefect.version_answer.status):
        cannot_tell("the API asks for a password that the kit does not have")
    holds(
        prefect.health.ok and prefect.health.detail == "true" and prefect.version and prefect.ready.status != 503,
        observed=f"GET /api/health: {prefect.health.status} {prefect.health.detail}; "
        f"/api/ready: {prefect.ready.status}; version: {prefect.version or '-'}"
        + (f"; {prefect.complaints}" if prefect.complaints else ""),
        hint="unreachable" if prefect.health.status is None else "database" if prefect.ready.status == 503 else None,
    )


@guarantee("PRF-02")
def test_its_ui_is_served_and_reaches_the_api(prefect: PrefectFacts) -> None:
    ui = prefect.ui
    holds(
        ui.page.ok and "html" in ui.page.content_type,
        observed=f"GET /: {ui.page.status} {ui.page.content_type} {ui.page.detail}",
        hint="no_page",
        port=_port(prefect),
    )
    if not ui.settings.ok or "json" not in ui.settings.content_type:
        cannot_tell(f"the UI does not tell its settings: {ui.settings.status} {ui.settings.content_type}")
    if _names_this_machine(prefect) and _named_port(prefect) is not None:
        if prefect.published is None and prefect.remapped and not _reaches(prefect):
            cannot_tell(f"the UI looks for the API at {ui.api_url}; the port by which people reach it is not seen")
        if _named_port(prefect) in prefect.published_by_others:
            cannot_tell(f"the UI looks for the API at {ui.api_url}, which another service publishes")
    where = ", ".join(map(str, _ports(prefect))) or "none: it is not published"
    holds(
        _reaches(prefect),
        observed=f"API URL of the UI: {ui.api_url or '-'}; the API answers on port {where}",
        hint="api_url" if _ports(prefect) else "unpublished",
        port=_port(prefect),
    )


@guarantee("PRF-03")
def test_a_worker_is_online_in_a_work_pool(prefect: PrefectFacts) -> None:
    if prefect.pools is None:
        cannot_tell("the API does not list its work pools")
    holds(
        any(_serves(pool) for pool in prefect.pools),
        observed="; ".join(_pool(pool) for pool in prefect.pools) or "work pools: 0",
        hint=_why_no_worker(prefect.pools),
    )


@guarantee("PRF-04")
def test_nothing_is_stuck(prefect: PrefectFacts) -> None:
    if prefect.stuck is None:
        cannot_tell("the API does not list its flow runs")
    told = [f"{run.name}: {run.why} ({run.state}), {run.seconds:.0f} s" for run in prefect.stuck]
    holds(not prefect.stuck, observed="; ".join(told), hint=prefect.stuck[0].why if prefect.stuck else None)


@guarantee("PRF-05")
def test_a_flow_run_completes(prefect: PrefectFacts) -> None:
    run = prefect.run
    if run is None:
        cannot_tell("no work pool of type process is ready with a worker online")
    holds(
        run.state == "COMPLETED",
        observed=f"{run.pool}: {run.state or 'not created'} after {run.seconds:.0f} s {run.detail}".rstrip(),
        hint={"SCHEDULED": "not_taken", "PENDING": "not_taken", "CRASHED": "crashed", "FAILED": "failed"}.get(
            run.state
        ),
        pool=run.pool,
    )


@guarantee("PRF-06")
def test_history_survives_a_new_container(disruption: DisruptionFacts) -> None:
    kit_fault(disruption.trouble.get("history"))
    survived(disruption.history)


def _reaches(prefect: PrefectFacts) -> bool:
    """Whether a browser on this machine would find the API where the page looks for it."""
    url = urlsplit(prefect.ui.api_url)
    if not url.netloc:
        return url.path.startswith("/")  # relative to the page, wherever that is
    return _names_this_machine(prefect) and _named_port(prefect) in _ports(prefect)


def _named_port(prefect: PrefectFacts) -> int | None:
    """The port of the API's URL in the page; None where it names none."""
    url = urlsplit(prefect.ui.api_url)
    try:
        return url.port or {"http": 80, "https": 443}.get(url.scheme)
    except ValueError:
        return None


def _ports(prefect: PrefectFacts) -> tuple[int, ...]:
    """The ports of this machine at which people find Prefect."""
    return (prefect.port,) if prefect.published is None else prefect.published


def _port(prefect: PrefectFacts) -> int:
    """The one to tell of in a remedy."""
    return next(iter(_ports(prefect)), USUAL_PORT)


def _names_this_machine(prefect: PrefectFacts) -> bool:
    return urlsplit(prefect.ui.api_url).hostname in (*THIS_MACHINE, prefect.host)


def _serves(pool: Pool) -> bool:
    return pool.status == "READY" and any(worker.status == "ONLINE" for worker in pool.workers)


def _pool(pool: Pool) -> str:
    workers = ", ".join(f"{worker.name} {worker.status}" for worker in pool.workers) or "0"
    return f"work pool {pool.name}: {pool.status}, workers: {workers}"


def _why_no_worker(pools: tuple[Pool, ...]) -> str:
    if not pools:
        return "no_pool"
    if any(pool.status == "PAUSED" for pool in pools):
        return "paused"
    return "offline" if any(pool.workers for pool in pools) else "no_worker"
