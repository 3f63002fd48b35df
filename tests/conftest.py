"""No test passes by being skipped unnoticed."""

from __future__ import annotations

import os

import pytest

STRICT = "PQRS_EXPECT_NO_SKIPS"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where ``PQRS_EXPECT_NO_SKIPS`` is set the machine has all that the tests need: a skip fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and os.environ.get(STRICT) and reporter.stats.get("skipped"):
        reporter.write_line(f"{STRICT} is set and tests were skipped (reasons below)", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
