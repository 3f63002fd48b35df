-- silver: tickets, messages and status events live in the object store; here is the reference data that
-- conforms them.

CREATE SCHEMA IF NOT EXISTS silver;
COMMENT ON SCHEMA silver IS 'Silver layer: reference data that conforms tickets, messages and status events';

CREATE TABLE IF NOT EXISTS silver.allowed_transition (
    from_status text NOT NULL CHECK (from_status IN (
        'RECEIVED', 'RADICATED', 'CLASSIFIED', 'ASSIGNED', 'IN_PROGRESS', 'ON_HOLD', 'RESPONDED', 'CLOSED',
        'ARCHIVED', 'REOPENED'
    )),
    to_status   text NOT NULL CHECK (to_status IN (
        'RECEIVED', 'RADICATED', 'CLASSIFIED', 'ASSIGNED', 'IN_PROGRESS', 'ON_HOLD', 'RESPONDED', 'CLOSED',
        'ARCHIVED', 'REOPENED'
    )),
    PRIMARY KEY (from_status, to_status)
);
COMMENT ON TABLE silver.allowed_transition IS 'The life cycle of a ticket: each change of status that is allowed';
COMMENT ON COLUMN silver.allowed_transition.from_status IS 'Status before';
COMMENT ON COLUMN silver.allowed_transition.to_status IS 'Status after';

INSERT INTO silver.allowed_transition (from_status, to_status) VALUES
    ('RECEIVED', 'RADICATED'),
    ('RADICATED', 'CLASSIFIED'),
    ('CLASSIFIED', 'ASSIGNED'),
    ('ASSIGNED', 'IN_PROGRESS'),
    ('IN_PROGRESS', 'ON_HOLD'),
    ('ON_HOLD', 'IN_PROGRESS'),
    ('IN_PROGRESS', 'RESPONDED'),
    ('RESPONDED', 'CLOSED'),
    ('CLOSED', 'ARCHIVED'),
    ('CLOSED', 'REOPENED'),
    ('REOPENED', 'IN_PROGRESS')
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS silver.term_rule (
    term_rule_key smallint PRIMARY KEY,
    pqrs_type     text     NOT NULL CHECK (pqrs_type IN ('P', 'Q', 'R', 'S')),
    petition_kind text     CHECK (petition_kind IN ('general', 'information', 'consultation')),
    valid_from    date,
    valid_to      date     CHECK (valid_to >= valid_from),
    business_days smallint NOT NULL CHECK (business_days > 0),
    law           text     NOT NULL,
    UNIQUE NULLS NOT DISTINCT (pqrs_type, petition_kind, valid_from),
    CHECK ((pqrs_type = 'P') = (petition_kind IS NOT NULL))
);
COMMENT ON TABLE silver.term_rule IS 'Business days to respond, by the day on which the term opens';
COMMENT ON COLUMN silver.term_rule.term_rule_key IS 'Key';
COMMENT ON COLUMN silver.term_rule.pqrs_type IS 'P, Q, R or S';
COMMENT ON COLUMN silver.term_rule.petition_kind IS 'Kind of petition; null unless the type is P';
COMMENT ON COLUMN silver.term_rule.valid_from IS 'First opening day that the rule holds for; null: since ever';
COMMENT ON COLUMN silver.term_rule.valid_to IS 'Last opening day that the rule holds for; null: until further notice';
COMMENT ON COLUMN silver.term_rule.business_days IS 'Length of the term';
COMMENT ON COLUMN silver.term_rule.law IS 'The norm';

INSERT INTO silver.term_rule (term_rule_key, pqrs_type, petition_kind, valid_from, valid_to, business_days, law) VALUES
    (1, 'P', 'general', NULL, '2020-03-27', 15, 'Ley 1437 de 2011 art. 14'),
    (2, 'P', 'information', NULL, '2020-03-27', 10, 'Ley 1437 de 2011 art. 14 num. 1'),
    (3, 'P', 'consultation', NULL, '2020-03-27', 30, 'Ley 1437 de 2011 art. 14 num. 2'),
    (4, 'Q', NULL, NULL, '2020-03-27', 15, 'Ley 1437 de 2011 art. 14'),
    (5, 'R', NULL, NULL, '2020-03-27', 15, 'Ley 1437 de 2011 art. 14'),
    (6, 'S', NULL, NULL, '2020-03-27', 15, 'Ley 1437 de 2011 art. 14'),
    (7, 'P', 'general', '2020-03-28', '2022-05-17', 30, 'Decreto 491 de 2020 art. 5'),
    (8, 'P', 'information', '2020-03-28', '2022-05-17', 20, 'Decreto 491 de 2020 art. 5 num. i'),
    (9, 'P', 'consultation', '2020-03-28', '2022-05-17', 35, 'Decreto 491 de 2020 art. 5 num. ii'),
    (10, 'Q', NULL, '2020-03-28', '2022-05-17', 30, 'Decreto 491 de 2020 art. 5'),
    (11, 'R', NULL, '2020-03-28', '2022-05-17', 30, 'Decreto 491 de 2020 art. 5'),
    (12, 'S', NULL, '2020-03-28', '2022-05-17', 30, 'Decreto 491 de 2020 art. 5'),
    (13, 'P', 'general', '2022-05-18', NULL, 15, 'Ley 1437 de 2011 art. 14'),
    (14, 'P', 'information', '2022-05-18', NULL, 10, 'Ley 1437 de 2011 art. 14 num. 1'),
    (15, 'P', 'consultation', '2022-05-18', NULL, 30, 'Ley 1437 de 2011 art. 14 num. 2'),
    (16, 'Q', NULL, '2022-05-18', NULL, 15, 'Ley 1437 de 2011 art. 14'),
    (17, 'R', NULL, '2022-05-18', NULL, 15, 'Ley 1437 de 2011 art. 14'),
    (18, 'S', NULL, '2022-05-18', NULL, 15, 'Ley 1437 de 2011 art. 14')
ON CONFLICT DO NOTHING;
