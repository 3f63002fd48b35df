"""Who reaches whom, from a container that is this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from container_stacks import Containers, model, running
from test_containers_doors import S3, saying, served, web

from conformance.observe.containers_reach import Reach, addresses, reach
from conformance.stacks.base import Executed, Role
from conformance.stacks.ports import PortBlock

TWO_NETWORKS = {
    "dask-worker": {"networks": {"compute": None, "storage": None}},
    "localhost": {"container_name": "127.0.0.1", "networks": {"storage": {"aliases": ["no.such.host.invalid"]}}},
    "apart": {"networks": {"elsewhere": None}},
}


def tried(protocol: str, *ports: int, run: Callable[..., Executed] | None = None, to: str = "localhost") -> Reach:
    worker = running("dask-worker")
    stack = Containers(model(TWO_NETWORKS, dask_worker=Role.DASK_WORKER), [worker], **({"run": run} if run else {}))
    return reach(stack, stack.model, worker, to, protocol, ports)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("protocol", "server", "reached"),
    [
        ("postgresql", lambda: saying(answer=b"N"), True),
        ("postgresql", lambda: saying(answer=b"H"), False),
        ("s3", lambda: web(403, S3, "application/xml"), True),
        ("s3", lambda: web(200, "<html>", "text/html"), False),
        ("tcp", lambda: saying(), True),
    ],
)
def test_a_protocol_is_spoken_under_every_name_that_leads_there(
    protocol: str, server: Callable[[], Any], reached: bool
) -> None:
    with served(server()) as port:
        told = tried(protocol, port)
    names = [f"localhost:{port}", f"127.0.0.1:{port}", f"no.such.host.invalid:{port}"]
    assert told.told
    assert told.tried == tuple(names)
    assert told.reached == (tuple(names[:2]) if reached else ())
    assert "no.such.host.invalid" in told.detail
    assert told.shared == ("storage",)


def test_who_refuses_is_not_reached() -> None:
    with PortBlock() as ports:
        told = tried("tcp", ports.take())
    assert (told.told, told.reached) == (True, ())
    assert "refused" in told.detail.lower()


def test_services_without_a_common_network_share_none() -> None:
    with PortBlock() as ports:
        assert tried("tcp", ports.take(), to="apart").shared == ()


def without_python(**answers: int) -> Callable[..., Executed]:
    """A container with a shell and some tools: each ends with that code."""

    def run(argv: list[str], stdin: bytes, timeout: float) -> Executed:
        if argv[0] != "/bin/sh":
            return Executed(127, "", "executable file not found")
        line = argv[-1]
        tool = next((name for name in ("nc", "bash") if name in line), "")
        if line.startswith("command -v"):
            return Executed(0 if tool in answers or line == "command -v command" else 1, "", "")
        return Executed(answers[tool], "", "")

    return run


@pytest.mark.parametrize(
    ("answers", "told", "reached"),
    [
        ({"nc": 0}, True, True),
        ({"nc": 1}, True, False),
        ({"bash": 0}, True, True),
        ({"bash": 124}, True, False),
        ({"bash": 126}, False, False),
        ({}, False, False),
    ],
)
def test_without_python_netcat_or_bash_must_do(answers: dict[str, int], told: bool, reached: bool) -> None:
    found = tried("tcp", 9000, run=without_python(**answers))
    assert (found.told, bool(found.reached)) == (told, reached)


def test_a_protocol_cannot_be_spoken_without_python() -> None:
    assert not tried("s3", 9000, run=without_python(nc=0)).told


@pytest.mark.parametrize("out", ["", "conformance: nonsense", "conformance: []", "conformance: {}"])
def test_an_answer_that_is_none_tells_nothing(out: str) -> None:
    assert not tried("s3", 9000, run=lambda argv, stdin, timeout: Executed(0, out, "")).told


def test_addresses_on_the_author_s_networks_alone_are_taken() -> None:
    networks = {
        "pqrs-1_storage": {"IPAddress": "172.19.0.2"},
        "pqrs-1_conformance-access-rustfs": {"IPAddress": "172.20.0.2"},
        "pqrs-1_down": {"IPAddress": ""},
        "pqrs-1_none": None,
    }
    found = addresses({"NetworkSettings": {"Networks": networks}}, frozenset({"storage", "down", "none"}))
    assert found == ("172.19.0.2",)
    assert addresses({}, frozenset({"storage"})) == ()
