"""A dashboard's panels as Grafana's browser side would ask them: datasources resolved, variables in their places.

Rules read in Grafana's sources (DatasourceSrv.getInstanceSettings, SceneQueryRunner, scenes' variable interpolation):
a panel's datasource decides for all its targets unless it is mixed or none; references go by uid, then by name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from conformance.observe.grafana_api import Frames, Json, Window, columns
from conformance.observe.grafana_facts import Datasource
from conformance.observe.web import brief

PROMETHEUS = ("prometheus",)
SQL = ("postgres", "grafana-postgresql-datasource", "mysql", "mssql", "grafana-mssql-datasource")
ASKED = (*PROMETHEUS, *SQL)
"""Kinds of datasource that are asked: the kit knows what their queries look like and that the server answers them."""

MIXED = "-- Mixed --"
BUILT_IN = (MIXED, "-- Grafana --", "-- Dashboard --", "grafana")
EXPRESSION = "__expr__"
ALL = "$__all"
ANYTHING = ".*"
MAX_DEPTH = 3  # of rows within rows
MAX_OPTIONS = 50

_REFERENCE = re.compile(  # $name | [[name:format]] | ${name.path:format}
    r"\$(?P<bare>\w+)|\[\[(?P<old>\w+?)(?::(?P<old_format>\w+))?\]\]"
    r"|\$\{(?P<braced>\w+)(?:\.[^:^}]+)?(?::(?P<format>[^}]+))?\}"
)
_RELATIVE = re.compile(r"now(?:(?P<sign>[+-])(?P<number>\d{1,6})(?P<unit>[smhdwMQy]))?(?:/(?P<floor>[smhdwMQy]))?")
_SECONDS = {
    "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_678_400, "Q": 7_948_800, "y": 31_622_400,
}  # fmt: skip
_MOMENT = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_LABEL_VALUES = re.compile(r"label_values\(\s*(?:(?P<metric>.+?)\s*,\s*)?(?P<label>[A-Za-z_]\w*)\s*\)")


@dataclass(frozen=True)
class Target:
    """One query of a panel: ready to be asked, or why it cannot be (``problem``), or none of both: not of our kinds."""

    panel: str
    ref: str
    datasource: str
    type: str = ""
    text: str = ""
    problem: str = ""
    query: Json | None = None

    @property
    def may_be_empty(self) -> bool:
        return asks_for_alerts(self.text)

    @property
    def hidden(self) -> bool:
        return self.query is not None and bool(self.query.get("hide"))


Ask = Callable[[Json], Frames]


class Datasources:
    """Resolves references to datasources."""

    def __init__(self, datasources: Sequence[Datasource]) -> None:
        self._all = datasources
        self.default = next((one for one in datasources if one.is_default), None)

    def of_kind(self, kind: str) -> list[Datasource]:
        """Those of a kind, the default first."""
        return sorted((one for one in self._all if one.type == kind), key=lambda one: not one.is_default)

    def named(self, name: str) -> Datasource | None:
        """By uid, then by name; ``default`` and nothing mean the default."""
        if name in ("", "default"):
            return self.default
        by_uid = (one for one in self._all if one.uid == name)
        return next(by_uid, next((one for one in self._all if one.name == name), None))

    def referred(self, name: str, kind: str) -> Datasource | None:
        """A reference that names only a kind means the default of that kind."""
        of_kind = self.of_kind(kind) if not name and kind else []
        return of_kind[0] if of_kind else self.named(name)


@dataclass(frozen=True)
class Value:
    """What a variable stands for; ``multi``: as a list, even of one."""

    texts: tuple[str, ...]
    multi: bool = False

    def formatted(self, style: str, kind: str) -> str:
        """As the style says (``${name:style}``), or as datasources of that kind would have it."""
        if not style:
            style = ("sqlstring" if kind in SQL else "regex") if self.multi else "raw"
        match style:
            case "regex" | "pipe":
                texts = [text if text == ANYTHING else _escaped(text) for text in self.texts]
                return texts[0] if len(texts) == 1 else f"({'|'.join(texts)})" if style == "regex" else "|".join(texts)
            case "sqlstring" | "singlequote":
                return ",".join("'" + text.replace("'", "''") + "'" for text in self.texts)
            case "doublequote":
                return ",".join(f'"{text}"' for text in self.texts)
            case _:
                return ",".join(self.texts)


Variables = dict[str, Value]


def window(dashboard: Json, now: float | None = None) -> Window:
    """The time that the dashboard opens with."""
    now = time.time() if now is None else now
    times = dashboard.get("time")
    start, end = (times.get("from"), times.get("to")) if isinstance(times, Mapping) else (None, None)
    opens, closes = _instant(start, now, opening=True), _instant(end, now, opening=False)
    if opens is None or closes is None or opens >= closes:
        opens, closes = now - 6 * 3600, now
    return Window(int(opens * 1000), int(closes * 1000))


def targets(dashboard: Json, datasources: Datasources, when: Window, ask: Ask) -> Iterator[list[Target]]:
    """The targets of each panel that has any; those of one panel belong into one request."""
    variables = _variables(dashboard, datasources, when, ask)
    for panel in panels(dashboard):
        of_panel = _active(_list(panel.get("targets")))
        if of_panel and not panel.get("libraryPanel"):
            yield _targets(panel, of_panel, datasources, variables)


def asks_for_alerts(query: str) -> bool:
    """For Prometheus's own series of alerts, of which there is none while all is well."""
    return bool(re.search(r"\bALERTS(?:_FOR_STATE)?\b", query))


def panels(dashboard: Json) -> Iterator[Json]:
    """The panels, also those of collapsed rows and of the rows of dashboards before version 5."""
    for panel in _nested(dashboard, MAX_DEPTH):
        if panel.get("type") != "row":
            yield panel


def interpolate(text: str, variables: Mapping[str, Value], kind: str = "") -> str:
    """``text`` with the values of its variables; what is no variable (a macro, ``$1``) stays as it is."""

    def value(match: re.Match[str]) -> str:
        name, style = match["bare"] or match["old"] or match["braced"], match["old_format"] or match["format"] or ""
        found = variables.get(name)
        if found is None:
            return match[0]
        return _date(found.texts[0], style) if style.startswith("date") else found.formatted(style, kind)

    return _REFERENCE.sub(value, text)


def _date(milliseconds: str, style: str) -> str:
    """``${__from:date:…}``: in ISO 8601, as seconds, or in words of moment.js."""
    day = datetime.fromtimestamp(int(milliseconds) / 1000, UTC) if milliseconds.isdecimal() else None
    wanted = style.removeprefix("date").removeprefix(":")
    if day is None or wanted == "seconds":
        return str(int(milliseconds) // 1000) if day else milliseconds
    if wanted in ("", "iso"):
        return day.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return re.sub("|".join(_MOMENT), lambda match: day.strftime(_MOMENT[match[0]]), wanted)


def _nested(holder: Json, depth: int) -> Iterator[Json]:
    for panel in [*_list(holder.get("panels")), *_list(holder.get("rows"))]:
        yield panel
        if depth:
            yield from _nested(panel, depth - 1)


def _active(of_panel: Sequence[Json]) -> list[Json]:
    """The targets that Grafana runs: no empty ones, and hidden ones only where an expression may stand on them."""
    reckons = any(EXPRESSION in _name_and_kind(target.get("datasource"), {}) for target in of_panel)
    return [target for target in of_panel if not _is_empty(target) and (reckons or not target.get("hide"))]


def _is_empty(target: Json) -> bool:
    texts = [target[key] for key in ("expr", "rawSql") if key in target]
    return bool(texts) and not any(isinstance(one, str) and one.strip() for one in texts)


def _targets(
    panel: Json, of_panel: Sequence[Json], datasources: Datasources, variables: Mapping[str, Value]
) -> list[Target]:
    title = brief(panel.get("title") or f"panel {panel.get('id')}", 100)
    own = panel.get("datasource")
    mixed = _name_and_kind(own, variables)[0] == MIXED
    common = own if own else next((one["datasource"] for one in of_panel if one.get("datasource")), None)
    found = []
    for number, target in enumerate(of_panel):
        ref = brief(target.get("refId") or chr(ord("A") + number % 26), 20)
        name, kind = _name_and_kind(target.get("datasource"), variables)
        if name != EXPRESSION and kind != EXPRESSION and not mixed:
            name, kind = _name_and_kind(common, variables)
        found.append(_target(title, ref, target, name, kind, datasources, variables))
    if any(one.query is None and one.type != EXPRESSION for one in found):  # an expression on what is not asked
        found = [one for one in found if one.type != EXPRESSION]
    return found


def _target(
    title: str, ref: str, target: Json, name: str, kind: str, datasources: Datasources, variables: Mapping[str, Value]
) -> Target:
    if EXPRESSION in (name, kind):
        query = {**target, "refId": ref, "datasource": {"type": EXPRESSION, "uid": EXPRESSION}}
        return Target(title, ref, EXPRESSION, EXPRESSION, brief(target.get("expression") or ""), query=query)
    if name in BUILT_IN:
        return Target(title, ref, name)
    datasource = datasources.referred(name, kind)
    if datasource is None:
        written = brief(name or "default", 100)
        return Target(title, ref, written, kind, problem=f"there is no datasource {written}")
    if datasource.type not in ASKED:
        return Target(title, ref, datasource.name, datasource.type)
    filled = _filled({key: value for key, value in target.items() if key != "datasource"}, variables, datasource.type)
    query = {**filled, "refId": ref, "datasource": {"type": datasource.type, "uid": datasource.uid}}
    text = brief(filled.get("expr") or filled.get("rawSql") or "")
    return Target(title, ref, datasource.name, datasource.type, text, query=query)


def _filled(value: Any, variables: Mapping[str, Value], kind: str) -> Any:
    match value:
        case str():
            return interpolate(value, variables, kind)
        case dict():
            return {key: _filled(item, variables, kind) for key, item in value.items()}
        case list():
            return [_filled(item, variables, kind) for item in value]
        case _:
            return value


def _name_and_kind(reference: Any, variables: Mapping[str, Value]) -> tuple[str, str]:
    """The uid or name, and the kind, that a reference gives; empty where it does not."""
    if isinstance(reference, Mapping):
        return _text(reference.get("uid"), variables), _text(reference.get("type"), variables)
    return _text(reference, variables), ""


def _text(value: Any, variables: Mapping[str, Value]) -> str:
    return interpolate(value, variables) if isinstance(value, str) else ""


def _variables(dashboard: Json, datasources: Datasources, when: Window, ask: Ask) -> Variables:
    """What the dashboard's variables are when it is opened."""
    variables = _globals(when)
    templating = dashboard.get("templating")
    for told in _list(templating.get("list") if isinstance(templating, Mapping) else None):
        name = told.get("name")
        value = _value(told, datasources, variables, ask)
        if isinstance(name, str) and value is not None:
            variables[name] = value
    return variables


def _globals(when: Window) -> Variables:
    span, interval = (when.end - when.start) // 1000, when.interval_ms // 1000
    told = {
        "__interval": f"{interval}s",
        "__interval_ms": interval * 1000,
        "__rate_interval": f"{max(interval + 15, 60)}s",
        "__range": f"{span}s",
        "__range_s": span,
        "__range_ms": span * 1000,
        "__from": when.start,
        "__to": when.end,
    }
    return {name: Value((str(value),)) for name, value in told.items()}


def _value(told: Json, datasources: Datasources, variables: Variables, ask: Ask) -> Value | None:
    """What was saved if it is still an option, else the first; None: nothing that could be put into a query."""
    kind, current = told.get("type"), _current(told)
    multi = bool(told.get("multi") or told.get("includeAll"))
    match kind:
        case "constant":
            return Value((str(told.get("query") or (current or ("",))[0]),))
        case "textbox" | "switch":
            return Value(current or (str(told.get("query") or ""),))
        case "datasource":
            return _datasource(told, current, datasources)
        case "custom" | "interval":
            options = tuple(option.partition(" : ")[2] or option for option in _split(told.get("query")))
        case "query":
            options = _asked(told, datasources, variables, ask)
        case _:
            return None
    every = told.get("includeAll") and (ALL in current or not current)
    if every and isinstance(told.get("allValue"), str) and told["allValue"]:
        return Value((told["allValue"],))  # as it is written
    if every:
        return Value(options or (ANYTHING,), multi)
    kept = tuple(text for text in current if text in options) if options else current
    return Value(kept or options[:1] or (ANYTHING,), multi)


def _current(told: Json) -> tuple[str, ...]:
    current = told.get("current")
    value = current.get("value") if isinstance(current, Mapping) else None
    values = value if isinstance(value, list) else [value]
    return tuple(str(one) for one in values if isinstance(one, str | int | float) and str(one))[:MAX_OPTIONS]


def _datasource(told: Json, current: tuple[str, ...], datasources: Datasources) -> Value | None:
    """A variable that chooses among the datasources of a kind; None: there is none to choose."""
    of_kind = datasources.of_kind(str(told.get("query") or ""))
    saved = [one for one in of_kind if current and current[0] in (one.uid, one.name)]
    return Value(((saved or of_kind)[0].uid,)) if of_kind else None


def _asked(told: Json, datasources: Datasources, variables: Variables, ask: Ask) -> tuple[str, ...]:
    """The options of a query variable; none where they cannot be had."""
    source = datasources.referred(*_name_and_kind(told.get("datasource"), variables))
    query = told.get("query")
    text = query.get("query") or query.get("rawSql") if isinstance(query, Mapping) else query
    if source is None or source.type not in ASKED or not isinstance(text, str) or told.get("regex"):
        return ()
    text = interpolate(text, variables, source.type)
    base = {"refId": "A", "datasource": {"type": source.type, "uid": source.uid}}
    if source.type in SQL:
        answer = ask({**base, "rawSql": text, "format": "table", "rawQuery": True})
        listed = [column for frame in answer.frames for column in _option_column(frame)]
    elif label := _LABEL_VALUES.fullmatch(text.strip()):
        of = label["metric"] or f'{{{label["label"]}!=""}}'
        answer = ask({**base, "expr": f"group by ({label['label']}) ({of})", "instant": True})
        listed = [
            labels[label["label"]]
            for frame in answer.frames
            for told_field, _ in columns(frame)
            if isinstance(labels := told_field.get("labels"), Mapping) and label["label"] in labels
        ]
    else:
        return ()
    return tuple(sorted({str(one) for one in listed if one is not None})[:MAX_OPTIONS])


def _option_column(frame: Json) -> list[Any]:
    """The values of a list of options: the column ``__value``, or the first one."""
    told = list(columns(frame))
    return next((column for field, column in told if field.get("name") == "__value"), told[0][1] if told else [])


def _instant(told: Any, now: float, *, opening: bool) -> float | None:
    """Seconds since 1970 of ``now-6h``, ``now/d`` or a date; None: none of them."""
    if not isinstance(told, str):
        return told / 1000 if isinstance(told, int | float) and not isinstance(told, bool) else None
    if relative := _RELATIVE.fullmatch(told.strip()):
        moved = int(relative["number"]) * _SECONDS[relative["unit"]] if relative["number"] else 0
        floored = _SECONDS[relative["floor"]] if relative["floor"] and opening else 0  # whole units at least
        return now + (moved if relative["sign"] == "+" else -moved) - floored
    try:
        return int(told) / 1000 if told.isdecimal() else datetime.fromisoformat(told).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _escaped(text: str) -> str:
    return re.sub(r"([\\^$*+?.()|\[\]{}])", r"\\\1", text).replace("\\", "\\\\")


def _split(text: Any) -> list[str]:
    """The options of a custom variable: between commas that are not escaped."""
    if not isinstance(text, str):
        return []
    return [option for part in re.split(r"(?<!\\),", text) if (option := part.strip().replace("\\,", ","))]


def _list(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
