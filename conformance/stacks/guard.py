"""Ends process groups and removes what they left: for the kit when it stops, and in its stead when it is killed.

Run as a program (``python -I -S guard.py MARKER``), it reads orders from a pipe whose other end only the kit holds. At
the end of the pipe the kit is gone, however it went: the guard ends what is still registered and exits. It lives in a
session of its own, so that the terminal's Ctrl-C does not reach it. Standard library only: it is there in milliseconds.

Orders, one a line: ``+group PGID SIGNAL``, ``-group PGID``, ``+path PATH``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

MARKER = "PQRS_CONFORMANCE_STACK"  # environment variable that every process of a stack carries
PATIENCE = 3.0  # seconds between asking and killing
POLL = 0.02


def alive(group: int) -> bool:
    """Whether the group has a process that is more than a zombie (some containers collect no orphans)."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    states = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _parent, itself = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:3]
            if int(itself) == group:
                states.append(state)
    return not states or any(state not in b"ZX" for state in states)


def marked(marker: str) -> list[int]:
    """Processes that carry the marker in their environment, whatever their group. Empty where there is no /proc."""
    needle = f"{MARKER}={marker}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if needle in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def send(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def end(
    groups: Mapping[int, int], marker: str | None, patience: float = PATIENCE, collect: Callable[[], object] = bool
) -> None:
    """End the groups together: each gets its own signal and, after ``patience`` seconds, SIGKILL.

    Then whatever carries the marker and has left its group is killed. ``collect`` is called between looks, for a parent
    to collect its ended children.
    """
    for group, number in groups.items():
        send(group, number)
    rest = list(groups)
    deadline = time.monotonic() + patience
    while (rest := [group for group in rest if alive(group)]) and time.monotonic() < deadline:
        time.sleep(POLL)
        collect()
    for group in rest:  # those that ended are let alone: another may have their number by now
        send(group, signal.SIGKILL)
    deadline = time.monotonic() + patience
    while marker and (strays := marked(marker)) and time.monotonic() < deadline:
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL)
        collect()


def remove(paths: Iterable[str]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            Path(path).unlink()
        shutil.rmtree(path, ignore_errors=True)


def main(marker: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: dict[int, int] = {}
    paths: list[str] = []
    for line in sys.stdin:
        order, _, rest = line.removesuffix("\n").partition(" ")
        if order == "+group":
            group, _, stop = rest.partition(" ")
            groups[int(group)] = int(stop)
        elif order == "-group":
            groups.pop(int(rest), None)
        elif order == "+path":
            paths.append(rest)
    end(groups, marker)
    remove(paths)


if __name__ == "__main__":
    main(sys.argv[1])
