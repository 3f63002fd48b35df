"""Runs of the tea kit in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from teakit import CHECKS

from conformance.verdict.model import Verdict

UNIT = Path(__file__).parent
TEA = ("--conformance-kit=teakit:KIT", "-p", "no:cacheprovider", "-o", f"pythonpath={UNIT}", str(CHECKS))
LIMIT = 60  # seconds after which a run is taken for a hang


def environment(**behaviour: Any) -> dict[str, str]:
    return {**os.environ, "TEAKIT": json.dumps(behaviour), "NO_COLOR": "1"}


def pytest_tea(cwd: Path, *arguments: str, **behaviour: Any) -> subprocess.CompletedProcess[str]:
    """``pytest`` as a person runs it, with the plugin that the installed kit brings."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", *TEA, *arguments],
        cwd=cwd, env=environment(**behaviour), capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip


def conformance_args(*arguments: str, on_tea: bool = False) -> list[str]:
    return [sys.executable, "-m", "conformance", *arguments, *(["--", *TEA] if on_tea else [])]


def conformance(cwd: Path, *arguments: str, on_tea: bool = False, **behaviour: Any) -> subprocess.CompletedProcess[str]:
    """The command line; ``on_tea``: on the tea kit."""
    return subprocess.run(
        conformance_args(*arguments, on_tea=on_tea),
        cwd=cwd, env=environment(**behaviour), capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip


def wait_for(file: Path, word: str, process: subprocess.Popen[str]) -> None:
    """Wait until a run in its own process has left ``word`` in ``file``."""
    deadline = time.monotonic() + LIMIT
    while not (file.exists() and word in file.read_text(encoding="utf-8")):
        assert process.poll() is None, "the run ended too early"
        assert time.monotonic() < deadline, f"never: {word}"
        time.sleep(0.02)


def verdict_in(folder: Path) -> Verdict:
    return Verdict.model_validate_json((folder / "verdict.json").read_text(encoding="utf-8"))


def statuses(verdict: Verdict) -> dict[str, str]:
    return {result.id[4:]: result.status.value for result in verdict.guarantees}
