"""Evidence: what is written, and what is refused when it is read back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from teakit import KIT

from conformance.inputs import InputError
from conformance.observe.facts import Observation, ObservationStatus
from conformance.observe.redaction import Redactor
from conformance.profile import load_profile
from conformance.stacks.base import Capability, Role
from conformance.verdict.bundle import MAX_LOG, Evidence, EvidenceWriter, RunRecord, StackRecord, verify
from conformance.verdict.model import Subject

STACK = StackRecord(
    kit_version="0.1.0",
    kind="embedded",
    capabilities=(Capability.ENDPOINTS,),
    roles={Role.GRAFANA: ("teapot",)},
    stand_ins=("water",),
    runs_reference=True,
    subject=Subject(name="casa", source=".", commit=None),
    seed=7,
)
RUN = RunRecord(
    started_at=datetime(2026, 11, 24, tzinfo=UTC),
    duration_s=1.25,
    profile=load_profile("reference", KIT.catalogue, KIT.profiles),
    only=("E2E-01",),
    static=False,
    interrupted=False,
)
SEEN = Observation(subject="teapot", status=ObservationStatus.OBSERVED, facts={"tea": 2, "note": "té\n☕"})
LOST = Observation(subject="stove", status=ObservationStatus.ERROR, reason="gone")


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    folder = tmp_path / "evidence"
    log = tmp_path / "some.log"
    log.write_text("began\npassword hunter2hunter2\n", encoding="utf-8")
    writer = EvidenceWriter(folder)
    writer.observation(SEEN)
    writer.observation(LOST)
    writer.logs({"tea/../pot": log, "none": tmp_path / "none.log"}, Redactor(["hunter2hunter2"]))
    writer.seal(STACK, RUN)
    return folder


def test_evidence_comes_back_as_it_was_written(evidence: Path) -> None:
    read = Evidence(evidence)
    assert read.stack == STACK
    assert read.run == RUN
    assert read.observations == {"stove": LOST, "teapot": SEEN}
    assert {name: file.read_text(encoding="utf-8") for name, file in read.logs.items()} == {
        "tea_.._pot": "began\npassword [redacted]\n"
    }


def test_stack_json_says_what_was_observed(evidence: Path) -> None:
    assert json.loads((evidence / "stack.json").read_text(encoding="utf-8")) == {
        "kit_version": "0.1.0",
        "kind": "embedded",
        "capabilities": ["endpoints"],
        "roles": {"grafana": ["teapot"]},
        "stand_ins": ["water"],
        "runs_reference": True,
        "subject": {"name": "casa", "source": ".", "commit": None},
        "seed": 7,
    }


def test_the_sums_are_those_that_sha256sum_checks(evidence: Path) -> None:
    lines = (evidence / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert [line[66:] for line in lines] == [
        "facts/stove.json", "facts/teapot.json", "logs/tea_.._pot.log", "run.json", "stack.json",
    ]  # fmt: skip
    assert os.system(f"cd '{evidence}' && sha256sum --check --strict --quiet SHA256SUMS") == 0


def damage(what: str, folder: Path) -> None:
    fact = folder / "facts" / "teapot.json"
    match what:
        case "changed":
            fact.write_text(fact.read_text(encoding="utf-8").replace('"tea": 2', '"tea": 3'), encoding="utf-8")
        case "missing":
            fact.unlink()
        case "added":
            (folder / "facts" / "kettle.json").write_text("{}", encoding="utf-8")
        case "linked":
            real = folder.parent / "real.json"
            fact.rename(real)
            fact.symlink_to(real)
        case "linked folder":
            logs = folder / "logs"
            logs.rename(folder.parent / "logs")
            logs.symlink_to(folder.parent / "logs")
            reseal(folder)
        case "piped":
            fact.unlink()
            os.mkfifo(fact)
        case "enormous":
            os.truncate(fact, 65 * 1024 * 1024)
        case "unsealed":
            (folder / "SHA256SUMS").unlink()
        case "nonsense":
            (folder / "SHA256SUMS").write_text("what?\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("changed", r"evidence: facts/teapot\.json was changed after it was recorded"),
        ("missing", r"evidence: facts/teapot\.json is missing"),
        ("added", r"evidence: facts/kettle\.json is not in SHA256SUMS"),
        ("linked", r"evidence: facts/teapot\.json is no file that the kit writes"),
        ("linked folder", r"evidence: logs is not in SHA256SUMS"),
        ("piped", r"evidence: facts/teapot\.json is no file that the kit writes"),
        ("enormous", r"evidence: facts/teapot\.json is no file that the kit writes"),
        ("unsealed", r"evidence: no evidence here \(SHA256SUMS is missing\)"),
        ("nonsense", r"SHA256SUMS:1: not a line of hash and name"),
    ],
)
def test_damaged_evidence_is_refused_and_the_file_named(evidence: Path, what: str, message: str) -> None:
    damage(what, evidence)
    with pytest.raises(InputError, match=message):
        Evidence(evidence)


def reseal(folder: Path) -> None:
    """What somebody does who forges evidence, hashes and all."""
    os.system(f"cd '{folder}' && find . -type f ! -name SHA256SUMS -printf '%P\\n' | xargs sha256sum > SHA256SUMS")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("facts/teapot.json", "{", r"facts/teapot\.json: Invalid JSON"),
        ("facts/teapot.json", "[" * 100_000, r"facts/teapot\.json: Invalid JSON: recursion limit"),
        ("facts/teapot.json", '{"subject": "stove", "status": "error"}', r"facts/teapot\.json: speaks of stove"),
        ("facts/teapot.json", '{"subject": "teapot", "status": "fine"}', r"teapot\.json: status: Input should be"),
        ("stack.json", "{}", r"stack\.json: kit_version: Field required \(and 7 more\)"),
        ("facts/teapot.json", '{"subject": "teapot", "status": "observed", "facts": {"tea": [NaN]}}', "not finite"),
        ("facts/teapot.json", '{"subject": "teapot", "status": "error", "duration_s": 1e999}', "not finite"),
        ("facts/teapot.json", '{"subject": "teapot", "status": "error", "duration_s": -1}', "greater than or equal"),
        ("run.json", "\x00", r"run\.json: Invalid JSON"),
        ("run.json", RUN.model_dump_json().replace("1.25", "-1.25"), r"run\.json: duration_s: Input should be greater"),
    ],
)
def test_evidence_that_is_none_is_refused_with_file_and_key(evidence: Path, file: str, text: str, message: str) -> None:
    (evidence / file).write_text(text, encoding="utf-8")
    reseal(evidence)
    with pytest.raises(InputError, match=message) as caught:
        Evidence(evidence)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(evidence: Path) -> None:
    (evidence / "run.json").write_bytes(b"\xff")
    reseal(evidence)
    with pytest.raises(InputError, match=r"run\.json: not UTF-8"):
        Evidence(evidence)


def test_earlier_evidence_is_replaced(evidence: Path) -> None:
    writer = EvidenceWriter(evidence)
    writer.observation(LOST)
    writer.seal(STACK, RUN)
    assert list(Evidence(evidence).observations) == ["stove"]
    assert Evidence(evidence).logs == {}


@pytest.mark.parametrize("name", ["homework.docx", "facts/notes.txt", "logs/.hidden", "facts/x/y.json"])
def test_foreign_files_are_not_deleted(evidence: Path, name: str) -> None:
    foreign = evidence / name
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=f"evidence: holds {name}, which is no evidence of the kit"):
        EvidenceWriter(evidence)
    assert foreign.read_text(encoding="utf-8") == "mine"
    assert (evidence / "stack.json").exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"file.*: cannot be written: Not a directory"):
        EvidenceWriter(tmp_path / "file" / "evidence")


@pytest.fixture
def log(tmp_path: Path) -> Callable[[bytes, list[str]], bytes]:
    def write(content: bytes, secrets: list[str]) -> bytes:
        file = tmp_path / "service.log"
        file.write_bytes(content)
        EvidenceWriter(tmp_path / "evidence").logs({"service": file}, Redactor(secrets))
        return (tmp_path / "evidence" / "logs" / "service.log").read_bytes()

    return write


def test_a_long_log_keeps_its_end(log: Callable[[bytes, list[str]], bytes]) -> None:
    kept = log(b"old\n" + "línea\n".encode() * 500_000 + b"the end\n", [])
    assert 0.9 * MAX_LOG < len(kept) <= MAX_LOG
    assert kept.endswith("línea\nthe end\n".encode())
    assert kept.decode().startswith(("l", "í", "n", "e", "a", "\n"))


@pytest.mark.parametrize("shift", range(0, 40, 3))
def test_no_half_of_a_secret_stands_where_a_log_was_cut(log: Callable[[bytes, list[str]], bytes], shift: int) -> None:
    secret = "correct-horse-battery"
    around = MAX_LOG + 64 * 1024 - len(secret) // 2
    kept = log(b"x" * 100 + secret.encode() + b"y" * (around - 10 + shift), [secret])
    assert len(kept) <= MAX_LOG
    assert set(kept) == {ord("y")}


def test_a_log_of_bytes_that_are_no_text_is_kept_as_text(log: Callable[[bytes, list[str]], bytes]) -> None:
    assert log(b"ok \xff\xfe end\n", []).decode() == "ok \ufffd\ufffd end\n"


def test_verify_reads_no_file_outside(evidence: Path, tmp_path: Path) -> None:
    sums = evidence / "SHA256SUMS"
    sums.write_text(sums.read_text(encoding="utf-8") + f"{'0' * 64}  ../some.log\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"\.\./some\.log is missing"):
        verify(evidence)
