"""The container engine, asked through its command line: what every Docker-compatible engine has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from typing import IO, Any

from conformance.inputs import one_line
from conformance.stacks.base import Executed, StackError

QUICK = 60.0  # seconds for what the engine knows or does by itself
SLOW = 900.0  # to download an image
SAID = 500  # characters of what it says
TIMED_OUT = 124  # what timeout(1) ends with
DEAD = ("Cannot connect to the Docker daemon", "error during connect", "Is the docker daemon running", "docker.sock: ")
FULL = "no space left on device"
LEFT_OUT = ("COMPOSE_",)  # prefixes of variables that would change what a Compose command means


class EngineError(StackError):
    """The engine did not do what it was asked; ``said`` is its own answer."""

    def __init__(self, doing: str, said: str) -> None:
        super().__init__(f"{doing}: {one_line(said)[-SAID:] or 'no reason given'}")
        self.said = said


class Engine:
    """Commands of one engine. Every call is bounded in time, and none goes through a shell."""

    def __init__(self) -> None:
        """Raises: StackError: docker is not installed, or its engine does not answer."""
        program = shutil.which("docker")
        if program is None:
            raise StackError("docker is not installed; `conformance doctor` says what is needed")
        self._program = program
        self.version = self.run("version", "--format", "{{.Server.Version}}", timeout=20.0).strip()

    def run(self, *arguments: str, timeout: float = QUICK) -> str:
        """What the command prints.

        Raises:
            EngineError: it failed.
            StackError: the engine is not there any more, the disk is full, or it does not answer in time.
        """
        ended = self.attempt(arguments, timeout=timeout)
        if ended.code == TIMED_OUT:
            raise StackError(f"the container engine does not answer: docker {arguments[0]} took over {timeout:g} s")
        if not ended.ok:
            raise EngineError(f"docker {arguments[0]}", ended.err or ended.out)
        return ended.out

    def attempt(self, arguments: Sequence[str], *, stdin: bytes = b"", timeout: float = QUICK) -> Executed:
        """How a command ends, however it does; 124 when it takes too long.

        Raises:
            StackError: the engine is not there any more, or the disk is full.
        """
        try:
            ended = subprocess.run(
                [self._program, *arguments], input=stdin, capture_output=True, timeout=timeout, env=environment()
            )
        except subprocess.TimeoutExpired:
            return Executed(TIMED_OUT, "", f"no end within {timeout:g} s")
        except OSError as error:
            raise StackError(f"docker cannot be run: {error.strerror}") from error
        said = ended.stderr.decode(errors="replace")
        complain(said if ended.returncode else "")
        return Executed(ended.returncode, ended.stdout.decode(errors="replace"), said)

    def inspect(self, kind: str, names: Iterable[str]) -> list[dict[str, Any]]:
        """``docker KIND inspect`` of those that are there."""
        names = list(names)
        if not names:
            return []
        told = self.attempt([kind, "inspect", *names]).out
        try:
            found: list[dict[str, Any]] = json.loads(told or "[]")
        except ValueError as error:
            raise EngineError(f"docker {kind} inspect", told) from error
        return found

    def listed(self, kind: str, **labels: str) -> list[str]:
        """Ids (of volumes: names) of all containers, networks or volumes that carry the labels; empty value: any."""
        filters = [
            argument
            for name, value in labels.items()
            for argument in ("--filter", f"label={name}={value}" if value else f"label={name}")
        ]
        every = {"container": ["ps", "--all", "--no-trunc"], "network": ["network", "ls", "--no-trunc"]}
        return self.run(*every.get(kind, ["volume", "ls"]), "--quiet", *filters).split()

    def write_logs(self, container: str, to: IO[bytes], lines: int) -> None:
        """The last ``lines`` that a container wrote to its outputs, as they come."""
        subprocess.run(
            [self._program, "logs", "--tail", str(lines), container],
            stdout=to, stderr=to, stdin=subprocess.DEVNULL, timeout=QUICK, env=environment(), check=False,
        )  # fmt: skip


def complain(said: str) -> None:
    """
    Raises:
        StackError: ``said`` is about the engine or the disk, not about what was asked.
    """
    at = min((said.index(words) for words in DEAD if words in said), default=None)
    if at is not None:
        raise StackError(
            f"the container engine does not answer; is it running? `conformance doctor`: {one_line(said[at:])[:SAID]}"
        )
    if FULL in said:
        raise StackError(f"the disk of the container engine is full; `conformance doctor`: {one_line(said)[-SAID:]}")


def environment() -> dict[str, str]:
    """This process's environment (it says where the engine is), without what would change a Compose command."""
    return {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}


def answers() -> bool:
    """Whether there is an engine that answers, with Compose."""
    program = shutil.which("docker")
    if program is None:
        return False
    for arguments in (["version", "--format", "{{.Server.Version}}"], ["compose", "version", "--short"]):
        try:
            subprocess.run([program, *arguments], capture_output=True, timeout=20, check=True, env=environment())
        except (OSError, subprocess.SubprocessError):
            return False
    return True
