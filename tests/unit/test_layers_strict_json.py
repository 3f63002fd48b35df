"""JSON by the letter of RFC 8259."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pqrs_lakehouse.layers.strict_json import HUGE, loads


@pytest.mark.parametrize(
    "text",
    [
        "null", "true", "false", "0", "-0", "12", "-1.5", "1e3", "1E+3", "2.5e-3", '""', "[]", "{}", "[[], {}]",
        ' \t\r\n{ "a" : [ 1 , { "b" : null } ] , "c" : "d" } \t', '{"a": 1, "a": 2}', r'"\"\\\/\b\f\n\r\té"',
        r'"\ud83d\ude00 😀"', '"\x7f\u2028"', '{"": ""}', "[1, [2, [3]], 4]", '["{", "}", ",", "[", ":"]',
        '{"{": "}", ",": ":"}',
    ],
)  # fmt: skip
def test_json_is_read_as_the_standard_library_reads_it(text: str) -> None:
    assert loads(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "nul", "nullx", "True", "NaN", "Infinity", "-Infinity", "+1", "01", "-", "1.", ".5", "1e", "0x1", "٣",
        '"', '"a', "'a'", '"\t"', '"\x00"', r'"\x41"', r'"\u12"', r'"\u12g4"', r'"\ud800"', r'"\udc00\ud800"',
        r'{"\ud800": 1}', "[", "]", "[1", "[1,]", "[,1]", "[1 2]", "[1}", "{", "}", '{"a"', '{"a":', '{"a":1',
        '{"a":1,', '{"a":1,}', "{,}", '{"a" 1}', "{a:1}", "{1:1}", '{"a":1]', '{"a":}', '{"a":1 "b":2}', "{}{}", "[]]",
        ",", ":", "1 2", "\ufeff{}", "\u00a0{}", "{}\x0c", "// c\n1",
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reason is always the same: it is no JSON
        loads(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-9223372036854775808", -(2**63)),
        ("9" * 1000, HUGE - 1),
        ("9" * 1001, HUGE),
        ("-" + "9" * 5000, -HUGE),
        ("1.0", 1.0),
        ("1e999", float("inf")),
        ("1e-999", 0.0),
    ],
)
def test_numbers_of_any_size(text: str, value: float) -> None:
    found = loads(text)
    assert (found, type(found)) == (value, type(value))


def test_any_depth() -> None:
    depth = 100_000
    value: Any = loads("[" * depth + '{"a": 1}' + "]" * depth)
    for _ in range(depth):
        (value,) = value
    assert value == {"a": 1}
    with pytest.raises(ValueError, match="does not end"):
        loads("[" * depth + "1" + "]" * (depth - 1))
    with pytest.raises(ValueError, match="more than one"):
        loads("[" * depth + "1" + "]" * (depth + 1))
