"""Where the services are and how to log in: the one place that reads the environment.

The environment wins over a ``.env`` file in the working directory or above it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from urllib.parse import urlsplit

MAX_BUCKETS = 1024


class SettingsError(ValueError):
    """A setting is missing or makes no sense; the message names it and never shows a secret."""


@dataclass(frozen=True)
class Settings:
    """What a deployment of the lakehouse is reached by. Each field's environment variable is its name in capitals.

    Raises:
        SettingsError: naming the variables that are missing or wrong.
    """

    postgres_host: str
    postgres_user: str
    postgres_password: str = field(repr=False)
    postgres_db: str
    s3_endpoint_url: str
    s3_access_key: str
    s3_secret_key: str = field(repr=False)
    postgres_port: int = 5432
    s3_region: str = "us-east-1"
    lake_bucket: str = "pqrs-lake"
    lake_prefix: str = ""  # a folder within the bucket
    lake_buckets: int = 16  # how many ticket-hash buckets silver and the facts have
    dask_scheduler_address: str = ""  # empty: a run starts two workers of its own
    prefect_api_url: str = ""  # empty: no orchestration

    def __post_init__(self) -> None:
        empty = [name.upper() for name in _REQUIRED if not getattr(self, name)]
        if empty:
            raise SettingsError(f"missing settings: {', '.join(empty)}")
        if not 0 < self.postgres_port < 65536:
            raise SettingsError(f"POSTGRES_PORT must be between 1 and 65535, not {self.postgres_port}")
        if not 0 < self.lake_buckets <= MAX_BUCKETS:
            raise SettingsError(f"LAKE_BUCKETS must be between 1 and {MAX_BUCKETS}, not {self.lake_buckets}")
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", self.lake_bucket):
            raise SettingsError(f"LAKE_BUCKET is no S3 bucket name: {self.lake_bucket!r}")
        if not re.fullmatch(r"([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?", self.lake_prefix):
            raise SettingsError(f"LAKE_PREFIX must be folders of letters, digits, '.', '_', '-': {self.lake_prefix!r}")
        for name in ("s3_endpoint_url", "prefect_api_url"):
            value = getattr(self, name)
            if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
                raise SettingsError(f"{name.upper()} must be an http:// or https:// URL, not {value!r}")

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """From ``env``, or from the process's environment and the nearest ``.env``. Empty values count as missing."""
        if env is None:
            from dotenv import dotenv_values, find_dotenv

            env = {**{k: v for k, v in dotenv_values(find_dotenv(usecwd=True)).items() if v}, **os.environ}
        given = {f.name: env[f.name.upper()] for f in fields(cls) if env.get(f.name.upper())}
        missing = [name.upper() for name in _REQUIRED if name not in given]
        if missing:
            raise SettingsError(f"missing settings: {', '.join(missing)}")
        return cls(**{name: _integer(name, text) if name in _INTEGERS else text for name, text in given.items()})  # type: ignore[arg-type]

    def to_env(self) -> dict[str, str]:
        """The same settings as environment variables, for a child process."""
        return {f.name.upper(): str(getattr(self, f.name)) for f in fields(self)}

    def require(self, name: str) -> str:
        """The text of an optional setting that the task at hand cannot do without."""
        value: str = getattr(self, name)
        if not value:
            raise SettingsError(f"missing settings: {name.upper()}")
        return value


_REQUIRED = (
    "postgres_host", "postgres_user", "postgres_password", "postgres_db",
    "s3_endpoint_url", "s3_access_key", "s3_secret_key",
)  # fmt: skip
_INTEGERS = ("postgres_port", "lake_buckets")


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{name.upper()} must be a whole number, not {text!r}") from None
