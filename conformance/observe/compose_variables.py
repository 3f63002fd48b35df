"""What a Compose model takes from its environment: the variables without default, and the secrets that it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from conformance.observe.compose_facts import Variable
from conformance.stacks.compose.interpolation import Expression, InvalidInterpolation, split
from conformance.stacks.compose.service import environment

_KEPT = 200  # variables and literals
_NODES = 50_000  # of a tree: in YAML a few aliases make a tree of any size
_WITHOUT_NEED = ("-", "+")  # the last character of an operator with which a variable may be unset

# The name of a password, secret key or token: what it ends in. Access keys and user names are no secrets.
_SECRET = re.compile(
    r"(PASSWORD|PASSWD|PASSPHRASE|(^|_)PASS|(^|_)PWD|SECRET|(^|_)TOKEN|API_?KEY|AUTH_?KEY"
    r"|(SECRET|PRIVATE|ENCRYPTION|FERNET|SIGNING|MASTER|JWT)_?(ACCESS_?)?KEY)$"
)
_OPTION = re.compile(r"--?(?:\w+[-.])*(?:password|passwd|secret|secret-key|token|requirepass)", re.IGNORECASE)
# (?<!…): else each letter of a long word would be tried as the first of a scheme
_IN_URL = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'\"]*:(?P<password>[^\s@/'\"]+)@")
_IN_DSN = re.compile(r"(?i)(?<![\w.-])pass(?:word|wd)?\s*=\s*(?:'(?P<quoted>[^']+)'|(?P<plain>[^\s;&'\"]+))")
_NO_VALUE = re.compile(r"(?i)(true|false|yes|no|on|off|none|null|\d|/run/secrets/.*|)")


def variables(authored: Mapping[str, Any]) -> tuple[Variable, ...]:
    """The variables that are interpolated and have no default, each once, with its first place."""
    found: dict[str, Variable] = {}
    for place, text in places(authored):
        for variable in _without_default(place, text):
            before = found.get(variable.name)
            if before is None or (before.instead_of and not variable.instead_of):
                found[variable.name] = variable
    return tuple(found.values())[:_KEPT]


def literals(service: Mapping[str, Any]) -> tuple[str, ...]:
    """Where a service's author wrote a secret out: in its environment, build arguments, command or an address."""
    build = service.get("build")
    arguments = environment({"environment": build.get("args")}) if isinstance(build, Mapping) else {}
    found = [f"environment {name}" for name, value in environment(service).items() if is_written_out(name, value)]
    found += [f"build.args {name}" for name, value in arguments.items() if is_written_out(name, value)]
    for key in ("command", "entrypoint"):
        words = service.get(key)
        text = " ".join(str(word) for word in words) if isinstance(words, list) else str(words or "")
        found += [f"{key} {option}" for option in _options(text)]
    rest = {key: value for key, value in service.items() if key not in ("environment", "build")}
    found += [place for place, text in places(rest) if _holds_password(text)]
    return tuple(dict.fromkeys(found))[:_KEPT]


def inline_secrets(authored: Mapping[str, Any]) -> tuple[str, ...]:
    """The ``configs`` whose content stands in the Compose file with a secret in it."""
    import yaml

    found = []
    configs = authored.get("configs")
    for name, config in configs.items() if isinstance(configs, Mapping) else ():
        content = config.get("content") if isinstance(config, Mapping) else None
        if not isinstance(content, str):
            continue
        try:
            pairs = [(place.rpartition(".")[2], text) for place, text in places(yaml.safe_load(content))]
        except (yaml.YAMLError, ValueError, RecursionError):
            pairs = []
        if _holds_password(content) or any(is_written_out(key, text) for key, text in pairs):
            found.append(f"configs.{name}")
    return tuple(found)[:_KEPT]


def is_written_out(name: str, value: str) -> bool:
    """Whether a variable of that name holds a secret that is written out (nothing of it is interpolated)."""
    is_secret = bool(_SECRET.search(shouted(name)))
    written_out = is_secret and not _expressions(value) and not _NO_VALUE.fullmatch(value.strip())
    return written_out or _holds_password(value)


def without_passwords(text: str) -> str:
    """``text`` with the passwords of its addresses and connection strings left out."""
    text = _IN_URL.sub(lambda match: match[0].replace(f":{match['password']}@", ":…@"), text)
    return _IN_DSN.sub(lambda match: f"{match[0].partition('=')[0]}=…", text)


def places(tree: Any) -> Iterator[tuple[str, str]]:
    """The strings of a tree, each with the keys that lead to it; extensions at the top (``x-…``) left out."""
    waiting, left = [("", tree)], _NODES
    while waiting:
        at, value = waiting.pop()
        below: list[tuple[str, Any]] = []
        if isinstance(value, str):
            yield at, value
        elif isinstance(value, Mapping):
            keys = [key for key in value if at or not str(key).startswith("x-")]
            below = [(f"{at}.{key}" if at else str(key), value[key]) for key in keys[:left]]
        elif isinstance(value, list):
            below = [(at, item) for item in value[:left]]
        waiting += reversed(below)
        left -= len(below)


def shouted(name: str) -> str:
    """``secretKey``, ``secret-key`` and ``SECRET__KEY`` as ``SECRET_KEY``."""
    return re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).upper()


def _without_default(place: str, text: str, instead_of: str = "") -> Iterator[Variable]:
    for part in _expressions(text):
        needed = not part.operator.endswith(_WITHOUT_NEED)
        if needed:
            yield Variable(name=part.name, place=place, instead_of=instead_of)
        if part.operator.endswith("-"):
            yield from _without_default(place, part.operand, instead_of or part.name)


def _expressions(text: str) -> list[Expression]:
    try:
        return [part for part in split(text) if isinstance(part, Expression)]
    except InvalidInterpolation:
        return []


def _holds_password(text: str) -> bool:
    """Whether an address or a connection string in ``text`` has a password that is written out."""
    passwords = [match["password"] for match in _IN_URL.finditer(text)]
    passwords += [match["quoted"] or match["plain"] for match in _IN_DSN.finditer(text)]
    return any("$" not in password for password in passwords)


def _options(text: str) -> Iterator[str]:
    """The options of a command line that give a secret."""
    for match in re.finditer(rf"(?<!\S)({_OPTION.pattern})(?:=|\s+)(\S+)", text, re.IGNORECASE):
        option, value = match[1], match[2].strip("'\"")
        if "$" not in value and not value.startswith("-") and not _NO_VALUE.fullmatch(value):
            yield option
