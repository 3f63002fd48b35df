"""A database and a bucket with random names beside what a deployment holds: made, used and always removed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from conformance.observe.web import brief
from conformance.stacks.base import ObjectStoreAccess, PostgresAccess

if TYPE_CHECKING:
    import psycopg
    from mypy_boto3_s3 import S3Client

SERVER_WIDE_ROLES = ("pqrs_bi", "pqrs_ops")
"""Roles that the init script makes; a role belongs to the server and outlives the database that it was made for."""


PREFIX = "conformance-"
"""How the kit's buckets begin."""


@dataclass(frozen=True)
class Scratch:
    """Where to work."""

    database: str
    bucket: str


@contextmanager
def scratch(postgres: PostgresAccess, store: ObjectStoreAccess, left_behind: list[str]) -> Iterator[Scratch]:
    """A new database and a new bucket, gone when the context ends, however it ends.

    ``left_behind`` is told what could not be removed. Nothing that was there before is touched.

    Raises:
        psycopg.Error: the deployment's user may not make a database.
        botocore.exceptions.ClientError, BotoCoreError: nor a bucket.
    """
    token = secrets.token_hex(5)
    made = Scratch(database=f"conformance_{token}", bucket=f"{PREFIX}{token}")
    with _database(postgres, made.database, left_behind), _bucket(s3_client(store), made.bucket, left_behind):
        yield made


@lru_cache(maxsize=8)
def s3_client(store: ObjectStoreAccess) -> S3Client:
    """One for each store: to make one costs a tenth of a second, and threads may share it."""
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "s3",
        endpoint_url=store.endpoint_url,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        region_name=store.region,
        config=Config(
            s3={"addressing_style": "path"},
            connect_timeout=3,
            read_timeout=15,
            max_pool_connections=16,
            retries={"mode": "standard", "max_attempts": 3},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def remove_bucket(s3: S3Client, name: str) -> None:
    """Remove a bucket with all that it holds.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: it is still there.
    """
    from botocore.exceptions import ClientError

    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        keys = [item["Key"] for item in page.get("Contents", ())]
        try:
            if keys:
                s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
        except ClientError:  # MinIO before 2025 asks for a Content-MD5 that boto3 no longer sends
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda key: s3.delete_object(Bucket=name, Key=key), keys))
    s3.delete_bucket(Bucket=name)


@contextmanager
def _database(postgres: PostgresAccess, name: str, left_behind: list[str]) -> Iterator[None]:
    import psycopg
    from psycopg import sql

    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        roles = _roles(connection)
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
        )
    try:
        yield
    finally:
        try:
            with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
                for role in sorted(_roles(connection) - roles):
                    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        except psycopg.Error as error:
            left_behind.append(brief(f"database {name}: {error}"))


def _roles(connection: psycopg.Connection) -> set[str]:
    """Which of the roles that the init script makes are there."""
    rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(SERVER_WIDE_ROLES),))
    return {row[0] for row in rows}


@contextmanager
def _bucket(s3: S3Client, name: str, left_behind: list[str]) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    s3.create_bucket(Bucket=name)
    try:
        yield
    finally:
        try:
            remove_bucket(s3, name)
        except (BotoCoreError, ClientError) as error:
            left_behind.append(brief(f"bucket {name}: {error}"))
