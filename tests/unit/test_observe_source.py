"""The repository observer against real folders and real git repositories."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from conformance.checks import test_src as checks
from conformance.observe import source
from conformance.stacks.base import Certainty, ComposeModel, Finding, Role, Unavailable
from conformance.verdict.words import Broken, CannotTell


class Repository:
    """As much of a stack as the observer asks for."""

    seed = 0

    def __init__(self, root: Path, model: ComposeModel | None = None) -> None:
        self.root = root
        self.model = model

    def source(self) -> Path:
        return self.root

    def compose(self) -> ComposeModel:
        if self.model is None:
            raise Unavailable("no model")
        return self.model

    def progress(self, message: str) -> None:
        pass


def look(root: Path, model: ComposeModel | None = None) -> source.SourceFacts:
    repository = Repository(root, model)
    return source.collect(repository, repository)  # type: ignore[arg-type]


def write(root: Path, name: str, text: str | bytes = "") -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_a_clean_folder_holds(tmp_path: Path) -> None:
    write(tmp_path, "docs/adr/0001-planes.md", "See [the rules](../rules.md#terms) and [home](https://example.org).")
    write(tmp_path, "docs/rules.md", "[up](..), [folder](adr), [self](#here), ![image](missing.png)")
    write(tmp_path, ".env.example", "POSTGRES_PASSWORD=change-me\n")
    facts = look(tmp_path)
    assert not facts.versioned
    assert facts.adrs == ("docs/adr/0001-planes.md",)
    checks.test_no_real_env_key_or_dump_is_committed(facts)
    checks.test_architecture_decisions_are_recorded(facts)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".env", "POSTGRES_PASSWORD=secreta\n"),
        ("infra/local/.env", "A=1"),
        ("prod.env", "A=1\nexport DB_PASSWORD='secreta'\n"),
        ("prod.env", "DATABASE_URL=postgresql://pqrs:secreta@postgres/pqrs"),
        (".env.production", "TOKEN=abc"),
        ("keys/id_rsa", "x"),
        ("server.pem", "-----BEGIN RSA PRIVATE KEY-----\nMII\n"),
        ("deploy.key", "-----BEGIN PRIVATE KEY-----\nMII\n"),
        ("backup.sql.gz", b"\0" * (5 * 2**20 + 1)),
        ("data/pqrs.PARQUET", b"\0" * (5 * 2**20 + 1)),
    ],
)
def test_what_must_not_be_committed_is_named(tmp_path: Path, name: str, content: str | bytes) -> None:
    write(tmp_path, name, content)
    with pytest.raises(Broken) as broken:
        checks.test_no_real_env_key_or_dump_is_committed(look(tmp_path))
    assert name in broken.value.observed
    assert name in broken.value.values["files"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".env", "# nothing here\n\nA=\n"),
        (".env.example", "A=1"),
        ("dask.env", "# no secret\nDASK_SCHEDULER_ADDRESS=tcp://dask-scheduler:8786\n"),
        ("entorno/postgres.env", "POSTGRES_PASSWORD_FILE=/run/secrets/clave\nPOSTGRES_PASSWORD=\n"),
        ("entorno/grafana.env", "GF_SECURITY_ADMIN_PASSWORD=${GRAFANA_PASSWORD}"),
        ("local.env.template", "A=1"),
        ("plantilla.env", "A=1"),
        ("server.pem", "-----BEGIN CERTIFICATE-----\n"),
        ("data/muestra.csv", b"\0" * (5 * 2**20)),
        ("video.mp4", b"\0" * (6 * 2**20)),
        ("docs/llaves.md", "-----BEGIN PRIVATE KEY-----"),
    ],
)
def test_what_may_be_committed_is_spared(tmp_path: Path, name: str, content: str | bytes) -> None:
    write(tmp_path, name, content)
    checks.test_no_real_env_key_or_dump_is_committed(look(tmp_path))


def test_only_what_git_tracks_counts(tmp_path: Path) -> None:
    write(tmp_path, ".gitignore", ".env\n")
    write(tmp_path, ".env", "POSTGRES_PASSWORD=secreta\n")
    write(tmp_path, "ADR-0001-planos.md", "x")
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    facts = look(tmp_path)
    assert facts.versioned
    assert facts.env_files == ()
    subprocess.run(["git", "add", "-f", ".env"], cwd=tmp_path, check=True)
    assert look(tmp_path).env_files == (".env",)


def test_the_repository_cannot_make_git_run_its_programs(tmp_path: Path) -> None:
    write(tmp_path, "ADR-0001.md", "x")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    trap = tmp_path / "trap.sh"
    trap.write_text("#!/bin/sh\ntouch sprung\n")
    trap.chmod(0o755)
    subprocess.run(["git", "config", "core.fsmonitor", str(trap)], cwd=tmp_path, check=True)
    assert look(tmp_path).files == 1
    assert not (tmp_path / "sprung").exists()


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, ".env", "A=1")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / ".env").symlink_to(outside / ".env")
    assert look(inside).env_files == ()


def test_no_decision_and_a_broken_link_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path, "README.md", "nothing")
    with pytest.raises(Broken) as broken:
        checks.test_architecture_decisions_are_recorded(look(tmp_path))
    assert broken.value.hint == "no_adr"
    write(
        tmp_path,
        "docs/ADR-0001-planos.md",
        "[diseño](../docs/GUIA%20BD.md) `[no](x.md)` ``[`no](z.md)``\n```\n[code](y.md)\n```\n",
    )
    with pytest.raises(Broken) as broken:
        checks.test_architecture_decisions_are_recorded(look(tmp_path))
    assert broken.value.hint == "broken_links"
    assert "docs/ADR-0001-planos.md -> ../docs/GUIA%20BD.md" in broken.value.observed
    assert broken.value.observed.count("->") == 1


@pytest.mark.parametrize("text", ["[" * 200_000, "[![a](b)" * 30_000, "[a](b " * 30_000], ids=["[", "images", "open"])
def test_a_document_made_to_be_slow_is_read_at_once(tmp_path: Path, text: str) -> None:
    write(tmp_path, "docs/adr/0001.md", text)
    started = time.monotonic()
    assert look(tmp_path).adrs == ("docs/adr/0001.md",)
    assert time.monotonic() - started < 10


def test_a_badge_s_link_is_a_link(tmp_path: Path) -> None:
    write(tmp_path, "README.md", "[![build](missing.svg)](ci/missing.md) [text](<missing too.md>)")
    assert look(tmp_path).broken_links == ("README.md -> ci/missing.md",)


def test_a_repository_too_large_to_read_is_not_judged_by_its_first_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MAX_FILES", 3)
    for number in range(4):
        write(tmp_path, f"apps/vendored/{number}.js")
    write(tmp_path, "docs/adr/0001-planes.md")
    write(tmp_path, "infra/local/.env", "POSTGRES_PASSWORD=secreta\n")
    facts = look(tmp_path)
    assert facts.truncated
    for check in (checks.test_no_real_env_key_or_dump_is_committed, checks.test_architecture_decisions_are_recorded):
        with pytest.raises(CannotTell):
            check(facts)


def test_folders_and_samples_are_told(tmp_path: Path) -> None:
    for name in (".env.example", "infra/local/.env.template", "infra/local/.env", "apps/run.py", "README.md"):
        write(tmp_path, name)
    facts = look(tmp_path)
    assert facts.folders == ("apps", "infra")
    assert facts.env_examples == (".env.example", "infra/local/.env.template")
    assert facts.misplaced == ()


def test_code_among_mounted_configuration_is_misplaced(tmp_path: Path) -> None:
    for name in (
        "infra/grafana/provisioning/datasources/make.py", "infra/init/10-load.ipynb", "infra/init/20-schema.sql",
        "infra/prometheus.yml", "infra/near.py", "apps/flow.py", "gunicorn/gunicorn.conf.py", "volumes/pg/x.py",
        "dash/view.js",
    ):  # fmt: skip
        write(tmp_path, name)
    targets = {
        "grafana": {"infra/grafana/provisioning": "/etc/grafana/provisioning", "dash": "/var/lib/grafana/dashboards"},
        "db": {"infra/init": "/docker-entrypoint-initdb.d", "volumes/pg": "/var/lib/postgresql/data"},
        "prometheus": {"infra/prometheus.yml": "/etc/prometheus/prometheus.yml"},
        "worker": {"apps": "/app"},
        "web": {"gunicorn": "/etc/gunicorn"},
    }
    services = {
        name: {"volumes": [{"type": "bind", "source": f"{tmp_path}/{at}", "target": to} for at, to in mounted.items()]}
        for name, mounted in targets.items()
    }
    roles = {"grafana": Role.GRAFANA, "db": Role.POSTGRES, "prometheus": Role.PROMETHEUS, "worker": Role.DASK_WORKER}
    findings = tuple(Finding(name, role, Certainty.SURE, "image") for name, role in roles.items())
    facts = look(tmp_path, ComposeModel(resolved={"services": services}, findings=findings))
    assert facts.misplaced == (
        "dash/view.js",
        "infra/grafana/provisioning/datasources/make.py",
        "infra/init/10-load.ipynb",
    )
