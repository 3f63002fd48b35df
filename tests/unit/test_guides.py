"""What the guides say of commands, names and files is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from conformance.cli import cli
from conformance.kit import Kit
from conformance.observe.disruption import FIRST, LAST
from conformance.stacks.attached import DASHBOARD, DATABASE, SECRET
from conformance.stacks.attached import SERVICES as ATTACHED
from conformance.stacks.base import Role
from conformance.stacks.compose.config import Config
from conformance.stacks.compose.stack import JOBS, TIMEOUT

ROOT = Path(__file__).parents[2]
GUIDES = {file.stem: file.read_text(encoding="utf-8") for file in sorted((ROOT / "docs" / "04-guides").glob("*.md"))}
CLOUD = GUIDES["GUIDE-MIGRATION-LOCAL-TO-CLOUD"]
STUDENTS = GUIDES["GUIA-COMPROBAR-SU-TRABAJO"]
DEVELOPERS = GUIDES["HOW-A-COMPOSE-CHECK-WORKS"]

for_guides = pytest.mark.parametrize("guide", GUIDES)


@for_guides
def test_commands_and_options_exist(guide: str) -> None:
    for command, rest in re.findall(r"\bconformance ([a-z]+)([^`\n#]*)", GUIDES[guide]):
        assert command in cli.commands
        known = {option for parameter in cli.commands[command].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known


def test_options_that_students_may_add_exist() -> None:
    added = re.findall(r"^\| [^|]+ \| (`--[^|]+) \|$", STUDENTS, re.MULTILINE)
    assert len(added) == 6
    known = {option for parameter in cli.commands["check"].params for option in parameter.opts}
    assert {option for cell in added for option in re.findall(r"`(--[a-z-]+)", cell)} <= known


@for_guides
def test_guarantees_exist(guide: str) -> None:
    named = set(re.findall(r"\b(?:SRC|CMP|PLN|PGS|MED|OBJ|PRM|GRF|PRF|DSK|E2E)-\d\d\b", GUIDES[guide]))
    assert named
    assert named <= Kit().catalogue.keys()


@for_guides
def test_links_lead_to_files_and_headings(guide: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", GUIDES[guide]):
        name, _, heading = target.partition("#")
        file = (ROOT / "docs" / "04-guides" / name).resolve() if name else ROOT / "docs" / "04-guides" / f"{guide}.md"
        assert file.exists(), target
        if heading:
            assert heading in _anchors(file.read_text(encoding="utf-8")), target


@for_guides
def test_files_of_the_repository_that_are_named_are_there(guide: str) -> None:
    named = set(re.findall(r"`((?:infra|pqrs_lakehouse|docs|sql|tests)/[\w./-]+)`", GUIDES[guide]))
    assert [name for name in named if not (ROOT / name).exists() and not name.startswith("infra/local")] == []


def test_the_sample_of_conformance_toml_is_one() -> None:
    (sample,) = re.findall(r"```toml\n(\[compose\].*?)```", STUDENTS, re.DOTALL)
    config = Config.model_validate(tomllib.loads(sample))
    assert config.compose.files
    assert config.roles[Role.DASK_WORKER] == ("workers-a", "workers-b")
    (roles,) = re.findall(r"Los papeles son (.*?);", STUDENTS)
    assert set(re.findall(r"`(\w+)`", roles)) == {role.value for role in Role} - {"other"}


def test_the_variables_of_an_attached_deployment_are_all_there() -> None:
    rows = re.findall(r"^\| (`[A-Z0-9_`, ]+`) \|", CLOUD, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    read = {variable for variable, _ in ATTACHED.values()} | {*DATABASE, *SECRET, DASHBOARD}
    assert named == read | {"POSTGRES_PORT", "S3_REGION", "GRAFANA_USER"}


def test_modules_that_developers_are_sent_to_exist() -> None:
    kit = ROOT / "conformance"
    named = set(re.findall(r"`([\w/]+\.py)`", DEVELOPERS)) - {"conftest.py"}
    assert [name for name in named if not any(kit.rglob(name))] == []


def test_every_experiment_is_told_of() -> None:
    told = DEVELOPERS.lower()
    both = "store, history"
    words = {"grafana_wipe": "grafana wiped", "down_and_up": "down and up", "store": both, "history": both}
    assert [name for name, _, _ in (*FIRST, *LAST) if f"| {words.get(name, name)} |" not in told] == []
    assert f"({TIMEOUT:.0f} s)" in DEVELOPERS
    assert f"They get {JOBS:.0f} s." in DEVELOPERS


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
