"""The judgments on the Compose file and on Grafana's files before anything runs, on facts written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from judging import Outcome, judge

from conformance.checks import test_cmp as cmp
from conformance.checks import test_grf as grf
from conformance.checks import test_pln as pln
from conformance.observe.compose_facts import (
    Address,
    ComposeFacts,
    Dashboard,
    Datasource,
    Found,
    HealthCheck,
    Naming,
    Network,
    Port,
    Provider,
    Provisioning,
    Service,
    Stray,
    Tie,
)
from conformance.observe.containers import ContainerFacts, ContainersFacts
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Status

CHECKED = HealthCheck(declared=True, test=("CMD-SHELL", "curl -f http://localhost:80 || exit 1"))
EVERY_PLANE = Parameters(memory_limited_planes=("control", "data", "compute", "serving"))


def service(*roles: str, **changes: Any) -> Service:
    found = tuple(Found(role=role, certainty="sure", reason="image") for role in roles)
    return Service(**({"roles": found, "image": "x:1", "image_default": "x:1", "health": CHECKED} | changes))


def compose(**services: Service) -> ComposeFacts:
    return ComposeFacts(file="docker-compose.yml", platform="linux/amd64", services=services)


def containers(**changes: dict[str, Any]) -> ContainersFacts:
    made = {
        name: ContainerFacts(service=name, name=name, image="x", **change) for name, change in changes.items()
    }  # fmt: skip
    return ContainersFacts(named=made)


# --- CMP-01


def test_every_role_once_or_more() -> None:
    services = {role: service(role) for role in cmp.ROLES} | {"more": service("dask_worker"), "web": service()}
    assert judge(cmp.test_all_roles_are_deployed, compose(**services)).status is Status.PASS


def test_the_roles_that_are_missing_are_named() -> None:
    outcome = judge(cmp.test_all_roles_are_deployed, compose(db=service("postgres"), web=service()))
    assert outcome.observed.endswith("prometheus, grafana; found: postgres (db)")
    assert "object_store, dask_scheduler, dask_worker, prefect_server, prometheus, grafana" in outcome.es


def test_a_file_without_any_role_may_be_another_one_than_meant() -> None:
    facts = compose(web=service()).model_copy(update={"file": "docker-compose.yml"})
    outcome = judge(cmp.test_all_roles_are_deployed, facts)
    assert (outcome.status, outcome.hint) == (Status.FAIL, "elsewhere")
    assert "in docker-compose.yml" in outcome.en
    assert "conformance.toml" in outcome.es


# --- CMP-02


@pytest.mark.parametrize(
    "image",
    [
        "postgres:18", "postgres:18-alpine", "prefecthq/prefect:3-latest", "registry:5000/team/x:v1", "x@sha256:0a",
        "x:2026-11-24", "x:RELEASE.2025-09-07", "x:a1b2c3d",
    ],
)  # fmt: skip
def test_images_with_a_version(image: str) -> None:
    facts = compose(a=service(image=image, image_default=image))
    assert judge(cmp.test_images_are_pinned, facts).status is Status.PASS


@pytest.mark.parametrize(
    "image",
    ["postgres", "postgres:latest", "registry:5000/x", "timescale/timescaledb:latest-pg17", "x:stable", "x:main", "x:"],
)
def test_images_that_are_something_else_every_month(image: str) -> None:
    facts = compose(a=service(image=image, image_default=image))
    assert judge(cmp.test_images_are_pinned, facts).observed == f"a: {image}"
    assert judge(cmp.test_images_are_pinned, compose(a=service(image_default=image))).status is Status.FAIL


def test_own_images_need_no_version() -> None:
    own = {"a": service(built=True, image="app"), "b": service(image="app"), "c": service(built=True, image="")}
    assert judge(cmp.test_images_are_pinned, compose(**own)).status is Status.PASS


# --- CMP-03


def health(facts: ComposeFacts, seen: ContainersFacts | None = None) -> Outcome:
    return judge(cmp.test_health_checks_can_fail, facts, seen)


@pytest.mark.parametrize(
    "test",
    [
        ("CMD", "pg_isready"),
        ("CMD-SHELL", "curl -f http://localhost || exit 1"),
        ("CMD-SHELL", "true && curl -f http://localhost"),
        ("CMD-SHELL", "echo ruok | nc localhost 2181 | grep imok"),
        ("CMD-SHELL", "if curl x; then exit 0; else exit 1; fi"),
        ("CMD-SHELL", "curl x && exit 0 || exit 1"),
        ("CMD", "python", "-c", "import sys; sys.exit(0)"),
        ("CMD", "bash", "-c", "exec 3<>/dev/tcp/localhost/80"),
        ("CMD-SHELL", "pgrep -f worker"),
    ],
)
def test_health_checks_that_can_fail(test: tuple[str, ...]) -> None:
    assert health(compose(a=service("grafana", health=HealthCheck(declared=True, test=test)))).status is Status.PASS


@pytest.mark.parametrize(
    "test",
    [
        ("CMD", "true"),
        ("CMD", "/bin/true"),
        ("CMD", "echo", "ok"),
        ("CMD-SHELL", "exit 0"),
        ("CMD-SHELL", "curl -f http://localhost || true"),
        ("CMD-SHELL", "curl -f http://localhost || exit 0"),
        ("CMD-SHELL", "curl -f http://localhost; exit 0;"),
        ("CMD-SHELL", "curl -f http://localhost\ntrue\n"),
        ("CMD-SHELL", "true && echo ok"),
        ("CMD-SHELL", "curl http://localhost | true"),
        ("CMD", "sh", "-c", "curl x || :"),
    ],
)
def test_health_checks_that_cannot(test: tuple[str, ...]) -> None:
    outcome = health(compose(a=service("grafana", health=HealthCheck(declared=True, test=test))))
    assert (outcome.status, outcome.hint) == (Status.FAIL, "cannot_fail")
    assert outcome.observed == "without health check: -; cannot fail: a"


def test_without_containers_only_what_is_sure_is_judged() -> None:
    none = HealthCheck()
    known = compose(db=service(image="postgis/postgis:15-3.4", health=none), web=service(built=True, health=none))
    outcome = health(known)
    assert (outcome.status, outcome.observed) == (Status.FAIL, "without health check: db; cannot fail: -")
    unseen = health(compose(web=service(built=True, health=none)))
    assert (unseen.status, "web" in unseen.observed) == (Status.UNOBSERVABLE, True)
    disabled = HealthCheck(disabled=True)
    assert health(compose(web=service(built=True, health=disabled))).status is Status.FAIL


def test_the_health_check_of_an_image_counts() -> None:
    facts = compose(web=service(built=True, health=HealthCheck()), db=service("postgres", health=HealthCheck()))
    seen = {"web": {"health_check": "image"}, "db": {"health_check": "image"}}
    assert health(facts, containers(**seen)).status is Status.PASS
    assert health(facts, containers(**seen | {"web": {}})).observed == "without health check: web; cannot fail: -"
    assert health(facts, containers(db=seen["db"])).status is Status.UNOBSERVABLE


def test_jobs_and_tools_need_no_health_check() -> None:
    none = HealthCheck()
    facts = compose(
        init=service(health=none, job="it ends"),
        cli=service(health=none, profiles=("tools",)),
        once=service(health=none),
    )
    assert health(facts, containers(once={"state": "exited"})).status is Status.PASS
    failed = containers(once={"state": "exited", "exit_code": 1})
    assert health(facts, failed).status is Status.FAIL
    assert health(compose(g=service("grafana", image="grafana/grafana", health=none, profiles=("full",)))).observed


# --- CMP-04

DASK = {"scheduler": service("dask_scheduler")}
HEALTHY, DONE, STARTED = "service_healthy", "service_completed_successfully", "service_started"


def order(**services: Service) -> Outcome:
    return judge(cmp.test_start_order_waits_for_health, compose(**services))


def naming(*names: str) -> tuple[Naming, ...]:
    return tuple(Naming(service=name, places=("command",)) for name in names)


@pytest.mark.parametrize(
    "worker",
    [
        service("dask_worker", depends_on={"scheduler": HEALTHY}),
        service("dask_worker", depends_on={"middle": HEALTHY}),
        service("dask_worker", depends_on={"scheduler": STARTED}, waits=True),
    ],
)
def test_a_worker_that_waits(worker: Service) -> None:
    middle = service(depends_on={"scheduler": DONE})
    assert order(worker=worker, middle=middle, **DASK).status is Status.PASS


@pytest.mark.parametrize(
    ("depends_on", "how"),
    [({}, "no depends_on"), ({"scheduler": STARTED}, STARTED), ({"middle": STARTED}, "no depends_on")],
)
def test_a_worker_that_does_not(depends_on: dict[str, str], how: str) -> None:
    middle = service(depends_on={"scheduler": HEALTHY})
    outcome = order(worker=service("dask_worker", depends_on=depends_on), middle=middle, **DASK)
    assert (outcome.status, outcome.observed) == (Status.FAIL, f"worker -> scheduler ({how})")


@pytest.mark.parametrize(
    ("name", "one", "status"),
    [
        ("server", service("prefect_server", names=naming("db")), Status.FAIL),
        ("server", service("prefect_server", names=naming("db"), depends_on={"db": HEALTHY}), Status.PASS),
        ("server", service("prefect_server"), Status.PASS),  # its own SQLite
        ("init", service(names=naming("store"), job="x"), Status.FAIL),
        ("init", service(names=naming("store", "db"), depends_on={"store": HEALTHY}, job="x"), Status.PASS),
        ("init", service(job="x"), Status.PASS),
        ("web", service(names=naming("db")), Status.PASS),
    ],
)
def test_who_needs_whom(name: str, one: Service, status: Status) -> None:
    assert order(**{name: one}, db=service("postgres"), store=service("object_store")).status is status


def test_a_prefect_worker_needs_its_server() -> None:
    server = service("prefect_server")
    assert order(server=server, worker=service("prefect_worker")).status is Status.FAIL
    both = service("prefect_server", "prefect_worker")
    assert order(both=both).status is Status.PASS, "nobody waits for himself"


def test_a_circle_of_dependencies_ends() -> None:
    a = service("dask_worker", depends_on={"b": HEALTHY})
    assert order(a=a, b=service(depends_on={"a": HEALTHY, "gone": HEALTHY}), **DASK).status is Status.FAIL


# --- CMP-05, CMP-06


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"of": ("scheduler",)}, Status.FAIL),
        ({"of": ("scheduler",), "own": True}, Status.PASS),
        ({"of": ("scheduler",), "browser": True}, Status.PASS),
        ({"of": ("scheduler",), "host": "0.0.0.0"}, Status.PASS),
        ({"of": ("prometheus",), "datasource": True}, Status.PASS),  # GRF-03's
        ({}, Status.PASS),
    ],
)
def test_addresses(changes: dict[str, Any], status: Status) -> None:
    address = Address(**({"place": "environment A", "host": "localhost", "port": 8786} | changes))
    outcome = judge(cmp.test_services_address_each_other_by_name, compose(w=service(addresses=(address,))))
    assert outcome.status is status
    if status is Status.FAIL:
        assert "w: environment A: localhost:8786 (scheduler)" in outcome.es


@pytest.mark.parametrize(
    ("tie", "watches", "status"),
    [
        (Tie(kind="host_path", detail="/:/host", read_only=True), True, Status.PASS),
        (Tie(kind="host_path", detail="/:/host"), True, Status.FAIL),
        (Tie(kind="host_path", detail="/:/host", read_only=True), False, Status.FAIL),
        (Tie(kind="docker_socket", detail="/run/docker.sock:/x", read_only=True), True, Status.FAIL),
        (Tie(kind="privileged", detail="privileged: true"), True, Status.FAIL),
        (Tie(kind="platform", detail="linux/amd64"), False, Status.PASS),
        (Tie(kind="platform", detail="linux/amd64/v2"), False, Status.PASS),
        (Tie(kind="platform", detail=""), False, Status.PASS),
        (Tie(kind="platform", detail="linux/arm64"), False, Status.FAIL),
    ],
)
def test_ties_to_this_host(tie: Tie, watches: bool, status: Status) -> None:
    outcome = judge(cmp.test_no_service_is_tied_to_this_host, compose(a=service(ties=(tie,), host_exporter=watches)))
    assert outcome.status is status
    if status is Status.FAIL:
        assert outcome.observed in (f"a: {tie.kind} {tie.detail}", f"a: {tie.detail}")


@pytest.mark.parametrize(
    ("tie", "observed", "says"),
    [
        (Tie(kind="privileged", detail="privileged: true"), "a: privileged: true", "privileges"),
        (Tie(kind="pid", detail="pid: host"), "a: pid: host", "privileges"),
        (
            Tie(kind="docker_socket", detail="/run/docker.sock:/x"),
            "a: docker_socket /run/docker.sock:/x",
            "Docker's socket",
        ),
        (Tie(kind="host_path", detail="/home/ana:/x"), "a: host_path /home/ana:/x", "relative path"),
        (Tie(kind="platform", detail="linux/arm64"), "a: platform linux/arm64", "processor"),
        (Tie(kind="device", detail="/dev/kvm"), "a: device /dev/kvm", "remove `devices`"),
    ],
)
def test_each_tie_is_told_what_to_do_of_it(tie: Tie, observed: str, says: str) -> None:
    outcome = judge(cmp.test_no_service_is_tied_to_this_host, compose(a=service(ties=(tie,))))
    assert outcome.observed == observed
    assert says in outcome.en


# --- CMP-07, CMP-08


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"container_name": "w"}, "container_name: w"),
        ({"ports": (Port(target=8788, published="8788"),)}, "ports: 8788:8788"),
        ({"networks": (Network(name="n", address="10.0.0.2"),)}, "networks: n: 10.0.0.2"),
        ({"worker_name": "uno"}, "--name uno"),
    ],
)
def test_a_worker_of_which_there_can_be_one_only(changes: dict[str, Any], why: str) -> None:
    single = service("dask_worker", **changes)
    outcome = judge(cmp.test_workers_can_be_scaled, compose(w=single), None)
    assert (outcome.status, outcome.observed) == (Status.FAIL, f"w: {why}")
    assert (
        judge(cmp.test_workers_can_be_scaled, compose(w=single, v=service("dask_worker")), None).status is Status.PASS
    )


@pytest.mark.parametrize("published", ["", "8790-8799"])
def test_ports_that_many_can_have(published: str) -> None:
    worker = service("dask_worker", ports=(Port(target=8788, published=published),))
    assert judge(cmp.test_workers_can_be_scaled, compose(w=worker), None).status is Status.PASS


def test_no_worker_cannot_be_scaled() -> None:
    assert judge(cmp.test_workers_can_be_scaled, compose(), None).status is Status.UNOBSERVABLE


def test_memory_limits_by_plane() -> None:
    limited, free = service(plane="compute", memory="1"), service(plane="control")
    facts = compose(w=limited, db=free, init=service(plane="compute", job="x"), web=service())
    assert judge(cmp.test_containers_have_memory_limits, facts, Parameters()).status is Status.PASS
    outcome = judge(cmp.test_containers_have_memory_limits, facts, EVERY_PLANE)
    assert (outcome.status, outcome.observed) == (Status.FAIL, "without a limit: db")
    assert judge(cmp.test_containers_have_memory_limits, compose(db=free), Parameters()).status is Status.UNOBSERVABLE


# --- PLN-09


@pytest.mark.parametrize(
    ("role", "port", "status"),
    [
        ("postgres", Port(target=5432, published="5432", host_ip="127.0.0.1"), Status.PASS),
        ("postgres", Port(target=5432, published="5432", host_ip="::1"), Status.PASS),
        ("postgres", Port(target=5432, published="5432"), Status.FAIL),
        ("object_store", Port(target=9001, published="9001", host_ip="0.0.0.0"), Status.FAIL),
        ("dask_scheduler", Port(target=8786, published="8786", host_ip="192.168.1.4"), Status.FAIL),
        ("grafana", Port(target=3000, published="3001"), Status.PASS),
    ],
)
def test_what_is_published_to_whom(role: str, port: Port, status: Status) -> None:
    outcome = judge(pln.test_what_holds_data_is_published_on_loopback_only, compose(a=service(role, ports=(port,))))
    assert outcome.status is status
    if status is Status.FAIL:
        assert f"a: {port.host_ip or '0.0.0.0'}:{port.published}:{port.target}" in outcome.es


def test_the_hosts_network_publishes_everything() -> None:
    facts = compose(db=service("postgres", network_mode="host"))
    outcome = judge(pln.test_what_holds_data_is_published_on_loopback_only, facts)
    assert (outcome.status, outcome.observed) == (Status.FAIL, "db: network_mode: host")


# --- GRF-09

SOUND: dict[str, Any] = {
    "service": "grafana",
    "folder": "/etc/grafana/provisioning",
    "datasources": (Datasource(file="p.yml", name="P", type="prometheus", has_url=True, default=True),),
    "providers": (Provider(file="d.yml", name="D", path="/d", seen="repository"),),
    "dashboards": (Dashboard(file="a.json"),),
}


def provisioned(**changes: Any) -> Outcome:
    facts = ComposeFacts(provisioning=(Provisioning(**(SOUND | changes)),))
    return judge(grf.test_provisioning_files_are_right_before_anything_runs, facts)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"providers": (), "dashboards": ()},
        {"datasources": ()},
        {"datasources": (Datasource(file="p", name="CSV", type="marcusolsson-csv-datasource"),)},
        {"datasources": tuple(Datasource(file="p", name=n, type="x", default=True, org=n) for n in ("1", "2"))},
        {"providers": (Provider(file="d", path="/d", seen="volume"),)},
        {"providers": (Provider(file="d", path="/d"),), "built": True},
        {"strays": (Stray(file="old.yml", kind="datasources", path="/old.yml"),)},
    ],
)
def test_provisioning_that_is_right(changes: dict[str, Any]) -> None:
    assert provisioned(**changes).status is Status.PASS


@pytest.mark.parametrize(
    ("changes", "hint", "says"),
    [
        ({"problems": ("p.yml: line 3: no",)}, "not_parsed", "p.yml: line 3: no"),
        ({"datasources": (Datasource(file="p.yml", type="prometheus"),)}, "entry", "datasource ? lacks name, url"),
        ({"datasources": (Datasource(file="p.yml", name="P", has_url=True),)}, "entry", "datasource P lacks type"),
        ({"datasources": (
            Datasource(file="p", name="A", type="x", default=True),
            Datasource(file="q", name="B", type="x", default=True, org="1"),
        )}, "two_defaults", "isDefault in A, B"),
        ({"providers": (Provider(file="d.yml", name="D"),)}, "entry", "provider D names no path"),
        ({"providers": (Provider(file="d.yml", path="/d"),)}, "no_folder", "nothing is mounted at /d"),
        ({"dashboards": (Dashboard(file="a.json", problem="no JSON"),)}, "dashboard", "a.json: no JSON"),
        (
            {"datasources": (), "strays": (Stray(file="p.yml", kind="datasources", path="/p.yml"),)},
            "not_read",
            "p.yml is mounted at /p.yml",
        ),
        ({"datasources": (), "providers": (), "dashboards": ()}, "no_files", "grafana: nothing at /etc/grafana"),
    ],
)  # fmt: skip
def test_provisioning_that_is_not(changes: dict[str, Any], hint: str, says: str) -> None:
    outcome = provisioned(**changes)
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)
    assert says in outcome.observed
    assert "/etc/grafana/provisioning/datasources" in outcome.es


def test_an_image_of_ones_own_may_bring_its_files() -> None:
    assert provisioned(datasources=(), providers=(), dashboards=(), built=True).status is Status.UNOBSERVABLE


def test_without_grafana_there_is_nothing_to_judge() -> None:
    outcome = judge(grf.test_provisioning_files_are_right_before_anything_runs, compose())
    assert outcome.status is Status.UNOBSERVABLE
