"""Which cases a run takes, and the matrix at its end."""

from __future__ import annotations

import os

import measured
import pytest
from cases import cases
from matrix import lines, rows
from proof import Proof
from reporting import properties
from turns import ROUNDS, TURN, waiting

from conformance.kit import Kit
from conformance.stacks.opening import engine_answers


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name == "test_embedded.py":
            item.add_marker(pytest.mark.xdist_group(item.path.stem))  # all alter one stack
    deployed = [item for item in items if item.path.name == "test_deployed.py"]
    if deployed and not engine_answers():
        for item in deployed:
            item.add_marker(pytest.mark.skip(reason="no container engine with Compose answers"))
    if TURN in os.environ:
        names = set().union(*(waiting(int(os.environ[TURN]), kind) for kind in ROUNDS))
        later = [item for item in deployed if item.callspec.params["case"].name in names]
        config.hook.pytest_deselected(items=later)
        items[:] = [item for item in items if item not in later]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    shown = [Proof.model_validate_json(value) for value in properties(terminalreporter, "proof")]
    if not shown:
        return
    measured.keep(shown)
    known = {case.name: case for kind in ROUNDS for case in cases(kind)}
    terminalreporter.section("what each guarantee caught and spared")
    for line in lines(list(rows(Kit().catalogue, shown, known))):
        terminalreporter.write_line(line)
    deployed = sorted(proof.case for proof in shown if proof.level == "compose")
    of = sum(case.has("compose") for case in known.values())
    turn = f"turn {os.environ[TURN]}: " if TURN in os.environ else ""
    terminalreporter.write_line(f"{turn}deployed with Compose: {len(deployed)} of {of} cases: {', '.join(deployed)}")
