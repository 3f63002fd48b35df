-- meta: what ran, on what, with what result. The pipeline writes it, people and checks read it.

CREATE SCHEMA IF NOT EXISTS meta;
COMMENT ON SCHEMA meta IS 'Control plane: runs, datasets, lineage and data quality';

CREATE TABLE IF NOT EXISTS meta.etl_run (
    run_id      text        PRIMARY KEY CHECK (run_id <> ''),
    pipeline    text        NOT NULL,
    status      text        NOT NULL CHECK (status IN ('RUNNING', 'SUCCESS', 'FAILED')),
    as_of       date,
    seed        bigint,
    config_hash text,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    error       text,
    parameters  jsonb       NOT NULL DEFAULT '{}',
    CHECK (finished_at >= started_at),
    CHECK ((status = 'RUNNING') = (finished_at IS NULL)),
    CHECK ((status = 'FAILED') = (error IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS etl_run_started_at ON meta.etl_run (started_at);
CREATE INDEX IF NOT EXISTS etl_run_status ON meta.etl_run (status);
COMMENT ON TABLE meta.etl_run IS 'One row per run of a pipeline; running again under the same run_id updates its row';
COMMENT ON COLUMN meta.etl_run.run_id IS 'Identity of the run, also the name of its raw delivery';
COMMENT ON COLUMN meta.etl_run.pipeline IS 'Name of the pipeline';
COMMENT ON COLUMN meta.etl_run.status IS 'RUNNING, SUCCESS or FAILED';
COMMENT ON COLUMN meta.etl_run.as_of IS 'Day on which the states of the terms are told';
COMMENT ON COLUMN meta.etl_run.seed IS 'Seed of the generated delivery; null when it was not generated';
COMMENT ON COLUMN meta.etl_run.config_hash IS 'SHA-256 of the generator''s configuration; null when the delivery was not generated';
COMMENT ON COLUMN meta.etl_run.started_at IS 'First start; running again keeps it, so that ingestion times stay the same';
COMMENT ON COLUMN meta.etl_run.finished_at IS 'End of the last attempt; null while it runs';
COMMENT ON COLUMN meta.etl_run.error IS 'Why the last attempt failed';
COMMENT ON COLUMN meta.etl_run.parameters IS 'What the run was asked for';

CREATE TABLE IF NOT EXISTS meta.dataset (
    layer  text NOT NULL CHECK (layer IN ('raw', 'bronze', 'silver', 'gold', 'warehouse')),
    name   text NOT NULL CHECK (name <> ''),
    uri    text NOT NULL,
    format text NOT NULL CHECK (format IN ('jsonl', 'parquet', 'delta', 'postgresql')),
    schema jsonb,
    PRIMARY KEY (layer, name)
);
COMMENT ON TABLE meta.dataset IS 'Every dataset of the lakehouse and where it is';
COMMENT ON COLUMN meta.dataset.layer IS 'raw, bronze, silver or gold in the lake; warehouse for gold in PostgreSQL';
COMMENT ON COLUMN meta.dataset.name IS 'Name within the layer';
COMMENT ON COLUMN meta.dataset.uri IS 'Where it is, without credentials';
COMMENT ON COLUMN meta.dataset.format IS 'jsonl, parquet, delta or postgresql';
COMMENT ON COLUMN meta.dataset.schema IS 'Delta schema of the columns; null where the format has none';

CREATE TABLE IF NOT EXISTS meta.run_dataset (
    run_id    text   NOT NULL REFERENCES meta.etl_run ON DELETE CASCADE,
    layer     text   NOT NULL,
    name      text   NOT NULL,
    direction text   NOT NULL CHECK (direction IN ('READ', 'WRITTEN')),
    rows      bigint NOT NULL CHECK (rows >= 0),
    bytes     bigint CHECK (bytes >= 0),
    version   bigint CHECK (version >= 0),
    PRIMARY KEY (run_id, layer, name, direction),
    FOREIGN KEY (layer, name) REFERENCES meta.dataset
);
CREATE INDEX IF NOT EXISTS run_dataset_dataset ON meta.run_dataset (layer, name);
COMMENT ON TABLE meta.run_dataset IS 'What a run read and wrote, with counts';
COMMENT ON COLUMN meta.run_dataset.run_id IS 'The run';
COMMENT ON COLUMN meta.run_dataset.layer IS 'Layer of the dataset';
COMMENT ON COLUMN meta.run_dataset.name IS 'Name of the dataset';
COMMENT ON COLUMN meta.run_dataset.direction IS 'READ or WRITTEN';
COMMENT ON COLUMN meta.run_dataset.rows IS 'Rows read, or rows that the dataset holds after the run (bronze: rows of this run)';
COMMENT ON COLUMN meta.run_dataset.bytes IS 'Bytes of the same; null where nobody counts them';
COMMENT ON COLUMN meta.run_dataset.version IS 'Delta version after the run; null where there is none';

CREATE TABLE IF NOT EXISTS meta.lineage (
    run_id       text NOT NULL REFERENCES meta.etl_run ON DELETE CASCADE,
    layer        text NOT NULL,
    name         text NOT NULL,
    source_layer text NOT NULL,
    source_name  text NOT NULL,
    PRIMARY KEY (run_id, layer, name, source_layer, source_name),
    FOREIGN KEY (layer, name) REFERENCES meta.dataset,
    FOREIGN KEY (source_layer, source_name) REFERENCES meta.dataset
);
CREATE INDEX IF NOT EXISTS lineage_dataset ON meta.lineage (layer, name);
CREATE INDEX IF NOT EXISTS lineage_source ON meta.lineage (source_layer, source_name);
COMMENT ON TABLE meta.lineage IS 'Which dataset a run made from which';
COMMENT ON COLUMN meta.lineage.run_id IS 'The run';
COMMENT ON COLUMN meta.lineage.layer IS 'Layer of the dataset that was made';
COMMENT ON COLUMN meta.lineage.name IS 'Name of the dataset that was made';
COMMENT ON COLUMN meta.lineage.source_layer IS 'Layer of the dataset that it was made from';
COMMENT ON COLUMN meta.lineage.source_name IS 'Name of the dataset that it was made from';

CREATE TABLE IF NOT EXISTS meta.data_quality (
    run_id     text   NOT NULL REFERENCES meta.etl_run ON DELETE CASCADE,
    layer      text   NOT NULL CHECK (layer IN ('raw', 'bronze', 'silver', 'gold', 'warehouse')),
    check_name text   NOT NULL CHECK (check_name <> ''),
    status     text   NOT NULL CHECK (status IN ('PASS', 'WARN', 'FAIL')),
    observed   bigint NOT NULL,
    expected   bigint NOT NULL,
    PRIMARY KEY (run_id, layer, check_name)
);
COMMENT ON TABLE meta.data_quality IS 'Results of the data quality checks of each run';
COMMENT ON COLUMN meta.data_quality.run_id IS 'The run';
COMMENT ON COLUMN meta.data_quality.layer IS 'Layer that was checked';
COMMENT ON COLUMN meta.data_quality.check_name IS 'What was counted';
COMMENT ON COLUMN meta.data_quality.status IS 'PASS; WARN: dirt in the data, found and dealt with; FAIL: the pipeline broke a promise';
COMMENT ON COLUMN meta.data_quality.observed IS 'The count';
COMMENT ON COLUMN meta.data_quality.expected IS 'What the count should be (0 for dirt)';
