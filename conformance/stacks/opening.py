"""Which stack a request means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conformance.stacks.base import Stack, StackError


@dataclass(frozen=True)
class StackRequest:
    """What was asked for on the command line."""

    kind: str  # static | embedded | compose | attached
    source: Path  # root of the repository
    is_named: bool = True  # somebody named that repository, as opposed to the reference by default
    is_reference: bool = False
    env_file: Path | None = None
    compose_file: Path | None = None
    images: str = "upstream"  # upstream | offline | the path of a map
    trust: bool = False  # run what would be refused
    keep: bool = False
    timeout: float | None = None  # seconds that a service may take to be ready; None: the stack's own patience


def open_stack(request: StackRequest) -> Stack:
    """The stack, not yet entered.

    Raises:
        StackError: this version cannot have it.
    """
    match request.kind:
        case "static":
            from conformance.stacks.static import SourceStack

            return SourceStack(request.source, compose_file=request.compose_file, env_file=request.env_file)
        case "embedded":
            from conformance.stacks import embedded

            timeout = embedded.TIMEOUT if request.timeout is None else request.timeout
            return embedded.EmbeddedStack(request.source, env_file=request.env_file, keep=request.keep, timeout=timeout)
        case "compose":
            from conformance.stacks.compose import images, stack

            return stack.ComposeStack(
                stack.ComposeRequest(
                    source=request.source,
                    images=images.load(request.images, reference_root()),
                    compose_file=request.compose_file,
                    env_file=request.env_file,
                    trust=request.trust,
                    keep=request.keep,
                    timeout=stack.TIMEOUT if request.timeout is None else request.timeout,
                    is_reference=request.is_reference,
                )
            )
        case "attached":
            from conformance.stacks import attached

            if request.env_file is None:
                raise StackError("--stack attached needs --env-file FILE, which says where its services are")
            timeout = attached.TIMEOUT if request.timeout is None else request.timeout
            return attached.AttachedStack(request.env_file, request.source if request.is_named else None, timeout)
    raise ValueError(request.kind)


def engine_answers() -> bool:
    """Whether a Compose stack can be had on this machine."""
    from conformance.stacks.compose import engine

    return engine.answers()


def reference_root() -> Path:
    """Where the reference's own repository is."""
    from conformance.stacks import embedded

    return embedded.reference_root()
