"""The published catalogue is the catalogue."""

from __future__ import annotations

from pathlib import Path

from conformance.catalogue import Catalogue
from conformance.catalogue_page import render
from conformance.profile import load_profile, named_profiles

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"


def test_the_page_is_up_to_date() -> None:
    catalogue = Catalogue.load()
    profiles = {name: load_profile(name, catalogue) for name in named_profiles()}
    assert PAGE.read_text(encoding="utf-8") == render(catalogue, profiles), (
        "run: python -m conformance.catalogue_page > docs/guarantees.md"
    )
    for id_ in catalogue:
        assert f"| {id_} | {catalogue[id_].es.title} " in render(catalogue, profiles)
