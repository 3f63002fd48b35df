"""Which Compose files and which env file a repository's stack is made of."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from conformance.inputs import InputError
from conformance.stacks.compose import config, env, sources
from conformance.stacks.compose.config import Config
from conformance.stacks.compose.interpolation import (
    Expression,
    InvalidInterpolation,
    expressions,
    split,
    strings,
    substitute,
)
from conformance.stacks.compose.raw import ComposeProblem, Document

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
"""Both in the order in which Compose prefers them."""

MAX_DEPTH = 6
MAX_FOLDERS = 5_000
MAX_OTHERS = 20
MAX_SCANNED = 200  # files that services mount, read for placeholder texts

_SERVICES = re.compile(rb"^(services|include)[ \t]*:|^\{", re.MULTILINE)
_LIKE = re.compile(r"(docker-?)?compose[\w.-]*\.ya?ml", re.IGNORECASE)
_SAMPLE = r"(example|sample|template|tmpl|dist|ejemplo|plantilla)"
_EXAMPLE = re.compile(
    rf"([\w-]*\.)?env([._-]\w+)*[._-]{_SAMPLE}|{_SAMPLE}[._-]env|\.env[._-]{_SAMPLE}[._-]\w+", re.IGNORECASE
)
_DOCUMENTED = re.compile(r"^[ \t#]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=", re.MULTILINE)  # also in comments
_COMPOSE_FILE = re.compile(rb"^[ \t]*(?:export[ \t]+)?COMPOSE_FILE[ \t]*=[ \t]*[\"']?([^\"'#\r\n]+)", re.MULTILINE)
_INFRA = {"infra", "infrastructure", "infraestructura"}
_SKIPPED = {".git", "node_modules", "venv", ".venv", "env", "site-packages", "__pycache__", ".tox", ".terraform"}
_MOUNTED_TEXT = {".sql", ".sh", ".yml", ".yaml", ".conf", ".cfg", ".ini", ".json", ".toml", ".xml", ".properties"}


@dataclass(frozen=True)
class EnvFile:
    """Values as Compose gets them. ``name`` is relative to the repository where the file is of it; empty: none."""

    name: str = ""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    generated: tuple[str, ...] = ()  # variables whose placeholder or empty value was replaced


@dataclass(frozen=True)
class Project:
    """What belongs to a repository's stack. ``files`` is empty when no Compose file was found."""

    root: Path  # a real path
    config: Config
    files: tuple[Path, ...] = ()  # in the order in which they are merged
    directory: Path = Path()  # the project directory
    others: tuple[str, ...] = ()  # Compose files that were found and not taken, relative to the root
    documents: tuple[Document, ...] = ()  # those files and whatever they include or extend
    escapes: tuple[sources.Escape, ...] = ()  # references that leave the repository: never followed
    env: EnvFile = EnvFile()
    service_env: Mapping[Path, EnvFile] = field(default_factory=dict, repr=False)  # what services name as env_file
    example: str = ""  # the file that documents the variables, relative to the root
    documented: tuple[str, ...] = ()  # the variables that it and its like name, also in comments
    unset: tuple[str, ...] = ()  # variables without default and without value: empty, as in Compose
    problem: str = ""  # why the files cannot be read, with file and line

    @property
    def name(self) -> str:
        """The first Compose file, relative to the root."""
        return self.relative(self.files[0]) if self.files else ""

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def find(root: Path, compose_file: Path | None = None, env_file: Path | None = None) -> Project:
    """The project of the repository at ``root``.

    Compose files: the given one (alone, as with ``-f``), else those that ``conformance.toml`` names, else the nearest
    one of a standard name at the root, under ``infra``, or anywhere; then one with a name of its own. An override file
    beside a standard one is merged, as Compose does; those that ``COMPOSE_FILE`` names in the ``.env`` of a folder go
    before what else is there. Env file: the given one, else that of ``conformance.toml``, else
    ``.env`` or a sample of it beside the Compose file, or in the nearest folder above.

    Raises:
        InputError: a given file is not there or outside the repository, or ``conformance.toml`` cannot be used.
    """
    root = root.resolve()
    settings = config.read(root)
    files, others = _compose_files(root, compose_file, settings)
    if not files:
        return Project(root, settings)
    directory = files[0].parent
    folders = [folder for folder in (directory, *directory.parents) if folder.is_relative_to(root)]
    examples = [file for folder in folders for file in _examples(folder)]
    examples = examples or [file for folder in _folders(root) for file in _examples(folder)][:1]
    chosen = _env_file(root, env_file, settings) or _nearest_env(folders, examples)
    project = Project(
        root, settings, files, directory, others,
        example=examples[0].relative_to(root).as_posix() if examples else "",
        documented=tuple(dict.fromkeys(name for file in examples for name in _documented(file))),
    )  # fmt: skip
    try:
        return _read(project, chosen)
    except ComposeProblem as problem:
        if env_file and chosen and str(problem).startswith(f"{_name(root, chosen)}:"):
            raise InputError(str(problem)) from None
        return replace(project, problem=str(problem))


# --- Compose files ------------------------------------------------------------------------------------------------


def _compose_files(root: Path, given: Path | None, settings: Config) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The files to merge, and the names of others that were found."""
    if given:
        here = Path.cwd() / given
        file = here if here.is_file() else root / given
        return (_checked(root, file, str(given)),), ()
    if settings.compose.files:
        where = f"{root / config.NAME}: compose.files"
        return tuple(_checked(root, root / file, f"{where}: {file}") for file in settings.compose.files), ()
    near = [root, *(folder for folder in _folders(root) if folder != root and _is_infra(folder.relative_to(root)))]
    for folder in near:
        if named := _named_by_env(root, folder):
            return named, ()
        if _candidates(root, folder):
            break
    for folders in (near, list(_folders(root))):
        found = [file for folder in folders for file in _candidates(root, folder)]
        if found:
            first = next((file for file in found if _has_services(file)), found[0])
            # the same folder's other standard name is what Compose leaves aside as well
            others = tuple(file.relative_to(root).as_posix() for file in found if file != first)
            override = next((path for path in (first.parent / name for name in OVERRIDES) if path.is_file()), None)
            merged = first.name in NAMES and override and sources.inside(root, override)
            return (first, override) if merged and override else (first,), others[:MAX_OTHERS]
    return (), ()


def _named_by_env(root: Path, folder: Path) -> tuple[Path, ...]:
    """The files that ``COMPOSE_FILE`` names in the folder's ``.env`` or a sample of it; none where one is missing."""
    env_file = _nearest_env([folder], _examples(folder))
    if env_file is None:
        return ()
    try:
        with env_file.open("rb") as stream:
            named = _COMPOSE_FILE.search(stream.read(2**20))
    except OSError:
        return ()
    names = re.split("[:;]", named[1].decode(errors="replace").strip()) if named else []
    files = tuple(Path(os.path.normpath(folder / name)) for name in names)
    return files if all(sources.is_file(file) and sources.inside(root, file) for file in files) else ()


def _checked(root: Path, file: Path, what: str) -> Path:
    """``file`` as a path below ``root``."""
    if not file.is_file():
        raise InputError(f"{what}: no such file")
    for path in (Path(os.path.normpath(file)), file.resolve()):  # the root itself may be reached by a link
        if sources.inside(root, path):
            return path
    raise InputError(f"{what}: outside the repository")


def _is_infra(folder: Path) -> bool:
    return folder.parts[0].lower() in _INFRA


def _folders(root: Path) -> Iterator[Path]:
    """The repository's folders, nearest first, bounded; none that holds other people's code."""
    level = [root]
    count = 0
    for _ in range(MAX_DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            count += 1
            if count > MAX_FOLDERS:
                return
            yield folder
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                continue  # a folder of a database, say, that belongs to another user
            below += [
                Path(entry.path)
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
                and entry.name not in _SKIPPED
                and not os.path.lexists(Path(entry.path, "pyvenv.cfg"))
            ]
        level = below


def _candidates(root: Path, folder: Path) -> list[Path]:
    """Compose files in one folder: standard names in Compose's own order, then others, the shortest name first."""
    try:
        names = [entry.name for entry in os.scandir(folder) if _LIKE.fullmatch(entry.name)]
    except OSError:
        return []
    others = sorted((name for name in names if name not in NAMES), key=lambda name: (len(name), name))
    ordered = [name for name in NAMES if name in names] + [name for name in others if "override" not in name.lower()]
    return [path for name in ordered if (path := folder / name).is_file() and sources.inside(root, path)]


def _has_services(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return bool(_SERVICES.search(stream.read(2**20).replace(b"\0", b"")))
    except OSError:
        return False


# --- env files ----------------------------------------------------------------------------------------------------


def _env_file(root: Path, given: Path | None, settings: Config) -> Path | None:
    """The env file that somebody chose."""
    if given:
        if not given.is_file():
            raise InputError(f"{given}: no such env file")
        return given.resolve()
    if settings.compose.env_file:
        where = f"{root / config.NAME}: compose.env_file: {settings.compose.env_file}"
        return _checked(root, root / settings.compose.env_file, where)
    return None


def _nearest_env(folders: Sequence[Path], examples: Sequence[Path]) -> Path | None:
    """``.env`` or else a sample of it, the nearest folder first."""
    for folder in folders:
        if (folder / ".env").is_file():
            return folder / ".env"
        of_folder = [example for example in examples if example.parent == folder]
        if of_folder:
            return of_folder[0]
    return examples[0] if examples else None


def _examples(folder: Path) -> list[Path]:
    """The samples of env files in a folder, that of ``.env`` first."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file() and _EXAMPLE.fullmatch(entry.name))
    except OSError:
        return []
    return [folder / name for name in sorted(names, key=lambda name: (len(name), name))]


def _documented(example: Path) -> list[str]:
    """The variables that a sample names, those in comments too."""
    try:
        with example.open("rb") as stream:
            return _DOCUMENTED.findall(stream.read(2**20).decode("utf-8-sig", errors="replace").replace("\r", ""))
    except OSError:
        return []


def _name(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


# --- reading ------------------------------------------------------------------------------------------------------


def _read(project: Project, chosen: Path | None) -> Project:
    """Read all that Compose will read.

    Raises:
        ComposeProblem: what cannot be read.
    """
    root = project.root
    bindings = env.read(chosen, _name(root, chosen)) if chosen else ()
    name = _name(root, chosen) if chosen else ""
    values = _values(project, bindings, name)
    read = sources.collect(root, project.files, project.directory, values, lambda unfilled: unfilled)
    filler = env.Filler(_literals(root, read.documents, values), _may_be_empty(read.documents))
    filled, generated = filler.filled(bindings)
    values = _values(project, filled, name)
    read = sources.collect(root, project.files, project.directory, values, lambda unfilled: filler.filled(unfilled)[0])
    service_env: dict[Path, EnvFile] = {}
    for reference in read.env_files:
        stands = sources.is_file(reference.path)
        source = reference.path if stands else _stand_in(reference.path, chosen)
        if source is None or not (reference.required or stands):
            continue
        of_service, replaced = filler.filled(env.read(source, _name(root, source)))
        known = env.values(of_service, _name(root, source), reference.values)
        if service_env.setdefault(reference.path, EnvFile(_name(root, source), known, replaced)).values != known:
            line = reference.document.line_of(reference.at)
            raise ComposeProblem(reference.document.name, line, f"{reference.text} means two things in two places")
    used = [expression for document in read.documents for expression in expressions(document.data)]
    return replace(
        project,
        documents=tuple(read.documents),
        escapes=tuple(read.escapes),
        env=EnvFile(name, values, generated),
        service_env=service_env,
        unset=tuple(sorted({one.name for one in used if _needs_value(one) and one.name not in values})),
    )


def _values(project: Project, bindings: Sequence[env.Binding], name: str) -> dict[str, str]:
    """What Compose interpolates: besides the file's, those of a shell's variables that mean the same everywhere."""
    return {"PWD": str(project.directory)} | env.values(bindings, name) | {"HOME": "~"}


def _needs_value(expression: Expression) -> bool:
    return expression.operator in {"", "?", ":?"} and expression.name not in {"COMPOSE_PROJECT_NAME", "PATH"}


def _stand_in(missing: Path, chosen: Path | None) -> Path | None:
    """What takes the place of an env file that a service names and that a repository rightly does not hold."""
    stem = missing.name.lower().strip(".")
    if not sources.is_folder(missing.parent):
        return None
    samples = [file for file in _examples(missing.parent) if stem in file.name.lower()]
    if samples:
        return samples[0]
    return chosen if missing.name == ".env" else None


def _may_be_empty(documents: Sequence[Document]) -> Callable[[str], bool]:
    """Variables whose empty value is replaced by a default wherever a Compose file uses them."""
    operators: dict[str, set[str]] = {}
    for document in documents:
        for expression in expressions(document.data):
            operators.setdefault(expression.name, set()).add(expression.operator)
    return lambda name: operators.get(name) == {":-"}


def _literals(root: Path, documents: Sequence[Document], values: Mapping[str, str]) -> Callable[[str], bool]:
    """Whether a text stands as it is in the Compose files or in what services mount.

    An init script may create a role with the very password of the sample: to replace it in one place only would break
    what works for everybody else.
    """
    texts: list[str] | None = None

    def stands(text: str) -> bool:
        nonlocal texts
        if len(text) < 6:
            return False  # "xxx" and "TODO" stand everywhere
        if texts is None:
            texts = [*_written(documents), *_mounted(root, documents, values)]
        return any(text in one for one in texts)

    return stands


def _written(documents: Sequence[Document]) -> Iterator[str]:
    for document in documents:
        for text in strings(document.data):
            try:
                yield "".join(part for part in split(text) if isinstance(part, str))
            except InvalidInterpolation:
                yield text


def _mounted(root: Path, documents: Sequence[Document], values: Mapping[str, str]) -> Iterator[str]:
    """The text files that services get from the repository, bounded."""
    count = 0
    for document in documents:
        for source in _sources(document):
            try:
                path = document.base / substitute(source, values)
            except InvalidInterpolation:
                continue
            if not sources.inside(root, path):
                continue
            folders = [path] if sources.is_file(path) else _folders(path)
            for file in (one for folder in folders for one in _files_in(folder)):
                count += 1
                if count > MAX_SCANNED:
                    return
                with file.open("rb") as stream:
                    yield stream.read(2**18).decode(errors="replace")


def _files_in(path: Path) -> list[Path]:
    try:
        files = [path] if sources.is_file(path) else sorted(path.iterdir())
        texts = [file for file in files if file.suffix.lower() in _MOUNTED_TEXT and file.is_file()]
    except OSError:
        return []
    return [file for file in texts if os.access(file, os.R_OK)]


def _sources(document: Document) -> Iterator[str]:
    """Where services' binds, configs and secrets come from, as written."""
    services = document.data.get("services")
    for service in services.values() if isinstance(services, dict) else ():
        volumes = service.get("volumes") if isinstance(service, dict) else None
        for volume in volumes if isinstance(volumes, list) else ():
            if isinstance(volume, dict) and isinstance(volume.get("source"), str):
                yield volume["source"]
            elif isinstance(volume, str) and volume.startswith((".", "$")):
                yield volume.rsplit(":", 2 if volume.endswith((":ro", ":rw")) else 1)[0]
    for kind in ("configs", "secrets"):
        top = document.data.get(kind)
        for one in top.values() if isinstance(top, dict) else ():
            if isinstance(one, dict) and isinstance(one.get("file"), str):
                yield one["file"]
