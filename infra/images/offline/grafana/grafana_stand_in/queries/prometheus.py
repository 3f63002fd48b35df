"""The Prometheus datasource (pkg/promlib): health by a real query, instant and range queries as data frames."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Any

from ..models import DataSource
from .frames import Answer, Field, Frame
from .http import Reply, Unreachable, send
from .model import Health, Query
from .timing import TimeRange, format_interval, interval_ms, rounded_interval_ms

DEFAULT_SCRAPE = "15s"
SAFE_RESOLUTION = 11_000
_LEGEND = re.compile(r"\{\{\s*(.+?)\s*\}\}")
_RATE_INTERVALS = ("$__rate_interval", "${__rate_interval}")
_VARIABLES = (*_RATE_INTERVALS, "$__interval", "${__interval}", "$__interval_ms", "${__interval_ms}")


class Prometheus:
    """Stateless."""

    def health(self, source: DataSource) -> Health:
        """``1+1``, as pkg/promlib/healthcheck.go."""
        try:
            reply = _ask(source, "query", {"query": "1+1", "time": "4"})
            if reply.status != 200:
                raise ValueError(f"{reply.status} {reply.reason}")
            _number(json.loads(reply.body)["data"]["result"][1])
        except (Unreachable, ValueError, LookupError, TypeError) as error:
            return Health(False, f"{error} - There was an error returned querying the Prometheus API.")
        details = {"application": "Prometheus", "features": {"rulerApiEnabled": False}}
        return Health(True, "Successfully queried the Prometheus API.", details)

    def query(self, source: DataSource, query: Query) -> Answer:
        """Instant, range or both; neither means range (pkg/promlib/models/query.go)."""
        scrape = str(source.json_data.get("timeInterval") or "")
        try:
            step = _step_ms(query, scrape)
            expr = _interpolate(query, scrape, step)
        except ValueError as error:
            return Answer(error=str(error), status=400)
        instant = query.model.get("instant") is True
        questions = []
        if instant:
            questions.append(("query", {"query": expr, "time": _seconds(query.time_range.end)}))
        if query.model.get("range") is True or not instant:
            questions.append(("query_range", _range(expr, query.time_range, step)))
        answer = Answer()
        for api, parameters in questions:
            try:
                part = _answer(_ask(source, api, parameters), query, expr, step)
            except Unreachable as error:
                part = Answer(error=str(error), status=502)
            answer.frames += part.frames
            if part.error:
                answer.error, answer.status = part.error, part.status
        return answer


def _ask(source: DataSource, api: str, parameters: dict[str, str]) -> Reply:
    """POST unless jsonData.httpMethod says otherwise."""
    if str(source.json_data.get("httpMethod") or "POST").upper() == "GET":
        return send(source, "GET", f"api/v1/{api}", query=parameters)
    return send(source, "POST", f"api/v1/{api}", form=parameters)


def _answer(reply: Reply, query: Query, expr: str, step: int) -> Answer:
    executed = f"Expr: {expr}\nStep: {_go_duration(step)}"
    try:
        body = json.loads(reply.body)
        if body["status"] != "success":
            problem = f"{body['errorType']}: {body['error']}"
            return Answer([Frame(meta={"executedQueryString": executed})], problem, reply.status)
        frames = _frames(body["data"], query, expr, step)
    except (ValueError, LookupError, TypeError) as error:
        return Answer(error=f"unexpected answer of Prometheus ({reply.status}): {error}", status=502)
    frames = frames or [Frame()]
    frames[0].meta["executedQueryString"] = executed
    return Answer(frames)


def _frames(data: dict[str, Any], query: Query, expr: str, step: int) -> list[Frame]:
    """One frame a series (pkg/promlib/converter/prom.go, with dataplane types)."""
    kind = data["resultType"]
    series: list[tuple[dict[str, str], list[Any]]]
    if kind in ("scalar", "string"):
        series = [({}, [data["result"]])]
    else:
        series = [
            (item["metric"], item.get("values") or [item["value"]])
            for item in data["result"]
            if "values" in item or "value" in item  # native histograms are left out
        ]
    type_ = "timeseries-multi" if kind == "matrix" else "numeric-multi"
    frames = []
    for labels, points in series:
        times = Field("Time", "time", [round(float(at) * 1000) for at, _ in points], config={"interval": step})
        if kind == "string":
            value = Field("Value", "string", [text for _, text in points])
        else:
            value = Field(labels.get("__name__", "Value"), "number", [_number(text) for _, text in points])
        value.labels = labels
        name = _display_name(str(query.model.get("legendFormat") or ""), labels, expr)
        if name:
            value.config = {"displayNameFromDS": name}
        meta = {"type": type_, "typeVersion": [0, 1], "custom": {"resultType": kind}}
        frames.append(Frame([times, value], meta))
    return frames


def _number(text: str) -> float:
    return {"NaN": math.nan, "+Inf": math.inf, "-Inf": -math.inf}.get(text) or float(text)


def _display_name(legend: str, labels: dict[str, str], expr: str) -> str:
    """pkg/promlib/querydata/response.go, getName."""
    if legend == "__auto":
        return "" if labels else expr
    if legend:
        return _LEGEND.sub(lambda match: labels.get(match[1], ""), legend)
    rest = ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}"
        for name, value in sorted(labels.items())
        if name != "__name__"
    )
    metric = labels.get("__name__", "")
    if rest:
        return f"{metric}{{{rest}}}"
    return metric or expr


def _step_ms(query: Query, scrape: str) -> int:
    """pkg/promlib/models/query.go, calculatePrometheusInterval."""
    wanted = str(query.model.get("interval") or "")
    if wanted and wanted not in _VARIABLES:
        least = interval_ms(wanted.lstrip("<>"))
    elif "intervalMs" in query.model:
        least = query.interval_ms
    else:
        least = interval_ms((scrape or DEFAULT_SCRAPE).lstrip("<>"))
    length = query.time_range.milliseconds
    calculated = max(rounded_interval_ms(length / max(query.max_data_points, 1)), least)
    step = max(calculated, rounded_interval_ms(length / SAFE_RESOLUTION))
    if wanted in _RATE_INTERVALS:
        return _rate_interval_ms(step, scrape)
    factor = query.model.get("intervalFactor")
    return step * factor if isinstance(factor, int) and factor > 0 else step


def _rate_interval_ms(step: int, scrape: str) -> int:
    scraped = interval_ms(scrape or DEFAULT_SCRAPE)
    return max(step + scraped, 4 * scraped)


def _interpolate(query: Query, scrape: str, step: int) -> str:
    """The variables that Grafana's server fills in; the page's own ones it never sees."""
    length = query.time_range.milliseconds
    wanted = str(query.model.get("interval") or "")
    if wanted in _RATE_INTERVALS:
        rate = step
    else:
        rate = _rate_interval_ms(query.interval_ms, scrape if not wanted or wanted in _VARIABLES else wanted)
    expr = str(query.model.get("expr") or "")
    for name, value in (
        ("interval_ms", str(step)), ("interval", format_interval(step)), ("range_ms", str(length)),
        ("range_s", str(round(length / 1000))), ("range", f"{round(length / 1000)}s"),
        ("rate_interval_ms", str(rate)), ("rate_interval", _go_duration(rate)),
    ):  # fmt: skip
        expr = expr.replace(f"$__{name}", value).replace(f"${{__{name}}}", value)
    return expr


def _range(expr: str, time_range: TimeRange, step: int) -> dict[str, str]:
    """Both ends aligned to the step."""
    seconds = step / 1000
    start, end = (math.floor(at.timestamp() / seconds) * seconds for at in (time_range.start, time_range.end))
    return {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{seconds:g}"}


def _seconds(at: datetime) -> str:
    return f"{at.timestamp():.3f}"


def _go_duration(milliseconds: int) -> str:
    """As Go prints a duration: ``1h0m0s``, ``15s``, ``500ms``."""
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, seconds = divmod(milliseconds / 1000, 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{seconds:g}s"
