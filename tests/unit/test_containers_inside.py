"""What is read of a container's inside, and what those readings are taken for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from container_stacks import Containers, running

from conformance.observe.containers_inside import READING, Inside, Running, host, look
from conformance.observe.containers_processes import Process, interpreters, main_uid, process
from conformance.stacks.base import Executed, Unavailable

TCP = (
    "  sl  local_address rem_address   st tx_queue rx_queue\n"
    "   0: 00000000:1538 00000000:0000 0A 00000000:00000000\n"  # 0.0.0.0:5432
    "   1: 0100007F:0CEA 00000000:0000 0A 00000000:00000000\n"  # 127.0.0.1:3306
    "   2: 050013AC:D431 060013AC:2253 01 00000000:00000000\n"  # a connection
    "   3: 050013AC:2329 00000000:0000 0A 00000000:00000000\n"  # 172.19.0.5:9001
)
TCP6 = (
    "  sl  local_address                         remote_address                        st\n"
    "   0: 00000000000000000000000000000000:2328 00000000000000000000000000000000:0000 0A\n"  # [::]:9000
    "   1: 00000000000000000000000001000000:22B8 00000000000000000000000000000000:0000 0A\n"  # [::1]:8888
    "   2: 0000000000000000FFFF00000100007F:22B9 00000000000000000000000000000000:0000 0A\n"  # ::ffff:127.0.0.1
)


def reading(*processes: tuple[int, int, int, str]) -> str:
    told = "".join(f"\x1e{pid} {parent} {uid} {words}\0" for pid, parent, uid, words in processes)
    return f"{told}\x1etcp {TCP}\x1etcp6 {TCP6}"


def seen(out: str, code: int = 0, inspected: dict[str, Any] | None = None) -> Inside:
    stack = Containers(seen=[running("db")], run=lambda argv, stdin, timeout: Executed(code, out, ""))
    return look(stack, running("db"), inspected or {})  # type: ignore[arg-type]


def test_processes_and_open_ports_are_read_with_one_command() -> None:
    told = seen(reading((1, 0, 999, "postgres"), (27, 1, 999, "postgres: walwriter")))
    assert told.processes == (Running(1, 999, ("postgres",)), Running(27, 999, ("postgres: walwriter",)))
    assert told.listening == (5432, 9000, 9001)


def test_what_the_reading_itself_runs_is_left_out() -> None:
    told = seen(
        reading(
            (1, 0, 0, "tini\0--\0dask\0worker"),
            (7, 1, 1000, "/opt/bin/python3.12\0/opt/bin/dask\0worker"),
            (9, 7, 1000, "python\0-c\0spawn"),
            (80, 0, 0, "/bin/sh\0-c\0for d in"),  # another way in: its parent is outside
            (81, 80, 0, "cat\0/proc/1/cmdline"),
            (90, 0, 0, "pg_isready"),  # a health check
        )
    )
    assert [one.pid for one in told.processes] == [1, 7, 9]


def test_words_with_line_breaks_stay_one_process() -> None:
    told = seen(reading((1, 0, 0, "sh\0-c\0set -e\nexec dask worker\n")))
    assert told.processes[0].argv == ("sh", "-c", "set -e\nexec dask worker")


@pytest.mark.parametrize(("user", "uid"), [("", 0), ("root", 0), ("0:0", 0), ("10001:10001", 10001), ("nobody", None)])
@pytest.mark.parametrize("code", [126, 127, 1, 124])
def test_without_a_shell_the_engine_says_what_it_started(user: str, uid: int | None, code: int) -> None:
    inspected = {"Path": "/garage", "Args": ["server"], "Config": {"User": user}}
    assert seen("", code, inspected) == Inside((Running(1, uid, ("/garage", "server")),), None)


def test_a_container_that_has_ended_shows_nothing() -> None:
    ended = running("db", state="exited")
    assert look(Containers(seen=[ended]), ended, {}) == Inside((), None)  # type: ignore[arg-type]


def test_testinfra_asks_through_the_stack() -> None:
    asked: list[tuple[str, ...]] = []

    def run(argv: Sequence[str], stdin: bytes, timeout: float) -> Executed:
        asked.append(tuple(argv))
        return Executed(0, "/volumes/pg\n" if "/var/lib" in argv[-1] else "Linux\n", "")

    within = host(Containers(seen=[running("db")], run=run), running("db"))  # type: ignore[arg-type]
    assert within.file("/var/lib/it's").linked_to == "/volumes/pg"
    assert asked[-1][:2] == ("/bin/sh", "-c")
    assert asked[-1][2].endswith(""" '/var/lib/it'"'"'s'""")


def test_testinfra_learns_that_the_container_has_ended() -> None:
    ended = running("db", state="exited")
    with pytest.raises(Unavailable):
        host(Containers(seen=[ended]), ended).run("true")  # type: ignore[arg-type]


def test_the_reading_works_in_the_shell_of_this_machine() -> None:
    import os
    import subprocess

    told = subprocess.run(["/bin/sh", "-c", READING], capture_output=True, text=True, timeout=30, check=True).stdout
    mine = next(record for record in told.split("\x1e") if record.startswith(f"{os.getpid()} "))
    assert mine.split(" ", 3)[1:3] == [str(os.getppid()), str(os.geteuid())]
    assert "\x1etcp   sl " in told


@pytest.mark.parametrize(
    ("argv", "command", "roles"),
    [
        (("postgres", "-c", "password=x"), "postgres", ("postgres",)),
        (("/usr/lib/postgresql/15/bin/postgres", "-D", "/data"), "postgres", ("postgres",)),
        (("postgres: walwriter ",), "postgres: walwriter", ()),
        (("/opt/bin/python3.10", "/opt/bin/dask", "worker", "tcp://s:8786"), "dask worker", ("dask_worker",)),
        (("/usr/bin/python3", "-m", "distributed.cli.dask_scheduler"), "python3", ("dask_scheduler",)),
        (("python", "-c", "from multiprocessing.spawn import spawn_main"), "python", ()),
        (("tini", "-g", "--", "dask", "scheduler"), "tini", ("dask_scheduler",)),
        (("/bin/python", "/x/prefect", "server", "start", "--host"), "prefect server start", ("prefect_server",)),
        (("prefect", "worker", "start", "--pool", "p"), "prefect worker start", ("prefect_worker",)),
        (("/bin/prometheus", "--config.file=/etc/prometheus/prometheus.yml"), "prometheus", ("prometheus",)),
        (("grafana", "server", "--homepath=/usr/share/grafana"), "grafana server", ("grafana",)),
        (("weed", "server", "-s3", "-dir=/data"), "weed server", ("object_store",)),
        (("rustfs", "/data"), "rustfs", ("object_store",)),
        (("minio", "server", "/data", "--console-address", ":9001"), "minio server", ("object_store",)),
        (("psql", "postgresql://u:secret@db/x"), "psql", ()),
        (("sh", "-c", "dask scheduler & exec prefect server start"), "sh", ("dask_scheduler", "prefect_server")),
    ],
)  # fmt: skip
def test_processes_are_known_by_what_they_run_and_tell_no_values(
    argv: tuple[str, ...], command: str, roles: tuple[str, ...]
) -> None:
    assert process(Running(1, 0, argv)) == Process(pid=1, uid=0, command=command, roles=roles)


@pytest.mark.parametrize(
    ("processes", "uid"),
    [
        ([Running(1, 999, ("postgres",))], 999),
        ([Running(1, 0, ("tini", "--", "x")), Running(6, 0, ("x",))], 0),
        ([Running(1, 0, ("nginx: master",)), Running(8, 101, ("nginx: worker",))], 101),
        ([Running(1, 0, ("supervisord",)), Running(7, 10001, ("rustfs", "/data"))], 10001),
        ([Running(1, 1000, ("sh", "run.sh")), Running(7, 0, ("dask", "worker", "tcp://s:8786"))], 0),
        ([Running(1, None, ("/garage",))], None),
        ([], None),
    ],
)
def test_a_container_runs_as_its_main_process_does(processes: list[Running], uid: int | None) -> None:
    assert main_uid(processes) == uid


def test_the_interpreter_of_the_role_goes_first() -> None:
    processes = [
        Running(1, 0, ("/usr/bin/python3", "/usr/bin/supervisord")),
        Running(7, 0, ("/opt/venv/bin/python3.12", "/opt/venv/bin/dask", "worker", "tcp://s:8786")),
        Running(9, 0, ("python", "-c", "x")),
        Running(10, 0, ("/bin/sh",)),
    ]
    assert interpreters(processes) == ["/opt/venv/bin/python3.12", "/usr/bin/python3"]
