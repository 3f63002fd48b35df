-- The first of what the image runs on an empty volume: the lakehouse's schemas, tables and seeds.
-- This folder is mounted at /docker-entrypoint-initdb.d and sql/ at /sql. The path below leads there from the
-- repository, and from the container as well, where the folder above / is / itself.

\ir ../../sql/init-postgres.sql
