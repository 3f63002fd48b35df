"""The repository reflects the planes."""

from __future__ import annotations

from conformance.observe.source import SourceFacts
from conformance.verdict.words import cannot_tell, guarantee, holds


@guarantee("SRC-04")
def test_no_real_env_key_or_dump_is_committed(source: SourceFacts) -> None:
    found = source.env_files + source.key_files + source.dump_files
    holds(not found, observed=", ".join(found), files=", ".join(found))
    if source.truncated:
        cannot_tell(f"among the first {source.files} files there is none; more were not read")


@guarantee("SRC-06")
def test_architecture_decisions_are_recorded(source: SourceFacts) -> None:
    if source.truncated:
        cannot_tell(f"{source.files} files were read, and there are more")
    holds(source.adrs, observed="ADR: 0", hint="no_adr")
    holds(not source.broken_links, observed="; ".join(source.broken_links), hint="broken_links")
