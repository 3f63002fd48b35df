"""Stacks of containers for tests: what is asked of them is written down here, and commands run on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conformance.stacks.base import (
    AbsentRole,
    Capability,
    Certainty,
    ComposeModel,
    Container,
    Endpoint,
    Executed,
    Finding,
    Role,
    Unavailable,
)


def running(service: str, **changes: Any) -> Container:
    """A container that is up and well, changed."""
    sound = Container(
        id=f"id-{service}-1", name=f"{service}-1", service=service, state="running", exit_code=0, restarts=0, health=""
    )
    return replace(sound, **changes)


def model(services: Mapping[str, Mapping[str, Any]], **roles: Role) -> ComposeModel:
    """A model that is authored as it resolves; ``roles`` by service, with ``_`` for ``-``."""
    document = {"services": dict(services)}
    findings = tuple(Finding(name.replace("_", "-"), role, Certainty.SURE, "its image") for name, role in roles.items())
    return ComposeModel(
        file="docker-compose.yml", raw=document, authored=document, resolved=document, findings=findings
    )


def on_this_machine(argv: Sequence[str], stdin: bytes, timeout: float) -> Executed:
    """As a container without any isolation would run it."""
    try:
        ended = subprocess.run(list(argv), input=stdin, capture_output=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        return Executed(127, "", str(error))
    return Executed(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


@dataclass
class Containers:
    """As much of a Compose stack as observers ask of its containers."""

    model: ComposeModel = field(default_factory=ComposeModel)
    seen: Sequence[Container] = ()
    inspected: dict[str, dict[str, Any]] = field(default_factory=dict)  # by service
    endpoints: dict[Role, Endpoint] = field(default_factory=dict)
    root: Path = Path()
    log_files: dict[str, Path] = field(default_factory=dict)
    run: Callable[[Sequence[str], bytes, float], Executed] = on_this_machine
    kind: str = "compose"
    capabilities: frozenset[Capability] = frozenset(Capability)
    runs_reference: bool = False
    executed: list[tuple[str, ...]] = field(default_factory=list)

    def compose(self) -> ComposeModel:
        return self.model

    def containers(self) -> tuple[Container, ...]:
        return tuple(self.seen)

    def roles(self) -> dict[Role, tuple[str, ...]]:
        return {role: services for role in Role if (services := self.model.services_of(role))}

    def endpoint(self, role: Role, port: str = "main") -> Endpoint:
        if role not in self.endpoints:
            raise AbsentRole(f"no {role}")
        return self.endpoints[role]

    def inspect(self, container: str) -> dict[str, Any]:
        return self.inspected.get(self._of(container).service, {})

    def execute(
        self, service: str, argv: Sequence[str], *, stdin: bytes = b"", env: Mapping[str, str] | None = None,
        timeout: float = 30.0, container: str | None = None,
    ) -> Executed:  # fmt: skip
        if self._of(container or "").state != "running":
            raise Unavailable(f"{service} has no running container")
        self.executed.append(tuple(argv))
        return self.run(argv, stdin, timeout)

    def _of(self, container: str) -> Container:
        return next(one for one in self.seen if one.id == container)

    def logs(self) -> dict[str, Path]:
        return self.log_files

    def source(self) -> Path:
        return self.root
