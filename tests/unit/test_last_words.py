"""What failing services are heard to say."""

from __future__ import annotations

from pathlib import Path

import pytest
from container_stacks import Containers, model, running

from conformance.observe.last_words import complaints, last_words, tail, trouble
from conformance.stacks.base import Container, Role


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Error: No such option '--nprocs'.", True),
        ('postgres | FATAL: password authentication failed for user "pqr"', True),
        ('ts=2026 level=error msg="Error loading config" err="yaml: line 4"', True),
        ("Error: ✗ Datasource provisioning error: only one can be default", True),
        ("mkdir: cannot create directory '/data': Permission denied", True),
        ("exec /entrypoint.sh: no such file or directory", True),
        ('level=info msg="HTTP error log is off"', False),
        ('{"level":"info","msg":"no errors"}', False),
        ("2026-11-24 LOG:  could not open statistics file", False),
        ("INFO - distributed - Exception handling is on", False),
        ("Traceback (most recent call last):", False),
        ("Server is ready to receive web requests.", False),
    ],
)
def test_lines_about_errors_are_told_from_others(tmp_path: Path, line: str, told: bool) -> None:
    log = tmp_path / "service.log"
    log.write_text(f"starting\n{line}\n", encoding="utf-8")
    assert complaints(log) == ([line] if told else [])


def test_the_last_ones_are_told_each_once_without_colours(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text("\x1b[31mError: a\x1b[0m\n" + "Error: b\n" * 40 + "Error: c\n\n" + "Error: b\n", encoding="utf-8")
    assert complaints(log) == ["Error: a", "Error: c", "Error: b"]
    assert complaints(log, limit=1) == ["Error: b"]


def test_a_long_line_keeps_its_end_and_is_told_once_whenever_it_came(tmp_path: Path) -> None:
    log = tmp_path / "prometheus.log"
    said = f'level=error msg="Error loading config" file={"/etc/prometheus" * 20} err="yaml: line 13: not a mapping"'
    log.write_text("".join(f"ts=2026-11-24T16:57:4{n}.083Z {said}\n" for n in range(5)), encoding="utf-8")
    (found,) = complaints(log)
    assert found.startswith("ts=2026-11-24T16:57:44.083Z level=error")
    assert found.endswith('err="yaml: line 13: not a mapping"')


def test_a_log_of_any_size_and_content_is_read_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_bytes(b"Error: early\n" + b"x" * 200_000 + b"\n\xff\xfe Error: late " + b"y" * 5_000 + b"\n")
    found = complaints(log)
    assert len(found) == 1
    assert "late" in found[0]
    assert len(found[0]) <= 300
    assert tail(tmp_path / "none.log") == []


@pytest.mark.parametrize(
    ("container", "told"),
    [
        (running("db"), ""),
        (running("job", state="exited"), ""),
        (running("db", health="healthy"), ""),
        (running("db", health="unhealthy"), "db-1: unhealthy"),
        (running("db", restarts=3), "db-1: running, restarts: 3"),
        (running("job", state="exited", exit_code=3), "job-1: exited (3)"),
        (running("w", state="restarting", exit_code=2, restarts=5), "w-1: restarting (2), restarts: 5"),
        (running("w", state="created", error="exec: not found"), "w-1: created (0), exec: not found"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_container_is_told(container: Container, told: str) -> None:
    assert trouble(container) == told


def test_of_what_the_engine_says_beginning_and_cause_are_told() -> None:
    folder = "/var/lib/docker/overlay2/" + "0123456789abcdef" * 4 + "/merged/var/lib/grafana/dashboards"
    error = (
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "
        'error during container init: error mounting "configs/dashboards" to rootfs at "/var/lib/grafana/dashboards": '
        f"mkdir {folder}: read-only file system: unknown"
    )
    told = trouble(running("grafana", state="created", exit_code=128, error=error))
    assert told.startswith('grafana-1: created (128), error mounting "configs/dashboards" to rootfs at')
    assert told.endswith("/merged/var/lib/grafana/dashboards: read-only file system: unknown")


def stack(tmp_path: Path, container: Container, log: str) -> Containers:
    file = tmp_path / "dask-worker.log"
    file.write_text(log, encoding="utf-8")
    return Containers(
        model({"dask-worker": {}}, dask_worker=Role.DASK_WORKER), [container], log_files={"dask-worker": file}
    )


def test_state_and_words_are_told_together(tmp_path: Path) -> None:
    ended = running("dask-worker", state="restarting", exit_code=2, restarts=4)
    said = last_words(
        stack(tmp_path, ended, "Usage: dask worker\nError: No such option '--nprocs'.\n"), Role.DASK_WORKER
    )
    assert said == "dask-worker-1: restarting (2), restarts: 4\nError: No such option '--nprocs'."


def test_without_an_error_the_last_lines_must_do(tmp_path: Path) -> None:
    ended = running("dask-worker", state="exited", exit_code=1)
    said = last_words(stack(tmp_path, ended, "one\ntwo\nthree\n"), Role.DASK_WORKER)
    assert said == "dask-worker-1: exited (1)\ntwo\nthree"


def test_who_is_well_and_silent_says_nothing(tmp_path: Path) -> None:
    assert last_words(stack(tmp_path, running("dask-worker"), "all is well\n"), Role.DASK_WORKER) == ""
    assert last_words(stack(tmp_path, running("dask-worker"), ""), Role.GRAFANA) == ""
