"""Whom a service calls, and by what: other services by their names, or itself (and its host) by ``localhost``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from conformance.observe import naming
from conformance.observe.compose_facts import Address, Naming
from conformance.observe.compose_variables import places, shouted
from conformance.observe.mounts import Mount, content, origin, tree
from conformance.stacks.base import ComposeModel, Role
from conformance.stacks.compose.interpolation import expressions
from conformance.stacks.compose.service import environment, exposed, host_names, ports, words

MAX_ADDRESSES = 20  # of a service
MAX_YAML = 256 * 1024
ROLE_PORTS: Mapping[Role, tuple[int, ...]] = {
    Role.POSTGRES: (5432,),
    Role.OBJECT_STORE: (9000, 9001),
    Role.DASK_SCHEDULER: (8786, 8787),
    Role.PREFECT_SERVER: (4200,),
    Role.PROMETHEUS: (9090,),
    Role.GRAFANA: (3000,),
}

_HOST = (
    r"localhost|127(?:\.\d{1,3}){3}|0\.0\.0\.0|\[::1?\]"
    r"|host\.docker\.internal|gateway\.docker\.internal|docker\.for\.(?:mac|win)\.(?:localhost|host\.internal)"
)
_LOCAL = re.compile(
    rf"(?:(?<![a-z0-9+.-])(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^\s/@'\"]*@)?)?(?<![\w.-])(?P<host>{_HOST})(?![\w-]|\.\w)(?::(?P<port>\d{{1,5}}))?",
    re.IGNORECASE,
)
_SCHEME_PORTS = {"http": 80, "https": 443, "postgres": 5432, "postgresql": 5432, "redis": 6379}
_HOST_NAME = re.compile(r"(HOST|HOSTNAME|SERVER|ADDR|ADDRESS)$")
_PORT_BY_NAME = (
    (re.compile(r"(^|_)(PG|POSTGRES(QL)?|DB|DATABASE|WAREHOUSE)"), 5432),
    (re.compile(r"(^|_)(S3|MINIO|RUSTFS)"), 9000),
    (re.compile(r"(^|_)DASK"), 8786),
    (re.compile(r"(^|_)PREFECT"), 4200),
    (re.compile(r"(^|_)PROMETHEUS"), 9090),
)
# what people open, not services
_FOR_BROWSERS = re.compile(
    r"PUBLIC|BROWSER|NAVEGADOR|EXTERN(AL|O|A)|ROOT_?URL|SITE_?URL|UI_(API_)?URL|(^|_)UI$|DASHBOARD|TABLERO"
    r"|(^|_)(LINK|ENLACE)S?($|_)|REDIRECT|CALLBACK|ORIGIN|CORS|^(VITE|REACT_APP|NEXT_PUBLIC)_|FRONTEND|NO_PROXY|ALLOWED_HOSTS"
)
_LISTENS_OPTION = re.compile(
    r"--?(?:port|address|(?:[\w.-]*[-.])?(?:listen|bind|dashboard|console|http|https|nanny|worker|server)[\w.-]*)"
)
_LISTENS_VARIABLE = re.compile(
    r"^PORT$|(LISTEN|BIND)(_|$)|^RUSTFS_(CONSOLE_)?ADDRESS$|^(GF_SERVER_HTTP|PREFECT_SERVER_API|STREAMLIT_SERVER|MB_JETTY)_PORT$"
)
_CONFIGURATION = re.compile(r"\.(ya?ml|ini|conf|cfg|toml|properties|env)$", re.IGNORECASE)
_OWN_CODE = {Role.DASK_SCHEDULER, Role.DASK_WORKER, Role.PREFECT_SERVER, Role.PREFECT_WORKER}
_OF_SYSTEM = re.compile(r"^/etc/|/\.config/")
_DATASOURCES = re.compile(r"/datasources/[^/]+\.ya?ml$")
_COMMENT = re.compile(r"\s*[#;]|\s*//")


class _Text(NamedTuple):
    """A text of a service in which there may be addresses; ``key``: the name of what it is the value of."""

    place: str
    key: str
    text: str
    file: str = ""  # in the container


def namings(model: ComposeModel, name: str) -> tuple[Naming, ...]:
    """The other services that ``name`` has as hosts in its environment and command."""
    found: dict[str, list[str]] = {}
    texts = list(_own_texts(naming.service(model, name)))
    for other in model.resolved.get("services") or {}:
        hosts = "|".join(map(re.escape, sorted(host_names(other, naming.service(model, other)))))
        in_address = re.compile(
            rf"(?:@|//)(?:{hosts})(?![\w.-])|(?<![\w./@-])(?:{hosts}):\d"
            rf"|(?:(?i:\bhost=)|-h +|--host[ =])(?:{hosts})(?![\w.-])"
        )
        for place, key, text, _ in texts if other != name else ():
            alone = (key == "-h" or _HOST_NAME.search(key.upper())) and re.fullmatch(hosts, text.strip())
            if alone or in_address.search(text):
                found.setdefault(other, []).append(place)
    return tuple(Naming(service=other, places=tuple(dict.fromkeys(at))[:5]) for other, at in found.items())


def addresses(
    model: ComposeModel, root: Path, name: str, roles: Mapping[str, Sequence[Role]], configuration: Sequence[Mount]
) -> tuple[Address, ...]:
    """The local addresses in the environment, the command and the mounted configuration of a service.

    Health checks are left out: they run in the container and ask its own service. So are the files beside the code of
    a service of one's own, in which there may be a section for each place where it runs.
    """
    service = naming.service(model, name)
    if service.get("build") is not None or _OWN_CODE & set(roles.get(name, ())):
        configuration = [mount for mount in configuration if mount.kind == "config" or _OF_SYSTEM.search(mount.target)]
    own = _listened(model, name, roles)
    shared = {other for other in model.resolved.get("services") or {} if _home(model, other) == _home(model, name)}
    others = {
        other: (_listened(model, other, roles), _published(naming.service(model, other)))
        for other in model.resolved.get("services") or {}
        if other not in shared
    }
    variables = environment(service)
    found: dict[Address, None] = {}
    is_grafana = Role.GRAFANA in roles.get(name, ())
    is_on_the_host = service.get("network_mode") == "host"  # where everything that is published is local
    authored = (model.authored.get("services") or {}).get(name)
    own_texts = _with_variables(_own_texts(service), _own_texts(authored if isinstance(authored, Mapping) else {}))
    for place, key, text, file in [*own_texts, *_mounted_texts(model, root, name, configuration)]:
        for match in _LOCAL.finditer(text):
            scheme, host = (match["scheme"] or "").lower(), match["host"].lower()
            port = int(match["port"]) if match["port"] else _implied(key, scheme, text, match[0], variables)
            on_host = "docker" in host or scheme not in ("", "http", "https")
            of = [o for o, (inside, published) in others.items() if port in inside or (on_host and port in published)]
            found[
                Address(
                    place=place,
                    host=host,
                    port=port,
                    own=(port in own and "docker" not in host) or is_on_the_host,
                    of=tuple(of),
                    browser=bool(_FOR_BROWSERS.search(shouted(key))),
                    datasource=is_grafana and bool(_DATASOURCES.search(file)),
                )
            ] = None
    worst_first = sorted(found, key=lambda address: address.own or address.browser or not address.of)
    return tuple(worst_first[:MAX_ADDRESSES])


def _own_texts(service: Mapping[str, Any]) -> Iterator[_Text]:
    for key, value in environment(service).items():
        yield _Text(f"environment {key}", key, value)
    for key in ("entrypoint", "command"):
        option = ""
        for word in words(service.get(key)):
            name, separator, value = word.partition("=")
            if word.startswith("-") and separator:
                yield _Text(key, name, value)
            else:
                yield _Text(key, option, word)
            option = word if word.startswith("-") and not separator else ""


def _with_variables(texts: Iterator[_Text], authored: Iterator[_Text]) -> Iterator[_Text]:
    """The texts; in the place of each whose local address comes from variables, these: it is mended where they are."""
    as_written = {place: list(written) for place, written in groupby(authored, key=lambda one: one.place)}
    for place, group in groupby(texts, key=lambda one: one.place):
        resolved = list(group)
        written = as_written.get(place, [])
        if len(written) != len(resolved):  # a variable with spaces in it made several words
            written = resolved
        for text, before in zip(resolved, written, strict=True):
            names = [] if _LOCAL.search(before.text) else [f"${{{one.name}}}" for one in expressions(before.text)]
            yield text._replace(place=" ".join([place, *dict.fromkeys(names)]))


def _mounted_texts(model: ComposeModel, root: Path, name: str, configuration: Sequence[Mount]) -> Iterator[_Text]:
    for mount in configuration:
        single = content(model, root, name, mount.target)
        below = tree(model, root, name, mount.target) if single is None else {}
        files = {mount.target: single} if single is not None else {f"{mount.target}/{at}": below[at] for at in below}
        for path, data in files.items():
            if _CONFIGURATION.search(path) or mount.kind == "config":
                place = origin(model, root, name, path)
                for key, text in _values(path, data.decode("utf-8", errors="replace")):
                    yield _Text(place, key, text, path)


def _values(name: str, text: str) -> Iterator[tuple[str, str]]:
    """The values of a configuration file with their keys; comments hold none."""
    import yaml

    if name.lower().endswith((".yml", ".yaml")) and len(text) <= MAX_YAML:
        try:
            for document in yaml.safe_load_all(text):
                yield from ((place.rpartition(".")[2], value) for place, value in places(document))
            return
        except (yaml.YAMLError, ValueError, RecursionError):
            pass
    for line in text.splitlines():
        if not _COMMENT.match(line):
            key, _, value = re.sub(r"\s[#;].*", "", line).partition("=")
            yield key.strip(), value or key


def _listened(model: ComposeModel, name: str, roles: Mapping[str, Sequence[Role]]) -> frozenset[int]:
    """The ports of the container: named in the model, or usual for its roles; also of what shares its network."""
    home = _home(model, name)
    found: set[int] = set()
    for other in model.resolved.get("services") or {}:
        if _home(model, other) != home:
            continue
        service = naming.service(model, other)
        found.update(exposed(service))
        for role in roles.get(other, ()):
            found.update(ROLE_PORTS.get(role, ()))
        for _, key, text, _ in _own_texts(service):
            is_option = _LISTENS_OPTION.fullmatch(key)
            if is_option or _LISTENS_VARIABLE.search(key):
                listening = re.search(r"(?:^|:)(\d{1,5})$", text.strip())
                found.update({int(listening[1])} if listening else ())
    return frozenset(found)


def _published(service: Mapping[str, Any]) -> frozenset[int]:
    return frozenset(int(port.published) for port in ports(service) if port.published.isdigit())


def _home(model: ComposeModel, name: str) -> str:
    """The service whose network the containers of ``name`` are in: another's with ``network_mode: service:OTHER``."""
    mode = str(naming.service(model, name).get("network_mode") or "")
    return mode.removeprefix("service:") if mode.startswith("service:") else name


def _implied(key: str, scheme: str, text: str, matched: str, variables: Mapping[str, str]) -> int | None:
    """The port of an address that names none: of its scheme, or of the variables that go with a ``…_HOST``."""
    if scheme:
        return _SCHEME_PORTS.get(scheme.partition("+")[0])
    name = shouted(key)
    if text.strip() != matched or not _HOST_NAME.search(name):
        return None
    beside = variables.get(_HOST_NAME.sub("PORT", key), "")
    if beside.isdigit():
        return int(beside)
    return next((port for pattern, port in _PORT_BY_NAME if pattern.search(name)), None)
