"""Which role each service of a Compose file plays, how sure that is, and why.

What the author declares goes first (``conformance.toml``, then the label ``pqrs.role``), then what the container runs,
then its image, and last what it looks like (name, environment, mounts, ports), of which one sign alone proves nothing.
A service has one role; what only serves, prepares or watches a role's service (exporters, bucket jobs, user interfaces,
poolers) has none.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from conformance.stacks import signs
from conformance.stacks.base import Certainty, Finding, Plane, Role, StackError
from conformance.stacks.compose.programs import Built, Process, processes
from conformance.stacks.compose.service import environment, exposed, host_names, image, labels, mounts, settled, words
from conformance.stacks.signs import LOOKS, Make
from conformance.text import clean

LABEL = "pqrs.role"
MAX_REASON = 200

_PLANES: Mapping[Role, Plane] = {
    Role.POSTGRES: Plane.CONTROL,
    Role.PREFECT_SERVER: Plane.CONTROL,
    Role.PREFECT_WORKER: Plane.CONTROL,
    Role.PROMETHEUS: Plane.CONTROL,
    Role.OBJECT_STORE: Plane.DATA,
    Role.DASK_SCHEDULER: Plane.COMPUTE,
    Role.DASK_WORKER: Plane.COMPUTE,
    Role.GRAFANA: Plane.SERVING,
}
_EQUALS = frozenset({Role.DASK_WORKER, Role.PREFECT_WORKER})  # of their services none is the main one
_NOTHING: Mapping[Any, Any] = MappingProxyType({})


def plane_of(role: Role) -> Plane:
    """The plane of ADR-0001 that a role belongs to.

    Raises:
        KeyError: ``Role.OTHER``, which has none.
    """
    return _PLANES[role]


def discover(
    services: Mapping[str, Mapping[str, Any]],
    declared: Mapping[Role, tuple[str, ...]] = _NOTHING,
    built: Mapping[str, Built] = _NOTHING,
) -> tuple[Finding, ...]:
    """The services that play a role, by role in :class:`Role`'s order; of each role the main service first.

    Args:
        services: a Compose model's, resolved or as written.
        declared: what ``conformance.toml`` says; of a role that it names no other service is taken.
        built: by service, what its Dockerfile says.

    Raises:
        StackError: the declaration names a service that there is not, or one service for two roles.
    """
    by_declaration = _by_declaration(services, declared)
    found: list[Finding] = []
    for name, service in services.items():
        if name in by_declaration:
            found.append(by_declaration[name])
            continue
        finding = _by_label(name, service) or _Clues.of(name, service, built.get(name)).finding()
        if finding and finding.role not in declared:
            found.append(finding)
    found = [finding for finding in found if finding.role is not Role.OTHER and not _is_outdone(finding, found)]
    return tuple(finding for role in Role for finding in _ordered(role, found, services))


def roles_in(service: Mapping[str, Any], built: Built | None = None) -> tuple[Role, ...]:
    """The roles whose main processes a service runs, by its command line; by its image where that says nothing."""
    clues = _Clues.of("", service, built)
    if clues.running:
        return tuple(dict.fromkeys(role for role, _ in clues.running))
    by_image = clues.by_image()
    return (by_image.role,) if by_image and by_image.certainty is Certainty.SURE else ()


# --- what the author declares ---------------------------------------------------------------------------------------


def _by_declaration(
    services: Mapping[str, Mapping[str, Any]], declared: Mapping[Role, tuple[str, ...]]
) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for role, names in declared.items():
        for name in names:
            if name not in services:
                there = ", ".join(services) or "none"
                raise StackError(f"conformance.toml: roles.{role}: there is no service {name!r}; services: {there}")
            if name in found and found[name].role is not role:
                raise StackError(f"conformance.toml: roles.{role}: {name!r} is {found[name].role} already")
            found[name] = Finding(name, role, Certainty.DECLARED, f"conformance.toml: roles.{role}")
    return found


def _by_label(name: str, service: Mapping[str, Any]) -> Finding | None:
    value = labels(service).get(LABEL, "").strip()
    try:
        role = Role(value.lower().replace("-", "_"))
    except ValueError:
        return None
    return Finding(name, role, Certainty.DECLARED, f"label {LABEL}={value}")


# --- what the service shows of itself -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Clues:
    name: str
    service: Mapping[str, Any]
    images: tuple[str, ...]  # its own and, when it is built here, the one that it is built from
    argv: tuple[str, ...]  # empty: what its image starts
    own_entrypoint: bool  # ``argv`` begins with a program, and is not words for the image's

    @classmethod
    def of(cls, name: str, service: Mapping[str, Any], built: Built | None) -> _Clues:
        built = built or Built()
        entrypoint, command = words(service.get("entrypoint")), words(service.get("command"))
        references = (image(service), settled(built.image))
        return cls(
            name,
            service,
            tuple(dict.fromkeys(reference for reference in references if reference)),
            tuple(settled(word) for word in built.argv(entrypoint, command)),
            bool(entrypoint or built.entrypoint),
        )

    @cached_property
    def processes(self) -> tuple[Process, ...]:
        return processes(self.argv)

    @cached_property
    def running(self) -> tuple[tuple[Role, Process], ...]:
        """The servers and workers that its command line starts."""
        found = tuple((role, process) for process in self.processes if (role := signs.role_of(process)))
        if not found and self.argv and not self.own_entrypoint:
            for reference in self.images:
                program = signs.IMAGE_PROGRAMS.get(signs.base_name(reference))
                process = (program or "", *self.argv)
                if role := signs.role_of(process):
                    return ((role, process),)
        return found

    def finding(self) -> Finding | None:
        if self.running:
            role, process = self.running[0]
            named = itertools.takewhile(re.compile(r"\w[\w-]*").fullmatch, process[:3])  # no options, no addresses
            return self._finding(role, Certainty.SURE, f"command {' '.join(named)}")
        return self.by_image() or self.by_looks()

    def by_image(self) -> Finding | None:
        """What an image says that has one role, unless its command does something else."""
        for reference in self.images:
            role = signs.held_by(reference)
            if not isinstance(role, Role):
                continue
            match signs.base_name(reference):
                case "seaweedfs":
                    return None  # without its S3 gateway it is no object store
                case "localstack" | "localstack-pro":
                    return self._localstack(reference)
            if self._starts_its_image(role):
                return self._finding(role, Certainty.SURE, f"image {reference}")
            unknown = [process[0] for process in self.processes if process[0] not in signs.TOOLS]
            if unknown and not signs.is_about(self.name):
                reason = f"image {reference}; what its command {unknown[0]} starts is not known"
                return self._finding(role, Certainty.LIKELY, reason)
            return None
        return None

    def _starts_its_image(self, role: Role) -> bool:
        """Whether the image's own program is what runs, with words of the author's or without."""
        if not self.argv:
            return True
        if not self.own_entrypoint and self.argv[0].startswith("-"):
            return True
        if (
            role is Role.OBJECT_STORE
            and not self.own_entrypoint
            and re.match(r"/(data|mnt|export|vol|srv)", self.argv[0])
        ):
            return True  # RustFS is given the folders of its volumes
        return not signs.is_about(self.name) and any(process[0] in signs.STARTERS for process in self.processes)

    def _localstack(self, reference: str) -> Finding | None:
        services = environment(self.service).get("SERVICES")
        if services is not None:
            with_s3 = "s3" in re.split(r"[\s,]+", settled(services))
            return self._finding(Role.OBJECT_STORE, Certainty.SURE, f"image {reference} with S3") if with_s3 else None
        if ":s3" in reference:
            return self._finding(Role.OBJECT_STORE, Certainty.SURE, f"image {reference}")
        reason = f"image {reference}, which serves S3 among others when SERVICES says nothing"
        return self._finding(Role.OBJECT_STORE, Certainty.LIKELY, reason)

    def by_looks(self) -> Finding | None:
        """The role that it looks most like: by two signs or more, or by the name of something that is built here."""
        held = {held for reference in self.images if (held := signs.held_by(reference))}
        unknown = [signs.base_name(reference) for reference in self.images if not signs.held_by(reference)]
        if any(signs.is_about(name) for name in (self.name, *unknown)) or any(isinstance(one, Role) for one in held):
            return None
        if self.processes and all(process[0] in signs.TOOLS for process in self.processes):
            return None
        makes = [make for make in held if isinstance(make, Make)]
        resemblances = {role: self._resemblance(role, makes, unknown) for role in LOOKS}
        most = max(weight for _, weight in resemblances.values())
        if most < 2:
            return None
        role, *rivals = (role for role, (_, weight) in resemblances.items() if weight == most)
        also = f"; it could be {' or '.join(rivals)} as well" if rivals else ""
        return self._finding(role, Certainty.LIKELY, ", ".join(resemblances[role][0]) + also)

    def _resemblance(self, role: Role, makes: Sequence[Make], images: Sequence[str]) -> tuple[list[str], int]:
        """In what it looks like ``role``, and how much that weighs; ``images``: names of images that are not known."""
        looks, variables = LOOKS[role], environment(self.service)
        of_make = any(role in signs.MAKES[make] for make in makes)
        if (makes and not of_make) or any(looks.user and looks.user.fullmatch(name) for name in variables):
            return [], 0
        if not any(role in roles for roles in signs.MAKES.values()) and self._runs_python():
            return [], 0
        name = "-".join(signs.parts(self.name))
        weight, reasons = 0, []
        if looks.name.search(name):
            weight += 2 if makes or self.service.get("build") else 1
            reasons.append(f"name {self.name}")
        elif looks.words & set(signs.parts(self.name)):
            reasons.append(f"name {self.name}")
        if of_make or any(looks.name.search("-".join(signs.parts(one))) for one in images):
            reasons.append(f"image {self.images[0]}")
        if looks.environment and (of_role := [one for one in variables if looks.environment.fullmatch(one)]):
            reasons.append(f"environment {of_role[0]}")
        if not reasons:
            return [], 0  # many things are mounted at /data or listen at 3000
        if looks.mounts and (at := [one.target for one in mounts(self.service) if looks.mounts.match(one.target)]):
            reasons.append(f"mount {at[0]}")
        if here := looks.ports & set(exposed(self.service)):
            reasons.append(f"port {min(here)}")
        return reasons, max(weight, 1) - 1 + len(reasons)

    def _runs_python(self) -> bool:
        return any(process[0].startswith("python") for process in self.processes)

    def _finding(self, role: Role, certainty: Certainty, reason: str) -> Finding:
        return Finding(self.name, role, certainty, clean(reason, MAX_REASON))


# --- several services of one role -----------------------------------------------------------------------------------


def _is_outdone(finding: Finding, found: Sequence[Finding]) -> bool:
    """Whether it only looks like a role of which there is one service, and another surely is that."""
    return (
        finding.certainty is Certainty.LIKELY
        and finding.role not in _EQUALS
        and any(other.role is finding.role and other.certainty is not Certainty.LIKELY for other in found)
    )


def _ordered(role: Role, found: Sequence[Finding], services: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """A role's services, the main one first: what others use; of databases, with init scripts and not Prefect's own."""
    mine = [finding for finding in found if finding.role is role]
    if len(mine) < 2 or role in _EQUALS:
        return mine
    prefect = {finding.service for finding in found if finding.role in (Role.PREFECT_SERVER, Role.PREFECT_WORKER)}
    ranked = []
    for finding in mine:
        service = services[finding.service]
        users = _users(finding.service, services) - {other.service for other in mine}
        of_prefect = bool(users) and users <= prefect
        initialised = any(mount.target.startswith("/docker-entrypoint-initdb.d") for mount in mounts(service))
        replica = environment(service).get("POSTGRESQL_REPLICATION_MODE", "") in {"slave", "replica"}
        if role is Role.POSTGRES:
            why = ["it has init scripts"] * initialised + [f"only {', '.join(sorted(users))} uses it"] * of_prefect
            finding = replace(finding, reason=clean("; ".join([finding.reason, *why]), MAX_REASON))
        declared = finding.certainty is Certainty.DECLARED
        ranked.append(((not declared, replica, not initialised, of_prefect, -len(users)), finding))
    return [finding for _, finding in sorted(ranked, key=lambda pair: pair[0])]


def _users(name: str, services: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The services that name this one: as a host in a value or a command, or as something that they depend on."""
    hosts = "|".join(re.escape(host) for host in sorted(host_names(name, services[name])))
    in_address = re.compile(rf"(?:@|//)(?:{hosts})(?![\w.-])|(?<![\w./@-])(?:{hosts}):\d")
    users = set()
    for other, service in services.items():
        values = environment(service)
        argv = (*words(service.get("entrypoint")), *words(service.get("command")))
        needs = service.get("depends_on")
        if other != name and (
            (isinstance(needs, (list, Mapping)) and name in needs)
            or any(in_address.search(value) for value in (*values.values(), *argv))
            or any(re.search("HOST|SERVER|ADDR", key) and re.fullmatch(hosts, value) for key, value in values.items())
        ):
            users.add(other)
    return users
