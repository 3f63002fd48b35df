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
    source: Path  # root of the repository
    env_file: Path | None = None
    keep: bool = False
    timeout: float | None = None  # seconds that a service may take to be ready; None: the stack's own patience


def open_stack(request: StackRequest) -> Stack:
    """The stack, not yet entered.

    Raises:
        StackError: this version cannot have it.
    """
    if request.kind != "embedded":
        raise StackError(NOT_YET[request.kind])
    from conformance.stacks import embedded

    timeout = embedded.TIMEOUT if request.timeout is None else request.timeout
    return embedded.EmbeddedStack(request.source, env_file=request.env_file, keep=request.keep, timeout=timeout)


def reference_root() -> Path:
    """Where the reference's own repository is."""
    from conformance.stacks import embedded

    return embedded.reference_root()
