"""``--images``: which images run in place of those that a Compose file names.

A map is a TOML file; the first entry that matches an image counts::

    [[image]]
    match = "prom/prometheus:*"              # see :func:`normal`; * and ? as in file names
    image = "registry.campus.edu/prometheus:2.53"
    stands_in_for = "Prometheus 3"           # left out: it is the same thing from elsewhere
    replace = { "--web.enable-otlp-receiver" = "--enable-feature=otlp-write-receiver", "--gone" = "" }

``replace`` exchanges whole words of the service's command and entrypoint; the empty word takes one away. A service with
an image that no entry matches cannot be had; with ``upstream`` every image is what its author named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conformance.inputs import InputError, problem, read_toml
from conformance.stacks.base import StackError

UPSTREAM, OFFLINE = "upstream", "offline"
OFFLINE_MAP = Path("infra", "images", "offline", "map.toml")


class Entry(BaseModel):
    """What runs in place of the images that ``match`` matches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: str = Field(min_length=1)
    image: str = Field(min_length=1)
    stands_in_for: str = ""
    replace: dict[str, str] = {}


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    image: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Images:
    """A map of images; without entries every image is what its author named."""

    name: str
    entries: tuple[Entry, ...] | None = None

    @property
    def upstream(self) -> bool:
        return self.entries is None

    def of(self, image: str) -> Entry | None:
        """What runs in place of ``image``; None where it cannot be had."""
        if self.entries is None:
            return Entry(match=image, image=image)
        name = normal(image)
        return next((entry for entry in self.entries if fnmatchcase(name, entry.match)), None)


def load(asked: str, reference: Path) -> Images:
    """The images that ``--images`` asks for; the offline ones are mapped by the repository at ``reference``.

    Raises:
        StackError: there is no such map, or it is not one; with file and key.
    """
    if asked == UPSTREAM:
        return Images(asked)
    file = reference / OFFLINE_MAP if asked == OFFLINE else Path(asked)
    if not file.is_file():
        raise StackError(f"--images {asked}: neither {UPSTREAM} nor {OFFLINE}, and no such file: {file}")
    try:
        return Images(asked, _File.model_validate(read_toml(file)).image)
    except ValidationError as error:
        raise StackError(f"{file}: {problem(error)}") from None
    except InputError as error:
        raise StackError(str(error)) from None


def normal(image: str) -> str:
    """An image's name as maps see it: without digest and Docker Hub's own prefixes, always with a tag."""
    name = image.partition("@")[0]
    for prefix in ("docker.io/", "index.docker.io/", "library/"):
        name = name.removeprefix(prefix)
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def reworded(words: Any, replace: Mapping[str, str]) -> Any:
    """A command or entrypoint (a list of words, or None) with its words replaced."""
    if not isinstance(words, list):
        return words
    return [new for word in words if (new := replace.get(word, word)) or word == ""]
