"""What the stand-in takes from the environment and from ``grafana.ini``, read as Grafana and its image read them.

Sources: "Configure Grafana" (grafana.com/docs/grafana/latest/setup-grafana/configure-grafana), packaging/docker/run.sh.
Settings of Grafana that change nothing here (``GF_USERS_*``, ``GF_SERVER_ROOT_URL``, …) are accepted and left alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as IniError
from dataclasses import dataclass, field
from pathlib import Path

from .provisioning.expand import ExpandError, expand_setting

ORGANISATION = "Main Org."  # the only one here
ROLES = ("Viewer", "Editor", "Admin")
_TRUE = frozenset({"1", "t", "true", "y", "yes", "on"})


class SettingsError(Exception):
    """The environment cannot be used; the message is the line that Grafana's image prints."""


@dataclass(frozen=True)
class Settings:
    """Where and how to serve. Paths are taken as they are given."""

    address: str
    port: int
    data: Path
    provisioning: Path
    admin_user: str
    admin_password: str = field(repr=False)
    anonymous_role: str | None  # None: who is not logged in may see nothing
    lock_out: bool  # whether five wrong passwords lock a user out for five minutes

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read the variables; an empty one counts as absent (pkg/setting/setting.go, applyEnvVariableOverrides).

        Raises:
            SettingsError: a port that is none, a file that cannot be read, a variable given both ways.
        """
        values = _with_files(os.environ if env is None else env)
        written = _ini(Path(values.get("GF_PATHS_CONFIG") or "/etc/grafana/grafana.ini"))

        def get(name: str, default: str) -> str:
            try:
                return expand_setting(values.get(name) or written.get(name) or default, values)
            except ExpandError as error:
                raise SettingsError(f"{name}: {error}") from None

        port = get("GF_SERVER_HTTP_PORT", "3000")
        if not port.isdecimal() or not 0 < int(port) < 65_536:
            raise SettingsError(f"GF_SERVER_HTTP_PORT={port!r} is not a port")
        role = get("GF_AUTH_ANONYMOUS_ORG_ROLE", "Viewer")
        if role not in ROLES:
            raise SettingsError(f"GF_AUTH_ANONYMOUS_ORG_ROLE={role!r} is none of {', '.join(ROLES)}")
        anonymous = _true(get("GF_AUTH_ANONYMOUS_ENABLED", "false"))
        anonymous = anonymous and get("GF_AUTH_ANONYMOUS_ORG_NAME", ORGANISATION) == ORGANISATION
        return cls(
            address=get("GF_SERVER_HTTP_ADDR", "0.0.0.0"),  # noqa: S104 - a container's server, as Grafana's default is
            port=int(port),
            data=Path(get("GF_PATHS_DATA", "/var/lib/grafana")),
            provisioning=Path(get("GF_PATHS_PROVISIONING", "/etc/grafana/provisioning")),
            admin_user=get("GF_SECURITY_ADMIN_USER", "admin"),
            admin_password=get("GF_SECURITY_ADMIN_PASSWORD", "admin"),
            anonymous_role=role if anonymous else None,
            lock_out=not _true(get("GF_SECURITY_DISABLE_BRUTE_FORCE_LOGIN_PROTECTION", "false")),
        )


def _true(text: str) -> bool:
    return text.strip().lower() in _TRUE


def _ini(path: Path) -> dict[str, str]:
    """The settings of ``grafana.ini`` by the variables that would override them; a file that is not there has none."""
    parser = ConfigParser(
        interpolation=None, strict=False, default_section="", delimiters=("=",), comment_prefixes=("#", ";"),
        inline_comment_prefixes=("#", ";"),
    )  # fmt: skip
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        parser.read_string("\n".join(("[default]", *map(str.strip, lines))), str(path))  # indented is not continued
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, IniError) as error:
        raise SettingsError(f'failed to parse "{path}": {error}'.replace("\n", " ")) from None
    return {
        f"GF_{section}_{key}".upper().replace(".", "_").replace("-", "_"): _unquoted(value)
        for section in parser.sections()
        for key, value in parser.items(section)
        if value
    }


def _unquoted(text: str) -> str:
    for mark in ('"""', '"', "'", "`"):
        if len(text) >= 2 * len(mark) and text.startswith(mark) and text.endswith(mark):
            return text[len(mark) : -len(mark)]
    return text


def _with_files(env: Mapping[str, str]) -> dict[str, str]:
    """``GF_…__FILE`` replaced by the content of the file that it names (packaging/docker/run.sh)."""
    values = dict(env)
    for name, path in env.items():
        plain = name.removesuffix("__FILE")
        if plain == name or not name.startswith("GF_") or not path:
            continue
        if env.get(plain):
            raise SettingsError(f"ERROR: Both {plain} and {name} are set (but are exclusive)")
        try:
            values[plain] = Path(path).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}: {error}") from None
    return values
