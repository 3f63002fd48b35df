"""``/api/search``, ``/api/dashboards`` and ``/api/folders`` (pkg/api: search.go, dashboard.go, folder.go)."""

from __future__ import annotations

import os
from typing import Any

from starlette.responses import Response

from ..models import Dashboard, Folder
from ..store import Conflict, Invalid, StoreError
from ..uids import slug
from .calls import Call, error, reply, route

MAX_LIMIT = 5000
DEFAULT_LIMIT = 1000


def _search(call: Call) -> Response:
    """Folders and dashboards by title."""
    query = call.request.query_params
    kind, title, tags = query.get("type", ""), query.get("query", "").lower(), set(query.getlist("tag"))
    uids, folder_uids = set(query.getlist("dashboardUIDs")), set(query.getlist("folderUIDs"))
    limit, page = (_number(query.get(name), default) for name, default in (("limit", DEFAULT_LIMIT), ("page", 1)))
    if limit > MAX_LIMIT:
        raise error(
            422, f"Limit is above maximum allowed ({MAX_LIMIT}), use page parameter to access hits beyond limit"
        )
    folders = {folder.uid: folder for folder in call.store.folders()}
    hits = []
    if kind in ("", "dash-folder") and not tags and not uids and not folder_uids:
        hits += [_folder_hit(folder) for folder in folders.values() if title in folder.title.lower()]
    if kind in ("", "dash-db"):
        hits += [
            _hit(dashboard, folders.get(dashboard.folder_uid))
            for dashboard in call.store.dashboards()
            if title in dashboard.title.lower()
            and tags <= set(_tags(dashboard))
            and (not uids or dashboard.uid in uids)
            and (not folder_uids or (dashboard.folder_uid or "general") in folder_uids)
        ]
    return reply(hits[(page - 1) * limit : page * limit])


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) else default


def _tags(dashboard: Dashboard) -> list[str]:
    tags = dashboard.data.get("tags")
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _hit(dashboard: Dashboard, folder: Folder | None) -> dict[str, Any]:
    hit: dict[str, Any] = {
        "id": dashboard.id,
        "uid": dashboard.uid,
        "title": dashboard.title,
        "uri": f"db/{slug(dashboard.title)}",
        "url": dashboard.url,
        "slug": "",
        "type": "dash-db",
        "tags": _tags(dashboard),
        "isStarred": False,
        "sortMeta": 0,
        "isDeleted": False,
    }
    if folder:
        hit |= {"folderId": folder.id, "folderUid": folder.uid, "folderTitle": folder.title, "folderUrl": folder.url}
    return hit


def _folder_hit(folder: Folder) -> dict[str, Any]:
    return {
        "id": folder.id,
        "uid": folder.uid,
        "title": folder.title,
        "uri": f"db/{slug(folder.title)}",
        "url": folder.url,
        "slug": "",
        "type": "dash-folder",
        "tags": [],
        "isStarred": False,
        "sortMeta": 0,
        "isDeleted": False,
    }


def _one(call: Call) -> Dashboard:
    dashboard = call.store.dashboard(uid=call.path["uid"])
    if dashboard is None:
        raise error(404, "Dashboard not found")
    return dashboard


def _origin(call: Call, dashboard: Dashboard) -> tuple[bool, str]:
    """Whether only its file may change it, and that file relative to its provider's path."""
    row = next((row for row in call.store.provisioned() if row.dashboard_id == dashboard.id), None)
    if row is None:
        return False, ""
    provider = call.grafana.dashboards.provider(row.provider) if call.grafana.dashboards else None
    root = provider.path.resolve() if provider else ""
    relative = os.path.relpath(row.external_id, root) if root else ""
    return provider is None or not provider.allow_ui_updates, relative


def _get(call: Call) -> Response:
    """``meta.provisioned`` only where no change through the page is allowed, ``provisionedExternalId`` in any case."""
    dashboard = _one(call)
    folder = call.store.folder(uid=dashboard.folder_uid) if dashboard.folder_uid else None
    provisioned, external = _origin(call, dashboard)
    may = call.identity.permissions
    meta = {
        "type": "db",
        "canSave": "dashboards:write" in may,
        "canEdit": "dashboards:write" in may,
        "canAdmin": call.identity.role == "Admin",
        "canStar": bool(call.identity.login),
        "canDelete": "dashboards:delete" in may,
        "slug": slug(dashboard.title),
        "url": dashboard.url,
        "expires": "0001-01-01T00:00:00Z",
        "created": dashboard.created,
        "updated": dashboard.updated,
        "updatedBy": dashboard.updated_by,
        "createdBy": dashboard.updated_by,
        "version": dashboard.version,
        "hasAcl": False,
        "isFolder": False,
        "folderId": folder.id if folder else 0,
        "folderUid": folder.uid if folder else "",
        "folderTitle": folder.title if folder else "General",
        "folderUrl": folder.url if folder else "",
        "provisioned": provisioned,
        "provisionedExternalId": external,
    }
    return reply({"meta": meta, "dashboard": dashboard.data})


def _save(call: Call) -> Response:
    """pkg/services/dashboards/service: validation and the errors' statuses."""
    body = call.json()
    data = body.get("dashboard")
    if not isinstance(data, dict):
        raise error(400, "bad request data")
    title, uid = str(data.get("title") or "").strip(), str(data.get("uid") or "")
    if not title:
        raise error(400, "Dashboard title cannot be empty", status="empty-name")
    folder_uid = str(body.get("folderUid") or "")
    if folder_uid and call.store.folder(uid=folder_uid) is None:
        raise error(400, "folder not found")
    id = data.get("id")
    old = call.store.dashboard(id=id) if isinstance(id, int) and id else None
    if isinstance(id, int) and id and old is None:
        raise error(404, "Dashboard not found", status="not-found")
    old = old or (call.store.dashboard(uid=uid) if uid else None)
    if old is not None:
        if _origin(call, old)[0]:
            raise error(400, "Cannot save provisioned dashboard")
        if data.get("version") != old.version and body.get("overwrite") is not True:
            raise error(412, "The dashboard has been changed by someone else", status="version-mismatch")
    try:
        saved = call.store.save_dashboard(
            {**data, "title": title}, folder_uid=folder_uid, by=call.identity.login or "Anonymous",
            id=old.id if old else None,
        )  # fmt: skip
    except StoreError as problem:
        raise error(400, str(problem)) from None
    return reply(
        {
            "id": saved.id,
            "uid": saved.uid,
            "url": saved.url,
            "slug": slug(saved.title),
            "status": "success",
            "version": saved.version,
            "folderUid": saved.folder_uid,
        }
    )


def _delete(call: Call) -> Response:
    dashboard = _one(call)
    if _origin(call, dashboard)[0]:
        raise error(400, "provisioned dashboard cannot be deleted")
    call.store.delete_dashboard(dashboard.id)
    message = f"Dashboard {dashboard.title} deleted"
    return reply({"title": dashboard.title, "message": message, "uid": dashboard.uid})


def _folders(call: Call) -> Response:
    return reply([{"id": folder.id, "uid": folder.uid, "title": folder.title} for folder in call.store.folders()])


def _one_folder(call: Call) -> Folder:
    folder = call.store.folder(uid=call.path["uid"])
    if folder is None:
        raise error(404, "folder not found", status="not-found")
    return folder


def _folder(call: Call) -> Response:
    return reply(_folder_body(_one_folder(call)))


def _delete_folder(call: Call) -> Response:
    folder = _one_folder(call)
    inside = [dashboard for dashboard in call.store.dashboards() if dashboard.folder_uid == folder.uid]
    if any(_origin(call, dashboard)[0] for dashboard in inside):
        raise error(400, "provisioned dashboard cannot be deleted")
    call.store.delete_folder(folder.uid)
    return reply({"message": f"Folder {folder.title} deleted", "title": folder.title, "id": folder.id})


def _add_folder(call: Call) -> Response:
    body = call.json()
    title, uid = body.get("title"), body.get("uid") or ""
    if not isinstance(title, str) or not title.strip() or not isinstance(uid, str):
        raise error(400, "folder title cannot be empty")
    try:
        return reply(_folder_body(call.store.add_folder(title.strip(), uid)))
    except Conflict as conflict:
        raise error(409, str(conflict)) from None
    except Invalid as invalid:
        raise error(400, str(invalid)) from None


def _folder_body(folder: Folder) -> dict[str, Any]:
    return {"id": folder.id, "uid": folder.uid, "orgId": 1, "title": folder.title, "url": folder.url, "version": 1}


ROUTES = [
    route("/api/search", _search),
    route("/api/dashboards/uid/{uid}", _get, "dashboards:read"),
    route("/api/dashboards/uid/{uid}", _delete, "dashboards:delete", ("DELETE",)),
    route("/api/dashboards/db", _save, "dashboards:write", ("POST",)),
    route("/api/folders", _folders, "folders:read"),
    route("/api/folders", _add_folder, "folders:create", ("POST",)),
    route("/api/folders/{uid}", _folder, "folders:read"),
    route("/api/folders/{uid}", _delete_folder, "folders:delete", ("DELETE",)),
]
