"""The judgments on the object store, on facts written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from judging import judge

from conformance.checks import test_obj as obj
from conformance.observe.objects import (
    Appends,
    DefaultKeys,
    Deletion,
    Listing,
    ObjectsFacts,
    Overwrite,
    RoundTrip,
    StoreCall,
    StrangerCall,
    Table,
)
from conformance.verdict.words import Status

OK = StoreCall(ok=True, status=200)
DENIED = StoreCall(ok=False, status=403, code="AccessDenied", message="Access Denied.")
UNKNOWN = StoreCall(ok=False, status=403, code="InvalidAccessKeyId", message="no such key")
MISSING = StoreCall(ok=False, status=404, code="NoSuchKey")
CONFLICT = StoreCall(ok=False, status=412, code="PreconditionFailed")
SILENCE = StoreCall(ok=False, code="EndpointConnectionError", message="Could not connect")


def facts(**changes: Any) -> ObjectsFacts:
    """A sound object store, changed."""
    sound: dict[str, Any] = {
        "endpoint": "http://127.0.0.1:9000",
        "server": "RustFS",
        "clock_skew_s": 0.2,
        "login": OK,
        "buckets": 0,
        "default_keys": (DefaultKeys(vendor="RustFS", call=UNKNOWN), DefaultKeys(vendor="MinIO", call=DENIED)),
        "scratch": OK,
        "strangers": tuple(
            StrangerCall(caller=caller, operation=operation, call=DENIED)
            for caller in ("anonymous", "wrong secret")
            for operation in ("list", "get", "put")
        ),
        "round_trips": tuple(
            RoundTrip(case=case, key=case, size=1, sent_sha256="a", received_sha256="a", call=OK)
            for case in ("small", "empty", "unicode key", "multipart")
        ),
        "listing": Listing(written=1005, listed=1005, pages=2, same_keys=True, call=OK),
        "deletion": Deletion(delete=OK, get_after=MISSING),
        "overwrite": Overwrite(first_put=OK, second_put=CONFLICT, first_kept=True),
        "appends": Appends(writers=2, appends=3, rows_expected=7000, rows_found=7000),
        "tables": (
            Table(kind="parquet", rows_expected=10, rows_found=10, equal=True),
            Table(kind="delta", rows_expected=10, rows_found=10, equal=True),
        ),
    }
    return ObjectsFacts(**(sound | changes))


def test_a_store_that_does_not_start_is_heard() -> None:
    silent = facts(login=SILENCE, default_keys=(), complaints="rustfs-1: restarting (1)\nPermission denied")
    assert "Permission denied" in judge(obj.test_s3_answers_with_the_configured_credentials, silent).observed


TRUNCATED = RoundTrip(case="multipart", key="k", size=9, sent_sha256="a", received_sha256="b", call=OK)
NOTHING_WRITTEN: dict[str, Any] = {
    "strangers": (), "round_trips": (), "listing": None, "deletion": None,
    "overwrite": None, "appends": None, "tables": (),
}  # fmt: skip
CHECKS = [
    obj.test_s3_answers_with_the_configured_credentials,
    obj.test_strangers_are_refused,
    obj.test_what_is_written_is_read_back,
    obj.test_writers_cannot_silently_overwrite_a_commit,
    obj.test_parquet_works_as_the_lakes_format,
    obj.test_credentials_are_not_the_vendors_defaults,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.guarantee_id)
def test_a_sound_store_passes(check: Any) -> None:
    assert judge(check, facts()).status is Status.PASS


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"login": UNKNOWN, "default_keys": (DefaultKeys(vendor="RustFS", call=OK),)}, "defaults"),
        ({"login": UNKNOWN}, "access_key"),
        ({"login": StoreCall(ok=False, status=403, code="SignatureDoesNotMatch")}, "secret"),
        ({"login": StoreCall(ok=False, status=403, code="RequestTimeTooSkewed"), "clock_skew_s": -7200.0}, "clock"),
        ({"login": StoreCall(ok=False, status=403, code="SignatureDoesNotMatch"), "clock_skew_s": 7200.0}, "clock"),
        ({"login": DENIED}, "denied"),
        ({"login": StoreCall(ok=False, status=503, code="ServiceUnavailable")}, "not_ready"),
        ({"login": StoreCall(ok=False, status=404, code="404")}, "not_s3"),
        ({"login": SILENCE, "default_keys": ()}, "unreachable"),
        ({"login": StoreCall(ok=False, status=500, code="InternalError")}, None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refused_login_says_why(changes: dict[str, Any], hint: str | None) -> None:
    outcome = judge(CHECKS[0], facts(**changes))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)
    assert changes["login"].code in outcome.observed


def test_retired_variables_are_named_when_the_defaults_open_the_store() -> None:
    outcome = judge(CHECKS[0], facts(login=UNKNOWN, default_keys=(DefaultKeys(vendor="RustFS", call=OK),)))
    for text in (outcome.es, outcome.en):
        assert "RustFS" in text
        assert "RUSTFS_ROOT_USER" in text
        assert "RUSTFS_ACCESS_KEY: ${RUSTFS_ACCESS_KEY}" in text


def test_who_entered_is_named() -> None:
    entered = StrangerCall(caller="anonymous", operation="get", call=OK)
    outcome = judge(CHECKS[1], facts(strangers=(*facts().strangers[1:], entered)))
    assert (outcome.status, outcome.observed) == (Status.FAIL, "anonymous get: 200")


def test_a_public_bucket_lets_strangers_in() -> None:
    outcome = judge(CHECKS[1], facts(open_buckets=("pqrs-lake",)))
    assert (outcome.status, outcome.hint) == (Status.FAIL, "policy")
    assert "pqrs-lake" in outcome.observed


@pytest.mark.parametrize("call", [SILENCE, StoreCall(ok=False, status=500, code="InternalError"), MISSING])
def test_no_answer_is_neither_refusal_nor_entry(call: StoreCall) -> None:
    unclear = (StrangerCall(caller="anonymous", operation="list", call=call),)
    assert judge(CHECKS[1], facts(strangers=unclear)).status is Status.UNOBSERVABLE


def test_an_entry_counts_even_if_another_call_got_no_answer() -> None:
    calls = tuple(StrangerCall(caller="anonymous", operation="get", call=call) for call in (SILENCE, OK))
    assert judge(CHECKS[1], facts(strangers=calls)).status is Status.FAIL


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"round_trips": (TRUNCATED,)},
            "multipart (9 bytes): other bytes",
        ),
        (
            {"round_trips": (RoundTrip(case="unicode key", key="k", size=9, sent_sha256="a", call=MISSING),)},
            "unicode key (9 bytes): 404 NoSuchKey",
        ),
        (
            {"listing": Listing(written=1005, listed=1000, pages=1, same_keys=False, call=OK)},
            "listing: 1000 of 1005 keys, pages: 1",
        ),
        ({"listing": Listing(written=1005, listed=1005, pages=1, same_keys=True, call=OK)}, "pages: 1"),
        ({"listing": Listing(written=1005, listed=1005, pages=2, same_keys=False, call=OK)}, "listing:"),
        ({"deletion": Deletion(delete=OK, get_after=OK)}, "get after it: 200"),
        ({"deletion": Deletion(delete=DENIED, get_after=OK)}, "delete: 403 AccessDenied"),
        ({"left_behind": "conformance-1: BucketNotEmpty"}, "BucketNotEmpty"),
    ],
)
def test_what_does_not_come_back_is_told(changes: dict[str, Any], says: str) -> None:
    outcome = judge(CHECKS[2], facts(**changes))
    assert outcome.status is Status.FAIL
    assert says in outcome.observed


def test_a_store_that_cannot_be_written_fails_once_and_leaves_the_rest_open() -> None:
    full = facts(scratch=StoreCall(ok=False, status=507, code="InsufficientStorage"), **NOTHING_WRITTEN)
    outcome = judge(CHECKS[2], full)
    assert (outcome.status, outcome.hint) == (Status.FAIL, "read_only")
    assert "507 InsufficientStorage" in outcome.observed
    assert [judge(check, full).status for check in (CHECKS[1], CHECKS[3], CHECKS[4])] == [Status.UNOBSERVABLE] * 3


def test_what_was_never_written_cannot_be_overwritten() -> None:
    busy = StoreCall(ok=False, status=503, code="SlowDown")
    outcome = judge(
        obj.test_writers_cannot_silently_overwrite_a_commit,
        facts(overwrite=Overwrite(first_put=busy, second_put=busy, first_kept=False)),
    )
    assert (outcome.status, outcome.observed) == (Status.UNOBSERVABLE, "there was nothing to overwrite: 503 SlowDown")


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"overwrite": Overwrite(first_put=OK, second_put=OK, first_kept=False)}, "overwrite"),
        ({"overwrite": Overwrite(first_put=OK, second_put=CONFLICT, first_kept=False)}, "overwrite"),
        (
            {"overwrite": Overwrite(first_put=OK, second_put=StoreCall(ok=False, status=501), first_kept=True)},
            "overwrite",
        ),
        ({"appends": Appends(writers=2, appends=3, rows_expected=7000, rows_found=6000)}, "appends"),
        ({"appends": Appends(writers=2, appends=3, rows_expected=7000, detail="CommitFailedError")}, "appends"),
    ],
)
def test_a_lost_commit_is_caught(changes: dict[str, Any], hint: str) -> None:
    outcome = judge(CHECKS[3], facts(**changes))
    assert (outcome.status, outcome.hint) == (Status.FAIL, hint)


def test_a_table_that_nobody_can_read_back_says_nothing_of_commits() -> None:
    unread = Appends(writers=2, appends=3, rows_expected=7000, detail="OSError: non-partial response")
    broken = (Table(kind="parquet", rows_expected=10), *facts().tables[1:])
    assert judge(CHECKS[3], facts(appends=unread, tables=broken)).status is Status.UNOBSERVABLE
    lost = unread.model_copy(update={"rows_found": 6000})
    assert judge(CHECKS[3], facts(appends=lost, tables=broken)).status is Status.FAIL


def test_the_broken_format_is_named() -> None:
    tables = (*facts().tables[:1], Table(kind="delta", rows_expected=10, rows_found=9))
    outcome = judge(CHECKS[4], facts(tables=tables))
    assert (outcome.status, outcome.observed) == (Status.FAIL, "delta: rows 9 of 10")


def test_every_vendor_whose_defaults_open_is_named() -> None:
    keys = tuple(DefaultKeys(vendor=vendor, call=OK) for vendor in ("RustFS", "MinIO"))
    outcome = judge(CHECKS[5], facts(default_keys=keys))
    assert outcome.status is Status.FAIL
    assert "RustFS, MinIO" in outcome.es


@pytest.mark.parametrize("keys", [(), (DefaultKeys(vendor="RustFS", call=SILENCE),)])
def test_silence_does_not_prove_that_defaults_are_refused(keys: tuple[DefaultKeys, ...]) -> None:
    assert judge(CHECKS[5], facts(default_keys=keys)).status is Status.UNOBSERVABLE
