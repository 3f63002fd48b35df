#!/usr/bin/env bash
# What postgis/postgis does at initialisation: a template with the extensions, and the extensions in the database asked for.
set -euo pipefail

psql=(psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-psqlrc --quiet)
"${psql[@]}" --dbname "$POSTGRES_DB" -c 'CREATE DATABASE template_postgis IS_TEMPLATE true'
for database in template_postgis "$POSTGRES_DB"; do
    "${psql[@]}" --dbname "$database" <<'SQL'
CREATE EXTENSION IF NOT EXISTS postgis;
CREATE EXTENSION IF NOT EXISTS postgis_topology;
CREATE EXTENSION IF NOT EXISTS fuzzystrmatch;
CREATE EXTENSION IF NOT EXISTS postgis_tiger_geocoder;
SQL
done
