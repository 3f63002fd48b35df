"""The object store keeps what it is given, and from whom it should."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.survival import survived
from conformance.observe.disruption_facts import DisruptionFacts
from conformance.observe.objects import ObjectsFacts, StoreCall
from conformance.verdict.words import cannot_tell, guarantee, holds, kit_fault

REFUSED = (400, 401, 403)
NOT_STORED = (409, 412)
MAX_SKEW_S = 15 * 60  # S3 refuses signatures older than a quarter of an hour


@guarantee("OBJ-01")
def test_s3_answers_with_the_configured_credentials(objects: ObjectsFacts) -> None:
    opened_by = [default.vendor for default in objects.default_keys if default.call.ok]
    said = f"; {objects.complaints}" if objects.complaints else ""
    holds(
        objects.login.ok,
        observed=f"ListBuckets: {_told(objects.login)}{said}",
        hint=_why_no_login(objects, opened_by),
        vendor=opened_by or "-",
        skew=objects.clock_skew_s,
    )


@guarantee("OBJ-02")
def test_strangers_are_refused(objects: ObjectsFacts) -> None:
    entered = [f"{one.caller} {one.operation}: {_told(one.call)}" for one in objects.strangers if one.call.ok]
    entered += [f"anonymous list: {bucket}" for bucket in objects.open_buckets]
    holds(not entered, observed="; ".join(entered), hint="policy" if objects.open_buckets else None)
    unclear = [_told(one.call) for one in objects.strangers if one.call.status not in REFUSED]
    if unclear or not objects.strangers:
        cannot_tell(f"no refusal and no entry: {'; '.join(unclear) or 'no scratch bucket could be written'}")


@guarantee("OBJ-03")
def test_what_is_written_is_read_back(objects: ObjectsFacts) -> None:
    problems = list(_lost(objects))
    read_only = objects.scratch is None or not objects.scratch.ok
    holds(not problems, observed="; ".join(problems), hint="read_only" if read_only else None)


@guarantee("OBJ-04")
def test_writers_cannot_silently_overwrite_a_commit(objects: ObjectsFacts) -> None:
    overwrite, appends = objects.overwrite, objects.appends
    if overwrite is None or appends is None:
        cannot_tell("no scratch bucket could be written")
    if not overwrite.first_put.ok:
        cannot_tell(f"there was nothing to overwrite: {_told(overwrite.first_put)}")
    holds(
        overwrite.second_put.status in NOT_STORED and overwrite.first_kept,
        observed=f"If-None-Match: * → {_told(overwrite.second_put)}; first kept: {overwrite.first_kept}",
        hint="overwrite",
    )
    if appends.rows_found is None and not all(table.equal for table in objects.tables):
        cannot_tell(f"not even a single writer's table could be read back: {appends.detail}")
    holds(
        appends.rows_found == appends.rows_expected,
        observed=f"rows: {appends.rows_found} of {appends.rows_expected} {appends.detail}".rstrip(),
        hint="appends",
    )


@guarantee("OBJ-05")
def test_parquet_works_as_the_lakes_format(objects: ObjectsFacts) -> None:
    broken = [table for table in objects.tables if not table.equal]
    told = [
        f"{table.kind}: rows {table.rows_found} of {table.rows_expected} {table.detail}".rstrip() for table in broken
    ]
    holds(not broken, observed="; ".join(told))
    if not objects.tables:
        cannot_tell("no scratch bucket could be written")


@guarantee("OBJ-06")
def test_credentials_are_not_the_vendors_defaults(objects: ObjectsFacts) -> None:
    if not any(default.call.ok or default.call.status for default in objects.default_keys):
        cannot_tell("the object store does not answer")
    opened_by = [default.vendor for default in objects.default_keys if default.call.ok]
    holds(not opened_by, observed=f"default credentials accepted: {', '.join(opened_by)}", vendors=opened_by)


@guarantee("OBJ-07")
def test_objects_survive_a_new_container(disruption: DisruptionFacts) -> None:
    kit_fault(disruption.trouble.get("store"))
    survived(disruption.store)


def _told(call: StoreCall) -> str:
    """A call's outcome in words of no language."""
    return " ".join(str(part) for part in (call.status, call.code, call.message) if part)


def _why_no_login(objects: ObjectsFacts, opened_by: list[str]) -> str | None:
    login = objects.login
    if opened_by:
        return "defaults"
    if login.status is None:
        return "unreachable"
    if login.code == "RequestTimeTooSkewed" or abs(objects.clock_skew_s or 0) > MAX_SKEW_S:
        return "clock"
    return {
        "SignatureDoesNotMatch": "secret",
        "InvalidAccessKeyId": "access_key",
        "AccessDenied": "denied",
    }.get(login.code) or {503: "not_ready", 404: "not_s3", 405: "not_s3"}.get(login.status)


def _lost(objects: ObjectsFacts) -> Iterator[str]:
    """Everything that did not come back as it went."""
    if objects.scratch is None or not objects.scratch.ok:
        yield f"scratch bucket: {_told(objects.scratch) if objects.scratch else 'none'}"
    for trip in objects.round_trips:
        if trip.received_sha256 != trip.sent_sha256:
            yield f"{trip.case} ({trip.size} bytes): {_told(trip.call) if not trip.call.ok else 'other bytes'}"
    listing, deletion = objects.listing, objects.deletion
    if listing and not (listing.same_keys and listing.pages > 1):
        outcome = "" if listing.call.ok else f" {_told(listing.call)}"
        yield f"listing: {listing.listed} of {listing.written} keys, pages: {listing.pages}{outcome}"
    if deletion and not (deletion.delete.ok and deletion.get_after.status == 404):
        yield f"delete: {_told(deletion.delete)}; get after it: {_told(deletion.get_after)}"
    if objects.left_behind:
        yield f"delete: {objects.left_behind}"
