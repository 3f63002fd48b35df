"""What of a stranger's Compose files is not run: whatever reaches beyond the containers of its own project.

:func:`vet` reads the files as they are written, with their variables replaced, before anything resolves them;
:func:`vet_resolved` looks again at what Compose made of them, and there takes known keys only: a Compose newer than
this list may give a new key a meaning. A Dockerfile may run what it likes in its own build, which is a container, but
gets neither the host's network nor its secrets.

Not everything ordinary that is bound to a host is dangerous: hardening (``no-new-privileges``, ``cap_drop`` and, after
it, ``cap_add`` of what every container has by default), what the engine itself keeps within the container (``net.*``
sysctls), and the time zone's files pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.stacks.base import ComposeModel
from conformance.stacks.compose.interpolation import InvalidInterpolation, substitute
from conformance.stacks.compose.project import Project
from conformance.stacks.compose.raw import Document, KeyPath
from conformance.stacks.compose.sources import inside, is_remote
from conformance.text import clean

MAX_REPLICAS = 16
MAX_SHOWN = 80


@dataclass(frozen=True)
class Refusal:
    """Something that is not run. ``service``: who has it, so that a service that plays no role can be left out.

    ``replaced``: a run puts something of its own in its place (networks, volumes, logs), so that it does no harm there
    and is no reason not to run the rest.
    """

    file: str
    line: int
    key: str  # "services.db.privileged"
    what: str
    why: str
    service: str = ""
    replaced: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}: {self.what}: {self.why}"


def vet(project: Project) -> tuple[Refusal, ...]:
    """What is refused in the files as they are written, in the order in which Compose reads them."""
    found: list[Refusal] = []
    for document in project.documents:
        found += _Vetting(project, document.base, document.data, _in(document), written=True).refusals()
        found += [_escape(escape.document, escape.at, escape.text, escape.why)
                  for escape in project.escapes if escape.document is document]  # fmt: skip
    return tuple(dict.fromkeys(found))


def vet_resolved(project: Project, model: ComposeModel) -> tuple[Refusal, ...]:
    """What is refused in the resolved model and :func:`vet` did not see."""
    known = {(refusal.service, refusal.key) for refusal in vet(project)}
    found = _Vetting(project, project.directory, model.resolved, _among(project.documents), written=False).refusals()
    return tuple(refusal for refusal in dict.fromkeys(found) if (refusal.service, refusal.key) not in known)


# --- where ----------------------------------------------------------------------------------------------------------


def _in(document: Document) -> Callable[[KeyPath], tuple[str, int]]:
    return lambda path: (document.name, document.line_of(path))


def _among(documents: tuple[Document, ...]) -> Callable[[KeyPath], tuple[str, int]]:
    """The place in whichever file has most of the path."""

    def place(path: KeyPath) -> tuple[str, int]:
        for length in range(len(path), 0, -1):
            for document in documents:
                if path[:length] in document.lines:
                    return document.name, document.lines[path[:length]]
        return documents[0].name, 1

    return place


def _escape(document: Document, at: KeyPath, text: str, why: str) -> Refusal:
    service = str(at[1]) if at[0] == "services" else ""
    return Refusal(document.name, document.line_of(at), _dotted(at), _shown(text), why, service)


def _dotted(path: KeyPath) -> str:
    return clean(".".join(map(str, path)), 200)


def _shown(value: Any) -> str:
    return clean(" ".join(str(value).split()), MAX_SHOWN)


# --- what -----------------------------------------------------------------------------------------------------------


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REFUSED = {
    "privileged": "it would own the host",
    "devices": "it uses the host's devices",
    "device_cgroup_rules": "it uses the host's devices",
    "gpus": "it uses the host's devices",
    "cgroup_parent": "it would leave the limits of its own group",
    "credential_spec": "it uses the host's credentials",
    "group_add": "it takes part in groups of the host",
    "userns_mode": "it would share the host's users",
    "use_api_socket": "who has the engine's socket owns the host",
    "provider": "it runs a program on the host",
    "models": "it is run by the host, not in a container",
    "pre_start": "life-cycle hooks are not run",
    "post_start": "life-cycle hooks are not run",
    "pre_stop": "life-cycle hooks are not run",
    "volumes_from": "it takes the volumes of another container",
    "external_links": "it reaches containers of other projects",
    "oom_kill_disable": "it could exhaust the host's memory",
}
_NAMESPACES = ("network_mode", "pid", "ipc", "uts", "cgroup")
_HARMLESS = _words(
    """
    annotations attach blkio_config cap_drop command configs container_name cpu_count cpu_percent cpu_period cpu_quota
    cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset depends_on develop dns dns_opt dns_search domainname entrypoint
    env_file environment expose extends extra_hosts healthcheck hostname image init isolation label_file labels links
    mac_address mem_limit mem_reservation mem_swappiness memswap_limit pids_limit platform ports profiles pull_policy
    pull_refresh_after read_only restart secrets shm_size stdin_open stop_grace_period stop_signal storage_opt tmpfs tty
    ulimits user working_dir
    """
)
_TOP = _words("name version services networks volumes configs secrets include")
_BUILD_REFUSED = {
    "privileged": "a build gets no privileges",
    "entitlements": "a build gets no privileges",
    "secrets": "a build gets no secrets",
    "ssh": "a build gets no keys",
    "cache_to": "it writes outside the build",
    "tags": "it would name an image for everybody on this engine",
}
_BUILD_HARMLESS = _words(
    """
    additional_contexts args cache_from context dockerfile dockerfile_inline extra_hosts isolation labels network
    no_cache no_cache_filter platforms provenance pull sbom shm_size target ulimits
    """
)
_CAPABILITIES = _words(
    """
    AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID
    SYS_CHROOT
    """
)  # those that the engine gives to every container
_SYSCTL = re.compile(
    r"net\.[\w.-]+|fs\.mqueue\.\w+|kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)"
)  # those that a container has for itself
_SECURITY = re.compile(r"no-new-privileges([:=]true)?|apparmor[:=]docker-default")
_SOCKET = re.compile(r"(docker|containerd|podman|crio|buildkitd)(\.raw)?\.sock$")
_TIME_ZONE = {"/etc/localtime", "/etc/timezone"}
_VOLUME = re.compile(r"[A-Za-z0-9][\w.-]*")
_OFF = {"", "false", "no", "off", "n", "f", "0"}


class _Vetting:
    """One look at one tree. ``written``: values hold variables, and keys that are unknown are left to Compose."""

    def __init__(
        self,
        project: Project,
        base: Path,
        tree: Mapping[str, Any],
        place: Callable[[KeyPath], tuple[str, int]],
        *,
        written: bool,
    ) -> None:
        self._root = project.root
        self._values = project.env.values
        self._base = base
        self._place = place
        self._written = written
        self._tree = self._filled(tree) if written else tree
        self._checks = {
            "build": self._build,
            "cap_add": self._capabilities,
            "deploy": self._deploy,
            "logging": self._logging,
            "networks": self._endpoints,
            "oom_score_adj": self._oom_score,
            "runtime": self._runtime,
            "scale": self._scale,
            "security_opt": self._security,
            "sysctls": self._sysctls,
            "volumes": self._mounts,
        }

    def refusals(self) -> Iterator[Refusal]:
        for key in self._tree:
            if key == "models" or (not self._written and key not in _TOP and not key.startswith("x-")):
                yield self._refusal((key,), "given", "this key is not known to be harmless")
        for name, service in _mapping(self._tree.get("services")).items():
            yield from self._service(("services", name), _mapping(service))
        yield from self._networks()
        yield from self._volumes()
        for kind in ("configs", "secrets"):
            for name, one in _mapping(self._tree.get(kind)).items():
                yield from self._file((kind, name), _mapping(one))

    def _refusal(self, at: KeyPath, what: Any, why: str, *, replaced: bool = False) -> Refusal:
        file, line = self._place(at)
        service = str(at[1]) if at[0] == "services" else ""
        return Refusal(file, line, _dotted(at), _shown(what), why, service, replaced)

    def _filled(self, tree: Any) -> Any:
        if isinstance(tree, dict):
            return {key: self._filled(value) for key, value in tree.items()}
        if isinstance(tree, list):
            return [self._filled(value) for value in tree]
        if isinstance(tree, str):
            try:
                return substitute(tree, self._values)
            except InvalidInterpolation:
                return tree  # Compose will say so
        return tree

    # --- services

    def _service(self, at: KeyPath, service: Mapping[str, Any]) -> Iterator[Refusal]:
        for key, value in service.items():
            here = (*at, key)
            if key in _REFUSED:
                if _is_given(value):
                    yield self._refusal(here, _brief(value), _REFUSED[key])
            elif key in _NAMESPACES:
                if str(value).split(":")[0] in {"host", "container"}:
                    yield self._refusal(here, value, "it would share what is not of its own project")
            elif key in self._checks:
                yield from self._checks[key](here, value)
            elif not self._written and key not in _HARMLESS and not key.startswith("x-") and _is_given(value):
                yield self._refusal(here, "given", "this key is not known to be harmless")

    def _runtime(self, at: KeyPath, value: Any) -> Iterator[Refusal]:
        if value not in (None, "", "runc"):
            yield self._refusal(at, value, "it needs another runtime of the host")

    def _capabilities(self, at: KeyPath, value: Any) -> Iterator[Refusal]:
        asked = [str(name) for name in _listed(value) if str(name).upper().removeprefix("CAP_") not in _CAPABILITIES]
        if asked:
            yield self._refusal(at, ", ".join(asked), "it asks for privileges over the host's kernel")

    def _security(self, at: KeyPath, value: Any) -> Iterator[Refusal]:
        for index, option in enumerate(_listed(value)):
            if not _SECURITY.fullmatch(str(option)):
                yield self._refusal((*at, index), option, "it loosens what confines the container")

    def _sysctls(self, at: KeyPath, value: Any) -> Iterator[Refusal]:
        names = value if isinstance(value, dict) else [str(one).split("=")[0] for one in _listed(value)]
        for name in names:
            if not _SYSCTL.fullmatch(str(name)):
                yield self._refusal(at, name, "it changes the host's kernel")

    def _logging(self, at: KeyPath, value: Any) -> Iterator[Refusal]:
        driver = _mapping(value).get("driver")
        if driver not in (None, "", "json-file", "local", "none"):
            yield self._refusal((*at, "driver"), driver, "logs go to the engine and nowhere else", replaced=True)

    def _deploy(self, at: KeyPath, value: Any) -> Iterator[Refusal]:
        deploy = _mapping(value)
        yield from self._scale((*at, "replicas"), deploy.get("replicas"))
        reservations = _mapping(_mapping(deploy.get("resources")).get("reservations"))
        if _is_given(reservations.get("devices")):
            yield self._refusal((*at, "resources", "reservations", "devices"), "given", _REFUSED["devices"])

    def _scale(self, at: KeyPath, value: Any) -> Iterator[Refusal]:
        if str(value).isdecimal() and int(value) > MAX_REPLICAS:
            yield self._refusal(at, value, f"more than {MAX_REPLICAS} containers of one service")

    def _endpoints(self, at: KeyPath, value: Any) -> Iterator[Refusal]:
        for name, settings in _mapping(value).items():
            if _is_given(_mapping(settings).get("driver_opts")):
                yield self._refusal((*at, name, "driver_opts"), "given", "the network is a run's own", replaced=True)

    def _oom_score(self, at: KeyPath, value: Any) -> Iterator[Refusal]:
        if str(value).strip().startswith("-"):
            yield self._refusal(at, value, "it could exhaust the host's memory")

    def _mounts(self, at: KeyPath, value: Any) -> Iterator[Refusal]:
        for index, volume in enumerate(_listed(value)):
            here = (*at, index)
            if isinstance(volume, str):
                source = _source(volume)
                if source is not None:
                    yield from self._bind(here, source)
                continue
            mount = _mapping(volume)
            kind = mount.get("type")
            if kind == "bind":
                yield from self._bind(here, str(mount.get("source", "")))
            elif kind in {"npipe", "cluster"} or (not self._written and kind not in {"volume", "tmpfs", "image"}):
                yield self._refusal((*here, "type"), kind, "only volumes, binds, tmpfs and images are mounted")

    def _bind(self, at: KeyPath, source: str) -> Iterator[Refusal]:
        if _SOCKET.search(source):
            yield self._refusal(at, source, "who has the engine's socket owns the host")
        elif source in _TIME_ZONE and Path(source).is_file():
            return
        elif source.startswith("~") or not inside(self._root, self._base / source):
            yield self._refusal(at, source, "it lies outside the repository")

    # --- builds

    def _build(self, at: KeyPath, value: Any) -> Iterator[Refusal]:
        if isinstance(value, str):
            yield from self._context(at, value)
            return
        build = _mapping(value)
        for key, given in build.items():
            if key in _BUILD_REFUSED:
                if _is_given(given):
                    yield self._refusal((*at, key), "given", _BUILD_REFUSED[key])
            elif not self._written and key not in _BUILD_HARMLESS and not key.startswith("x-") and _is_given(given):
                yield self._refusal((*at, key), "given", "this key is not known to be harmless")
        context = str(build.get("context") or ".")
        dockerfile = str(build.get("dockerfile") or "Dockerfile")
        if outside := list(self._context((*at, "context"), context)):
            yield from outside
        elif not inside(self._root, self._base / context / dockerfile):
            yield self._refusal((*at, "dockerfile"), dockerfile, "it lies outside the repository")
        if build.get("network") not in (None, "", "default", "none"):
            yield self._refusal((*at, "network"), build["network"], "a build gets the network of a container only")
        for index, source in enumerate(_listed(build.get("cache_from"))):
            if "=" in str(source) and not str(source).startswith("type=registry,"):
                yield self._refusal((*at, "cache_from", index), source, "it reads outside the build")
        extra = build.get("additional_contexts")
        pairs = extra.items() if isinstance(extra, dict) else (str(one).partition("=")[::2] for one in _listed(extra))
        for name, source in pairs:
            if not str(source).startswith(("docker-image://", "service:")):
                yield from self._context((*at, "additional_contexts", name), str(source))

    def _context(self, at: KeyPath, context: str) -> Iterator[Refusal]:
        if is_remote(context):
            yield self._refusal(at, context, "it would be fetched from elsewhere")
        elif context.startswith("~") or not inside(self._root, self._base / context):
            yield self._refusal(at, context, "it lies outside the repository")

    # --- what services share

    def _networks(self) -> Iterator[Refusal]:
        for name, network in _mapping(self._tree.get("networks")).items():
            at: KeyPath = ("networks", name)
            settings = _mapping(network)
            if _is_given(settings.get("external")):
                yield self._refusal((*at, "external"), "given", "it is not of this project", replaced=True)
            if settings.get("driver") not in (None, "", "bridge", "default"):
                yield self._refusal((*at, "driver"), settings["driver"], "only bridges are made")
            if _is_given(settings.get("driver_opts")):
                yield self._refusal((*at, "driver_opts"), "given", "the network is a run's own", replaced=True)

    def _volumes(self) -> Iterator[Refusal]:
        for name, volume in _mapping(self._tree.get("volumes")).items():
            at: KeyPath = ("volumes", name)
            settings = _mapping(volume)
            if _is_given(settings.get("external")):
                yield self._refusal((*at, "external"), "given", "it is not of this project", replaced=True)
            if settings.get("driver") not in (None, "", "local", "default"):
                yield self._refusal((*at, "driver"), settings["driver"], "the volume is a run's own", replaced=True)
            if _is_given(settings.get("driver_opts")):
                yield self._refusal((*at, "driver_opts"), "given", "the volume is a run's own", replaced=True)

    def _file(self, at: KeyPath, one: Mapping[str, Any]) -> Iterator[Refusal]:
        for key in ("external", "driver", "template_driver"):
            if _is_given(one.get(key)):
                yield self._refusal((*at, key), "given", "it is not of this project")
        file = one.get("file")
        if isinstance(file, str) and (file.startswith("~") or not inside(self._root, self._base / file)):
            yield self._refusal((*at, "file"), file, "it lies outside the repository")


def _source(volume: str) -> str | None:
    """The bind source of a short form; None for a named or anonymous volume."""
    source, separator, _ = volume.partition(":")
    return source if separator and not _VOLUME.fullmatch(source) else None


def _is_given(value: Any) -> bool:
    """Whether a value asks for something, as Compose reads it."""
    if isinstance(value, str):
        return value.strip().lower() not in _OFF
    return bool(value)


def _brief(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(_brief(one) for one in value)
    return str(value) if isinstance(value, (str, int)) else "given"


def _listed(value: Any) -> Iterable[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
