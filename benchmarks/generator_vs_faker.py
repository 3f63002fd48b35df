"""Rows per second of the generator and of generators that make one object after another, in one run.

    python benchmarks/generator_vs_faker.py [--events 500000] [--peer-events 20000] [--rounds 3]

All write coherent tickets (creation, messages, attachments, a walk through the life cycle) as JSON lines in memory. The
peers take the same steps with ``json``, and identifiers, choices and texts from ``random`` and pools, or from Faker or
Mimesis where these are installed. Ours is held to one thread, and its dirt is counted in.
"""

from __future__ import annotations

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # before Polars is imported: the peers have one core too

import argparse
import json
import random
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec

from pqrs_lakehouse.domain.places import municipality_codes
from pqrs_lakehouse.domain.vocabulary import AUTHOR_ROLES, CHANNELS, PETITION_KINDS, PQRS_TYPES, PRIORITIES
from pqrs_lakehouse.generator import GeneratorConfig, generate
from pqrs_lakehouse.generator.journey import STEPS
from pqrs_lakehouse.generator.writing import FILE_NAMES, MIDDLES, OPENINGS

FIRST, LAST = date(2026, 1, 1), date(2026, 3, 31)


@dataclass(frozen=True)
class Words:
    """Where a peer takes identifiers, choices, bodies and file names from."""

    identifier: Callable[[], str]
    choice: Callable[[Sequence[str]], str]
    body: Callable[[], str]
    file_name: Callable[[], str]


def pools() -> Words:
    return Words(
        identifier=lambda: str(uuid.UUID(int=random.getrandbits(128), version=4)),
        choice=random.choice,
        body=lambda: random.choice(OPENINGS["citizen"]) + random.choice(MIDDLES),
        file_name=lambda: random.choice(FILE_NAMES) + ".pdf",
    )


def faker() -> Words:
    fake = import_module("faker").Faker("es_CO")
    return Words(identifier=fake.uuid4, choice=fake.random_element, body=fake.sentence, file_name=fake.file_name)


def mimesis() -> Words:
    generic = import_module("mimesis").Generic("es")
    return Words(
        identifier=generic.cryptographic.uuid,
        choice=generic.random.choice,
        body=generic.text.sentence,
        file_name=generic.file.file_name,
    )


def one_by_one(words: Words) -> Iterator[str]:
    """Lines of tickets without end, one Python object at a time."""
    number = 0
    while True:
        number += 1
        ticket_id = f"PQRS-2026-{number:08d}"
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=90 * random.random())

        def line(event_type: str, at: datetime, data: dict[str, object], ticket_id: str = ticket_id) -> str:
            return json.dumps(
                {
                    "event_id": words.identifier(),
                    "ticket_id": ticket_id,
                    "event_type": event_type,
                    "ts": at.isoformat(),
                    "data": data,
                },
                ensure_ascii=False,
            )

        creation: dict[str, object] = {
            "channel": words.choice(CHANNELS),
            "pqrs_type": words.choice(PQRS_TYPES),
            "petition_kind": words.choice(PETITION_KINDS),
            "priority": words.choice(PRIORITIES),
            "municipality_code": words.choice(municipality_codes()),
        }
        yield line("TICKET_CREATED", moment, creation)
        status: str | None = "RECEIVED"
        while status is not None:
            if random.random() < 0.4:
                yield line("MESSAGE_ADDED", moment, {"author_role": words.choice(AUTHOR_ROLES), "body": words.body()})
            if random.random() < 0.1:
                file = {"filename": words.file_name(), "size_bytes": random.randrange(25_000_000)}
                yield line("ATTACHMENT_ADDED", moment, file)
            draw, before, status = random.random(), status, None
            for step in STEPS:
                if step.before == before:
                    draw -= step.chance
                    if draw < 0:
                        moment += timedelta(hours=2.5 * step.hours * random.lognormvariate(0, step.spread))
                        status = step.after
                        yield line("STATUS_CHANGED", moment, {"from_status": before, "to_status": status})
                        break


def peer(words: Callable[[], Words]) -> Callable[[int], int]:
    def rows(events: int) -> int:
        random.seed(7)
        made = [line for line, _ in zip(one_by_one(words()), range(events), strict=False)]
        return len(made)

    return rows


def ours(events: int) -> int:
    config = GeneratorConfig.for_events(events, seed=7, start=FIRST, end=LAST)
    return sum(len(delivery.lines) for delivery in generate(config))


def rate(rows: Callable[[int], int], events: int) -> float:
    """Rows per second of processor time, which neighbours on the machine do not change much."""
    start = time.process_time()
    made = rows(events)
    return made / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description="Rows per second of the generator against its peers.")
    parser.add_argument("--events", type=int, default=500_000, help="of ours in a round")
    parser.add_argument("--peer-events", type=int, default=20_000, help="of each peer in a round")
    parser.add_argument("--rounds", type=int, default=3, help="medians are of so many")
    options = parser.parse_args()

    words = {"random + json": pools}
    words |= {name: its for name, its in (("faker", faker), ("mimesis", mimesis)) if find_spec(name)}
    runs: dict[str, tuple[Callable[[int], int], int]] = {"pqrs_lakehouse": (ours, options.events)}
    runs |= {name: (peer(its), options.peer_events) for name, its in words.items()}
    for rows, _ in runs.values():
        rows(1_000)  # loads what is loaded once
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.rounds):  # in turns, so that all meet the same weather
        for name, (rows, events) in runs.items():
            rates[name].append(rate(rows, events))

    medians = {name: statistics.median(of_rounds) for name, of_rounds in rates.items()}
    sys.stdout.write(f"{'generator':<16}{'rows/s':>12}{'ours is':>10}\n")
    for name, median in medians.items():
        sys.stdout.write(f"{name:<16}{median:>12,.0f}{medians['pqrs_lakehouse'] / median:>9.1f}x\n")


if __name__ == "__main__":
    main()
