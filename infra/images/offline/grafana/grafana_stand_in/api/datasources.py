"""``/api/datasources`` and ``/api/ds/query`` (pkg/api/datasources.go, pkg/api/ds_query.go).

The endpoints by numeric id are off since Grafana 13: they are not here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from starlette.responses import Response

from ..models import DataSource
from ..queries.frames import Answer
from ..queries.http import Unreachable, send
from ..queries.model import Query
from ..queries.timing import TimeRange
from ..sources import NAMES, kind_of, plugin_id
from ..store import Conflict, Invalid, NotFound, StoreError
from .calls import Call, error, reply, route

# pkg/api/pluginproxy/ds_proxy.go, validateRequest: POST only where the plugin's routes allow it
T = TypeVar("T")
_POSTS = ("api/v1/query", "api/v1/query_range", "api/v1/series", "api/v1/labels", "api/v1/query_exemplars")


def _common(source: DataSource) -> dict[str, Any]:
    kind = plugin_id(source)
    return {
        "id": source.id,
        "uid": source.uid,
        "orgId": source.org_id,
        "name": source.name,
        "type": kind,
        "typeLogoUrl": f"public/app/plugins/datasource/{kind}/img/logo.svg"
        if kind in NAMES
        else "public/img/icn-datasource.svg",
        "access": source.access,
        "url": source.url,
        "user": source.user,
        "database": source.database,
        "basicAuth": source.basic_auth,
        "isDefault": source.is_default,
        "jsonData": source.json_data,
        "readOnly": source.read_only,
    }


def _listed(source: DataSource) -> dict[str, Any]:
    """pkg/api/dtos/datasource.go, DataSourceListItemDTO."""
    return {**_common(source), "typeName": NAMES.get(plugin_id(source), source.type)}


def _full(source: DataSource) -> dict[str, Any]:
    """pkg/api/dtos/datasource.go, DataSource: of secrets only which there are."""
    return {
        **_common(source),
        "basicAuthUser": source.basic_auth_user,
        "withCredentials": source.with_credentials,
        "secureJsonFields": {name: True for name, value in source.secure.items() if value},
        "version": source.version,
        "apiVersion": "",
    }


def _list(call: Call) -> Response:
    return reply([_listed(source) for source in call.store.datasources()])


def _one(call: Call) -> DataSource:
    try:
        return call.store.datasource(uid=call.path["uid"])
    except StoreError:
        raise error(404, "Data source not found") from None


def _get(call: Call) -> Response:
    return reply(_full(_one(call)))


def _by_name(call: Call) -> Response:
    try:
        return reply(_full(call.store.datasource(name=call.path["name"])))
    except StoreError:
        raise error(404, "Data source not found") from None


def _wanted(call: Call, old: DataSource | None) -> DataSource:
    """The body as a datasource.

    Raises:
        Refused: a field of a wrong type, or no type.
    """
    body = call.json()

    def of(name: str, kind: type[T], default: T) -> T:
        value = body.get(name)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise error(400, "bad request data")
        return value

    if not of("type", str, "") or (old is not None and not of("name", str, "")):
        raise error(400, "bad request data")
    access = of("access", str, "") or "proxy"
    secure = {name: str(value) for name, value in of("secureJsonData", dict, {}).items()}
    return DataSource(
        name=of("name", str, ""),
        type=of("type", str, ""),
        uid=of("uid", str, ""),
        access=access if access in ("proxy", "direct") else "proxy",
        url=of("url", str, ""),
        user=of("user", str, ""),
        database=of("database", str, ""),
        basic_auth=of("basicAuth", bool, False),
        basic_auth_user=of("basicAuthUser", str, ""),
        with_credentials=of("withCredentials", bool, False),
        is_default=of("isDefault", bool, False),
        json_data=of("jsonData", dict, {}),
        secure={**(old.secure if old else {}), **secure},
    )


def _add(call: Call) -> Response:
    source = _wanted(call, None)
    taken = {other.name.lower() for other in call.store.datasources()}
    name, number = source.name or source.type, 0
    while not source.name and name.lower() in taken:
        number += 1
        name = f"{source.type}-{number}"
    try:
        source = call.store.add_datasource(replace(source, name=name))
    except Conflict as conflict:
        raise error(409, str(conflict), traceID="") from None
    except Invalid as invalid:
        raise error(400, str(invalid), statusCode=400) from None
    return reply({"message": "Datasource added", "id": source.id, "name": source.name, "datasource": _full(source)})


def _update(call: Call) -> Response:
    old = _one(call)
    if old.read_only:
        raise error(403, "Cannot update read-only data source")
    wanted = replace(_wanted(call, old), id=old.id)
    try:
        source = call.store.update_datasource(wanted)
    except NotFound:
        raise error(404, "Data source not found") from None
    except Conflict as conflict:
        raise error(409, f"Failed to update datasource: {conflict}") from None
    except Invalid as invalid:
        raise error(400, str(invalid), statusCode=400) from None
    return reply({"message": "Datasource updated", "id": source.id, "name": source.name, "datasource": _full(source)})


def _delete(call: Call) -> Response:
    source = _one(call)
    if source.read_only:
        raise error(403, "Cannot delete read-only data source")
    call.store.delete_datasource(source.id)
    return reply({"message": "Data source deleted", "id": source.id})


def _no_such_kind(source: DataSource) -> str:
    return f"the kit's stand-in for Grafana has no datasources of type {source.type}"


def _health(call: Call) -> Response:
    """400 with the same shape when it does not work."""
    source = _one(call)
    kind = kind_of(source)
    if kind is None:
        raise error(501, _no_such_kind(source))
    health = kind.health(source)
    body: dict[str, Any] = {"status": "OK" if health.ok else "ERROR", "message": health.message}
    if health.details is not None:
        body["details"] = health.details
    return reply(body, 200 if health.ok else 400)


def _proxy(call: Call) -> Response:
    """Whatever Prometheus answers, passed on (pkg/api/pluginproxy/ds_proxy.go)."""
    source = _one(call)
    path, method = call.path["path"], call.request.method
    if plugin_id(source) != "prometheus":
        raise error(400, "the kit's stand-in proxies Prometheus datasources only")
    if method in ("DELETE", "PUT") or (method == "POST" and path.strip("/") not in _POSTS):
        raise error(403, f"non allow-listed {method}s not allowed on proxied Prometheus datasource")
    try:
        answer = send(
            source, method, path, query=call.request.url.query or None, form=call.body,
            content_type=call.request.headers.get("content-type"),
        )  # fmt: skip
    except Unreachable:
        return Response(status_code=502)
    return Response(answer.body, answer.status, media_type=answer.content_type)


def _query(call: Call) -> Response:
    """Every query for itself; one that fails makes the whole answer 400, the others are in it all the same."""
    body = call.json()
    queries = body.get("queries")
    if not isinstance(queries, list) or not all(isinstance(item, dict) for item in queries):
        raise error(400, "bad request data")
    if not queries:
        raise error(400, "No queries found", messageId="query.noQueries", statusCode=400, traceID="")
    time_range = _time_range(body)
    parsed = [(_source_of(call, item), _query_of(item, time_range)) for item in queries]
    results = {}
    for source, query in parsed:
        kind = kind_of(source)
        results[query.ref_id] = kind.query(source, query) if kind else Answer(error=_no_such_kind(source), status=501)
    status = 400 if any(answer.error for answer in results.values()) else 200
    return reply({"results": {ref_id: answer.json(ref_id) for ref_id, answer in results.items()}}, status)


def _time_range(body: dict[str, Any]) -> TimeRange:
    start, end = body.get("from", ""), body.get("to", "")
    if not isinstance(start, str) or not isinstance(end, str):
        raise error(400, "bad request data")
    try:
        return TimeRange.parse(start, end)
    except (ValueError, OverflowError, OSError):
        # Grafana panics over a range that it cannot read, and its middleware makes this of it
        raise error(
            500, "Internal Server Error - Check the Grafana server logs for the detailed error message."
        ) from None


def _source_of(call: Call, item: dict[str, Any]) -> DataSource:
    reference = item.get("datasource")
    uid = reference.get("uid") if isinstance(reference, dict) else reference
    if not isinstance(uid, str) or not uid:
        message = "Query does not contain a valid data source identifier"
        raise error(400, message, messageId="query.invalidDatasourceId", statusCode=400, traceID="")
    try:
        return call.store.datasource(uid=uid)
    except StoreError:
        raise error(404, "Data source not found", traceID="") from None


def _query_of(item: dict[str, Any], time_range: TimeRange) -> Query:
    def whole(name: str, default: int) -> int:
        value = item.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**53:
            return default
        return int(value)

    ref_id = item.get("refId")
    own = item.get("timeRange")
    if isinstance(own, dict):
        time_range = _time_range(own)
    return Query(
        ref_id=ref_id if isinstance(ref_id, str) and ref_id else "A",
        model=item,
        time_range=time_range,
        interval_ms=whole("intervalMs", 1000),
        max_data_points=whole("maxDataPoints", 100),
    )


ROUTES = [
    route("/api/datasources", _list, "datasources:read"),
    route("/api/datasources", _add, "datasources:create", ("POST",)),
    route("/api/datasources/uid/{uid}", _get, "datasources:read"),
    route("/api/datasources/uid/{uid}", _update, "datasources:write", ("PUT",)),
    route("/api/datasources/uid/{uid}", _delete, "datasources:delete", ("DELETE",)),
    route("/api/datasources/uid/{uid}/health", _health, "datasources:query"),
    route("/api/datasources/name/{name:path}", _by_name, "datasources:read"),
    route(
        "/api/datasources/proxy/uid/{uid}/{path:path}", _proxy, "datasources:query", ("GET", "POST", "PUT", "DELETE")
    ),
    route("/api/ds/query", _query, "datasources:query", ("POST",)),
]
