"""The judgments on what stays up, on the class's ports and on users, on facts written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from judging import judge
from pydantic import ValidationError

from conformance.checks import test_cmp as cmp
from conformance.observe.compose_facts import ComposeFacts, Found, Port, Service
from conformance.observe.containers import ContainerFacts, ContainersFacts
from conformance.observe.containers_doors import Door
from conformance.verdict.parameters import Parameters
from conformance.verdict.words import Status

PARAMETERS = Parameters()


def container(service: str, **changes: Any) -> ContainerFacts:
    return ContainerFacts(**({"service": service, "name": f"{service}-1", "image": service} | changes))


def deployed(*containers: ContainerFacts) -> ContainersFacts:
    return ContainersFacts(named={one.name: one for one in containers})


# --- CMP-09


@pytest.mark.parametrize(
    "one",
    [
        container("db", health="healthy"),
        container("web"),
        container("bucket-init", state="exited", exit_code=0),
        container("web", restarts=4),  # while it waited for the database: since then it stays
        container("debugged", state="paused"),
    ],
)
def test_what_stays_up_or_has_done_its_work_passes(one: ContainerFacts) -> None:
    assert judge(cmp.test_every_service_stays_up, deployed(one)).status is Status.PASS


@pytest.mark.parametrize(
    ("changes", "hint", "says"),
    [
        ({"state": "exited", "exit_code": 1, "last_words": "KeyError: 'DB'"}, None, "web: exited (1): KeyError: 'DB'"),
        ({"state": "exited", "exit_code": 137}, "memory", "exited (137)"),
        ({"state": "exited", "exit_code": 1, "oom_killed": True}, "memory", "out of memory"),
        ({"state": "restarting", "restarts": 9, "settled": False}, "ended_well", "restarting (0), restarts: 9"),
        ({"state": "restarting", "exit_code": 2, "restarts": 9, "settled": False}, None, "restarting (2), restarts: 9"),
        ({"restarts": 9, "settled": False, "last_words": "No such option: --x"}, "option", "No such option: --x"),
        ({"restarts": 1, "restarts_since": 1}, None, "running, restarts: 1"),
        ({"health": "unhealthy"}, "unhealthy", "unhealthy"),
        ({"health": "unhealthy", "last_words": 'health check: exec: "curl": executable file not found in $PATH'},
         "health_tool", "curl"),
        ({"health": "unhealthy", "last_words": "health check: /bin/sh: 1: curl: not found"}, "health_tool", "curl"),
        ({"health": "unhealthy", "last_words": "health check: Connection refused\nstarting"}, "unhealthy", "refused"),
        ({"state": "created"}, "never_started", "created"),
        ({"state": "created", "error": 'exec: "x": executable file not found in $PATH'}, "command", "$PATH"),
        ({"state": "exited", "exit_code": 1, "last_words": "mkdir: /data: Permission denied"}, "permission", "/data"),
        ({"state": "dead", "exit_code": 0}, None, "dead (0)"),
    ],
)  # fmt: skip
def test_what_falls_is_told_with_its_cause(changes: dict[str, Any], hint: str | None, says: str) -> None:
    outcome = judge(cmp.test_every_service_stays_up, deployed(container("db"), container("web", **changes)))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)
    assert says in outcome.observed
    assert "db" not in outcome.observed
    assert "docker compose logs --tail 50 web" in outcome.es


def test_who_only_waited_is_not_named_first() -> None:
    waiting = container("a-web", state="created")
    culprit = container("worker", state="exited", exit_code=1, last_words="No module named 'x'")
    outcome = judge(cmp.test_every_service_stays_up, deployed(waiting, culprit))
    assert outcome.observed.startswith("worker:")
    assert "logs --tail 50 worker" in outcome.en


def test_who_is_still_starting_decides_nothing() -> None:
    starting = container("web", health="starting", settled=False)
    assert judge(cmp.test_every_service_stays_up, deployed(starting)).status is Status.UNOBSERVABLE


# --- CMP-10

DOORS = {
    "postgres": ("postgres", {5432: "postgresql"}),
    "rustfs": ("object_store", {9000: "s3", 9001: "console"}),
    "dask-scheduler": ("dask_scheduler", {8786: "dask", 8787: "dashboard"}),
    "prefect-server": ("prefect_server", {4200: "prefect"}),
    "prometheus": ("prometheus", {9090: "prometheus"}),
    "grafana": ("grafana", {3000: "grafana"}),
}
USUAL = {5432: 5432, 9000: 9000, 9001: 9001, 8786: 8786, 8787: 8787, 4200: 4200, 9090: 9090, 3000: 3001}


def port(target: int, published: str = "", default: str | None = None, **more: Any) -> Port:
    return Port(target=target, published=published, default=published if default is None else default, **more)


def doors(service: str = "", *ports: Port, **more: Any) -> tuple[ComposeFacts, ContainersFacts, Parameters]:
    """The class's stack, with other ports of one service."""
    services = {
        name: Service(
            roles=(Found(role=role, certainty="sure", reason="image"),),
            ports=ports if name == service else tuple(port(target, str(USUAL[target])) for target in spoken),
        )
        for name, (role, spoken) in DOORS.items()
    }
    containers = [
        container(name, role=role, doors=tuple(Door(port=p, speaks=s) for p, s in spoken.items()))
        for name, (role, spoken) in DOORS.items()
    ]
    return ComposeFacts(services=services, **more), deployed(*containers), PARAMETERS


@pytest.mark.parametrize(
    "facts",
    [
        doors(),
        doors("postgres", port(5432, "5432", host_ip="127.0.0.1")),
        doors("postgres", port(5432, "15432", "5432", variables=("PG_PORT",))),  # another port in .env
        doors("postgres", port(5432, "15432", "", variables=("PG_PORT",))),  # the port is in .env alone
        doors("postgres", port(5432, "15432", variables=("PG_PORT",)), documented=("PG_PORT",)),
        doors("postgres", port(5432, "5432"), port(5432, "15432")),
        doors("rustfs", port(9000, "9000")),  # the console is not asked for
        doors("grafana", port(3000, "3001"), port(3000, "3000")),
    ],
)
def test_the_class_s_ports_and_others_in_the_env_file_pass(
    facts: tuple[ComposeFacts, ContainersFacts, Parameters],
) -> None:
    assert judge(cmp.test_the_classs_ports_answer, *facts).status is Status.PASS


@pytest.mark.parametrize(
    ("facts", "hint", "says"),
    [
        (doors("postgres"), "unpublished", "postgres: postgresql is not published (expected at 5432)"),
        (doors("grafana", port(3001, "3001")), "target", "grafana: 3001:3001, but grafana is not spoken at 3001"),
        (doors("grafana", port(3000, "3000")), "moved", "grafana is published at 3000, not 3001"),
        (doors("grafana", port(3000)), "moved", "grafana is published at any port, not 3001"),
        (doors("rustfs", port(9001, "9000")), "target", "rustfs: 9000:9001"),
        (doors("dask-scheduler", port(8786, "8786")), "unpublished", "dashboard is not published (expected at 8787)"),
        (doors("postgres", port(5432, "5432", protocol="udp")), "unpublished", "not published"),
        (doors("postgres", port(5432, "15432", variables=("PG_PORT",))), "moved", "published at 15432"),
    ],
)
def test_a_closed_door_is_named(facts: tuple[ComposeFacts, ContainersFacts, Parameters], hint: str, says: str) -> None:
    outcome = judge(cmp.test_the_classs_ports_answer, *facts)
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)
    assert says in outcome.observed


def test_a_port_that_the_kit_does_not_reach_is_open_when_somebody_listens_there() -> None:
    compose, containers, parameters = doors("postgres", port(6432, "5432"))
    postgres = containers.named["postgres-1"].model_copy(update={"listening": (6432,)})
    there = ContainersFacts(named={**containers.named, "postgres-1": postgres})
    assert judge(cmp.test_the_classs_ports_answer, compose, there, parameters).status is Status.PASS
    assert judge(cmp.test_the_classs_ports_answer, compose, containers, parameters).status is Status.FAIL


def test_a_profile_may_ask_for_other_ports_or_fewer() -> None:
    compose, containers, _ = doors("postgres", port(5432, "6000"))
    check = cmp.test_the_classs_ports_answer
    assert judge(check, compose, containers, Parameters(ports={"postgresql": 6000})).status is Status.PASS
    assert judge(check, compose, containers, Parameters(ports={"grafana": 3001})).status is Status.PASS
    assert judge(check, compose, containers, Parameters(ports={"s3": 9999})).status is Status.FAIL
    with pytest.raises(ValidationError, match="ports: mysql is none of postgresql"):
        Parameters(ports={"mysql": 3306})


# --- CMP-11


@pytest.mark.parametrize(
    "one",
    [
        container("db", uid=999),
        container("dask", uid=0),  # its image knows no other user
        container("own", uid=1000, builds=True),
        container("distroless", uid=None, builds=True),
        container("init", uid=None, state="exited", user="root", user_of_model=True),
    ],
)
def test_who_is_not_root_or_cannot_be_another_passes(one: ContainerFacts) -> None:
    assert judge(cmp.test_containers_do_not_run_as_root, deployed(one)).status is Status.PASS


@pytest.mark.parametrize(
    ("changes", "hint"), [({"user": "root", "user_of_model": True}, None), ({"builds": True}, "own_image")]
)
def test_root_by_choice_is_named(changes: dict[str, Any], hint: str | None) -> None:
    outcome = judge(cmp.test_containers_do_not_run_as_root, deployed(container("grafana", uid=0, **changes)))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)
    assert outcome.observed == "grafana: uid 0"
