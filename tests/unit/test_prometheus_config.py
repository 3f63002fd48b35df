"""What the Prometheus observer makes of a configuration file."""

from __future__ import annotations

import pytest

from conformance.observe.prometheus import MAX_LISTED, Job, _jobs

FILE = """
global: {scrape_interval: 15s}
scrape_configs:
  - job_name: dask
    static_configs:
      - targets: ["dask-scheduler:8787"]
      - targets: ["another:1", "again:2"]
        labels: {plane: compute}
  - job_name: workers
    dns_sd_configs: [{names: [dask-worker], type: A, port: 8790}]
"""


def test_jobs_have_targets_and_discovery() -> None:
    assert _jobs(FILE) == (
        Job(name="dask", targets=("again:2", "another:1", "dask-scheduler:8787")),
        Job(name="workers", targets=(), discovery=("dns_sd_configs",)),
    )


@pytest.mark.parametrize("text", ["global: {}", "scrape_configs:", "scrape_configs: []"])
def test_a_file_without_jobs_has_none(text: str) -> None:
    assert _jobs(text) == ()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "a: [", "scrape_configs: 7", "scrape_configs: [7]", "scrape_configs: [{}]", "scrape_configs: {a: 1}",
     "scrape_configs: [{job_name: a, static_configs: 7}]", "scrape_configs: [{job_name: a, static_configs: [[]]}]"],
)  # fmt: skip
def test_what_is_no_configuration_is_none(text: str) -> None:
    assert _jobs(text) is None


def test_a_hostile_file_is_bounded() -> None:
    jobs = "&j {job_name: a, static_configs: [" + ", ".join(["&g {targets: [&t [x]]}"] + ["*g"] * 1000) + "]}"
    text = "scrape_configs: [" + ", ".join([jobs] + ["*j"] * 1000) + "]"
    found = _jobs(text)
    assert found is not None
    assert len(found) == MAX_LISTED
    assert {job.targets for job in found} == {()}
