"""How good lines go bad: for every reason of quarantine (docs/data-rules.md §2), ways in which a line earns it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

import orjson

Event = dict[str, Any]


def corrupt(line: bytes, day: date, number: int) -> tuple[str, bytes]:
    """A line that is quarantined in place of a good ``line`` of a file of ``day``, and the reason.

    Consecutive numbers take all reasons in turn, and all ways of each.
    """
    turn, position = divmod(number, len(REASONS))
    reason = REASONS[position]
    ways = WAYS[reason](line, orjson.loads(line), day)
    way = ways[turn % len(ways)]
    return reason, way if isinstance(way, bytes) else orjson.dumps(way)


def _invalid_encoding(line: bytes, event: Event, day: date) -> list[bytes]:
    head, rest = line[:20], line[20:]
    return [
        head + "ñ".encode("latin-1") + rest,
        head + b"\xc0\xaf" + rest,  # an overlong slash
        head + b"\xed\xa0\xbd" + rest,  # half of an emoji
        line + "á".encode()[:1],
        head + "“".encode("cp1252") + rest,
    ]


def _empty_line(line: bytes, event: Event, day: date) -> list[bytes]:
    return [b"", b" ", b"\t", b"\r", b" \t \r"]


def _invalid_json(line: bytes, event: Event, day: date) -> list[bytes]:
    open_object = line[:-1]
    return [
        line[:40],
        open_object,
        open_object + b",}",
        open_object + b',"score":NaN}',
        open_object + b',"score":-Infinity}',
        open_object + b',"score":01}',
        open_object + b',"note":"\\ud83d"}',
        open_object + b',"note":"a\tb"}',
        open_object + b',"note":"\\x41"}',
        open_object + b",note:1}",
        line + line,
        line + b" // fin",
        str(event).encode(),
        b"event_id,ticket_id,event_type,ts,data",
    ]


def _not_an_object(line: bytes, event: Event, day: date) -> list[bytes]:
    return [b"[" + line + b"]", orjson.dumps(line.decode()), b"null", b"true", b"1755", b"[]"]


def _missing_field(line: bytes, event: Event, day: date) -> list[Event]:
    absent = [{name: value for name, value in event.items() if name != missing} for missing in event]
    null = [event | {missing: None} for missing in event]
    return [*absent, *null, {}, {"ts": "ayer", "event_type": 7}]


def _wrong_type(line: bytes, event: Event, day: date) -> list[Event]:
    return [
        event | {"event_id": 7},
        event | {"ticket_id": [event["ticket_id"]]},
        event | {"event_type": True},
        event | {"ts": 1767225600},
        event | {"ts": {"instant": event["ts"]}},
        event | {"data": orjson.dumps(event["data"]).decode()},
        event | {"data": [event["data"]]},
        event | {"event_id": "", "data": 0},
    ]


def _invalid_identifier(line: bytes, event: Event, day: date) -> list[Event]:
    return [
        event | {"event_id": ""},
        event | {"ticket_id": ""},
        event | {"event_id": event["event_id"].ljust(65, "0")},
        event | {"ticket_id": "ñ" * 65},
        event | {"event_id": "", "event_type": "TICKET_DELETED"},
    ]


def _unknown_event_type(line: bytes, event: Event, day: date) -> list[Event]:
    names = ("TICKET_DELETED", event["event_type"].lower(), event["event_type"] + " ", "", "TICKET-CREATED")
    return [event | {"event_type": name} for name in names]


def _invalid_timestamp(line: bytes, event: Event, day: date) -> list[Event]:
    ts = event["ts"]
    date_part, to_seconds = ts[:10], ts[:19]
    wrong = (
        to_seconds,
        to_seconds.replace("T", " ") + "Z",
        to_seconds + ".Z",
        to_seconds + ".1234567Z",
        to_seconds + ",5Z",
        to_seconds + "z",
        to_seconds + "Z\n",
        to_seconds + "-0500",
        to_seconds + "-05",
        to_seconds + "+24:00",
        date_part,
        date_part + "T24:00:00Z",
        date_part + "T10:60:00Z",
        ts[:17] + "60Z",
        ts[:4] + "-02-30T10:00:00Z",
        ts[:4] + "-13-01T10:00:00Z",
        "2023-02-29T10:00:00-05:00",
        "ayer",
        "",
    )
    return [event | {"ts": text} for text in wrong]


def _timestamp_out_of_range(line: bytes, event: Event, day: date) -> list[Event]:
    tomorrow = day + timedelta(days=1)
    out = (
        f"{tomorrow}T00:00:00-05:00",
        f"{tomorrow}T05:00:00Z",
        f"{tomorrow}T23:59:59.999999+00:00",
        "1999-12-31T23:59:59.999999-05:00",
        "2000-01-01T04:59:59Z",
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59.999999-05:00",
    )
    return [event | {"ts": text} for text in out]


def _data(event: Event, **members: Any) -> Event:
    """The event with these members of its data changed."""
    return event | {"data": event["data"] | members}


def _read_members(event: Event) -> list[str]:
    """The members of data that the type reads: all that we write, but the kind of what is no petition."""
    data = event["data"]
    return [name for name in data if name != "petition_kind" or data["pqrs_type"] == "P"]


def _incomplete_data(line: bytes, event: Event, day: date) -> list[Event]:
    data, read = event["data"], _read_members(event)
    absent = [event | {"data": {name: data[name] for name in data if name != missing}} for missing in read]
    return [*absent, *(_data(event, **{missing: None}) for missing in read), event | {"data": {}}]


def _wrong_data_type(line: bytes, event: Event, day: date) -> list[Event]:
    def wrong(value: Any) -> list[Any]:
        return ["1024", True, [value]] if isinstance(value, int) else [5, False, [value], {"text": value}]

    return [_data(event, **{name: value}) for name in _read_members(event) for value in wrong(event["data"][name])]


def _invalid_value(line: bytes, event: Event, day: date) -> list[Event]:
    wrong: Mapping[str, tuple[Any, ...]] = {
        "channel": ("fax", "Email", ""),
        "pqrs_type": ("X", "p"),
        "petition_kind": ("urgente", ""),
        "priority": ("ALTA", "crítica"),
        "author_role": ("bot", "ciudadano"),
        "from_status": ("RECIBIDA", ""),
        "to_status": ("in_progress", "IN PROGRESS"),
        "filename": ("",),
        "size_bytes": (-1, 2**53 + 1),
    }
    return [_data(event, **{name: value}) for name in _read_members(event) for value in wrong.get(name, ())]


def _unknown_place(line: bytes, event: Event, day: date) -> list[Event]:
    """Only creations have a place: any other event turns into one."""
    creation = {"channel": "email", "pqrs_type": "Q", "priority": "media"}
    data = event["data"] if event["event_type"] == "TICKET_CREATED" else creation
    codes = ("00000", "99999", "11000", "05999")
    return [event | {"event_type": "TICKET_CREATED", "data": data | {"municipality_code": code}} for code in codes]


WAYS: Final[Mapping[str, Callable[[bytes, Event, date], list[bytes] | list[Event]]]] = {
    "invalid_encoding": _invalid_encoding,
    "empty_line": _empty_line,
    "invalid_json": _invalid_json,
    "not_an_object": _not_an_object,
    "missing_field": _missing_field,
    "wrong_type": _wrong_type,
    "invalid_identifier": _invalid_identifier,
    "unknown_event_type": _unknown_event_type,
    "invalid_timestamp": _invalid_timestamp,
    "timestamp_out_of_range": _timestamp_out_of_range,
    "incomplete_data": _incomplete_data,
    "wrong_data_type": _wrong_data_type,
    "invalid_value": _invalid_value,
    "unknown_place": _unknown_place,
}
"""Every reason, in the order of the rules, with the function that gives its ways for a line."""

REASONS: Final = tuple(WAYS)
