"""The promises of the architecture, read from ``guarantees/*.toml``."""

from __future__ import annotations

import difflib
import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from conformance.inputs import InputError, problem, read_toml
from conformance.needs import Needs
from conformance.stacks.base import Plane
from conformance.text import placeholders

FAMILIES = ("SRC", "CMP", "PLN", "PGS", "MED", "OBJ", "PRM", "GRF", "PRF", "DSK", "E2E")
"""In the order of the class: the repository, the deployment, the services, the data."""

LANGS = ("es", "en")
GUARANTEES = Path(__file__).parent / "guarantees"

Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
GuaranteeId = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{2}-[0-9]{2}$")]
FactPath = Annotated[str, StringConstraints(pattern=r"^[a-z]+(\.[a-z][a-z0-9_]*)+$")]
"""A field of the facts: its subject and the names that lead to it (``grafana.datasources.url``), positions in lists and
keys of mappings left out.
"""


class Wording(BaseModel):
    """A guarantee in one language. ``expected``, ``remedy`` and ``hints`` are templates (conformance/text.py)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Prose
    why: Prose
    wrong: Prose
    right: Prose
    expected: Prose
    remedy: Prose
    hints: dict[str, Prose] = {}

    @model_validator(mode="after")
    def only_diagnoses_are_templates(self) -> Self:
        for name in ("title", "why", "wrong", "right"):
            found = placeholders(getattr(self, name))
            if found:
                raise ValueError(f"{name} is no template, but holds {{{min(found)}}}")
        return self


def _needs(text: object) -> Needs:
    if not isinstance(text, str):
        raise ValueError("must be a string of capabilities")
    return Needs.parse(text)


class Guarantee(BaseModel):
    """One promise with a permanent ID.

    ``decided_by``: the fields of the facts that may change its status, each with all that it is in. What a field holds
    is named by itself, and every other field is irrelevant to it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    id: GuaranteeId
    plane: Plane
    needs: Annotated[Needs, BeforeValidator(_needs)]
    requires: tuple[GuaranteeId, ...]
    subject: Literal["platform", "pipeline"]
    guide: Prose
    decided_by: tuple[FactPath, ...] = ()
    es: Wording
    en: Wording

    @model_validator(mode="after")
    def hints_are_translated(self) -> Self:
        untranslated = self.es.hints.keys() ^ self.en.hints.keys()
        if untranslated:
            raise ValueError(f"hint {min(untranslated)!r} is in one language only")
        return self

    @field_validator("decided_by")
    @classmethod
    def fields_are_named_once(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path, following in itertools.pairwise(sorted(paths)):
            if f"{following}.".startswith(f"{path}."):
                raise ValueError(f"{path} is named again by {following}")
        return paths

    @property
    def family(self) -> str:
        return self.id[:3]

    def wording(self, lang: str) -> Wording:
        return self.es if lang == "es" else self.en


class Catalogue(Mapping[str, Guarantee]):
    """Every guarantee by ID, in the order of families and numbers."""

    def __init__(self, guarantees: Iterable[Guarantee]) -> None:
        self._by_id = {one.id: one for one in sorted(guarantees, key=_place)}

    @classmethod
    def load(cls, folder: Path = GUARANTEES) -> Catalogue:
        """Read and validate every ``<family>.toml`` of ``folder``.

        Raises:
            InputError: in one line with file and key.
        """
        guarantees, files = [], {}
        for file in sorted(folder.glob("*.toml")):
            if file.stem.upper() not in FAMILIES:
                raise InputError(f"{file}: no such family (one of {', '.join(FAMILIES).lower()})")
            for id_, table in read_toml(file).items():
                guarantees.append(_guarantee(file, id_, table))
                files[id_] = file
        catalogue = cls(guarantees)
        for one in catalogue.values():
            for required in one.requires:
                if required not in catalogue:
                    raise InputError(f"{files[one.id]}: {one.id}.requires: {required} is no guarantee")
        try:
            list(catalogue.order)
        except CycleError as error:
            cycle = error.args[1]
            raise InputError(f"{files[cycle[0]]}: {cycle[0]}.requires: a circle: {' → '.join(cycle)}") from None
        return catalogue

    def __getitem__(self, id_: str) -> Guarantee:
        return self._by_id[id_]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Every ID after those that it requires, otherwise in the order of the catalogue."""
        return tuple(self.ordered(self))

    def ordered(self, ids: Iterable[str], last: AbstractSet[str] = frozenset()) -> Iterator[str]:
        """``ids`` so that each follows those that it requires; those in ``last`` as late as that allows."""
        chosen = set(ids)
        sorter = TopologicalSorter({id_: [r for r in self[id_].requires if r in chosen] for id_ in chosen})
        sorter.prepare()
        ready: list[tuple[bool, tuple[int, str], str]] = []
        while sorter.is_active():
            for id_ in sorter.get_ready():
                heapq.heappush(ready, (id_ in last, _place(self[id_]), id_))
            id_ = heapq.heappop(ready)[2]
            yield id_
            sorter.done(id_)

    def closure(self, ids: Iterable[str]) -> frozenset[str]:
        """``ids`` and everything that they require, directly or not."""
        found: set[str] = set()
        waiting = list(ids)
        while waiting:
            id_ = waiting.pop()
            if id_ not in found:
                found.add(id_)
                waiting += self[id_].requires
        return frozenset(found)

    def named(self, word: str) -> frozenset[str]:
        """The IDs that ``word`` names: one guarantee (``GRF-02``) or a family (``GRF``), in any case.

        Raises:
            InputError: there is no such guarantee or family.
        """
        name = word.strip().upper()
        found = frozenset(id_ for id_ in self if name in (id_, self[id_].family))
        if not found:
            close = difflib.get_close_matches(name, [*self, *FAMILIES], n=1)
            hint = f"; did you mean {close[0]}?" if close else "; `conformance list` names them all"
            raise InputError(f"unknown guarantee or family: {word.strip()}{hint}")
        return found


def _place(guarantee: Guarantee) -> tuple[int, str]:
    return FAMILIES.index(guarantee.family), guarantee.id


def _guarantee(file: Path, id_: str, table: Any) -> Guarantee:
    if not isinstance(table, dict):
        raise InputError(f"{file}: {id_}: must be a table")
    if id_.partition("-")[0] != file.stem.upper():
        raise InputError(f"{file}: {id_}: IDs of this file begin with {file.stem.upper()}-")
    if "id" in table:
        raise InputError(f"{file}: {id_}.id: the table's name is the ID")
    try:
        return Guarantee.model_validate({"id": id_, **table})
    except ValidationError as error:
        raise InputError(f"{file}: {problem(error, (id_,))}") from None
