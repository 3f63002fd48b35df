"""``conformance.toml``: what a repository says of itself where it cannot be found out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from conformance.inputs import InputError, problem, read_toml
from conformance.stacks.base import Role

NAME = "conformance.toml"


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_listed)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ComposeSection(_Strict):
    """Paths are relative to the repository's root. Several files are merged in this order, as with ``-f``."""

    files: Names = ()
    env_file: str = ""


class Config(_Strict):
    compose: ComposeSection = ComposeSection()
    roles: dict[Role, Names] = {}  # the services that play a role


def read(root: Path) -> Config:
    """The repository's ``conformance.toml``, or what holds without one.

    Raises:
        InputError: it is no TOML, or holds a key or value that means nothing; names file and key.
    """
    path = root / NAME
    if not path.is_file():
        return Config()
    try:
        return Config.model_validate(read_toml(path))
    except ValidationError as error:
        raise InputError(f"{path}: {problem(error)}") from None
