-- gold, the dimensions: a key, a unique natural code, a name as people say it.

CREATE SCHEMA IF NOT EXISTS gold;
COMMENT ON SCHEMA gold IS 'Gold layer: the star schema and the KPIs that people read';

CREATE TABLE IF NOT EXISTS gold.dim_date (
    date_key        integer  PRIMARY KEY,
    date            date     NOT NULL UNIQUE,
    year            smallint NOT NULL,
    quarter         smallint NOT NULL CHECK (quarter BETWEEN 1 AND 4),
    month           smallint NOT NULL CHECK (month BETWEEN 1 AND 12),
    month_day       smallint NOT NULL CHECK (month_day BETWEEN 1 AND 31),
    iso_weekday     smallint NOT NULL CHECK (iso_weekday BETWEEN 1 AND 7),
    is_holiday      boolean  NOT NULL,
    is_business_day boolean  NOT NULL,
    CHECK (date_key = year * 10000 + month * 100 + month_day),
    CHECK (date = make_date(year, month, month_day)),
    CHECK (is_business_day = (iso_weekday < 6 AND NOT is_holiday))
);
COMMENT ON TABLE gold.dim_date IS 'Calendar of Colombia; the pipeline fills whole years';
COMMENT ON COLUMN gold.dim_date.date_key IS 'The day as a number, yyyymmdd';
COMMENT ON COLUMN gold.dim_date.date IS 'The day';
COMMENT ON COLUMN gold.dim_date.year IS 'Year';
COMMENT ON COLUMN gold.dim_date.quarter IS 'Quarter, 1 to 4';
COMMENT ON COLUMN gold.dim_date.month IS 'Month, 1 to 12';
COMMENT ON COLUMN gold.dim_date.month_day IS 'Day of the month';
COMMENT ON COLUMN gold.dim_date.iso_weekday IS 'Day of the week, Monday is 1';
COMMENT ON COLUMN gold.dim_date.is_holiday IS 'Holiday by Ley 51 de 1983 and Ley 2578 de 2026';
COMMENT ON COLUMN gold.dim_date.is_business_day IS 'Monday to Friday and no holiday';

CREATE TABLE IF NOT EXISTS gold.dim_channel (
    channel_key  smallint PRIMARY KEY,
    channel_code text     NOT NULL UNIQUE,
    name         text     NOT NULL
);
COMMENT ON TABLE gold.dim_channel IS 'Channels through which a ticket comes in';
COMMENT ON COLUMN gold.dim_channel.channel_key IS 'Key';
COMMENT ON COLUMN gold.dim_channel.channel_code IS 'Code in the events';
COMMENT ON COLUMN gold.dim_channel.name IS 'Name in Spanish';

INSERT INTO gold.dim_channel (channel_key, channel_code, name) VALUES
    (1, 'email', 'Correo electrónico'),
    (2, 'webform', 'Formulario web'),
    (3, 'chat', 'Chat'),
    (4, 'call', 'Llamada telefónica'),
    (5, 'other_digital', 'Otro canal digital')
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS gold.dim_pqrs_type (
    pqrs_type_key  smallint PRIMARY KEY,
    pqrs_type_code text     NOT NULL UNIQUE CHECK (pqrs_type_code IN ('P', 'Q', 'R', 'S')),
    name           text     NOT NULL
);
COMMENT ON TABLE gold.dim_pqrs_type IS 'Types of ticket: petición, queja, reclamo, sugerencia';
COMMENT ON COLUMN gold.dim_pqrs_type.pqrs_type_key IS 'Key';
COMMENT ON COLUMN gold.dim_pqrs_type.pqrs_type_code IS 'Code in the events';
COMMENT ON COLUMN gold.dim_pqrs_type.name IS 'Name in Spanish';

INSERT INTO gold.dim_pqrs_type (pqrs_type_key, pqrs_type_code, name) VALUES
    (1, 'P', 'Petición'),
    (2, 'Q', 'Queja'),
    (3, 'R', 'Reclamo'),
    (4, 'S', 'Sugerencia')
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS gold.dim_priority (
    priority_key  smallint PRIMARY KEY,
    priority_code text     NOT NULL UNIQUE,
    name          text     NOT NULL
);
COMMENT ON TABLE gold.dim_priority IS 'Priorities';
COMMENT ON COLUMN gold.dim_priority.priority_key IS 'Key';
COMMENT ON COLUMN gold.dim_priority.priority_code IS 'Code in the events';
COMMENT ON COLUMN gold.dim_priority.name IS 'Name in Spanish';

INSERT INTO gold.dim_priority (priority_key, priority_code, name) VALUES
    (1, 'alta', 'Alta'),
    (2, 'media', 'Media'),
    (3, 'baja', 'Baja')
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS gold.dim_status (
    status_key  smallint PRIMARY KEY,
    status_code text     NOT NULL UNIQUE,
    name        text     NOT NULL
);
COMMENT ON TABLE gold.dim_status IS 'Statuses of a ticket';
COMMENT ON COLUMN gold.dim_status.status_key IS 'Key';
COMMENT ON COLUMN gold.dim_status.status_code IS 'Code in the events';
COMMENT ON COLUMN gold.dim_status.name IS 'Name in Spanish';

INSERT INTO gold.dim_status (status_key, status_code, name) VALUES
    (1, 'RECEIVED', 'Recibida'),
    (2, 'RADICATED', 'Radicada'),
    (3, 'CLASSIFIED', 'Clasificada'),
    (4, 'ASSIGNED', 'Asignada'),
    (5, 'IN_PROGRESS', 'En trámite'),
    (6, 'ON_HOLD', 'En espera del ciudadano'),
    (7, 'RESPONDED', 'Respondida'),
    (8, 'CLOSED', 'Cerrada'),
    (9, 'ARCHIVED', 'Archivada'),
    (10, 'REOPENED', 'Reabierta')
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS gold.dim_geo (
    geo_key           integer PRIMARY KEY,
    municipality_code text    NOT NULL UNIQUE CHECK (municipality_code ~ '^[0-9]{5}$'),
    municipality      text    NOT NULL,
    department_code   text    NOT NULL CHECK (department_code ~ '^[0-9]{2}$'),
    department        text    NOT NULL,
    is_capital        boolean NOT NULL,
    CHECK (geo_key = municipality_code::integer),
    CHECK (department_code = left(municipality_code, 2))
);
CREATE INDEX IF NOT EXISTS dim_geo_department_code ON gold.dim_geo (department_code);
COMMENT ON TABLE gold.dim_geo IS 'Municipalities of Colombia by DIVIPOLA code (DANE)';
COMMENT ON COLUMN gold.dim_geo.geo_key IS 'Key: the code as a number';
COMMENT ON COLUMN gold.dim_geo.municipality_code IS 'DIVIPOLA code, 5 digits';
COMMENT ON COLUMN gold.dim_geo.municipality IS 'Name of the municipality';
COMMENT ON COLUMN gold.dim_geo.department_code IS 'DIVIPOLA code of the department, 2 digits';
COMMENT ON COLUMN gold.dim_geo.department IS 'Name of the department';
COMMENT ON COLUMN gold.dim_geo.is_capital IS 'Whether it is the capital of its department';
