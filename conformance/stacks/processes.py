"""Child processes of a stack: each in a session of its own with its own log, all ended together, whatever happens."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.stacks import guard
from conformance.stacks.base import StackError

TAIL_LINES = 12
TAIL_CHARS = 1_500
INHERITED = ("LD_LIBRARY_PATH", "SYSTEMROOT")  # without these the interpreter itself may not start


@dataclass(frozen=True)
class Command:
    """How one process of a stack is started."""

    service: str
    argv: Sequence[str]
    env: Mapping[str, str]
    stop: signal.Signals = signal.SIGTERM  # what asks it to end
    user: str | None = None  # run as this user (only root can)
    cwd: Path | None = None


class Child:
    """A running process and its group."""

    def __init__(self, command: Command, process: subprocess.Popen[bytes], log: Path) -> None:
        self.command = command
        self.process = process
        self.log = log

    @property
    def group(self) -> int:
        return self.process.pid  # its own session: the group has the leader's id

    def running(self) -> bool:
        return self.process.poll() is None


class Processes:
    """The processes of one stack, below a directory of their own.

    A guard process ends them and removes the directory when this process dies without doing so.
    """

    def __init__(self, keep: bool = False) -> None:
        self.marker = secrets.token_hex(8)
        self.directory = Path(tempfile.mkdtemp(prefix="pqrs-stack-"))
        self.keep = keep
        self._lock = threading.Lock()
        self._children: dict[int, Child] = {}
        self._paths: list[str] = []
        self._closed = False
        reading, writing = os.pipe()
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(guard.__file__)), self.marker],
                stdin=reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, cwd="/", env={},
            )  # fmt: skip
        finally:
            os.close(reading)
        self._pipe = os.fdopen(writing, "w", encoding="utf-8", errors="surrogateescape", buffering=1)
        if not keep:
            self.remove_at_end(self.directory)

    def remove_at_end(self, path: Path) -> None:
        self._paths.append(str(path))
        self._order(f"+path {path}")

    def folder(self, name: str) -> Path:
        """A directory for one service, readable by nobody else."""
        path = self.directory / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a child gets to know of the environment: nothing but what is named here."""
        home, scratch = self.folder("home"), self.folder("tmp")
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
            "HOME": str(home),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "PYTHONUNBUFFERED": "1",
            "PYTHONSAFEPATH": "1",
            "PYTHONNOUSERSITE": "1",
            **(extra or {}),
            guard.MARKER: self.marker,
        }

    def start(self, command: Command) -> Child:
        """Start a process; its output is appended to the service's log.

        Raises:
            StackError: it cannot be executed, or the stack is being stopped.
        """
        log = self.log(command.service)
        with self._lock, log.open("ab") as output:
            if self._closed:
                raise StackError(f"the stack is stopped: {command.service} is not started")
            try:
                process = subprocess.Popen(
                    list(command.argv), env=dict(command.env), cwd=command.cwd or self.directory, user=command.user,
                    extra_groups=[] if command.user else None, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                    start_new_session=True,
                )  # fmt: skip
            except (OSError, subprocess.SubprocessError) as error:
                raise StackError(f"cannot start {command.service}: {error}") from error
            self._order(f"+group {process.pid} {int(command.stop)}")
            child = Child(command, process, log)
            self._children[child.group] = child
            return child

    def log(self, service: str) -> Path:
        return self.folder("logs") / f"{service}.log"

    def logs(self) -> dict[str, Path]:
        return {path.stem: path for path in sorted(self.folder("logs").glob("*.log"))}

    def note(self, service: str, text: str) -> None:
        """Say something in a service's log."""
        with self.log(service).open("a", encoding="utf-8") as log:
            log.write(text + "\n")

    def run(self, command: Command) -> None:
        """Start a process and wait for its end.

        Raises:
            StackError: it failed; with the end of its log.
        """
        child = self.start(command)
        code = child.process.wait()
        self._forget([child])
        if code:
            raise StackError(f"{Path(command.argv[0]).name} failed (exit {code}): {tail(child.log)}")

    def end(self, children: Iterable[Child], patience: float = guard.PATIENCE) -> None:
        """End these processes and their groups, together."""
        self._end(list(children), None, patience)

    def kill(self, child: Child) -> None:
        """End a process and its group without warning."""
        guard.send(child.group, signal.SIGKILL)
        child.process.wait()
        self._forget([child])

    def _end(self, children: Sequence[Child], marker: str | None, patience: float) -> None:
        def collect() -> None:  # a child that has ended and is not waited for stays a member of its group
            for child in children:
                child.process.poll()

        guard.end({child.group: int(child.command.stop) for child in children}, marker, patience, collect)
        for child in children:
            child.process.wait()
        self._forget(children)

    def _forget(self, children: Iterable[Child]) -> None:
        with self._lock:
            for child in children:
                self._children.pop(child.group, None)
                self._order(f"-group {child.group}")

    def end_all(self) -> None:
        """End every process; none is started any more."""
        with self._lock:
            self._closed = True
            children = list(self._children.values())
        self._end(children, self.marker, guard.PATIENCE)

    def close(self) -> None:
        """End every process, remove the directory (unless it is kept) and dismiss the guard."""
        self.end_all()
        guard.remove(self._paths)
        with contextlib.suppress(OSError):
            self._pipe.close()
        self._guard.wait()

    def _order(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a guard that was killed takes no orders: then nothing protects
            self._pipe.write(line + "\n")


def tail(log: Path, secret: Iterable[str] = ()) -> str:
    """The last lines of a log, bounded, without secrets."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 64 * 1024))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError as error:
        return f"(no log: {error.strerror})"
    for value in secret:
        text = text.replace(value, "***")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-TAIL_LINES:])[-TAIL_CHARS:] or "(its log is empty)"
