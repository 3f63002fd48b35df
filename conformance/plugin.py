"""The pytest plugin: ``pytest --pyargs conformance.checks --conformance-stack embedded``.

Without ``--conformance-stack`` it does nothing, and imports next to nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

OPTIONS: dict[str, dict[str, Any]] = {
    "stack": {"help": "what to check: auto, compose, embedded, attached or recorded"},
    "path": {"type": Path, "help": "the repository to check; left out: the reference"},
    "source": {"help": argparse.SUPPRESS},  # how the command line's user named the repository
    "profile": {"help": "name of a profile, or the path of its TOML file"},
    "only": {"action": "append", "default": [], "help": "a guarantee or a family (may be repeated)"},
    "static": {"action": "store_true", "help": "only what needs no running service"},
    "env-file": {"type": Path, "help": "environment of the deployment: its ports and credentials"},
    "compose-file": {"type": Path, "help": "the Compose file, where it is not found by itself"},
    "images": {"help": "of a Compose stack: upstream, offline, or the path of a map (upstream)"},
    "trust": {"action": "store_true", "help": "run what is refused of a stranger's Compose file"},
    "evidence": {"type": Path, "help": "the evidence that a recorded stack is made of"},
    "report-dir": {"type": Path, "help": "where verdict, reports and evidence go (reports)"},
    "lang": {"choices": ("es", "en"), "help": "language of the reports (es)"},
    "seed": {"type": int, "help": "seed of the generated PQRS (7)"},
    "keep": {"action": "store_true", "help": "keep the deployment's files for a look"},
    "timeout": {"type": float, "help": "seconds that a service may take to be ready, and an observer to observe"},
    "kit": {"help": argparse.SUPPRESS},  # MODULE:NAME of another Kit, for the kit's own tests
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance", "PQRS lakehouse conformance")
    for name, settings in OPTIONS.items():
        group.addoption(f"--conformance-{name}", **settings)


def pytest_configure(config: pytest.Config) -> None:
    given = {name.replace("-", "_"): config.getoption(f"conformance_{name.replace('-', '_')}") for name in OPTIONS}
    if given["stack"] is None:
        return
    if hasattr(config, "workerinput") or config.getoption("numprocesses", default=None):
        raise pytest.UsageError("--conformance-stack: guarantees are judged in one process; leave out -n")
    from conformance.inputs import InputError
    from conformance.session import session_of

    try:
        config.pluginmanager.register(session_of(given), "conformance-session")
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
