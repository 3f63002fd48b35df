"""Does the kit say the same of the same deployment, time after time?

``python tests/selftest/flakiness.py --stack embedded --times 20`` checks the reference that often and ends with 1 when
a run does not end with 0 or a guarantee's status differs from one run to another. The report of each run that went
wrong is kept in the folder that is named.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 900.0


@dataclass(frozen=True)
class Run:
    """How one check ended. ``statuses``: of each guarantee; none when there is no verdict."""

    code: int
    seconds: float
    statuses: dict[str, str]
    errors: str

    def differences(self, usual: dict[str, str]) -> list[str]:
        ids = sorted(self.statuses.keys() | usual.keys())
        return [
            f"{id_}: {self.statuses.get(id_, 'not judged')}, before {usual.get(id_, 'not judged')}"
            for id_ in ids
            if self.statuses.get(id_) != usual.get(id_)
        ]

    def troubles(self, usual: dict[str, str]) -> list[str]:
        trouble = [] if self.code == 0 else [f"exit {self.code}: {self.errors.strip()[-300:]}"]
        return trouble + self.differences(usual)


def check(options: list[str], report: Path) -> Run:
    command = [sys.executable, "-P", "-m", "conformance", "check", *options, "--report-dir", str(report)]
    started = time.monotonic()
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    verdict = report / "verdict.json"
    found = json.loads(verdict.read_text(encoding="utf-8"))["guarantees"] if verdict.exists() else []
    statuses = {one["id"]: one["status"] for one in found}
    return Run(ended.returncode, time.monotonic() - started, statuses, ended.stderr)


def runs(options: list[str], times: int, keep: Path) -> Iterator[tuple[Run, list[str]]]:
    """Each run, and in what it is not as the first one."""
    usual: dict[str, str] | None = None
    for number in range(1, times + 1):
        with tempfile.TemporaryDirectory(prefix="pqrs-flakiness-") as folder:
            report = Path(folder) / "report"
            run = check(options, report)
            usual = run.statuses if usual is None else usual
            troubles = run.troubles(usual)
            if troubles and report.exists():
                shutil.copytree(report, keep / f"run-{number:02}", dirs_exist_ok=True)
        yield run, troubles


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", choices=("embedded", "compose"), default="embedded")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--keep", type=Path, default=Path("reports/flakiness"), help="where bad runs' reports are kept")
    asked = parser.parse_args()
    options = ["--stack", asked.stack, *(["--images", "offline"] if asked.stack == "compose" else [])]
    seconds, wrong = [], 0
    for number, (run, troubles) in enumerate(runs(options, asked.times, asked.keep), 1):
        seconds.append(run.seconds)
        wrong += bool(troubles)
        passed = sum(status == "pass" for status in run.statuses.values())
        print(f"{number:>3}/{asked.times}  exit {run.code}  {passed} pass  {run.seconds:.0f} s", flush=True)
        for trouble in troubles:
            print(f"     {trouble}", flush=True)
    print(
        f"{asked.times - wrong} of {asked.times} as they should be; seconds: "
        f"{min(seconds):.0f} to {max(seconds):.0f}, median {statistics.median(seconds):.0f}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
