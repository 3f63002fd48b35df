"""The judge in a process of its own, which nothing of the checked repository and of the caller's pytest can reach.

A repository's pytest.ini, conftest.py or sitecustomize.py would otherwise be loaded, and could turn fails into passes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import FrameType

PATIENCE = 120.0  # seconds that an interrupted judge may take to clean up
POLL = 0.2  # seconds between looks whether to pass an interruption on
GRACE = 5.0  # seconds that Python may take to end after the judge has
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Ended:
    """How the judge's process ended."""

    code: int
    interrupted: bool
    said: str  # the end of what pytest printed, when that was not shown


def run_judge(options: Sequence[str], pytest_args: Sequence[str]) -> Ended:
    """Judge with the plugin's ``options``. What pytest prints is shown only to whoever gives it arguments of his own.

    An interruption reaches the judge once, and its clean-up is waited for.
    """
    with tempfile.TemporaryDirectory(prefix="conformance-") as room, _Forwarding() as forwarding:
        config = Path(room) / "pytest.ini"
        config.write_text("[pytest]\n", encoding="utf-8")
        printed = Path(room) / "printed"
        with printed.open("wb") as quiet:
            child = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "conformance.isolation"),
                    *("-c", str(config), "--rootdir", room, "--noconftest", "-p", "no:cacheprovider"),
                    *("-p", "conformance.plugin", "--pyargs", "conformance.checks"),
                    *options,
                    *pytest_args,
                ],
                cwd=room,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=None if pytest_args else quiet,
                start_new_session=True,  # the terminal's Ctrl-C goes to the caller, who passes it on
            )
            code = forwarding.wait(child)
        return Ended(code, forwarding.interrupted, printed.read_bytes()[-4000:].decode(errors="replace"))


def environment() -> dict[str, str]:
    """The caller's, without what steers Python or pytest."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


class _Forwarding:
    """Passes the first interruption on to a child, and takes the later ones for impatience."""

    def __enter__(self) -> _Forwarding:
        self._since: float | None = None  # when it was interrupted
        self._before = {number: signal.signal(number, self._interrupt) for number in _ENDS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def interrupted(self) -> bool:
        return self._since is not None

    def wait(self, child: subprocess.Popen[bytes]) -> int:
        told = False  # only here, so that an interruption at any moment is passed on, and once
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.wait(timeout=POLL)
            if self._since is None:
                continue
            if not told:
                child.send_signal(signal.SIGINT)
                told = True
            elif monotonic() - self._since > PATIENCE:
                os.killpg(child.pid, signal.SIGKILL)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._since is None:
            self._since = monotonic()


def main() -> int:
    """The judge's process."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there is something to clean up, an interruption just ends it
    import pytest

    code = int(pytest.main())
    # An observer that hangs may have left threads that Python would wait for.
    end = threading.Timer(GRACE, os._exit, [code])
    end.daemon = True
    end.start()
    return code


if __name__ == "__main__":
    sys.exit(main())
