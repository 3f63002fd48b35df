"""Variables in Compose files and env files, as Compose reads them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.stacks.compose.interpolation import (
    MAX_VALUE,
    Expression,
    InvalidInterpolation,
    expressions,
    split,
    substitute,
)

VALUES = {"A": "a", "EMPTY": "", "URL": "http://x:1/y"}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("plain", "plain"),
        ("$A${A}$A", "aaa"),
        ("x${UNSET}y$UNSET", "xy"),
        ("$$A $${A}", "$A ${A}"),
        ("$1 $ $-", "$1 $ $-"),
        ("${UNSET:-d}${EMPTY:-e}${EMPTY-f}", "de"),
        ("${UNSET-${B:-${A}}}", "a"),
        ("${UNSET:-./a:b}/c:/d:ro", "./a:b/c:/d:ro"),
        ("${A:+yes}${EMPTY:+no}${EMPTY+set}${UNSET+no}", "yesset"),
        ("${A:?must}${UNSET?must}", "a"),
        ("${UNSET:-a b}", "a b"),
        ("${URL}", "http://x:1/y"),
        ("${UNSET:-{x}}", "{x}"),
    ],
)
def test_values_are_what_compose_makes_of_them(text: str, made: str) -> None:
    assert substitute(text, VALUES) == made


@pytest.mark.parametrize("text", ["${", "${A", "${}", "${A B}", "${1}", "${A:}", "a ${x-${} b"])
def test_what_compose_refuses_is_an_error(text: str) -> None:
    with pytest.raises(InvalidInterpolation):
        substitute(text, VALUES)


def test_parts_come_in_order_and_keep_what_is_written() -> None:
    assert list(split("a$$${B:-c}$D.")) == [
        "a",
        "$$",
        Expression("${B:-c}", "B", ":-", "c"),
        Expression("$D", "D"),
        ".",
    ]


@settings(deadline=None)
@given(st.text(alphabet="${}:-?+AB a", max_size=40))
def test_parts_joined_are_the_text(text: str) -> None:
    try:
        parts = list(split(text))
    except InvalidInterpolation:
        return
    assert "".join(part if isinstance(part, str) else part.text for part in parts) == text


@settings(deadline=None)
@given(st.text(max_size=60))
def test_doubled_dollars_are_plain_ones(text: str) -> None:
    assert substitute(text.replace("$", "$$"), VALUES) == text


def test_expressions_are_found_in_values_and_defaults_but_not_in_keys() -> None:
    tree = {"${KEY}": ["${A:-${B}}", {"x": "$C"}, 3, None, "${broken"]}
    assert [expression.name for expression in expressions(tree)] == ["A", "B", "C"]


def test_growth_is_bounded() -> None:
    with pytest.raises(InvalidInterpolation, match="longer than"):
        substitute("$A" * 5, {"A": "x" * (MAX_VALUE // 2)})


def test_deep_defaults_are_refused_and_not_followed() -> None:
    with pytest.raises(InvalidInterpolation):
        substitute("${A:-" * 5_000 + "}" * 5_000, {})
