"""One fault in a sound deployment turns one guarantee red, and what is said of it names the fault."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from checking import GUIDE, ROOT, check, copy_of

from conformance.kit import Kit
from conformance.profile import load_profile
from conformance.verdict.words import Status

pytestmark = pytest.mark.compose

KIT = Kit()
CLASS = "infra/local/docker-compose.yml"
DATASOURCE = "infra/local/configs/grafana/provisioning/datasources/datasource.yml"
UNDONE = {"CMP-02", "CMP-03", "CMP-04", "CMP-08", "MED-10", "PRF-03", "PRF-05", "DSK-08"}
"""What the class recommends and its guide leaves undone."""

OPEN_THE_LAKE = """
import json, os, boto3
lake = os.environ["LAKE_BUCKET"]
store = boto3.client(
    "s3", endpoint_url=os.environ["S3_ENDPOINT_URL"], region_name="us-east-1",
    aws_access_key_id=os.environ["S3_ACCESS_KEY"], aws_secret_access_key=os.environ["S3_SECRET_KEY"],
)
anybody = {
    "Effect": "Allow", "Principal": "*", "Action": ["s3:ListBucket", "s3:GetObject"],
    "Resource": [f"arn:aws:s3:::{lake}", f"arn:aws:s3:::{lake}/*"],
}
store.put_bucket_policy(Bucket=lake, Policy=json.dumps({"Version": "2012-10-17", "Statement": [anybody]}))
"""
OPEN_LAKE = json.dumps(["sh", "-c", f"pqrs-lakehouse init-lake && python -c '{OPEN_THE_LAKE}'"])


@dataclass(frozen=True)
class Breach:
    """``before`` in ``file`` becomes ``after`` (no ``before``: the file goes), and ``fails`` alone turns red."""

    name: str
    fails: str
    says: tuple[str, ...]
    file: str
    before: str = ""
    after: str = ""
    original: Path = GUIDE
    profile: str = "clase-4h"
    families: tuple[str, ...] = ()  # that are judged; left out: the failing guarantee's own

    def commit(self, repository: Path) -> None:
        file = repository / self.file
        if not self.before:
            file.unlink()
            return
        text = file.read_text(encoding="utf-8")
        assert text.count(self.before) == 1, f"{self.file} has changed"
        file.write_text(text.replace(self.before, self.after), encoding="utf-8")

    @property
    def judged(self) -> list[str]:
        """What needs neither disruptions nor a run of the pipeline, which take most of a check's time."""
        families = self.families or (self.fails[:3],)
        slow = {"disruption", "pipeline"}
        ids = [id_ for id_ in load_profile(self.profile, KIT.catalogue).ids if id_[:3] in families]
        return sorted(id_ for id_ in ids if not slow & set(KIT.checks[id_].subjects))


BREACHES = [
    Breach("datasource-file-removed", "GRF-02", ("datasources",), DATASOURCE),
    Breach(
        "datasource-at-localhost", "GRF-04", ("localhost", "http://prometheus:9090"), DATASOURCE,
        "http://prometheus:9090", "http://localhost:9090",
    ),
    Breach(
        "worker-with-an-option-that-is-gone", "DSK-02", ("No such option", "--nprocs", "--nworkers"), CLASS,
        "--nworkers 2", "--nprocs 2",
    ),
    Breach(
        "volume-beside-the-data", "PLN-02", ("postgres", "/var/lib/postgresql/data"), CLASS,
        "postgres-data:/var/lib/postgresql/data", "postgres-data:/var/lib/postgresql/datos",
    ),
    Breach(
        "trust", "PGS-02", ("was let in", "POSTGRES_HOST_AUTH_METHOD"), CLASS,
        "container_name: postgres\n    environment:\n",
        "container_name: postgres\n    environment:\n      POSTGRES_HOST_AUTH_METHOD: trust\n",
    ),
    Breach(
        "anonymous-bucket", "OBJ-02", ("anonymous", "pqrs-lake"), "docker-compose.yml",
        '["pqrs-lakehouse", "init-lake"]', OPEN_LAKE,
        original=ROOT, profile="reference",
    ),
    Breach(
        "init-script-with-an-error", "PGS-03", ("init-postgres.sql", ":11", "syntax error"),
        "infra/local/init-scripts/init-postgres.sql",
        "CREATE SCHEMA IF NOT EXISTS gold;", "CREATE SCHEMA IF NOT EXIST gold;", families=("PGS", "MED"),
    ),
    Breach(
        "target-misspelt", "PRM-02", ("dask-sheduler:8787",), "infra/local/configs/prometheus.yml",
        "dask-scheduler:8787", "dask-sheduler:8787",
    ),
    Breach(
        "variables-that-rustfs-ignores", "OBJ-01", ("RUSTFS_ROOT_USER", "RUSTFS_ACCESS_KEY"), CLASS,
        "      RUSTFS_ACCESS_KEY: ${RUSTFS_ACCESS_KEY}\n      RUSTFS_SECRET_KEY: ${RUSTFS_SECRET_KEY}",
        "      RUSTFS_ROOT_USER: ${RUSTFS_ACCESS_KEY}\n      RUSTFS_ROOT_PASSWORD: ${RUSTFS_SECRET_KEY}",
    ),
    Breach(
        "worker-without-polars", "DSK-08", ("polars", "No module named"), "docker-compose.yml",
        "--scale dask-worker=4\n    <<: *runtime", "--scale dask-worker=4\n    image: daskdev/dask:2026.8.0",
        original=ROOT, profile="reference",
    ),
]  # fmt: skip


def dependents(guarantee: str) -> set[str]:
    return {id_ for id_ in KIT.catalogue if guarantee in KIT.catalogue.closure([id_])} - {guarantee}


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.name)
def test_a_breach_alone_turns_its_guarantee_red(breach: Breach, tmp_path: Path) -> None:
    repository = copy_of(breach.original, tmp_path / "repository")
    breach.commit(repository)

    only = [word for id_ in breach.judged for word in ("--only", id_)]
    checked = check(repository, tmp_path / "report", "--profile", breach.profile, *only)

    undone = UNDONE if breach.original == GUIDE else set()
    assert checked.guarantees, checked.errors
    assert checked.ids(Status.FAIL) - undone == {breach.fails}
    assert checked.ids(Status.BLOCKED) - undone <= dependents(breach.fails)
    assert checked.ids(Status.ERROR) == set()
    said = checked.message(breach.fails)
    assert [words for words in breach.says if words not in said] == [], said
