"""Profiles: which guarantees count, for how many points, and under which parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from conformance.catalogue import Catalogue, GuaranteeId
from conformance.inputs import InputError, problem, read_toml
from conformance.verdict.parameters import Parameters

PROFILES = Path(__file__).parent / "profiles"

Points = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


class Coverage(BaseModel):
    """How many guarantees must be observed for a run to say something, by kind of stack (or for ``--static``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    compose: int = Field(default=0, ge=0)
    embedded: int = Field(default=0, ge=0)
    attached: int = Field(default=0, ge=0)
    static: int = Field(default=0, ge=0)

    def of(self, kind: str) -> int:
        return int(self.model_dump().get(kind, 0))


class Profile(BaseModel):
    """One file of ``profiles/``, or one that a teacher wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[\w][\w .-]{0,63}$")]
    version: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    required: dict[GuaranteeId, Points] = {}
    recommended: dict[GuaranteeId, Points] = {}
    parameters: Parameters = Parameters()
    coverage: Coverage = Coverage()

    @model_validator(mode="after")
    def counts_each_guarantee_once(self) -> Self:
        twice = self.required.keys() & self.recommended.keys()
        if twice:
            raise ValueError(f"{min(twice)} is both required and recommended")
        if not self.required and not self.recommended:
            raise ValueError("names no guarantee under [required] or [recommended]")
        return self

    def __contains__(self, id_: str) -> bool:
        return id_ in self.required or id_ in self.recommended

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self.required) | frozenset(self.recommended)

    def points(self, id_: str) -> float:
        return self.required.get(id_) or self.recommended[id_]

    def mark(self, id_: str) -> str:
        """● required, ○ recommended, – left out."""
        return "●" if id_ in self.required else "○" if id_ in self.recommended else "–"

    @property
    def hash(self) -> str:
        """SHA-256 of the contents, whatever the file's layout and comments."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def faults(self, catalogue: Catalogue) -> Iterator[str]:
        """What keeps this profile from being used with ``catalogue``: each begins with the key."""
        for table, ids in (("required", self.required), ("recommended", self.recommended)):
            for id_ in ids:
                if id_ not in catalogue:
                    yield f"{table}.{id_}: unknown guarantee"
                    continue
                for required in catalogue[id_].requires:
                    if required not in self:
                        yield f"{table}.{id_}: requires {required}, which the profile leaves out"
                    elif table == "required" and required not in self.required:
                        yield f"{table}.{id_}: requires {required}, which is only recommended"


def named_profiles(folder: Path = PROFILES) -> dict[str, Path]:
    return {file.stem: file for file in sorted(folder.glob("*.toml"))}


def load_profile(name_or_file: str, catalogue: Catalogue, folder: Path = PROFILES) -> Profile:
    """The profile of that name, or in that TOML file.

    Raises:
        InputError: unknown, unreadable or inconsistent; one line with file and key.
    """
    named = named_profiles(folder)
    file = named.get(name_or_file, Path(name_or_file))
    if name_or_file not in named and not (file.suffix == ".toml" or file.exists()):
        raise InputError(f"unknown profile: {name_or_file} (known: {', '.join(named)}; or the path of a TOML file)")
    try:
        profile = Profile.model_validate(read_toml(file))
    except ValidationError as error:
        raise InputError(f"{file}: {problem(error)}") from None
    for fault in profile.faults(catalogue):
        raise InputError(f"{file}: {fault}")
    return profile
