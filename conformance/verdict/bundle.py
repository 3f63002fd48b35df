"""The evidence of a run: facts, what the stack was, logs, and their hashes, so that the verdict can be given again.

``evidence/facts/<subject>.json`` (an :class:`Observation`), ``stack.json``, ``run.json``, ``logs/<service>.log`` and
``SHA256SUMS`` over all of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from conformance.inputs import InputError, problem
from conformance.observe.facts import Observation
from conformance.observe.redaction import Redactor
from conformance.profile import Profile
from conformance.stacks.base import Capability, Role
from conformance.verdict.model import Subject

SUMS = "SHA256SUMS"
MAX_LOG = 1024 * 1024
MAX_FILE = 64 * 1024 * 1024
_OURS = re.compile(rf"facts/[a-z]+\.json|logs/[A-Za-z0-9._-]+\.log|stack\.json|run\.json|{SUMS}")

R = TypeVar("R", bound=BaseModel)


class StackRecord(BaseModel):
    """``stack.json``: the deployment that was observed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kit_version: str
    kind: str
    capabilities: tuple[Capability, ...]
    roles: dict[Role, tuple[str, ...]]
    stand_ins: tuple[str, ...]
    runs_reference: bool
    subject: Subject
    seed: int


class RunRecord(BaseModel):
    """``run.json``: how it was judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    started_at: AwareDatetime
    duration_s: float = Field(ge=0)
    profile: Profile
    only: tuple[str, ...]  # empty: everything
    static: bool
    interrupted: bool


class EvidenceWriter:
    """Fills ``folder``, which may hold the evidence of an earlier run (replaced) but nothing else.

    Every method raises InputError when the disk does not take it.
    """

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            InputError: as :func:`check_folder`, or it cannot be written.
        """
        check_folder(folder)
        self._folder = folder
        with _writing(folder):
            if folder.is_dir():
                shutil.rmtree(folder)
            (folder / "facts").mkdir(parents=True)
            (folder / "logs").mkdir()

    def observation(self, observation: Observation) -> None:
        self._write(f"facts/{observation.subject}.json", observation.model_dump(mode="json"))

    def logs(self, logs: Mapping[str, Path], redactor: Redactor) -> None:
        """The end of every log, without secrets."""
        for service, file in logs.items():
            if file.is_file():
                name = re.sub(r"[^A-Za-z0-9._-]", "_", service)[:100]
                with _writing(self._folder):
                    (self._folder / "logs" / f"{name}.log").write_bytes(_tail(file, redactor))

    def seal(self, stack: StackRecord, run: RunRecord) -> None:
        self._write("stack.json", stack.model_dump(mode="json"))
        self._write("run.json", run.model_dump(mode="json"))
        with _writing(self._folder):
            sums = "".join(f"{_sha256(self._folder / name)}  {name}\n" for name in _files(self._folder))
            (self._folder / SUMS).write_text(sums, encoding="utf-8")

    def _write(self, name: str, content: object) -> None:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        with _writing(self._folder):
            (self._folder / name).write_text(text + "\n", encoding="utf-8")


def check_folder(folder: Path) -> None:
    """
    Raises:
        InputError: ``folder`` holds files that are no evidence of the kit.
    """
    for name in _files(folder) if folder.is_dir() else ():
        if not _OURS.fullmatch(name):
            raise InputError(f"{folder}: holds {name}, which is no evidence of the kit; name another --report-dir")


class Evidence:
    """Evidence read back, after its hashes were verified."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            InputError: it is no evidence, or a file is missing, changed, unlisted or unreadable; the message names it.
        """
        self.folder = folder
        verify(folder)
        self.stack = _read(folder / "stack.json", StackRecord)
        self.run = _read(folder / "run.json", RunRecord)
        self.observations = {file.stem: _read(file, Observation) for file in sorted((folder / "facts").glob("*.json"))}
        self.logs = {file.stem: file for file in sorted((folder / "logs").glob("*.log"))}
        for subject, observation in self.observations.items():
            if observation.subject != subject:
                raise InputError(f"{folder}/facts/{subject}.json: speaks of {observation.subject}")


def verify(folder: Path) -> None:
    """Compare every file of ``folder`` with SHA256SUMS.

    Raises:
        InputError: naming the first file that differs.
    """
    sums = folder / SUMS
    if not sums.is_file():
        raise InputError(f"{folder}: no evidence here ({SUMS} is missing)")
    listed: dict[str, str] = {}
    for number, line in enumerate(_text(sums).splitlines(), 1):
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if not match:
            raise InputError(f"{sums}:{number}: not a line of hash and name")
        listed[match[2]] = match[1]
    present = set(_files(folder)) - {SUMS}
    for name in sorted(listed.keys() | present):
        if name not in present:
            raise InputError(f"{folder}: {name} is missing")
        if name not in listed:
            raise InputError(f"{folder}: {name} is not in {SUMS}")
        file = folder / name
        if file.is_symlink() or not file.is_file() or file.stat().st_size > MAX_FILE:
            raise InputError(f"{folder}: {name} is no file that the kit writes")
        if _sha256(file) != listed[name]:
            raise InputError(f"{folder}: {name} was changed after it was recorded")


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from None


def _files(folder: Path) -> list[str]:
    """Everything in ``folder`` but its folders; a link to a folder counts as a file, and nothing behind it is read."""
    found = (file for file in folder.rglob("*") if file.is_symlink() or not file.is_dir())
    return sorted(file.relative_to(folder).as_posix() for file in found)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_FILE:
            raise InputError(f"{file}: larger than {MAX_FILE // 1024**2} MiB")
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from None


def _read(file: Path, model: type[R]) -> R:
    try:
        read = model.model_validate_json(_text(file))
        json.dumps(read.model_dump(), default=str, allow_nan=False)
    except ValidationError as error:
        raise InputError(f"{file}: {problem(error)}") from None
    except ValueError:
        raise InputError(f"{file}: holds a number that is not finite") from None
    return read


def _tail(file: Path, redactor: Redactor) -> bytes:
    """The last MAX_LOG bytes. Some more are read and dropped again, so that no half of a secret stands at the cut."""
    margin = 64 * 1024
    with file.open("rb") as stream:
        start = max(0, stream.seek(0, 2) - MAX_LOG - margin)
        stream.seek(start)
        content = stream.read(MAX_LOG + margin)
    text = redactor.text(content.decode("utf-8", errors="replace"))
    kept = text[margin:] if start else text
    return kept.encode("utf-8")[-MAX_LOG:].decode("utf-8", errors="ignore").encode("utf-8")
