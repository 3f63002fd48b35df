"""A check's life on the engine: however it ends, nothing of it stays, and nobody else's is touched."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from checking import PATIENCE, Checked, check, command, ended, environment
from docker_containers import docker, until

from conformance.stacks.compose.generate import RUN
from conformance.stacks.compose.ownership import FOLDER, PREFIX
from conformance.verdict.words import Status

pytestmark = pytest.mark.compose

ENGINE = "/var/run/docker.sock"
KINDS = ("container", "network", "volume")
DATABASE = """
    services:
      catalog:
        image: postgres:18
        environment: {POSTGRES_PASSWORD: "${PASSWORD}"}
        volumes: ["data:/var/lib/postgresql"]
        ports: ["5432:5432"]
    volumes: {data: {}}
"""
SILENT = """
    services:
      catalog: # never answers, so that its check waits
        image: postgres:18
        labels: {pqrs.role: postgres}
        entrypoint: [sleep, infinity]
        environment: {POSTGRES_PASSWORD: "${PASSWORD}"}
        volumes: ["data:/var/lib/postgresql"]
    volumes: {data: {}}
"""
STARTING = """
    services:
      catalog: # never healthy, so that Compose waits
        image: postgres:18
        labels: {pqrs.role: postgres}
        entrypoint: [sleep, infinity]
        environment: {POSTGRES_PASSWORD: "${PASSWORD}"}
        healthcheck: {test: "true", interval: 1h, start_period: 1h}
      reader:
        image: postgres:18
        entrypoint: [sleep, infinity]
        depends_on: {catalog: {condition: service_healthy}}
"""


def submission(folder: Path, compose: str = DATABASE) -> Path:
    folder.mkdir(parents=True)
    (folder / "compose.yml").write_text(textwrap.dedent(compose), encoding="utf-8")
    (folder / ".env.example").write_text("PASSWORD=change-me\n", encoding="utf-8")
    return folder


@dataclass
class Room:
    """A folder for temporary files: whatever a check starts tells that it is from here."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()

    @property
    def env(self) -> dict[str, str]:
        return {"TMPDIR": str(self.folder)}

    def on_the_engine(self, kind: str) -> list[str]:
        """Names of what checks of this room have on the engine."""
        listing = {"container": ["ps", "--all"]}.get(kind, [kind, "ls"])
        name = "Names" if kind == "container" else "Name"
        told = docker(*listing, "--filter", f"label={RUN}", "--format", f'{{{{.Label "{FOLDER}"}}}} {{{{.{name}}}}}')
        return [line for line in told.splitlines() if line.startswith(f"{self.folder}/")]

    def staged(self) -> list[Path]:
        return list(self.folder.glob(f"{PREFIX}*"))

    def left(self) -> list[str]:
        return [*(one for kind in KINDS for one in self.on_the_engine(kind)), *map(str, self.folder.iterdir())]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """Whatever a failed test left goes with the next check."""
    room = Room(tmp_path / "room")
    yield room
    if room.on_the_engine("container") or room.staged():
        check(submission(tmp_path / "sweeper"), tmp_path / "swept", "--only", "CMP-01", env=room.env)


@contextmanager
def running(
    repository: Path, report: Path, room: Room, *options: str, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A check that goes on; ended at the latest with the block."""
    process = subprocess.Popen(
        command(repository, report, *options), env=environment(room.env | dict(env or {})), text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE)


class Relay:
    """The engine, behind a socket of its own that can be shut."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: list[socket.socket] = []

    @property
    def address(self) -> str:
        return f"unix://{self._path}"

    def __enter__(self) -> Self:
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(self._path))
        self._door.listen(50)
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self._path.unlink(missing_ok=True)
        for one in (self._door, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._door.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(ENGINE)
                self._open += [caller, engine]
                for ends in ((caller, engine), (engine, caller)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)


def end_of(process: subprocess.Popen[str], report: Path) -> Checked:
    _, errors = process.communicate(timeout=PATIENCE)
    return ended(process.returncode, errors, report)


def nameless_volumes() -> set[str]:
    return {name for name in docker("volume", "ls", "--quiet").split() if re.fullmatch(r"[0-9a-f]{64}", name)}


def started(room: Room, containers: int) -> Callable[[], bool]:
    return lambda: len(room.on_the_engine("container")) == containers


class TestHoweverItEnds:
    def test_nothing_stays_after_a_run(self, tmp_path: Path, room: Room) -> None:
        """Of a database that keeps its data in a volume without a name, which a `down` leaves behind."""
        before = nameless_volumes()
        beside = DATABASE.replace("data:/var/lib/postgresql", "data:/srv/data")
        checked = check(
            submission(tmp_path / "repository", beside), tmp_path / "report",
            "--only", "PGS-01", "--only", "PLN-02", env=room.env,
        )  # fmt: skip
        assert checked.ids(Status.FAIL) == {"CMP-01", "PLN-02"}
        assert checked.guarantees["PGS-01"]["status"] == Status.PASS
        assert room.left() == []
        assert nameless_volumes() <= before

    def test_an_interruption_while_compose_waits_for_health(self, tmp_path: Path, room: Room) -> None:
        repository = submission(tmp_path / "repository", STARTING)
        with running(repository, tmp_path / "report", room, "--only", "PGS-01") as process:
            until(started(room, 2))
            process.send_signal(signal.SIGINT)
            checked = end_of(process, tmp_path / "report")
        assert checked.code == 3, checked.errors
        assert room.left() == []

    def test_an_interruption_while_observing(self, tmp_path: Path, room: Room) -> None:
        repository, report = submission(tmp_path / "repository", SILENT), tmp_path / "report"
        with running(repository, report, room, "--only", "PGS-01") as process:
            until((report / "evidence/facts/compose.json").exists)
            until(started(room, 1))
            process.send_signal(signal.SIGINT)
            checked = end_of(process, report)
        assert checked.code == 3, checked.errors
        assert checked.ids(Status.UNOBSERVABLE) == {"PGS-01"}
        assert room.left() == []

    def test_what_a_killed_kit_left_goes_with_the_next_check_and_what_is_alive_stays(
        self, tmp_path: Path, room: Room
    ) -> None:
        silent = submission(tmp_path / "silent", SILENT)
        with (
            running(silent, tmp_path / "alive", room, "--only", "PGS-01") as alive,
            running(silent, tmp_path / "killed", room, "--only", "PGS-01") as killed,
        ):
            until(started(room, 2))
            until((tmp_path / "killed/evidence/facts/compose.json").exists)
            kill(killed)
            assert len(room.staged()) == 2
            checked = check(submission(tmp_path / "next"), tmp_path / "report", "--only", "CMP-01", env=room.env)
            assert checked.ids(Status.FAIL) == {"CMP-01"}, checked.errors
            assert len(room.on_the_engine("container")) == len(room.staged()) == 1
            assert alive.poll() is None
        assert room.staged() == []


def kill(process: subprocess.Popen[str]) -> None:
    """The kit and its judge, with no chance to clean up."""
    judges = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    assert judges
    for pid in (process.pid, *map(int, judges)):
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)


class TestTwoAtOnce:
    def test_the_same_names_and_ports_twice(self, tmp_path: Path, room: Room) -> None:
        fixed = """
            name: lakehouse
            services:
              catalog:
                image: postgres:18
                container_name: postgres
                environment: {POSTGRES_PASSWORD: "${PASSWORD}"}
                volumes: ["data:/var/lib/postgresql"]
                ports: ["5432:5432"]
                networks: [backend]
            networks: {backend: {name: pqr-network}}
            volumes: {data: {name: postgres-data}}
        """
        with ThreadPoolExecutor(2) as both:
            ends = list(
                both.map(
                    lambda name: check(
                        submission(tmp_path / name, fixed), tmp_path / f"report-{name}",
                        "--only", "PGS-01", "--only", "PGS-02", "--only", "PLN-02", env=room.env,
                    ),
                    ("one", "other"),
                )
            )  # fmt: skip
        for checked in ends:
            assert checked.guarantees["PGS-01"]["status"] == Status.PASS, checked.errors
            assert checked.guarantees["PGS-02"]["status"] == Status.PASS
            assert checked.ids(Status.FAIL) == {"CMP-01"}
        assert room.left() == []


class TestOwnPytestFiles:
    def test_nothing_of_a_submission_reaches_its_judge(self, tmp_path: Path, room: Room) -> None:
        trusting = DATABASE.replace('"${PASSWORD}"', '"${PASSWORD}", POSTGRES_HOST_AUTH_METHOD: trust')
        repository = submission(tmp_path / "repository", trusting)
        everything_passes = """
            import pytest

            @pytest.hookimpl(hookwrapper=True)
            def pytest_runtest_makereport(item, call):
                call.excinfo = None
                (yield).get_result().outcome = "passed"
        """
        for name in ("conftest.py", "everything_passes.py", "sitecustomize.py", "conformance.py"):
            (repository / name).write_text(textwrap.dedent(everything_passes), encoding="utf-8")
        (repository / "pytest.ini").write_text("[pytest]\naddopts = -p everything_passes\n", encoding="utf-8")
        steering = {"PYTEST_ADDOPTS": "-p everything_passes", "PYTEST_PLUGINS": "everything_passes"}
        checked = check(repository, tmp_path / "report", "--only", "PGS-02", env=room.env | steering, cwd=repository)
        assert checked.code == 1, checked.errors
        assert checked.ids(Status.FAIL) == {"PGS-02", "CMP-01"}
        assert room.left() == []


class TestWithoutAnEngine:
    @pytest.mark.parametrize(
        ("env", "says"),
        [
            pytest.param({"PATH": ""}, "docker is not installed", id="not installed"),
            pytest.param(
                {"DOCKER_HOST": "tcp://127.0.0.1:1"}, "the container engine does not answer", id="not running"
            ),
        ],
    )
    def test_it_is_said_in_one_line(self, env: Mapping[str, str], says: str, tmp_path: Path, room: Room) -> None:
        checked = check(submission(tmp_path / "repository"), tmp_path / "report", env=room.env | env)
        assert checked.code == 2
        assert says in checked.complaint
        assert "conformance doctor" in checked.complaint
        assert room.left() == []

    def test_one_that_dies_in_mid_run(self, tmp_path: Path, room: Room) -> None:
        """What cannot be removed without it goes with the next check."""
        repository, report = submission(tmp_path / "repository", SILENT), tmp_path / "report"
        with (
            Relay(room.folder.parent / "engine.sock") as relay,
            running(repository, report, room, "--only", "PGS-01", env={"DOCKER_HOST": relay.address}) as process,
        ):
            until((report / "evidence/facts/compose.json").exists)
            until(started(room, 1))
            relay.stop()
            checked = end_of(process, report)
        assert checked.code == 2
        assert "the container engine does not answer" in checked.complaint
        assert room.on_the_engine("container")

        check(submission(tmp_path / "next"), tmp_path / "report", "--only", "CMP-01", env=room.env)
        assert room.left() == []


class TestWhatTheEngineLacks:
    @pytest.mark.parametrize(
        ("image", "says"),
        [
            ("pqrs-offline/nothing:1", "infra/images/offline/build makes it"),
            ("127.0.0.1:1/campus/postgres:18", "is not here and cannot be had"),
        ],
    )
    def test_an_image(self, image: str, says: str, tmp_path: Path, room: Room) -> None:
        images = tmp_path / "map.toml"
        images.write_text(f'[[image]]\nmatch = "postgres:*"\nimage = "{image}"\n', encoding="utf-8")
        checked = check(submission(tmp_path / "repository"), tmp_path / "report", images=images, env=room.env)
        assert checked.code == 2
        assert says in checked.complaint
        assert f"{image} (catalog)" in checked.complaint
        assert room.left() == []

    @pytest.mark.parametrize(
        ("reply", "says"),
        [
            (
                "failed to copy files: write /var/lib/docker/overlay2/x: no space left on device",
                "the disk of the container engine is full",
            ),
            (
                "Bind for 127.0.0.1:5432 failed: port is already allocated",
                "the stack cannot be started: ",
            ),
        ],
        ids=["disk full", "port taken"],
    )
    def test_it_says_so_itself(self, reply: str, says: str, tmp_path: Path, room: Room) -> None:
        """To whoever brings a stack up; what it has made by then is removed."""
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir()
        program.write_text(
            f"""#!/bin/sh
{shutil.which("docker")} "$@" || exit
case " $* " in *" up "*) echo {shlex.quote(reply)} >&2; exit 1;; esac
""",
            encoding="utf-8",
        )
        program.chmod(0o755)
        checked = check(
            submission(tmp_path / "repository"), tmp_path / "report", "--only", "PGS-01",
            env=room.env | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"},
        )  # fmt: skip
        assert checked.code == 2
        assert says in checked.complaint
        assert reply.partition(": ")[2] in checked.complaint
        assert room.left() == []
