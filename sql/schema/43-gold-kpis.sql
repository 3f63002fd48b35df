-- gold, the KPIs by day.

CREATE TABLE IF NOT EXISTS gold.kpi_volume_daily (
    -- No foreign key: an as_of in the past leaves later responses and closings outside of dim_date's years.
    date_key      integer  NOT NULL,
    channel_key   smallint NOT NULL REFERENCES gold.dim_channel,
    pqrs_type_key smallint NOT NULL REFERENCES gold.dim_pqrs_type,
    received      integer  NOT NULL CHECK (received >= 0),
    responded     integer  NOT NULL CHECK (responded >= 0),
    closed        integer  NOT NULL CHECK (closed >= 0),
    PRIMARY KEY (date_key, channel_key, pqrs_type_key),
    CHECK (received + responded + closed > 0)
);
CREATE INDEX IF NOT EXISTS kpi_volume_daily_channel_key ON gold.kpi_volume_daily (channel_key);
CREATE INDEX IF NOT EXISTS kpi_volume_daily_pqrs_type_key ON gold.kpi_volume_daily (pqrs_type_key);
COMMENT ON TABLE gold.kpi_volume_daily IS 'What came in and went out, by day, channel and type; only where something did';
COMMENT ON COLUMN gold.kpi_volume_daily.date_key IS 'Day in Bogotá';
COMMENT ON COLUMN gold.kpi_volume_daily.channel_key IS 'Channel';
COMMENT ON COLUMN gold.kpi_volume_daily.pqrs_type_key IS 'Type';
COMMENT ON COLUMN gold.kpi_volume_daily.received IS 'Tickets received';
COMMENT ON COLUMN gold.kpi_volume_daily.responded IS 'Terms responded';
COMMENT ON COLUMN gold.kpi_volume_daily.closed IS 'Closings';

CREATE TABLE IF NOT EXISTS gold.kpi_backlog_daily (
    date_key      integer  NOT NULL REFERENCES gold.dim_date,
    pqrs_type_key smallint NOT NULL REFERENCES gold.dim_pqrs_type,
    opened        integer  NOT NULL CHECK (opened >= 0),
    closed        integer  NOT NULL CHECK (closed >= 0),
    open_at_end   integer  NOT NULL CHECK (open_at_end >= opened),
    PRIMARY KEY (date_key, pqrs_type_key)
);
CREATE INDEX IF NOT EXISTS kpi_backlog_daily_pqrs_type_key ON gold.kpi_backlog_daily (pqrs_type_key);
COMMENT ON TABLE gold.kpi_backlog_daily IS 'Open tickets by day and type, every day from the first receipt to the run''s as_of';
COMMENT ON COLUMN gold.kpi_backlog_daily.date_key IS 'Day in Bogotá';
COMMENT ON COLUMN gold.kpi_backlog_daily.pqrs_type_key IS 'Type';
COMMENT ON COLUMN gold.kpi_backlog_daily.opened IS 'Tickets open at the end of the day that were not the day before';
COMMENT ON COLUMN gold.kpi_backlog_daily.closed IS 'Tickets not open at the end of the day that were the day before';
COMMENT ON COLUMN gold.kpi_backlog_daily.open_at_end IS 'Tickets open at the end of the day';

CREATE TABLE IF NOT EXISTS gold.kpi_sla_daily (
    date_key      integer  NOT NULL REFERENCES gold.dim_date,
    pqrs_type_key smallint NOT NULL REFERENCES gold.dim_pqrs_type,
    due           integer  NOT NULL CHECK (due > 0),
    met           integer  NOT NULL CHECK (met >= 0),
    late          integer  NOT NULL CHECK (late >= 0),
    pending       integer  NOT NULL CHECK (pending >= 0),
    overdue       integer  NOT NULL CHECK (overdue >= 0),
    suspended     integer  NOT NULL CHECK (suspended >= 0),
    PRIMARY KEY (date_key, pqrs_type_key),
    CHECK (due = met + late + pending + overdue + suspended)
);
CREATE INDEX IF NOT EXISTS kpi_sla_daily_pqrs_type_key ON gold.kpi_sla_daily (pqrs_type_key);
COMMENT ON TABLE gold.kpi_sla_daily IS 'Terms that fall due, by day and type, and what became of them; only where one does';
COMMENT ON COLUMN gold.kpi_sla_daily.date_key IS 'Due day';
COMMENT ON COLUMN gold.kpi_sla_daily.pqrs_type_key IS 'Type';
COMMENT ON COLUMN gold.kpi_sla_daily.due IS 'Terms due';
COMMENT ON COLUMN gold.kpi_sla_daily.met IS 'Responded in time';
COMMENT ON COLUMN gold.kpi_sla_daily.late IS 'Responded late';
COMMENT ON COLUMN gold.kpi_sla_daily.pending IS 'Not responded, still in time';
COMMENT ON COLUMN gold.kpi_sla_daily.overdue IS 'Not responded, out of time';
COMMENT ON COLUMN gold.kpi_sla_daily.suspended IS 'Not responded, waiting for the citizen';
