"""The reference's Prometheus configuration, for services that answer elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.stacks.base import StackError
from conformance.stacks.services.prometheus import rewritten

FILE = Path(__file__).parents[2] / "infra" / "prometheus" / "prometheus.yml"


def jobs(text: str) -> dict[str, Any]:
    return {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}


def test_the_references_jobs_keep_names_and_paths_and_get_other_targets() -> None:
    found = jobs(rewritten(FILE, {"prefect": ["127.0.0.1:1"], "dask-worker": ["a:1", "b:2"]}, {"more": ["c:3"]}))
    assert [*found] == [*jobs(FILE.read_text()), "more"]
    assert found["prefect"] == {
        "job_name": "prefect",
        "metrics_path": "/api/metrics",
        "static_configs": [{"targets": ["127.0.0.1:1"]}],
    }
    assert found["dask-worker"] == {"job_name": "dask-worker", "static_configs": [{"targets": ["a:1", "b:2"]}]}
    assert found["grafana"]["static_configs"] == [{"targets": []}]


def test_every_job_is_scraped_each_second(tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_text("scrape_configs: [{job_name: a, scrape_interval: 1m, scrape_timeout: 30s, scheme: http}]")
    config = yaml.safe_load(rewritten(file, {"a": ["x:1"]}, {}))
    assert config["global"] == {"scrape_interval": "1s", "scrape_timeout": "1s"}
    assert config["scrape_configs"] == [{"job_name": "a", "scheme": "http", "static_configs": [{"targets": ["x:1"]}]}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "is not YAML: .*line 1"),
        ("[]", "scrape_configs must be a list"),
        ("", "scrape_configs must be a list"),
        ("scrape_configs: [7]", "scrape_configs must be a list"),
        ("scrape_configs: [{}]", "scrape_configs must be a list"),
        ("scrape_configs: [{job_name: [a]}]", "scrape_configs must be a list"),
    ],
)
def test_what_is_no_configuration_is_named(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "p.yml"
    file.write_text(text)
    with pytest.raises(StackError, match=f"p.yml.*{reason}"):
        rewritten(file, {}, {})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"cannot read .*none.yml"):
        rewritten(tmp_path / "none.yml", {}, {})
