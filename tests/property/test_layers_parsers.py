"""The fast parser and the slow one agree wherever the fast one has an opinion."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from typing import Any

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pqrs_lakehouse.layers import strict_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)
PIECES = st.sampled_from(
    [*'{}[],:" \t\r\\/-+.eE0129', '"a"', "true", "null", "1e999", "\\u", "d83d", "\\ude00", "\x00", "é", "\u2028"]
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """JSON as it is written, and JSON with pieces put in, taken out or exchanged."""
    text = json.dumps(draw(VALUES), ensure_ascii=draw(st.booleans()))
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 2)))
        text = text[:begin] + draw(PIECES | st.just("")) + text[end:]
    return text


@settings(max_examples=1000, deadline=None)
@given(texts() | st.lists(PIECES, max_size=8).map("".join))
@example('{"a": 1, "a": 2}')
@example("[1e999]")
@example("99999999999999999999")
@example("9" * 400)
def test_both_parsers_agree(text: str) -> None:
    try:
        slow = strict_json.loads(text)
    except ValueError:
        slow = ValueError
    try:
        fast = orjson.loads(text)
    except orjson.JSONDecodeError:
        fast = ValueError
    if fast is ValueError and slow is not ValueError:
        assert any(map(math.isinf, numbers(as_doubles(slow)))), "the fast one refuses only numbers that no double holds"
    else:
        assert as_doubles(fast) == as_doubles(slow)


def as_doubles(value: Any) -> Any:
    """With whole numbers of more than 64 bits as the fast parser reads them."""
    match value:
        case dict():
            return {name: as_doubles(member) for name, member in value.items()}
        case list():
            return [as_doubles(element) for element in value]
        case int() if not -(2**63) <= value < 2**64:
            return float(value) if abs(value) <= sys.float_info.max else math.inf
    return value


def numbers(value: Any) -> Iterator[float]:
    match value:
        case dict():
            yield from numbers(list(value.values()))
        case list():
            for element in value:
                yield from numbers(element)
        case float():
            yield value
