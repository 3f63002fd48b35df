"""The judgments on the repository, on facts written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from judging import judge

from conformance.checks import test_src as src
from conformance.observe.compose_facts import ComposeFacts, Mount, Service, Variable
from conformance.observe.source import SourceFacts
from conformance.verdict.words import Status


def source(**changes: Any) -> SourceFacts:
    sound: dict[str, Any] = {
        "versioned": True, "files": 9, "truncated": False, "env_files": (), "key_files": (), "dump_files": (),
        "adrs": (), "broken_links": (), "folders": ("apps", "docs"),
    }  # fmt: skip
    return SourceFacts(**(sound | changes))


def compose(**changes: Any) -> ComposeFacts:
    return ComposeFacts(**({"file": "docker-compose.yml", "env_example": ".env.example"} | changes))


def variables(*names: str, instead_of: str = "") -> tuple[Variable, ...]:
    return tuple(Variable(name=name, place="services.a", instead_of=instead_of) for name in names)


def test_a_file_that_resolves() -> None:
    assert judge(src.test_there_is_a_compose_file_and_it_resolves, compose()).status is Status.PASS


def test_composes_own_words_are_told() -> None:
    outcome = judge(src.test_there_is_a_compose_file_and_it_resolves, compose(problem="compose.yml:3: no such key"))
    assert (outcome.status, outcome.hint) == (Status.FAIL, None)
    assert "docker compose -f docker-compose.yml config" in outcome.es
    assert outcome.observed == "compose.yml:3: no such key"


def test_no_file_at_all() -> None:
    outcome = judge(src.test_there_is_a_compose_file_and_it_resolves, ComposeFacts())
    assert (outcome.status, outcome.hint, outcome.observed) == (Status.FAIL, "not_found", "no Compose file")


@pytest.mark.parametrize(
    ("seen", "of_compose"),
    [
        ({"folders": ("apps", "infra")}, {}),
        ({"folders": ("src", "Infraestructura")}, {}),
        ({"folders": ("src", "deploy")}, {}),
        ({}, {"file": "plataforma/compose.yml"}),
        ({"folders": ("grafana", "src")}, {"services": {"g": "grafana"}}),
        ({"folders": ("src",)}, {"services": {"g": "grafana/provisioning"}}),
    ],
)
def test_infrastructure_with_a_folder_of_its_own(seen: dict[str, Any], of_compose: dict[str, Any]) -> None:
    services = {
        name: Service(mounts=(Mount(kind="bind", target="/etc/x", source=at, in_repository=True, configuration=True),))
        for name, at in of_compose.pop("services", {}).items()
    }
    facts = compose(services=services, **of_compose)
    assert judge(src.test_the_folders_mirror_the_architecture, source(**seen), facts).status is Status.PASS


def test_everything_at_the_root() -> None:
    mount = Mount(kind="bind", target="/etc/x.yml", source="x.yml", in_repository=True, configuration=True)
    data = Mount(kind="bind", target="/data", source="src/data", in_repository=True)
    facts = compose(services={"a": Service(mounts=(mount, data))})
    outcome = judge(src.test_the_folders_mirror_the_architecture, source(folders=("src",)), facts)
    assert (outcome.status, outcome.hint, outcome.observed) == (Status.FAIL, "flat", "folders: src")
    assert "docker-compose.yml" in outcome.es


def test_code_among_configuration() -> None:
    seen = source(folders=("infra",), misplaced=("infra/a.py", "infra/b.ipynb"), truncated=True)
    outcome = judge(src.test_the_folders_mirror_the_architecture, seen, compose())
    assert (outcome.status, outcome.hint) == (Status.FAIL, "mixed")
    assert "infra/a.py, infra/b.ipynb" in outcome.en


def test_a_repository_that_was_not_read_whole_is_not_judged() -> None:
    seen = source(folders=("infra",), truncated=True)
    assert judge(src.test_the_folders_mirror_the_architecture, seen, compose()).status is Status.UNOBSERVABLE


@pytest.mark.parametrize(
    ("wanted", "documented"),
    [
        ((), ()),
        (variables("A", "B"), ("B", "A", "C")),
        (variables("COMPOSE_PROJECT_NAME", "PWD", "HOME", "USER", "UID", "GID", "HOSTNAME", "https_proxy"), ()),
        (variables("B", instead_of="A"), ("A",)),
        (variables("B", instead_of="A"), ("B",)),
    ],
)
def test_variables_that_are_documented_or_need_not_be(
    wanted: tuple[Variable, ...], documented: tuple[str, ...]
) -> None:
    facts = compose(variables=wanted, documented=documented)
    assert judge(src.test_every_variable_is_documented, facts).status is Status.PASS


def test_missing_variables_are_named() -> None:
    wanted = (*variables("A", "HOMER", "PATHS"), *variables("B", instead_of="X"))
    outcome = judge(src.test_every_variable_is_documented, compose(variables=wanted, documented=("A",)))
    assert (outcome.status, outcome.hint) == (Status.FAIL, None)
    assert outcome.observed == "not in .env.example: HOMER, PATHS, B"
    assert "HOMER, PATHS, B" in outcome.es


def test_no_sample_of_an_env() -> None:
    outcome = judge(src.test_every_variable_is_documented, compose(variables=variables("A"), env_example=""))
    assert (outcome.status, outcome.hint) == (Status.FAIL, "no_example")
    assert outcome.observed == "not in any sample of a .env: A"


def test_places_of_secrets_are_named() -> None:
    services = {"db": Service(literal_secrets=("environment POSTGRES_PASSWORD",)), "web": Service()}
    facts = compose(services=services, secrets=("configs.exporter",))
    outcome = judge(src.test_secrets_come_from_the_environment, facts)
    assert outcome.observed == "db: environment POSTGRES_PASSWORD; configs.exporter"
    assert "db: environment POSTGRES_PASSWORD, configs.exporter" in outcome.es
    assert judge(src.test_secrets_come_from_the_environment, compose(services={"web": Service()})).status is Status.PASS
