"""The pytest plugin on the tea kit: in this process where that shows it, and in one of its own where it must be."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tea_runs import LIMIT, TEA, environment, pytest_tea, statuses, verdict_in, wait_for

import conformance.session  # noqa: F401 - or pytester would import it anew for every run
from conformance.verdict.bundle import Evidence

pytest_plugins = ["pytester"]

EMBEDDED = "--conformance-stack=embedded"


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Tea = Callable[..., Done]


@pytest.fixture
def tea(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tea:
    """Run pytest on the tea kit inside this process, in ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # pytester would load them all anew for every run

    def run(*arguments: str, **behaviour: Any) -> Done:
        monkeypatch.setenv("TEAKIT", json.dumps(behaviour))
        result = pytester.runpytest_inprocess("-p", "conformance.plugin", *arguments, *TEA)
        return Done(int(result.ret), result.stdout.str(), result.stderr.str())

    return run


SOUND = {"01": "pass", "02": "pass", "03": "pass", "04": "unobservable", "05": "pass", "06": "pass", "08": "pass"}


def test_without_the_option_it_is_inert_and_imports_next_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "import sys\n"
        "def test_x():\n"
        "    ours = {name for name in sys.modules if name.startswith('conformance')}\n"
        "    assert ours == {'conformance', 'conformance.plugin'}\n"
        "    assert 'pydantic' not in sys.modules\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "reports").exists()


def test_a_sound_run(tmp_path: Path) -> None:
    done = pytest_tea(tmp_path, EMBEDDED, "-v", "-rs", room=str(tmp_path), secret="hunter22", note="hunter22")
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = verdict_in(tmp_path / "reports")
    assert statuses(verdict) == SOUND
    assert verdict.scope == "full"
    assert verdict.score is not None
    assert verdict.score.percent == 100
    assert verdict.stack.stand_ins == ("water stands in for tea",)
    assert {file.name for file in (tmp_path / "reports").iterdir()} == {
        "verdict.json", "report.html", "junit.xml", "summary.md", "evidence",
    }  # fmt: skip
    order = [line.split("::")[1].split()[0] for line in done.stdout.splitlines() if "checks.py::" in line]
    assert order.index("test_there_is_tea") < order.index("test_pot_is_closed")
    assert order[-1] == "test_tea_survives_a_knock"
    assert "unobservable: needs containers or disrupt; this stack offers endpoints, kill, source" in done.stdout
    assert "6 passed, 1 skipped" in done.stdout
    assert "100.0 %" in done.stdout
    assert "teapot: observed in" in done.stderr
    evidence = Evidence(tmp_path / "reports" / "evidence")
    assert sorted(evidence.observations) == ["disruption", "stove", "teapot"]
    assert evidence.observations["teapot"].facts == {"tea": 2, "lid": "on", "note": "[redacted]"}
    assert evidence.logs["tea_pot"].read_text(encoding="utf-8") == "up\nknock\n"
    assert (tmp_path / "trace").read_text(encoding="utf-8") == "up\nknock\ndown\n"


def test_a_failure_blocks_what_needs_it_and_says_what_to_do(tea: Tea, tmp_path: Path) -> None:
    done = tea(EMBEDDED, "--conformance-lang=en", "-rs", tea=0)
    assert done.returncode == 1, done.stdout
    verdict = verdict_in(tmp_path / "reports")
    assert statuses(verdict) == {**SOUND, "01": "fail", "02": "blocked", "03": "blocked", "08": "blocked"}
    assert {result.id: result.blocked_by for result in verdict.guarantees if result.blocked_by} == {
        "E2E-02": ("E2E-01",), "E2E-03": ("E2E-01",), "E2E-08": ("E2E-01",),
    }  # fmt: skip
    assert "Observed: tea: 0\nExpected: tea\nWhat to do: The pot is dry.\nFill the big one" in done.stdout
    assert done.stdout.count("blocked by E2E-01") == 3
    assert "1 failed, 2 passed, 4 skipped" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("behaviour", "status", "outcome"),
    [
        ({"stove": "unavailable"}, "unobservable", "2 skipped"),
        ({"stove": "error"}, "error", "1 error"),
    ],
)
def test_what_could_not_be_observed(
    tea: Tea, tmp_path: Path, behaviour: dict[str, str], status: str, outcome: str
) -> None:
    done = tea(EMBEDDED, **behaviour)
    assert done.returncode == (3 if status == "error" else 0)
    assert statuses(verdict_in(tmp_path / "reports")) == {**SOUND, "05": status}
    assert outcome in done.stdout
    assert "failed" not in done.stdout


def test_a_check_that_stumbles_is_an_error_and_one_that_lacks_gets_its_line(tea: Tea, tmp_path: Path) -> None:
    done = tea(EMBEDDED, "--conformance-profile=everything")
    assert done.returncode == 3
    verdict = verdict_in(tmp_path / "reports")
    assert statuses(verdict) == {**SOUND, "07": "error", "09": "error"}
    observed = {result.id: result.observed for result in verdict.guarantees}
    assert observed["E2E-07"] == "this version of the kit has no judgment for it"
    assert observed["E2E-09"].startswith("ZeroDivisionError: division by zero")
    assert "1 error" in done.stdout
    assert "failed" not in done.stdout


def test_a_check_that_cannot_tell_is_skipped(tea: Tea, tmp_path: Path) -> None:
    done = tea(EMBEDDED, "-rs", lid="?")
    assert done.returncode == 0
    assert statuses(verdict_in(tmp_path / "reports"))["02"] == "unobservable"
    assert "unobservable: no word about the lid" in done.stdout


def test_an_observer_that_hangs_is_given_up(tea: Tea, tmp_path: Path) -> None:
    done = tea(EMBEDDED, "--conformance-timeout=0.5", stove="hang")
    assert done.returncode == 3
    verdict = verdict_in(tmp_path / "reports")
    assert statuses(verdict) == {**SOUND, "05": "error"}
    assert verdict.guarantees[4].observed == "stove: no result within 0.5 s"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--conformance-seed=-1", "'--seed': must not be negative"),
        ("--conformance-timeout=nan", "'--timeout': must be a positive number of seconds"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(tea: Tea, tmp_path: Path, option: str, message: str) -> None:
    done = tea(EMBEDDED, option)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("where", ["enter", "teapot"])
def test_a_deployment_that_is_lost_is_an_environment_error(tea: Tea, tmp_path: Path, where: str) -> None:
    done = tea(EMBEDDED, room=str(tmp_path), **{where: "stack-error"})
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if line.startswith("conformance:")] == [
        "conformance: the kettle is gone"
    ]
    assert not (tmp_path / "reports" / "verdict.json").exists()
    Evidence(tmp_path / "reports" / "evidence")
    assert ("down" in (tmp_path / "trace").read_text(encoding="utf-8")) == (where == "teapot")


def test_a_clean_up_that_fails_takes_no_verdict_away(tea: Tea, tmp_path: Path) -> None:
    done = tea(EMBEDDED, exit="stack-error")
    assert done.returncode == 0
    assert "conformance: clean-up: the kettle is gone" in done.stderr
    assert statuses(verdict_in(tmp_path / "reports")) == SOUND


def test_only_some_is_no_grade_but_judged(tea: Tea, tmp_path: Path) -> None:
    done = tea(EMBEDDED, "--conformance-only=e2e-02", room=str(tmp_path))
    assert done.returncode == 0
    verdict = verdict_in(tmp_path / "reports")
    assert statuses(verdict) == {"01": "pass", "02": "pass"}
    assert (verdict.scope, verdict.score, verdict.coverage.required) == ("incomplete", None, 0)
    assert "knock" not in (tmp_path / "trace").read_text(encoding="utf-8")
    assert tea(EMBEDDED, "--conformance-only=e2e-02", tea=0).returncode == 1


def test_what_pytest_deselects_limits_the_run_as_well(tea: Tea, tmp_path: Path) -> None:
    done = tea(EMBEDDED, "-k", "closed")
    assert done.returncode == 0
    verdict = verdict_in(tmp_path / "reports")
    assert (statuses(verdict), verdict.scope) == ({"01": "pass", "02": "pass"}, "incomplete")
    assert tea(EMBEDDED, "-k", "closed", tea=0).returncode == 1


def test_a_run_that_stops_at_the_first_failure_is_incomplete(tea: Tea, tmp_path: Path) -> None:
    done = tea(EMBEDDED, "-x", tea=0)
    assert done.returncode == 3
    verdict = verdict_in(tmp_path / "reports")
    assert (verdict.scope, statuses(verdict)["01"]) == ("incomplete", "fail")


def test_profiles_demand_coverage(tea: Tea, tmp_path: Path) -> None:
    profile = tmp_path / "much.toml"
    profile.write_text(
        'name = "much"\nversion = "1"\n[coverage]\nembedded = 2\n[required]\nE2E-01 = 1\n', encoding="utf-8"
    )
    done = tea(EMBEDDED, f"--conformance-profile={profile}")
    assert done.returncode == 3
    assert verdict_in(tmp_path / "reports").coverage.required == 2


def test_a_static_run_starts_nothing_and_is_no_grade(tea: Tea, tmp_path: Path) -> None:
    done = tea(EMBEDDED, "--conformance-static", room=str(tmp_path))
    assert done.returncode == 3
    verdict = verdict_in(tmp_path / "reports")
    assert (verdict.scope, verdict.score, verdict.stack.kind) == ("static", None, "static")
    assert set(statuses(verdict).values()) == {"unobservable"}
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--conformance-stack=moon",), "unknown stack: moon (known: auto, compose, embedded, attached, recorded)"),
        (("--conformance-stack=attached",), "--stack attached needs --env-file FILE"),
        (("--conformance-stack=recorded",), "--stack recorded needs --evidence DIR"),
        ((EMBEDDED, "--conformance-profile=moon"), "unknown profile: moon (known: everything, reference;"),
        ((EMBEDDED, "--conformance-only=moon"), "unknown guarantee or family: moon"),
        ((EMBEDDED, "--conformance-only=E2E-09"), "--only E2E-09: not in the profile reference"),
        ((EMBEDDED, "--conformance-path=moon"), "no such path: "),
        ((EMBEDDED, "-p", "xdist.plugin", "-n", "2"), "guarantees are judged in one process; leave out -n"),
        ((EMBEDDED, "-k", "nothing"), "no check of the profile was collected"),
        ((EMBEDDED, "--conformance-report-dir=/dev/null/x"), "/dev/null is not a folder"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(
    tea: Tea, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = tea(*arguments)
    assert done.returncode == 4, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "reports").exists()


def test_collecting_only_touches_nothing(tea: Tea, tmp_path: Path) -> None:
    assert tea(EMBEDDED, room=str(tmp_path)).returncode == 0
    before = (tmp_path / "reports" / "verdict.json").read_bytes()
    (tmp_path / "trace").unlink()
    done = tea(EMBEDDED, "--collect-only", "-q", room=str(tmp_path))
    assert done.returncode == 0
    assert "test_there_is_tea" in done.stdout
    assert (tmp_path / "reports" / "verdict.json").read_bytes() == before
    assert not (tmp_path / "trace").exists()


def test_it_leaves_other_tests_alone_and_their_failures_count(tea: Tea, tmp_path: Path) -> None:
    other = tmp_path / "test_other.py"
    other.write_text("def test_good(): pass\n", encoding="utf-8")
    done = tea(EMBEDDED, str(other))
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout
    other.write_text("def test_bad(): assert False\n", encoding="utf-8")
    assert tea(EMBEDDED, str(other)).returncode == 1
    assert statuses(verdict_in(tmp_path / "reports")) == SOUND


def test_nobody_elses_function_passes_for_a_check(tea: Tea, tmp_path: Path) -> None:
    impostor = tmp_path / "test_impostor.py"
    impostor.write_text(
        "from conformance.verdict.words import guarantee\n@guarantee('E2E-01')\ndef test_there_is_tea(teapot): pass\n",
        encoding="utf-8",
    )
    done = tea(str(impostor), EMBEDDED, tea=0)
    assert done.returncode == 1
    assert "1 failed, 2 passed, 4 skipped, 2 deselected" in done.stdout
    assert statuses(verdict_in(tmp_path / "reports"))["01"] == "fail"


def test_no_report_of_an_earlier_run_is_left_beside_a_failed_one(tea: Tea, tmp_path: Path) -> None:
    assert tea(EMBEDDED).returncode == 0
    assert tea(EMBEDDED, enter="stack-error").returncode == 2
    assert {file.name for file in (tmp_path / "reports").iterdir()} == {"evidence"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["enter", "stove"])
def test_an_interruption_cleans_up_and_leaves_a_partial_verdict(
    tmp_path: Path, number: signal.Signals, where: str
) -> None:
    behaviour = {"room": str(tmp_path), where: "hang"}
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *TEA, EMBEDDED],
        cwd=tmp_path, env=environment(**behaviour), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        wait_for(tmp_path / "trace", f"hanging in {where}", process)
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 3, out + err
    verdict = verdict_in(tmp_path / "reports")
    assert (verdict.scope, verdict.score) == ("incomplete", None)
    found = statuses(verdict)
    assert found["05"] == "unobservable"
    assert verdict.guarantees[4].observed == "stove: the run ended before it was observed"
    assert found["01"] == ("pass" if where == "stove" else "unobservable")
    assert Evidence(tmp_path / "reports" / "evidence").run.interrupted
    assert ("down" in (tmp_path / "trace").read_text(encoding="utf-8")) == (where == "stove")


def test_hostile_facts_reach_the_reports_as_text(tea: Tea, tmp_path: Path) -> None:
    nasty = "\x00\x1b[2J</script><script>alert(1)</script>| `x` \u202e" + "é" * 5000
    done = tea(EMBEDDED, tea=0, note=nasty)
    assert done.returncode == 1
    observed = verdict_in(tmp_path / "reports").guarantees[0].observed
    assert len(observed) == 2000
    assert observed.startswith("tea: 0\\x00\\x1b[2J</script>")
    for name in ("report.html", "junit.xml", "summary.md"):
        assert "<script>alert(1)" not in (tmp_path / "reports" / name).read_text(encoding="utf-8")
    assert "\x1b[2J" not in done.stdout
    facts = json.loads((tmp_path / "reports" / "evidence" / "facts" / "teapot.json").read_text(encoding="utf-8"))
    assert facts["facts"]["note"].startswith("\\x00\\x1b[2J</script>")


def test_recorded_evidence_is_judged_by_the_same_items(tea: Tea, tmp_path: Path) -> None:
    assert tea(EMBEDDED, tea=0).returncode == 1
    recorded = ("--conformance-stack=recorded", f"--conformance-evidence={tmp_path / 'reports' / 'evidence'}")
    done = tea(*recorded, "--conformance-report-dir=again", room=str(tmp_path))
    assert done.returncode == 1
    assert "1 failed, 2 passed, 4 skipped" in done.stdout
    assert verdict_in(tmp_path / "again") == verdict_in(tmp_path / "reports")
    assert not (tmp_path / "trace").exists()
