"""The compute plane waits for work, and shares it out when it comes."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from conformance.observe.dask import DaskFacts, Versions
from conformance.observe.disruption import DisruptionFacts
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import cannot_tell, guarantee, holds

# What scheduler and workers speak to each other with, and what tasks hand from one worker to another.
SPOKEN = ("dask", "distributed", "msgpack", "cloudpickle", "toolz", "tornado", "lz4")
SHARED = ("numpy", "pandas", "polars", "pyarrow", "deltalake")

LOCALHOST = ("localhost", "127.0.0.1", "::1")

COMPLAINTS = {
    "command": ("executable file not found",),
    "nprocs": ("no such option", "unexpected extra"),
    "address": ("waiting to connect", "refused", "timed out", "not known", "not resolve"),
    "memory": ("killed", "memory"),
}


@guarantee("DSK-01")
def test_the_scheduler_answers(dask: DaskFacts) -> None:
    said = f"; {dask.scheduler_complaints}" if dask.scheduler_complaints else ""
    holds(
        dask.identity.ok or dask.protocol.ok,
        observed=f"GET /health: {dask.health.status} {dask.health.detail}; protocol: {dask.protocol.detail}{said}",
        hint="unreachable" if dask.health.status is None else None,
    )


@guarantee("DSK-02")
def test_workers_are_registered(dask: DaskFacts, params: Parameters) -> None:
    said = f"; worker log: {dask.worker_complaints}" if dask.worker_complaints else ""
    holds(
        dask.worker_count >= params.min_workers,
        observed=f"workers: {dask.worker_count}{said}",
        hint=_why_no_worker(dask),
        minimum=params.min_workers,
    )


@guarantee("DSK-03")
def test_it_is_idle(dask: DaskFacts) -> None:
    if dask.load is None:
        cannot_tell("the scheduler does not tell its load over HTTP")
    busy = {state: n for state, n in dask.load.model_dump().items() if n and state not in ("tasks", "memory")}
    holds(not busy, observed=f"tasks: {busy}", hint=next(iter(sorted(busy)), None))


@guarantee("DSK-04")
def test_its_dashboard_is_served(dask: DaskFacts) -> None:
    holds(
        dask.dashboard.ok and dask.draws,
        observed=f"GET /status: {dask.dashboard.status} {dask.dashboard.detail}",
        hint="bokeh" if dask.dashboard.ok else "unreachable",
    )


@guarantee("DSK-05")
def test_scheduler_and_workers_run_the_same_versions(dask: DaskFacts) -> None:
    deployed = [versions for versions in dask.versions if versions.member != "kit"]
    if len(deployed) < 2:
        cannot_tell(f"versions were not told: {dask.protocol.detail}")
    differences = list(_differences(deployed))
    holds(not differences, observed="; ".join(differences))


@guarantee("DSK-06")
def test_work_really_is_distributed(dask: DaskFacts) -> None:
    work = dask.fan_out
    if work is None:
        cannot_tell(f"the kit does not reach the scheduler's protocol: {dask.protocol.detail}")
    ran_on = {share.worker for share in work.ran_on}
    idle = [worker.address for worker in dask.workers if worker.address not in ran_on]
    if work.result is None and "Timeout" in work.detail and dask.load is not None and dask.load.processing:
        cannot_tell(f"workers are busy with somebody else's {dask.load.processing} tasks: {work.detail}")
    if work.result != work.expected and not dask.inside and (gap := _version_gap(dask)):
        cannot_tell(f"the kit and the scheduler speak different versions: {gap}; {work.detail}")
    silent = f"; from these no answer: {', '.join(idle)}" if idle else ""
    holds(
        work.result == work.expected and not idle,
        observed=f"result: {work.result} of {work.expected}; "
        f"workers: {len(ran_on)} of {dask.worker_count}{silent} {work.detail}".rstrip(),
        hint=_why_silent(dask, idle, work.detail),
    )


@guarantee("DSK-07")
def test_a_lost_worker_loses_no_work(disruption: DisruptionFacts) -> None:
    kill = disruption.worker_kill
    if kill is None or not kill.started.ok or not kill.workers_lost:
        cannot_tell(f"no worker was lost in mid-job {kill.started.detail if kill else ''}".rstrip())
    holds(
        kill.result == kill.expected,
        observed=f"killed: {kill.killed} after {kill.done_before} of {kill.tasks} tasks; "
        f"result: {kill.result} of {kill.expected} {kill.detail}".rstrip(),
    )


@guarantee("DSK-08")
def test_workers_can_run_the_pipelines_engine(dask: DaskFacts, params: Parameters) -> None:
    if not dask.engines:
        cannot_tell(f"workers could not be asked: {dask.protocol.detail}")
    silent = [engine.worker for engine in dask.engines if not engine.polars and "Timeout" in engine.detail]
    unfit = [
        f"{engine.worker}: polars {engine.polars or engine.detail}"
        for engine in dask.engines
        if (engine.polars or "").partition(".")[0] != str(params.polars_major) and engine.worker not in silent
    ]
    holds(not unfit, observed="; ".join(unfit), major=params.polars_major)
    if silent:
        cannot_tell(f"did not answer: {', '.join(silent)}")


def _why_silent(dask: DaskFacts, idle: list[str], detail: str) -> str | None:
    """``localhost``: asked from a container, where that is no worker's address."""
    if dask.inside and any(urlsplit(address).hostname in LOCALHOST for address in idle):
        return "localhost"
    return "no_answer" if "Timeout" in detail else None


def _why_no_worker(dask: DaskFacts) -> str:
    said = dask.worker_complaints.lower()
    return next((cause for cause, words in COMPLAINTS.items() if any(word in said for word in words)), "few")


def _differences(deployed: list[Versions]) -> Iterator[str]:
    """Packages of which two members have different versions. Of Python the minor version counts: its bytecode does."""
    workers = [versions for versions in deployed if versions.member != "scheduler"]
    yield from _different("python", {one.member: ".".join(one.python.split(".")[:2]) for one in deployed})
    for package in SPOKEN:
        yield from _different(package, {one.member: one.packages.get(package, "") for one in deployed})
    for package in SHARED:
        yield from _different(package, {one.member: one.packages.get(package, "") for one in workers})


def _different(package: str, found: dict[str, str]) -> Iterator[str]:
    if len(set(found.values())) > 1:
        yield f"{package}: " + ", ".join(f"{member} {version or 'none'}" for member, version in found.items())


def _version_gap(dask: DaskFacts) -> str:
    """In what the kit's own client differs from the scheduler."""
    pair = [one for one in dask.versions if one.member in ("kit", "scheduler")]
    return "; ".join(_differences(pair)) if len(pair) == 2 else "unknown"
