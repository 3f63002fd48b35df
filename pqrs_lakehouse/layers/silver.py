"""Silver: events once each, folded by ticket (docs/data-rules.md §3).

Everything about a ticket stands in its bucket, so that any set of whole buckets can be built by itself.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import polars as pl

from pqrs_lakehouse.domain.instants import INSTANT, day_of
from pqrs_lakehouse.domain.lifecycle import CLOSED_STATES, INITIAL, TRANSITIONS

TICKETS: Final = pl.Schema(
    {
        "ticket_id": pl.String(),
        "bucket": pl.Int16(),
        "channel": pl.String(),
        "pqrs_type": pl.String(),
        "petition_kind": pl.String(),
        "priority": pl.String(),
        "municipality_code": pl.String(),
        "received_at": INSTANT,
        "received_day": pl.Date(),
        "status": pl.String(),
        "status_at": INSTANT,
        "first_responded_at": INSTANT,
        "closed_at": INSTANT,
        "message_count": pl.Int32(),
        "attachment_count": pl.Int32(),
        "attachment_bytes": pl.Int64(),
        "reopen_count": pl.Int32(),
        "last_event_at": INSTANT,
    }
)
MESSAGES: Final = pl.Schema(
    {
        "event_id": pl.String(),
        "ticket_id": pl.String(),
        "bucket": pl.Int16(),
        "ts": INSTANT,
        "author_role": pl.String(),
        "body": pl.String(),
    }
)
STATUS_EVENTS: Final = pl.Schema(
    {
        "event_id": pl.String(),
        "ticket_id": pl.String(),
        "bucket": pl.Int16(),
        "seq": pl.Int32(),
        "ts": INSTANT,
        "from_status": pl.String(),
        "to_status": pl.String(),
        "rejection": pl.String(),
        "contiguous": pl.Boolean(),
    }
)

REJECTIONS: Final = ("no_creation", "before_creation", "not_allowed")
"""Why a status event is not valid, in the order in which the rules are tried."""

_EVENT: Final = (
    "event_id", "ticket_id", "bucket", "event_type", "ts", "channel", "pqrs_type", "petition_kind", "priority",
    "municipality_code", "from_status", "to_status", "author_role", "body", "size_bytes",
)  # fmt: skip
_LARGEST_INTEGER: Final = 2**63 - 1


class Silver(NamedTuple):
    """The tables, each in the order of tickets and, within one, of events."""

    tickets: pl.LazyFrame
    messages: pl.LazyFrame
    status_events: pl.LazyFrame


def build(bronze: pl.LazyFrame) -> Silver:
    """Fold the events of whole buckets; columns in as in ``bronze.SCHEMA``, out as in TICKETS, MESSAGES, STATUS_EVENTS.

    The fold happens here, in memory; what is returned only waits to be written.
    """
    events = _in_order(_once(bronze))
    creations = events.filter(pl.col("event_type") == "TICKET_CREATED").unique(
        "ticket", keep="first", maintain_order=True
    )
    status_events = _judged(events.filter(pl.col("event_type") == "STATUS_CHANGED"), creations)
    messages = events.filter(pl.col("event_type") == "MESSAGE_ADDED")
    return Silver(
        _tickets(creations, events, status_events).lazy(),
        messages.lazy().select(MESSAGES.names()),
        status_events.lazy().select(STATUS_EVENTS.names()),
    )


def _once(bronze: pl.LazyFrame) -> pl.DataFrame:
    """Every event once: of a ticket's rows with one ``event_id`` the least stands.

    Only rows whose ``event_id`` repeats pay for comparing the raw lines, which are most of bronze.
    """
    events = bronze.select(_EVENT).collect()
    is_repeated = events["event_id"].is_duplicated()
    if not is_repeated.any():
        return events
    stand = (
        bronze.join(events.lazy().filter(is_repeated).select("event_id").unique(), on="event_id", how="semi")
        .sort("ts", "raw", "source_file", "line_no")
        .unique(["ticket_id", "event_id"], keep="first", maintain_order=True)
        .select(_EVENT)
        .collect()
    )
    return pl.concat([events.filter(~is_repeated), stand])


def _in_order(events: pl.DataFrame) -> pl.DataFrame:
    """By ticket, instant and event; ``ticket`` numbers the tickets, for numbers are compared faster than their ids."""
    tickets = events.select(pl.col("ticket_id").unique().sort()).with_row_index("ticket")
    return events.join(tickets, on="ticket_id", how="left").sort("ticket", "ts", "event_id")


def _judged(changes: pl.DataFrame, creations: pl.DataFrame) -> pl.DataFrame:
    """Number the status events of each ticket, say which are valid, and which of those follow from the one before."""
    valid = pl.col("rejection").is_null()
    is_allowed = pl.any_horizontal(
        (pl.col("from_status") == before) & (pl.col("to_status") == after) for before, after in TRANSITIONS
    )
    status_before = pl.when(valid).then("to_status").forward_fill().shift().over("ticket").fill_null(INITIAL)
    no_creation, before_creation, not_allowed = REJECTIONS
    return (
        changes.join(creations.select("ticket", created_at="ts"), on="ticket", how="left", maintain_order="left")
        .with_columns(
            pl.col("event_id").cum_count().over("ticket").cast(pl.Int32).alias("seq"),
            pl.when(pl.col("created_at").is_null())
            .then(pl.lit(no_creation))
            .when(pl.col("ts") < pl.col("created_at"))
            .then(pl.lit(before_creation))
            .when(~is_allowed)
            .then(pl.lit(not_allowed))
            .alias("rejection"),
        )
        .with_columns(pl.when(valid).then(pl.col("from_status") == status_before).alias("contiguous"))
    )


def _tickets(creations: pl.DataFrame, events: pl.DataFrame, status_events: pl.DataFrame) -> pl.DataFrame:
    event_type, to_status, ts = pl.col("event_type"), pl.col("to_status"), pl.col("ts")
    life = (
        status_events.lazy()
        .filter(pl.col("rejection").is_null())
        .select(
            "ticket",
            "to_status",
            "ts",
            pl.when(to_status == "RESPONDED").then(ts).alias("responded_at"),
            pl.when(to_status == "CLOSED").then(ts).alias("closed_at"),
            (to_status == "REOPENED").alias("is_reopening"),
        )
        .group_by("ticket")
        .agg(
            to_status.last().alias("status"),
            ts.last().alias("status_at"),
            pl.col("responded_at").min().alias("first_responded_at"),
            pl.col("closed_at").max(),
            pl.col("is_reopening").sum().alias("reopen_count"),
        )
    )
    content = (
        events.lazy()
        .select(
            "ticket",
            "ts",
            (event_type == "MESSAGE_ADDED").alias("is_message"),
            (event_type == "ATTACHMENT_ADDED").alias("is_attachment"),
            pl.col("size_bytes").cast(pl.Int128),  # a thousand attachments that claim 2^53 bytes each would wrap around
        )
        .group_by("ticket")
        .agg(
            pl.col("is_message").sum().alias("message_count"),
            pl.col("is_attachment").sum().alias("attachment_count"),
            pl.col("size_bytes").sum().clip(upper_bound=_LARGEST_INTEGER).alias("attachment_bytes"),
            ts.max().alias("last_event_at"),
        )
    )
    counts = ("message_count", "attachment_count", "attachment_bytes", "reopen_count")
    return (
        creations.lazy()
        .join(life, on="ticket", how="left", maintain_order="left")
        .join(content, on="ticket", how="left", maintain_order="left")
        .with_columns(
            received_at="ts",
            received_day=day_of(ts),
            status=pl.col("status").fill_null(INITIAL),
            status_at=pl.col("status_at").fill_null(ts),
            closed_at=pl.when(pl.col("status").is_in(CLOSED_STATES)).then("closed_at"),
            reopen_count=pl.col("reopen_count").fill_null(0),
        )
        .cast({name: TICKETS[name] for name in counts})
        .select(TICKETS.names())
        .collect()
    )
