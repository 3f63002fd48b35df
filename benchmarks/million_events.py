"""A million events through the embedded stack: does it end, is it right, and how much memory does each process take?

    python benchmarks/million_events.py [--events 1000000] [--tickets 200]

Ends with 1 when a sample of tickets differs from the oracle, or when a process exceeded 1.5 GiB.
"""

from __future__ import annotations

import argparse
import random
import re
import threading
import time
from contextlib import suppress
from datetime import date

import psutil
import psycopg
from psycopg.rows import dict_row

from conformance import oracle
from conformance.observe.pqrs_tables import KEYS, expected_rows, natural
from conformance.observe.reconcile import compare
from conformance.stacks.embedded import EmbeddedStack, reference_root
from pqrs_lakehouse.compute import open_lake, run_pipeline
from pqrs_lakehouse.generator import GeneratorConfig, generate
from pqrs_lakehouse.lake import Manifest
from pqrs_lakehouse.layers.raw import RawFile
from pqrs_lakehouse.settings import Settings

LIMIT = 1.5 * 2**30
START, END = date(2026, 1, 1), date(2026, 3, 31)
RUN = "million"
DIMENSIONS = ("dim_channel", "dim_pqrs_type", "dim_priority", "dim_status", "dim_geo", "dim_date")
FACTS = ("fact_ticket", "fact_term")


class Memory(threading.Thread):
    """The greatest resident memory of each process of ours, looked at twice a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peaks: dict[tuple[int, str], int] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        me = psutil.Process()
        while not self._ended.wait(0.5):
            for process in [me, *me.children(recursive=True)]:
                with suppress(psutil.Error):
                    key = (process.pid, " ".join(process.cmdline()[:4])[-60:])
                    self.peaks[key] = max(self.peaks.get(key, 0), process.memory_info().rss)

    def end(self) -> dict[tuple[int, str], int]:
        self._ended.set()
        self.join()
        return self.peaks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--tickets", type=int, default=200, help="how many are compared with the oracle")
    asked = parser.parse_args()
    memory = Memory()
    memory.start()
    with EmbeddedStack(reference_root()) as stack:
        settings = stack.settings()
        config = GeneratorConfig.for_events(asked.events, seed=7, start=START, end=END)
        started = time.monotonic()
        manifest = open_lake(settings).write_raw(generate(config), RUN, config)
        print(
            f"{manifest.rows:,} raw rows in {len(manifest.files)} files: {time.monotonic() - started:.1f} s", flush=True
        )
        started = stage_started = time.monotonic()

        def progress(stage: str, done: int, total: int) -> None:
            nonlocal stage_started
            if done == total:
                now = time.monotonic()
                print(f"  {stage}: {total} tasks, {now - stage_started:.1f} s", flush=True)
                stage_started = now

        report = run_pipeline(settings, RUN, progress=progress)
        seconds = time.monotonic() - started
        print(f"raw → PostgreSQL: {seconds:.1f} s, {manifest.rows / seconds:,.0f} rows/s", flush=True)
        peaks = memory.end()
        faults = differences(settings, manifest, report.as_of, asked.tickets)
    for (pid, name), peak in sorted(peaks.items(), key=lambda item: -item[1])[:8]:
        print(f"  {peak / 2**20:7.0f} MiB  {pid} {name}")
    print("\n".join(faults) or f"{asked.tickets} tickets equal the oracle")
    return 1 if faults or max(peaks.values()) > LIMIT else 0


def differences(settings: Settings, manifest: Manifest, as_of: date, count: int) -> list[str]:
    """How the facts of a random sample of tickets differ from the oracle's."""
    access = f"host={settings.postgres_host} port={settings.postgres_port} user={settings.postgres_user}"
    with psycopg.connect(
        f"{access} password={settings.postgres_password} dbname={settings.postgres_db}", row_factory=dict_row
    ) as connection:
        known = [row["ticket_id"] for row in connection.execute("SELECT ticket_id FROM gold.fact_ticket ORDER BY 1")]
        chosen = random.Random(7).sample(known, min(count, len(known)))
        served = {name: connection.execute(f"SELECT * FROM gold.{name}").fetchall() for name in DIMENSIONS}
        for name in FACTS:
            query = f"SELECT * FROM gold.{name} WHERE ticket_id = ANY(%s)"
            served[name] = connection.execute(query, [chosen]).fetchall()
    expected = expected_rows(oracle.expect(lines_of(settings, manifest, set(chosen)), as_of))
    actual = natural(served, FACTS)
    return [
        f"{name}: {found}"
        for name in FACTS
        if not (found := compare(name, KEYS[name], expected[name], actual[name])).agrees
    ]


def lines_of(settings: Settings, manifest: Manifest, tickets: set[str]) -> list[oracle.RawLine]:
    """Every raw line that names one of the tickets."""
    lake = open_lake(settings)
    named = re.compile(rb"PQRS-[0-9-]+")
    lines: list[oracle.RawLine] = []
    for entry in manifest.files:
        file = RawFile.parse(entry.key)
        for line in oracle.raw_lines(entry.key, file.source, file.day, file.run_id, lake.read_raw(entry)):
            if any(name.decode() in tickets for name in named.findall(line.line)):
                lines.append(line)
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
