"""The offline map covers the images of the class, and names none that the builder does not make."""

from __future__ import annotations

import fnmatch
import importlib.machinery
import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

OFFLINE = Path(__file__).parents[2] / "infra/images/offline"
ENTRIES: list[dict[str, Any]] = tomllib.loads((OFFLINE / "map.toml").read_text(encoding="utf-8"))["image"]


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("offline_builder", str(OFFLINE / "build"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module  # where dataclasses look it up
    loader.exec_module(module)
    return module


def mapped(reference: str) -> str | None:
    return next((entry["image"] for entry in ENTRIES if fnmatch.fnmatchcase(reference, entry["match"])), None)


@pytest.mark.parametrize(
    ("reference", "image"),
    [
        ("postgis/postgis:15-3.4", "postgis:15"),
        ("postgis/postgis:17-3.5-alpine", "postgis:17"),
        ("postgres:18.6", "postgres:18"),
        ("postgres:15-alpine", "postgres:15"),
        ("postgres:16.4-alpine", "postgres:17"),
        ("postgres:17.2-bookworm", "postgres:17"),
        ("postgres:latest", "postgres:18"),
        ("pgvector/pgvector:pg16", "postgres:16"),
        ("pgvector/pgvector:0.8.1-pg18-trixie", "postgres:18"),
        ("timescale/timescaledb:2.19.3-pg17", "timescaledb:17"),
        ("rustfs/rustfs:latest", "s3:4.48"),
        ("rustfs/rustfs:1.0.0", "s3:4.48"),
        ("minio/minio:RELEASE.2025-01-20T14-49-07Z", "minio:4.48"),
        ("minio/mc:latest", "mc:4.48"),
        ("daskdev/dask:latest", "dask:2026.3.0"),
        ("daskdev/dask:2024.5.0-py3.11", "dask:2026.3.0"),
        ("daskdev/dask:2026.3.0", "dask:2026.3.0"),
        ("daskdev/dask:2026.7.1-py3.12", "dask:2026.8.0"),
        ("ghcr.io/dask/dask:2026.10.0", "dask:2026.8.0"),
        ("ghcr.io/dask/dask:latest", "dask:2026.3.0"),
        ("prefecthq/prefect:3-latest", "prefect:3.8.8"),
        ("prefecthq/prefect:3.8.5-python3.12", "prefect:3.8.8"),
        ("prefecthq/prefect:latest", "prefect:3.8.8"),
        ("prom/prometheus:latest", "prometheus:2.53"),
        ("prom/prometheus:v3.14.0", "prometheus:2.53"),
        ("quay.io/prometheuscommunity/postgres-exporter:v0.20.1", "postgres-exporter:0.17"),
        ("grafana/grafana:13.2.3", "grafana:13"),
        ("grafana/grafana-oss:latest", "grafana:13"),
        ("pqrs-lakehouse-runtime:0.1.0", "runtime:0.1.0"),
        ("python:3.12-slim", "python:3.11"),
    ],
)
def test_an_image_of_the_class_is_there(reference: str, image: str) -> None:
    assert mapped(reference) == f"pqrs-offline/{image}"


@pytest.mark.parametrize(
    "reference",
    [
        "metabase/metabase:latest",
        "prefecthq/prefect:2-latest",
        "postgres:9.6",
        "postgis/postgis:18-3.6",
        "pgvector/pgvector:pg17",
        "timescale/timescaledb:latest-pg16",
        "prom/pushgateway:latest",
    ],
)
def test_what_cannot_be_had_is_not_there(reference: str) -> None:
    assert mapped(reference) is None


def test_every_image_of_the_map_is_built(builder: ModuleType) -> None:
    assert {entry["image"] for entry in ENTRIES} <= {image.tag for image in builder.IMAGES}


def test_the_map_says_what_differs_unless_it_is_the_same_thing() -> None:
    assert [entry["image"] for entry in ENTRIES if "stands_in_for" not in entry] == ["pqrs-offline/runtime:0.1.0"]


def test_images_come_after_what_they_are_built_on(builder: ModuleType) -> None:
    seen: set[str] = set()
    tags = {image.tag for image in builder.IMAGES}
    for image in builder.IMAGES:
        assert set(builder.bases(image)) & tags <= seen, image.tag
        seen.add(image.tag)


def test_what_an_image_is_made_of_decides_whether_it_is_built_again(builder: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM base\nCOPY part /part\n", encoding="utf-8")
    part = tmp_path / "part" / "file"
    part.parent.mkdir()
    part.write_text("one", encoding="utf-8")
    (tmp_path / "other").write_text("not copied", encoding="utf-8")
    image = builder.Image("pqrs-offline/x:1", tmp_path)
    first = builder.content_hash(image, ["base"])

    (tmp_path / "other").write_text("changed", encoding="utf-8")
    assert builder.content_hash(image, ["base"]) == first
    assert builder.content_hash(image, ["another base"]) != first
    part.chmod(0o755)
    assert builder.content_hash(image, ["base"]) != first
    part.chmod(0o644)
    part.write_text("two", encoding="utf-8")
    assert builder.content_hash(image, ["base"]) != first


def test_a_missing_file_is_named(builder: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM base\nCOPY absent /\n", encoding="utf-8")
    with pytest.raises(builder.BuildError, match="copies absent"):
        builder.content_hash(builder.Image("pqrs-offline/x:1", tmp_path), [])
