"""Which image runs in place of which."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.stacks.base import StackError
from conformance.stacks.compose.images import Entry, Images, load, normal, reworded


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("postgres", "postgres:latest"),
        ("docker.io/library/postgres:18.6", "postgres:18.6"),
        ("library/postgres:18.6", "postgres:18.6"),
        ("index.docker.io/rustfs/rustfs", "rustfs/rustfs:latest"),
        ("postgres:18.6@sha256:0011", "postgres:18.6"),
        ("ghcr.io/dask/dask", "ghcr.io/dask/dask:latest"),
        ("registry.campus.edu:5000/postgres", "registry.campus.edu:5000/postgres:latest"),
    ],
)
def test_a_map_sees_one_name_for_an_image(written: str, name: str) -> None:
    assert normal(written) == name


def test_the_first_entry_that_matches_counts() -> None:
    images = Images("m", (Entry(match="postgres:15*", image="a"), Entry(match="*", image="b")))
    assert [images.of(name).image for name in ("postgres:15.2", "postgres")] == ["a", "b"]  # type: ignore[union-attr]
    assert Images("m", (Entry(match="postgres:15*", image="a"),)).of("metabase/metabase") is None


def test_upstream_is_what_the_author_named(tmp_path: Path) -> None:
    images = load("upstream", tmp_path)
    assert images.upstream
    assert images.of("postgres:18.6@sha256:0011") == Entry(
        match="postgres:18.6@sha256:0011", image="postgres:18.6@sha256:0011"
    )


def test_a_map_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "campus.toml"
    file.write_text('[[image]]\nmatch = "prom/*"\nimage = "r/prom:2"\nreplace = {"--a" = "--b", "--c" = ""}\n')
    images = load(str(file), tmp_path)
    entry = images.of("prom/prometheus")
    assert entry is not None
    assert (entry.image, entry.stands_in_for) == ("r/prom:2", "")
    assert not images.upstream


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "neither upstream nor offline, and no such file: "),
        ("[[image]]\n", "image.0.match: Field required"),
        ('[[image]]\nmatch = ""\nimage = "x"\n', "image.0.match: "),
        ('[[image]]\nmatch = "x"\nimage = "x"\nimages = "x"\n', "image.0.images: Extra inputs are not permitted"),
        ("[[image\n", "(at line 1"),
    ],
)
def test_what_is_no_map_is_told_with_its_key(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "map.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(StackError) as told:
        load(str(file), tmp_path)
    assert said in str(told.value)
    assert str(file) in str(told.value)


def test_whole_words_are_replaced() -> None:
    assert reworded(["--a", "--ab", "--c", ""], {"--a": "--b", "--c": ""}) == ["--b", "--ab", ""]
    assert reworded(None, {"--a": "--b"}) is None
