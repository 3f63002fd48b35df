"""Into a container: testinfra, through the stack's own way in, which is bounded in time.

Processes and sockets are read from ``/proc``, all with one command: slim images have neither ``ps`` nor ``ss``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from conformance.stacks.base import Container, Stack, Unavailable

TIMEOUT_S = 15.0
MAX_OUTPUT = 1024 * 1024
MAX_PROCESSES = 200
RECORD = "\x1e"
READING = r"""
for d in /proc/[0-9]*; do
  [ -r "$d/status" ] || continue
  parent= uid=
  while read -r key first second rest; do
    case "$key" in PPid:) parent=$first ;; Uid:) uid=$second ;; esac
  done < "$d/status"
  printf '\036%s %s %s ' "${d#/proc/}" "$parent" "$uid"
  cat "$d/cmdline"
done 2>/dev/null
for f in tcp tcp6; do printf '\036%s ' "$f"; cat "/proc/net/$f"; done 2>/dev/null
"""
"""Prints processes (pid, parent, effective uid, words) and the kernel's tables of TCP sockets, each after a RECORD."""
LISTEN = "0A"


class Running(NamedTuple):
    """A process inside a container."""

    pid: int
    uid: int | None  # None: cannot be told
    argv: tuple[str, ...]


class Inside(NamedTuple):
    """What runs in a container; ``listening``: its TCP ports that others can reach. None: it cannot be told."""

    processes: tuple[Running, ...]
    listening: tuple[int, ...] | None


class _Way(BaseBackend):  # type: ignore[misc]  # testinfra has no types
    """How testinfra runs a command in a container of a stack."""

    NAME = "stack"

    def __init__(self, stack: Stack, container: Container) -> None:
        super().__init__(container.name)
        self._stack = stack
        self._container = container

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        line = self.quote(command, *args)
        ended = self._stack.execute(
            self._container.service, ["/bin/sh", "-c", line], timeout=TIMEOUT_S, container=self._container.id
        )
        return self.result(ended.code, line.encode(), ended.out[:MAX_OUTPUT], ended.err[:MAX_OUTPUT])


def host(stack: Stack, container: Container) -> Host:
    """testinfra's view of a running container; its questions raise Unavailable when that has ended."""
    return Host(_Way(stack, container))


def look(stack: Stack, container: Container, inspected: Mapping[str, Any]) -> Inside:
    """What runs in a container: by ``/proc``; without a shell in the image, what the engine started."""
    try:
        told = host(stack, container).run(READING)
    except Unavailable:
        return Inside((), None)
    records = told.stdout.split(RECORD)[1:] if told.rc == 0 else []
    processes = tuple(_ours_left_out(record for record in records if record[:1].isdigit()))
    if not processes:
        return Inside((_started(inspected),), None)
    tables = [record.partition(" ")[2] for record in records if record.startswith("tcp")]
    return Inside(processes[:MAX_PROCESSES], tuple(sorted({port for table in tables for port in _listening(table)})))


def _ours_left_out(records: Iterator[str]) -> Iterator[Running]:
    """The processes but those that are there for this reading: their parents are outside of the container."""
    every: dict[int, tuple[int, Running]] = {}
    for record in records:
        number, parent, uid, words = (*record.split(" ", 3), "", "", "")[:4]
        argv = tuple(words.rstrip("\0\n").split("\0")) if words.strip("\0\n") else ()
        if argv and parent.isdigit():
            every[int(number)] = (int(parent), Running(int(number), int(uid) if uid.isdigit() else None, argv))
    for pid, (_, running) in every.items():
        while pid != 1 and every.get(pid, (0,))[0] != 0:
            pid = every[pid][0]
        if pid == 1:
            yield running


def _listening(table: str) -> Iterator[int]:
    """The ports of a table of ``/proc/net`` that are open for more than the container itself."""
    for line in table.splitlines():
        words = line.split()
        if len(words) > 3 and words[3] == LISTEN:
            address, _, port = words[1].partition(":")
            if not _is_loopback(address):
                yield int(port, 16)


def _is_loopback(address: str) -> bool:
    """Of an address as the kernel writes it: words of 32 bits in the machine's (little-endian) order."""
    if len(address) == 8:
        return address.endswith("7F")
    return address == "0" * 24 + "01000000" or (address.startswith("0" * 16 + "FFFF0000") and address.endswith("7F"))


def _started(inspected: Mapping[str, Any]) -> Running:
    user = str((inspected.get("Config") or {}).get("User") or "0").partition(":")[0]
    uid = 0 if user == "root" else int(user) if user.isdigit() else None
    argv: Sequence[str] = (str(inspected.get("Path") or ""), *(inspected.get("Args") or ()))
    return Running(1, uid, tuple(argv))
