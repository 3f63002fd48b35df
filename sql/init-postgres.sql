-- The catalogue and the serving store of the PQRS lakehouse (PostgreSQL 15 to 18).
--
-- Run it with psql, mount this folder at /docker-entrypoint-initdb.d of the official image, or call
-- `pqrs-lakehouse init-db`. Applying it again changes nothing. It is one transaction: all of it or none.

BEGIN;

SET LOCAL client_encoding = 'UTF8';
SET LOCAL client_min_messages = warning;

-- Two sessions that apply it at once take turns.
DO $$ BEGIN PERFORM pg_advisory_xact_lock(hashtext('pqrs_lakehouse.init')); END $$;

\ir schema/10-meta.sql
\ir schema/20-bronze.sql
\ir schema/30-silver.sql
\ir schema/40-gold-dimensions.sql
\ir schema/41-gold-places.sql
\ir schema/42-gold-facts.sql
\ir schema/43-gold-kpis.sql
\ir schema/50-access.sql

COMMIT;
