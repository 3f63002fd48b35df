"""The observers by subject, each imported when it is first asked for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping

from conformance.observe.facts import Observer

SUBJECTS = (
    "source", "compose", "containers", "postgres", "objects", "grafana",
    "prometheus", "prefect", "dask", "pipeline", "disruption",
)  # fmt: skip
LAST = "disruption"
"""Collected when everything else has been: it breaks things."""


class Observers(Mapping[str, Observer]):
    """Modules ``conformance.observe.<subject>``; a subject without one in this version is absent."""

    def __getitem__(self, subject: str) -> Observer:
        if subject not in SUBJECTS or not self._present(subject):
            raise KeyError(subject)
        observer: Observer = importlib.import_module(f"conformance.observe.{subject}").OBSERVER
        return observer

    def __iter__(self) -> Iterator[str]:
        return filter(self._present, SUBJECTS)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, subject: object) -> bool:
        return isinstance(subject, str) and subject in SUBJECTS and self._present(subject)

    @staticmethod
    def _present(subject: str) -> bool:
        return importlib.util.find_spec(f"conformance.observe.{subject}") is not None
