"""What is judged before anything runs, on real repositories and with the real Docker Compose."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from conformance.kit import Kit
from conformance.observe.facts import Observation, ObservationStatus
from conformance.profile import Profile, load_profile
from conformance.stacks.base import Capability, Role, Unavailable
from conformance.stacks.static import SourceStack
from conformance.verdict.judge import Judgment, absent
from conformance.verdict.words import Status

pytestmark = pytest.mark.compose

ROOT = Path(__file__).parents[2]
KIT = Kit()


class Alone:
    """A probe of an observer that needs no other."""

    seed = 7

    def observation(self, subject: str) -> Observation:
        raise AssertionError(f"a static observer asked for {subject}")

    def progress(self, message: str) -> None:
        pass


def judged(root: Path, profile: Profile) -> dict[str, Judgment]:
    """The judgments that a static stack allows."""
    stack = SourceStack(root)
    assert Capability.COMPOSE in stack.capabilities, "docker is not installed"
    observations = {}
    for subject in ("compose", "source"):
        facts = KIT.observers[subject].collect(stack, Alone()).model_dump(mode="json")
        observations[subject] = Observation(subject=subject, status=ObservationStatus.OBSERVED, facts=facts)
    judge = KIT.judge(
        lambda subject: observations.get(subject) or absent(subject),
        profile.parameters,
        capabilities=stack.capabilities,
        roles=frozenset(Role),
        own_pipeline=False,
    )
    found = judge.judge_all(profile.ids)
    return {id_: one for id_, one in found.items() if one.subjects and set(one.subjects) & set(observations)}


def profile(name: str) -> Profile:
    return load_profile(name, KIT.catalogue, KIT.profiles)


def test_the_reference_keeps_every_static_promise() -> None:
    found = judged(ROOT, profile("reference"))
    assert {id_: one.observed for id_, one in found.items() if one.status is not Status.PASS} == {}
    static = {"SRC": range(1, 7), "CMP": range(1, 9), "PLN": [9], "GRF": [9]}
    assert {f"{family}-{number:02}" for family, numbers in static.items() for number in numbers} <= found.keys()


def test_whoever_follows_the_class_keeps_those_that_it_requires() -> None:
    class_of_four_hours = profile("clase-4h")
    found = judged(ROOT / "fixtures/submissions/guia-exacta", class_of_four_hours)
    required = {id_: found[id_] for id_ in class_of_four_hours.required if id_ in found}
    assert {id_: one.observed for id_, one in required.items() if one.status is not Status.PASS} == {}
    assert {"SRC-01", "SRC-03", "SRC-05", "CMP-01", "CMP-05", "CMP-06", "GRF-09"} <= required.keys()


@pytest.mark.parametrize(
    ("before", "after", "broken", "says"),
    [
        ("    image: postgres:18.6\n", "   image: postgres:18.6\n", "SRC-01", "docker-compose.yml:"),
        ("tcp://dask-scheduler:8786\n  PREFECT", "tcp://localhost:8786\n  PREFECT", "CMP-05", "localhost:8786"),
        ("- postgres-data:/var/lib/postgresql ", "- /srv/pg:/var/lib/postgresql ", "CMP-06", "/srv/pg"),
        ("/etc/grafana/provisioning:ro", "/etc/grafana/conf:ro", "GRF-09", "/etc/grafana/conf/datasources"),
    ],
)
def test_a_change_of_one_line_breaks_one_promise(
    tmp_path: Path, before: str, after: str, broken: str, says: str
) -> None:
    for name in ("infra/grafana", "infra/postgres", "infra/prometheus", "sql"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / ".env.example", tmp_path)
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert before in text
    (tmp_path / "docker-compose.yml").write_text(text.replace(before, after), encoding="utf-8")
    found = judged(tmp_path, profile("reference"))
    failed = {id_: one.observed for id_, one in found.items() if one.status is Status.FAIL}
    assert failed.keys() - {"SRC-06"} == {broken}, "the copy has no documents"
    assert says in failed[broken]


def test_without_compose_the_model_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    stack = SourceStack(ROOT)
    assert stack.capabilities == {Capability.SOURCE}
    with pytest.raises(Unavailable):
        stack.compose()
