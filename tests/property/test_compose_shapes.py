"""Whatever stands in a Compose file, its services are read without an error, and within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from conformance.stacks.base import ComposeModel, Role
from conformance.stacks.compose import access
from conformance.stacks.compose.configured import all_built
from conformance.stacks.compose.programs import processes
from conformance.stacks.compose.service import ports, settled
from conformance.stacks.discovery import discover, roles_in

NOWHERE = Path("no-such-folder")

words = st.sampled_from((
    "sh", "-c", "dask-worker", "prefect", "server", "start", "--", "exec", ";", "&&", "$@", "$(x)", "'", '"', "#", "\n",
    ":9000", "--port=1", "postgres", "minio", "weed", "-s3", "[::]:1", "${A:-b}", "python", "-m", "uv", "run", "su",
))  # fmt: skip
texts = st.one_of(st.text(max_size=20), st.lists(words, max_size=8).map(" ".join))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), texts)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
KEYS = (
    "image", "build", "command", "entrypoint", "environment", "ports", "expose", "volumes", "tmpfs", "labels",
    "networks", "depends_on", "secrets", "configs", "container_name", "hostname",
)  # fmt: skip
services = st.dictionaries(
    st.sampled_from(["db", "prefect-server", "a.b", "worker"]),
    st.dictionaries(st.sampled_from(KEYS), documents, max_size=6),
    max_size=3,
)


@given(services)
def test_any_services_are_read(found: dict[str, dict[str, Any]]) -> None:
    findings = discover(found, built=all_built(found, NOWHERE))
    assert {finding.service for finding in findings} <= set(found)
    assert len({finding.service for finding in findings}) == len(findings)
    assert all(finding.reason and len(finding.reason) <= 200 for finding in findings)
    model = ComposeModel(resolved={"services": found})
    for name, service in found.items():
        assert set(roles_in(service)) <= set(Role)
        for role in Role:
            assert all(0 < port < 65536 for port in access.container_ports(role, service, NOWHERE).values())
        assert access.postgres(model, name, NOWHERE).user
        assert access.grafana(model, name, NOWHERE).password
        access.object_store(model, name, NOWHERE)
        access.published(model, name, 80)
    assert all(len(secret) > 1 for secret in access.secrets_of(model, {}, NOWHERE))


@given(st.lists(texts, max_size=6))
def test_any_command_line_is_split(argv: list[str]) -> None:
    assert all(process for process in processes(argv))


@given(st.text(max_size=60))
def test_ports_and_variables_are_read_in_any_text(text: str) -> None:
    assert all(0 < port.target < 65536 for port in ports({"ports": [text]}))
    assert len(settled(text)) <= len(text)
