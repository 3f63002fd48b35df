"""Programs that run inside containers, sent to whatever Python is there (3.7 and newer) on its standard input.

They use the standard library (and Dask, where it is its own experiment), take what they need as one JSON argument, and
print one line: :data:`MARK` and their answer as JSON. What else is printed there is not theirs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from conformance.stacks.base import Container, Executed, Stack

MARK = "conformance: "
PYTHONS = ("python3", "python", "/opt/conda/bin/python", "/usr/local/bin/python3", "/opt/venv/bin/python")
NOT_THERE = (126, 127)


def run(
    stack: Stack, container: Container, program: str, argument: object, *, first: Sequence[str] = (), timeout: float
) -> tuple[Any, Executed]:
    """What ``program`` answers from inside a running container (None: nothing), and how it ended.

    Args:
        program: the name of a file in this folder.
        first: interpreters to try before the usual ones.

    Raises:
        Unavailable: the container has ended.
    """
    source = files(__package__).joinpath(program).read_bytes()
    ended = Executed(127, "", "no Python")
    for python in dict.fromkeys((*first, *PYTHONS)):
        ended = stack.execute(
            container.service,
            [python, "-", json.dumps(argument)],
            stdin=source,
            timeout=timeout,
            container=container.id,
        )
        if ended.code not in NOT_THERE:
            break
    lines = [line for line in ended.out.splitlines() if line.startswith(MARK)]
    try:
        return json.loads(lines[-1][len(MARK) :]) if lines else None, ended
    except ValueError:
        return None, ended
