#!/usr/bin/env bash
# The logins of the other services and Prefect's database. Passwords come from the environment.
# The image runs this once, on an empty volume. Run again it changes nothing but passwords that are new in .env:
#   docker compose up -d postgres && docker compose exec postgres bash /docker-entrypoint-initdb.d/20-services.sh
set -e

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
SET client_min_messages = warning;
\getenv prefect_password PREFECT_DB_PASSWORD
\getenv grafana_password GRAFANA_DB_PASSWORD
\getenv monitor_password MONITOR_DB_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', wanted)
FROM unnest(ARRAY['prefect', 'pqrs_grafana', 'pqrs_monitor']) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted)
\gexec

-- Prefect's history: a database of its own, for nobody else.
ALTER ROLE prefect PASSWORD :'prefect_password';
SELECT 'CREATE DATABASE prefect OWNER prefect'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'prefect')
\gexec
REVOKE ALL ON DATABASE prefect FROM PUBLIC;

-- Grafana reads gold and the catalogue of runs, and writes nothing.
ALTER ROLE pqrs_grafana PASSWORD :'grafana_password' CONNECTION LIMIT 20;
ALTER ROLE pqrs_grafana SET default_transaction_read_only = on;
ALTER ROLE pqrs_grafana SET statement_timeout = '30s';
GRANT pqrs_bi, pqrs_ops TO pqrs_grafana;

-- The exporters read the same, and the server's statistics.
ALTER ROLE pqrs_monitor PASSWORD :'monitor_password' CONNECTION LIMIT 20;
ALTER ROLE pqrs_monitor SET default_transaction_read_only = on;
ALTER ROLE pqrs_monitor SET statement_timeout = '10s';
GRANT pg_monitor, pqrs_bi, pqrs_ops TO pqrs_monitor;
SQL
