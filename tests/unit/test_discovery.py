"""Roles of services as people write them: what is taken for a role, what is not, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.stacks.base import Certainty, Plane, Role, StackError
from conformance.stacks.compose.configured import all_built
from conformance.stacks.compose.programs import dockerfile, processes
from conformance.stacks.discovery import discover, plane_of, roles_in

ROOT = Path(__file__).parents[2]
CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "discovery_cases.yml").read_text("utf-8"))
CLASS_ROLES = set(Role) - {Role.OTHER, Role.PREFECT_WORKER}


def found_in(services: Mapping[str, Any], **declared: Any) -> dict[Role, list[str]]:
    found: dict[Role, list[str]] = {}
    for finding in discover(services, {Role(role): names for role, names in declared.items()}):
        found.setdefault(finding.role, []).append(finding.service)
    return found


def services_of(file: Path) -> dict[str, Any]:
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    assert isinstance(services, dict)
    return services


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_service_has_the_role_that_it_plays(case: dict[str, Any]) -> None:
    built = {case["name"]: dockerfile(case["dockerfile"])} if "dockerfile" in case else {}
    findings = discover({case["name"]: case["service"]}, built=built)
    assert [f"{finding.role} {finding.certainty}" for finding in findings] == ([case["is"]] if "is" in case else [])
    assert all(case.get("reason", "") in finding.reason and finding.reason for finding in findings)


def test_the_cases_are_many_and_told_apart() -> None:
    assert len(CASES) >= 60
    assert len({case["id"] for case in CASES}) == len(CASES)
    assert {case["is"].split()[0] for case in CASES if "is" in case} == {str(role) for role in set(Role) - {Role.OTHER}}


# --- whole files


def test_the_reference_has_every_role() -> None:
    services = services_of(ROOT / "docker-compose.yml")
    findings = discover(services)
    assert {finding.role for finding in findings} == set(Role) - {Role.OTHER}
    assert {finding.certainty for finding in findings} == {Certainty.DECLARED}
    for service in services.values():
        service.pop("labels", None)
    unlabelled = discover(services, built=all_built(services, ROOT))
    assert [(f.role, f.service) for f in unlabelled] == [(f.role, f.service) for f in findings]
    assert {finding.certainty for finding in unlabelled} == {Certainty.SURE}


def test_the_class_to_the_letter_has_every_role_that_it_deploys() -> None:
    services = services_of(ROOT / "fixtures/submissions/guia-exacta/infra/local/docker-compose.yml")
    findings = discover(services)
    assert {finding.role: finding.service for finding in findings} == {
        Role.POSTGRES: "postgres",
        Role.OBJECT_STORE: "rustfs",
        Role.DASK_SCHEDULER: "dask-scheduler",
        Role.DASK_WORKER: "dask-worker",
        Role.PREFECT_SERVER: "prefect-server",
        Role.PROMETHEUS: "prometheus",
        Role.GRAFANA: "grafana",
    }
    assert {finding.role for finding in findings} == CLASS_ROLES
    assert {finding.certainty for finding in findings} == {Certainty.SURE}


# --- several services of one role


def test_the_catalogue_goes_before_prefects_own_database() -> None:
    services = {
        "prefect-db": {"image": "postgres:16", "environment": {"POSTGRES_PASSWORD": "a"}},
        "prefect-server": {
            "image": "prefecthq/prefect:3-latest",
            "command": "prefect server start",
            "environment": {"PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://p:a@prefect-db:5432/p"},
        },
        "catalogo": {"image": "postgis/postgis:15-3.4", "volumes": ["./sql:/docker-entrypoint-initdb.d:ro"]},
    }
    main, other = (finding for finding in discover(services) if finding.role is Role.POSTGRES)
    assert (main.service, other.service) == ("catalogo", "prefect-db")
    assert "init scripts" in main.reason
    assert "only prefect-server uses it" in other.reason


def test_the_catalogue_is_the_one_that_others_use() -> None:
    services: dict[str, Any] = {
        "one": {"image": "postgres:16", "container_name": "pg_uno"},
        "two": {"image": "postgres:16", "networks": {"n": {"aliases": ["catalogo"]}}},
        "prefect": {"image": "prefecthq/prefect", "command": "prefect server start", "depends_on": ["one"]},
        "etl": {"image": "etl", "environment": ["DB_HOST=catalogo"]},
    }
    assert found_in(services)[Role.POSTGRES] == ["two", "one"]
    services["etl"]["environment"] = ["DATABASE_URL=postgresql://u:p@pg_uno/d"]
    services["prefect"]["depends_on"] = {"two": {"condition": "service_healthy"}}
    assert found_in(services)[Role.POSTGRES] == ["one", "two"]


def test_a_replica_is_not_the_main_one() -> None:
    services = {
        "replica": {"image": "bitnami/postgresql", "environment": {"POSTGRESQL_REPLICATION_MODE": "slave"}},
        "primary": {"image": "bitnami/postgresql", "environment": {"POSTGRESQL_REPLICATION_MODE": "master"}},
    }
    assert found_in(services)[Role.POSTGRES] == ["primary", "replica"]


def test_every_worker_counts_however_it_is_known() -> None:
    services = {
        "worker-a": {"image": "daskdev/dask", "command": "dask-worker s:8786"},
        "dask-worker-b": {"build": "./worker"},
    }
    assert found_in(services)[Role.DASK_WORKER] == ["worker-a", "dask-worker-b"]


def test_what_only_looks_like_a_server_gives_way_to_one_that_is() -> None:
    services = {
        "db": {"build": "./db", "environment": {"POSTGRES_PASSWORD": "x"}, "ports": ["5433:5432"]},
        "postgres": {"image": "postgres:16"},
    }
    assert found_in(services)[Role.POSTGRES] == ["postgres"]
    assert found_in({"db": services["db"]})[Role.POSTGRES] == ["db"]


def test_what_could_be_two_things_says_so() -> None:
    services = {"worker": {"build": ".", "environment": {"DASK_SCHEDULER_ADDRESS": "a", "PREFECT_API_URL": "b"}}}
    (finding,) = discover(services)
    assert finding.certainty is Certainty.LIKELY
    assert "it could be prefect_worker as well" in finding.reason


# --- declared


def test_a_declaration_decides_its_role_alone() -> None:
    services = {"a": {"image": "postgres:16"}, "b": {"image": "custom"}, "c": {"image": "grafana/grafana"}}
    (postgres, grafana) = discover(services, {Role.POSTGRES: ("b",)})
    assert (postgres.service, postgres.certainty) == ("b", Certainty.DECLARED)
    assert "conformance.toml" in postgres.reason
    assert (grafana.service, grafana.certainty) == ("c", Certainty.SURE)


def test_a_declaration_takes_a_service_from_another_role() -> None:
    services = {"a": {"image": "postgres:16"}, "b": {"image": "postgres:16"}}
    assert found_in(services, other=("a",)) == {Role.POSTGRES: ["b"]}
    assert found_in(services, postgres=("b", "a"))[Role.POSTGRES] == ["a", "b"]


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({Role.POSTGRES: ("db",)}, "roles.postgres: there is no service 'db'; services: a, b"),
        ({Role.POSTGRES: ("a",), Role.GRAFANA: ("a",)}, "roles.grafana: 'a' is postgres already"),
    ],
)
def test_a_wrong_declaration_is_an_error(declared: Mapping[Role, tuple[str, ...]], says: str) -> None:
    with pytest.raises(StackError, match=r"conformance\.toml") as error:
        discover({"a": {}, "b": {}}, declared)
    assert says in str(error.value)


# --- roles in one container


@pytest.mark.parametrize(
    ("service", "roles"),
    [
        (
            {"image": "x", "command": ["sh", "-c", "dask scheduler & prefect server start"]},
            (Role.DASK_SCHEDULER, Role.PREFECT_SERVER),
        ),
        (
            {"image": "x", "command": "bash -c 'dask-scheduler & dask-worker localhost:8786; wait'"},
            (Role.DASK_SCHEDULER, Role.DASK_WORKER),
        ),
        ({"image": "postgres:16"}, (Role.POSTGRES,)),
        ({"image": "postgres:16", "entrypoint": ["/x.py"]}, ()),
        ({"image": "daskdev/dask"}, ()),
        ({"build": ".", "command": "streamlit run app.py"}, ()),
    ],
)
def test_the_roles_that_a_container_runs(service: Mapping[str, Any], roles: tuple[Role, ...]) -> None:
    assert roles_in(service) == roles


def test_a_service_has_one_role_even_when_it_runs_two() -> None:
    services = {"todo": {"image": "x", "command": ["sh", "-c", "dask scheduler & prefect server start"]}}
    assert found_in(services) == {Role.DASK_SCHEDULER: ["todo"]}


def test_every_role_has_a_plane() -> None:
    planes = {role: plane_of(role) for role in Role if role is not Role.OTHER}
    assert set(planes.values()) == set(Plane)
    assert (planes[Role.POSTGRES], planes[Role.PROMETHEUS]) == (Plane.CONTROL, Plane.CONTROL)
    assert planes[Role.GRAFANA] is Plane.SERVING
    with pytest.raises(KeyError):
        plane_of(Role.OTHER)


# --- hostile


def test_shells_within_shells_and_long_scripts_are_bounded() -> None:
    assert processes(["sh", "-c", "exec " * 100 + "dask-worker"]) == ()
    assert len(processes(["sh", "-c", "echo x;" * 100_000])) < 10_000
    (finding,) = discover({"w": {"image": "x", "command": ["dask-worker", "a" * 100_000, "\x1b[31m"]}})
    assert len(finding.reason) <= 200
    assert "\x1b" not in finding.reason
