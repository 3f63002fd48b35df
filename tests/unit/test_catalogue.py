"""The catalogue: what is refused, and in which order guarantees come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teakit import KIT as TEA

from conformance.catalogue import Catalogue
from conformance.inputs import InputError
from conformance.needs import Needs
from conformance.stacks.base import Capability
from conformance.text import fill, placeholders

ENTRY = """
[{id}]
plane = "data"
needs = "endpoints"
requires = {requires}
subject = "platform"
guide = "bloque-1"
[{id}.es]
title = "t"
why = "w"
wrong = "m"
right = "b"
expected = "e"
remedy = "r"
[{id}.en]
title = "t"
why = "w"
wrong = "w"
right = "r"
expected = "e"
remedy = "r"
"""

LAST = {
    "SRC": 6, "CMP": 11, "PLN": 9, "PGS": 8, "MED": 10, "OBJ": 7, "PRM": 4, "GRF": 9, "PRF": 6, "DSK": 8, "E2E": 12,
}  # fmt: skip
PERMANENT = [f"{family}-{number:02}" for family, last in LAST.items() for number in range(1, last + 1)]
"""IDs that people have seen. None may go, or change what it promises; new ones are added here."""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def entry(id_: str, *requires: str) -> str:
    return ENTRY.format(id=id_, requires=str(list(requires)).replace("'", '"'))


def deciding(paths: str) -> str:
    return entry("SRC-01").replace('guide = "bloque-1"\n', f'guide = "bloque-1"\ndecided_by = {paths}\n')


def test_no_guarantee_ever_disappears() -> None:
    assert list(Catalogue.load()) == PERMANENT


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"src": "[SRC-01"}, "src.toml: Expected ']' at the end of a table declaration"),
        ({"src": entry("SRC-01") * 2}, "src.toml: Cannot declare ('SRC-01',) twice"),
        ({"src": entry("PGS-01")}, "src.toml: PGS-01: IDs of this file begin with SRC-"),
        ({"src": entry("SRC-1")}, "src.toml: SRC-1.id: String should match pattern"),
        ({"tea": entry("TEA-01")}, "tea.toml: no such family"),
        ({"src": "SRC-01 = 3"}, "src.toml: SRC-01: must be a table"),
        ({"src": entry("SRC-01").replace("[SRC-01]\n", '[SRC-01]\nid = "SRC-02"\n')}, "SRC-01.id: the table's name is"),
        ({"src": entry("SRC-01", "SRC-09")}, "src.toml: SRC-01.requires: SRC-09 is no guarantee"),
        ({"src": entry("SRC-01", "SRC-01")}, "src.toml: SRC-01.requires: a circle: SRC-01 → SRC-01"),
        ({"src": entry("SRC-01").replace('"data"', '"moon"')}, "src.toml: SRC-01.plane: Input should be 'control'"),
        ({"src": entry("SRC-01").replace('"platform"', '"x"')}, "src.toml: SRC-01.subject: Input should be"),
        (
            {"src": entry("SRC-01").replace('"endpoints"', '"magic"')},
            "src.toml: SRC-01.needs: 'magic' is no capability",
        ),
        (
            {"src": entry("SRC-01").replace('"endpoints"', "7")},
            "src.toml: SRC-01.needs: must be a string of capabilities",
        ),
        (
            {"src": entry("SRC-01").replace('title = "t"', 'title = " "')},
            "src.toml: SRC-01.es.title: String should have",
        ),
        (
            {"src": entry("SRC-01").replace('why = "w"\nwrong = "m"', 'wrong = "m"')},
            "src.toml: SRC-01.es.why: Field req",
        ),
        ({"src": entry("SRC-01") + 'extra = "x"\n'}, "src.toml: SRC-01.en.extra: Extra inputs are not permitted"),
        (
            {"src": entry("SRC-01") + '[SRC-01.en.hints]\na = "x"\n'},
            "src.toml: SRC-01: hint 'a' is in one language only",
        ),
        (
            {"src": entry("SRC-01").replace('wrong = "m"', 'wrong = "{missing}"')},
            "src.toml: SRC-01.es: wrong is no template, but holds {missing}",
        ),
        (
            {"src": deciding('["source.files[0]"]')},
            "src.toml: SRC-01.decided_by.0: String should match pattern",
        ),
        ({"src": deciding('["source"]')}, "src.toml: SRC-01.decided_by.0: String should match pattern"),
        ({"src": deciding('"source.files"')}, "src.toml: SRC-01.decided_by: Input should be a valid tuple"),
        (
            {"src": deciding('["dask.load.waiting", "dask.load_average", "dask.load"]')},
            "src.toml: SRC-01.decided_by: dask.load is named again by dask.load.waiting",
        ),
        (
            {"src": deciding('["source.files", "source.files"]')},
            "src.toml: SRC-01.decided_by: source.files is named again by source.files",
        ),
    ],
)
def test_a_fault_is_named_with_file_and_key(write: Callable[..., Path], files: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Catalogue.load(write(**files))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_fields_that_decide_are_read(write: Callable[..., Path]) -> None:
    files = write(src=deciding('["dask.load.waiting", "dask.load_average", "source.files"]'))
    assert Catalogue.load(files)["SRC-01"].decided_by == ("dask.load.waiting", "dask.load_average", "source.files")


def test_a_circle_is_shown_whole(write: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"requires: a circle: .*SRC-0[123] → .*SRC-0[123]"):
        Catalogue.load(write(src=entry("SRC-01", "SRC-02") + entry("SRC-02", "SRC-03") + entry("SRC-03", "SRC-01")))


def test_not_utf_8_is_said(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "src.toml").write_bytes(b'a = "\xff"')
    with pytest.raises(InputError, match=r"src\.toml: not UTF-8"):
        Catalogue.load(tmp_path)


def test_guarantees_follow_what_they_require_and_keep_the_order_of_families(write: Callable[..., Path]) -> None:
    catalogue = Catalogue.load(
        write(
            src=entry("SRC-01", "PGS-02") + entry("SRC-02"),
            pgs=entry("PGS-01") + entry("PGS-02", "PGS-01"),
            e2e=entry("E2E-01", "SRC-01"),
        )
    )
    assert catalogue.order == ("SRC-02", "PGS-01", "PGS-02", "SRC-01", "E2E-01")
    assert list(catalogue) == ["SRC-01", "SRC-02", "PGS-01", "PGS-02", "E2E-01"]
    assert list(catalogue.ordered(["SRC-01", "E2E-01"])) == ["SRC-01", "E2E-01"]
    assert list(catalogue.ordered(catalogue, last={"PGS-01"})) == ["SRC-02", "PGS-01", "PGS-02", "SRC-01", "E2E-01"]
    assert list(catalogue.ordered(catalogue, last={"SRC-02"})) == ["PGS-01", "PGS-02", "SRC-01", "E2E-01", "SRC-02"]
    assert catalogue.closure(["E2E-01"]) == {"E2E-01", "SRC-01", "PGS-02", "PGS-01"}


def test_a_word_names_a_guarantee_or_a_family() -> None:
    catalogue = TEA.catalogue
    assert catalogue.named("e2e-02") == {"E2E-02"}
    assert catalogue.named(" E2E ") == set(catalogue)
    with pytest.raises(InputError, match=r"unknown guarantee or family: E2E-20; did you mean E2E-0\d\?"):
        catalogue.named("E2E-20")
    with pytest.raises(InputError, match="unknown guarantee or family: coffee; `conformance list` names them all"):
        catalogue.named("coffee")


# --- needs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "met", "unmet"),
    [
        ("source", [{"source"}, {"source", "kill"}], [set(), {"kill"}]),
        ("source and compose", [{"source", "compose"}], [{"source"}, {"compose"}]),
        ("source or compose", [{"source"}, {"compose"}], [{"kill"}]),
        ("source and compose or kill", [{"kill"}, {"source", "compose"}], [{"source"}]),
        ("source and (compose or kill)", [{"source", "kill"}, {"source", "compose"}], [{"kill"}, {"source"}]),
        ("((restart))", [{"restart"}], [{"disrupt"}]),
    ],
)
def test_needs_are_boolean_expressions(text: str, met: list[set[str]], unmet: list[set[str]]) -> None:
    needs = Needs.parse(text)
    assert all(needs.met_by({Capability(one) for one in some}) for some in met)
    assert not any(needs.met_by({Capability(one) for one in some}) for some in unmet)
    assert str(needs) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a capability is missing"),
        ("source and", "a capability is missing"),
        ("(source", "a closing parenthesis is missing"),
        ("source)", r"'\)' is not expected"),
        ("source compose", "'compose' is not expected"),
        ("source and magic", "'magic' is no capability"),
        ("and", "'and' is no capability"),
        ("source; import os", "';' is not expected"),
        ("__import__('os')", "'_' is not expected"),
        ("(" * 101 + "source" + ")" * 101, "longer than 200 characters"),
    ],
)
def test_anything_else_is_no_expression(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Needs.parse(text)


@given(st.text(alphabet="()aeorndcuspit \n", max_size=60))
def test_a_hostile_expression_is_refused_or_understood(text: str) -> None:
    try:
        needs = Needs.parse(text)
    except ValueError:
        return
    assert needs.met_by(frozenset(Capability))


# --- templates ------------------------------------------------------------------------------------------------------


def test_placeholders_are_names_in_braces_and_nothing_else() -> None:
    text = "{a} ${B} ${c} {{d}} {e.f} {0} {g!r} {h:>9} {i[0]} {postgres: {condition: x}} {j_1}"
    assert placeholders(text) == {"a", "j_1"}
    assert fill(text, {"a": 1, "j_1": ("x", "y")}) == text.replace("{a}", "1").replace("{j_1}", "x, y")


def test_values_are_bounded_printable_and_never_templates() -> None:
    assert fill("{a}", {"a": "{b}", "b": "no"}) == "{b}"
    assert fill("{a}", {"a": "\x1b[31m"}) == "\\x1b[31m"
    assert len(fill("{a}", {"a": "x" * 10_000})) == 500
    assert fill("{a}", {"a": {"z", "y"}}) == "y, z"
    with pytest.raises(KeyError, match="b"):
        fill("{a} {b}", {"a": 1})
