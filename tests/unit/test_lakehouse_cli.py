"""The command line: what people get wrong ends in one line and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from pqrs_lakehouse import cli
from pqrs_lakehouse.settings import Settings

NOWHERE = {
    "POSTGRES_HOST": "127.0.0.1",
    "POSTGRES_PORT": "1",
    "POSTGRES_USER": "u",
    "POSTGRES_PASSWORD": "hidden-password",
    "POSTGRES_DB": "d",
    "S3_ENDPOINT_URL": "http://127.0.0.1:1",
    "S3_ACCESS_KEY": "k",
    "S3_SECRET_KEY": "hidden-key",
}
DAYS = ("--start", "2026-03-02", "--end", "2026-03-04")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.from_env(NOWHERE).to_env():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["pqrs-lakehouse", *arguments])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    return int(exit_.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("generate", "--start", "2026-03-04", "--end", "2026-03-02", "--events", "5"), "is before start"),
        (("generate", *DAYS, "--events", "-5"), "must not be negative: -5"),
        (("generate", *DAYS, "--tickets-per-day", "-1"), "tickets_per_day must be a finite number"),
        (("generate", *DAYS, "--tickets-per-day", "nan"), "tickets_per_day must be a finite number"),
        (("generate", *DAYS), "say either --events or --tickets-per-day"),
        (("generate", *DAYS, "--events", "1", "--tickets-per-day", "1"), "say either"),
        (("generate", *DAYS, "--events", "5", "--spike", "2026-03-02"), "--spike must be like"),
        (("generate", *DAYS, "--events", "5", "--spike", "2027-01-01=3"), "spikes: 2027-01-01 is outside"),
        (("generate", *DAYS, "--events", "5", "--run-id", "a/b"), "not a run id: 'a/b'"),
        (("generate", "--start", "yesterday", "--end", "2026-03-02", "--events", "5"), "'yesterday' does not match"),
        (("run", "../other"), "not a run id"),
        (("run", "r1", "--as-of", "soon"), "'soon' does not match"),
        (("metrics", "--port", "0"), "0 is not in the range"),
        (("no-such-command",), "No such command"),
        (("status", "--no-such-option"), "No such option"),
    ],
)
def test_wrong_arguments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert run(monkeypatch, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert captured.err.strip().count("\n") == 0


@pytest.mark.parametrize("command", ["init-db", "init-lake", "run", "status", "deploy"])
def test_missing_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(monkeypatch, command) == 2
    assert capsys.readouterr().err.startswith("error: missing settings: POSTGRES_HOST, POSTGRES_USER")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("init-db",), "Connection refused"),
        (("init-lake",), "Could not connect to the endpoint URL"),
        (("status",), "Connection refused"),
        (("run", "r1"), "Could not connect to the endpoint URL"),
        (("generate", *DAYS, "--events", "5"), "Could not connect to the endpoint URL"),
        (("deploy",), "missing settings: PREFECT_API_URL"),
    ],
)
def test_unreachable_services(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    assert run(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.strip().count("\n") == 0
    assert "hidden" not in error


def test_an_unreachable_prefect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (NOWHERE | {"PREFECT_API_URL": "http://127.0.0.1:1/api"}).items():
        monkeypatch.setenv(name, value)
    assert run(monkeypatch, "deploy") == 2
    assert capsys.readouterr().err == "error: Prefect does not answer at http://127.0.0.1:1/api: ConnectionError\n"


def test_generate_into_a_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ("generate", *DAYS, "--events", "200", "--seed", "3", "--out", str(tmp_path / "lake"))
    assert run(monkeypatch, *arguments) == 0
    told = capsys.readouterr().out
    files = {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*.json*")}
    rows = sum(content.count(b"\n") for path, content in files.items() if path.suffix == ".jsonl")
    assert f" {rows:,} rows" in told
    assert run(monkeypatch, *arguments) == 0  # the same again changes nothing
    assert capsys.readouterr().out == told
    assert {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*.json*")} == files


def test_a_folder_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    assert run(monkeypatch, "generate", *DAYS, "--events", "5", "--out", str(tmp_path / "taken")) == 2
    assert "is a file" in capsys.readouterr().err


def test_help_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == 0
    assert "generate" in capsys.readouterr().out
