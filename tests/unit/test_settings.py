"""Settings: what the environment says, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pqrs_lakehouse.settings import Settings, SettingsError

REQUIRED = {
    "POSTGRES_HOST": "db",
    "POSTGRES_USER": "lake",
    "POSTGRES_PASSWORD": "pg-secret",
    "POSTGRES_DB": "pqrs",
    "S3_ENDPOINT_URL": "http://s3:9000",
    "S3_ACCESS_KEY": "key",
    "S3_SECRET_KEY": "s3-secret",
}


def test_what_is_left_out_has_its_default() -> None:
    settings = Settings.from_env(REQUIRED)
    assert (settings.postgres_port, settings.s3_region) == (5432, "us-east-1")
    assert (settings.lake_bucket, settings.lake_prefix, settings.lake_buckets) == ("pqrs-lake", "", 16)
    assert settings.dask_scheduler_address == settings.prefect_api_url == ""


def test_a_child_process_gets_the_same_settings() -> None:
    settings = Settings.from_env(
        REQUIRED
        | {
            "POSTGRES_PORT": "6543",
            "LAKE_PREFIX": "class/ana",
            "LAKE_BUCKETS": "4",
            "DASK_SCHEDULER_ADDRESS": "tcp://dask:8786",
            "PREFECT_API_URL": "http://prefect:4200/api",
        }
    )
    assert Settings.from_env(settings.to_env()) == settings
    assert settings.postgres_port == 6543


def test_missing_settings_are_all_named() -> None:
    with pytest.raises(SettingsError, match=r"missing settings: POSTGRES_HOST, S3_SECRET_KEY$"):
        Settings.from_env({k: v for k, v in REQUIRED.items() if k != "POSTGRES_HOST"} | {"S3_SECRET_KEY": ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_PORT", "many"),
        ("POSTGRES_PORT", "0"),
        ("POSTGRES_PORT", "65536"),
        ("LAKE_BUCKETS", "0"),
        ("LAKE_BUCKETS", "1025"),
        ("LAKE_BUCKET", "Not A Bucket"),
        ("LAKE_PREFIX", "/absolute"),
        ("LAKE_PREFIX", "a//b"),
        ("LAKE_PREFIX", "day=1"),  # would be read as a partition
        ("S3_ENDPOINT_URL", "s3:9000"),
        ("PREFECT_API_URL", "prefect"),
    ],
)
def test_nonsense_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env(REQUIRED | {name: value})


def test_secrets_do_not_show() -> None:
    assert "secret" not in repr(Settings.from_env(REQUIRED))


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.from_env(REQUIRED).to_env():
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in REQUIRED.items()))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    monkeypatch.setenv("POSTGRES_HOST", "elsewhere")
    assert Settings.from_env() == replace(Settings.from_env(REQUIRED), postgres_host="elsewhere")


def test_what_a_task_cannot_do_without_is_named() -> None:
    settings = Settings.from_env(REQUIRED)
    with pytest.raises(SettingsError, match="missing settings: PREFECT_API_URL"):
        settings.require("prefect_api_url")
    assert settings.require("postgres_host") == "db"
