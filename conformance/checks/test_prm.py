"""Observability as code: Prometheus runs the file that the repository holds, and sees the compute plane."""

from __future__ import annotations

from difflib import get_close_matches
from urllib.parse import urlsplit

from conformance.observe.prometheus import Job, PrometheusFacts, Target
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import cannot_tell, guarantee, holds

# Words of Prometheus's errors, and what they mean for a student.
CAUSES = {
    "name": ("no such host", "server misbehaving", "name resolution"),
    "refused": ("connection refused",),
    "protocol": ("malformed http",),
    "path": ("404", "invalid metric", "unsupported", "text/html", "expected"),
    "slow": ("deadline exceeded", "timeout"),
}
LOCALHOST = ("localhost", "127.0.0.1", "::1")


@guarantee("PRM-01")
def test_it_runs_the_mounted_configuration(prometheus: PrometheusFacts) -> None:
    said = f"; {prometheus.complaints}" if prometheus.complaints else ""
    holds(
        prometheus.ready.ok,
        observed=f"GET /-/ready: {prometheus.ready.status} {prometheus.ready.detail}{said}",
        hint="not_ready",
    )
    if prometheus.mounted_nothing and prometheus.loaded is not None:
        holds(
            not _is_default(prometheus.loaded),
            observed=f"nothing is mounted at {prometheus.mounted_nothing}; loaded: {_jobs(set(prometheus.loaded))}",
            hint="default",
        )
    if prometheus.loaded is None or prometheus.mounted is None:
        cannot_tell(f"the configuration cannot be compared: {prometheus.mounted_file}")
    loaded, mounted = set(prometheus.loaded), set(prometheus.mounted)
    holds(
        loaded == mounted,
        observed=f"not loaded: {_jobs(mounted - loaded)}; loaded beside the file: {_jobs(loaded - mounted)}",
        hint="default" if _is_default(prometheus.loaded) else "stale",
    )


@guarantee("PRM-02")
def test_all_its_targets_are_up(prometheus: PrometheusFacts) -> None:
    if prometheus.loaded is None:
        cannot_tell("Prometheus does not tell what it loaded")
    judged = [target for target in prometheus.targets if not target.left_out]
    down = [target for target in judged if target.health == "down"]
    holds(prometheus.target_count, observed="targets: 0", hint="none")
    holds(
        not down,
        observed="; ".join(
            f"{target.job} {target.url}: {target.health} {target.last_error}".rstrip() for target in down
        ),
        hint=_why_down(down[0]) if down else None,
    )
    if unknown := [target.url for target in judged if target.health != "up"]:
        cannot_tell(f"not scraped while the kit waited: {', '.join(unknown)}")


@guarantee("PRM-03")
def test_it_watches_the_compute_plane(prometheus: PrometheusFacts, params: Parameters) -> None:
    if prometheus.loaded is None:
        cannot_tell("Prometheus does not tell what it loaded")
    watched = {one.role for one in prometheus.watched}
    missing = [role for role in params.scrape_roles if role not in watched and not _looked_for(prometheus, role)]
    holds(
        not missing,
        observed=f"watched: {', '.join(sorted(watched)) or '-'}; not watched: {', '.join(missing)}",
        missing=missing,
    )


@guarantee("PRM-04")
def test_metrics_move_when_work_is_done(prometheus: PrometheusFacts) -> None:
    counter = prometheus.counter
    if counter is None or not counter.work.ok:
        cannot_tell(f"no work was done on Dask: {counter.work.detail if counter else 'Prometheus does not answer'}")
    if counter.before is counter.after is None and _looked_for(prometheus, "dask_scheduler"):
        cannot_tell("Prometheus looks for Dask's scheduler and does not find it")
    counted = (counter.after or 0) - (counter.before or 0)
    holds(
        counted >= counter.tasks,
        observed=f"tasks done: {counter.tasks}; counted: {counted:.0f} after {counter.waited_s:.0f} s",
        hint="no_series" if counter.before is None and counter.after is None else None,
    )


def _jobs(jobs: set[Job]) -> str:
    told = (f"{job.name} {[*job.targets, *job.discovery]}" for job in sorted(jobs, key=lambda job: job.name))
    return ", ".join(told) or "-"


def _is_default(loaded: tuple[Job, ...]) -> bool:
    """The image's own prometheus.yml: one job, itself."""
    return [(job.name, job.targets) for job in loaded] == [("prometheus", ("localhost:9090",))]


def _looked_for(prometheus: PrometheusFacts, role: str) -> bool:
    """Whether a target that is down was meant for ``role``, by its host or its job: that is one fault, PRM-02's."""
    name = role.replace("_", "-")
    return any(
        told.startswith(name) or get_close_matches(name, [told], cutoff=0.8)
        for target in prometheus.targets
        if target.health == "down" and not target.left_out
        for told in (urlsplit(target.url).hostname or "", target.job)
    )


def _why_down(target: Target) -> str | None:
    if urlsplit(target.url).hostname in LOCALHOST and "refused" in target.last_error:
        return "localhost"
    return next((cause for cause, words in CAUSES.items() if any(w in target.last_error.lower() for w in words)), None)
