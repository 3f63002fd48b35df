"""Child processes: what they are given, how they end, and who ends them when nobody else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import until

from conformance.stacks import guard
from conformance.stacks.base import StackError
from conformance.stacks.processes import LOG_BYTES, TAIL_CHARS, Child, Command, Processes

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
RUNAWAY = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
"""
OWNER = """
import os, signal, sys
from conformance.stacks.processes import Command, Processes
processes = Processes()
folder = processes.folder("one")
(folder / "file").touch()
code = "import subprocess, sys; subprocess.run(['sleep', '600'], start_new_session=True)"
child = processes.start(Command("one", [sys.executable, "-c", code], processes.environment(), folder))
print(processes.marker, child.group, processes.directory, flush=True)
input()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def processes() -> Iterator[Processes]:
    with_secrets = Processes({"s3cr3t"})
    yield with_secrets
    with_secrets.end_all()
    with_secrets.close()


def python(processes: Processes, code: str, name: str = "one", stop: signal.Signals = signal.SIGTERM) -> Child:
    command = Command(name, [sys.executable, "-c", code], processes.environment(), processes.directory, stop)
    return processes.start(command)


def test_a_child_knows_nothing_of_the_environment_but_what_is_named(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONPATH", "PREFECT_API_URL", "DASK_CONFIG", "AWS_PROFILE", "HTTPS_PROXY", "PGHOST"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.delenv("HOME", raising=False)
    child = python(processes, "import os; print(sorted(os.environ))")
    assert child.process.wait(10) == 0
    assert set(eval(child.said())) - {"LC_CTYPE"} == set(processes.environment()) == {
        *(["LD_LIBRARY_PATH"] if "LD_LIBRARY_PATH" in os.environ else []),
        "PATH", "HOME", "TMPDIR", "LANG", "TZ", "NO_PROXY", "no_proxy", "PYTHONUNBUFFERED", "PYTHONSAFEPATH",
        "PYTHONNOUSERSITE", guard.MARKER,
    }  # fmt: skip


def test_nobody_else_may_look_into_its_folders(processes: Processes) -> None:
    python(processes, "pass").process.wait(10)
    for folder in (processes.directory, *(path for path in processes.directory.iterdir() if path.is_dir())):
        assert folder.stat().st_mode & 0o077 == 0


def test_it_has_a_session_and_a_log_of_its_own(processes: Processes) -> None:
    child = python(processes, "import os, sys; print(os.getsid(0), os.getpgid(0)); print('x', file=sys.stderr)")
    assert child.process.wait(10) == 0
    assert processes.logs() == {"one": child.log}
    assert sorted(child.said().split()) == sorted([str(child.process.pid)] * 2 + ["x"])


def test_a_service_started_again_appends_to_its_log_and_says_its_own_part(processes: Processes) -> None:
    python(processes, "print('first')").process.wait(10)
    second = python(processes, "print('second')")
    second.process.wait(10)
    assert second.log.read_text() == "first\nsecond\n"
    assert second.said() == "second\n"


def test_the_end_of_a_log_is_one_bounded_line_without_secrets(processes: Processes) -> None:
    child = python(processes, f"print('a' * {2 * LOG_BYTES}); print('\\n\\tit is  s3cr3t\\n' + 'b' * 500)")
    child.process.wait(10)
    assert child.tail().endswith(f" | it is *** | {'b' * 500}")
    assert len(child.tail()) <= TAIL_CHARS
    silent = python(processes, "pass", "silent")
    silent.process.wait(10)
    assert silent.tail() == "(empty)"


def test_what_cannot_be_started_is_named(processes: Processes) -> None:
    with pytest.raises(StackError, match=r"cannot start one: .*No such file.*/none"):
        processes.start(Command("one", ["/none"], {}, processes.directory))


def test_a_command_that_fails_is_told_with_its_log(processes: Processes) -> None:
    code = "import sys; print('s3cr3t'); sys.exit('no room')"
    with pytest.raises(StackError, match=r"^python\S* ended with 1; its log: (\*\*\* \| no room|no room \| \*\*\*)$"):
        processes.run(Command("one", [sys.executable, "-c", code], processes.environment(), processes.directory))


def test_ending_asks_first_and_all_at_once(processes: Processes) -> None:
    code = (
        "import signal, sys, time; signal.signal({0}, lambda *_: sys.exit(7)); print('on', flush=True); time.sleep(9)"
    )
    children = [
        python(processes, code.format(int(number)), f"on-{number}", number)
        for number in (signal.SIGTERM, signal.SIGINT)
    ]
    deaf = python(processes, DEAF, "deaf")
    until(lambda: all(child.said() for child in (*children, deaf)))
    started = time.monotonic()
    processes.end([*children, deaf], patience=0.5)
    assert 0.5 <= time.monotonic() - started < 3
    assert [child.process.returncode for child in (*children, deaf)] == [7, 7, -signal.SIGKILL]
    assert not any(guard.alive(child.group) for child in (*children, deaf))


def test_a_kill_takes_the_whole_group(processes: Processes) -> None:
    child = python(processes, "import subprocess; print('on', flush=True); subprocess.run(['sleep', '600'])")
    until(lambda: len(guard.marked(processes.marker)) == 2)
    processes.kill(child)
    until(lambda: not guard.marked(processes.marker))


def test_what_an_ended_leader_leaves_in_its_group_ends_when_that_is_seen(processes: Processes) -> None:
    child = python(processes, RUNAWAY.replace("start_new_session=True", "start_new_session=False"))
    until(lambda: not child.running())
    until(lambda: not guard.marked(processes.marker))
    signalled: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "send", lambda group, _: signalled.append(group))
        processes.end([child])
        processes.kill(child)
        processes.end_all()
    assert signalled == []  # the number may be another's by now


def test_the_end_finds_what_has_left_its_group(processes: Processes) -> None:
    python(processes, RUNAWAY).process.wait(10)
    until(lambda: len(guard.marked(processes.marker)) == 1)  # Linux shows the environment a moment after the start
    processes.end_all()
    assert guard.marked(processes.marker) == []
    with pytest.raises(StackError, match="stopped"):
        python(processes, "pass")


def test_folders_go_at_the_end_and_stay_when_they_are_kept(tmp_path: Path) -> None:
    for keep in (False, True):
        processes = Processes(keep=keep)
        other = tmp_path / f"other-{keep}"
        processes.remove_at_end(other)
        (other / "a").mkdir(parents=True)
        (processes.folder("one") / "file").touch()
        processes.end_all()
        processes.close()
        assert processes.directory.exists() == other.exists() == keep
    guard.remove([str(processes.directory)])


def test_what_could_not_be_removed_is_said() -> None:
    processes = Processes()
    processes.remove_at_end(Path("/proc/version"))  # nobody can
    processes.end_all()
    with pytest.raises(StackError, match=r"could not remove: /proc/version$"):
        processes.close()
    assert not processes.directory.exists()


def test_without_a_folder_for_temporary_files_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(StackError, match="nowhere to write: No usable temporary directory"):
        Processes()


def test_the_guard_ends_what_a_killed_owner_leaves() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        assert owner.stdin
        marker, group, directory = owner.stdout.readline().split()
        until(lambda: len(guard.marked(marker)) == 2)
        owner.stdin.write("\n")
        owner.stdin.flush()
        assert owner.wait(10) == -signal.SIGKILL
        until(lambda: not guard.marked(marker))
        until(lambda: not Path(directory).exists())
        assert not guard.alive(int(group))


def test_a_group_of_zombies_is_not_alive() -> None:
    with subprocess.Popen(["true"], start_new_session=True) as child:
        until(lambda: not guard.alive(child.pid))  # ended, and not yet waited for
        assert child.returncode is None
