"""What the processes of a container are: of which role, under which user, in which interpreter."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator, Sequence

from conformance.observe.containers_inside import Running
from conformance.observe.facts import Facts
from conformance.observe.web import brief
from conformance.stacks.discovery import roles_in

_PYTHON = re.compile(r"(python|pypy)[\d.]*")
_INTERPRETER = re.compile(r"(python|pypy)[\d.]*|(ba|da|a)?sh")


class Process(Facts):
    """A process inside a container."""

    pid: int
    uid: int | None  # None: cannot be told
    command: str  # the program and its subcommands: no options and no values
    roles: tuple[str, ...] = ()  # of which it is the main process


def process(running: Running) -> Process:
    return Process(
        pid=running.pid, uid=running.uid, command=brief(" ".join(_command(running.argv)), 100), roles=roles(running)
    )


def roles(running: Running) -> tuple[str, ...]:
    """The roles whose main process this is."""
    return tuple(str(role) for role in roles_in({"command": list(_program(running.argv))}))


def main_uid(processes: Sequence[Running]) -> int | None:
    """Of the main process; where none is known, of what one that runs as root (an init, a supervisor) has started."""
    main = [one for one in processes if roles(one)] or [one for one in processes if one.uid] or processes
    return main[0].uid if main else None


def interpreters(processes: Sequence[Running]) -> list[str]:
    """The Pythons that run there, those of a role's process first: what it imports is installed for them."""
    ordered = sorted(processes, key=lambda one: not roles(one))
    programs = [one.argv[0] for one in ordered if one.argv[0].startswith("/")]
    return [program for program in programs if _PYTHON.fullmatch(posixpath.basename(program))]


def _program(argv: Sequence[str]) -> Sequence[str]:
    """``dask worker …`` of ``/usr/bin/python3 /usr/local/bin/dask worker …``."""
    scripted = len(argv) > 1 and _INTERPRETER.fullmatch(posixpath.basename(argv[0])) and not argv[1].startswith("-")
    return argv[1:] if scripted else argv


def _command(argv: Sequence[str]) -> Iterator[str]:
    """The program and the words after it until the first that is an option or a value: those may be secrets."""
    program, *words = _program(argv)
    yield posixpath.basename(program)
    yield from itertools.takewhile(lambda word: re.fullmatch(r"[a-z][a-z-]*", word) is not None, words)
