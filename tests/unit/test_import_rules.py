"""Who may import whom: what keeps the oracle independent, the judgments pure and the observers ignorant of grades."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAKEHOUSE = (
    "conformance/observe/pipeline*.py",
    "conformance/stacks/embedded*.py",
)  # the only ones of the kit to use it
GRADING = tuple(
    f"conformance.{part}"
    for part in ("catalogue", "checks", "kit", "plan", "plugin", "profile", "report", "run", "session", "verdict")
)
PURE = (
    "__future__", "collections", "dataclasses", "datetime", "decimal", "difflib", "enum", "functools", "itertools",
    "json", "math", "re", "typing", "urllib.parse",
    "conformance.checks", "conformance.observe", "conformance.verdict.parameters", "conformance.verdict.words",
)  # fmt: skip


def imports(source: str) -> Iterator[str]:
    """Every module or member that the source imports, wherever in it, by its whole name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide who is meant"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def found(pattern: str, but: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """File and imported name, for all that the files of a pattern import."""
    left_out = {file for other in but for file in ROOT.glob(other)}
    files = sorted(set(ROOT.glob(pattern)) - left_out)
    assert files, f"no such files: {pattern}"
    return [
        (file.relative_to(ROOT).as_posix(), name)
        for file in files
        for name in imports(file.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(
    ("pattern", "but", "forbidden"),
    [
        ("pqrs_lakehouse/**/*.py", (), ("conformance",)),
        ("conformance/**/*.py", LAKEHOUSE, ("pqrs_lakehouse",)),
        ("conformance/oracle.py", (), ("conformance", "pqrs_lakehouse")),
        ("conformance/observe/**/*.py", (), ("pytest", "_pytest", *GRADING)),
        ("conformance/stacks/**/*.py", (), ("pytest", "_pytest", "conformance.observe", *GRADING)),
        ("conformance/report/**/*.py", (), ("conformance.observe", "conformance.stacks")),
        ("conformance/verdict/**/*.py", (), ("pytest", "_pytest", "conformance.report", "conformance.run")),
    ],
)
def test_nobody_imports_what_it_must_not_know(pattern: str, but: tuple[str, ...], forbidden: tuple[str, ...]) -> None:
    assert [(file, name) for file, name in found(pattern, but) if within(name, forbidden)] == []


def test_checks_import_facts_and_words_and_what_only_computes() -> None:
    assert [(file, name) for file, name in found("conformance/checks/*.py") if not within(name, PURE)] == []


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import os.path, a as b\nfrom c import d\ndef f():\n    if f:\n        from e.f import g as h, i\n"
    assert list(imports(source)) == ["os.path", "a", "c.d", "e.f.g", "e.f.i"]
    assert within("os.path", ("os",))
    assert not within("ospath", ("os",))
