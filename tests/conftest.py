"""No test passes by being skipped unnoticed, and tests that share services share a process."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # what takes long on a busy machine is not wrong
settings.load_profile("untimed")

STRICT = "PQRS_EXPECT_NO_SKIPS"
EXPECT_NO_SKIPS = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Taken out of the environment: the runs of pytest that tests start have skips of their own."""
    config.stash[EXPECT_NO_SKIPS] = bool(os.environ.pop(STRICT, ""))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With ``-n 2 --dist loadgroup`` the embedded stack's tests run beside the engine's, each kind one by one."""
    for item in items:
        if item.path.parent.name in ("live", "compose"):
            item.add_marker(pytest.mark.xdist_group(item.path.parent.name))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where ``PQRS_EXPECT_NO_SKIPS`` is set the machine has all that the tests need: a skip fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and session.config.stash.get(EXPECT_NO_SKIPS, False) and reporter.stats.get("skipped"):
        reporter.write_line(f"{STRICT} is set and tests were skipped (reasons below)", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
