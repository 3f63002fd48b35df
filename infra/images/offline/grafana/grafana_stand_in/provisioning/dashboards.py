"""Dashboards from files, at the start and then again and again (pkg/services/provisioning/dashboards)."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..logfmt import Logger
from ..store import Store, StoreError
from ..uids import MAX_LENGTH, fault_of
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


@dataclass
class Reader:
    """One provider at work."""

    provider: Provider
    log: Logger
    seen: list[tuple[str, tuple[str, str]]] = field(default_factory=list)  # uid, (title, folder) of the last walk
    may_write: bool = True


class Dashboards:
    """All providers of a provisioning folder."""

    def __init__(self, folder: Path, store: Store, env: Mapping[str, str]) -> None:
        """Read the providers; a folder that is not there is only logged.

        Raises:
            ProvisioningError: a file or a provider that Grafana refuses.
        """
        self._store = store
        self._duplicates = threading.Lock()
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
        """The first walk. A provider whose path is not there ends it, as in Grafana: the rest waits for its interval.

        Raises:
            ProvisioningError: a path that cannot be read.
        """
        names = {reader.provider.name for reader in self.readers}
        for orphan in self._store.provisioned():
            if orphan.provider not in names:
                self._store.delete_dashboard(orphan.dashboard_id)
        log.info("starting to provision dashboards")
        for reader in self.readers:
            try:
                self._walk(reader)
            except FileNotFoundError as error:
                log.warn("Failed to provision config", name=reader.provider.name, error=_problem("stat", error))
                return
            except OSError as error:
                raise ProvisioningError(
                    "Failed to provision dashboards: failed to provision config "
                    f"{reader.provider.name}: {_problem('open', error)}"
                ) from None
        self._restrict_duplicates()
        log.info("finished to provision dashboards")

    def poll(self, stop: threading.Event) -> list[threading.Thread]:
        """Walk again at every provider's interval until ``stop``."""
        threads = [threading.Thread(target=self._poll, args=(reader, stop), daemon=True) for reader in self.readers]
        for thread in threads:
            thread.start()
        return threads

    def _poll(self, reader: Reader, stop: threading.Event) -> None:
        while not stop.wait(reader.provider.interval):
            try:
                self._walk(reader)
            except OSError as error:
                reader.log.error("failed to search for dashboards", error=_problem("stat", error))
            self._restrict_duplicates()

    def _walk(self, reader: Reader) -> None:
        provider = reader.provider
        root = provider.path.resolve(strict=True)
        files = _json_files(root)
        known = {row.external_id: row for row in self._store.provisioned() if row.provider == provider.name}
        for known_path, row in known.items():
            if Path(known_path) not in files:
                forget = self._store.unprovision if provider.disable_deletion else self._store.delete_dashboard
                forget(row.dashboard_id)
        reader.seen = []
        for path in files:
            try:
                data, checksum = _read_dashboard(path)
            except ValueError as error:
                reader.log.error("failed to load dashboard from ", file=path, error=error)
                continue
            folder = path.parent.name if path.parent != root else ""
            folder_uid = self._folder(folder if provider.folders_from_files else provider.folder, provider)
            reader.seen.append((str(data.get("uid") or ""), (data["title"], folder_uid)))
            row_before = known.get(str(path))
            if (row_before and row_before.checksum == checksum) or not reader.may_write:
                continue
            fault = _uid_fault(data)
            if fault:
                reader.log.error("failed to save dashboard", file=path, error=fault)
                continue
            self._store.save_dashboard(
                data, folder_uid=folder_uid, by=BY, id=row_before.dashboard_id if row_before else None,
                provisioning=(provider.name, str(path), checksum),
            )  # fmt: skip

    def _folder(self, title: str, provider: Provider) -> str:
        """The uid of the folder, made when it is not there; without a name it is the root."""
        if not title:
            return ""
        uid = provider.folder_uid
        folder = self._store.folder(uid=uid) if uid else self._store.folder(title=title)
        try:
            return (folder or self._store.add_folder(title, uid)).uid
        except StoreError as error:
            raise ProvisioningError(
                f"failed to get or create provisioning folder with name {title!r}: {error}"
            ) from None

    def _restrict_duplicates(self) -> None:
        """Providers that share a uid, or a title in one folder, may not write until that ends (validator.go)."""
        with self._duplicates:
            uids = Counter(uid for reader in self.readers for uid, _ in reader.seen if uid)
            titles = Counter(identity for reader in self.readers for _, identity in reader.seen)
            for reader in self.readers:
                twice = [uid for uid, _ in reader.seen if uids[uid] > 1]
                same = [identity for _, identity in reader.seen if titles[identity] > 1]
                for uid in sorted(set(twice)):
                    log.warn(
                        "the same UID is used more than once",
                        orgId=1,
                        uid=uid,
                        times=uids[uid],
                        providers=reader.provider.name,
                    )
                for title, folder in sorted(set(same)):
                    log.warn(
                        "dashboard title is not unique in folder",
                        orgId=1,
                        title=title,
                        folderUid=folder,
                        times=titles[title, folder],
                    )
                if twice or same:
                    log.warn(
                        "dashboards provisioning provider has no database write permissions because of duplicates",
                        provider=reader.provider.name, orgId=1,
                    )  # fmt: skip
                reader.may_write = not (twice or same)


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
    return Provider(
        name=name,
        folder=item.text("folder"),
        folder_uid=item.text("folderUid"),
        disable_deletion=item.boolean("disableDeletion"),
        interval=item.integer("updateIntervalSeconds") or DEFAULT_INTERVAL,
        allow_ui_updates=item.boolean("allowUiUpdates"),
        path=Path(path),
        folders_from_files=options.get("foldersFromFilesStructure") is True,
    )


def _json_files(root: Path) -> list[Path]:
    """Every ``*.json`` below ``root``; hidden folders and links to folders are not entered."""

    def fail(error: OSError) -> None:
        raise error

    found: list[Path] = []
    for folder, below, names in os.walk(root, onerror=fail):
        below[:] = [name for name in below if not name.startswith(".")]
        found.extend(Path(folder, name) for name in names if name.endswith(".json"))
    return sorted(found)


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
        data = json.loads(content)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"invalid character in JSON: {error}") from None
    title = data.get("title") if isinstance(data, dict) else None
    if not isinstance(title, str) or not title.strip():
        raise ValueError("Dashboard title cannot be empty")
    return {**data, "title": title.strip()}, hashlib.md5(content, usedforsecurity=False).hexdigest()


def _uid_fault(data: Mapping[str, Any]) -> str:
    """pkg/services/dashboards/errors.go, ErrDashboardUidTooLong and ErrDashboardInvalidUid."""
    uid = str(data.get("uid") or "")
    if len(uid) > MAX_LENGTH:
        return f"uid too long, max {MAX_LENGTH} characters"
    return "uid contains illegal characters" if fault_of(uid) else ""


def _problem(verb: str, error: OSError) -> str:
    return f"{verb} {error.filename}: {(error.strerror or str(error)).lower()}"
