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

SHORT_GAPS = (
    timedelta(0), timedelta(0), timedelta(microseconds=1), timedelta(minutes=40), timedelta(hours=20),
    timedelta(days=1), timedelta(days=2), timedelta(hours=-30),
)  # fmt: skip
GAPS = (*SHORT_GAPS, *(timedelta(days=days) for days in (4, 9, 15, 23, 60)))

STEPS = (
    "follow", "follow", "follow", "hold", "hold", "respond", "reopen", "leap", "leap", "turn", "turn", "edge", "edge",
    "edge", "lost", "wrong", "wrong", "message", "attachment", "attachment", "create",
)  # fmt: skip
ALLOWED = tuple((origin, target) for origin, targets in oracle.FOLLOWS.items() for target in sorted(targets))
TURNS = tuple(pair for pair in ALLOWED if set(pair) <= {"IN_PROGRESS", "ON_HOLD", "RESPONDED"})
NEARLY_ALLOWED = (
    *((target, origin) for origin, target in ALLOWED),
    *((origin, target) for origin, middle in ALLOWED for target in sorted(oracle.FOLLOWS[middle])),
    ("IN_PROGRESS", "IN_PROGRESS"),
)

OFFSETS = ("Z", "-05:00", "+00:00", "-00:00", "+05:30", "+14:00", "-23:59", "+23:59")
PLACES = ("05001", "11001", "88001", "99001", "91263")
KINDS = (("P", "general"), ("P", "information"), ("P", "consultation"), ("Q", None), ("R", None), ("S", None))
BODIES = ("", "Buenos días", 'comillas " y \\ barras', "línea\nnueva,\tcoma", "😀 ñandú", "null", "A" * 300, "nulo \0")
ODD_IDS = ("{}", "{}", "{}", "{:ñ<64}", "{} ñ😀", '{},"x"', "{}\\", " {} ", "{}'; drop--")
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


class Teller:
    """Tells the history of one ticket: a walk through the life cycle that stumbles and leaps."""

    def __init__(self, draw: st.DrawFn, ticket_id: str, event_id: Callable[[], str]) -> None:
        self.drafts: list[Draft] = []
        self._draw, self._ticket_id, self._event_id = draw, ticket_id, event_id
        self._last_day = date(2000, 1, 1)  # of the term under way, pauses left out

    def tell(self, start: datetime, gaps: Sequence[timedelta]) -> None:
        draw = self._draw
        if draw(st.integers(0, 9)):  # one in ten is an orphan
            self._create(start)
        now = start
        status = draw(
            st.sampled_from(("RECEIVED", "IN_PROGRESS", "IN_PROGRESS", "CLOSED"))
        )  # what came before was lost
        for _ in range(draw(st.integers(0, 9))):
            now = max(now + draw(st.sampled_from(gaps)), datetime(2000, 1, 2, tzinfo=UTC))
            step = draw(st.sampled_from(STEPS))
            if step == "edge" and gaps is GAPS:  # something happens as the term ends, or nearly
                day = self._last_day + timedelta(days=draw(st.integers(-1, 2)))
                now = max(now, datetime.combine(day, datetime.min.time(), UTC) + draw(st.sampled_from(CLOCKS)))
            status = self._step(step, now, status)

    def _step(self, step: str, now: datetime, status: str) -> str:
        """One more event, or none; the status that the ticket believes to be in afterwards."""
        draw = self._draw
        if step == "create":
            self._create(now)
        elif step == "message":
            role, body = draw(st.sampled_from(oracle.AUTHOR_ROLES)), draw(st.sampled_from(BODIES))
            self._add(now, "MESSAGE_ADDED", {"author_role": role, "body": body})
        elif step == "attachment":
            self._add(now, "ATTACHMENT_ADDED", {"filename": "señal.pdf", "size_bytes": draw(st.sampled_from(SIZES))})
        elif step == "wrong":
            origin, target = draw(st.sampled_from(NEARLY_ALLOWED))
            self._change(now, origin, target)
        elif step in ("leap", "turn", "edge"):
            origin, status = draw(st.sampled_from(ALLOWED if step == "leap" else TURNS))
            self._change(now, origin, status)
        else:
            goal = {"hold": "ON_HOLD", "respond": "RESPONDED", "reopen": "REOPENED"}.get(step)
            onward = path(status, goal) if goal else draw(st.sampled_from(sorted(oracle.FOLLOWS[status]) or [None]))
            if onward is not None:
                if step != "lost":
                    self._change(now, status, onward)
                return onward
        return status

    def _create(self, ts: datetime) -> None:
        draw = self._draw
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
        self._last_day = last_day(ts, oracle.term_length(pqrs_type, kind, oracle.day(ts)))
        self._add(ts, "TICKET_CREATED", data)

    def _change(self, ts: datetime, origin: str, target: str) -> None:
        self._add(ts, "STATUS_CHANGED", {"from_status": origin, "to_status": target})

    def _add(self, ts: datetime, event_type: str, data: dict[str, Any]) -> None:
        moment = written(ts, self._draw(st.sampled_from(OFFSETS)), self._draw(st.integers(0, 6)))
        members = {"event_id": self._event_id(), "ticket_id": self._ticket_id, "event_type": event_type, "ts": moment}
        self.drafts.append(Draft(ts, {**members, "data": data}))


def last_day(opened_at: datetime, length: int) -> date:
    return oracle.nth_business_day_after(oracle.roll(oracle.day(opened_at)), length)


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

ABSENT = object()
DAMAGE: dict[str, tuple[Any, ...]] = {
    "event_id": (ABSENT, None, 5, "", "", "x" * 65, True, {}, "x\0", "\x7f", "x\n", "\x80"),
    "ticket_id": (ABSENT, None, [], "", "", "x" * 65, False, 0, "\0", "T\x7f", "T\x1f", "T\u2028"),
    "event_type": (ABSENT, None, 5, "", "TICKET_DELETED", "ticket_created", "TICKET_CREATED "),
    "ts": (ABSENT, None, 1767607200, *BAD_TIMES, *FAR_TIMES),
    "data": (ABSENT, None, 5, [], "texto", {}, [{}], 1.5),
}
BAD_CHOICES = (ABSENT, None, 7, ["P"], True, "", "otro", "P ", {"a": 1})
BAD_PLACES = (*BAD_CHOICES, "00000", "99999", "5001", "050011", "O5001", "１1001", 5001, 11001)
BAD_SIZES = (ABSENT, None, "5", True, True, False, 1.0, -1, 2**53 + 1, 2**64, 10**30, -(10**30), [])
DATA_DAMAGE: dict[str, dict[str, tuple[Any, ...]]] = {
    "TICKET_CREATED": {
        **dict.fromkeys(("channel", "pqrs_type", "priority", "petition_kind"), BAD_CHOICES),
        "municipality_code": BAD_PLACES,
    },
    "MESSAGE_ADDED": dict.fromkeys(("author_role", "body"), (ABSENT, None, 7, [], False, "", "Citizen")),
    "STATUS_CHANGED": dict.fromkeys(("from_status", "to_status"), (ABSENT, None, 7, {}, "", "ABIERTO", "Closed")),
    "ATTACHMENT_ADDED": {"filename": (ABSENT, None, 7, "", "", "", []), "size_bytes": BAD_SIZES},
}


@st.composite
def damaged(draw: st.DrawFn, members: dict[str, Any], damage: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(damage)))
    value = draw(st.sampled_from(damage[name]))
    return {k: v for k, v in members.items() if k != name} if value is ABSENT else {**members, name: value}


@st.composite
def damaged_events(draw: st.DrawFn, event: dict[str, Any]) -> dict[str, Any]:
    """``event`` with one or two things wrong (or only odd) in it."""
    event_type = event["event_type"]
    for _ in range(draw(st.integers(1, 2))):
        data = event.get("data")
        if draw(st.booleans()) and isinstance(data, dict):
            event = {**event, "data": draw(damaged(data, DATA_DAMAGE[event_type]))}
        else:
            event = draw(damaged(event, DAMAGE))
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
def worlds(draw: st.DrawFn, days: Sequence[date] = DAYS, least: int = 0, most: int = 8) -> World:
    """Raw files of two runs over several channels and days: ``least`` to ``most`` tickets, created around one day."""
    count = 0

    def event_id() -> str:
        nonlocal count
        count += 1
        return f"{draw(st.integers(0, 99)):02d}-{count}"  # in no order: it tells equal instants apart

    drafts: list[Draft] = []
    around = draw(st.sampled_from(days))
    hurried = draw(st.booleans())  # all within days, so that terms still run when it is over
    for n in range(draw(st.integers(least, most))):
        teller = Teller(draw, draw(st.sampled_from(ODD_IDS)).format(f"T{n}"), event_id)
        start = datetime.combine(
            around + timedelta(days=draw(st.integers(0, 2 if hurried else 9))), datetime.min.time(), UTC
        )
        teller.tell(start + draw(st.sampled_from(CLOCKS)), SHORT_GAPS if hurried else GAPS)
        drafts += teller.drafts

    deliveries: list[tuple[datetime, bytes]] = []
    for draft in drafts:
        write = draw(st.sampled_from(WRITERS))
        line = write(draft.event).encode()
        deliveries.append((draft.ts, line))
        fate = draw(st.integers(0, 9))
        if fate == 0:  # the same again
            deliveries.append((draft.ts, line))
        elif fate == 1:  # another event under the same id, of the same ticket or not
            kept = draw(st.sampled_from((("event_id",), ("event_id", "ticket_id"))))
            other = draw(st.sampled_from(drafts)).event | {name: draft.event[name] for name in kept}
            deliveries.append((draft.ts, write(other).encode()))
        elif fate <= 4:
            deliveries.append((draft.ts, write(draw(damaged_events(draft.event))).encode()))
    for line in draw(st.lists(st.sampled_from(NO_EVENT), max_size=6)):
        deliveries.append((datetime.combine(around, datetime.min.time(), UTC), line))

    files: dict[tuple[str, str, date], list[bytes]] = {}
    for ts, line in draw(st.permutations(deliveries)):
        late = timedelta(days=draw(st.sampled_from(LATENESS[:-2] if hurried else LATENESS)))
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
    ends = (last_day(draft.ts, draw(st.sampled_from((10, 15, 30)))) for draft in drafts)
    days_of_telling = [
        last,
        last + timedelta(days=400),
        around + timedelta(days=3),
        *(end for end in ends if end >= last),
    ]
    return World(tuple(lines), draw(st.sampled_from(days_of_telling)))
