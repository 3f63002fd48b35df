-- Who reads. pqrs_bi is a group for BI tools: it reads gold and nothing else. pqrs_ops is a group for those who watch the
-- pipeline: it reads the catalogue of runs and nothing else. Neither writes anything.
-- Roles belong to the whole server: another database may have made them already.

DO $$
BEGIN
    CREATE ROLE pqrs_bi NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;
DO $$
BEGIN
    CREATE ROLE pqrs_ops NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

REVOKE ALL ON SCHEMA meta, bronze, silver FROM PUBLIC, pqrs_bi;
GRANT USAGE ON SCHEMA gold TO pqrs_bi;
GRANT SELECT ON ALL TABLES IN SCHEMA gold TO pqrs_bi;
ALTER DEFAULT PRIVILEGES IN SCHEMA gold GRANT SELECT ON TABLES TO pqrs_bi;

GRANT USAGE ON SCHEMA meta TO pqrs_ops;
GRANT SELECT ON ALL TABLES IN SCHEMA meta TO pqrs_ops;
ALTER DEFAULT PRIVILEGES IN SCHEMA meta GRANT SELECT ON TABLES TO pqrs_ops;
