"""One embedded stack for all tests that only look at it or leave it as they found it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.stacks.base import Stack
from conformance.stacks.embedded import EmbeddedStack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with EmbeddedStack(Path(__file__).parents[2]) as embedded:
        yield embedded
