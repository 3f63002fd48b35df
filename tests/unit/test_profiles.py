"""Profiles: those of the kit, and the ones that teachers write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from teakit import KIT as TEA

from conformance.catalogue import Catalogue
from conformance.inputs import InputError
from conformance.profile import load_profile, named_profiles

SMOKE = [
    "CMP-01", "CMP-05", "CMP-09", "CMP-10", "DSK-01", "DSK-02", "DSK-06", "E2E-01",
    "E2E-05", "GRF-01", "GRF-02", "GRF-04", "MED-01", "MED-05", "OBJ-01", "OBJ-03",
    "PGS-01", "PGS-03", "PLN-01", "PLN-02", "PRF-01", "PRM-01", "SRC-01", "SRC-03",
]  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        file = tmp_path / "mine.toml"
        file.write_text(f'name = "mine"\nversion = "1"\n{text}', encoding="utf-8")
        return str(file)

    return write


@pytest.mark.parametrize("name", named_profiles())
def test_the_profiles_of_the_kit_fit_its_catalogue(name: str) -> None:
    profile = load_profile(name, Catalogue.load())
    assert profile.name == name


def test_smoke_is_the_first_look_and_part_of_the_class() -> None:
    catalogue = Catalogue.load()
    smoke, of_the_class = load_profile("smoke", catalogue), load_profile("clase-4h", catalogue)
    assert sorted(smoke.required) == SMOKE
    assert not smoke.recommended
    assert smoke.required.keys() <= of_the_class.required.keys()


def test_reference_requires_everything() -> None:
    catalogue = Catalogue.load()
    reference = load_profile("reference", catalogue)
    assert reference.required.keys() == catalogue.keys()
    assert not reference.recommended


def test_the_class_is_graded_on_what_it_teaches() -> None:
    of_the_class = load_profile("clase-4h", Catalogue.load())
    assert (len(of_the_class.required), len(of_the_class.recommended)) == (48, 29)
    assert sum(of_the_class.recommended.values()) < 0.15 * sum(of_the_class.required.values())
    assert not of_the_class.parameters.require_foreign_keys
    assert "oro" in of_the_class.parameters.layers["gold"]


def test_a_profile_can_be_a_file_and_overrides_only_what_it_says(write: Callable[[str], str]) -> None:
    profile = load_profile(
        write("[required]\nE2E-01 = 2\n[recommended]\nE2E-02 = 0.5\n[parameters]\nmin_workers = 9\n"), TEA.catalogue
    )
    assert profile.points("E2E-01") == 2
    assert profile.points("E2E-02") == 0.5
    assert profile.parameters.min_workers == 9
    assert profile.parameters.polars_major == 2
    assert profile.coverage.of("embedded") == 0
    assert profile.coverage.of("nothing like it") == 0
    assert profile.coverage.of("model_config") == 0


def test_the_hash_is_of_the_contents_and_not_of_the_layout(write: Callable[[str], str]) -> None:
    one = load_profile(write("[required]\nE2E-01 = 2\n"), TEA.catalogue)
    same = load_profile(write("# a word\n[required]\nE2E-01   =   2.0\n"), TEA.catalogue)
    other = load_profile(write("[required]\nE2E-01 = 3\n"), TEA.catalogue)
    tuned = load_profile(write("[required]\nE2E-01 = 2\n[parameters]\nmin_workers = 7\n"), TEA.catalogue)
    assert one.hash == same.hash
    assert len({one.hash, other.hash, tuned.hash}) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[required]\nE2E-01 = 1\n[requierd]\n", "mine.toml: requierd: Extra inputs are not permitted"),
        ("[required]\nE2E-01 = 1\n[parameters]\nmin_wokers = 1\n", "mine.toml: parameters.min_wokers: Extra inputs"),
        ("[required]\nE2E-01 = 1\n[parameters]\nmin_workers = 0\n", "mine.toml: parameters.min_workers: Input should"),
        ("[required]\nE2E-01 = 1\n[parameters.layers]\nbronze = ['b']\n", "mine.toml: parameters: layers must name"),
        ("[required]\nE2E-01 = 1\n[coverage]\nmoon = 1\n", "mine.toml: coverage.moon: Extra inputs"),
        ("[required]\nE2E-77 = 1\n", "mine.toml: required.E2E-77: unknown guarantee"),
        ("[required]\nE2E-1 = 1\n", "mine.toml: required.E2E-1.[key]: String should match pattern"),
        ("[required]\nE2E-01 = 0\n", "mine.toml: required.E2E-01: Input should be greater than 0"),
        ("[required]\nE2E-01 = nan\n", "mine.toml: required.E2E-01: Input should be"),
        ("[required]\nE2E-01 = inf\n", "mine.toml: required.E2E-01: Input should be"),
        ('[required]\nE2E-01 = "one"\n', "mine.toml: required.E2E-01: Input should be a valid number"),
        ("[required]\nE2E-01 = 1\n[recommended]\nE2E-01 = 1\n", "mine.toml: E2E-01 is both required and recommended"),
        ("", "mine.toml: names no guarantee"),
        ("[required]\nE2E-02 = 1\n", "mine.toml: required.E2E-02: requires E2E-01, which the profile leaves out"),
        ("[recommended]\nE2E-02 = 1\n", "mine.toml: recommended.E2E-02: requires E2E-01, which the profile leaves out"),
        (
            "[required]\nE2E-02 = 1\n[recommended]\nE2E-01 = 1\n",
            "mine.toml: required.E2E-02: requires E2E-01, which is only recommended",
        ),
        ("[required]\nE2E-01 = 1\nE2E-01 = 2\n", "mine.toml: Cannot overwrite a value (at line"),
        ("[required\n", "mine.toml: Expected ']' at the end of a table declaration (at line 3"),
        ("a = " + "[" * 5000, "mine.toml: nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(write: Callable[[str], str], text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_profile(write(text), TEA.catalogue)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"unknown profile: clase-5h \(known: clase-4h, reference, smoke; or the path"):
        load_profile("clase-5h", TEA.catalogue)


def test_a_file_that_is_not_there_or_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.toml: cannot be read: No such file"):
        load_profile(str(tmp_path / "gone.toml"), TEA.catalogue)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_profile(str(tmp_path), TEA.catalogue)
