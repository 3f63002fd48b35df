"""The stack on which mutants are tried, whose turn it is, and the table at the end."""

from __future__ import annotations

import os
from pathlib import Path

import kept
import pytest
from reporting import properties
from turns import TURN

ROUNDS = 5
"""In how many turns every mutant is tried on real services."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    live = [item for item in items if item.path.parent == Path(__file__).parent and "mutant" in item.fixturenames]
    for item in live:
        item.add_marker(pytest.mark.xdist_group("mutants"))  # one stack
    if TURN in os.environ:
        turn = live[int(os.environ[TURN]) % ROUNDS :: ROUNDS]
        later = [item for item in live if item not in turn]
        config.hook.pytest_deselected(items=later)
        items[:] = [item for item in items if item not in later]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What was seen of a mutant is written down at once, should the run be interrupted."""
    if report.when == "call" and report.passed:
        kept.keep({value["id"]: value for name, value in report.user_properties if name == "mutant"})


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = properties(terminalreporter, "mutant")
    if rows:
        terminalreporter.section("which guarantees saw which mutants")
    for row in rows:
        terminalreporter.write_line(f"{row['id'][:150]}: {', '.join(row['killed_by']) or row.get('equivalent')}")
