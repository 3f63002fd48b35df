"""What was asked for, and whether it can be done."""

from __future__ import annotations

import math
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conformance.inputs import InputError
from conformance.kit import Kit
from conformance.profile import Profile, load_profile
from conformance.report import files
from conformance.text import printable
from conformance.verdict.bundle import Evidence, check_folder
from conformance.verdict.judge import DEPLOYED, ROLE_OF
from conformance.verdict.model import Subject

EVIDENCE = "evidence"
NO_ENGINE = "no container engine with Compose answers (see `conformance doctor`)"
STACKS = ("auto", "compose", "embedded", "attached", "recorded")


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    stack: str = "auto"
    path: Path | None = None  # the repository; None: the reference
    source: str | None = None  # how the person named it, for the verdict; None: as ``path`` does
    profile: str | None = None  # None: the one for that repository, or that the evidence was judged by
    only: tuple[str, ...] = ()
    static: bool = False
    env_file: Path | None = None
    compose_file: Path | None = None
    images: str = "upstream"
    trust: bool = False
    evidence: Path | None = None  # for a recorded stack
    report_dir: Path = Path("reports")
    lang: str = "es"
    seed: int = 7
    keep: bool = False
    timeout: float | None = None


@dataclass(frozen=True)
class Plan:
    """What was asked for, found to be possible."""

    options: Options
    kind: str  # of the stack: static | compose | embedded | attached | recorded
    is_reference: bool
    profile: Profile
    only: frozenset[str]  # the guarantees that the run is limited to, with those that they require; empty: all
    subject: Subject
    recorded: Evidence | None

    @property
    def ids(self) -> frozenset[str]:
        """The guarantees that the run is about."""
        return self.only or self.profile.ids


def plan(kit: Kit, options: Options) -> Plan:
    """
    Raises:
        InputError: what was asked for cannot be done; nothing has been touched.
    """
    recorded, source, kind = None, None, "recorded"
    if options.seed < 0:
        raise InputError("Invalid value for '--seed': must not be negative")
    if options.timeout is not None and not (math.isfinite(options.timeout) and options.timeout > 0):
        raise InputError("Invalid value for '--timeout': must be a positive number of seconds")
    if options.stack not in STACKS:
        raise InputError(f"unknown stack: {options.stack} (known: {', '.join(STACKS)})")
    if options.stack == "recorded":
        if options.evidence is None:
            raise InputError("--stack recorded needs --evidence DIR")
        recorded = Evidence(options.evidence)
    else:
        source = _repository(kit, options)
        kind = _kind(kit, options, source)
    if recorded and options.profile is None:
        profile = recorded.run.profile
        for fault in profile.faults(kit.catalogue):
            raise InputError(f"{recorded.folder}/run.json: profile.{fault}")
    else:
        default = "reference" if source is None or _is_reference(kit, source) else "clase-4h"
        profile = load_profile(options.profile or default, kit.catalogue, kit.profiles)
    only = _selected(kit, profile, options.only)
    if recorded and recorded.run.only and not options.only:
        only = frozenset(recorded.run.only) & profile.ids
        if not only:
            raise InputError(
                f"{recorded.folder}: no guarantee that it was recorded for is in the profile {profile.name}"
            )
    for option, file in (("--env-file", options.env_file), ("--compose-file", options.compose_file)):
        if file is not None and not file.is_file():
            raise InputError(f"{option}: no such file: {file}")
    if not (recorded and recorded.folder.resolve() == (options.report_dir / EVIDENCE).resolve()):
        check_folder(options.report_dir / EVIDENCE)
    files.check_folder(options.report_dir)
    subject = recorded.stack.subject if recorded else _subject(kit, options)
    return Plan(options, kind, source is not None and _is_reference(kit, source), profile, only, subject, recorded)


def _repository(kit: Kit, options: Options) -> Path:
    """The root of what is to be checked."""
    if options.path is not None and not options.path.exists():
        raise InputError(f"no such path: {options.path}")
    if options.path is not None and not options.path.is_dir():
        raise InputError(f"not a folder: {options.path}")
    return options.path or kit.reference()


def _kind(kit: Kit, options: Options, source: Path) -> str:
    """The stack that is meant, if it can be had.

    Raises:
        InputError: it cannot.
    """
    if options.static:
        return "static"
    if options.stack == "attached":
        if options.env_file is None:
            raise InputError("--stack attached needs --env-file FILE, which says where its services are")
        return "attached"
    if options.stack == "compose" or (options.stack == "auto" and kit.engine_answers()):
        return "compose"
    if not _is_reference(kit, source):
        needed = "only the reference runs on the embedded stack" if options.stack == "embedded" else NO_ENGINE
        raise InputError(f"{source}: {needed}; --static judges what needs no running service")
    return "embedded"


def _is_reference(kit: Kit, source: Path) -> bool:
    return source.resolve() == kit.reference().resolve()


def _selected(kit: Kit, profile: Profile, asked: tuple[str, ...]) -> frozenset[str]:
    chosen: set[str] = set()
    for word in asked:
        ids = kit.catalogue.named(word) & profile.ids
        if not ids:
            raise InputError(f"--only {word}: not in the profile {profile.name}")
        chosen |= ids
    if DEPLOYED in profile and any(kit.catalogue[id_].family in ROLE_OF for id_ in chosen):
        chosen.add(DEPLOYED)
    return kit.catalogue.closure(chosen)


def _subject(kit: Kit, options: Options) -> Subject:
    if options.stack == "attached" and options.path is None:
        return Subject(name="attached", source=printable(str(options.env_file)), commit=None)
    root = options.path or kit.reference()
    if _is_reference(kit, root):
        return Subject(name="reference", source="reference", commit=_commit(root))
    source = options.source or str(options.path)
    return Subject(name=printable(root.resolve().name), source=printable(source), commit=_commit(root))


def _commit(root: Path) -> str | None:
    """The commit that ``root`` is a checkout of. Git runs no program of the repository for this."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD"],
            capture_output=True, text=True, timeout=10, check=True, env={"PATH": os.environ.get("PATH", os.defpath)},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    top, _, commit = answer.stdout.rstrip("\n").rpartition("\n")  # the folder's name may hold anything
    return commit if Path(top).resolve() == root.resolve() else None
