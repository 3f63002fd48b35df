"""All panels of all dashboards, drawn as a browser would have them drawn, again and again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from conformance.observe.grafana_api import Frames, GrafanaApi, Json, Window
from conformance.observe.grafana_facts import Dashboard, Datasource, Drawn, PanelQuery
from conformance.observe.grafana_panels import SQL, Datasources, Target, targets, window

MAX_QUERIES = 500
RECENT_MS = 15 * 60_000  # steps over a longer time would end before a new Prometheus has its first samples
ASKING_S = 60.0  # that one round of them may take

Key = tuple[int, str]  # the panel's number and the target's ref


@dataclass(frozen=True)
class _Panel:
    """Targets that are asked together."""

    dashboard: str
    model: Json
    targets: list[Target]

    @property
    def asked(self) -> list[Target]:
        return [one for one in self.targets if one.query is not None]


class Exhibition:
    """The first panels, up to :data:`MAX_QUERIES` queries.

    ``since``: panels that ask a database look at least so far back, whatever time their dashboard opens with.
    """

    def __init__(
        self,
        api: GrafanaApi,
        datasources: Sequence[Datasource],
        dashboards: Sequence[tuple[Dashboard, Json]],
        *,
        since: datetime | None,
    ) -> None:
        self._api = api
        self._since = since
        self._deadline = time.monotonic() + ASKING_S
        self._panels: list[_Panel] = []
        self._no_room = 0
        sources, room = Datasources(datasources), MAX_QUERIES
        for dashboard, model in dashboards:
            for of_panel in targets(model, sources, window(model), self._options):
                if len(of_panel) <= room:
                    self._panels.append(_Panel(dashboard.title, model, of_panel))
                    room -= len(of_panel)
                else:
                    self._no_room += len(of_panel)

    def draw(self, patience: float = 0.0) -> dict[Key, Drawn]:
        """What each target brings; while patience lasts, panels that bring nothing are asked again."""
        settled = time.monotonic() + patience
        self._deadline = time.monotonic() + ASKING_S
        found = self._round(range(len(self._panels)))
        while (bare := self._bare(found)) and time.monotonic() < settled:
            time.sleep(1.0)
            found |= self._round(bare)
        return found

    def _bare(self, found: Mapping[Key, Drawn]) -> list[int]:
        """The panels of which a query works and brings nothing, though it should."""
        return [
            number
            for number, panel in enumerate(self._panels)
            if any(
                (drawn := found.get((number, one.ref))) and drawn.ok and not drawn.rows and not one.may_be_empty
                for one in panel.targets
            )
        ]

    def unasked(self, found: Mapping[Key, Drawn]) -> int:
        """How many queries a round did not ask, for want of room or time."""
        return self._no_room + sum(
            (number, one.ref) not in found
            for number, panel in enumerate(self._panels)
            for one in panel.asked
            if not one.hidden
        )

    def queries(self, first: Mapping[Key, Drawn], last: Mapping[Key, Drawn]) -> Iterator[PanelQuery]:
        for number, panel in enumerate(self._panels):
            for one in panel.targets:
                yield PanelQuery(
                    dashboard=panel.dashboard,
                    panel=one.panel,
                    ref=one.ref,
                    datasource=one.datasource,
                    type=one.type,
                    text=one.text,
                    problem=one.problem,
                    first=first.get((number, one.ref)),
                    last=last.get((number, one.ref)),
                )

    def _round(self, numbers: Sequence[int]) -> dict[Key, Drawn]:
        found: dict[Key, Drawn] = {}
        for number in numbers:
            panel = self._panels[number]
            if not panel.asked or time.monotonic() > self._deadline:
                continue
            answers = self._api.query([one.query for one in panel.asked if one.query], self._window(panel))
            found |= {(number, one.ref): answers[one.ref].drawn for one in panel.asked if not one.hidden}
        return found

    def _window(self, panel: _Panel) -> Window:
        """What the dashboard opens with, but no more of it than a deployment that has just started can fill."""
        opened = window(panel.model)
        if not any(one.type in SQL for one in panel.targets):
            return Window(max(opened.start, opened.end - RECENT_MS), opened.end)
        if self._since is not None:
            return Window(min(opened.start, int(self._since.timestamp() * 1000)), opened.end)
        return opened

    def _options(self, query: Json) -> Frames:
        """For the variables of a dashboard."""
        if time.monotonic() > self._deadline:
            return Frames(error="no time left")
        return self._api.query([query], Window.of_last(minutes=5))["A"]
