"""Nasty PQRS histories for hypothesis: whatever the data rules have a sentence for, and what lies at its edges."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from conformance import oracle

# Around what bends the count of business days: year ends, Holy Weeks, two holidays on one Monday (2019, 2025, 2030),
# the decree's first and last day, the first year with 9 July, a leap day. The earliest is the first day in range.
DAYS = (
    date(2000, 1, 1), date(2018, 12, 28), date(2019, 4, 16), date(2019, 6, 27), date(2020, 2, 28), date(2020, 3, 27),
    date(2020, 12, 30), date(2022, 4, 12), date(2022, 5, 17), date(2024, 3, 26), date(2025, 6, 26), date(2025, 12, 23),
    date(2026, 7, 8), date(2027, 1, 7), date(2029, 12, 31), date(2030, 7, 1),
)  # fmt: skip

# In UTC; midnight in Colombia is 05:00.
CLOCKS = (
    timedelta(0), timedelta(hours=5) - timedelta(microseconds=1), timedelta(hours=5), timedelta(hours=15),
    timedelta(hours=23, minutes=59, seconds=59, microseconds=999_999), timedelta(hours=7, microseconds=120_000),
)  # fmt: skip

GAPS = (
    timedelta(0), timedelta(0), timedelta(microseconds=1), timedelta(minutes=40), timedelta(hours=20),
    timedelta(days=1), timedelta(days=2), timedelta(days=4), timedelta(days=9), timedelta(days=15), timedelta(days=23),
    timedelta(days=60), timedelta(hours=-30),
)  # fmt: skip

STEPS = (
    "follow", "follow", "follow", "follow", "follow", "hold", "hold", "respond", "reopen", "lost", "wrong", "message",
    "attachment", "create",
)  # fmt: skip

OFFSETS = ("Z", "-05:00", "+00:00", "-00:00", "+05:30", "+14:00", "-23:59", "+23:59")
PLACES = ("05001", "11001", "88001", "99001", "91263")
KINDS = (("P", "general"), ("P", "information"), ("P", "consultation"), ("Q", None), ("R", None), ("S", None))
BODIES = ("", "Buenos días", 'comillas " y \\ barras', "línea\nnueva,\tcoma", "😀 ñandú", "null", "A" * 300)
ODD_IDS = ("{}", "{}", "{}", "{} ñ😀", '{},"x"', "{}\\", " {} ", "{}'; drop--")
SIZES = (0, 1, 2**31, 2**53)
LATENESS = (*(0,) * 20, *(1,) * 4, *(3,) * 4, 90, -1)  # in days; -1: it arrives before it happens


@dataclass(frozen=True)
class World:
    """Raw lines as they lie in the lake, and the day on which states are told."""

    lines: tuple[oracle.RawLine, ...]
    as_of: date

    def shuffled(self, order: Sequence[int]) -> World:
        return replace(self, lines=tuple(self.lines[n] for n in order))


@dataclass
class Draft:
    """An event on its way to a line of a file."""

    ts: datetime
    event: dict[str, Any]


def written(ts: datetime, offset: str, digits: int) -> str:
    """``ts`` in its sender's clock, with at least the fraction digits that it needs and at most 6."""
    away = timedelta() if offset == "Z" else timedelta(hours=int(offset[1:3]), minutes=int(offset[4:]))
    local = ts.astimezone(timezone(-away if offset[0] == "-" else away))
    fraction = f"{local.microsecond:06d}"
    needed = len(fraction.rstrip("0"))
    fraction = fraction[: max(needed, digits)]
    return f"{local:%Y-%m-%dT%H:%M:%S}" + (f".{fraction}" if fraction else "") + offset


def path(status: str, target: str) -> str | None:
    """The step from ``status`` that leads to ``target`` on the shortest way, if there is one."""
    ways = [[status]]
    for way in ways:
        if way[-1] == target and len(way) > 1:
            return way[1]
        ways += [[*way, after] for after in sorted(oracle.FOLLOWS[way[-1]]) if after not in way[1:]]
    return None


@st.composite
def histories(draw: st.DrawFn, around: date, ticket_id: str, event_id: Callable[[], str]) -> list[Draft]:
    """The events of one ticket: a walk through the life cycle that stumbles."""
    start = datetime.combine(around, datetime.min.time(), UTC)
    start += timedelta(days=draw(st.integers(0, 9))) + draw(st.sampled_from(CLOCKS))
    drafts: list[Draft] = []

    def add(ts: datetime, event_type: str, data: dict[str, Any]) -> None:
        moment = written(ts, draw(st.sampled_from(OFFSETS)), draw(st.integers(0, 6)))
        members = {"event_id": event_id(), "ticket_id": ticket_id, "event_type": event_type, "ts": moment, "data": data}
        drafts.append(Draft(ts, members))

    def create(ts: datetime) -> None:
        pqrs_type, kind = draw(st.sampled_from(KINDS))
        data = {
            "channel": draw(st.sampled_from(oracle.CHANNELS)),
            "pqrs_type": pqrs_type,
            "priority": draw(st.sampled_from(oracle.PRIORITIES)),
            "municipality_code": draw(st.sampled_from(PLACES)),
        }
        if kind is not None:
            data["petition_kind"] = kind
        elif draw(st.booleans()):
            data["petition_kind"] = draw(st.sampled_from(["general", None, 7]))  # not read, so not wrong either
        add(ts, "TICKET_CREATED", data)

    if draw(st.integers(0, 9)):  # one in ten is an orphan
        create(start)
    now = start
    status = draw(st.sampled_from(("RECEIVED", "IN_PROGRESS", "IN_PROGRESS", "CLOSED")))  # what came before was lost
    for _ in range(draw(st.integers(0, 9))):
        now = max(now + draw(st.sampled_from(GAPS)), datetime(2000, 1, 2, tzinfo=UTC))
        step = draw(st.sampled_from(STEPS))
        if step == "create":
            create(now)
        elif step == "message":
            role, body = draw(st.sampled_from(oracle.AUTHOR_ROLES)), draw(st.sampled_from(BODIES))
            add(now, "MESSAGE_ADDED", {"author_role": role, "body": body})
        elif step == "attachment":
            add(now, "ATTACHMENT_ADDED", {"filename": "señal.pdf", "size_bytes": draw(st.sampled_from(SIZES))})
        elif step == "wrong":
            origin, target = draw(st.sampled_from(oracle.STATUSES)), draw(st.sampled_from(oracle.STATUSES))
            add(now, "STATUS_CHANGED", {"from_status": origin, "to_status": target})
        else:
            goal = {"hold": "ON_HOLD", "respond": "RESPONDED", "reopen": "REOPENED"}.get(step)
            onward = path(status, goal) if goal else draw(st.sampled_from(sorted(oracle.FOLLOWS[status]) or [None]))
            if onward is not None:
                if step != "lost":
                    add(now, "STATUS_CHANGED", {"from_status": status, "to_status": onward})
                status = onward
    return drafts


BAD_TIMES = (
    "", "2026-02-30T10:00:00Z", "2025-02-29T10:00:00Z", "2026-01-05 10:00:00Z", "2026-01-05T10:00:00",
    "2026-01-05T24:00:00Z", "2026-01-05T10:60:00Z", "2026-01-05T23:59:60Z", "2026-01-05T10:00:00.Z",
    "2026-01-05T10:00:00.1234567Z", "2026-01-05T10:00:00+24:00", "2026-01-05T10:00:00+05:60",
    "2026-01-05T10:00:00-0500", "2026-01-05t10:00:00z", "2026-1-5T10:00:00Z", "2026-13-01T10:00:00Z",
    "2026-01-05T10:00Z", "2026-01-05T10:00:00Z ", "ayer", "1767607200", "+2026-01-05T10:00:00Z",
    "2026-01-05T10:00:00,5Z",
    "２026-01-05T10:00:00Z", "2026-01-05T10:00:00Z\n",
)  # fmt: skip
FAR_TIMES = (
    "1999-12-31T23:59:59.999999-05:00", "2000-01-01T04:59:59.999999Z", "1970-01-01T00:00:00Z", "2199-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "1677-09-21T00:12:43Z", "2262-04-12T00:00:00Z",
)  # fmt: skip
NO_EVENT: tuple[bytes, ...] = (
    b"", b" ", b"\t \r", b"\r", b"\xff\xfe", b'{"event_id": "\xc3\x28"}', b"\xed\xa0\x80", b"\xc0\xaf",
    b"\xf4\x90\x80\x80", b"{", b"}", b"[]", b"[{}]", b"null", b"true", b'"texto"', b"12", b"-0.5e3", b"NaN",
    b"-Infinity", b"\xc2\xa0", b"\x0b", b"{}", b'{"a": NaN}', b'{"a": 1,}', b"{'a': 1}", b'{"a": "\\ud800"}',
    b'{"\\udc00": 1}', b'["\\ud800"]', b'"\\udfff\\ud800"', b'{"a": "\\ud800", "a": 1}', b'{"a": 01}', b'{"a": .5}',
    b'{"a": 1.}', b'{"a": +1}', b'{"a": "\t"}', b'{"a": "\\x41"}', b'{"a": 1} {"b": 2}', b"\xef\xbb\xbf{}",
    b'{"a" 1}', b"// nada", b"{} x", b'{"a": tru}', b"\x00", b'{"a": "\\u12g4"}', b"[" * 100_000,
    b'{"a": "\\ud83d\\ude00"}', b'{"a": 123456789012345678901234567890}', b'{"a": "\\\\ud800"}', b"\x1e{}",
)  # fmt: skip

Damage = tuple[str, Any]

ABSENT = object()
MEMBERS = ("event_id", "ticket_id", "event_type", "ts", "data")
DAMAGE: tuple[Damage, ...] = (
    *((name, value) for name in MEMBERS for value in (ABSENT, None, 5, [])),
    *((name, value) for name in ("event_id", "ticket_id") for value in ("", "x" * 65, True, {})),
    *(("event_type", value) for value in ("", "TICKET_DELETED", "ticket_created", "TICKET_CREATED ")),
    *(("ts", value) for value in (*BAD_TIMES, *FAR_TIMES, 1767607200)),
    ("data", "texto"), ("data", {}), ("data", [{}]), ("data", 1.5),
)  # fmt: skip
CREATION_MEMBERS = ("channel", "pqrs_type", "priority", "municipality_code", "petition_kind")
BAD_PLACES = ("00000", "5001", "99999", "050011", "O5001", "１1001", 5001, 11001)
BAD_SIZES = (ABSENT, None, "5", True, 1.0, 1.5, -1, 2**53 + 1, 2**64, 10**30, -(10**30), [])
DATA_DAMAGE: dict[str, tuple[Damage, ...]] = {
    "TICKET_CREATED": (
        *((name, value) for name in CREATION_MEMBERS
          for value in (ABSENT, None, 7, ["P"], True, "", "otro", "P ", {"a": 1})),
        *(("municipality_code", value) for value in BAD_PLACES * 3),
    ),
    "MESSAGE_ADDED": tuple((name, value) for name in ("author_role", "body")
                           for value in (ABSENT, None, 7, [], False, "", "Citizen")),
    "STATUS_CHANGED": tuple((name, value) for name in ("from_status", "to_status")
                            for value in (ABSENT, None, 7, {}, "", "ABIERTO", "Closed")),
    "ATTACHMENT_ADDED": (
        *(("filename", value) for value in (ABSENT, None, 7, "", [])),
        *(("size_bytes", value) for value in BAD_SIZES),
    ),
}  # fmt: skip


def damaged(members: dict[str, Any], damage: Damage) -> dict[str, Any]:
    name, value = damage
    return {k: v for k, v in members.items() if k != name} if value is ABSENT else {**members, name: value}


@st.composite
def damaged_events(draw: st.DrawFn, event: dict[str, Any]) -> dict[str, Any]:
    """``event`` with one or two things wrong (or only odd) in it."""
    event_type = event["event_type"]
    for _ in range(draw(st.integers(1, 2))):
        data = event.get("data")
        if draw(st.booleans()) and isinstance(data, dict):
            event = {**event, "data": damaged(data, draw(st.sampled_from(DATA_DAMAGE[event_type])))}
        else:
            event = damaged(event, draw(st.sampled_from(DAMAGE)))
    return event


def spaced(event: dict[str, Any]) -> str:
    return "\t" + json.dumps(event, ensure_ascii=False, indent=1).replace("\n", " ") + " \r"


def with_more(event: dict[str, Any]) -> str:
    return json.dumps({"version": [1, {"x": None}], **dict(reversed(event.items())), "ñ": 1.5e300}, ensure_ascii=False)


def said_twice(event: dict[str, Any]) -> str:
    """The first of two members of one name does not count."""
    return '{"ts": null, "data": 3, ' + json.dumps(event)[1:]


WRITERS: tuple[Callable[[dict[str, Any]], str], ...] = (
    json.dumps,
    json.dumps,
    lambda event: json.dumps(event, ensure_ascii=False, separators=(",", ":")),
    spaced,
    with_more,
    said_twice,
)


@st.composite
def worlds(draw: st.DrawFn, prefix: str = "", tickets: int = 8) -> World:
    """Raw files of two runs over several channels and days. Identifiers begin with ``prefix``."""
    count = 0

    def event_id() -> str:
        nonlocal count
        count += 1
        return f"{prefix}{draw(st.integers(0, 99)):02d}-{count}"  # in no order: it tells equal instants apart

    drafts: list[Draft] = []
    around = draw(st.sampled_from(DAYS))
    for n in range(draw(st.integers(0, tickets))):
        drafts += draw(histories(around, draw(st.sampled_from(ODD_IDS)).format(f"{prefix}T{n}"), event_id))

    deliveries: list[tuple[datetime, bytes]] = []
    for draft in drafts:
        write = draw(st.sampled_from(WRITERS))
        line = write(draft.event).encode()
        deliveries.append((draft.ts, line))
        fate = draw(st.integers(0, 11))
        if fate == 0:  # the same again
            deliveries.append((draft.ts, line))
        elif fate == 1:  # another event under the same id, of the same ticket or not
            kept = draw(st.sampled_from((("event_id",), ("event_id", "ticket_id"))))
            other = draw(st.sampled_from(drafts)).event | {name: draft.event[name] for name in kept}
            deliveries.append((draft.ts, write(other).encode()))
        elif fate <= 3:
            deliveries.append((draft.ts, write(draw(damaged_events(draft.event))).encode()))
    for line in draw(st.lists(st.sampled_from(NO_EVENT), max_size=2)):
        deliveries.append((datetime.combine(around, datetime.min.time(), UTC), line))

    files: dict[tuple[str, str, date], list[bytes]] = {}
    for ts, line in draw(st.permutations(deliveries)):
        late = timedelta(days=draw(st.sampled_from(LATENESS)))
        channel = draw(st.sampled_from(("email", "call")))
        files.setdefault((draw(st.sampled_from(("r1", "r1", "r2"))), channel, oracle.day(ts) + late), []).append(line)

    lines = [
        raw
        for (run, channel, arrival), content in files.items()
        for raw in oracle.raw_lines(
            f"raw/pqrs_events/source={channel}/day={arrival}/run_id={run}/part-00000.jsonl",
            channel,
            arrival,
            run,
            b"".join(line + b"\n" for line in content),
        )
    ]
    last = oracle.last_arrival(lines) if lines else date(2026, 3, 2)
    return World(tuple(lines), last + timedelta(days=draw(st.sampled_from((0, 0, 1, 20, 200)))))
