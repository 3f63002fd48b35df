"""Gold: terms, the star and the KPIs (docs/data-rules.md §4 and §5).

``of_bucket`` works on any set of whole buckets; what it counts by day adds up, and ``combine`` makes the KPIs of it.
"""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

import polars as pl

from pqrs_lakehouse.domain import vocabulary
from pqrs_lakehouse.domain.business_days import (
    business_days_through,
    is_business_day,
    is_holiday,
    nth_business_day,
    roll,
)
from pqrs_lakehouse.domain.instants import INSTANT, day_of
from pqrs_lakehouse.domain.lifecycle import CLOSED_STATES, INITIAL
from pqrs_lakehouse.domain.places import places
from pqrs_lakehouse.domain.sla import term_days

KEY: Final = pl.Int16()
COUNT: Final = pl.Int32()

FACT_TICKET: Final = pl.Schema(
    {
        "ticket_id": pl.String(),
        "received_date_key": pl.Int32(),
        "due_date_key": pl.Int32(),
        "channel_key": KEY,
        "pqrs_type_key": KEY,
        "priority_key": KEY,
        "status_key": KEY,
        "geo_key": pl.Int32(),
        "petition_kind": pl.String(),
        "received_at": INSTANT,
        "responded_at": INSTANT,
        "closed_at": INSTANT,
        "term_no": COUNT,
        "term_days": COUNT,
        "paused_days": COUNT,
        "sla_state": pl.String(),
        "business_days_to_response": COUNT,
        "message_count": COUNT,
        "attachment_count": COUNT,
        "reopen_count": COUNT,
    }
)
FACT_TERM: Final = pl.Schema(
    {
        "ticket_id": pl.String(),
        "term_no": COUNT,
        "opened_at": INSTANT,
        "start_date_key": pl.Int32(),
        "term_days": COUNT,
        "paused_days": COUNT,
        "due_date_key": pl.Int32(),
        "responded_at": INSTANT,
        "state": pl.String(),
        "business_days_to_response": COUNT,
    }
)
VOLUME: Final = pl.Schema(
    {"day": pl.Date(), "channel_key": KEY, "pqrs_type_key": KEY, "received": COUNT, "responded": COUNT, "closed": COUNT}
)
BACKLOG_CHANGES: Final = pl.Schema({"day": pl.Date(), "pqrs_type_key": KEY, "opened": COUNT, "closed": COUNT})
SLA: Final = pl.Schema(
    {
        "day": pl.Date(),
        "pqrs_type_key": KEY,
        "due": COUNT,
        "met": COUNT,
        "late": COUNT,
        "pending": COUNT,
        "overdue": COUNT,
        "suspended": COUNT,
    }
)
DIM_DATE: Final = pl.Schema(
    {
        "date_key": pl.Int32(),
        "date": pl.Date(),
        "year": pl.Int16(),
        "quarter": pl.Int16(),
        "month": pl.Int16(),
        "month_day": pl.Int16(),
        "iso_weekday": pl.Int16(),
        "is_holiday": pl.Boolean(),
        "is_business_day": pl.Boolean(),
    }
)


_CODES: Final = {
    "channel": vocabulary.CHANNELS,
    "pqrs_type": vocabulary.PQRS_TYPES,
    "priority": vocabulary.PRIORITIES,
    "status": vocabulary.STATUSES,
}
"""The dimensions that the vocabulary numbers."""


class BucketGold(NamedTuple):
    """The facts of some buckets, and their counts by day (``day`` in place of a key), which add up over buckets."""

    fact_ticket: pl.DataFrame  # as in FACT_TICKET, by ticket
    fact_term: pl.DataFrame  # as in FACT_TERM, by ticket and term
    volume: pl.DataFrame  # as in VOLUME
    backlog_changes: pl.DataFrame  # as in BACKLOG_CHANGES
    sla: pl.DataFrame  # as in SLA, ``day`` is the due day


class CombinedGold(NamedTuple):
    """The calendar and the KPIs: the columns of DIM_DATE, VOLUME, BACKLOG_CHANGES and ``open_at_end``, SLA, keyed."""

    dim_date: pl.DataFrame
    kpi_volume_daily: pl.DataFrame
    kpi_backlog_daily: pl.DataFrame
    kpi_sla_daily: pl.DataFrame


def dimensions() -> dict[str, pl.DataFrame]:
    """The dimensions that the domain fixes, by table name; codes are numbered in the order of the vocabulary."""
    coded = {
        f"dim_{name}": pl.DataFrame(
            {
                f"{name}_key": range(1, len(codes) + 1),
                f"{name}_code": codes,
                "name": [vocabulary.NAMES_ES[code] for code in codes],
            },
            schema_overrides={f"{name}_key": KEY},
        )
        for name, codes in _CODES.items()
    }
    geo = places().select(pl.col("municipality_code").cast(pl.Int32).alias("geo_key"), pl.all())
    return {**coded, "dim_geo": geo}


def of_bucket(tickets: pl.LazyFrame, status_events: pl.LazyFrame, as_of: date) -> BucketGold:
    """The terms of the tickets of whole buckets on the day ``as_of``, and what they count for.

    Args:
        tickets: as in ``silver.TICKETS``.
        status_events: as in ``silver.STATUS_EVENTS``, of the same buckets.
        as_of: the day on which states are told.

    Raises:
        ValueError: a day is outside the calendar.
    """
    created = (
        tickets.sort("ticket_id")
        .with_row_index("ticket")
        .with_columns(
            *(_key(name, codes) for name, codes in _CODES.items()),
            pl.col("municipality_code").cast(pl.Int32).alias("geo_key"),
        )
        .collect()
    )
    valid = _valid(status_events, created)
    terms = _terms(created, valid, as_of)
    return BucketGold(
        _fact_ticket(created, terms),
        _fact_term(terms),
        _volume(created, valid, terms),
        _backlog_changes(created, valid),
        _sla(terms),
    )


def span(volume: pl.DataFrame, sla: pl.DataFrame) -> tuple[date, date] | None:
    """The first and the last of all received, start and due days: those of ``dim_date``. None without tickets.

    A ticket is received on or before its terms start, and they are due after that.
    """
    first, last = volume.filter(pl.col("received") > 0)["day"].min(), sla["day"].max()
    return (first, last) if isinstance(first, date) and isinstance(last, date) else None


def combine(
    volume: pl.DataFrame, backlog_changes: pl.DataFrame, sla: pl.DataFrame, days: tuple[date, date] | None, as_of: date
) -> CombinedGold:
    """The calendar and the KPIs of the whole lake.

    Args:
        volume: what ``of_bucket`` counted, of all buckets one after the other; so are the next two.
        backlog_changes: see there.
        sla: see there.
        days: what ``span`` says of these.
        as_of: as given to ``of_bucket``.

    Raises:
        ValueError: a day is outside the calendar.
    """
    first, last = days or (as_of, as_of)
    return CombinedGold(
        _dim_date(min(first, as_of), max(last, as_of)),
        _keyed(_added(volume, "channel_key", "pqrs_type_key")),
        _keyed(_backlog(backlog_changes, volume, as_of)),
        _keyed(_added(sla, "pqrs_type_key")),
    )


# Terms


def _valid(status_events: pl.LazyFrame, created: pl.DataFrame) -> pl.DataFrame:
    """The valid status events in order, each with the number of the term that owns it (or that it opens)."""
    reopenings = (pl.col("to_status") == "REOPENED").cum_sum().over("ticket")
    return (
        status_events.filter(pl.col("rejection").is_null())
        .select("ticket_id", "seq", "ts", "to_status", day_of(pl.col("ts")).alias("day"))
        .join(created.lazy().select("ticket_id", "ticket", "channel_key", "pqrs_type_key"), on="ticket_id")
        .sort("ticket", "seq")
        .with_columns((1 + reopenings).cast(COUNT).alias("term_no"))
        .collect()
    )


def _terms(created: pl.DataFrame, valid: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """All terms, by ticket and number, with the columns of FACT_TERM (days in place of keys) and of their tickets."""
    term = ["ticket", "term_no"]
    opened = pl.concat(
        [
            created.select("ticket", pl.lit(1, COUNT).alias("term_no"), pl.col("received_at").alias("opened_at")),
            valid.filter(pl.col("to_status") == "REOPENED").select(*term, pl.col("ts").alias("opened_at")),
        ]
    ).sort(term)
    opened_day = day_of(pl.col("opened_at"))
    terms = opened.join(
        created.select("ticket", "ticket_id", "pqrs_type", "petition_kind", "channel_key", "pqrs_type_key"),
        on="ticket",
        how="left",
        maintain_order="left",
    ).with_columns(
        opened_day.map_batches(roll, pl.Date()).alias("start_day"),
        term_days(pl.col("pqrs_type"), pl.col("petition_kind"), opened_day).cast(COUNT).alias("term_days"),
    )
    responses = (
        valid.filter(pl.col("to_status") == "RESPONDED")
        .group_by(term)
        .agg(pl.col("seq").min().alias("response_seq"), pl.col("ts").min().alias("responded_at"))
    )
    terms = terms.join(responses, on=term, how="left", maintain_order="left")
    terms = terms.join(_pauses(terms, valid, as_of), on=term, how="left", maintain_order="left").with_columns(
        pl.col("paused_days").fill_null(0), pl.col("is_suspended").fill_null(value=False)
    )
    responded_day, due_day = day_of(pl.col("responded_at")), pl.col("due_day")
    start, paused = _through(pl.col("start_day")), pl.col("paused_days")
    return terms.with_columns(
        (start + pl.col("term_days") + paused).map_batches(nth_business_day, pl.Date()).alias("due_day"),
        pl.when(responded_day.is_not_null())
        .then(_through(pl.max_horizontal(responded_day, "start_day")) - start - paused)
        .alias("business_days_to_response"),
    ).with_columns(
        pl.when(responded_day <= due_day)
        .then(pl.lit("MET"))
        .when(responded_day > due_day)
        .then(pl.lit("LATE"))
        .when("is_suspended")
        .then(pl.lit("SUSPENDED"))
        .when(due_day >= as_of)
        .then(pl.lit("PENDING"))
        .otherwise(pl.lit("OVERDUE"))
        .alias("state")
    )


def _pauses(terms: pl.DataFrame, valid: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """By term that was held: the business days that do not count, and whether it stands still on ``as_of``.

    A hold begins after those before it have ended, so once the term has run out none counts any more: that all earlier
    pauses may be added up here, the counting ones and the others, changes no verdict.
    """
    term = ["ticket", "term_no"]
    next_day = pl.col("day").shift(-1).over("ticket").alias("next_day")
    begins = _through(pl.max_horizontal("day", "start_day"))
    ends = _through(pl.max_horizontal(pl.col("next_day").fill_null(as_of), "day", "start_day"))
    paused_before = pl.col("pause").cum_sum().over(term) - pl.col("pause")
    return (
        valid.with_columns(next_day)
        .filter(pl.col("to_status") == "ON_HOLD")
        .join(terms.select(*term, "start_day", "term_days", "response_seq"), on=term, maintain_order="left")
        .filter(pl.col("response_seq").is_null() | (pl.col("seq") < pl.col("response_seq")))
        .with_columns((ends - begins).alias("pause"))
        .filter(begins - _through(pl.col("start_day")) - paused_before < pl.col("term_days"))
        .group_by(term)
        .agg(pl.col("pause").sum().alias("paused_days"), pl.col("next_day").is_null().any().alias("is_suspended"))
    )


def _through(day: pl.Expr) -> pl.Expr:
    return day.map_batches(business_days_through, pl.Int32())


# The star


def _fact_ticket(created: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    of_term = ("due_day", "responded_at", "term_no", "term_days", "paused_days", "business_days_to_response")
    last = terms.unique("ticket", keep="last", maintain_order=True)
    return (
        created.join(
            last.select("ticket", *of_term, pl.col("state").alias("sla_state")),
            on="ticket",
            how="left",
            maintain_order="left",
        )
        .with_columns(
            _date_key(pl.col("received_day")).alias("received_date_key"),
            _date_key(pl.col("due_day")).alias("due_date_key"),
        )
        .select(FACT_TICKET.names())
    )


def _fact_term(terms: pl.DataFrame) -> pl.DataFrame:
    return terms.with_columns(
        _date_key(pl.col("start_day")).alias("start_date_key"), _date_key(pl.col("due_day")).alias("due_date_key")
    ).select(FACT_TERM.names())


def _key(name: str, codes: tuple[str, ...]) -> pl.Expr:
    return pl.col(name).replace_strict(codes, range(1, len(codes) + 1), return_dtype=KEY).alias(f"{name}_key")


def _date_key(day: pl.Expr) -> pl.Expr:
    """yyyymmdd as a number."""
    return (day.dt.year() * 10_000 + day.dt.month().cast(pl.Int32) * 100 + day.dt.day()).cast(pl.Int32)


def _dim_date(first: date, last: date) -> pl.DataFrame:
    days = pl.date_range(date(first.year, 1, 1), date(last.year, 12, 31), eager=True).alias("day")
    calendar = {
        "date": days,
        "year": days.dt.year(),
        "quarter": days.dt.quarter(),
        "month": days.dt.month(),
        "month_day": days.dt.day(),
        "iso_weekday": days.dt.weekday(),
        "is_holiday": is_holiday(days),
        "is_business_day": is_business_day(days),
    }
    return pl.DataFrame({"date_key": pl.select(_date_key(pl.lit(days))).to_series(), **calendar}, schema=DIM_DATE)


# What counts by day


def _volume(created: pl.DataFrame, valid: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    responded_day = day_of(pl.col("responded_at"))
    happened = {
        "received": created.select(pl.col("received_day").alias("day"), "channel_key", "pqrs_type_key"),
        "responded": terms.select(responded_day.alias("day"), "channel_key", "pqrs_type_key").drop_nulls("day"),
        "closed": valid.filter(pl.col("to_status") == "CLOSED").select("day", "channel_key", "pqrs_type_key"),
    }
    counted = [
        days.with_columns(pl.lit(int(name == column), COUNT).alias(column) for column in happened)
        for name, days in happened.items()
    ]
    return _added(pl.concat(counted), "channel_key", "pqrs_type_key")


def _backlog_changes(created: pl.DataFrame, valid: pl.DataFrame) -> pl.DataFrame:
    columns = ["ticket", "pqrs_type_key", "day", "to_status"]
    at_end_of_day = (
        pl.concat(
            [
                created.select(
                    "ticket", "pqrs_type_key", pl.col("received_day").alias("day"), pl.lit(INITIAL).alias("to_status")
                ),
                valid.select(columns),
            ]
        )
        .unique(["ticket", "day"], keep="last", maintain_order=True)
        .sort("ticket", "day")
        .with_columns(pl.col("to_status").is_in(CLOSED_STATES).not_().alias("is_open"))
    )
    was_open = pl.col("is_open").shift().over("ticket").fill_null(value=False)
    changes = at_end_of_day.select(
        "day",
        "pqrs_type_key",
        (pl.col("is_open") & ~was_open).cast(COUNT).alias("opened"),
        (~pl.col("is_open") & was_open).cast(COUNT).alias("closed"),
    )
    return _added(changes.filter(pl.col("opened") + pl.col("closed") > 0), "pqrs_type_key")


def _sla(terms: pl.DataFrame) -> pl.DataFrame:
    states = {name: name.upper() for name in SLA.names()[3:]}
    return _added(
        terms.select(
            pl.col("due_day").alias("day"),
            "pqrs_type_key",
            pl.lit(1, COUNT).alias("due"),
            *((pl.col("state") == state).cast(COUNT).alias(name) for name, state in states.items()),
        ),
        "pqrs_type_key",
    )


def _backlog(changes: pl.DataFrame, volume: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Every day from the first received day to ``as_of``, all types; what changed later is not yet."""
    first = volume.filter(pl.col("received") > 0)["day"].min()
    days = (
        pl.date_range(first, as_of, eager=True).alias("day")
        if isinstance(first, date)
        else pl.Series("day", [], pl.Date)
    )
    types = dimensions()["dim_pqrs_type"].select("pqrs_type_key")
    return (
        pl.DataFrame(days)
        .join(types, how="cross")
        .join(_added(changes, "pqrs_type_key"), on=["day", "pqrs_type_key"], how="left", maintain_order="left")
        .with_columns(pl.col("opened", "closed").fill_null(0))
        .with_columns((pl.col("opened") - pl.col("closed")).cum_sum().over("pqrs_type_key").alias("open_at_end"))
    )


def _added(counts: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """The sums of all counts by day and keys, in their order."""
    return counts.group_by("day", *keys).agg(pl.exclude("day", *keys).sum()).sort("day", *keys)


def _keyed(by_day: pl.DataFrame) -> pl.DataFrame:
    return by_day.select(_date_key(pl.col("day")).alias("date_key"), pl.exclude("day"))
