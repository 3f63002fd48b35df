"""The offline images keep the contracts of the images that they stand in for."""

from __future__ import annotations

import gzip
import json
import lzma
import re
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from docker_containers import Container, Deployment, build, docker, published, until

pytestmark = pytest.mark.compose

POSTGRES, POSTGRES_16, POSTGRES_15, POSTGIS = "postgres:18", "postgres:16", "postgres:15", "postgis:15"
TIMESCALEDB = "timescaledb:17"
S3, MINIO, MC = "s3:4.48", "minio:4.48", "mc:4.48"
DASK, CLASSIC_DASK = "dask:2026.8.0", "dask:2026.3.0"
PREFECT, PROMETHEUS, EXPORTER, RUNTIME = "prefect:3.8.8", "prometheus:2.53", "postgres-exporter:0.17", "runtime:0.1.0"
NODE_EXPORTER = "node-exporter:1.9"
PASSWORD = "correct horse"
SLOW = 30.0  # seconds for one answer, on a busy machine


@pytest.fixture(scope="session", autouse=True)
def images() -> None:
    done = build(
        *(POSTGRES, POSTGRES_16, POSTGRES_15, POSTGIS, TIMESCALEDB, S3, MINIO, MC, DASK, CLASSIC_DASK, PREFECT),
        *(PROMETHEUS, EXPORTER, NODE_EXPORTER, RUNTIME),
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- the builder ------------------------------------------------------------------------------------------------------


def test_what_is_there_and_unchanged_is_not_built_again() -> None:
    again = build(POSTGRES, S3)
    assert again.returncode == 0
    assert "building" not in again.stdout
    assert len(re.findall("unchanged$", again.stdout, re.MULTILINE)) == len(again.stdout.splitlines())


def test_a_name_that_no_image_has_is_refused_with_those_that_there_are() -> None:
    refused = build("postgres:9")
    assert refused.returncode == 1
    assert "'postgres:9'" in refused.stderr
    assert "postgres:18" in refused.stderr


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        (S3, {"pqrs.stands-in-for": "RustFS", "pqrs.stand-in": "SeaweedFS"}),
        (MINIO, {"pqrs.stands-in-for": "MinIO", "pqrs.stand-in": "SeaweedFS"}),
        (POSTGRES, {}),
        (RUNTIME, {}),
    ],
)
def test_an_image_says_what_it_is(image: str, labels: dict[str, str]) -> None:
    said = json.loads(docker("image", "inspect", "-f", "{{json .Config.Labels}}", f"pqrs-offline/{image}"))
    assert said.items() >= {"pqrs.image": "offline", **labels}.items()


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def postgres_options(*scripts: Path) -> tuple[str, ...]:
    mounts = (("--volume", f"{script}:/docker-entrypoint-initdb.d:ro") for script in scripts)
    return (*published(5432), *(word for mount in mounts for word in mount))


def write(folder: Path, name: str, text: str, mode: int = 0o644) -> None:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    path.chmod(mode)


def ready(server: Container) -> bool:
    return server.runs("pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres")


def sql(server: Container, query: str, database: str = "postgres") -> str:
    return server.says("psql", "-U", "postgres", "-h", "/var/run/postgresql", "-d", database, "-Atc", query)


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("image", [POSTGRES, POSTGRES_16, POSTGRES_15])
def test_init_scripts_run_once_in_name_order_on_a_server_that_only_its_socket_reaches(
    deployment: Deployment, scripts: Path, image: str
) -> None:
    insert = "INSERT INTO done (what) VALUES ('{}');"
    write(scripts, "01-tables.sql", "CREATE TABLE done (n serial, what text);" + insert.format("sql"))
    write(
        scripts,
        "02-run.sh",
        "#!/bin/bash\nset -e\nover_tcp=$(pg_isready -q -h 127.0.0.1 && echo open || echo closed)\n"
        f'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "{insert.format("$over_tcp")}"\nUNSEEN=1\n',
        0o755,
    )
    write(scripts, "03-sourced.sh", f'docker_process_sql -c "{insert.format("sourced${UNSEEN-}")}"\n')
    write(scripts, "04-packed.sql.gz", insert.format("gz"))
    (scripts / "05-packed.sql.xz").write_bytes(lzma.compress(insert.format("xz").encode()))
    write(scripts, "06-notes.txt", "SELECT 1/0;")
    server = deployment.run(image, env={"POSTGRES_PASSWORD": PASSWORD}, options=postgres_options(scripts))
    server.comes_up(lambda: ready(server))
    done = ["sql", "closed", "sourced", "gz", "xz"]
    assert sql(server, "SELECT what FROM done ORDER BY n").splitlines() == done
    assert "ignoring /docker-entrypoint-initdb.d/06-notes.txt" in server.log
    assert "PostgreSQL init process complete; ready for start up." in server.log

    docker("restart", server.name)
    server.comes_up(lambda: ready(server))
    assert sql(server, "SELECT what FROM done ORDER BY n").splitlines() == done
    assert "Skipping initialization" in server.log


def test_a_failed_script_ends_the_container_and_is_not_tried_again(deployment: Deployment, scripts: Path) -> None:
    write(scripts, "01-good.sql", "CREATE TABLE good ();")
    write(scripts, "02-bad.sql", "CREATE TABLE half ();\nCREATE TABEL bad ();\nCREATE TABLE never ();\n")
    write(scripts, "03-after.sql", "CREATE TABLE after ();")
    server = deployment.run(POSTGRES, env={"POSTGRES_PASSWORD": PASSWORD}, options=postgres_options(scripts))
    assert server.ended() != 0
    assert 'psql:/docker-entrypoint-initdb.d/02-bad.sql:2: ERROR:  syntax error at or near "TABEL"' in server.log

    docker("start", server.name)
    server.comes_up(lambda: ready(server))
    assert (
        sql(server, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")
        == "good\nhalf"
    )


def test_a_volume_where_18_does_not_keep_its_data_is_refused(deployment: Deployment) -> None:
    mount = ("--volume", f"{deployment.volume()}:/var/lib/postgresql/data")
    server = deployment.run(POSTGRES, env={"POSTGRES_PASSWORD": PASSWORD}, options=mount)
    assert server.ended() == 1
    assert "in 18+, these Docker images are configured to store database data" in server.log
    assert "/var/lib/postgresql/data (unused mount/volume)" in server.log


def test_18_keeps_its_data_in_a_volume_one_folder_up(deployment: Deployment) -> None:
    mount = ("--volume", f"{deployment.volume()}:/var/lib/postgresql")
    first = deployment.run(POSTGRES, env={"POSTGRES_PASSWORD": PASSWORD}, options=mount)
    first.comes_up(lambda: ready(first))
    assert sql(first, "SHOW data_directory") == "/var/lib/postgresql/18/docker"
    sql(first, "CREATE TABLE kept ()")
    docker("rm", "--force", first.name)
    second = deployment.run(POSTGRES, options=mount)
    second.comes_up(lambda: ready(second))
    assert sql(second, "SELECT to_regclass('kept')") == "kept"


def test_15_keeps_its_data_where_it_always_did(deployment: Deployment) -> None:
    server = deployment.run(POSTGRES_15, env={"POSTGRES_PASSWORD": PASSWORD})
    server.comes_up(lambda: ready(server))
    assert sql(server, "SHOW data_directory") == "/var/lib/postgresql/data"


def test_no_password_is_refused(deployment: Deployment) -> None:
    server = deployment.run(POSTGRES, env={"POSTGRES_USER": "joe"})
    assert server.ended() == 1
    assert "Error: Database is uninitialized and superuser password is not specified." in server.log
    assert "You must specify POSTGRES_PASSWORD to a non-empty value" in server.log


def test_a_value_and_its_file_exclude_each_other(deployment: Deployment) -> None:
    server = deployment.run(POSTGRES, env={"POSTGRES_PASSWORD": "a", "POSTGRES_PASSWORD_FILE": "/etc/hostname"})
    assert server.ended() == 1
    assert "both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set" in server.log


def test_user_database_and_password_are_those_asked_for_and_the_password_is_needed_from_outside(
    deployment: Deployment, scripts: Path
) -> None:
    write(scripts, "password", f"{PASSWORD}\n")
    server = deployment.run(
        POSTGRES,
        "-c",
        "max_connections=33",
        env={
            "POSTGRES_USER": "joe",
            "POSTGRES_DB": "lake's",
            "POSTGRES_PASSWORD_FILE": "/run/password",
            "POSTGRES_INITDB_ARGS": "--encoding=LATIN1 --locale='C'",
        },
        options=(*published(5432), "--volume", f"{scripts / 'password'}:/run/password:ro"),
    )
    server.comes_up(lambda: ready(server))

    def connect(password: str, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1", port=server.port(5432), user="joe", password=password, dbname="lake's", **options
        )

    with connect(PASSWORD) as connection:
        said = connection.execute(
            "SELECT current_setting('max_connections'), current_setting('server_encoding'), rolsuper FROM pg_roles"
            " WHERE rolname = 'joe'"
        ).fetchone()
    assert said == ("33", "LATIN1", True)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect("wrong")
    inside = server.says("psql", "-h", "127.0.0.1", "-U", "joe", "-w", "-d", "lake's", "-Atc", "SELECT 1")
    assert inside == "1"  # as upstream: the container trusts itself
    assert server.says("stat", "-c", "%u", "/proc/1") == "999"

    docker("stop", "--time", "20", server.name)
    assert server.ended() == 0
    assert "received fast shutdown request" in server.log


def test_any_user_may_run_it(deployment: Deployment) -> None:
    options = ("--user", "1234:1234", "--tmpfs", "/var/lib/postgresql:uid=1234,gid=1234")
    server = deployment.run(POSTGRES, env={"POSTGRES_PASSWORD": PASSWORD}, options=options)
    server.comes_up(lambda: ready(server))
    assert server.says("stat", "-c", "%u", "/proc/1") == "1234"


def test_postgis_is_made_at_initialisation_and_can_be_made_by_a_script(deployment: Deployment, scripts: Path) -> None:
    write(
        scripts,
        "init.sql",
        "CREATE EXTENSION postgis; CREATE EXTENSION pgcrypto; CREATE TABLE t (g geometry(Point, 4326));",
    )
    plain = deployment.run(POSTGIS, env={"POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "pqrs"})
    scripted = deployment.run(POSTGIS, env={"POSTGRES_PASSWORD": PASSWORD}, options=postgres_options(scripts))
    plain.comes_up(lambda: ready(plain))
    assert sql(plain, "SELECT ST_AsText(ST_Point(1, 2))", "pqrs") == "POINT(1 2)"
    scripted.comes_up(lambda: ready(scripted))
    assert sql(scripted, "SELECT to_regclass('t')") == "t"


def test_timescaledb_is_made_at_initialisation_and_can_be_made_by_a_script(
    deployment: Deployment, scripts: Path
) -> None:
    write(scripts, "init.sql", "CREATE EXTENSION timescaledb;")
    plain = deployment.run(TIMESCALEDB, env={"POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "pqrs"})
    scripted = deployment.run(TIMESCALEDB, env={"POSTGRES_PASSWORD": PASSWORD}, options=postgres_options(scripts))
    table = "CREATE TABLE t (day date NOT NULL); SELECT create_hypertable('t', 'day')"
    plain.comes_up(lambda: ready(plain))
    assert "(1,public,t,t)" in sql(plain, table, "pqrs")
    scripted.comes_up(lambda: ready(scripted))
    assert "(1,public,t,t)" in sql(scripted, table)


# --- the object store -------------------------------------------------------------------------------------------------


def client(server: Container, access_key: str, secret_key: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.url(9000),
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def status(url: str) -> int:
    """0 when nothing answers."""
    try:
        return requests.get(url, timeout=SLOW).status_code
    except requests.RequestException:
        return 0


def serves(server: Container) -> None:
    server.comes_up(lambda: status(f"{server.url(9000)}/health/ready") == 200)


def refusal(server: Container, access_key: str, secret_key: str) -> str:
    with pytest.raises(ClientError) as refused:
        client(server, access_key, secret_key).list_buckets()
    return str(refused.value.response["Error"]["Code"])


def test_the_store_is_alive_before_it_is_ready(deployment: Deployment) -> None:
    server = deployment.run(S3, options=published(9000, 9001))
    server.comes_up(lambda: status(f"{server.url(9000)}/health") == 200)
    assert status(f"{server.url(9000)}/health/ready") == 503
    assert status(server.url(9000)) == 503
    serves(server)
    assert status(f"{server.url(9000)}/health") == 200
    assert status(server.url(9000)) == 403  # strangers
    assert server.says("stat", "-c", "%u:%g", "/proc/1") == "10001:10001"
    page = requests.get(server.url(9001), timeout=SLOW)
    assert "SeaweedFS" in page.text
    assert "RustFS" in page.text
    assert server.runs("curl", "-fsS", "http://127.0.0.1:9000/health/ready")


def test_the_old_names_of_the_keys_are_ignored_and_the_defaults_hold(deployment: Deployment) -> None:
    server = deployment.run(
        S3, env={"RUSTFS_ROOT_USER": "joe", "RUSTFS_ROOT_PASSWORD": PASSWORD}, options=published(9000)
    )
    serves(server)
    assert "WARNING: RUSTFS_ROOT_USER is deprecated and ignored" in server.log
    assert "WARNING: RUSTFS_ACCESS_KEY or RUSTFS_ACCESS_KEY_FILE is not set" in server.log
    assert client(server, "rustfsadmin", "rustfsadmin").list_buckets()["Buckets"] == []
    assert refusal(server, "joe", PASSWORD) == "InvalidAccessKeyId"


def test_the_keys_are_those_asked_for_and_what_is_written_outlives_the_container(
    deployment: Deployment, scripts: Path
) -> None:
    write(scripts, "secret", 'quo"te\\d\n')
    options = (*published(9000), "--volume", f"{scripts}:/run/keys:ro", "--volume", f"{deployment.volume()}:/data")
    env = {
        "RUSTFS_ACCESS_KEY": "lake",
        "RUSTFS_SECRET_KEY_FILE": "/run/keys/secret",
        "RUSTFS_VOLUMES": "/data/disk{0...3}",
    }
    server = deployment.run(S3, env=env, options=options)
    serves(server)
    s3 = client(server, "lake", 'quo"te\\d')
    s3.create_bucket(Bucket="lake")
    s3.put_object(Bucket="lake", Key="año/ñ", Body=b"x" * 9_000_000, IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="lake", Key="año/ñ", Body=b"y", IfNoneMatch="*")
    assert refusal(server, "lake", "wrong") == "SignatureDoesNotMatch"
    assert refusal(server, "rustfsadmin", "rustfsadmin") == "InvalidAccessKeyId"
    assert "WARNING" not in server.log
    docker("rm", "--force", server.name)

    server = deployment.run(S3, env=env, options=options)
    serves(server)
    assert client(server, "lake", 'quo"te\\d').get_object(Bucket="lake", Key="año/ñ")["Body"].read() == b"x" * 9_000_000
    docker("stop", server.name)
    assert server.ended() == 0


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"RUSTFS_ACCESS_KEY": ""}, "ERROR: RUSTFS_ACCESS_KEY must not be empty."),
        ({"RUSTFS_SECRET_KEY_FILE": "/nowhere"}, "ERROR: RUSTFS_SECRET_KEY_FILE points to an unreadable file."),
        (
            {"RUSTFS_SECRET_KEY": "a", "RUSTFS_SECRET_KEY_FILE": "/etc/hostname"},
            "ERROR: Set either RUSTFS_SECRET_KEY or RUSTFS_SECRET_KEY_FILE, not both.",
        ),
    ],
)
def test_malformed_keys_are_refused(deployment: Deployment, env: dict[str, str], message: str) -> None:
    server = deployment.run(S3, env=env)
    assert server.ended() == 1
    assert message in server.log


def test_a_folder_that_it_cannot_write_ends_it(deployment: Deployment, scripts: Path) -> None:
    server = deployment.run(S3, options=("--volume", f"{scripts}:/data"))
    assert server.ended() == 1
    assert "ERROR: /data is not writable by uid 10001" in server.log


def test_it_takes_minios_place(deployment: Deployment) -> None:
    server = deployment.run(
        MINIO,
        *("server", "/data", "--console-address", ":9001"),
        env={"MINIO_ROOT_USER": "joe", "MINIO_ROOT_PASSWORD": PASSWORD},
        options=published(9000, 9001),
    )
    server.comes_up(lambda: server.runs("mc", "ready", "local"))
    assert status(f"{server.url(9000)}/minio/health/live") == 200
    assert client(server, "joe", PASSWORD).list_buckets()["Buckets"] == []
    assert "MinIO" in requests.get(server.url(9001), timeout=SLOW).text


def test_minios_client_makes_buckets_and_says_what_it_leaves_undone(deployment: Deployment) -> None:
    env = {"MINIO_ROOT_USER": "joe", "MINIO_ROOT_PASSWORD": PASSWORD}
    server = deployment.run(MINIO, "server", "/data", env=env, options=published(9000))
    server.comes_up(lambda: server.runs("mc", "ready", "local"))
    at = "http://127.0.0.1:9000"
    assert not server.runs("mc", "alias", "set", "lake", at, "joe", "wrong")
    assert not server.runs("mc", "mb", "lake/raw")
    assert server.runs("mc", "--quiet", "alias", "set", "lake", at, "joe", PASSWORD)
    assert server.runs("mc", "mb", "lake/raw", "lake/gold/")
    assert server.runs("mc", "mb", "--ignore-existing", "lake/raw")
    assert not server.runs("mc", "mb", "lake/raw")
    assert server.says("mc", "ls", "lake").splitlines() == ["[bucket] gold/", "[bucket] raw/"]
    buckets = client(server, "joe", PASSWORD).list_buckets()["Buckets"]
    assert [bucket["Name"] for bucket in buckets] == ["gold", "raw"]
    said = docker("run", "--rm", f"pqrs-offline/{MC}", "version", "enable", "lake")
    assert "leaves undone: mc version enable" in said


# --- observability ----------------------------------------------------------------------------------------------------


def jobs(server: Container) -> list[str]:
    said = requests.get(f"{server.url(9090)}/api/v1/targets", timeout=SLOW).json()
    return [target["labels"]["job"] for target in said["data"]["activeTargets"]]


def test_prometheus_runs_the_configuration_of_the_image_or_the_one_mounted(
    deployment: Deployment, scripts: Path
) -> None:
    write(
        scripts, "prometheus.yml", "scrape_configs: [{job_name: mine, static_configs: [{targets: ['localhost:9090']}]}]"
    )
    mount = ("--volume", f"{scripts}/prometheus.yml:/etc/prometheus/prometheus.yml:ro")
    for options, job in (((), "prometheus"), (mount, "mine")):
        server = deployment.run(PROMETHEUS, options=(*published(9090), *options))
        server.comes_up(lambda: status(f"{server.url(9090)}/-/ready") == 200)  # noqa: B023 - called before the next
        until(lambda: jobs(server) == [job])  # noqa: B023
        assert server.says("stat", "-c", "%u", "/proc/1") == "65534"
        assert server.runs("wget", "-q", "-O", "-", "http://127.0.0.1:9090/-/ready")
        assert server.runs("promtool", "check", "config", "/etc/prometheus/prometheus.yml")


def test_a_broken_configuration_ends_prometheus(deployment: Deployment, scripts: Path) -> None:
    write(scripts, "prometheus.yml", "scrape_config: []")
    server = deployment.run(PROMETHEUS, options=("--volume", f"{scripts}:/etc/prometheus:ro"))
    assert server.ended() != 0
    assert "field scrape_config not found" in server.log


def test_the_store_pushes_its_metrics_to_prometheus(deployment: Deployment) -> None:
    network = deployment.network()
    prometheus = deployment.run(
        PROMETHEUS,
        *(
            "--config.file=/etc/prometheus/prometheus.yml",
            "--web.enable-remote-write-receiver",
        ),  # and no path for the data
        options=(*published(9090), "--network", network, "--network-alias", "prometheus"),
    )
    env = {"RUSTFS_OBS_ENDPOINT": "http://prometheus:9090/api/v1/otlp", "RUSTFS_OBS_METER_INTERVAL": "1"}
    store = deployment.run(S3, env=env, options=("--network", network))

    def series() -> Any:
        query = {"query": 'count({__name__=~"SeaweedFS_.+", job="rustfs"})'}
        try:
            said = requests.get(f"{prometheus.url(9090)}/api/v1/query", params=query, timeout=SLOW)
        except requests.RequestException:
            return []
        return said.json()["data"]["result"] if said.ok else []

    store.comes_up(series)


def test_the_node_exporter_answers(deployment: Deployment) -> None:
    exporter = deployment.run(NODE_EXPORTER, options=published(9100))
    exporter.comes_up(lambda: status(f"{exporter.url(9100)}/metrics") == 200)


def test_the_exporter_watches_the_database_that_its_environment_names(deployment: Deployment) -> None:
    network = deployment.network()
    deployment.run(
        POSTGRES, env={"POSTGRES_PASSWORD": "horse"}, options=("--network", network, "--network-alias", "db")
    )
    env = {
        "DATA_SOURCE_URI": "db:5432/postgres?sslmode=disable",
        "DATA_SOURCE_USER": "postgres",
        "DATA_SOURCE_PASS": "horse",
    }
    exporter = deployment.run(EXPORTER, env=env, options=("--network", network, *published(9187)))
    check = "wget -q -O - http://127.0.0.1:9187/metrics | grep -q '^pg_up 1'"
    exporter.comes_up(lambda: exporter.runs("sh", "-c", check))


# --- Dask, Prefect, the runtime ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "scheduler_command", "worker_command"),
    [(CLASSIC_DASK, ["dask-scheduler"], ["dask-worker"]), (DASK, ["dask", "scheduler"], ["dask", "worker"])],
)
def test_dask_workers_register(
    deployment: Deployment, image: str, scheduler_command: list[str], worker_command: list[str]
) -> None:
    network = deployment.network()
    scheduler = deployment.run(
        image,
        *(*scheduler_command, "--host", "0.0.0.0", "--port", "8786"),
        options=(*published(8787), "--network", network, "--network-alias", "scheduler"),
    )
    worker = deployment.run(
        image,
        *(*worker_command, "tcp://scheduler:8786", "--nworkers", "2", "--nthreads", "1"),
        options=("--network", network),
    )

    def workers() -> int:
        try:
            return int(requests.get(f"{scheduler.url(8787)}/json/counts.json", timeout=SLOW).json()["workers"])
        except requests.RequestException:
            return 0

    worker.comes_up(lambda: workers() == 2)
    assert "dask_scheduler_workers" in requests.get(f"{scheduler.url(8787)}/metrics", timeout=SLOW).text
    assert status(f"{scheduler.url(8787)}/status") == 200


@pytest.mark.parametrize(("image", "command"), [(CLASSIC_DASK, ["dask-worker"]), (DASK, ["dask", "worker"])])
def test_a_worker_with_an_option_of_old_ends(deployment: Deployment, image: str, command: list[str]) -> None:
    worker = deployment.run(image, *command, "tcp://nowhere:8786", "--nprocs", "2")
    assert worker.ended() == 2
    assert "No such option '--nprocs'" in worker.log


def test_current_dask_lacks_the_classic_commands(deployment: Deployment) -> None:
    worker = deployment.run(DASK, "dask-worker", "tcp://nowhere:8786")
    assert worker.ended() == 127
    assert "dask-worker: not found" in worker.log


def test_dasks_image_lacks_what_upstreams_lacks(deployment: Deployment) -> None:
    for package in ("polars", "prefect"):
        assert deployment.run(DASK, "python", "-c", f"import {package}").ended() == 1


def test_prefect_says_its_version_and_serves(deployment: Deployment) -> None:
    server = deployment.run(
        PREFECT, "prefect", "server", "start", "--host", "0.0.0.0", "--port", "4200", options=published(4200)
    )
    version = deployment.run(PREFECT)
    assert version.ended() == 0
    assert re.search(r"^Version: +3\.8\.8$", version.log, re.MULTILINE)
    server.comes_up(lambda: status(f"{server.url(4200)}/api/ready") == 200)
    assert status(server.url(4200)) == 200  # the UI
    assert server.runs("python", "-c", "import asyncpg")


def test_the_runtime_holds_the_lakehouse(deployment: Deployment) -> None:
    code = "import dask, deltalake, polars, prefect, pqrs_lakehouse, os; print(os.getuid(), dask.__version__)"
    runtime = deployment.run(RUNTIME, "python", "-c", code)
    assert runtime.ended() == 0, runtime.log
    assert runtime.log.split() == ["10002", DASK.partition(":")[2]]


def test_whatever_the_tests_start_is_found_again() -> None:
    """The wait of these tests ends with what it found, not with a hang."""
    with pytest.raises(AssertionError, match="the reason"):
        until(lambda: False, lambda: "the reason", 0.2)
