"""``measured.json`` speaks of the mutants that there are, and of nothing else."""

from __future__ import annotations

from collections import Counter

import kept
from kept import PROPERTIES
from mutating import ROOT, Trial
from reference_mutants import MUTANTS

from conformance.catalogue import Catalogue

LEAST = 40
END_TO_END = {f"E2E-{number:02d}" for number in range(1, 12)}  # what a pipeline's output decides


def test_every_mutant_is_told_of_once() -> None:
    assert Counter(mutant.id for mutant in MUTANTS).most_common(1)[0][1] == 1
    edits = {mutant.id: (mutant.file, mutant.before, mutant.after, mutant.equivalent) for mutant in MUTANTS}
    told = {
        id_: (row["file"], row["before"], row["after"], row.get("equivalent", "")) for id_, row in kept.load().items()
    }
    assert list(told) == list(edits), "run tests/mutants with PQRS_MEASURED=1"
    assert told == edits


def test_every_edit_can_still_be_made() -> None:
    for mutant in MUTANTS:
        mutant.edit((ROOT / mutant.file).read_text(encoding="utf-8"))


def test_every_mutant_is_killed_by_somebody_who_was_shown_it_or_is_equivalent() -> None:
    guarantees = Catalogue.load()
    for mutant in MUTANTS:
        killers = kept.load()[mutant.id]["killed_by"]
        assert bool(killers) != bool(mutant.equivalent), mutant.id
        assert (PROPERTIES in killers) == (Trial.PROPERTY in mutant.trials), mutant.id
        others = set(killers) - {PROPERTIES}
        assert others <= guarantees.keys(), mutant.id
        assert bool(others) == (not mutant.equivalent and mutant.trials != (Trial.PROPERTY,)), mutant.id


def test_there_are_enough_and_each_end_to_end_guarantee_catches_some() -> None:
    by_guarantees = [set(row["killed_by"]) - {PROPERTIES} for row in kept.load().values()]
    assert sum(map(bool, by_guarantees)) >= LEAST
    assert END_TO_END - set().union(*by_guarantees) == set()
