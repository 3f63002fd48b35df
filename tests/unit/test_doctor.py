"""What the doctor finds, and that it has words for it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import doctor
from conformance.doctor import GIB, Finding, examine
from conformance.stacks.base import Executed, StackError

TEXTS = doctor._texts()


class Engine:
    """An engine with one image, whose registry knows another."""

    version = "20.10.24"
    compose = "2.26.1-4"

    def attempt(self, arguments: list[str], timeout: float = 0) -> Executed:
        if arguments[0] == "compose":
            return Executed(0, self.compose, "")
        return Executed(0 if arguments[-1] == "two:2" else 1, "", "")

    def run(self, *arguments: str) -> str:
        if arguments[0] == "info":
            return '{"MemTotal": 1073741824, "DockerRootDir": "/"}'
        return "class-db-1\t0.0.0.0:5432->5432/tcp, :::5432->5432/tcp\nclass-dask\t127.0.0.1:8786-8787->8786-8787/tcp"

    def inspect(self, kind: str, names: list[str]) -> list[dict[str, str]]:
        return [{}] if names == ["one:1"] else []


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    (tmp_path / "docker-compose.yml").write_text(
        "services: {a: {image: 'one:1'}, b: {image: 'two:2'}, c: {image: 'three:3'}, d: {image: own, build: .}}"
    )
    (tmp_path / "infra" / "images" / "offline").mkdir(parents=True)
    (tmp_path / "infra" / "images" / "offline" / "map.toml").write_text(
        '[[image]]\nmatch = "a"\nimage = "one:1"\n[[image]]\nmatch = "b"\nimage = "offline/b:1"\n'
    )
    return tmp_path


def findings(reference: Path, subject: str) -> list[Finding]:
    return [finding for finding in examine(reference) if finding.subject == subject]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "Engine", Engine)
    monkeypatch.setattr(doctor, "_listening", dict)


def test_without_an_engine_the_rest_is_still_looked_at(monkeypatch: pytest.MonkeyPatch, reference: Path) -> None:
    def none() -> None:
        raise StackError("docker is not installed")

    monkeypatch.setattr(doctor, "Engine", none)
    found = list(examine(reference))
    (engine,) = (finding for finding in found if finding.subject == "engine")
    assert (engine.ok, engine.stops, engine.seen) == (False, True, "docker is not installed")
    assert len([finding for finding in found if finding.subject == "port"]) == len(doctor.PORTS)


@pytest.mark.parametrize(
    ("version", "ok"), [("2.26.1-4", True), ("v2.40.0", True), ("5.0.1", True), ("2.17", False), ("", False)]
)
def test_old_compose_does_not_do(
    monkeypatch: pytest.MonkeyPatch, engine: None, reference: Path, version: str, ok: bool
) -> None:
    monkeypatch.setattr(Engine, "compose", version)
    assert [finding.ok for finding in findings(reference, "compose")] == [ok]


def test_memory_is_what_the_engine_has(engine: None, reference: Path) -> None:
    (memory,) = findings(reference, "memory")
    assert (memory.ok, memory.stops, memory.seen) == (False, True, "1.0 GiB")
    assert "4.0 GiB" in memory.remedy("es")


def test_containers_are_named_by_the_ports_that_they_hold(engine: None, reference: Path) -> None:
    holders = {finding.values["port"]: finding.seen for finding in findings(reference, "port")}
    assert (holders["5432"], holders["8787"], holders["4200"]) == ("class-db-1", "class-dask", "")


def test_a_program_is_named_by_the_port_that_it_holds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert f"({os.getpid()})" in doctor._listening()[server.getsockname()[1]]


def test_images_are_here_or_in_their_registry(engine: None, reference: Path) -> None:
    found = {finding.values["image"]: (finding.ok, finding.seen) for finding in findings(reference, "image")}
    assert found == {"one:1": (True, ""), "two:2": (True, "registry"), "three:3": (False, "")}
    (offline,) = findings(reference, "offline")
    assert (offline.ok, offline.seen, offline.values["missing"]) == (False, "1/2", "offline/b:1")


def test_the_embedded_stack_says_itself_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "SeaweedFS" in doctor._embedded().seen or doctor._embedded().values["missing"] == "prometheus"

    def gone() -> Path:
        raise StackError("SeaweedFS is missing")

    monkeypatch.setattr("conformance.stacks.services.seaweedfs.installation", gone)
    lacking = doctor._embedded()
    assert (lacking.ok, lacking.stops) == (False, False)
    assert "SeaweedFS is missing" in lacking.remedy("es")


def every() -> Iterator[Finding]:
    values = dict.fromkeys(("minimum", "port", "service", "variable", "holder", "image", "missing"), "…")
    for subject in TEXTS:
        yield Finding(subject, False, values=values)


@pytest.mark.parametrize("finding", list(every()), ids=lambda finding: finding.subject)
@pytest.mark.parametrize("lang", ["es", "en"])
def test_every_finding_has_words_and_a_remedy(finding: Finding, lang: str) -> None:
    assert finding.title(lang)
    assert finding.remedy(lang)


def test_a_gibibyte_is_what_it_says() -> None:
    assert doctor._gib(1.5 * GIB) == "1.5 GiB"
