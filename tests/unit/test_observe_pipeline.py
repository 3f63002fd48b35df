"""What the pipeline observer delivers, without any services."""

from __future__ import annotations

from conformance.observe import pipeline


def test_the_same_seed_gives_the_same_batch() -> None:
    one, other = pipeline.generate(7), pipeline.generate(7)
    assert one.contents("run") == other.contents("run")
    assert one.contents("run") != pipeline.generate(8).contents("run")


def test_halves_are_whole_days_and_nothing_is_in_both() -> None:
    deliveries = pipeline.generate(7).deliveries
    early, late = pipeline.halves(deliveries)
    assert [*early, *late] == deliveries
    assert max(one.day for one in early) < min(one.day for one in late)
