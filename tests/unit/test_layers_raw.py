"""Where raw files stand, and how one is cut into rows."""

from __future__ import annotations

from datetime import date

import pytest

from pqrs_lakehouse.layers.raw import RawFile, manifest_key, read_lines

KEY = "raw/pqrs_events/source=email/day=2026-07-09/run_id=run-1/part-0.jsonl"


def test_a_key_is_written_and_read() -> None:
    file = RawFile("email", date(2026, 7, 9), "run-1", 0)
    assert file.key == KEY
    assert RawFile.parse(KEY) == file


@pytest.mark.parametrize(
    "key",
    [
        "",
        f"/{KEY}",
        f"{KEY}\n",
        KEY.replace("raw/", "bronze/"),
        KEY.replace("email", ""),
        KEY.replace("email", "a/b"),
        KEY.replace("email", ".."),
        KEY.replace("run-1", "../.."),
        KEY.replace("2026-07-09", "2026-7-9"),
        KEY.replace("2026-07-09", "2026-02-30"),
        KEY.replace("part-0", "part-00"),
        KEY.replace("part-0", "part--1"),
        KEY.replace("part-0", "part-٣"),
        KEY.replace(".jsonl", ".json"),
    ],
)
def test_other_keys_are_no_raw_files(key: str) -> None:
    with pytest.raises(ValueError, match="not a raw file"):
        RawFile.parse(key)


@pytest.mark.parametrize(
    ("source", "run_id", "part"), [("a/b", "r", 0), ("email", "", 0), ("email", "r\n", 0), ("email", "r", -1)]
)
def test_a_file_that_could_not_be_found_again_is_refused(source: str, run_id: str, part: int) -> None:
    with pytest.raises(ValueError, match="not a raw file"):
        RawFile(source, date(2026, 7, 9), run_id, part)


def test_the_manifest_of_a_run() -> None:
    assert manifest_key("run-1") == "raw/pqrs_events/_manifests/run_id=run-1.json"
    with pytest.raises(ValueError, match="not a run id"):
        manifest_key("../run-1")


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\n\nb\n", [b"a", b"", b"b"]),
        (b"a\n\n", [b"a", b""]),
        (b"a\r\nb\rc\x0b\x0c\x85\xe2\x80\xa8d", [b"a\r", b"b\rc\x0b\x0c\x85\xe2\x80\xa8d"]),  # no other line breaks
    ],
)
def test_rows_of_a_file(content: bytes, lines: list[bytes]) -> None:
    assert read_lines(content) == lines
