"""What people give the kit (arguments, TOML files, evidence) and how it says that something cannot be used."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from conformance.text import printable


class InputError(Exception):
    """Something that a person gave cannot be used: one line for stderr, exit 2."""


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: it cannot be read or is no TOML; the message has the file, and the line where the syntax breaks.
    """
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: {one_line(error)}") from None


def problem(error: ValidationError, prefix: tuple[str, ...] = ()) -> str:
    """The first problem that pydantic found, in one line that begins with its key."""
    first, *more = error.errors(include_url=False, include_input=False)
    key = ".".join(str(part) for part in (*prefix, *first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    also = f" (and {len(more)} more)" if more else ""
    return one_line(f"{key}: {message}{also}" if key else f"{message}{also}")


def one_line(text: object) -> str:
    """White space folded, so that an error stays one line."""
    return " ".join(str(text).split())


def complain(message: object) -> None:
    """One line on stderr, whatever the message holds."""
    sys.stderr.write(f"conformance: {printable(one_line(message))}\n")
