"""What deployed cases showed when they were last run: ``measured.json``, of which the published matrix is made."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cases import KINDS, cases
from proof import Proof
from pydantic import TypeAdapter

FILE = Path(__file__).parent / "measured.json"
WRITE = "PQRS_MEASURED"
"""In the environment: what a run of the tests shows replaces what ``measured.json`` says of the same cases."""

_PROOFS = TypeAdapter(list[Proof])


def load() -> list[Proof]:
    return _PROOFS.validate_json(FILE.read_bytes()) if FILE.exists() else []


def keep(shown: Iterable[Proof]) -> None:
    """Write the proofs of deployments down, beside those of cases that were not run; what is no case any more goes."""
    if not os.environ.get(WRITE):
        return
    known = {(one.level, one.case): one for one in load()}
    known |= {(one.level, one.case): one for one in shown if one.level != "facts"}
    there = {(level, case.name) for kind in KINDS for case in cases(kind) for level in case.levels}
    kept = [known[key] for key in sorted(known) if key in there]
    FILE.write_bytes(_PROOFS.dump_json(kept, indent=1, exclude_defaults=True) + b"\n")
