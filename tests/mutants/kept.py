"""What became of each mutant when all were last tried: ``measured.json``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from measured import WRITE
from mutating import Mutant, Trial
from reference_mutants import MUTANTS

FILE = Path(__file__).parent / "measured.json"
PROPERTIES = "property tests"


def row(mutant: Mutant, broken: Iterable[str]) -> dict[str, Any]:
    """``broken``: the guarantees that do not hold of it."""
    seen = [PROPERTIES] if Trial.PROPERTY in mutant.trials else []
    told = {"id": mutant.id, "file": mutant.file, "before": mutant.before, "after": mutant.after}
    why = {"equivalent": mutant.equivalent} if mutant.equivalent else {}
    return {**told, "killed_by": [*sorted(broken), *seen], **why}


def load() -> dict[str, dict[str, Any]]:
    """The rows by mutant."""
    return {row["id"]: row for row in json.loads(FILE.read_text(encoding="utf-8"))} if FILE.exists() else {}


def killers(mutant: Mutant) -> set[str]:
    """Who saw it when it was last tried; nobody may be known: it is new, or all are tried anew."""
    return set() if WRITE in os.environ else set(load().get(mutant.id, {}).get("killed_by", ()))


def keep(rows: Mapping[str, dict[str, Any]]) -> None:
    """Write the rows down, beside those of mutants that were not tried."""
    if not rows or not os.environ.get(WRITE):
        return
    alone = {mutant.id: row(mutant, ()) for mutant in MUTANTS if mutant.trials == (Trial.PROPERTY,)}
    known = alone | load() | dict(rows)
    told = [known[mutant.id] for mutant in MUTANTS if mutant.id in known]
    FILE.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
