"""Dashboards from files, at the start and then again and again (pkg/services/provisioning/dashboards)."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..logfmt import Logger
from ..store import Store, StoreError
from .datasources import ProvisioningError
from .document import DocumentError, Fields, api_version, fields, read_root

log = Logger("provisioning.dashboard")
DEFAULT_INTERVAL = 10
BY = "Anonymous"  # who saves provisioned dashboards, as the API names it


@dataclass(frozen=True)
class Provider:
    name: str
    folder: str
    folder_uid: str
    disable_deletion: bool
    interval: int
    allow_ui_updates: bool
    path: Path
    folders_from_files: bool


@dataclass(frozen=True)
class Seen:
    """What a file's dashboard is told apart by."""

    uid: str
    title: str
    folder_uid: str


@dataclass
class Reader:
    """One provider at work; ``seen`` by its last walk."""

    provider: Provider
    log: Logger
    seen: list[Seen] = field(default_factory=list)
    may_write: bool = True


class FolderError(Exception):
    """The folder that dashboards belong into cannot be made."""


class Dashboards:
    """All providers of a provisioning folder."""

    def __init__(self, folder: Path, store: Store, env: Mapping[str, str]) -> None:
        """Read the providers; a folder that is not there is only logged.

        Raises:
            ProvisioningError: a file or a provider that Grafana refuses.
        """
        self._store = store
        self._comparing = threading.Lock()
        try:
            self.readers = [
                Reader(provider, Logger(log.name, (("type", "file"), ("name", provider.name))))
                for provider in _read_all(folder, env)
            ]
        except DocumentError as error:
            raise ProvisioningError(f"Failed to create provisioner: {error}") from None

    def provider(self, name: str) -> Provider | None:
        return next((reader.provider for reader in self.readers if reader.provider.name == name), None)

    def provision(self) -> None:
        """The first walk. What cannot be walked ends it, as in Grafana: the other providers wait for their intervals.

        Raises:
            ProvisioningError: a path that is there and cannot be read; Grafana stops for that alone.
        """
        names = {reader.provider.name for reader in self.readers}
        for orphan in self._store.provisioned():
            if orphan.provider not in names:
                self._store.delete_dashboard(orphan.dashboard_id)
        log.info("starting to provision dashboards")
        for reader in self.readers:
            name = reader.provider.name
            try:
                self._walk(reader)
            except FileNotFoundError as error:
                log.warn("Failed to provision config", name=name, error=_problem("stat", error))
                return
            except (OSError, FolderError) as error:
                words = f"Failed to provision dashboards: failed to provision config {name}: {_problem('open', error)}"
                if isinstance(error, OSError):
                    raise ProvisioningError(words) from None
                Logger("provisioning").error("Failed to provision dashboard", error=words)
                return
        self._restrict_duplicates()
        log.info("finished to provision dashboards")

    def poll(self, stop: threading.Event) -> None:
        """Walk again at every provider's interval until ``stop``, each in a thread of its own."""
        for reader in self.readers:
            threading.Thread(target=self._poll, args=(reader, stop), daemon=True).start()

    def _poll(self, reader: Reader, stop: threading.Event) -> None:
        while not stop.wait(reader.provider.interval):
            try:
                self._walk(reader)
                self._restrict_duplicates()
            except (OSError, FolderError, sqlite3.Error) as error:
                reader.log.error("failed to search for dashboards", error=_problem("stat", error))

    def _walk(self, reader: Reader) -> None:
        provider = reader.provider
        root = provider.path.resolve(strict=True)
        files = _json_files(root)
        known = {Path(row.external_id): row for row in self._store.provisioned() if row.provider == provider.name}
        for gone in known.keys() - files:
            forget = self._store.unprovision if provider.disable_deletion else self._store.delete_dashboard
            forget(known[gone].dashboard_id)
        common = "" if provider.folders_from_files else self._folder(provider.folder, provider)
        seen = []
        for path in sorted(files):
            try:
                data, checksum = _read_dashboard(path)
            except ValueError as error:
                reader.log.error("failed to load dashboard from ", file=path, error=error)
                continue
            own_folder = provider.folders_from_files and path.parent != root
            folder_uid = self._folder(path.parent.name, provider) if own_folder else common
            seen.append(Seen(data.get("uid", ""), data["title"], folder_uid))
            before = known.get(path)
            if (before and before.checksum == checksum) or not reader.may_write:
                continue
            try:
                self._store.save_dashboard(
                    data, folder_uid=folder_uid, by=BY, id=before.dashboard_id if before else None,
                    provisioning=(provider.name, str(path), checksum),
                )  # fmt: skip
            except StoreError as error:
                reader.log.error("failed to save dashboard", file=path, error=error)
        reader.seen = seen

    def _folder(self, title: str, provider: Provider) -> str:
        """The uid of the folder, made when it is not there; without a name it is the root.

        Raises:
            FolderError
        """
        if not title:
            return ""
        uid = provider.folder_uid
        folder = self._store.folder(uid=uid) if uid else self._store.folder(title=title)
        try:
            return (folder or self._store.add_folder(title, uid)).uid
        except StoreError as error:
            raise FolderError(f'failed to get or create provisioning folder with name "{title}": {error}') from None

    def _restrict_duplicates(self) -> None:
        """Providers that share a uid, or a title in one folder, may not write until that ends (validator.go)."""
        with self._comparing:
            seen = [(reader, one) for reader in self.readers for one in reader.seen]
            uids = Counter(one.uid for _, one in seen if one.uid)
            titles = Counter((one.title, one.folder_uid) for _, one in seen)
            for reader in self.readers:
                reader.may_write = True
            for reader, one in seen:
                where = {"orgId": 1, "provider": reader.provider.name}
                if uids[one.uid] > 1:
                    log.warn("the same UID is used more than once", uid=one.uid, times=uids[one.uid], **where)
                elif titles[one.title, one.folder_uid] > 1:
                    log.warn("dashboard title is not unique in folder", title=one.title, **where)
                else:
                    continue
                if reader.may_write:
                    words = "dashboards provisioning provider has no database write permissions because of duplicates"
                    log.warn(words, **where)
                reader.may_write = False


def _read_all(folder: Path, env: Mapping[str, str]) -> list[Provider]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        log.error("can't read dashboard provisioning files from directory", path=folder, error=_problem("open", error))
        return []
    providers: list[Provider] = []
    for path in paths:
        if not path.name.endswith((".yaml", ".yml")):
            continue
        try:
            found = _read(path, env)
        except DocumentError as error:
            raise DocumentError(
                "Failed to read dashboards config: "
                f"could not parse provisioning config file: {path.name} error: {error}"
            ) from None
        providers.extend(_provider(item) for item in found)
    return providers


def _read(path: Path, env: Mapping[str, str]) -> list[Fields]:
    """A file's providers; without apiVersion it is of the oldest form: a bare list in which nothing is expanded."""
    root = read_root(path)
    try:
        version = api_version(root)
    except DocumentError:
        version = 0
    if version > 0:
        found = list(fields(root, env).items("providers"))
    elif root is None:
        return []
    else:
        log.warn("[Deprecated] the dashboard provisioning config is outdated. please upgrade", filename=path.absolute())
        found = list(Fields({"providers": root}, None).items("providers"))
    names = Counter(item.text("name") for item in found)
    for name, times in names.items():
        if times > 1:
            raise DocumentError(f'dashboard name "{name}" is not unique')
    return found


def _provider(item: Fields) -> Provider:
    org = item.integer("orgId" if item.env is not None else "org_id")
    name, kind, options = item.text("name"), item.text("type") or "file", item.json("options")
    if org not in (0, 1):
        raise DocumentError(
            f'Failed to read dashboards config: failed to provision dashboards with "{name}" reader: org not found'
        )
    if kind != "file":
        raise DocumentError(f"Failed to initialize file readers: type {kind} is not supported")
    path = options.get("path", options.get("folder"))
    if not isinstance(path, str):
        raise DocumentError(
            f"Failed to initialize file readers: failed to create file reader for config {name}: "
            "failed to load dashboards, path param is not a string"
        )
    interval = item.integer("updateIntervalSeconds") or DEFAULT_INTERVAL
    if interval < 0:
        raise DocumentError("non-positive interval for NewTicker")  # Go panics over it
    return Provider(
        name=name,
        folder=item.text("folder"),
        folder_uid=item.text("folderUid"),
        disable_deletion=item.boolean("disableDeletion"),
        interval=interval,
        allow_ui_updates=item.boolean("allowUiUpdates"),
        path=Path(path),
        folders_from_files=options.get("foldersFromFilesStructure") is True,
    )


def _json_files(root: Path) -> set[Path]:
    """Every ``*.json`` below ``root``; hidden folders and links to folders are not entered."""

    def fail(error: OSError) -> None:
        raise error

    found: set[Path] = set()
    for folder, below, names in os.walk(root, onerror=fail):
        below[:] = [name for name in below if not name.startswith(".")]
        found.update(Path(folder, name) for name in names if name.endswith(".json"))
    return found


def _read_dashboard(path: Path) -> tuple[dict[str, Any], str]:
    """The dashboard and the checksum of its file.

    Raises:
        ValueError: no dashboard that Grafana would take.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(_problem("open", error)) from None
    try:
        data, _ = _JSON.raw_decode(content.decode(errors="replace").lstrip(" \t\r\n"))  # Go too reads but one value
    except RecursionError:
        raise ValueError("exceeded max depth") from None
    if not isinstance(data, dict):
        data = {}
    data = {
        **data,
        **{name: text.strip() if isinstance(text := data.get(name), str) else "" for name in ("title", "uid")},
    }
    if not data["title"]:
        raise ValueError("Dashboard title cannot be empty")
    return data, hashlib.md5(content, usedforsecurity=False).hexdigest()


def _no_constant(name: str) -> None:
    raise ValueError(f"invalid character '{name[0]}' looking for beginning of value")


_JSON = json.JSONDecoder(parse_constant=_no_constant)


def _problem(verb: str, error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    return f"{verb} {error.filename}: {(error.strerror or str(error)).lower()}"
