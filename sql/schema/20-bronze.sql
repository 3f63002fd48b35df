-- bronze: events as they arrived. They live in the object store; here is the register of what is there,
-- and every line that could not be read, with its reason.

CREATE SCHEMA IF NOT EXISTS bronze;
COMMENT ON SCHEMA bronze IS 'Bronze layer: register of the event files in the object store, and quarantined lines';

CREATE TABLE IF NOT EXISTS bronze.event_batch (
    uri             text        PRIMARY KEY,
    quarantine_uri  text,
    run_id          text        NOT NULL REFERENCES meta.etl_run,
    day             date        NOT NULL,
    part            integer     NOT NULL CHECK (part >= 0),
    source_channels text[]      NOT NULL CHECK (cardinality(source_channels) > 0),
    source_files    integer     NOT NULL CHECK (source_files > 0),
    rows            bigint      NOT NULL CHECK (rows >= 0),
    quarantined     bigint      NOT NULL CHECK (quarantined >= 0),
    bytes           bigint      NOT NULL CHECK (bytes >= 0),
    sha256          text        NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    bucket_rows     bigint[]    NOT NULL,
    min_ts          timestamptz,
    max_ts          timestamptz,
    ingested_at     timestamptz NOT NULL,
    UNIQUE (run_id, day, part),
    CHECK ((quarantined = 0) = (quarantine_uri IS NULL)),
    CHECK ((rows = 0) = (min_ts IS NULL)),
    CHECK (min_ts <= max_ts)
);
CREATE INDEX IF NOT EXISTS event_batch_day ON bronze.event_batch (day);
COMMENT ON TABLE bronze.event_batch IS 'One row per Parquet file of bronze events; a file that is not here is not in bronze yet';
COMMENT ON COLUMN bronze.event_batch.uri IS 'The Parquet file';
COMMENT ON COLUMN bronze.event_batch.quarantine_uri IS 'The Parquet file of the lines of the same raw files that were quarantined; null when there are none';
COMMENT ON COLUMN bronze.event_batch.run_id IS 'Run that wrote it';
COMMENT ON COLUMN bronze.event_batch.day IS 'Day of arrival';
COMMENT ON COLUMN bronze.event_batch.part IS 'Number of the file within its run and day';
COMMENT ON COLUMN bronze.event_batch.source_channels IS 'Channel systems that delivered its raw files';
COMMENT ON COLUMN bronze.event_batch.source_files IS 'How many raw files it was made from';
COMMENT ON COLUMN bronze.event_batch.rows IS 'Events in the file';
COMMENT ON COLUMN bronze.event_batch.quarantined IS 'Lines of the same raw files that were quarantined';
COMMENT ON COLUMN bronze.event_batch.bytes IS 'Size of the file';
COMMENT ON COLUMN bronze.event_batch.sha256 IS 'SHA-256 of the file';
COMMENT ON COLUMN bronze.event_batch.bucket_rows IS 'Events per ticket bucket; the first is bucket 0';
COMMENT ON COLUMN bronze.event_batch.min_ts IS 'Earliest event; null without events';
COMMENT ON COLUMN bronze.event_batch.max_ts IS 'Latest event; null without events';
COMMENT ON COLUMN bronze.event_batch.ingested_at IS 'Start of the run';

CREATE TABLE IF NOT EXISTS bronze.quarantined_event (
    source_file    text        NOT NULL,
    line_no        bigint      NOT NULL CHECK (line_no > 0),
    run_id         text        NOT NULL REFERENCES meta.etl_run,
    source_channel text        NOT NULL,
    day            date        NOT NULL,
    reason         text        NOT NULL CHECK (reason IN (
        'invalid_encoding', 'empty_line', 'invalid_json', 'not_an_object', 'missing_field', 'wrong_type',
        'invalid_identifier', 'unknown_event_type', 'invalid_timestamp', 'timestamp_out_of_range',
        'incomplete_data', 'wrong_data_type', 'invalid_value', 'unknown_place'
    )),
    raw            text        NOT NULL,
    ingested_at    timestamptz NOT NULL,
    PRIMARY KEY (source_file, line_no)
);
CREATE INDEX IF NOT EXISTS quarantined_event_run_id ON bronze.quarantined_event (run_id);
CREATE INDEX IF NOT EXISTS quarantined_event_day ON bronze.quarantined_event (day);
COMMENT ON TABLE bronze.quarantined_event IS 'Every raw line that is no event, with the first reason that applies';
COMMENT ON COLUMN bronze.quarantined_event.source_file IS 'Raw file';
COMMENT ON COLUMN bronze.quarantined_event.line_no IS 'Line within it, from 1';
COMMENT ON COLUMN bronze.quarantined_event.run_id IS 'Run that read it';
COMMENT ON COLUMN bronze.quarantined_event.source_channel IS 'Channel system that delivered the file';
COMMENT ON COLUMN bronze.quarantined_event.day IS 'Day of arrival';
COMMENT ON COLUMN bronze.quarantined_event.reason IS 'Why it is no event';
COMMENT ON COLUMN bronze.quarantined_event.raw IS 'The line; a NUL character, which PostgreSQL cannot store, is shown as U+2400';
COMMENT ON COLUMN bronze.quarantined_event.ingested_at IS 'Start of the run';
