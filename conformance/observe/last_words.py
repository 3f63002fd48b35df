"""What became of a service's containers, in their own words: state, exit code, and the lines of the log that matter."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from conformance.stacks.base import Container, Role, Stack, Unavailable

TAIL = 64 * 1024  # bytes of a log
MAX_LINES = 6
MAX_LINE = 240
MAX_TROUBLED = 2
COMPLAINT = re.compile(
    r"error|exception|fatal|panic|critical|no such option|unexpected extra|refused|denied|timed out|not known"
    r"|not resolve|killed|cannot|could not|failed|not found|no such file|invalid|unrecognized"
    r"|unknown (?:flag|option|command)",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    r"level=(?:info|debug|trace)|\"level\":\s*\"(?:info|debug|trace)\"|\b(?:INFO|DEBUG|NOTICE|LOG|HINT|STATEMENT):?\s"
    r"|^(?:Traceback|During handling|The above exception)",
)
_OF_THE_ENGINE = re.compile(
    r"(?:(?:failed to create (?:shim )?task(?: for container)?|(?:OCI runtime|runc) create failed"
    r"|unable to start container process|error during container init): )+"
)
"""What the engine says before it comes to the point."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?Z?")
_TERMINAL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def last_words(stack: Stack, role: Role) -> str:
    """For the services of ``role``: how their containers are, and the last lines about errors; one line for each.

    Empty where nothing is wrong to see, and where the stack shows neither containers nor logs.
    """
    services = stack.roles().get(role, ())
    containers: tuple[Container, ...] = ()
    with suppress(Unavailable):
        containers = stack.containers()
    troubled = [how for one in containers if one.service in services and (how := trouble(one))]
    logs = stack.logs()
    said = [line for service in services if service in logs for line in complaints(logs[service])]
    if troubled and not said:
        said = [_both_ends(line) for service in services if service in logs for line in tail(logs[service])[-2:]]
    return "\n".join([*troubled[:MAX_TROUBLED], *said[-MAX_LINES:]])


def trouble(container: Container) -> str:
    """How a container is, when it is not as it should be: ``dask-worker-1: exited (2), restarts: 5``."""
    ended_well = container.state == "exited" and container.exit_code == 0 and not container.error
    if ended_well or (container.state == "running" and container.health != "unhealthy" and not container.restarts):
        return ""
    state = (
        f"{container.state} ({container.exit_code})" if container.state != "running" else container.health or "running"
    )
    restarts = f", restarts: {container.restarts}" if container.restarts else ""
    error = f", {_of_the_engine(container.error)}" if container.error else ""
    return f"{container.name}: {state}{restarts}{error}"


def _of_the_engine(error: str) -> str:
    """Why the engine could not start a container."""
    return _both_ends(_OF_THE_ENGINE.sub("", error, count=1))


def _both_ends(line: str) -> str:
    """A line in short: what was done comes first, and the cause last."""
    told = " ".join(line.split())
    return told if len(told) <= MAX_LINE else f"{told[: MAX_LINE // 2]} … {told[-MAX_LINE // 2 :]}"


def complaints(log: Path, limit: int = MAX_LINES) -> list[str]:
    """The last lines of a log that are about errors, each once."""
    found = [_both_ends(line) for line in tail(log) if COMPLAINT.search(line) and not _HARMLESS.search(line)]
    return _each_last(found)[-limit:]


def tail(log: Path) -> list[str]:
    """The last lines of a log that are not empty, without a terminal's colours; none when it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            text = file.read(TAIL).decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line for raw in text.splitlines() if (line := _TERMINAL.sub("", raw).strip())]


def _each_last(lines: Iterable[str]) -> list[str]:
    """The lines without those that come again, at another time."""
    found: dict[str, str] = {}
    for line in reversed(list(lines)):
        found.setdefault(_TIME.sub("", line), line)
    return list(reversed(found.values()))
