"""What a person who waits is told: one bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Protocol, Self, TextIO

from conformance.inputs import one_line
from conformance.observe.facts import Observation
from conformance.text import clean

WIDTH = 100


class Progress(Protocol):
    """Called from many threads."""

    def note(self, subject: str, message: str) -> None:
        """What is being done about ``subject``."""

    def done(self, observation: Observation) -> None:
        """A subject has been observed."""


class Console:
    """Progress on a stream of its own, so that nobody who captures stderr swallows or mixes it."""

    def __init__(self, total: int, *, bar: bool) -> None:
        self._stream: TextIO = os.fdopen(os.dup(2), "w", errors="backslashreplace", buffering=1)
        self._lock = threading.Lock()
        self._open = True
        self._bar = _Bar(self._stream, total) if bar else None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._open = False
            if self._bar:
                self._bar.stop()
            self._stream.close()

    def note(self, subject: str, message: str) -> None:
        self._say(f"{subject}: {message}", done=0)

    def done(self, observation: Observation) -> None:
        reason = f": {observation.reason}" if observation.reason else ""
        self._say(f"{observation.subject}: {observation.status} in {observation.duration_s:.1f} s{reason}", done=1)

    def _say(self, message: str, *, done: int) -> None:
        line = clean(one_line(message), WIDTH)
        with self._lock:
            if not self._open:
                return  # an observer that outlived its run
            if self._bar:
                self._bar.advance(line, done)
            else:
                self._stream.write(f"{line}\n")


class _Bar:
    def __init__(self, stream: TextIO, total: int) -> None:
        from rich.console import Console as RichConsole
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._escape = escape
        self._progress = RichProgress(
            BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"),
            console=RichConsole(file=stream), transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=total)

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()

    def advance(self, line: str, done: int) -> None:
        self._progress.update(self._task, description=self._escape(line), advance=done)
