"""What Grafana keeps: datasources, folders, dashboards and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .uids import slug


@dataclass(frozen=True)
class DataSource:
    """pkg/services/datasources/models.go. ``secure`` never leaves the server but for the datasource itself."""

    name: str
    type: str
    uid: str = ""
    org_id: int = 1
    access: str = "proxy"
    url: str = ""
    user: str = ""
    database: str = ""
    basic_auth: bool = False
    basic_auth_user: str = ""
    with_credentials: bool = False
    is_default: bool = False
    json_data: dict[str, Any] = field(default_factory=dict)
    secure: dict[str, str] = field(default_factory=dict, repr=False)
    read_only: bool = False
    is_prunable: bool = False
    version: int = 1
    id: int = 0


@dataclass(frozen=True)
class Folder:
    id: int
    uid: str
    title: str

    @property
    def url(self) -> str:
        return f"/dashboards/f/{self.uid}/{slug(self.title)}"


@dataclass(frozen=True)
class Provisioning:
    """Where a dashboard comes from: which provider, which file (absolute), and what was in it."""

    dashboard_id: int
    provider: str
    external_id: str
    checksum: str


@dataclass(frozen=True)
class Dashboard:
    id: int
    uid: str
    title: str
    folder_uid: str
    data: dict[str, Any]
    version: int
    created: str
    updated: str
    updated_by: str

    @property
    def url(self) -> str:
        return f"/d/{self.uid}/{slug(self.title)}"
