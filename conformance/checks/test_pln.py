"""The planes are apart (ADR-0001)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.observe.compose_facts import ComposeFacts, Port
from conformance.observe.containers import ContainerFacts, ContainersFacts
from conformance.observe.containers_homes import Home, Mount
from conformance.observe.disruption_facts import DisruptionFacts
from conformance.observe.pipeline_facts import PipelineFacts
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import cannot_tell, guarantee, holds, kit_fault

HOLD_DATA = ("postgres", "object_store", "dask_scheduler")
PREFECT = ("prefect_server", "prefect_worker")
DASK = ("dask_scheduler", "dask_worker")
PLANES = {
    "postgres": "control",
    "prefect_server": "control",
    "prefect_worker": "control",
    "prometheus": "control",
    "object_store": "data",
    "dask_scheduler": "compute",
    "dask_worker": "compute",
    "grafana": "serving",
}
LASTING = ("named", "bind")
PASSING = ("anonymous", "layer", "tmpfs")
_CONFIGURES = re.compile(r"/etc(/|$)|/docker-entrypoint-\w+\.d(/|$)")
"""Where servers read their configuration and their first scripts: a mount there keeps no data, writable or not."""


@guarantee("PLN-01")
def test_the_four_planes_do_not_share_a_container(compose: ComposeFacts, containers: ContainersFacts) -> None:
    empty = sorted(set(PLANES.values()) - {PLANES[role] for role in PLANES if compose.playing(role)})
    holds(not empty, observed=f"planes without a service: {', '.join(empty)}", hint="empty")
    shared = [one for one in containers.containers if len(_planes(one)) > 1]
    holds(not shared, observed="; ".join(f"{one.service}: {', '.join(_roles(one))}" for one in shared), hint="shared")


@guarantee("PLN-02")
def test_state_lives_in_volumes(containers: ContainersFacts) -> None:
    if not containers.homes and not _untold(containers):
        cannot_tell("no service that keeps state is deployed")
    homeless = [home for home in containers.homes if home.kind not in LASTING]
    holds(
        not homeless,
        observed="; ".join(map(_home, homeless)),
        hint=_why_homeless(containers, homeless[0]) if homeless else None,
        service=homeless[0].service if homeless else "",
        path=homeless[0].path if homeless else "",
    )
    untold = [one for one in containers.containers if one.service in _untold(containers)]
    bare = [one.service for one in untold if not any(map(_lasts, one.mounts))]
    holds(
        not bare,
        observed=f"{', '.join(bare)}: nothing that lasts is mounted",
        hint="layer",
        service=bare[0] if bare else "",
        path="the folder of its data",
    )
    if untold:
        cannot_tell(f"where it keeps its data is not known: {', '.join(sorted({one.service for one in untold}))}")


@guarantee("PLN-03")
def test_compute_is_stateless(containers: ContainersFacts) -> None:
    stateful = sorted({told for one in containers.containers if one.role in DASK for told in _data_mounts(one)})
    holds(not stateful, observed="; ".join(stateful))


@guarantee("PLN-04")
def test_stateless_containers_are_recreated_without_loss(disruption: DisruptionFacts) -> None:
    kit_fault(disruption.trouble.get("stateless"))
    made_anew = disruption.stateless
    if made_anew is None or not made_anew.before.ok:
        cannot_tell(made_anew.before.detail if made_anew else "nothing was made anew")
    lost = ", ".join(made_anew.lost) or made_anew.after.detail
    holds(
        made_anew.after.ok and not made_anew.lost,
        observed=f"made anew: {', '.join(made_anew.services)}; of {made_anew.compared} tables and objects: {lost}",
    )


@guarantee("PLN-05")
def test_state_survives_down_and_up(disruption: DisruptionFacts) -> None:
    kit_fault(disruption.trouble.get("down_and_up"))
    if disruption.down_and_up is None:
        cannot_tell("the deployment was not taken down")
    probes = {"PostgreSQL": disruption.down_and_up.row, "S3": disruption.down_and_up.object}
    if not any(probe.put.ok for probe in probes.values()):
        cannot_tell("; ".join(f"{name}: {probe.put.detail}" for name, probe in probes.items()))
    gone = [f"{name}: {probe.detail}" for name, probe in probes.items() if probe.put.ok and not probe.found]
    holds(not gone, observed="; ".join(gone))


@guarantee("PLN-06")
def test_serving_does_not_reach_raw_storage(containers: ContainersFacts) -> None:
    if not containers.from_serving:
        cannot_tell("Grafana or the object store has no running container")
    leaks = [one for one in containers.from_serving if one.shared or one.reached]
    holds(
        not leaks,
        observed="; ".join(
            f"{one.service} -> {one.to}: shared networks: {', '.join(one.shared) or '-'}, "
            f"reached: {', '.join(one.reached) or '-'}"
            for one in leaks
        ),
        hint="other_way" if leaks and not any(one.shared for one in leaks) else None,
        services=[leaks[0].service, leaks[0].to] if leaks else [],
    )


@guarantee("PLN-07")
def test_the_orchestrator_directs_the_traffic(
    containers: ContainersFacts, pipeline: PipelineFacts | None, params: Parameters
) -> None:
    stateful = sorted({told for one in containers.containers if one.role in PREFECT for told in _data_mounts(one)})
    holds(not stateful, observed="; ".join(stateful), hint="mount")
    if pipeline is None or pipeline.place != "stack" or pipeline.execution is None:
        return  # nobody's flow ran here
    holds(pipeline.execution.shares, observed="no transform ran on a Dask worker", hint="elsewhere")
    kept = pipeline.fresh.persisted_kib if pipeline.fresh else None
    holds(
        kept is None or kept <= params.max_persisted_kib,
        observed=f"Prefect keeps {kept} KiB of results; bound: {params.max_persisted_kib} KiB",
        hint="results",
    )


@guarantee("PLN-08")
def test_compute_reaches_data_and_control_by_name(containers: ContainersFacts) -> None:
    told = [one for one in containers.from_compute if one.told]
    if not told:
        cannot_tell("no Dask worker has a running container with a Python of its own")
    lost = [one for one in told if not one.reached]
    holds(
        not lost,
        observed="; ".join(f"{one.container} -> {one.to} ({one.protocol}): {one.detail}" for one in lost),
        hint="apart" if lost and not lost[0].shared else "silent",
        service=lost[0].service if lost else "",
        to=lost[0].to if lost else "",
    )


@guarantee("PLN-09")
def test_what_holds_data_is_published_on_loopback_only(compose: ComposeFacts) -> None:
    holders = {name: service for role in HOLD_DATA for name, service in compose.playing(role).items()}
    open_to_all = [
        f"{name}: {port.host_ip or '0.0.0.0'}:{port.published}:{port.target}"  # noqa: S104 - what Docker does
        for name, service in holders.items()
        for port in service.ports
        if not _is_loopback(port)
    ]
    open_to_all += [f"{name}: network_mode: host" for name, one in holders.items() if one.network_mode == "host"]
    holds(not open_to_all, observed="; ".join(open_to_all), services=open_to_all)


def _is_loopback(port: Port) -> bool:
    return port.host_ip.startswith("127.") or port.host_ip in ("::1", "localhost")


def _planes(container: ContainerFacts) -> set[str]:
    """The planes whose main processes run in a container; where its processes cannot be told, of its service's role."""
    return {PLANES[role] for role in _roles(container)}


def _roles(container: ContainerFacts) -> list[str]:
    running = {role for process in container.processes for role in process.roles}
    return sorted(role for role in running or {container.role} if role in PLANES)


def _home(home: Home) -> str:
    where = f"in a mount of kind {home.kind} at {home.mount}" if home.mount else "in no mount"
    return f"{home.service} writes in {home.path} ({home.known_by}), {where}; mounted: {', '.join(home.mounts) or '-'}"


def _why_homeless(containers: ContainersFacts, home: Home) -> str | None:
    """``beside``: something that lasts is mounted, in another place; else the kind of what holds the data."""
    mounts = [mount for one in containers.containers if one.service == home.service for mount in one.mounts]
    if any(map(_lasts, mounts)):
        return "beside"
    return home.kind if home.kind in PASSING else None


def _lasts(mount: Mount) -> bool:
    return mount.kind in LASTING and mount.writable and not _CONFIGURES.match(mount.target)


def _untold(containers: ContainersFacts) -> set[str]:
    """The stateful services that do not say where they write."""
    return set(containers.stores) - {home.service for home in containers.homes}


def _data_mounts(container: ContainerFacts) -> Iterator[str]:
    for mount in container.mounts:
        if mount.shared_with:
            yield f"{container.service}: {mount.target} is where {', '.join(mount.shared_with)} keeps its data"
        elif mount.holds:
            yield f"{container.service}: {mount.target} holds {mount.holds}"
