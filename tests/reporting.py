"""What tests handed on with ``record_property``, for a summary at the end of a run."""

from __future__ import annotations

from typing import Any

import pytest


def properties(reporter: pytest.TerminalReporter, name: str) -> list[Any]:
    """The values of that name, of all tests that were called."""
    return [
        value
        for reports in reporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for known, value in report.user_properties
        if known == name
    ]
