"""What the repository holds: secrets that should not be there, decisions that should."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from conformance.observe import mounts
from conformance.observe.compose_variables import is_written_out
from conformance.observe.facts import Facts, Observer, Probe
from conformance.stacks.base import Role, Stack, Unavailable

MAX_FILES = 20_000
MAX_LISTED = 20
DUMP_BYTES = 5 * 2**20
READ_BYTES = 2**20

_DUMP = re.compile(r"\.(sql|dump|bak|csv|tsv|jsonl|ndjson|parquet|sqlite3?|db)(\.(gz|zip|xz|zst|bz2))?$", re.IGNORECASE)
_KEY_NAME = re.compile(r"(^id_(rsa|dsa|ecdsa|ed25519)$)|\.(p12|pfx|jks)$", re.IGNORECASE)
_KEY_TEXT = re.compile(rb"^-----BEGIN ([A-Z ]+ )?PRIVATE KEY-----", re.MULTILINE)
_SAMPLE = re.compile(r"(example|sample|template|dist|ejemplo|plantilla)", re.IGNORECASE)
_ADR = re.compile(r"(^|[-_ ])adr([-_ ]|\d)", re.IGNORECASE)
_SOURCE = re.compile(r"\.(py|ipynb|js)$", re.IGNORECASE)
_SERVERS = (Role.POSTGRES, Role.OBJECT_STORE, Role.PROMETHEUS, Role.GRAFANA)
_ADR_FOLDERS = {"adr", "adrs", "decisions", "decisiones"}
_CODE = re.compile(r"^(```|~~~).*?^\1|(?<!`)(`+)(?!`)[^\n]*?(?<!`)\2(?!`)", re.MULTILINE | re.DOTALL)
# no bracket in a link's text but an image's: else each of "[[[[…" would be followed to the end of its line
_LINK = re.compile(r"(?<!!)\[(?:!\[[^\[\]\n]*\]\([^()\n]*\)|[^\[\]\n])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")


class SourceFacts(Facts):
    """The files that a clone of the repository would hold (the git index, or the folder where there is none)."""

    versioned: bool  # listed from git's index
    files: int
    truncated: bool  # more files than the kit reads
    env_files: tuple[str, ...]  # real .env files with at least one value, others (dask.env) with a secret
    key_files: tuple[str, ...]
    dump_files: tuple[str, ...]  # over 5 MB
    adrs: tuple[str, ...]
    broken_links: tuple[str, ...]  # "document -> target", relative links of Markdown documents
    folders: tuple[str, ...] = ()  # at the top
    env_examples: tuple[str, ...] = ()  # samples of a .env
    misplaced: tuple[str, ...] = ()  # application source in a folder that is mounted as a server's configuration


def collect(stack: Stack, probe: Probe) -> SourceFacts:
    root = stack.source().resolve()
    probe.progress("reading the repository")
    names, versioned = _names(root)
    truncated = len(names) > MAX_FILES
    files = [root / name for name in names[:MAX_FILES]]
    files = [file for file in files if file.is_file() and not file.is_symlink()]
    known = {file.relative_to(root).as_posix() for file in files}

    def listed(found: Iterator[Path]) -> tuple[str, ...]:
        return tuple(sorted(file.relative_to(root).as_posix() for file in found)[:MAX_LISTED])

    return SourceFacts(
        versioned=versioned,
        files=len(files),
        truncated=truncated,
        env_files=listed(file for file in files if _is_env(file)),
        key_files=listed(file for file in files if _is_key(file)),
        dump_files=listed(file for file in files if _DUMP.search(file.name) and file.stat().st_size > DUMP_BYTES),
        adrs=listed(file for file in files if _is_adr(file.relative_to(root))),
        broken_links=tuple(sorted(_broken_links(root, known))[:MAX_LISTED]),
        folders=tuple(sorted({name.split("/")[0] for name in known if "/" in name}))[: 2 * MAX_LISTED],
        env_examples=listed(file for file in files if ".env" in file.name and _SAMPLE.search(file.name)),
        misplaced=tuple(sorted(_misplaced(stack, root, known))[:MAX_LISTED]),
    )


def _names(root: Path) -> tuple[list[str], bool]:
    """File names below ``root``, POSIX and relative: git's index where ``root`` is in a work tree, else the folder."""
    # the repository is not trusted: no hooks or fsmonitor of its own configuration may run
    git = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", f"safe.directory={root}"]
    try:
        listing = subprocess.run(
            [*git, "-C", str(root), "ls-files", "-z", "--", "."], capture_output=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        listing = None
    if listing is not None and listing.stdout:
        return sorted(name.decode(errors="surrogateescape") for name in listing.stdout.split(b"\0") if name), True
    skipped = {".git", ".venv", "venv", "node_modules", ".tox", "__pycache__"}
    names: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - skipped)
        names += [(Path(folder) / file).relative_to(root).as_posix() for file in files]
        if len(names) > MAX_FILES:
            break
    return sorted(names), False


def _is_env(file: Path) -> bool:
    """A ``.env`` with a value in it, or an env file of another name (``dask.env``) with a secret in it.

    Samples and templates are what should be committed, and so are settings without secrets that a service names as its
    ``env_file``.
    """
    own = file.name == ".env" or file.name.startswith(".env.")
    if not (own or file.suffix == ".env") or _SAMPLE.search(file.name):
        return False
    lines = _read(file).decode(errors="replace").splitlines()
    pairs = [line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#")]
    values = [(name.strip(), value.strip().strip("'\"")) for name, value in pairs]
    return any(value and (own or is_written_out(name, value)) for name, value in values)


def _is_key(file: Path) -> bool:
    return bool(_KEY_NAME.search(file.name)) or (
        file.suffix in {".pem", ".key", ""} and bool(_KEY_TEXT.search(_read(file)))
    )


def _is_adr(name: Path) -> bool:
    if name.suffix.lower() not in {".md", ".rst", ".adoc", ".txt"}:
        return False
    return bool(_ADR.search(name.stem)) or any(part.lower() in _ADR_FOLDERS for part in name.parts[:-1])


def _broken_links(root: Path, known: set[str]) -> Iterator[str]:
    """Relative links of Markdown documents to nothing (a file or folder of the repository is something)."""
    folders = {parent.as_posix() for name in known for parent in PurePosixPath(name).parents}
    for name in sorted(known):
        if not name.lower().endswith(".md"):
            continue
        text = _CODE.sub("", _read(root / name).decode(errors="replace"))
        for target in _LINK.findall(text):
            path = unquote(target.split("#", 1)[0].split("?", 1)[0])
            if not path or path.startswith("/") or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path):
                continue
            resolved = _normal(PurePosixPath(name).parent / path)
            if resolved is not None and resolved not in known and resolved not in folders:
                yield f"{name} -> {target}"


def _misplaced(stack: Stack, root: Path, known: set[str]) -> set[str]:
    """Application source in folders that the Compose file mounts as the configuration of a server.

    Servers are those of other people's making: what a service of one's own reads from ``/etc`` may well be Python.
    None where there is no Compose model to be seen.
    """
    try:
        model = stack.compose()
    except Unavailable:
        return set()
    folders = {
        mounts.in_repository(root, mount)
        for role in _SERVERS
        for service in model.services_of(role)
        for mount in mounts.configuration(model, root, service)
    }
    return {
        name
        for name in known
        if _SOURCE.search(name) and any(folder == "." or name.startswith(f"{folder}/") for folder in folders)
    }


def _normal(path: PurePosixPath) -> str | None:
    """The path with ``..`` taken out; None when it leaves the repository (which cannot be judged)."""
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts) or "."


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(READ_BYTES)
    except OSError:
        return b""


OBSERVER = Observer("source", SourceFacts, collect)
