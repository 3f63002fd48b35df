"""What ``docker compose`` makes of a project: as its author wrote it, and with the values of the env file.

Compose resolves a copy that holds nothing but the files which were read and vetted, with an environment of its own and
nothing remote: it reads no other file, and what it reads is what was looked at.

``authored`` and ``resolved`` have the shapes of ``docker compose config --format json`` (2.26): ``services``,
``networks``, ``volumes``, ``configs``, ``secrets``; binds, build contexts and files are absolute paths in the
repository. As ``--no-interpolate`` leaves much as it was written, :func:`resolve` brings ``authored`` to these shapes:

- ``environment``, ``labels`` (of services, and ``build.args``): mappings of text, or None for what the shell gives
- ``ports``: mappings ``{mode, target, published?, host_ip?, protocol}``, where ``target`` is an int, or text where it
  is interpolated or a range; ``published`` is text
- ``volumes``: mappings ``{type, source?, target, read_only?}``; ``type`` of an interpolated source is what it
  resolves to; a bind's interpolated source stays as it is written
- ``healthcheck.test``: a list; ``tmpfs``, ``dns``, ``env_file`` (of mappings): lists
- ``command`` and ``entrypoint``: text or list, as written; every ``$`` as written (``$$`` is a plain one)

In ``resolved`` they are lists or None, every ``$`` is plain, ``env_file`` has become ``environment``, and variables
without value are not in it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import which
from typing import Any

from conformance.inputs import one_line
from conformance.stacks.base import ComposeModel, StackError, Unavailable
from conformance.stacks.compose import env
from conformance.stacks.compose.interpolation import Expression, InvalidInterpolation, expressions, split
from conformance.stacks.compose.project import Project
from conformance.stacks.compose.raw import Document, KeyPath, dump
from conformance.text import clean

TIMEOUT = 60.0  # seconds; Compose takes a tenth of one
PROJECT = "author"  # the project's name: it is in the names of networks and volumes that the author did not name
MAX_GROWTH = 8 * 2**20  # characters that interpolation may add
MAX_PROBLEM = 500

_NO_COMPOSE = re.compile(r"is not a docker command|unknown command: docker compose|unknown (shorthand )?flag")
_SUBJECT = re.compile(
    r"\b(?P<path>(services|networks|volumes|configs|secrets|include)(\.[\w.\[\]-]+)?)"
    r"|\b(?P<kind>service|volume|network|config|secret) \"(?P<name>[^\"]+)\""
)
_EXTRA = re.compile(r"Additional property (\S+) is not allowed")
_UNDEFINED = re.compile(r"undefined (network|volume|config|secret)\b")
_EXPRESSION = re.compile(r"\$\{CONFORMANCE_\d+_\}")


@dataclass(frozen=True)
class Resolution:
    """``document`` is the interpolated JSON as Compose printed it (``$`` doubled), with the repository's own paths."""

    model: ComposeModel
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)


def resolve(project: Project) -> Resolution:
    """Resolve a project; the model has no findings yet. That it does not resolve is in ``model.problem``.

    Raises:
        Unavailable: ``docker compose`` is not installed.
        StackError: it does not end, or this machine has no place for a copy.
    """
    raw: Mapping[str, Any] = {}
    for document in project.documents:
        if document.path in project.files:
            raw = _over(raw, document.data)
    known = ComposeModel(
        file=project.name,
        problem=clean(project.problem or _disproportion(project), MAX_PROBLEM),
        raw=raw,
        env_file=project.env.name,
        env_generated=project.env.generated,
        env_example=project.example,
        env_documented=project.documented,
    )
    if known.problem or not project.files:
        return Resolution(known)
    try:
        with tempfile.TemporaryDirectory(prefix="conformance-compose-") as folder:
            copy = _Copy(project, Path(folder, "values").resolve())
            printed = _for_running(copy.restored(copy.config()))
            resolved = _single_dollars(printed)
            authored = _authored(_Copy(project, Path(folder, "author").resolve(), as_written=True), resolved)
    except _Refused as refused:
        return Resolution(replace(known, problem=refused.message))
    except OSError as error:
        raise StackError(f"the Compose files cannot be copied to be resolved: {error.strerror or error}") from None
    return Resolution(replace(known, authored=authored, resolved=resolved), printed)


def _authored(copy: _Copy, resolved: Mapping[str, Any]) -> dict[str, Any]:
    try:
        written = copy.config("--no-interpolate")
    except _Refused:  # though it resolves: the name of a file that it extends is interpolated, say
        written = copy.as_read(resolved["services"])
    return copy.restored(_shaped(written, resolved))  # type: ignore[no-any-return]


class _Refused(Exception):  # noqa: N818 - Compose's answer
    def __init__(self, message: str) -> None:
        self.message = message


class _Copy:
    """What Compose gets to see.

    ``as_written`` is for ``--no-interpolate``, with which Compose cuts ``${DATA:-./data}:/data:ro`` into pieces at
    every colon: expressions get names without one.
    """

    def __init__(self, project: Project, folder: Path, *, as_written: bool = False) -> None:
        self._project = project
        self._root = folder / "repository"
        self._folder = folder
        self._expressions: dict[str, str] = {}
        (folder / "home" / ".docker").mkdir(parents=True)
        for path, of_service in project.service_env.items():
            self._put(path, env.written(of_service.values))
        texts: dict[Path, dict[int, str]] = {}  # a file that is included twice is the same twice
        for document in project.documents:
            text = dump(document, self._renamed if as_written else str)
            texts.setdefault(document.path, {}).setdefault(document.line_of(()), text)
        for path, of_file in texts.items():
            self._put(path, "\n---\n".join(of_file.values()))
        self._placed(project.directory).mkdir(parents=True, exist_ok=True)
        values = {name: value for name, value in project.env.values.items() if not name.startswith("COMPOSE_")}
        del values["HOME"]  # Compose's own is a folder of this copy
        values["PWD"] = values["PWD"].replace(str(project.directory), str(self._placed(project.directory)))
        (folder / "env").write_text(env.written(values), encoding="utf-8", newline="")

    def config(self, *options: str) -> dict[str, Any]:
        """The output of ``docker compose config``.

        Raises:
            _Refused: in Compose's words, with file and line where they can be told.
            Unavailable: ``docker compose`` is not installed.
            StackError: it does not end, or prints no JSON.
        """
        plugins = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker", "cli-plugins")
        settings = self._folder / "home" / ".docker" / "config.json"
        settings.write_text(json.dumps({"cliPluginsExtraDirs": [str(plugins)]}), encoding="utf-8")
        docker = which("docker")
        if docker is None:
            raise Unavailable("docker compose is not installed")
        files = [word for file in self._project.files for word in ("-f", str(self._placed(file)))]
        directory = self._placed(self._project.directory)
        command = [
            docker, "compose", "--project-name", PROJECT, "--project-directory", str(directory), *files,
            "--env-file", str(self._folder / "env"), "--profile", "*", "config", "--format", "json", *options,
        ]  # fmt: skip
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder / "home"),
            "COMPOSE_DISABLE_ENV_FILE": "1",
            "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false",
            "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false",
        }
        try:
            done = subprocess.run(
                command, env=environment, cwd=directory, capture_output=True, text=True, errors="replace",
                timeout=TIMEOUT, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise StackError(f"docker compose config did not end within {TIMEOUT:.0f} s") from None
        if done.returncode:
            if _NO_COMPOSE.search(done.stderr):
                raise Unavailable("docker compose is not installed")
            raise _Refused(self._explained(done.stderr))
        try:
            return json.loads(done.stdout)  # type: ignore[no-any-return]
        except ValueError:
            raise StackError(f"docker compose config printed no JSON: {clean(one_line(done.stdout), 200)}") from None

    def as_read(self, services: Iterable[str]) -> dict[str, Any]:
        """What the files say of the services, without Compose: nothing is extended, expressions have their names."""
        found: dict[str, Any] = {name: {} for name in services}
        for document in sorted(self._project.documents, key=lambda one: one.path in self._project.files):
            written: Any = document.data.get("services")
            for name in found.keys() & (written if isinstance(written, dict) else {}).keys():
                found[name] = _over(found[name], self._renamed_tree(written[name] or {}))
        return {"services": found}

    def _renamed_tree(self, tree: Any) -> Any:
        if isinstance(tree, dict):
            return {key: self._renamed_tree(value) for key, value in tree.items()}
        if isinstance(tree, list):
            return [self._renamed_tree(value) for value in tree]
        return self._renamed(tree) if isinstance(tree, str) else tree

    def _placed(self, path: Path) -> Path:
        return self._root / path.relative_to(self._project.root)

    def _put(self, path: Path, text: str) -> None:
        placed = self._placed(path)
        placed.parent.mkdir(parents=True, exist_ok=True)
        placed.write_text(text, encoding="utf-8", newline="")

    def _renamed(self, text: str) -> str:
        try:
            return "".join(part if isinstance(part, str) else self._name_for(part) for part in split(text))
        except InvalidInterpolation:
            return text

    def _name_for(self, expression: Expression) -> str:
        if not expression.operator:
            return expression.text
        name = f"${{CONFORMANCE_{len(self._expressions)}_}}"
        self._expressions[name] = expression.text
        return name

    def restored(self, tree: Any) -> Any:
        """What Compose printed with the repository's paths, ``~``, and the expressions as they were written."""
        if isinstance(tree, dict):
            return {self.restored(key): self.restored(value) for key, value in tree.items()}
        if isinstance(tree, list):
            return [self.restored(value) for value in tree]
        if not isinstance(tree, str):
            return tree
        for ours, theirs in ((self._root, str(self._project.root)), (self._folder / "home", "~")):
            if tree == str(ours) or tree.startswith(f"{ours}/"):
                tree = f"{theirs}{tree[len(str(ours)) :]}"
        return _EXPRESSION.sub(lambda name: self._expressions.get(name[0], name[0]), tree)

    def _explained(self, stderr: str) -> str:
        """Compose's words with file and line in front, and no path but the repository's."""
        lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith("time=")]
        said = one_line(" ".join(lines)) or "docker compose config fails and says nothing"
        said = self.restored(said)
        said = said.replace(f"{self._root}/", "").replace(str(self._root), ".").replace(f"{self._folder}/", "")
        said = said.removesuffix(": invalid compose project")
        place = _place(said, self._project.documents)
        return clean(f"{place}: {said}" if place else said, MAX_PROBLEM)


def _place(said: str, documents: tuple[Document, ...]) -> str:
    """``file:line`` of what Compose speaks of; empty when it names nothing that is written."""
    subject = _SUBJECT.search(said)
    if not subject:
        return ""
    words = [f"{subject['kind']}s", subject["name"]] if subject["kind"] else re.split(r"[.\[\]]+", subject["path"])
    if extra := _EXTRA.search(said):
        words.append(extra[1])
    if undefined := _UNDEFINED.search(said):
        words.append(f"{undefined[1]}s")
    elif "depends on undefined" in said:
        words.append("depends_on")
    best: tuple[int, str] = (0, "")
    for document in documents:
        at = _known(words, document)
        if len(at) > best[0]:
            best = (len(at), f"{document.name}:{document.line_of(at)}")
    return best[1]


def _known(words: list[str], document: Document) -> KeyPath:
    """The longest path in ``document`` that these words spell; names may hold dots."""
    at: KeyPath = ()
    while words:
        for count in range(len(words), 0, -1):
            key = ".".join(words[:count])
            step = (*at, int(key)) if key.isdigit() and (*at, int(key)) in document.lines else (*at, key)
            if step in document.lines:
                at, words = step, words[count:]
                break
        else:
            return at
    return at


def _disproportion(project: Project) -> str:
    """Why the project is not given to Compose at all: values that would fill the memory."""
    values = project.env.values
    growth = sum(len(values.get(one.name, "")) for document in project.documents for one in expressions(document.data))
    return f"{project.name}: interpolation makes it larger than {MAX_GROWTH >> 20} MiB" if growth > MAX_GROWTH else ""


def _over(base: Any, over: Any) -> Any:
    """What two files say together: mappings key by key, lists one after the other."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {**base, **{key: _over(base[key], value) if key in base else value for key, value in over.items()}}
    if isinstance(base, list) and isinstance(over, list):
        return [*base, *over]
    return over


def _for_running(document: Mapping[str, Any]) -> dict[str, Any]:
    """Without what would be read or filled in from elsewhere once more when it runs."""
    services = {}
    for name, service in (document.get("services") or {}).items():
        kept = {key: value for key, value in service.items() if key not in {"env_file", "label_file", "develop"}}
        if kept.get("environment"):
            kept["environment"] = _given(kept["environment"])
        if isinstance(kept.get("build"), Mapping) and kept["build"].get("args"):
            kept["build"] = {**kept["build"], "args": _given(kept["build"]["args"])}
        services[name] = kept
    return {**document, "services": services}


def _given(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Without those to which the shell would give a value."""
    return {name: value for name, value in variables.items() if value is not None}


def _single_dollars(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {_single_dollars(key): _single_dollars(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_single_dollars(value) for value in tree]
    return tree.replace("$$", "$") if isinstance(tree, str) else tree


# --- the shapes of ``authored`` -----------------------------------------------------------------------------------


def _shaped(written: Mapping[str, Any], resolved: Mapping[str, Any]) -> dict[str, Any]:
    services = {
        name: _service(service or {}, resolved["services"].get(name) or {})
        for name, service in (written.get("services") or {}).items()
    }
    return {**written, "services": services}


def _service(written: Mapping[str, Any], resolved: Mapping[str, Any]) -> dict[str, Any]:
    service = dict(written)
    for key in ("environment", "labels"):
        if key in service:
            service[key] = _pairs(service[key])
    if isinstance(service.get("build"), Mapping) and "args" in service["build"]:
        service["build"] = {**service["build"], "args": _pairs(service["build"]["args"])}
    for key in ("tmpfs", "dns"):
        if isinstance(service.get(key), str):
            service[key] = [service[key]]
    health = service.get("healthcheck")
    if isinstance(health, Mapping) and isinstance(health.get("test"), str):
        service["healthcheck"] = {**health, "test": ["CMD-SHELL", health["test"]]}
    if "ports" in service:
        service["ports"] = [_port(port) for port in service["ports"] or ()]
    if "volumes" in service:
        types = {volume.get("target"): volume["type"] for volume in resolved.get("volumes") or ()}
        service["volumes"] = [_volume(volume, types) for volume in service["volumes"] or ()]
    return service


def _pairs(value: Any) -> dict[str, str | None]:
    if isinstance(value, Mapping):
        return {key: _text(each) for key, each in value.items()}
    return {name: text if given else None for name, given, text in (str(pair).partition("=") for pair in value or ())}


def _text(value: Any) -> str | None:
    """A scalar as Compose makes text of it."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _port(port: Any) -> dict[str, Any]:
    if isinstance(port, Mapping):
        return dict(port)
    ports, _, protocol = str(port).partition("/")
    head, _, target = ports.rpartition(":")
    host, _, published = head.rpartition(":")
    shaped: dict[str, Any] = {"mode": "ingress", "target": int(target) if target.isdecimal() else target}
    if published:
        shaped["published"] = published
    if host:
        shaped["host_ip"] = host.strip("[]")
    return {**shaped, "protocol": protocol or "tcp"}


def _volume(volume: Any, types: Mapping[str, str]) -> dict[str, Any]:
    if isinstance(volume, str):
        source, target, mode = [*volume.split(":"), "", ""][:3] if ":" in volume else ("", volume, "")
        shaped = {"type": types.get(target, "bind" if source[:1] in {".", "/", "~"} else "volume"), "target": target}
        return shaped | ({"source": source} if source else {}) | ({"read_only": True} if mode == "ro" else {})
    shaped = dict(volume)
    if "$" in shaped.get("source", "") and shaped["type"] != types.get(shaped.get("target", ""), shaped["type"]):
        shaped.pop(shaped["type"], None)  # the options of the type that it is not
        shaped["type"] = types[shaped["target"]]
    return shaped
