-- Who reads: pqrs_bi is a group for BI tools. It reads gold and nothing else, and writes nothing.
-- Roles belong to the whole server: another database may have made it already.

DO $$
BEGIN
    CREATE ROLE pqrs_bi NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

REVOKE ALL ON SCHEMA meta, bronze, silver FROM PUBLIC, pqrs_bi;
GRANT USAGE ON SCHEMA gold TO pqrs_bi;
GRANT SELECT ON ALL TABLES IN SCHEMA gold TO pqrs_bi;
ALTER DEFAULT PRIVILEGES IN SCHEMA gold GRANT SELECT ON TABLES TO pqrs_bi;
