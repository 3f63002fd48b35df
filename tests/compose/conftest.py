"""What needs a container engine is told apart from what fails; ``.ci/run`` sees to it that there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.stacks.opening import engine_answers

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    if not ours or engine_answers():
        return
    for item in ours:
        item.add_marker(pytest.mark.skip(reason="no container engine with Compose answers"))
