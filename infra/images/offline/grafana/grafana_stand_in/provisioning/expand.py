"""Expansion of variables in provisioned values, as Go's ``os.ExpandEnv`` and Grafana's own expanders do it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

# ``${NAME}``, ``$__env{NAME}``, ``$__file{PATH}``: pkg/setting/expanders.go
_SETTING = re.compile(r"\$(|__\w+)\{([^}]+)\}")
# Go, src/os/env.go, getShellName: ``${}`` and an unclosed ``${`` are eaten, ``$1`` and the like are names of their own.
_SHELL = re.compile(
    r"\$(?:\{(?P<braced>[^}]*)\}|(?P<open>\{)|(?P<special>[*#$@!?\-0-9])|(?P<name>[A-Za-z_][A-Za-z0-9_]*))"
)


class ExpandError(ValueError):
    """A value cannot be expanded."""


def expand_setting(text: str, env: Mapping[str, str]) -> str:
    """Grafana's expanders.

    Raises:
        ExpandError: a file that cannot be read, or an expander that does not exist.
    """

    def one(match: re.Match[str]) -> str:
        kind, argument = match.groups()
        if kind in ("", "__env"):
            return env.get(argument, "")
        if kind == "__file":
            try:
                return Path(argument).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ExpandError(f"open {argument}: {getattr(error, 'strerror', None) or error}") from None
        raise ExpandError(f"variable expander {kind!r} does not exist")

    return _SETTING.sub(one, text)


def expand_value(text: str, env: Mapping[str, str]) -> str:
    """A provisioned value with its variables filled in; an unset one is empty, ``$$`` is a dollar sign.

    Source: pkg/services/provisioning/values/values.go, interpolateValue.

    Raises:
        ExpandError: as :func:`expand_setting`.
    """

    def one(match: re.Match[str]) -> str:
        name = match["braced"] or match["special"] or match["name"]
        return env.get(name, "") if name else ""

    try:
        return "$".join(_SHELL.sub(one, expand_setting(part, env)) for part in text.split("$$"))
    except ExpandError as error:
        raise ExpandError(f"failed to interpolate value '{text}': {error}") from None
