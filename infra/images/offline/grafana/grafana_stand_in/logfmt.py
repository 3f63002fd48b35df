"""Log lines as Grafana writes them to the console: ``logger=… t=… level=… msg=… key=value``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,@+*[]()<>{}")


def _value(value: object) -> str:
    text = str(value)
    if text and _PLAIN.issuperset(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"' if text else ""


@dataclass(frozen=True)
class Logger:
    """One of Grafana's named loggers; ``context`` goes with every line of it."""

    name: str
    context: tuple[tuple[str, str], ...] = ()

    def info(self, msg: str, /, **fields: object) -> None:
        self._write("info", msg, fields)

    def warn(self, msg: str, /, **fields: object) -> None:
        self._write("warn", msg, fields)

    def error(self, msg: str, /, **fields: object) -> None:
        self._write("error", msg, fields)

    def _write(self, level: str, msg: str, fields: dict[str, object]) -> None:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        pairs = [("logger", self.name), *self.context, ("t", now), ("level", level)]
        line = " ".join(f"{key}={_value(value)}" for key, value in pairs)
        rest = "".join(f" {key}={_value(value)}" for key, value in fields.items())
        sys.stdout.write(f"{line} msg={_value(msg)}{rest}\n")
        sys.stdout.flush()
