"""What observers of running services take from their author's Compose model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from container_stacks import Containers, model, running

from conformance.observe import dask, dask_inside, inside, prefect, prometheus
from conformance.observe.facts import Attempt
from conformance.observe.inside import dask_work
from conformance.observe.prometheus import Job
from conformance.stacks.base import Capability, Endpoint, Executed, Role, Unavailable

DASK_JOB = "scrape_configs: [{job_name: dask, static_configs: [{targets: ['dask-scheduler:8787']}]}]\n"
JOBS = (Job(name="dask", targets=("dask-scheduler:8787",)),)
PROMETHEUS = Endpoint(Role.PROMETHEUS, "prometheus", "http", "127.0.0.1", 1)


def mounted(
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    service: dict[str, Any],
    path: str = "/etc/prometheus/prometheus.yml",
    working_folder: str = "/prometheus",
    **stack: Any,
) -> dict[str, Any]:
    monkeypatch.setattr(
        prometheus, "_api", lambda endpoint, question: {"config.file": path} if "flags" in question else {}
    )
    deployment = Containers(
        model({"prometheus": service}, prometheus=Role.PROMETHEUS),
        [running("prometheus")],
        inspected={"prometheus": {"Config": {"WorkingDir": working_folder}}},
        root=root,
        **stack,
    )
    return prometheus._mounted(deployment, PROMETHEUS)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "prometheus.yml").write_text(DASK_JOB, encoding="utf-8")
    return tmp_path.resolve()


def bind(source: Path, target: str) -> dict[str, Any]:
    return {"volumes": [{"type": "bind", "source": str(source), "target": target}]}


def test_a_mounted_file_or_folder_is_the_configuration(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    for service in (
        bind(root / "configs" / "prometheus.yml", "/etc/prometheus/prometheus.yml"),
        bind(root / "configs", "/etc/prometheus"),
    ):
        told = mounted(monkeypatch, root, service)
        assert told == {"mounted": JOBS, "mounted_file": "/etc/prometheus/prometheus.yml"}


def test_a_path_is_taken_from_the_container_s_own_folder(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    service = bind(root / "configs", "/prometheus/conf")
    assert mounted(monkeypatch, root, service, path="conf/prometheus.yml")["mounted"] == JOBS


def test_a_file_that_holds_no_configuration_is_none(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    (root / "configs" / "prometheus.yml").write_text("- not: [a, configuration\n", encoding="utf-8")
    told = mounted(monkeypatch, root, bind(root / "configs", "/etc/prometheus"))
    assert told["mounted"] is None
    assert "holds no configuration" in told["mounted_file"]


def test_nothing_mounted_is_told(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    told = mounted(monkeypatch, root, bind(root / "configs", "/etc/other"))
    assert told["mounted_nothing"] == "/etc/prometheus/prometheus.yml"
    assert "mounted" not in told


@pytest.mark.parametrize(
    "service",
    [
        {"volumes": [{"type": "volume", "source": "conf", "target": "/etc/prometheus"}]},
        {"build": {"context": "./prometheus"}},
    ],
)
def test_a_file_that_comes_another_way_is_not_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, root: Path, service: dict[str, Any]
) -> None:
    told = mounted(monkeypatch, root, service)
    assert not told.get("mounted_nothing")
    assert told["mounted_file"]


def test_without_a_model_the_file_is_not_visible(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    told = mounted(monkeypatch, root, {}, kind="attached", capabilities=frozenset({Capability.ENDPOINTS}))
    assert told == {"mounted_file": "the file that the service mounts is not visible to this stack"}


def test_a_target_is_known_by_every_name_and_address_of_its_service() -> None:
    deployment = Containers(
        model(
            {
                "worker": {"container_name": "Dask1", "networks": {"n": {"aliases": ["workers"]}}},
                "other": {"container_name": "elsewhere"},
            }
        ),
        [running("worker"), running("other")],
        inspected={
            "worker": {"NetworkSettings": {"Networks": {"p_n": {"IPAddress": "172.18.0.5"}, "p_m": {"IPAddress": ""}}}},
            "other": {"NetworkSettings": {"Networks": {"p_n": {"IPAddress": "172.18.0.6"}}}},
        },
    )
    assert prometheus._hosts(deployment, ("worker",)) == {"worker", "dask1", "workers", "172.18.0.5"}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ports", "published"),
    [
        ([{"target": 4200, "published": "4200"}], (4200,)),
        ([{"target": 4200, "published": "80"}, {"target": 4200, "published": "14200"}], (80, 14200)),
        ([{"target": 4200}], ()),  # any free one
        ([], ()),
    ],
)
def test_the_ports_that_lead_to_prefect_are_its_author_s(
    ports: list[dict[str, Any]], published: tuple[int, ...]
) -> None:
    services = {
        "prefect": {"image": "prefecthq/prefect:3-latest", "command": ["prefect", "server", "start"], "ports": ports},
        "proxy": {"image": "caddy", "ports": [{"target": 80, "published": "8080"}]},
    }
    deployment = Containers(model(services, prefect=Role.PREFECT_SERVER))
    assert prefect._published(deployment, "prefect") == {  # type: ignore[arg-type]
        "published": published,
        "published_by_others": (8080,),
    }


# --- in the scheduler's container


class Scheduler(Containers):
    """Answers the program as ``answer`` says, under the interpreter of that name only."""

    def __init__(self, answer: Executed, interpreter: str = "python3", state: str = "running") -> None:
        super().__init__(
            model({"dask-scheduler": {}}, dask_scheduler=Role.DASK_SCHEDULER), [running("dask-scheduler", state=state)]
        )
        self.asked: list[Sequence[str]] = []
        self._answer, self._interpreter = answer, interpreter

    def execute(self, service: str, argv: Sequence[str], **how: Any) -> Executed:
        if argv[0] == "/bin/sh":
            return Executed(
                0, "\x1e1 0 0 tini\0--\0dask\0scheduler\0\x1e7 1 0 /venv/bin/python\0/venv/bin/dask\0scheduler\0", ""
            )
        self.asked.append(argv)
        assert b"distributed" in how["stdin"]
        return self._answer if argv[0] == self._interpreter else Executed(127, "", "not found")


def test_the_scheduler_s_own_interpreter_goes_first_and_noise_is_left_out() -> None:
    said = Executed(0, 'warning: x\n\nconformance: {"done": 3}\n', "")
    stack = Scheduler(said, "/venv/bin/python")
    told, attempt = dask_inside.ask(stack, "tcp://172.18.0.3:8786", {"work": "x"}, within=5)  # type: ignore[arg-type]
    assert (told, attempt) == ({"done": 3}, Attempt(ok=True, detail="inside dask-scheduler-1"))
    assert [argv[0] for argv in stack.asked] == ["/venv/bin/python"]
    assert (
        '"addresses": ["tcp://172.18.0.3:8786", "tcp://127.0.0.1:8786", "tcp://dask-scheduler:8786"]'
        in stack.asked[0][2]
    )


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Executed(0, 'conformance: {"error": "OSError: timed out"}\n', ""), "OSError: timed out"),
        (Executed(1, "", "Traceback\nModuleNotFoundError: No module named 'dask'\n"), "No module named 'dask'"),
        (Executed(124, "", "no end within 5 s"), "no end within 5 s"),
        (Executed(137, "", ""), "exit 137"),
        (Executed(0, "conformance: {broken\n", ""), "conformance: {broken"),
    ],
)  # fmt: skip
def test_what_goes_wrong_inside_is_told(answer: Executed, says: str) -> None:
    told, attempt = dask_inside.ask(Scheduler(answer), "", {}, within=5)  # type: ignore[arg-type]
    assert (told, attempt.ok) == ({}, False)
    assert says in attempt.detail


def test_a_scheduler_that_has_ended_cannot_be_asked() -> None:
    with pytest.raises(Unavailable):
        dask_inside.ask(Scheduler(Executed(0, "", ""), state="exited"), "", {}, within=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [{}, {"fan_out": {}, "engines": {}}, {"error": "x"}])
def test_experiments_that_fail_are_facts(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> None:
    ok = "fan_out" in answer
    monkeypatch.setattr(dask_inside, "ask", lambda *_, **__: (answer if ok else {}, Attempt(ok=ok)))
    told = dask._experiments_inside(Containers(), "")  # type: ignore[arg-type]
    assert told["protocol"].ok is ok
    assert ("fan_out" in told) is ok


def test_what_the_program_answers_becomes_the_facts_of_the_kit_s_own_client(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = "tcp://10.0.0.1:1", "tcp://10.0.0.2:1"
    answer = {
        "identity": {"type": "Scheduler", "workers": {one: {}, two: {}}},
        "versions": {"scheduler": {"python": "3.10", "dask": "2026.3.0"}, one: {"python": "3.10", "dask": "2026.3.0"}},
        "fan_out": {"result": dask._sum_of_squares(8_000), "ran_on": [one, two] * 4},
        "engines": {one: {"polars": "2.1.0"}, two: {"detail": "ModuleNotFoundError"}},
    }
    monkeypatch.setattr(dask_inside, "ask", lambda *_, **__: (answer, Attempt(ok=True)))
    told = dask._experiments_inside(Containers(), "")  # type: ignore[arg-type]
    assert told["inside"]
    assert dask._who_is_there(told["identity"])["worker_count"] == 2
    assert (told["fan_out"].tasks, told["fan_out"].result) == (8, told["fan_out"].expected)
    assert {share.worker: share.tasks for share in told["fan_out"].ran_on} == {one: 4, two: 4}
    assert [(v.member, v.python, v.packages) for v in told["versions"]] == [
        (member, "3.10", {"dask": "2026.3.0"}) for member in ("scheduler", one)
    ]
    assert [(e.polars, e.detail) for e in told["engines"]] == [("2.1.0", ""), (None, "ModuleNotFoundError")]


def test_a_scheduler_whose_page_is_not_reached_is_known_from_inside() -> None:
    worker = {"name": 0, "nthreads": 1, "memory_limit": 1_000, "status": "running", "metrics": {"cpu": 1.0}}
    known = {"type": "Scheduler", "id": "s", "address": "tcp://10.0.0.9:8786", "workers": {"tcp://10.0.0.1:1": worker}}
    told = json.loads(json.dumps(dask_work.plain(known)))
    who = dask._who_is_there(told)
    assert (who["identity"].ok, who["worker_count"], who["workers"][0].memory_limit) == (True, 1, 1_000)


def test_programs_are_plain_enough_for_any_python() -> None:
    import ast
    from importlib.resources import files

    programs = [file for file in files(inside.__name__).iterdir() if file.name not in ("__init__.py", "__pycache__")]
    assert {file.name for file in programs} == {"dask_work.py", "reach.py"}
    for file in programs:
        ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 7))
