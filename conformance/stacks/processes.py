"""Child processes of a stack: each in a session of its own with its own log, all ended together, whatever happens."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.stacks import guard
from conformance.stacks.base import StackError

LOG_BYTES = 64 * 1024
TAIL_LINES = 8
TAIL_CHARS = 1_000
INHERITED = ("LD_LIBRARY_PATH",)  # without it an interpreter in an unusual place does not start
LOOPBACK = "127.0.0.1,localhost"


@dataclass(frozen=True)
class Command:
    """How one process of a stack is started."""

    service: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    stop: signal.Signals = signal.SIGTERM  # what asks it to end
    user: pwd.struct_passwd | None = None  # run as this user (only root can)


@dataclass(eq=False)
class Child:
    """A running process, which leads a group of its own."""

    command: Command
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int  # where its own part of the service's log begins
    secrets: Collection[str]
    ended: Callable[[int], object]  # told once that the group is no more
    _over: bool = False

    @property
    def name(self) -> str:
        return self.command.service

    @property
    def group(self) -> int:
        return self.process.pid

    def running(self) -> bool:
        """Whether it has not ended. What an ended one leaves in its group is killed at once: the number is free now."""
        if self.process.poll() is None:
            return True
        if not self._over:
            self._over = True
            guard.send(self.group, signal.SIGKILL)
            self.ended(self.group)
        return False

    def said(self) -> str:
        """What it has logged last, bounded, without secrets."""
        with self.log.open("rb") as stream:
            stream.seek(max(self.log_start, self.log.stat().st_size - LOG_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def tail(self) -> str:
        """The end of its log in one line."""
        lines = [" ".join(line.split()) for line in self.said().splitlines() if line.strip()]
        return " | ".join(lines[-TAIL_LINES:])[-TAIL_CHARS:] or "(empty)"


class Processes:
    """The processes of one stack and the folder that they write in.

    A guard process ends them and removes the folder when this process dies without doing so.
    """

    def __init__(self, secret: Collection[str] = (), keep: bool = False) -> None:
        """Raises: StackError: there is no folder for temporary files."""
        self.marker = secrets.token_hex(8)
        try:
            self.directory = Path(tempfile.gettempdir(), f"pqrs-stack-{self.marker}")
        except FileNotFoundError as error:
            raise StackError(f"the stack has nowhere to write: {error.strerror}") from error
        self._secrets = secret
        self._keep = keep
        self._lock = threading.Lock()
        self._children: dict[int, Child] = {}
        self._paths: list[Path] = []
        self._closed = False
        reading, writing = os.pipe()
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, self.marker],
            stdin=reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, cwd="/", env={},
        )  # fmt: skip
        os.close(reading)
        self._orders = os.fdopen(writing, "w", encoding="utf-8", errors="surrogateescape", buffering=1)
        self.remove_at_end(self.directory)
        self.directory.mkdir(mode=0o700)

    def remove_at_end(self, path: Path) -> None:
        """``path``, which need not be there yet, goes with the stack, unless its folders are kept."""
        if not self._keep:
            with self._lock:
                self._paths.append(path)
                self._order(f"+path {path}")

    def folder(self, name: str) -> Path:
        path = self.directory / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a child gets to know of the environment: nothing but what is named here."""
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
            "HOME": str(self.folder("home")),
            "TMPDIR": str(self.folder("tmp")),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "NO_PROXY": LOOPBACK,
            "no_proxy": LOOPBACK,
            "PYTHONUNBUFFERED": "1",
            "PYTHONSAFEPATH": "1",
            "PYTHONNOUSERSITE": "1",
            **(extra or {}),
            guard.MARKER: self.marker,
        }

    def log(self, service: str) -> Path:
        return self.folder("logs") / f"{service}.log"

    def logs(self) -> dict[str, Path]:
        return {path.stem: path for path in sorted(self.folder("logs").glob("*.log"))}

    def note(self, service: str, text: str) -> None:
        """Say something in a service's log."""
        with self.log(service).open("a", encoding="utf-8") as log:
            log.write(text + "\n")

    def start(self, command: Command) -> Child:
        """Start a process; its output is appended to the service's log.

        Raises:
            StackError: it cannot be executed, or the stack is being stopped.
        """
        log = self.log(command.service)
        with self._lock, log.open("ab") as output:
            if self._closed:
                raise StackError(f"the stack is stopped: {command.service} is not started")
            log_start = output.tell()
            try:
                user = command.user
                process = subprocess.Popen(
                    list(command.argv), env=dict(command.env), cwd=command.cwd, start_new_session=True,
                    user=user.pw_uid if user else None, group=user.pw_gid if user else None,
                    extra_groups=[] if user else None, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                )  # fmt: skip
            except (OSError, subprocess.SubprocessError) as error:
                raise StackError(f"cannot start {command.service}: {error}") from error
            self._order(f"+group {process.pid} {int(command.stop)}")
            child = Child(command, process, log, log_start, self._secrets, self._forget)
            self._children[child.group] = child
            return child

    def run(self, command: Command) -> None:
        """Start a process and wait for its end.

        Raises:
            StackError: it failed; with the end of its log.
        """
        child = self.start(command)
        code = child.process.wait()
        child.running()
        if code:
            raise StackError(f"{Path(command.argv[0]).name} ended with {code}; its log: {child.tail()}")

    def end(self, children: Collection[Child], patience: float = guard.PATIENCE) -> None:
        """End these processes with their groups, all at once."""
        self._end(children, None, patience)

    def kill(self, child: Child) -> None:
        """End a process with its group, without warning."""
        if child.running():
            guard.send(child.group, signal.SIGKILL)
            child.process.wait()
            child.running()

    def end_all(self) -> None:
        """End every process; none is started any more."""
        with self._lock:
            self._closed = True
            children = list(self._children.values())
        self._end(children, self.marker, guard.PATIENCE)

    def close(self) -> None:
        """Once all have ended: remove the folders (unless they are kept) and dismiss the guard.

        Raises:
            StackError: something is left; names it.
        """
        guard.remove(map(str, self._paths))
        with contextlib.suppress(OSError):
            self._orders.close()
        self._guard.wait()
        left = [f"process {pid}" for pid in guard.marked(self.marker)]
        left += [str(path) for path in self._paths if path.exists()]
        if left:
            raise StackError(f"the embedded stack could not remove: {', '.join(left)}")

    def _end(self, children: Collection[Child], marker: str | None, patience: float) -> None:
        running = [child for child in children if child.running()]

        def collect() -> None:  # a child that has ended and is not waited for stays a member of its group
            for child in running:
                child.running()

        guard.end({child.group: int(child.command.stop) for child in running}, marker, patience, collect)
        for child in running:
            child.process.wait()
        collect()

    def _forget(self, group: int) -> None:
        with self._lock:
            self._children.pop(group, None)
            self._order(f"-group {group}")

    def _order(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # without a guard (somebody killed it) the stack still works
            self._orders.write(line + "\n")
