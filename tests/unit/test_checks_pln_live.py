"""The judgments on planes, state and reachability, on facts written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from judging import judge

from conformance.checks import test_pln as pln
from conformance.observe.compose_facts import ComposeFacts, Found, Service
from conformance.observe.containers import ContainerFacts, ContainersFacts
from conformance.observe.containers_homes import Home, Mount
from conformance.observe.containers_processes import Process
from conformance.observe.containers_reach import Reach
from conformance.verdict.words import Status

ROLES = {
    "postgres": "postgres", "rustfs": "object_store", "dask-scheduler": "dask_scheduler", "dask-worker": "dask_worker",
    "prefect-server": "prefect_server", "prometheus": "prometheus", "grafana": "grafana",
}  # fmt: skip
PGDATA = "/var/lib/postgresql/data"


def container(service: str, **changes: Any) -> ContainerFacts:
    sound = {"service": service, "name": f"{service}-1", "image": service, "role": ROLES.get(service, "")}
    return ContainerFacts(**(sound | changes))


def deployed(*containers: ContainerFacts, **more: Any) -> ContainersFacts:
    return ContainersFacts(named={one.name: one for one in containers}, **more)


def process(*roles: str) -> Process:
    return Process(pid=1, uid=0, command="x", roles=roles)


# --- PLN-01


def compose(*without: str) -> ComposeFacts:
    return ComposeFacts(
        services={
            name: Service(roles=(Found(role=role, certainty="sure", reason="image"),))
            for name, role in ROLES.items()
            if name not in without
        }
    )


@pytest.mark.parametrize(
    "one",
    [
        container("dask-worker", processes=(process("dask_worker"), process())),
        container("postgres", processes=(process("postgres"), process("prefect_server"))),  # both control
        container("all-dask", processes=(process("dask_scheduler"), process("dask_worker"))),
        container("grafana", processes=(process(),)),  # not known by what runs: by its service
        container("web", processes=(process(),)),
    ],
)
def test_a_container_of_one_plane_passes(one: ContainerFacts) -> None:
    assert judge(pln.test_the_four_planes_do_not_share_a_container, compose(), deployed(one)).status is Status.PASS


@pytest.mark.parametrize(
    "processes",
    [(process("dask_scheduler"), process("prefect_server")), (process("dask_scheduler", "prefect_server"),)],
)
def test_two_planes_in_one_container_are_told(processes: tuple[Process, ...]) -> None:
    both = deployed(container("dask-scheduler", processes=processes))
    outcome = judge(pln.test_the_four_planes_do_not_share_a_container, compose(), both)
    assert (outcome.status, outcome.hint) == (Status.FAIL, "shared")
    assert outcome.observed == "dask-scheduler: dask_scheduler, prefect_server"


def test_a_plane_without_a_service_is_told() -> None:
    outcome = judge(pln.test_the_four_planes_do_not_share_a_container, compose("rustfs", "grafana"), deployed())
    assert (outcome.status, outcome.hint) == (Status.FAIL, "empty")
    assert "data, serving" in outcome.observed


# --- PLN-02


def home(**changes: Any) -> Home:
    sound: dict[str, Any] = {
        "service": "postgres", "role": "postgres", "path": PGDATA, "known_by": "SHOW data_directory",
        "mount": PGDATA, "kind": "named", "mounts": (f"named {PGDATA}",),
    }  # fmt: skip
    return Home(**(sound | changes))


def mount(kind: str, target: str = "/x", **more: Any) -> Mount:
    return Mount(**({"kind": kind, "target": target, "writable": True} | more))


@pytest.mark.parametrize("kind", ["named", "bind"])
def test_state_in_a_volume_or_a_folder_passes(kind: str) -> None:
    facts = deployed(container("postgres"), stores=("postgres",), homes=(home(kind=kind),))
    assert judge(pln.test_state_lives_in_volumes, facts).status is Status.PASS


@pytest.mark.parametrize(
    ("changes", "mounts", "hint"),
    [
        ({"kind": "layer", "mount": ""}, (), "layer"),
        ({"kind": "anonymous"}, (mount("anonymous", PGDATA),), "anonymous"),
        ({"kind": "tmpfs"}, (mount("tmpfs", PGDATA),), "tmpfs"),
        ({"kind": "layer", "mount": ""}, (mount("bind", "/var/lib/postgres"),), "beside"),
        ({"kind": "anonymous"}, (mount("named", "/data"), mount("anonymous", PGDATA)), "beside"),
        ({"kind": "anonymous"}, (mount("bind", "/docker-entrypoint-initdb.d", writable=False),), "anonymous"),
        ({"kind": "anonymous"}, (mount("bind", "/docker-entrypoint-initdb.d"),), "anonymous"),
        ({"kind": "layer", "mount": ""}, (mount("bind", "/etc/postgresql"),), "layer"),
        ({"kind": "cluster"}, (mount("cluster", PGDATA),), None),
    ],
)
def test_state_that_goes_with_its_container_is_told(
    changes: dict[str, Any], mounts: tuple[Mount, ...], hint: str | None
) -> None:
    facts = deployed(container("postgres", mounts=mounts), stores=("postgres",), homes=(home(**changes),))
    outcome = judge(pln.test_state_lives_in_volumes, facts)
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)
    assert PGDATA in outcome.observed
    assert PGDATA in outcome.es


def test_one_of_several_folders_without_a_volume_is_told() -> None:
    facts = deployed(
        container("rustfs"), homes=(home(service="rustfs"), home(service="rustfs", path="/d2", kind="layer"))
    )
    outcome = judge(pln.test_state_lives_in_volumes, facts)
    assert outcome.status is Status.FAIL
    assert "/d2" in outcome.observed


@pytest.mark.parametrize(
    ("mounts", "status"),
    [
        ((mount("named", "/meta"),), Status.UNOBSERVABLE),
        ((), Status.FAIL),
        ((mount("anonymous"), mount("bind", "/etc/garage.toml", writable=False)), Status.FAIL),
    ],
)
def test_a_store_that_does_not_say_where_it_writes_needs_something_that_lasts(
    mounts: tuple[Mount, ...], status: Status
) -> None:
    facts = deployed(container("garage", mounts=mounts), stores=("postgres", "garage"), homes=(home(),))
    outcome = judge(pln.test_state_lives_in_volumes, facts)
    assert outcome.status is status
    assert "garage" in outcome.observed


# --- PLN-03


@pytest.mark.parametrize(
    "one",
    [
        container("dask-worker"),
        container("dask-worker", mounts=(mount("bind", "/apps"), mount("named", "/root/.cache/pip"))),
        container("dask-scheduler", mounts=(mount("anonymous", "/tmp/dask"),)),
        container("notebook", mounts=(mount("bind", "/lake", shared_with=("rustfs",)),)),  # not compute
    ],
)
def test_compute_with_code_and_caches_passes(one: ContainerFacts) -> None:
    assert judge(pln.test_compute_is_stateless, deployed(one)).status is Status.PASS


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (mount("bind", "/lake", shared_with=("rustfs",)), "dask-worker: /lake is where rustfs keeps its data"),
        (
            mount("named", "/lake", holds="/lake/silver/tickets/_delta_log"),
            "/lake holds /lake/silver/tickets/_delta_log",
        ),
    ],
)
def test_data_mounted_into_compute_are_told(one: Mount, says: str) -> None:
    outcome = judge(pln.test_compute_is_stateless, deployed(container("dask-worker", mounts=(one,))))
    assert outcome.status is Status.FAIL
    assert says in outcome.observed


# --- PLN-06 and PLN-08


def reached(**changes: Any) -> Reach:
    sound: dict[str, Any] = {
        "service": "grafana", "container": "grafana-1", "to": "rustfs", "protocol": "tcp",
        "tried": ("rustfs:9000",), "told": True, "detail": "rustfs:9000: Name or service not known",
    }  # fmt: skip
    return Reach(**(sound | changes))


@pytest.mark.parametrize("one", [reached(), reached(told=False, tried=(), detail="")])
def test_a_store_out_of_reach_passes(one: Reach) -> None:
    assert judge(pln.test_serving_does_not_reach_raw_storage, deployed(from_serving=(one,))).status is Status.PASS


@pytest.mark.parametrize(
    ("one", "hint"),
    [
        (reached(shared=("pqr-network",), reached=("rustfs:9000",)), None),
        (reached(shared=("pqr-network",), told=False), None),
        (reached(reached=("172.19.0.2:9000",)), "other_way"),
    ],
)
def test_a_way_from_serving_to_raw_storage_is_told(one: Reach, hint: str | None) -> None:
    outcome = judge(pln.test_serving_does_not_reach_raw_storage, deployed(from_serving=(reached(), one)))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)
    assert "grafana, rustfs" in outcome.es


def test_without_a_grafana_nothing_is_decided() -> None:
    assert judge(pln.test_serving_does_not_reach_raw_storage, deployed()).status is Status.UNOBSERVABLE


def answered(to: str, protocol: str, **changes: Any) -> Reach:
    place = f"{to}:1"
    found = {"service": "dask-worker", "container": "dask-worker-1", "to": to, "protocol": protocol, "shared": ("n",)}
    return reached(**(found | {"tried": (place,), "reached": (place,), "detail": ""} | changes))


POSTGRES, S3 = answered("postgres", "postgresql"), answered("rustfs", "s3")


def test_compute_that_reaches_both_by_any_of_their_names_passes() -> None:
    alias = answered("rustfs", "s3", tried=("rustfs:9000", "s3:9000"), reached=("s3:9000",), detail="rustfs:9000: no")
    for told in ((POSTGRES, S3), (POSTGRES, alias)):
        facts = deployed(from_compute=told)
        assert judge(pln.test_compute_reaches_data_and_control_by_name, facts).status is Status.PASS


@pytest.mark.parametrize(
    ("one", "hint"),
    [
        (answered("rustfs", "s3", shared=(), reached=(), detail="rustfs:9000: gaierror"), "apart"),
        (answered("rustfs", "s3", reached=(), detail="rustfs:9000: ConnectionRefusedError"), "silent"),
    ],
)
def test_who_compute_does_not_reach_is_told(one: Reach, hint: str) -> None:
    outcome = judge(pln.test_compute_reaches_data_and_control_by_name, deployed(from_compute=(POSTGRES, one)))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)
    assert outcome.observed == f"dask-worker-1 -> rustfs (s3): {one.detail}"
    assert "gethostbyname('rustfs')" in outcome.en


@pytest.mark.parametrize("told", [(), (answered("rustfs", "s3", told=False, reached=()),)])
def test_without_a_worker_to_try_it_from_nothing_is_decided(told: tuple[Reach, ...]) -> None:
    outcome = judge(pln.test_compute_reaches_data_and_control_by_name, deployed(from_compute=told))
    assert outcome.status is Status.UNOBSERVABLE
