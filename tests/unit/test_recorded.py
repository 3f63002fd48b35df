"""The verdict again from recorded evidence, to the last field."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from teakit import KIT

from conformance.inputs import InputError
from conformance.plan import Options, plan
from conformance.run import start
from conformance.stacks.base import Capability, Role, Unavailable
from conformance.stacks.recorded import RecordedStack
from conformance.verdict.bundle import Evidence
from conformance.verdict.model import Verdict


def live(report_dir: Path, monkeypatch: pytest.MonkeyPatch, *, interrupted: bool = False, **behaviour: Any) -> Verdict:
    monkeypatch.setenv("TEAKIT", json.dumps(behaviour))
    planned = plan(KIT, Options(stack="embedded", report_dir=report_dir, seed=11, only=behaviour.get("only", ())))
    run = start(KIT, planned)
    with run.deployment(planned.ids, bar=False):
        run.judge.judge_all(planned.ids if not interrupted else ["E2E-01"])
    return run.finish(only=planned.only, interrupted=interrupted)


def again(report_dir: Path, **options: Any) -> Verdict:
    evidence = options.pop("evidence", report_dir / "evidence")
    planned = plan(KIT, Options(stack="recorded", evidence=evidence, report_dir=report_dir, **options))
    return start(KIT, planned).finish(only=planned.only, interrupted=False)


@pytest.mark.parametrize("behaviour", [{}, {"tea": 0}, {"stove": "error"}, {"lid": "?", "only": ("E2E-02",)}])
def test_the_verdict_comes_out_the_same_to_the_last_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: dict[str, Any]
) -> None:
    first = live(tmp_path, monkeypatch, **behaviour)
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    monkeypatch.setenv("TEAKIT", '{"teapot": "stack-error", "enter": "stack-error"}')  # nobody looks any more
    assert again(tmp_path) == first
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == files
    assert sorted(files) == ["junit.xml", "report.html", "summary.md", "verdict.json"]


def test_an_interrupted_run_comes_out_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = live(tmp_path, monkeypatch, interrupted=True)
    assert first.scope == "incomplete"
    assert again(tmp_path) == first


def test_a_verdict_by_another_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = live(tmp_path, monkeypatch)
    before = Evidence(tmp_path / "evidence").run
    other = again(tmp_path, profile="everything")
    assert other.profile.name == "everything"
    assert len(other.guarantees) == 9
    assert other.started_at == first.started_at
    assert Evidence(tmp_path / "evidence").run == before
    assert again(tmp_path) == first


def test_into_another_folder_the_evidence_goes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "room"
    room.mkdir()
    first = live(tmp_path / "one", monkeypatch, room=str(room))
    other = again(tmp_path / "two", evidence=tmp_path / "one" / "evidence", profile="everything")
    assert again(tmp_path / "two") == other
    copied, original = Evidence(tmp_path / "two" / "evidence"), Evidence(tmp_path / "one" / "evidence")
    assert copied.stack == original.stack
    assert copied.observations == original.observations
    assert [file.read_bytes() for file in copied.logs.values()] == [
        file.read_bytes() for file in original.logs.values()
    ]
    assert copied.run.started_at == original.run.started_at
    assert again(tmp_path / "two", profile="reference") == first


def test_a_limited_run_stays_limited_under_another_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live(tmp_path, monkeypatch, only=("E2E-02",))
    other = again(tmp_path, profile="everything")
    assert [result.id for result in other.guarantees] == ["E2E-01", "E2E-02"]
    assert other.scope == "incomplete"
    assert [result.id for result in again(tmp_path, only=("E2E-01",)).guarantees] == ["E2E-01"]


def test_a_limited_run_is_never_taken_for_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live(tmp_path, monkeypatch, only=("E2E-05",))
    profile = tmp_path / "tea.toml"
    profile.write_text('name = "tea"\nversion = "1"\n[required]\nE2E-01 = 1\n', encoding="utf-8")
    with pytest.raises(InputError, match="no guarantee that it was recorded for is in the profile tea"):
        again(tmp_path, profile=str(profile))


def test_what_the_run_did_not_look_at_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live(tmp_path, monkeypatch, only=("E2E-01",))
    other = again(tmp_path, only=("E2E-05",))
    assert other.guarantees[0].observed == "stove: was not observed"


def test_evidence_of_a_profile_that_fits_no_more_needs_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live(tmp_path, monkeypatch)
    recorded = tmp_path / "evidence" / "run.json"
    recorded.write_text(recorded.read_text(encoding="utf-8").replace("E2E-08", "E2E-88"), encoding="utf-8")
    with pytest.raises(InputError, match=r"run\.json was changed"):
        again(tmp_path)


def test_a_recorded_stack_is_what_was_seen_and_reaches_nothing(tmp_path: Path) -> None:
    with RecordedStack(
        kind="embedded",
        capabilities=frozenset({Capability.ENDPOINTS}),
        roles={Role.POSTGRES: ("db",)},
        stand_ins=("water",),
        runs_reference=True,
        logs={"db": tmp_path / "db.log"},
    ) as stack:
        assert stack.kind == "embedded"
        assert stack.roles() == {Role.POSTGRES: ("db",)}
        assert stack.logs() == {"db": tmp_path / "db.log"}
        assert stack.secrets() == frozenset()
        for reach in (
            lambda: stack.endpoint(Role.POSTGRES),
            stack.postgres,
            stack.object_store,
            stack.source,
            lambda: stack.restart(Role.POSTGRES),
            lambda: stack.kill_one(Role.POSTGRES),
        ):
            with pytest.raises(Unavailable):
                reach()


def test_a_commit_is_found_in_a_folder_of_any_name(tmp_path: Path) -> None:
    repository = tmp_path / "a\nb"
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert (
        plan(KIT, Options(path=repository, profile="everything", static=True, report_dir=tmp_path / "r")).subject.commit
        == head
    )


def test_times_are_the_recorded_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = live(tmp_path, monkeypatch)
    assert (datetime.now(UTC) - first.started_at).total_seconds() < 300
    assert again(tmp_path).duration_s == first.duration_s
    assert first.seed == 11
