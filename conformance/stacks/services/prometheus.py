"""Prometheus with the reference's configuration, for services that answer elsewhere, and an exporter for PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from conformance.stacks.base import PostgresAccess, StackError
from conformance.stacks.ports import HOST
from conformance.stacks.processes import Command, Processes

INTERVAL = "1s"


def server(processes: Processes, name: str, binary: str, port: int, config: str) -> Command:
    folder = processes.folder(name)
    file = folder / "prometheus.yml"
    file.write_text(config, encoding="utf-8")
    argv = [
        binary, f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={HOST}:{port}", "--log.level=warn",
    ]  # fmt: skip
    return Command(name, argv, processes.environment(), folder)


def postgres_exporter(processes: Processes, name: str, port: int, access: PostgresAccess) -> Command:
    env = processes.environment(
        {
            "PGHOST": access.host,
            "PGPORT": str(access.port),
            "PGUSER": access.user,
            "PGPASSWORD": access.password,
            "PGDATABASE": access.database,
        }
    )
    argv = [sys.executable, "-m", "conformance.stacks.services.postgres_exporter", HOST, str(port)]
    return Command(name, argv, env, processes.folder(name))


def rewritten(file: Path, targets: Mapping[str, Sequence[str]], added: Mapping[str, Sequence[str]]) -> str:
    """The configuration in ``file`` with the same jobs, scraped every second, at other targets.

    Args:
        targets: by job, ``host:port``; a job that is not named keeps its name and gets none.
        added: the same, of jobs that the file does not have.

    Raises:
        StackError: the file is no such configuration; names it.
    """
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        jobs = [_job(job, targets.get(job["job_name"], ())) for job in config["scrape_configs"]]
    except yaml.YAMLError as error:
        raise StackError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"cannot read {file}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise StackError(f"{file}: scrape_configs must be a list of jobs that each have a job_name") from error
    jobs += [_job({"job_name": name}, found) for name, found in added.items()]
    return yaml.safe_dump(
        {"global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL}, "scrape_configs": jobs}, sort_keys=False
    )


def _job(job: dict[str, Any], targets: Sequence[str]) -> dict[str, Any]:
    kept = {
        key: value
        for key, value in job.items()
        if not key.endswith("_configs") and key not in ("scrape_interval", "scrape_timeout")
    }
    return {**kept, "static_configs": [{"targets": list(targets)}]}
