"""Which stack a request means, and why some cannot be had in this version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conformance.stacks.base import Stack, StackError

NOT_YET = {
    "compose": "this version cannot check a Compose stack yet; use --stack embedded for the reference",
    "attached": "this version cannot attach to a running stack yet; use --stack embedded for the reference",
}


@dataclass(frozen=True)
class StackRequest:
    """What was asked for on the command line."""

    kind: str
    source: Path | None  # None: the reference
    env_file: Path | None = None
    keep: bool = False
    timeout: float = 300.0  # seconds that a service may take to be ready


def open_stack(request: StackRequest) -> Stack:
    """The stack, not yet entered.

    Raises:
        StackError: this version cannot have it.
    """
    if request.kind != "embedded":
        raise StackError(NOT_YET.get(request.kind, f"unknown stack: {request.kind}"))
    from conformance.stacks.embedded import EmbeddedStack

    return EmbeddedStack(request.source, env_file=request.env_file, keep=request.keep, timeout=request.timeout)
