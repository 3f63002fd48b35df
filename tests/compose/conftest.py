"""What needs a container engine is told apart from what fails; ``.ci/run`` sees to it that there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_containers import Deployment

from conformance.stacks.opening import engine_answers

HERE = Path(__file__).parent


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """Containers of the test's own, gone after it."""
    deployment = Deployment()
    try:
        yield deployment
    finally:
        deployment.remove()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    if not ours or engine_answers():
        return
    for item in ours:
        item.add_marker(pytest.mark.skip(reason="no container engine with Compose answers"))
