"""A mutant before the kit: what must be true of what the kit said."""

from __future__ import annotations

from collections.abc import Callable

import kept
import pytest
from mutating import Mutant, Trial, name_of
from reference_mutants import shown_to

Record = Callable[[str, object], None]


def on(trial: Trial) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("mutant", shown_to(trial), ids=name_of)


def judge(mutant: Mutant, broken: dict[str, str], record_property: Record) -> None:
    """``broken``: the guarantees that do not hold of it, with what was observed."""
    record_property("mutant", kept.row(mutant, broken))
    if mutant.equivalent:
        assert broken == {}, "it is no equivalent"
        return
    assert broken, f"in {mutant.file} {mutant.before!r} became {mutant.after!r}, and no guarantee noticed"
    assert all(broken.values()), "a guarantee failed without a word of what was observed"
    known = kept.killers(mutant)
    assert not known or known & broken.keys(), f"measured.json says that {sorted(known)} see it, not {sorted(broken)}"
