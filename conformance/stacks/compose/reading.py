"""What a repository's Compose stack is, before anything of it runs: found, vetted, resolved, its roles discovered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conformance.inputs import InputError
from conformance.stacks import discovery
from conformance.stacks.base import ComposeModel, Role, StackError
from conformance.stacks.compose import access, configured, env, model, project, vetting

_ASLEEP = "nobody asks for its profile"


@dataclass(frozen=True)
class Reading:
    """``document`` is what Compose printed (``$`` doubled); ``left_out`` are services that must not run, and why."""

    model: ComposeModel = field(default_factory=ComposeModel)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    left_out: Mapping[str, str] = field(default_factory=dict)


def read(
    source: Path, *, compose_file: Path | None = None, env_file: Path | None = None, trust: bool = False
) -> Reading:
    """
    Raises:
        StackError: the files hold what is not run of a stranger's (and is not trusted), or cannot be used; one line.
        Unavailable: Docker Compose is not installed.
    """
    try:
        found = project.find(source, compose_file, env_file)
    except InputError as error:
        raise StackError(str(error)) from None
    resolution = model.resolve(found)
    resolved = resolution.model.resolved.get("services", {})
    findings = discovery.discover(
        resolved, declared=found.config.roles, built=configured.all_built(resolved, found.root)
    )
    roles = {finding.service: finding.role for finding in findings}
    active = set(re.split(r"[,\s]+", found.env.values.get("COMPOSE_PROFILES", "")))
    left_out = dict.fromkeys(_asleep(resolved, roles, active), _ASLEEP)
    for refusal in (*vetting.vet(found), *vetting.vet_resolved(found, resolution.model)):
        if trust or refusal.replaced:
            continue
        if not refusal.service or roles.get(refusal.service, Role.OTHER) is not Role.OTHER:
            raise StackError(f"{refusal}; --trust runs it all the same")
        left_out[refusal.service] = str(refusal)
    secrets = dict(_secrets(resolution.document, found.env.values))
    document = {**resolution.document, "secrets": secrets} if secrets else resolution.document
    read_model = replace(resolution.model, findings=findings)
    if secrets:
        read_model = replace(read_model, resolved={**read_model.resolved, "secrets": secrets})
    return Reading(
        model=read_model,
        document=document,
        secrets=access.secrets_of(read_model, found.env.values, found.root),
        left_out=left_out,
    )


def _asleep(services: Mapping[str, Any], roles: Mapping[str, Role], active: AbstractSet[str]) -> set[str]:
    """Services of profiles that are not active, which ``up`` does not start: tools, tests, copies for elsewhere.

    Those with a role run all the same, and what they wait for: who deploys them asks for their profile.
    """
    waiting = [
        name
        for name, service in services.items()
        if name in roles or not service.get("profiles") or "*" in active or active & set(service["profiles"])
    ]
    awake: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in awake and name in services:
            awake.add(name)
            waiting += services[name].get("depends_on") or ()
    return services.keys() - awake


def _secrets(document: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The secrets with what is in them where that is no file: a secret's file is rarely in a repository."""
    for name, secret in document.get("secrets", {}).items():
        if "environment" in secret:
            yield name, {"content": values.get(str(secret["environment"]), "")}
        elif "file" in secret and not Path(secret["file"]).exists():
            yield name, {"content": env.generated_value()}
        else:
            yield name, secret
