"""Events per second of the layers and of the same job written in SQL for DuckDB, in one run, results compared.

    python benchmarks/layers_vs_duckdb.py [--events 200000] [--rounds 3]        (needs the package duckdb)

The job: raw lines in memory, dirt and all, to typed events, to tickets, to facts and daily counts, in memory. Both
engines have one thread. The SQL says only whether a line is an event, not what is wrong with it; where the two disagree
about a line, its ticket is left out of the comparison and counted.
"""

from __future__ import annotations

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # before Polars is imported

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import polars as pl
from polars.testing import assert_frame_equal

from pqrs_lakehouse.domain.business_days import FIRST_DAY, LAST_DAY, business_days_through, roll
from pqrs_lakehouse.domain.lifecycle import TRANSITIONS
from pqrs_lakehouse.domain.places import municipality_codes
from pqrs_lakehouse.domain.sla import TERMS
from pqrs_lakehouse.domain.vocabulary import STATUSES
from pqrs_lakehouse.generator import GeneratorConfig, generate
from pqrs_lakehouse.layers import bronze, gold, silver

try:
    import duckdb
except ImportError:
    raise SystemExit("this benchmark needs the package duckdb: pip install duckdb") from None

T = TypeVar("T")
FIRST, LAST = date(2026, 1, 1), date(2026, 3, 31)

BRONZE = """
CREATE TABLE read AS
SELECT line_no, source_file, day, text,
    json_extract_string(text, ['$.event_id', '$.ticket_id', '$.event_type', '$.ts']) AS v,
    json_type(text, ['$.event_id', '$.ticket_id', '$.event_type', '$.ts', '$.data']) AS k,
    json_extract_string(text, ['$.data.channel', '$.data.pqrs_type', '$.data.petition_kind', '$.data.priority',
        '$.data.municipality_code', '$.data.from_status', '$.data.to_status', '$.data.author_role', '$.data.body',
        '$.data.filename', '$.data.size_bytes']) AS d,
    json_type(text, ['$.data.channel', '$.data.pqrs_type', '$.data.petition_kind', '$.data.priority',
        '$.data.municipality_code', '$.data.from_status', '$.data.to_status', '$.data.author_role', '$.data.body',
        '$.data.filename', '$.data.size_bytes']) AS t
FROM (SELECT *, TRY(decode(line)) AS text FROM raw_lines) WHERE json_valid(text) AND json_type(text) = 'OBJECT';

CREATE TABLE typed AS
SELECT line_no, source_file, text, day, v[1] AS event_id, v[2] AS ticket_id, v[3] AS event_type,
    CASE WHEN regexp_full_match(v[4], '[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]' ||
        '([.][0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])') THEN TRY_CAST(v[4] AS TIMESTAMPTZ) END AS ts,
    d[1] AS channel, d[2] AS pqrs_type, CASE WHEN d[2] = 'P' THEN d[3] END AS petition_kind, d[4] AS priority,
    d[5] AS municipality_code, d[6] AS from_status, d[7] AS to_status, d[8] AS author_role, d[9] AS body,
    d[10] AS filename, CASE WHEN t[11] IN ('BIGINT', 'UBIGINT') THEN TRY_CAST(d[11] AS BIGINT) END AS size_bytes, t
FROM read
WHERE k[1] = 'VARCHAR' AND k[2] = 'VARCHAR' AND k[3] = 'VARCHAR' AND k[4] = 'VARCHAR' AND k[5] = 'OBJECT'
    AND length(v[1]) BETWEEN 1 AND 64 AND length(v[2]) BETWEEN 1 AND 64;

CREATE TABLE bronze AS
SELECT *, CAST(ts AT TIME ZONE 'UTC' - INTERVAL 5 HOUR AS DATE) AS happened FROM typed
WHERE CAST(ts AT TIME ZONE 'UTC' - INTERVAL 5 HOUR AS DATE) BETWEEN DATE '2000-01-01' AND day AND CASE event_type
    WHEN 'TICKET_CREATED' THEN t[1] = 'VARCHAR' AND t[2] = 'VARCHAR' AND t[4] = 'VARCHAR' AND t[5] = 'VARCHAR'
        AND channel IN ('email', 'webform', 'chat', 'call', 'other_digital') AND pqrs_type IN ('P', 'Q', 'R', 'S')
        AND priority IN ('alta', 'media', 'baja') AND municipality_code IN (SELECT code FROM places)
        AND (pqrs_type <> 'P' OR t[3] = 'VARCHAR' AND petition_kind IN ('general', 'information', 'consultation'))
    WHEN 'MESSAGE_ADDED' THEN t[8] = 'VARCHAR' AND t[9] = 'VARCHAR' AND author_role IN ('citizen', 'agent', 'system')
    WHEN 'STATUS_CHANGED' THEN t[6] = 'VARCHAR' AND t[7] = 'VARCHAR'
        AND from_status IN (SELECT status FROM statuses) AND to_status IN (SELECT status FROM statuses)
    WHEN 'ATTACHMENT_ADDED' THEN t[10] = 'VARCHAR' AND filename <> '' AND size_bytes BETWEEN 0 AND 9007199254740992
    ELSE FALSE END;
"""

SILVER = """
CREATE TABLE events AS
SELECT * EXCLUDE (text, t) FROM bronze QUALIFY
    row_number() OVER (PARTITION BY ticket_id, event_id ORDER BY ts, text, source_file, line_no) = 1;

CREATE TABLE creations AS
SELECT * FROM events WHERE event_type = 'TICKET_CREATED'
QUALIFY row_number() OVER (PARTITION BY ticket_id ORDER BY ts, event_id) = 1;

CREATE TABLE messages AS
SELECT event_id, ticket_id, ts, author_role, body FROM events WHERE event_type = 'MESSAGE_ADDED';

CREATE TABLE judged AS
SELECT e.event_id, e.ticket_id, e.ts, e.happened, e.from_status, e.to_status,
    row_number() OVER (PARTITION BY e.ticket_id ORDER BY e.ts, e.event_id) AS seq,
    CASE WHEN c.ticket_id IS NULL THEN 'no_creation' WHEN e.ts < c.ts THEN 'before_creation'
        WHEN (e.from_status, e.to_status) NOT IN (SELECT (before, after) FROM transitions) THEN 'not_allowed'
        END AS rejection
FROM events e LEFT JOIN creations c USING (ticket_id) WHERE e.event_type = 'STATUS_CHANGED';

CREATE TABLE status_events AS
SELECT event_id, ticket_id, seq, ts, from_status, to_status, rejection,
    CASE WHEN rejection IS NULL THEN from_status = coalesce(lag(to_status)
        OVER (PARTITION BY ticket_id, rejection IS NULL ORDER BY seq), 'RECEIVED') END AS contiguous
FROM judged;

CREATE TABLE tickets AS
WITH life AS (
    SELECT ticket_id, arg_max(to_status, seq) AS status, arg_max(ts, seq) AS status_at,
        min(ts) FILTER (to_status = 'RESPONDED') AS first_responded_at,
        max(ts) FILTER (to_status = 'CLOSED') AS closed_at,
        count(*) FILTER (to_status = 'REOPENED') AS reopen_count
    FROM status_events WHERE rejection IS NULL GROUP BY ticket_id),
content AS (
    SELECT ticket_id, count(*) FILTER (event_type = 'MESSAGE_ADDED') AS message_count,
        count(*) FILTER (event_type = 'ATTACHMENT_ADDED') AS attachment_count,
        coalesce(sum(size_bytes), 0) AS attachment_bytes, max(ts) AS last_event_at
    FROM events GROUP BY ticket_id)
SELECT c.ticket_id, c.channel, c.pqrs_type, c.petition_kind, c.priority, c.municipality_code, c.ts AS received_at,
    c.happened AS received_day, coalesce(l.status, 'RECEIVED') AS status, coalesce(l.status_at, c.ts) AS status_at,
    l.first_responded_at, CASE WHEN l.status IN ('CLOSED', 'ARCHIVED') THEN l.closed_at END AS closed_at,
    n.message_count, n.attachment_count, n.attachment_bytes, coalesce(l.reopen_count, 0) AS reopen_count,
    n.last_event_at
FROM creations c LEFT JOIN life l USING (ticket_id) JOIN content n USING (ticket_id);
"""

GOLD = """
CREATE TABLE valid AS
SELECT ticket_id, seq, ts, happened, to_status,
    1 + count(*) FILTER (to_status = 'REOPENED') OVER (PARTITION BY ticket_id ORDER BY seq) AS term_no,
    lead(happened) OVER (PARTITION BY ticket_id ORDER BY seq) AS next_day
FROM judged WHERE rejection IS NULL;

CREATE TABLE opened AS
WITH openings AS (
    SELECT ticket_id, 1 AS term_no, received_at AS opened_at, received_day AS opened_day FROM tickets
    UNION ALL SELECT ticket_id, term_no, ts, happened FROM valid WHERE to_status = 'REOPENED'),
responses AS (
    SELECT ticket_id, term_no, min(seq) AS response_seq, min(ts) AS responded_at, min(happened) AS responded_day
    FROM valid WHERE to_status = 'RESPONDED' GROUP BY ALL)
SELECT o.ticket_id, o.term_no, o.opened_at, t.channel, t.pqrs_type, c.roll AS start_day, s.b AS start_b,
    l.business_days AS term_days, r.response_seq, r.responded_at, r.responded_day
FROM openings o JOIN tickets t USING (ticket_id) LEFT JOIN responses r USING (ticket_id, term_no)
    JOIN calendar c ON c.day = o.opened_day JOIN calendar s ON s.day = c.roll
    JOIN lengths l ON l.pqrs_type = t.pqrs_type AND l.petition_kind IS NOT DISTINCT FROM t.petition_kind
        AND o.opened_day BETWEEN l.valid_from AND l.valid_to;

CREATE TABLE fact_term AS
WITH holds AS (
    SELECT o.ticket_id, o.term_no, o.start_b, o.term_days, v.seq, v.next_day, b.b AS begins, e.b - b.b AS pause,
        coalesce(sum(e.b - b.b) OVER (PARTITION BY o.ticket_id, o.term_no ORDER BY v.seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS paused_before
    FROM valid v JOIN opened o USING (ticket_id, term_no)
        JOIN calendar b ON b.day = greatest(v.happened, o.start_day)
        JOIN calendar e ON e.day = greatest(coalesce(v.next_day, getvariable('as_of')), o.start_day)
    WHERE v.to_status = 'ON_HOLD' AND (o.response_seq IS NULL OR v.seq < o.response_seq)),
pauses AS (
    SELECT ticket_id, term_no, sum(pause) AS paused_days, bool_or(next_day IS NULL) AS is_suspended
    FROM holds WHERE begins - start_b - paused_before < term_days GROUP BY ALL),
due AS (
    SELECT o.*, coalesce(p.paused_days, 0) AS paused_days, coalesce(p.is_suspended, FALSE) AS is_suspended,
        n.day AS due_day
    FROM opened o LEFT JOIN pauses p USING (ticket_id, term_no)
        JOIN business_days n ON n.b = o.start_b + o.term_days + coalesce(p.paused_days, 0))
SELECT ticket_id, term_no, opened_at, start_day, term_days, paused_days, due_day, responded_at, channel, pqrs_type,
    responded_day, CASE WHEN responded_day <= due_day THEN 'MET' WHEN responded_day > due_day THEN 'LATE'
        WHEN is_suspended THEN 'SUSPENDED' WHEN due_day >= getvariable('as_of') THEN 'PENDING' ELSE 'OVERDUE'
        END AS state,
    r.b - start_b - paused_days AS business_days_to_response
FROM due LEFT JOIN calendar r ON r.day = greatest(responded_day, start_day) AND responded_day IS NOT NULL;

CREATE TABLE fact_ticket AS
SELECT t.*, f.due_day, f.responded_at, f.term_no, f.term_days, f.paused_days, f.state AS sla_state,
    f.business_days_to_response
FROM tickets t JOIN fact_term f ON f.ticket_id = t.ticket_id AND f.term_no = t.reopen_count + 1;

CREATE TABLE volume AS
WITH happenings AS (
    SELECT received_day AS day, channel, pqrs_type, 1 AS received, 0 AS responded, 0 AS closed FROM tickets
    UNION ALL SELECT responded_day, channel, pqrs_type, 0, 1, 0 FROM fact_term WHERE responded_day IS NOT NULL
    UNION ALL SELECT happened, channel, pqrs_type, 0, 0, 1 FROM valid JOIN tickets USING (ticket_id)
        WHERE to_status = 'CLOSED')
SELECT day, channel, pqrs_type, sum(received) AS received, sum(responded) AS responded, sum(closed) AS closed
FROM happenings GROUP BY ALL;

CREATE TABLE backlog_changes AS
WITH statuses_of_days AS (
    SELECT ticket_id, received_day AS day, 0 AS seq, 'RECEIVED' AS status FROM tickets
    UNION ALL SELECT ticket_id, happened, seq, to_status FROM valid),
ends_of_days AS (
    SELECT ticket_id, day, arg_max(status, seq) NOT IN ('CLOSED', 'ARCHIVED') AS is_open
    FROM statuses_of_days GROUP BY ALL),
changes AS (
    SELECT ticket_id, day, is_open, coalesce(lag(is_open) OVER (PARTITION BY ticket_id ORDER BY day), FALSE) AS was_open
    FROM ends_of_days)
SELECT day, pqrs_type, count(*) FILTER (is_open) AS opened, count(*) FILTER (was_open) AS closed
FROM changes JOIN tickets USING (ticket_id) WHERE is_open <> was_open GROUP BY ALL;

CREATE TABLE sla AS
SELECT due_day AS day, pqrs_type, count(*) AS due, count(*) FILTER (state = 'MET') AS met,
    count(*) FILTER (state = 'LATE') AS late, count(*) FILTER (state = 'PENDING') AS pending,
    count(*) FILTER (state = 'OVERDUE') AS overdue, count(*) FILTER (state = 'SUSPENDED') AS suspended
FROM fact_term GROUP BY ALL;
"""


TERM = (
    "ticket_id",
    "term_no",
    "opened_at",
    "start_day",
    "term_days",
    "paused_days",
    "due_day",
    "responded_at",
    "state",
)
TICKET = (
    "ticket_id",
    "status",
    "received_at",
    "closed_at",
    "message_count",
    "attachment_count",
    "sla_state",
    "term_no",
)


class Job(NamedTuple):
    """What both engines start from."""

    lines: pl.DataFrame
    as_of: date


class Outcome(NamedTuple):
    """Seconds of processor time by stage, and what is compared."""

    seconds: dict[str, float]
    fit: pl.DataFrame  # source_file, line_no and ticket_id of each row of bronze
    terms: pl.DataFrame  # TERM
    tickets: pl.DataFrame  # TICKET


def make(events: int) -> Job:
    config = GeneratorConfig.for_events(events, seed=7, start=FIRST, end=LAST)
    files = [
        pl.DataFrame({"line": delivery.lines}).select(
            pl.lit(f"{delivery.source}/{delivery.day}").alias("source_file"),
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("line_no"),
            pl.lit(delivery.source).alias("source_channel"),
            pl.lit(delivery.day).alias("day"),
            "line",
        )
        for delivery in generate(config)
    ]
    return Job(pl.concat(files, rechunk=True), LAST)


def timed(seconds: dict[str, float], stage: str, work: Callable[[], T]) -> T:
    """By processor time, which neighbours on the machine do not change much."""
    start = time.process_time()
    result = work()
    seconds[stage] = time.process_time() - start
    return result


def ours(job: Job, _: Path) -> Outcome:
    started = datetime(2026, 4, 1, tzinfo=UTC)
    seconds: dict[str, float] = {}
    rows = timed(
        seconds, "bronze", lambda: bronze.split(job.lines, run_id="run", ingested_at=started, buckets=16)
    ).bronze
    tables = timed(seconds, "silver", lambda: silver.build(rows.lazy()))
    facts = timed(seconds, "gold", lambda: gold.of_bucket(tables.tickets, tables.status_events, job.as_of))
    statuses = gold.dimensions()["dim_status"].rename({"status_code": "status"})
    return Outcome(
        seconds,
        rows.select("source_file", "line_no", "ticket_id"),
        facts.fact_term.with_columns(
            pl.col(f"{name}_date_key").cast(pl.String).str.to_date("%Y%m%d").alias(f"{name}_day")
            for name in ("start", "due")
        ).select(TERM),
        facts.fact_ticket.join(statuses, on="status_key").select(TICKET),
    )


def theirs(job: Job, folder: Path) -> Outcome:
    """The peer. Frames go in and out as Parquet files, outside of the time that counts."""
    days = pl.date_range(FIRST_DAY, LAST_DAY, eager=True)
    numbers = business_days_through(days)
    tables = {
        "raw_lines": job.lines,
        "calendar": pl.DataFrame({"day": days, "b": numbers, "roll": roll(days)}),
        "business_days": pl.DataFrame({"b": numbers, "day": days}).unique("b", keep="first", maintain_order=True),
        "lengths": pl.DataFrame(TERMS).with_columns(
            pl.col("valid_from").fill_null(FIRST_DAY), pl.col("valid_to").fill_null(LAST_DAY)
        ),
        "places": pl.DataFrame({"code": municipality_codes()}),
        "statuses": pl.DataFrame({"status": STATUSES}),
        "transitions": pl.DataFrame(TRANSITIONS, schema=["before", "after"], orient="row"),
    }
    with duckdb.connect(config={"threads": 1}) as connection:
        for name, table in tables.items():
            table.write_parquet(folder / f"{name}.parquet")
            connection.read_parquet(str(folder / f"{name}.parquet")).create(name)
        connection.execute("SET VARIABLE as_of = $as_of", {"as_of": job.as_of})
        seconds: dict[str, float] = {}
        for stage, sql in (("bronze", BRONZE), ("silver", SILVER), ("gold", GOLD)):
            timed(seconds, stage, partial(connection.execute, sql))

        def read(name: str) -> pl.DataFrame:
            connection.table(name).write_parquet(str(folder / f"out-{name}.parquet"))
            return pl.read_parquet(folder / f"out-{name}.parquet")

        return Outcome(
            seconds,
            read("bronze").select("source_file", "line_no", "ticket_id"),
            read("fact_term").select(TERM),
            read("fact_ticket").select(TICKET),
        )


def compare(our: Outcome, their: Outcome) -> str:
    """That both found the same, in words.

    Raises:
        AssertionError: they did not, for a ticket of which both took the same lines for events.
    """
    only_ours = our.fit.join(their.fit, on=["source_file", "line_no"], how="anti")
    only_theirs = their.fit.join(our.fit, on=["source_file", "line_no"], how="anti")
    apart = pl.concat([only_ours, only_theirs]).select("ticket_id").unique()
    for mine, other in ((our.terms, their.terms), (our.tickets, their.tickets)):
        shared = [table.join(apart, on="ticket_id", how="anti").sort("ticket_id", "term_no") for table in (mine, other)]
        assert_frame_equal(*shared, check_dtypes=False)
    return f"equal: {our.fit.height:,} events, {our.terms.height:,} terms; left out: {apart.height:,} tickets"


def main() -> None:
    parser = argparse.ArgumentParser(description="Events per second of the layers against DuckDB.")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3, help="medians are of so many")
    options = parser.parse_args()

    engines = {"pqrs_lakehouse": ours, "duckdb": theirs}
    job = make(options.events)
    rounds: dict[str, list[Outcome]] = {name: [] for name in engines}
    with tempfile.TemporaryDirectory() as folder:
        for work in engines.values():
            work(Job(job.lines.head(1_000), job.as_of), Path(folder))  # loads what is loaded once
        for _ in range(options.rounds):  # in turns, so that all meet the same weather
            for name, work in engines.items():
                rounds[name].append(work(job, Path(folder)))

    sys.stdout.write(compare(rounds["pqrs_lakehouse"][0], rounds["duckdb"][0]) + "\n")
    stages = {stage: [stage] for stage in ("bronze", "silver", "gold")} | {"all": ["bronze", "silver", "gold"]}
    sys.stdout.write(f"{'stage':<10}{'ours, events/s':>16}{'DuckDB, events/s':>18}{'ours is':>10}\n")
    for stage, parts in stages.items():
        rates = {
            name: job.lines.height / statistics.median(sum(one.seconds[part] for part in parts) for one in outcomes)
            for name, outcomes in rounds.items()
        }
        ratio = rates["pqrs_lakehouse"] / rates["duckdb"]
        sys.stdout.write(f"{stage:<10}{rates['pqrs_lakehouse']:>16,.0f}{rates['duckdb']:>18,.0f}{ratio:>9.2f}x\n")


if __name__ == "__main__":
    main()
