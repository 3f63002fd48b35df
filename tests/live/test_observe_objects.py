"""The object store's observer against SeaweedFS: sound, with a wrong secret, with nobody there, with an open bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from observing import Alone, altered

from conformance.observe.objects import ObjectsFacts, collect
from conformance.stacks.base import Stack
from conformance.stacks.ports import PortBlock

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def s3(stack: Stack) -> Any:
    access = stack.object_store()
    return boto3.client(
        "s3", endpoint_url=access.endpoint_url, region_name=access.region,
        aws_access_key_id=access.access_key, aws_secret_access_key=access.secret_key,
    )  # fmt: skip


@pytest.fixture(scope="module")
def facts(stack: Stack, s3: Any) -> Iterator[ObjectsFacts]:
    before = _buckets(s3)
    yield collect(stack, Alone())
    assert _buckets(s3) == before, "the scratch bucket stayed behind"


def test_the_configured_credentials_let_in_and_defaults_do_not(facts: ObjectsFacts) -> None:
    assert facts.login.ok
    assert "SeaweedFS" in facts.server
    assert facts.clock_skew_s is not None
    assert abs(facts.clock_skew_s) < 5
    assert {default.vendor for default in facts.default_keys} >= {"RustFS", "MinIO"}
    assert [default.call.status for default in facts.default_keys] == [403] * len(facts.default_keys)


def test_strangers_are_refused_with_s3s_own_codes(facts: ObjectsFacts) -> None:
    codes = {(one.caller, one.operation): (one.call.status, one.call.code) for one in facts.strangers}
    refused = {
        (caller, operation): (403, code)
        for caller, code in (("anonymous", "AccessDenied"), ("wrong secret", "SignatureDoesNotMatch"))
        for operation in ("list", "get", "put")
    }
    assert codes == refused


def test_objects_come_back_as_they_went(facts: ObjectsFacts) -> None:
    assert [trip.case for trip in facts.round_trips] == ["small", "empty", "unicode key", "multipart"]
    assert all(trip.received_sha256 == trip.sent_sha256 for trip in facts.round_trips)
    assert facts.round_trips[3].size > 8 * 1024 * 1024


def test_a_long_listing_comes_in_pages_and_what_is_deleted_is_gone(facts: ObjectsFacts) -> None:
    assert facts.listing is not None
    assert (facts.listing.written, facts.listing.listed, facts.listing.pages) == (1005, 1005, 2)
    assert facts.listing.same_keys
    assert facts.deletion is not None
    assert (facts.deletion.delete.ok, facts.deletion.get_after.status) == (True, 404)


def test_commits_are_kept_apart(facts: ObjectsFacts) -> None:
    assert facts.overwrite is not None
    assert (facts.overwrite.second_put.status, facts.overwrite.first_kept) == (412, True)
    assert facts.appends is not None
    assert facts.appends.rows_found == facts.appends.rows_expected == 7000


def test_tables_are_read_as_they_were_written(facts: ObjectsFacts) -> None:
    assert [(table.kind, table.equal, table.rows_found) for table in facts.tables] == [
        ("parquet", True, 2500),
        ("delta", True, 2000),
    ]


def test_facts_hold_no_key(stack: Stack, facts: ObjectsFacts) -> None:
    told = facts.model_dump_json()
    access = stack.object_store()
    assert access.access_key not in told
    assert access.secret_key not in told


def test_a_wrong_secret_is_a_fact_and_writes_nothing(stack: Stack) -> None:
    access = replace(stack.object_store(), secret_key="another")
    facts = collect(altered(stack, object_store=lambda: access), Alone())
    assert (facts.login.status, facts.login.code) == (403, "SignatureDoesNotMatch")
    assert facts.default_keys
    assert facts.scratch is None
    assert facts.round_trips == ()


def test_silence_is_a_fact_and_no_vendor_is_tried(stack: Stack) -> None:
    with PortBlock() as ports:
        access = replace(stack.object_store(), endpoint_url=f"http://127.0.0.1:{ports.take()}")
        facts = collect(altered(stack, object_store=lambda: access), Alone())
    assert (facts.login.ok, facts.login.status) == (False, None)
    assert facts.login.code == "EndpointConnectionError"
    assert facts.default_keys == ()


def test_a_public_bucket_is_found(stack: Stack, s3: Any) -> None:
    s3.create_bucket(Bucket="left-open")
    try:
        statement = {
            "Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::left-open"
        }  # fmt: skip
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        s3.put_bucket_policy(Bucket="left-open", Policy=json.dumps(policy))
        facts = collect(stack, Alone())
        there = _buckets(s3)
    finally:
        s3.delete_bucket(Bucket="left-open")
    assert facts.open_buckets == ("left-open",)
    assert facts.buckets == len(there)


def _buckets(s3: Any) -> list[str]:
    return [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
