"""What counts, whose turn it is, what a deployment is made of: the harness that the proof rests on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import measured
import pytest
from cases import FORMS, Case, Kind, cases
from deployed import Deployment, Edit, Write
from flakiness import Run
from matrix import lines, percent, rows
from page import _cell
from proof import Proof
from turns import ROUNDS, waiting

from conformance.kit import Kit
from conformance.verdict.words import Status

KIT = Kit()
PASS, FAIL, BLOCKED = Status.PASS, Status.FAIL, Status.BLOCKED


@pytest.fixture
def case(tmp_path: Path) -> Callable[..., Case]:
    def write(kind: Kind, name: str, expect: str, deployment: str = "") -> Case:
        folder = tmp_path / {"breach": "breaches", "variant": "variants"}[kind] / name
        folder.mkdir(parents=True)
        (folder / "expect.toml").write_text(expect, encoding="utf-8")
        (folder / FORMS["compose"]).write_text(deployment, encoding="utf-8")
        return Case(folder)

    return write


def test_what_is_caught_and_spared_is_counted(case: Callable[..., Case]) -> None:
    known = {
        "GRF-02-x": case("breach", "GRF-02-x", 'fails = ["GRF-02"]'),
        "GRF-04-y": case("breach", "GRF-04-y", 'fails = ["GRF-04"]'),
        "sound": case("variant", "sound", 'covers = ["GRF-02"]'),
    }
    proofs = [
        Proof(level="facts", kind="breach", case="GRF-02-x", statuses={"GRF-02": FAIL, "GRF-04": BLOCKED}),
        Proof(level="compose", kind="breach", case="GRF-02-x", statuses={"GRF-02": PASS}),
        Proof(level="compose", kind="breach", case="GRF-04-y", statuses={"GRF-02": PASS, "GRF-04": FAIL}),
        Proof(level="compose", kind="variant", case="sound", statuses={"GRF-02": FAIL, "GRF-04": PASS}),
        Proof(level="embedded", kind="variant", case="sound", statuses={"GRF-02": FAIL}, before={"GRF-02": FAIL}),
    ]
    table = list(rows(["GRF-02", "GRF-04", "GRF-05"], proofs, known))
    assert [(r.breaches["facts"], r.breaches["compose"], r.caught, r.variants, r.sound, r.spared) for r in table] == [
        (1, 1, 1, 1, 2, 1),
        (0, 1, 1, 1, 1, 1),
        (0, 0, 0, 0, 0, 0),
    ]
    assert [(r.sensitivity, r.specificity) for r in table] == [(0.5, 0.5), (1, 1), (None, None)]
    printed = list(lines(table))
    assert [line.split()[0] for line in printed] == ["guarantee", "GRF-02", "GRF-04", "all"]
    assert printed[1].split()[-2:] == ["50.0%", "50.0%"]


def test_shares_are_not_rounded_up_to_all() -> None:
    assert [percent(share) for share in (None, 0.0, 1.0, 0.9999, 0.0001)] == ["–", "0%", "100%", "<100%", ">0%"]


@pytest.mark.parametrize("kind", ["breach", "variant"])
@pytest.mark.parametrize("first", [0, 7])
def test_every_deployed_case_has_its_turn(kind: Kind, first: int) -> None:
    names = {case.name for case in cases(kind, "compose")}
    run = [names - waiting(turn, kind) for turn in range(first, first + ROUNDS[kind])]
    assert set().union(*run) == names
    assert sum(map(len, run)) == len(names)


def test_an_edit_must_find_its_place(tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_bytes(b"a: 1\r\nb: 1\r\n")
    Edit(file="x.yml", before="a: 1", after="a: 2").apply(tmp_path)
    assert (tmp_path / "x.yml").read_bytes() == b"a: 2\r\nb: 1\r\n"
    with pytest.raises(ValueError, match=r"x.yml: ': ' stands there 2 times, not once"):
        Edit(file="x.yml", before=": ", after="=").apply(tmp_path)


def test_a_file_is_written_as_often_as_it_says(tmp_path: Path) -> None:
    Write(file="data/volcado.sql", text="-- fila\n", times=3).apply(tmp_path)
    assert (tmp_path / "data/volcado.sql").read_text(encoding="utf-8") == "-- fila\n" * 3


def test_what_is_judged_of_a_deployment(case: Callable[..., Case], tmp_path: Path) -> None:
    def judged(kind: Kind, expect: str, deployment: str) -> frozenset[str]:
        made = case(kind, f"x-{len(list(tmp_path.rglob('*')))}", expect, deployment)
        return Deployment.of(made).judged(made, KIT)

    guide, reference = 'base = "guia-exacta"\n', 'base = "reference"\n'
    assert judged("variant", 'covers = ["GRF-02"]', guide) == frozenset()
    assert judged("breach", 'fails = ["SRC-03"]', guide + "static = true") == frozenset()
    quick = judged("breach", 'fails = ["PGS-02"]', reference)
    assert quick >= {"PGS-01", "PGS-02"}
    assert not quick & {"PGS-07", "GRF-02"}  # PGS-07 restarts the server
    assert "PGS-07" in judged("breach", 'fails = ["PGS-07"]', reference)
    assert judged("breach", 'fails = ["SRC-03"]', guide + 'judge = ["GRF-02", "SRC-03"]') == {"GRF-02", "SRC-03"}


def test_a_run_that_differs_is_told() -> None:
    usual = {"GRF-02": "pass", "GRF-04": "pass"}
    assert Run(0, 1.0, usual, "").troubles(usual) == []
    assert Run(3, 1.0, {"GRF-02": "error"}, "conformance: lost\n").troubles(usual) == [
        "exit 3: conformance: lost",
        "GRF-02: error, before pass",
        "GRF-04: not judged, before pass",
    ]


def test_what_is_measured_replaces_what_was_and_what_no_case_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured, "FILE", tmp_path / "measured.json")
    a, b = (case.name for case in cases("breach", "compose")[:2])
    first = [
        Proof(level="compose", kind="breach", case=name, statuses={"GRF-02": FAIL}) for name in (b, a, "GRF-02-of-old")
    ]
    measured.keep(first)
    assert measured.load() == []
    monkeypatch.setenv(measured.WRITE, "1")
    measured.keep([*first, Proof(level="facts", kind="breach", case=a, statuses={})])
    again = Proof(level="compose", kind="breach", case=b, statuses={"GRF-02": PASS})
    measured.keep([again])
    assert measured.load() == [first[1], again]


def test_what_was_observed_is_shown_as_it_is() -> None:
    assert _cell("a|b\n<script> `x`") == r"a\|b \<script\> \`x\`"
