-- gold, the facts: what happened, by ticket and by term.

CREATE TABLE IF NOT EXISTS gold.fact_ticket (
    ticket_id                 text        PRIMARY KEY CHECK (char_length(ticket_id) BETWEEN 1 AND 64),
    received_date_key         integer     NOT NULL REFERENCES gold.dim_date,
    due_date_key              integer     NOT NULL REFERENCES gold.dim_date,
    channel_key               smallint    NOT NULL REFERENCES gold.dim_channel,
    pqrs_type_key             smallint    NOT NULL REFERENCES gold.dim_pqrs_type,
    priority_key              smallint    NOT NULL REFERENCES gold.dim_priority,
    status_key                smallint    NOT NULL REFERENCES gold.dim_status,
    geo_key                   integer     NOT NULL REFERENCES gold.dim_geo,
    petition_kind             text        CHECK (petition_kind IN ('general', 'information', 'consultation')),
    received_at               timestamptz NOT NULL,
    responded_at              timestamptz,
    closed_at                 timestamptz,
    term_no                   integer     NOT NULL CHECK (term_no >= 1),
    term_days                 integer     NOT NULL CHECK (term_days > 0),
    paused_days               integer     NOT NULL CHECK (paused_days >= 0),
    sla_state                 text        NOT NULL CHECK (sla_state IN ('MET', 'LATE', 'SUSPENDED', 'PENDING', 'OVERDUE')),
    business_days_to_response integer     CHECK (business_days_to_response >= 0),
    message_count             integer     NOT NULL CHECK (message_count >= 0),
    attachment_count          integer     NOT NULL CHECK (attachment_count >= 0),
    reopen_count              integer     NOT NULL CHECK (reopen_count >= 0),
    CHECK (reopen_count = term_no - 1),
    CHECK (responded_at >= received_at),
    CHECK (closed_at >= received_at),
    CHECK ((pqrs_type_key = 1) = (petition_kind IS NOT NULL)),  -- 1 is P, by its seed
    CHECK ((sla_state IN ('MET', 'LATE')) = (responded_at IS NOT NULL)),
    CHECK ((responded_at IS NULL) = (business_days_to_response IS NULL))
);
CREATE INDEX IF NOT EXISTS fact_ticket_received_date_key ON gold.fact_ticket (received_date_key);
CREATE INDEX IF NOT EXISTS fact_ticket_due_date_key ON gold.fact_ticket (due_date_key);
CREATE INDEX IF NOT EXISTS fact_ticket_channel_key ON gold.fact_ticket (channel_key);
CREATE INDEX IF NOT EXISTS fact_ticket_pqrs_type_key ON gold.fact_ticket (pqrs_type_key);
CREATE INDEX IF NOT EXISTS fact_ticket_priority_key ON gold.fact_ticket (priority_key);
CREATE INDEX IF NOT EXISTS fact_ticket_status_key ON gold.fact_ticket (status_key);
CREATE INDEX IF NOT EXISTS fact_ticket_geo_key ON gold.fact_ticket (geo_key);
CREATE INDEX IF NOT EXISTS fact_ticket_received_at ON gold.fact_ticket (received_at);
CREATE INDEX IF NOT EXISTS fact_ticket_responded_at ON gold.fact_ticket (responded_at);
CREATE INDEX IF NOT EXISTS fact_ticket_closed_at ON gold.fact_ticket (closed_at);
COMMENT ON TABLE gold.fact_ticket IS 'One row per ticket, with its last term';
COMMENT ON COLUMN gold.fact_ticket.ticket_id IS 'The ticket';
COMMENT ON COLUMN gold.fact_ticket.received_date_key IS 'Day of receipt in Bogotá';
COMMENT ON COLUMN gold.fact_ticket.due_date_key IS 'Last day of the term';
COMMENT ON COLUMN gold.fact_ticket.channel_key IS 'Channel';
COMMENT ON COLUMN gold.fact_ticket.pqrs_type_key IS 'Type';
COMMENT ON COLUMN gold.fact_ticket.priority_key IS 'Priority';
COMMENT ON COLUMN gold.fact_ticket.status_key IS 'Present status';
COMMENT ON COLUMN gold.fact_ticket.geo_key IS 'Municipality';
COMMENT ON COLUMN gold.fact_ticket.petition_kind IS 'Kind of petition; null unless the type is P';
COMMENT ON COLUMN gold.fact_ticket.received_at IS 'Instant of receipt';
COMMENT ON COLUMN gold.fact_ticket.responded_at IS 'Instant of the term''s response; null while there is none';
COMMENT ON COLUMN gold.fact_ticket.closed_at IS 'Instant of the last closing; null while the ticket is open';
COMMENT ON COLUMN gold.fact_ticket.term_no IS 'Number of the term; each reopening opens another';
COMMENT ON COLUMN gold.fact_ticket.term_days IS 'Length of the term in business days, by law';
COMMENT ON COLUMN gold.fact_ticket.paused_days IS 'Business days that do not count (art. 17, Ley 1437 de 2011)';
COMMENT ON COLUMN gold.fact_ticket.sla_state IS 'State of the term on the run''s as_of day';
COMMENT ON COLUMN gold.fact_ticket.business_days_to_response IS 'Business days until the response, pauses left out; null without response';
COMMENT ON COLUMN gold.fact_ticket.message_count IS 'Messages';
COMMENT ON COLUMN gold.fact_ticket.attachment_count IS 'Attachments';
COMMENT ON COLUMN gold.fact_ticket.reopen_count IS 'Reopenings';

CREATE TABLE IF NOT EXISTS gold.fact_term (
    ticket_id                 text        NOT NULL REFERENCES gold.fact_ticket,
    term_no                   integer     NOT NULL CHECK (term_no >= 1),
    opened_at                 timestamptz NOT NULL,
    start_date_key            integer     NOT NULL REFERENCES gold.dim_date,
    term_days                 integer     NOT NULL CHECK (term_days > 0),
    paused_days               integer     NOT NULL CHECK (paused_days >= 0),
    due_date_key              integer     NOT NULL REFERENCES gold.dim_date,
    responded_at              timestamptz,
    state                     text        NOT NULL CHECK (state IN ('MET', 'LATE', 'SUSPENDED', 'PENDING', 'OVERDUE')),
    business_days_to_response integer     CHECK (business_days_to_response >= 0),
    PRIMARY KEY (ticket_id, term_no),
    CHECK (due_date_key > start_date_key),
    CHECK (responded_at >= opened_at),
    CHECK ((state IN ('MET', 'LATE')) = (responded_at IS NOT NULL)),
    CHECK ((responded_at IS NULL) = (business_days_to_response IS NULL))
);
CREATE INDEX IF NOT EXISTS fact_term_start_date_key ON gold.fact_term (start_date_key);
CREATE INDEX IF NOT EXISTS fact_term_due_date_key ON gold.fact_term (due_date_key);
CREATE INDEX IF NOT EXISTS fact_term_opened_at ON gold.fact_term (opened_at);
CREATE INDEX IF NOT EXISTS fact_term_responded_at ON gold.fact_term (responded_at);
COMMENT ON TABLE gold.fact_term IS 'One row per ticket and term: the first opens with the ticket, each reopening opens another';
COMMENT ON COLUMN gold.fact_term.ticket_id IS 'The ticket';
COMMENT ON COLUMN gold.fact_term.term_no IS 'Number of the term within the ticket, from 1';
COMMENT ON COLUMN gold.fact_term.opened_at IS 'Instant of receipt or reopening';
COMMENT ON COLUMN gold.fact_term.start_date_key IS 'First business day at or after the opening; the next one is day 1';
COMMENT ON COLUMN gold.fact_term.term_days IS 'Length in business days, by law';
COMMENT ON COLUMN gold.fact_term.paused_days IS 'Business days that do not count (art. 17, Ley 1437 de 2011)';
COMMENT ON COLUMN gold.fact_term.due_date_key IS 'Last day of the term';
COMMENT ON COLUMN gold.fact_term.responded_at IS 'Instant of the response; null while there is none';
COMMENT ON COLUMN gold.fact_term.state IS 'MET, LATE, SUSPENDED, PENDING or OVERDUE on the run''s as_of day';
COMMENT ON COLUMN gold.fact_term.business_days_to_response IS 'Business days until the response, pauses left out; null without response';
