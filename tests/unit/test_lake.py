"""The lake without a server: what is delivered, and under which names."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pqrs_lakehouse.generator import Delivery, GeneratorConfig, generate
from pqrs_lakehouse.lake import ROWS_PER_PART, Lake, LakeError, Manifest, config_hash, delta_schema, write_raw_files
from pqrs_lakehouse.settings import Settings

DAY = date(2026, 3, 2)


def delivery(*lines: bytes, source: str = "email", day: date = DAY) -> Delivery:
    return Delivery(source, day, pl.Series(lines, dtype=pl.Binary))


def lake(prefix: str = "") -> Lake:
    return Lake(
        Settings(
            postgres_host="nowhere",
            postgres_user="u",
            postgres_password="p",
            postgres_db="d",
            s3_endpoint_url="http://127.0.0.1:1",
            s3_access_key="k",
            s3_secret_key="s",
            lake_prefix=prefix,
        )
    )


def test_the_manifest_tells_what_was_delivered(tmp_path: Path) -> None:
    manifest = write_raw_files([delivery(b"{}", b"", b"ni\xf1o"), delivery(b"x", source="chat")], "r1", tmp_path)
    path = tmp_path / "raw/pqrs_events/source=email/day=2026-03-02/run_id=r1/part-0.jsonl"
    content = path.read_bytes()
    assert content == b"{}\n\nni\xf1o\n"
    assert [(file.rows, file.size) for file in manifest.files] == [(3, len(content)), (1, 2)]
    assert manifest.files[0].sha256 == hashlib.sha256(content).hexdigest()
    assert (manifest.rows, manifest.size) == (4, len(content) + 2)
    written = (tmp_path / "raw/pqrs_events/_manifests/run_id=r1.json").read_bytes()
    assert Manifest.from_json(written) == manifest
    assert json.loads(written)["files"][1]["key"].startswith("raw/pqrs_events/source=chat/")


def test_a_long_delivery_is_several_files(tmp_path: Path) -> None:
    manifest = write_raw_files([delivery(*[b"{}"] * (ROWS_PER_PART + 1))], "r1", tmp_path)
    assert [file.rows for file in manifest.files] == [ROWS_PER_PART, 1]
    assert [file.key[-12:] for file in manifest.files] == ["part-0.jsonl", "part-1.jsonl"]


def test_delivering_the_same_again_changes_nothing(tmp_path: Path) -> None:
    first = write_raw_files([delivery(b"a")], "r1", tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert write_raw_files([delivery(b"a")], "r1", tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == times


def test_raw_is_append_only(tmp_path: Path) -> None:
    write_raw_files([delivery(b"a")], "r1", tmp_path)
    with pytest.raises(LakeError, match="append-only"):
        write_raw_files([delivery(b"b")], "r1", tmp_path)
    with pytest.raises(LakeError, match="append-only"):  # a further file is not in the manifest that is there
        write_raw_files([delivery(b"a"), delivery(b"c", source="chat")], "r1", tmp_path)


def test_a_delivery_without_files_has_a_manifest(tmp_path: Path) -> None:
    assert write_raw_files([], "empty", tmp_path).files == ()
    assert [path.name for path in tmp_path.rglob("*.json")] == ["run_id=empty.json"]


def test_the_manifest_knows_its_generator(tmp_path: Path) -> None:
    config = GeneratorConfig(seed=5, start=DAY, end=DAY, tickets_per_day=3)
    manifest = write_raw_files(generate(config), "r1", tmp_path, config)
    assert (manifest.seed, manifest.config_hash) == (5, config_hash(config))


def test_the_config_hash_is_of_what_is_configured() -> None:
    def config(**more: object) -> GeneratorConfig:
        return GeneratorConfig(seed=1, start=DAY, end=DAY, tickets_per_day=3, **more)  # type: ignore[arg-type]

    one, other = {"P": 1.0, "Q": 2.0}, {"Q": 2.0, "P": 1.0}
    assert config_hash(config(type_weights=one)) == config_hash(config(type_weights=other))
    assert config_hash(config(type_weights=one)) != config_hash(config())
    assert config_hash(config(spikes={DAY: 2.0})) != config_hash(config())


def test_keys_and_uris_translate_within_the_lake() -> None:
    scoped = lake("class/ana")
    assert scoped.uri("gold/x") == "s3://pqrs-lake/class/ana/gold/x"
    assert scoped.key(scoped.uri("gold/x")) == "gold/x"
    with pytest.raises(LakeError, match="not in this lake"):
        scoped.key("s3://pqrs-lake/class/anabel/gold/x")


def test_delta_schemas_have_the_columns_of_the_frame() -> None:
    frame = pl.DataFrame(schema={"bucket": pl.Int16, "at": pl.Datetime("us", "UTC"), "day": pl.Date, "name": pl.String})
    fields = json.loads(delta_schema(frame))["fields"]
    assert [(f["name"], f["type"]) for f in fields] == [
        ("bucket", "short"),
        ("at", "timestamp"),
        ("day", "date"),
        ("name", "string"),
    ]
