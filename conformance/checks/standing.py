"""Which containers have fallen, and of what."""

from __future__ import annotations

import re

from conformance.observe.containers import ContainerFacts

OUT_OF_MEMORY = 137
CAUSES = {  # words of the engine's error or of the container's log
    "command": (
        "executable file not found",
        "no such file or directory: unknown",
        "exec format error",
        "not found in $path",
    ),
    "permission": ("permission denied", "operation not permitted", "not writable", "read-only file system"),
    "option": (
        "no such option",
        "unexpected extra",
        "unknown flag",
        "unknown option",
        "unrecognized",
        "unknown command",
    ),
}


def has_fallen(container: ContainerFacts) -> bool:
    """It ended with an error, was started again after it had settled or without ever settling, or is unhealthy.

    A job that ended with 0 has done its work.
    """
    match container.state:
        case "exited":
            return container.exit_code != 0 or bool(container.error)
        case "running":
            again = container.restarts_since > 0 or (not container.settled and container.restarts > 0)
            return again or container.health == "unhealthy"
        case "paused":
            return False
    return True  # created and never started, restarting, dead


def how(container: ContainerFacts) -> str:
    """In a line: state, exit code, restarts, and what it said last."""
    state = container.state
    if state in ("exited", "restarting", "dead"):
        state = f"{state} ({container.exit_code})"
    facts = [
        f"restarts: {container.restarts}" if container.restarts else "",
        container.health if container.health == "unhealthy" else "",
        "out of memory" if container.oom_killed else "",
        container.error,
    ]
    told = ", ".join(filter(None, [state, *facts]))
    return f"{container.service}: {told}" + (f": {container.last_words}" if container.last_words else "")


def cause(container: ContainerFacts) -> str | None:
    """The name of the hint for what is wrong with it."""
    if container.oom_killed or container.exit_code == OUT_OF_MEMORY:
        return "memory"
    if container.state == "restarting" and container.exit_code == 0:
        return "ended_well"
    if container.state == "running" and container.health == "unhealthy" and _lacks_its_tool(container.last_words):
        return "health_tool"
    said = f"{container.error}\n{container.last_words}".lower()
    known = next((name for name, words in CAUSES.items() if any(word in said for word in words)), None)
    if known:
        return known
    if container.state == "created":
        return "never_started"
    return "unhealthy" if container.state == "running" and container.health == "unhealthy" else None


def _lacks_its_tool(last_words: str) -> bool:
    """Whether the health check calls a program that is not in the image."""
    first = last_words.partition("\n")[0].lower()
    return first.startswith("health check:") and (
        any(word in first for word in CAUSES["command"]) or bool(re.search(r": not found\b", first))
    )
