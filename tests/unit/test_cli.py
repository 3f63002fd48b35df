"""The command line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tea_runs import LIMIT, TEA, conformance, conformance_args, environment, statuses, verdict_in, wait_for
from teakit import KIT

from conformance import cli
from conformance.isolation import environment as isolated
from conformance.kit import VERSION, Kit

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """The console script inside this process, in ``tmp_path``: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["conformance", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture
def on_tea(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that need no judge, on the tea kit."""
    monkeypatch.setattr(cli, "Kit", lambda: KIT)


# --- bad input: one line, exit 2 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "--stack", "moon"], "Invalid value for '--stack': 'moon' is not one of"),
        (["check", "--stack", "attached"], "--stack attached needs --env-file FILE, which says where its"),
        (["check", "--stack", "recorded"], "--stack recorded needs --evidence DIR"),
        (["check", "--compose-file", "x.yml"], "--compose-file: no such file: x.yml"),
        (["check", "nowhere"], "no such path: nowhere"),
        (["check", "file"], "not a folder: file"),
        (["check", "."], ".: no container engine with Compose answers (see `conformance doctor`); --static judges"),
        (["check", ".", "--stack", "embedded"], ".: only the reference runs on the embedded stack; --static judges"),
        (["check", "--only", "XXX-01"], "unknown guarantee or family: XXX-01"),
        (["check", "--only", "XYZ"], "unknown guarantee or family: XYZ"),
        (["check", "--only", "E2E-03", "--profile", "smoke"], "--only E2E-03: not in the profile smoke"),
        (["check", "--profile", "moon"], "unknown profile: moon (known: clase-4h, reference, smoke; or the path of"),
        (["check", "--profile", "moon.toml"], "moon.toml: cannot be read: No such file or directory"),
        (
            ["check", "--profile", "broken.toml"],
            "broken.toml: Expected ']' at the end of a table declaration (at line 1",
        ),
        (["check", "--profile", "key.toml"], "key.toml: requierd: Extra inputs are not permitted"),
        (["check", "--profile", "id.toml"], "id.toml: required.E2E-77: unknown guarantee"),
        (["check", "--env-file", "nowhere.env"], "--env-file: no such file: nowhere.env"),
        (["check", "--report-dir", "file"], "--report-dir file: "),
        (["check", "--report-dir", "file/in/it"], "file is not a folder"),
        (
            ["check", "--report-dir", "foreign"],
            "foreign/evidence: holds homework.docx, which is no evidence of the kit",
        ),
        (["check", "--seed", "-1"], "Invalid value for '--seed'"),
        (["check", "--seed", "x"], "Invalid value for '--seed'"),
        (["check", "--timeout", "0"], "Invalid value for '--timeout': must be a positive number of seconds"),
        (["check", "--timeout", "nan"], "Invalid value for '--timeout': must be a positive number of seconds"),
        (["check", "--lang", "fr"], "Invalid value for '--lang'"),
        (["check", "--moon"], "No such option"),
        (["check", "a", "b"], "Got unexpected extra argument (b)"),
        (["check", "\x1b[2J\n"], "no such path: \\x1b[2J"),
        (["grade"], "No such command 'grade'"),
        (["explain"], "Missing argument 'ID'"),
        (["explain", "GRF-99"], "unknown guarantee or family: GRF-99; did you mean GRF-0"),
        (["list", "--profile", "moon"], "unknown profile: moon"),
        (["regrade", "nowhere"], "no such folder: nowhere"),
        (["regrade", "."], "no evidence here (SHA256SUMS is missing)"),
    ],
)
def test_bad_input_gives_one_line_and_exit_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], message: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine")
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "broken.toml").write_text("[required\n", encoding="utf-8")
    (tmp_path / "key.toml").write_text('name="k"\nversion="1"\n[required]\nE2E-01=1\n[requierd]\n', encoding="utf-8")
    (tmp_path / "id.toml").write_text('name="k"\nversion="1"\n[required]\nE2E-77=1\n', encoding="utf-8")
    (tmp_path / "foreign" / "evidence").mkdir(parents=True)
    (tmp_path / "foreign" / "evidence" / "homework.docx").write_text("mine", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("conformance: ")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_report_folder_that_may_not_be_written_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # what root is never told
    code, _, err = run("check", "--report-dir", "out")
    assert code == 2
    assert re.fullmatch(r"conformance: --report-dir out: \S+ is not writable\n", err)


def test_the_kits_own_fault_is_nobodys_failed_guarantee(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "Kit", lambda: 1 / 0)
    code, out, err = run("list")
    assert (code, out) == (3, "")
    assert "ZeroDivisionError" in err


def test_without_a_command_there_is_help_and_exit_2(run: Run) -> None:
    code, _, err = run()
    assert code == 2
    assert "regrade" in err


def test_help_and_version(run: Run) -> None:
    assert run("--version")[:2] == (0, f"conformance, version {VERSION}\n")
    code, out, _ = run("check", "--help")
    assert code == 0
    assert "--report-dir" in out


# --- list, explain --------------------------------------------------------------------------------------------------


def test_list_is_a_table(run: Run, on_tea: None) -> None:
    code, out, _ = run("list", "--lang", "en")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["ID", "everything", "reference", "Guarantee"]
    assert lines[1].split() == ["E2E-01", "●", "●", "There", "is", "tea"]
    assert lines[6].split()[:3] == ["E2E-06", "●", "○"]
    assert lines[9].split()[:3] == ["E2E-09", "●", "–"]


def test_list_of_a_profile_has_its_points(run: Run, on_tea: None) -> None:
    _, out, _ = run("list", "--profile", str(KIT.profiles / "reference.toml"))
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [
        ["E2E-01", "●", "3"], ["E2E-02", "●", "2"], ["E2E-03", "●", "2"], ["E2E-04", "●", "1"], ["E2E-05", "●", "1"],
        ["E2E-06", "○", "1"], ["E2E-08", "○", "0.5"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        (
            "es",
            ["E2E-01  Hay té", "Por qué:\n  Sin ello", "Mal:\n  Servir agua.", "Bien:\n  Servir té.", "seca", "nada"],
        ),
        (
            "en",
            ["E2E-01  There is tea", "Why:\n  No visit", "Wrong:\n  Serving water.", "Right:\n  Serving tea.", "dry"],
        ),
    ],
)
def test_explain_says_all_of_a_guarantee(run: Run, on_tea: None, lang: str, said: list[str]) -> None:
    code, out, _ = run("explain", "e2e-01", "--lang", lang)
    assert code == 0
    for some in said:
        assert some in out


def test_explain_names_what_it_requires_needs_and_the_profiles(run: Run, on_tea: None) -> None:
    _, out, _ = run("explain", "E2E-03", "--lang", "en")
    assert "Requires:\n  E2E-02" in out
    assert "Needs to see:\n  endpoints and kill" in out
    assert "everything (required, 2 points), reference (required, 2 points)" in out
    assert "E2E-04" in run("explain", "E2E")[1]


def test_the_real_catalogue_can_be_listed_and_explained(run: Run) -> None:
    code, out, _ = run("list")
    assert code == 0
    assert len(out.splitlines()) == 1 + len(Kit().catalogue)
    code, out, _ = run("explain", "DSK-06", "--lang", "es")
    assert code == 0
    assert "Según la causa:\n  - " in out
    assert "{observed}" not in out


# --- check ----------------------------------------------------------------------------------------------------------


def test_a_sound_run_ends_with_a_summary_and_the_report(tmp_path: Path) -> None:
    done = conformance(tmp_path, "check", "--report-dir", "out", "--seed", "3", on_tea=True)
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = verdict_in(tmp_path / "out")
    assert (verdict.seed, verdict.subject.source, verdict.scope) == (3, "reference", "full")
    assert done.stdout.endswith("Nota: 100.0 % (9.5/9.5; observadas 6 de 7 garantías)\nInforme: out/report.html\n")
    assert "teapot: observed in" in done.stderr


def test_regrade_of_a_report_or_of_its_evidence(run: Run, on_tea: None, tmp_path: Path) -> None:
    done = conformance(tmp_path, "check", "--lang", "en", on_tea=True, tea=0)
    assert done.returncode == 1
    assert (
        "✗ E2E-01 There is tea: fails\n  Observed: tea: 0\n  Expected: tea\n  What to do: The pot is dry."
        in done.stdout
    )
    before = (tmp_path / "reports" / "verdict.json").read_bytes()
    for source in ("reports", "reports/evidence"):
        code, out, _ = run("regrade", source, "--lang", "en")
        assert code == 1
        assert out == done.stdout[done.stdout.index("reference ·") :]
        assert (tmp_path / "reports" / "verdict.json").read_bytes() == before
    assert run("regrade", "reports", "--report-dir", "other", "--profile", "everything")[0] == 1
    assert verdict_in(tmp_path / "other").profile.name == "everything"
    (tmp_path / "reports" / "evidence").rename(tmp_path / "kept")
    assert run("regrade", "kept")[0] == 1
    assert (tmp_path / "reports" / "verdict.json").read_bytes() == before
    assert run("check", "--stack", "recorded", "--evidence", "other/evidence", "--", *TEA)[0] == 1


def test_a_static_check_of_any_repository_is_no_grade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))  # as where there is no Docker
    (tmp_path / "casa").mkdir()
    (tmp_path / "casa" / "README.md").write_text("# Casa\n", encoding="utf-8")
    done = conformance(tmp_path, "check", "casa", "--static", "--lang", "en")
    verdict = verdict_in(tmp_path / "reports")
    assert (verdict.scope, verdict.score, verdict.stack.kind) == ("static", None, "static")
    assert (verdict.subject.name, verdict.subject.source, verdict.profile.name) == ("casa", "casa", "clase-4h")
    assert verdict.stack.roles == {}
    assert statuses_of(verdict, "SRC-04", "SRC-06", "SRC-01") == ["pass", "fail", "unobservable"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No score: static review" in done.stdout


def test_nothing_of_the_repository_or_of_the_callers_pytest_reaches_the_judge(tmp_path: Path) -> None:
    trap = "from pathlib import Path\nPath({!r}).write_text('sprung')\n".format(str(tmp_path / "sprung"))
    casa = tmp_path / "casa"
    casa.mkdir()
    for name in ("conftest.py", "sitecustomize.py", "trap.py", "pytest.py", "pydantic.py"):
        (casa / name).write_text(trap, encoding="utf-8")
    (casa / "pytest.ini").write_text("[pytest]\naddopts = -p trap --deselect x\npythonpath = .\n", encoding="utf-8")
    (casa / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '-p trap'\n", encoding="utf-8")
    hostile = {
        **os.environ, "PYTHONPATH": str(casa), "PYTEST_ADDOPTS": "-p trap", "PYTEST_PLUGINS": "trap",
        "PYTHONSTARTUP": str(casa / "trap.py"), "PYTEST_THEME": "x",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in hostile.items():
            patch.setenv(name, value)
        assert {name for name in isolated() if name.startswith(("PYTHON", "PYTEST"))} == {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
        }
    command = conformance_args("check", ".", "--static", "--lang", "en")
    hostile["PATH"] = str(Path(sys.executable).parent)  # as where there is no Docker
    command[1:1] = ["-P"]  # the caller's own interpreter is his own affair; the judge's is ours
    hostile.pop("PYTHONPATH")
    done = subprocess.run(command, cwd=casa, env=hostile, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "sprung").exists()
    assert statuses_of(verdict_in(casa / "reports"), "SRC-04") == ["pass"]


@pytest.mark.parametrize("where", ["enter", "teapot"])
def test_an_environment_that_fails_is_one_line_and_exit_2(tmp_path: Path, where: str) -> None:
    done = conformance(tmp_path, "check", on_tea=True, **{where: "stack-error"})
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if "teapot" not in line and "stove" not in line] == [
        "conformance: the kettle is gone"
    ]
    assert not (tmp_path / "reports" / "verdict.json").exists()


def test_a_broken_judge_is_told_with_what_it_said(tmp_path: Path) -> None:
    done = conformance(tmp_path, "check", on_tea=True, open="error")
    assert done.returncode == 3
    assert done.stderr.endswith("conformance: the judge ended with 3 and without a verdict\n")
    assert "ZeroDivisionError: cracked" in done.stdout + done.stderr


def test_what_an_observer_leaves_behind_does_not_keep_the_judge(tmp_path: Path) -> None:
    done = conformance(tmp_path, "check", "--timeout", "0.5", on_tea=True, stove="stuck")
    assert done.returncode == 3
    assert statuses(verdict_in(tmp_path / "reports"))["05"] == "error"


def test_arguments_after_two_dashes_go_to_pytest_and_show_what_it_prints(tmp_path: Path) -> None:
    done = conformance(tmp_path, "check", on_tea=True)
    assert "6 passed, 1 skipped" in done.stdout
    nothing = conformance(tmp_path, "check", "--static", "--", "--collect-only", "-q")
    assert nothing.returncode == 0
    assert "test_src.py::" in nothing.stdout


# --- interruption ---------------------------------------------------------------------------------------------------


def processes_with(mark: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False)])
def test_an_interruption_reaches_the_judge_once_and_is_waited_for(
    tmp_path: Path, number: signal.Signals, group: bool
) -> None:
    """``group``: as a terminal does it, to every process of the group at once."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    env = {**environment(room=str(tmp_path), stove="hang"), "TMPDIR": str(temporary)}
    with subprocess.Popen(
        conformance_args("check", "--lang", "en", on_tea=True),
        cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        wait_for(tmp_path / "trace", "hanging in stove", process)
        (os.killpg if group else os.kill)(process.pid, number)
        os.kill(process.pid, number)  # impatience changes nothing
        out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 3, out + err
    assert "Traceback" not in out + err
    assert "No score: incomplete verdict" in out
    verdict = verdict_in(tmp_path / "reports")
    assert (verdict.scope, statuses(verdict)["05"]) == ("incomplete", "unobservable")
    assert (tmp_path / "trace").read_text(encoding="utf-8").endswith("down\n")
    assert list(temporary.iterdir()) == []
    assert processes_with(str(tmp_path / "trace")) == []


def test_an_early_interruption_is_quiet(tmp_path: Path) -> None:
    env = environment(open="hang", room=str(tmp_path))
    with subprocess.Popen(
        conformance_args("check", on_tea=True),
        cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        wait_for(tmp_path / "trace", "hanging in open", process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 3, out + err
    assert err == "conformance: interrupted before anything was judged\n"
    assert not (tmp_path / "reports").exists()


def statuses_of(verdict: Any, *ids: str) -> list[str]:
    found = {result.id: result.status.value for result in verdict.guarantees}
    return [found[id_] for id_ in ids]
