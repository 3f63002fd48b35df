"""What must come out of the lakehouse for given raw lines: slow, plain, read from the law and docs/data-rules.md alone.

This is the second implementation of the data rules and shares nothing with the first: its own calendar, its own state
machine, its own list of places. It favours what can be checked by eye over speed and needs only the standard library.
Read it from the top: each part is a section of docs/data-rules.md, each function one rule.

Instants are aware datetimes in UTC; a *day* is a calendar day in Colombia, which is five hours behind and has no
daylight saving time. Rows speak in natural codes and days: surrogate keys, hash buckets and load times are the
implementation's affair.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

BOGOTA = timezone(timedelta(hours=-5))
ONE_DAY = timedelta(days=1)


def day(instant: datetime) -> date:
    """The calendar day in Colombia on which ``instant`` falls."""
    return instant.astimezone(BOGOTA).date()


# ---------------------------------------------------------------------------------------------------------------------
# The words of the domain
# ---------------------------------------------------------------------------------------------------------------------

CHANNELS = ("email", "webform", "chat", "call", "other_digital")
PQRS_TYPES = ("P", "Q", "R", "S")
PETITION_KINDS = ("general", "information", "consultation")
PRIORITIES = ("alta", "media", "baja")
AUTHOR_ROLES = ("citizen", "agent", "system")
LARGEST_SIZE = 2**53

FOLLOWS: Mapping[str, frozenset[str]] = {
    "RECEIVED": frozenset({"RADICATED"}),
    "RADICATED": frozenset({"CLASSIFIED"}),
    "CLASSIFIED": frozenset({"ASSIGNED"}),
    "ASSIGNED": frozenset({"IN_PROGRESS"}),
    "IN_PROGRESS": frozenset({"ON_HOLD", "RESPONDED"}),
    "ON_HOLD": frozenset({"IN_PROGRESS"}),
    "RESPONDED": frozenset({"CLOSED"}),
    "CLOSED": frozenset({"ARCHIVED", "REOPENED"}),
    "ARCHIVED": frozenset(),
    "REOPENED": frozenset({"IN_PROGRESS"}),
}
"""The life cycle: which statuses may follow each one."""

STATUSES = tuple(FOLLOWS)


@cache
def places() -> Mapping[str, tuple[str, str]]:
    """DIVIPOLA code of each known municipality, with its name and its department's."""
    with (Path(__file__).parent / "places.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: (row["municipality"], row["department"]) for row in csv.DictReader(file)}


# ---------------------------------------------------------------------------------------------------------------------
# The Colombian calendar (Ley 51 de 1983; Ley 2578 de 2026)
# ---------------------------------------------------------------------------------------------------------------------


def easter(year: int) -> date:
    """Easter Sunday in the Gregorian calendar (the anonymous algorithm of Nature 13, 1876, p. 487)."""
    golden = year % 19
    century, of_century = divmod(year, 100)
    moon = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    week = (32 + 2 * (century % 4) + 2 * (of_century // 4) - moon - of_century % 4) % 7
    late = (golden + 11 * moon + 22 * week) // 451
    month, month_day = divmod(moon + week - 7 * late + 114, 31)
    return date(year, month, month_day + 1)


def moved_to_monday(d: date) -> date:
    """Ley 51 de 1983 art. 1 num. 2: when the feast does not fall on Monday, its rest moves to the following Monday."""
    return d + timedelta(days=-d.weekday() % 7)


@cache
def holidays(year: int) -> frozenset[date]:
    """The holidays of a year: Ley 51 de 1983 art. 1, and from 2026 Ley 2578 de 2026 (9 July)."""
    where_they_fall = {
        date(year, 1, 1),
        date(year, 5, 1),
        date(year, 7, 20),
        date(year, 8, 7),
        date(year, 12, 8),
        date(year, 12, 25),
        easter(year) - timedelta(days=3),  # Holy Thursday
        easter(year) - timedelta(days=2),  # Good Friday
    }
    moving = {
        date(year, 1, 6),
        date(year, 3, 19),
        date(year, 6, 29),
        date(year, 8, 15),
        date(year, 10, 12),
        date(year, 11, 1),
        date(year, 11, 11),
        easter(year) + timedelta(days=39),  # Ascension, a Thursday
        easter(year) + timedelta(days=60),  # Corpus Christi, a Thursday
        easter(year) + timedelta(days=68),  # Sacred Heart, a Friday
    }
    if year >= 2026:
        moving.add(date(year, 7, 9))
    return frozenset(where_they_fall | {moved_to_monday(feast) for feast in moving})


def is_holiday(d: date) -> bool:
    return d in holidays(d.year)


@cache
def is_business_day(d: date) -> bool:
    """Monday to Friday that is no holiday."""
    return d.isoweekday() <= 5 and not is_holiday(d)


def roll(d: date) -> date:
    """The first business day at or after ``d``: what arrives on a holiday counts as received on the next of them."""
    while not is_business_day(d):
        d += ONE_DAY
    return d


def business_days_after(start: date, end: date) -> int:
    """Business days that come after ``start``, up to and including ``end``: B(end) - B(start), negative backwards."""
    if end < start:
        return -business_days_after(end, start)
    return sum(is_business_day(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))


def nth_business_day_after(start: date, n: int) -> date:
    d = start
    while n > 0:
        d = roll(d + ONE_DAY)
        n -= 1
    return d


# ---------------------------------------------------------------------------------------------------------------------
# 1. Raw
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RawLine:
    """One row of a raw file: where it stands, and its bytes without the line break."""

    source_file: str
    source_channel: str
    day: date  # of arrival
    run_id: str
    line_no: int  # from 1
    line: bytes


def raw_lines(source_file: str, source_channel: str, arrival: date, run_id: str, content: bytes) -> list[RawLine]:
    """The rows of a file: it is split at line feeds, and what follows a final one is no row."""
    pieces = content.split(b"\n")
    if pieces[-1] == b"":
        pieces.pop()
    return [RawLine(source_file, source_channel, arrival, run_id, n, piece) for n, piece in enumerate(pieces, 1)]


# ---------------------------------------------------------------------------------------------------------------------
# 2. Bronze and quarantine
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """A row of bronze. What its type does not have is None."""

    event_id: str
    ticket_id: str
    source_channel: str
    event_type: str
    ts: datetime
    channel: str | None
    pqrs_type: str | None
    petition_kind: str | None
    priority: str | None
    municipality_code: str | None
    from_status: str | None
    to_status: str | None
    author_role: str | None
    body: str | None
    filename: str | None
    size_bytes: int | None
    raw: str
    day: date
    run_id: str
    source_file: str
    line_no: int


@dataclass(frozen=True)
class Quarantined:
    """A row of quarantine: a raw row and why it is no event."""

    run_id: str
    source_file: str
    line_no: int
    source_channel: str
    day: date
    reason: str
    raw: str


class Unfit(Exception):  # noqa: N818 - a verdict on a line, not an error
    """The line is no event, for this reason."""


TEXT_MEMBERS = ("event_id", "ticket_id", "event_type", "ts")
TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)

READ: Mapping[str, Mapping[str, type]] = {
    "TICKET_CREATED": {
        "channel": str, "pqrs_type": str, "petition_kind": str, "priority": str, "municipality_code": str,
    },
    "MESSAGE_ADDED": {"author_role": str, "body": str},
    "STATUS_CHANGED": {"from_status": str, "to_status": str},
    "ATTACHMENT_ADDED": {"filename": str, "size_bytes": int},
}  # fmt: skip
"""The event types, and the members of ``data`` that each one reads."""

DOMAINS: Mapping[str, Sequence[str]] = {
    "channel": CHANNELS,
    "pqrs_type": PQRS_TYPES,
    "petition_kind": PETITION_KINDS,
    "priority": PRIORITIES,
    "from_status": STATUSES,
    "to_status": STATUSES,
    "author_role": AUTHOR_ROLES,
}


def read_line(line: RawLine) -> Event | Quarantined:
    """Every raw row goes to exactly one of bronze and quarantine, there with the first reason that applies."""
    try:
        text = as_text(line.line)
        event = event_object(text)
        event_id, ticket_id, event_type, ts = text_members(event)
        identifiers_fit(event_id, ticket_id)
        if event_type not in READ:
            raise Unfit("unknown_event_type")
        instant = timestamp(ts)
        in_range(instant, line.day)
        data = data_members(event_type, event["data"])
    except Unfit as unfit:
        return Quarantined(
            line.run_id, line.source_file, line.line_no, line.source_channel, line.day, str(unfit),
            line.line.decode("utf-8", errors="backslashreplace"),
        )  # fmt: skip
    return Event(
        event_id=event_id,
        ticket_id=ticket_id,
        source_channel=line.source_channel,
        event_type=event_type,
        ts=instant,
        channel=data.get("channel"),
        pqrs_type=data.get("pqrs_type"),
        petition_kind=data.get("petition_kind"),
        priority=data.get("priority"),
        municipality_code=data.get("municipality_code"),
        from_status=data.get("from_status"),
        to_status=data.get("to_status"),
        author_role=data.get("author_role"),
        body=data.get("body"),
        filename=data.get("filename"),
        size_bytes=data.get("size_bytes"),
        raw=text,
        day=line.day,
        run_id=line.run_id,
        source_file=line.source_file,
        line_no=line.line_no,
    )


def as_text(line: bytes) -> str:
    """Reasons 1 and 2: the line is UTF-8, and more than white space."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise Unfit("invalid_encoding") from None
    if not text.strip(" \t\r"):
        raise Unfit("empty_line")
    return text


def event_object(text: str) -> dict[str, Any]:
    """Reasons 3 and 4: a JSON text by RFC 8259, and an object."""

    def no_json(token: str) -> NoReturn:
        raise ValueError(token)

    def without_lone_surrogates(value: Any) -> Any:  # Python reads "\ud800", which no encoding can write: ValueError
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
        return value

    try:
        value = without_lone_surrogates(
            json.loads(
                text,
                parse_constant=no_json,  # NaN and Infinity are Python's, not JSON's
                parse_int=Decimal,  # of any length; and so a whole number is told from 1.0, a float
                object_pairs_hook=lambda members: dict(without_lone_surrogates(members)),
            )
        )
    except (ValueError, RecursionError):  # nested deeper than Python goes: taken for broken
        raise Unfit("invalid_json") from None
    if not isinstance(value, dict):
        raise Unfit("not_an_object")
    return value


def text_members(event: Mapping[str, Any]) -> list[str]:
    """Reasons 5 and 6: the five members are there, four of them strings and ``data`` an object."""
    if any(event.get(name) is None for name in (*TEXT_MEMBERS, "data")):
        raise Unfit("missing_field")
    if not all(isinstance(event[name], str) for name in TEXT_MEMBERS) or not isinstance(event["data"], dict):
        raise Unfit("wrong_type")
    return [event[name] for name in TEXT_MEMBERS]


def identifiers_fit(*identifiers: str) -> None:
    """Reason 7: 1 to 64 characters, none of them a control character."""
    for identifier in identifiers:
        if not 1 <= len(identifier) <= 64 or any(ord(c) < 32 or ord(c) == 127 for c in identifier):
            raise Unfit("invalid_identifier")


def timestamp(ts: str) -> datetime:
    """Reason 9: A date and time that exist, with an offset. (In UTC outside the calendar: reason 10.)"""
    parts = TIMESTAMP.fullmatch(ts)
    try:
        local = datetime.fromisoformat(parts[1]) if parts else None
    except ValueError:
        local = None
    if parts is None or local is None:
        raise Unfit("invalid_timestamp")
    fraction, sign, hours, minutes = parts[2] or "0", parts[3], parts[4] or "0", parts[5] or "0"
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        utc = local + offset if sign == "-" else local - offset
    except OverflowError:
        raise Unfit("timestamp_out_of_range") from None
    return utc.replace(microsecond=int(fraction.ljust(6, "0")), tzinfo=UTC)


def in_range(ts: datetime, arrival: date) -> None:
    """Reason 10: not before 2000, and not after the day of its arrival."""
    if ts < datetime(2000, 1, 1, tzinfo=BOGOTA) or day(ts) > arrival:
        raise Unfit("timestamp_out_of_range")


def data_members(event_type: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Reasons 11 to 14: the members that the type reads are there, of the right type, in their domains, and known."""
    read = dict(READ[event_type])
    if data.get("pqrs_type") != "P":  # only petitions have a kind
        read.pop("petition_kind", None)
    members = {name: data.get(name) for name in read}
    if any(value is None for value in members.values()):
        raise Unfit("incomplete_data")
    if not all(isinstance(members[name], Decimal if kind is int else str) for name, kind in read.items()):
        raise Unfit("wrong_data_type")
    if not all(in_domain(name, value) for name, value in members.items()):
        raise Unfit("invalid_value")
    if "municipality_code" in members and members["municipality_code"] not in places():
        raise Unfit("unknown_place")
    return {name: int(value) if isinstance(value, Decimal) else value for name, value in members.items()}


def in_domain(name: str, value: Any) -> bool:
    if name in DOMAINS:
        return value in DOMAINS[name]
    if name == "municipality_code":
        return re.fullmatch("[0-9]{5}", value) is not None
    if name == "size_bytes":
        return bool(0 <= value <= LARGEST_SIZE)
    return name == "body" or value != ""  # a body may be empty, a file name may not


# ---------------------------------------------------------------------------------------------------------------------
# 3. Silver
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StatusEvent:
    event_id: str
    ticket_id: str
    seq: int
    ts: datetime
    from_status: str
    to_status: str
    rejection: str | None  # None: the event is valid
    contiguous: bool | None


@dataclass(frozen=True)
class Message:
    event_id: str
    ticket_id: str
    ts: datetime
    author_role: str
    body: str


@dataclass(frozen=True)
class Ticket:
    ticket_id: str
    channel: str
    pqrs_type: str
    petition_kind: str | None
    priority: str
    municipality_code: str
    received_at: datetime
    received_day: date
    status: str
    status_at: datetime
    first_responded_at: datetime | None
    closed_at: datetime | None
    message_count: int
    attachment_count: int
    attachment_bytes: int
    reopen_count: int
    last_event_at: datetime


def deduplicated(events: Iterable[Event]) -> list[Event]:
    """Of a ticket's rows with one event_id the one with the least (ts, raw), then (source_file, line_no), stands."""
    standing: dict[tuple[str, str], Event] = {}
    for event in sorted(events, key=lambda e: (e.ts, e.raw, e.source_file, e.line_no)):
        standing.setdefault((event.ticket_id, event.event_id), event)
    return list(standing.values())


def by_ticket(events: Iterable[Event]) -> dict[str, list[Event]]:
    """The events of each ticket in their order, which is that of (ts, event_id) and not that of arrival."""
    tickets: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda e: (e.ts, e.event_id)):
        tickets[event.ticket_id].append(event)
    return dict(tickets)


def creation_of(events: Sequence[Event]) -> Event | None:
    """The first TICKET_CREATED; further ones are ignored."""
    return next((event for event in events if event.event_type == "TICKET_CREATED"), None)


def rejection_of(event: Event, creation: Event | None) -> str | None:
    if creation is None:
        return "no_creation"
    if event.ts < creation.ts:
        return "before_creation"
    if event.to_status not in FOLLOWS[str(event.from_status)]:
        return "not_allowed"
    return None


def status_events_of(events: Sequence[Event]) -> list[StatusEvent]:
    """The STATUS_CHANGED of a ticket: numbered, judged, and whether each valid one follows on from the one before."""
    creation = creation_of(events)
    current = "RECEIVED"
    result = []
    changes = [event for event in events if event.event_type == "STATUS_CHANGED"]
    for seq, event in enumerate(changes, 1):
        origin, target = str(event.from_status), str(event.to_status)
        rejection = rejection_of(event, creation)
        contiguous = None if rejection else origin == current
        result.append(
            StatusEvent(event.event_id, event.ticket_id, seq, event.ts, origin, target, rejection, contiguous)
        )
        if not rejection:
            current = target
    return result


def messages_of(events: Sequence[Event]) -> list[Message]:
    return [
        Message(event.event_id, event.ticket_id, event.ts, str(event.author_role), str(event.body))
        for event in events
        if event.event_type == "MESSAGE_ADDED"
    ]


def ticket_of(events: Sequence[Event], valid: Sequence[StatusEvent]) -> Ticket | None:
    """The folded ticket; one that nobody created has no row."""
    creation = creation_of(events)
    if creation is None:
        return None
    status = valid[-1].to_status if valid else "RECEIVED"
    responses = [event.ts for event in valid if event.to_status == "RESPONDED"]
    closures = [event.ts for event in valid if event.to_status == "CLOSED"]
    sizes = [event.size_bytes or 0 for event in events if event.event_type == "ATTACHMENT_ADDED"]
    return Ticket(
        ticket_id=creation.ticket_id,
        channel=str(creation.channel),
        pqrs_type=str(creation.pqrs_type),
        petition_kind=creation.petition_kind,
        priority=str(creation.priority),
        municipality_code=str(creation.municipality_code),
        received_at=creation.ts,
        received_day=day(creation.ts),
        status=status,
        status_at=valid[-1].ts if valid else creation.ts,
        first_responded_at=responses[0] if responses else None,
        closed_at=closures[-1] if closures and status in ("CLOSED", "ARCHIVED") else None,
        message_count=len(messages_of(events)),
        attachment_count=len(sizes),
        attachment_bytes=sum(sizes),
        reopen_count=sum(event.to_status == "REOPENED" for event in valid),
        last_event_at=events[-1].ts,
    )


# ---------------------------------------------------------------------------------------------------------------------
# 4. Terms (Ley 1437 de 2011 arts. 14 and 17, as replaced by Ley 1755 de 2015 art. 1)
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Term:
    """A row of fact_term."""

    ticket_id: str
    term_no: int
    opened_at: datetime
    start_day: date
    term_days: int
    paused_days: int
    due_day: date
    responded_at: datetime | None
    state: str
    business_days_to_response: int | None


@dataclass(frozen=True)
class Hold:
    """A time in which the citizen has to complete the petition (art. 17)."""

    begins: date
    ends: date | None  # None: it is open


def term_length(pqrs_type: str, petition_kind: str | None, opened: date) -> int:
    """Business days to respond: art. 14, lengthened by Decreto 491 de 2020 art. 5 until Ley 2207 de 2022."""
    if date(2020, 3, 28) <= opened <= date(2022, 5, 17):
        if pqrs_type == "P" and petition_kind == "information":
            return 20
        if pqrs_type == "P" and petition_kind == "consultation":
            return 35
        return 30
    if pqrs_type == "P" and petition_kind == "information":
        return 10  # art. 14 num. 1
    if pqrs_type == "P" and petition_kind == "consultation":
        return 30  # art. 14 num. 2
    return 15  # art. 14, general rule; quejas, reclamos and sugerencias too


def terms_of(ticket: Ticket, valid: Sequence[StatusEvent], as_of: date) -> list[Term]:
    """The creation opens term 1, each reopening the next; a term owns the valid events up to the next reopening."""
    reopenings = [n for n, event in enumerate(valid) if event.to_status == "REOPENED"]
    openings = [ticket.received_at, *(valid[n].ts for n in reopenings)]
    begins = [0, *(n + 1 for n in reopenings)]
    ends = [*reopenings, len(valid)]
    return [
        term(ticket, number, opened_at, range(begin, end), valid, as_of)
        for number, (opened_at, begin, end) in enumerate(zip(openings, begins, ends, strict=True), 1)
    ]


def term(
    ticket: Ticket, number: int, opened_at: datetime, own: range, valid: Sequence[StatusEvent], as_of: date
) -> Term:
    """One term: the events ``valid[n] for n in own`` are its own."""
    start = roll(day(opened_at))
    length = term_length(ticket.pqrs_type, ticket.petition_kind, day(opened_at))
    response = next((n for n in own if valid[n].to_status == "RESPONDED"), None)
    holds = holds_before(own.stop if response is None else response, own, valid)
    paused, suspended = pauses(holds, start, length, as_of)
    due = nth_business_day_after(start, length + paused)
    responded_at = None if response is None else valid[response].ts
    took = None if responded_at is None else business_days_after(start, max(day(responded_at), start)) - paused
    state = term_state(None if responded_at is None else day(responded_at), due, suspended, as_of)
    return Term(ticket.ticket_id, number, opened_at, start, length, paused, due, responded_at, state, took)


def holds_before(end: int, own: range, valid: Sequence[StatusEvent]) -> list[Hold]:
    """The term's holds before its response; the next valid event of the ticket ends a hold, whatever it is."""
    return [
        Hold(day(valid[n].ts), day(valid[n + 1].ts) if n + 1 < len(valid) else None)
        for n in own
        if n < end and valid[n].to_status == "ON_HOLD"
    ]


def pauses(holds: Iterable[Hold], start: date, length: int, as_of: date) -> tuple[int, bool]:
    """Art. 17: the term stands still from the day after the request to the day on which the citizen completes it.

    A hold counts only while the term runs: what begins on the last day or after it saves nothing.

    Returns:
        the business days that do not count, and whether the term stands still now (an open hold that counts).
    """
    paused, suspended = 0, False
    for hold in holds:
        begins = max(hold.begins, start)
        ends = max(as_of if hold.ends is None else hold.ends, begins)
        if business_days_after(start, begins) - paused < length:
            paused += business_days_after(begins, ends)
            suspended = hold.ends is None
    return paused, suspended


def term_state(responded: date | None, due: date, suspended: bool, as_of: date) -> str:
    if responded is not None:
        return "MET" if responded <= due else "LATE"
    if suspended:
        return "SUSPENDED"
    return "PENDING" if as_of <= due else "OVERDUE"


# ---------------------------------------------------------------------------------------------------------------------
# 5. Gold
# ---------------------------------------------------------------------------------------------------------------------

History = tuple[Ticket, list[StatusEvent], list[Term]]
"""A created ticket, its valid status events in order, and its terms."""


@dataclass(frozen=True)
class FactTicket:
    """A ticket with its last term."""

    ticket_id: str
    received_day: date
    due_day: date
    channel: str
    pqrs_type: str
    priority: str
    status: str
    municipality_code: str
    petition_kind: str | None
    received_at: datetime
    responded_at: datetime | None
    closed_at: datetime | None
    term_no: int
    term_days: int
    paused_days: int
    sla_state: str
    business_days_to_response: int | None
    message_count: int
    attachment_count: int
    reopen_count: int


@dataclass(frozen=True)
class CalendarDay:
    """A row of dim_date."""

    date_key: int
    date: date
    year: int
    quarter: int
    month: int
    month_day: int
    iso_weekday: int
    is_holiday: bool
    is_business_day: bool


@dataclass(frozen=True)
class Volume:
    """A row of kpi_volume_daily."""

    day: date
    channel: str
    pqrs_type: str
    received: int
    responded: int
    closed: int


@dataclass(frozen=True)
class Backlog:
    """A row of kpi_backlog_daily."""

    day: date
    pqrs_type: str
    opened: int
    closed: int
    open_at_end: int


@dataclass(frozen=True)
class Compliance:
    """A row of kpi_sla_daily."""

    day: date
    pqrs_type: str
    due: int
    met: int
    late: int
    pending: int
    overdue: int
    suspended: int


def fact_ticket(ticket: Ticket, last: Term) -> FactTicket:
    return FactTicket(
        ticket_id=ticket.ticket_id,
        received_day=ticket.received_day,
        due_day=last.due_day,
        channel=ticket.channel,
        pqrs_type=ticket.pqrs_type,
        priority=ticket.priority,
        status=ticket.status,
        municipality_code=ticket.municipality_code,
        petition_kind=ticket.petition_kind,
        received_at=ticket.received_at,
        responded_at=last.responded_at,
        closed_at=ticket.closed_at,
        term_no=last.term_no,
        term_days=last.term_days,
        paused_days=last.paused_days,
        sla_state=last.state,
        business_days_to_response=last.business_days_to_response,
        message_count=ticket.message_count,
        attachment_count=ticket.attachment_count,
        reopen_count=ticket.reopen_count,
    )


def days_from(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def dim_date(tickets: Iterable[Ticket], terms: Iterable[Term], as_of: date) -> list[CalendarDay]:
    """Whole calendar years around every received day, start day and due day, and ``as_of``."""
    days = {as_of, *(t.received_day for t in tickets), *(d for t in terms for d in (t.start_day, t.due_day))}
    return [
        CalendarDay(
            date_key=d.year * 10_000 + d.month * 100 + d.day,
            date=d,
            year=d.year,
            quarter=(d.month + 2) // 3,
            month=d.month,
            month_day=d.day,
            iso_weekday=d.isoweekday(),
            is_holiday=is_holiday(d),
            is_business_day=is_business_day(d),
        )
        for d in days_from(date(min(days).year, 1, 1), date(max(days).year, 12, 31))
    ]


def kpi_volume_daily(histories: Iterable[History]) -> list[Volume]:
    """Per day, channel and type: tickets received, terms responded, closings. Only where something happened."""
    counts: dict[tuple[date, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for ticket, valid, terms in histories:
        happened = [
            [ticket.received_day],
            [day(term.responded_at) for term in terms if term.responded_at is not None],
            [day(event.ts) for event in valid if event.to_status == "CLOSED"],
        ]
        for column, days in enumerate(happened):
            for d in days:
                counts[d, ticket.channel, ticket.pqrs_type][column] += 1
    return [Volume(*key, *count) for key, count in counts.items()]


def open_days(ticket: Ticket, valid: Sequence[StatusEvent], days: Iterable[date]) -> Iterator[tuple[date, bool]]:
    """Whether the ticket is open at the end of each day: received, and its status then neither CLOSED nor ARCHIVED."""
    remaining = list(valid)
    status = "RECEIVED"
    for d in days:
        while remaining and day(remaining[0].ts) <= d:
            status = remaining.pop(0).to_status
        yield d, d >= ticket.received_day and status not in ("CLOSED", "ARCHIVED")


def kpi_backlog_daily(histories: Sequence[History], as_of: date) -> list[Backlog]:
    """Per day and type: how many tickets became open, how many ceased to be, how many are. Every day, every type."""
    if not histories:
        return []
    days = list(days_from(min(ticket.received_day for ticket, _, _ in histories), as_of))
    counts = {(d, pqrs_type): [0, 0, 0] for d in days for pqrs_type in PQRS_TYPES}
    for ticket, valid, _ in histories:
        was_open = False
        for d, is_open in open_days(ticket, valid, days):
            count = counts[d, ticket.pqrs_type]
            count[0] += is_open and not was_open
            count[1] += was_open and not is_open
            count[2] += is_open
            was_open = is_open
    return [Backlog(*key, *count) for key, count in counts.items()]


def kpi_sla_daily(histories: Iterable[History]) -> list[Compliance]:
    """Per due day and type: how many terms fall due, and what became of them."""
    states: dict[tuple[date, str], list[str]] = defaultdict(list)
    for ticket, _, terms in histories:
        for term in terms:
            states[term.due_day, ticket.pqrs_type].append(term.state)
    columns = ("MET", "LATE", "PENDING", "OVERDUE", "SUSPENDED")
    return [Compliance(*key, len(of), *(of.count(state) for state in columns)) for key, of in states.items()]


# ---------------------------------------------------------------------------------------------------------------------
# The whole
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expected:
    """All that must be in the lake; the order of rows means nothing."""

    bronze: list[Event]
    quarantine: list[Quarantined]
    tickets: list[Ticket]
    messages: list[Message]
    status_events: list[StatusEvent]
    fact_ticket: list[FactTicket]
    fact_term: list[Term]
    dim_date: list[CalendarDay]
    kpi_volume_daily: list[Volume]
    kpi_backlog_daily: list[Backlog]
    kpi_sla_daily: list[Compliance]


def last_arrival(lines: Iterable[RawLine]) -> date:
    """The day on which states are told when nobody says another: the last arrival day in the lake."""
    return max(line.day for line in lines)


def expect(lines: Iterable[RawLine], as_of: date) -> Expected:
    """What must come out of ``lines``, with the states of the terms told on ``as_of``."""
    read = [read_line(line) for line in lines]
    bronze = [row for row in read if isinstance(row, Event)]
    tickets = by_ticket(deduplicated(bronze))
    status_events = {ticket_id: status_events_of(events) for ticket_id, events in tickets.items()}
    histories: list[History] = []
    for ticket_id, events in tickets.items():
        valid = [event for event in status_events[ticket_id] if event.rejection is None]
        ticket = ticket_of(events, valid)
        if ticket is not None:
            histories.append((ticket, valid, terms_of(ticket, valid, as_of)))
    return Expected(
        bronze=bronze,
        quarantine=[row for row in read if isinstance(row, Quarantined)],
        tickets=[ticket for ticket, _, _ in histories],
        messages=[message for events in tickets.values() for message in messages_of(events)],
        status_events=[event for of_ticket in status_events.values() for event in of_ticket],
        fact_ticket=[fact_ticket(ticket, terms[-1]) for ticket, _, terms in histories],
        fact_term=[term for _, _, terms in histories for term in terms],
        dim_date=dim_date([t for t, _, _ in histories], [t for _, _, terms in histories for t in terms], as_of),
        kpi_volume_daily=kpi_volume_daily(histories),
        kpi_backlog_daily=kpi_backlog_daily(histories, as_of),
        kpi_sla_daily=kpi_sla_daily(histories),
    )
