"""Grafana's state: a SQLite file in the data folder, kept over restarts."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .models import Dashboard, DataSource, Folder, Provisioning
from .uids import MAX_LENGTH, fault_of, new_uid

FILE = "stand-in.db"  # not grafana.db: a volume may hold a real one
LOCK_AFTER, LOCK_SECONDS = 5, 300  # pkg/services/loginattempt/loginattemptimpl/login_attempt.go
MAX_NAME, MAX_URL = 190, 255  # pkg/services/datasources/service/datasource.go

_SCHEMA = """
CREATE TABLE IF NOT EXISTS account (
  id INTEGER PRIMARY KEY AUTOINCREMENT, login TEXT UNIQUE NOT NULL, salt BLOB NOT NULL, password BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS login_attempt (login TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS data_source (
  id INTEGER PRIMARY KEY AUTOINCREMENT, org_id INTEGER NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL,
  type TEXT NOT NULL, access TEXT NOT NULL, url TEXT NOT NULL, user TEXT NOT NULL, database TEXT NOT NULL,
  basic_auth INTEGER NOT NULL, basic_auth_user TEXT NOT NULL, with_credentials INTEGER NOT NULL,
  is_default INTEGER NOT NULL, json_data TEXT NOT NULL, secure_json_data TEXT NOT NULL, read_only INTEGER NOT NULL,
  is_prunable INTEGER NOT NULL, version INTEGER NOT NULL,
  UNIQUE (org_id, name), UNIQUE (org_id, uid)
);
CREATE TABLE IF NOT EXISTS folder (id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT UNIQUE NOT NULL, title TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS dashboard (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT UNIQUE NOT NULL, title TEXT NOT NULL, folder_uid TEXT NOT NULL,
  data TEXT NOT NULL, version INTEGER NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL,
  updated_by TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS dashboard_provisioning (
  dashboard_id INTEGER PRIMARY KEY REFERENCES dashboard (id) ON DELETE CASCADE, provider TEXT NOT NULL,
  external_id TEXT NOT NULL, checksum TEXT NOT NULL
);
"""


class StoreError(Exception):
    """Something that the store refuses, in Grafana's words."""


class NotFound(StoreError):  # noqa: N818 - a state, as Grafana names it
    """There is no such thing."""


class Conflict(StoreError):  # noqa: N818
    """Something else has that name or uid."""


class Invalid(StoreError):  # noqa: N818
    """A value that is not allowed."""


class Store:
    """All of it. Thread-safe; every method is one transaction."""

    def __init__(self, folder: Path) -> None:
        """Open or make the file.

        Raises:
            sqlite3.Error, OSError: the folder cannot be written.
        """
        self._lock = threading.RLock()
        self._db = sqlite3.connect(folder / FILE, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # what a killed process wrote stays; only a machine that loses power could lose it, and labs' disks are slow
        self._db.executescript(f"PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF; {_SCHEMA}")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # --- accounts

    def ensure_admin(self, login: str, password: str) -> bool:
        """Make the administrator when there is nobody yet: a later start with another password changes nothing.

        Source: "Configure Grafana", security, admin_password: "can only be configured before the first start".
        """
        with self._transaction() as db:
            if db.execute("SELECT 1 FROM account").fetchone():
                return False
            salt = secrets.token_bytes(16)
            db.execute(
                "INSERT INTO account (login, salt, password) VALUES (?, ?, ?)", (login, salt, _hash(password, salt))
            )
            return True

    def login(self, login: str, password: str, *, lock_out: bool) -> int | None:
        """The account's id, or None: unknown, wrong, or locked after too many wrong ones (then even the right one)."""
        now = datetime.now(UTC).timestamp()
        with self._transaction() as db:
            recent = "SELECT count(*) FROM login_attempt WHERE login = ? AND at > ?"
            if lock_out and db.execute(recent, (login, now - LOCK_SECONDS)).fetchone()[0] >= LOCK_AFTER:
                return None
            row = db.execute("SELECT id, salt, password FROM account WHERE login = ?", (login,)).fetchone()
            if row and hmac.compare_digest(_hash(password, row["salt"]), row["password"]):
                db.execute("DELETE FROM login_attempt WHERE login = ?", (login,))
                return int(row["id"])
            db.execute("DELETE FROM login_attempt WHERE at <= ?", (now - LOCK_SECONDS,))
            db.execute("INSERT INTO login_attempt VALUES (?, ?)", (login, now))
            return None

    # --- datasources

    def datasources(self, org_id: int = 1) -> list[DataSource]:
        """By name."""
        with self._transaction() as db:
            rows = db.execute("SELECT * FROM data_source WHERE org_id = ?", (org_id,)).fetchall()
        return sorted(map(_datasource, rows), key=lambda source: source.name.lower())

    def prunable(self) -> list[DataSource]:
        with self._transaction() as db:
            return list(map(_datasource, db.execute("SELECT * FROM data_source WHERE is_prunable ORDER BY id")))

    def datasource(
        self, *, name: str | None = None, uid: str | None = None, id: int | None = None, org_id: int = 1
    ) -> DataSource:
        """The one that all of the given fit.

        Raises:
            NotFound: none fits.
        """
        if not name and not uid and not id:
            raise Invalid("unique identifier and org id are needed to be able to get or delete a datasource")
        query = (
            "SELECT * FROM data_source WHERE org_id = :org_id AND (:name IS NULL OR name = :name)"
            " AND (:uid IS NULL OR uid = :uid) AND (:id IS NULL OR id = :id)"
        )
        with self._transaction() as db:
            row = db.execute(query, {"org_id": org_id, "name": name, "uid": uid, "id": id}).fetchone()
        if row is None:
            raise NotFound("data source not found")
        return _datasource(row)

    def add_datasource(self, source: DataSource) -> DataSource:
        """The first of an organisation becomes the default one (pkg/services/datasources/service/datasource.go).

        Raises:
            Conflict, Invalid
        """
        _check(source)
        with self._transaction() as db:
            others = db.execute("SELECT name FROM data_source WHERE org_id = ?", (source.org_id,)).fetchall()
            source = replace(source, uid=source.uid or new_uid(), is_default=source.is_default or not others)
            if source.name in {row["name"] for row in others}:
                raise Conflict("data source with the same name already exists")
            if db.execute(
                "SELECT 1 FROM data_source WHERE (org_id, uid) = (?, ?)", (source.org_id, source.uid)
            ).fetchone():
                raise Conflict("data source with the same uid already exists")
            values = _columns(replace(source, version=1))
            marks = ", ".join("?" for _ in values)
            statement = f"INSERT INTO data_source ({', '.join(values)}) VALUES ({marks})"  # noqa: S608 - our own columns
            source = replace(source, id=int(db.execute(statement, tuple(values.values())).lastrowid or 0), version=1)
            _one_default(db, source)
        return source

    def update_datasource(self, source: DataSource) -> DataSource:
        """Replace the one of that id. An empty uid leaves it as it is; another one than the stored is not found.

        The look-up takes id and uid together, so a uid cannot be changed: a known trap of provisioning over an old
        database (grafana/grafana issue 110740; pkg/services/datasources/service/datasource.go, UpdateDataSource).

        Raises:
            NotFound, Conflict, Invalid
        """
        stored = self.datasource(id=source.id, uid=source.uid or None, org_id=source.org_id)
        _check(source)
        source = replace(source, uid=stored.uid, version=stored.version + 1)
        with self._transaction() as db:
            clash = "SELECT 1 FROM data_source WHERE org_id = ? AND name = ? AND id <> ?"
            if db.execute(clash, (source.org_id, source.name, source.id)).fetchone():
                raise Conflict("data source with the same name already exists")
            values = _columns(source)
            pairs = ", ".join(f"{column} = ?" for column in values)
            db.execute(f"UPDATE data_source SET {pairs} WHERE id = ?", (*values.values(), source.id))  # noqa: S608
            _one_default(db, source)
        return source

    def delete_datasource(self, id: int) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM data_source WHERE id = ?", (id,))

    # --- folders

    def folders(self) -> list[Folder]:
        """By title."""
        with self._transaction() as db:
            rows = db.execute("SELECT * FROM folder").fetchall()
        return sorted((Folder(**row) for row in rows), key=lambda folder: folder.title.lower())

    def folder(self, *, uid: str | None = None, title: str | None = None) -> Folder | None:
        query = "SELECT * FROM folder WHERE uid = :uid OR title = :title ORDER BY id"
        with self._transaction() as db:
            row = db.execute(query, {"uid": uid, "title": title}).fetchone()
        return Folder(**row) if row else None

    def add_folder(self, title: str, uid: str = "") -> Folder:
        """Raises Conflict when the uid is taken, Invalid when it is none."""
        fault = fault_of(uid)
        if fault:
            raise Invalid(fault)
        uid = uid or new_uid()
        with self._transaction() as db:
            if db.execute("SELECT 1 FROM folder WHERE uid = ?", (uid,)).fetchone():
                raise Conflict("a folder with the same uid already exists")
            id = db.execute("INSERT INTO folder (uid, title) VALUES (?, ?)", (uid, title)).lastrowid
        return Folder(int(id or 0), uid, title)

    def delete_folder(self, uid: str) -> None:
        """With the dashboards in it."""
        with self._transaction() as db:
            db.execute("DELETE FROM dashboard WHERE folder_uid = ?", (uid,))
            db.execute("DELETE FROM folder WHERE uid = ?", (uid,))

    # --- dashboards

    def dashboards(self) -> list[Dashboard]:
        """By title."""
        with self._transaction() as db:
            rows = db.execute("SELECT * FROM dashboard").fetchall()
        return sorted(map(_dashboard, rows), key=lambda dashboard: dashboard.title.lower())

    def dashboard(self, *, uid: str | None = None, id: int | None = None) -> Dashboard | None:
        with self._transaction() as db:
            row = db.execute("SELECT * FROM dashboard WHERE uid = :uid OR id = :id", {"uid": uid, "id": id}).fetchone()
        return _dashboard(row) if row else None

    def save_dashboard(
        self, data: dict[str, Any], *, folder_uid: str, by: str, id: int | None = None,
        provisioning: tuple[str, str, str] | None = None,
    ) -> Dashboard:  # fmt: skip
        """Make it, or replace the one of that id or else of that uid. ``provisioning``: provider, file, checksum.

        Raises:
            Invalid: its uid (pkg/services/dashboards/errors.go).
            Conflict: its uid is another's.
        """
        wanted = str(data.get("uid") or "")
        if len(wanted) > MAX_LENGTH:
            raise Invalid(f"uid too long, max {MAX_LENGTH} characters")
        if fault_of(wanted):
            raise Invalid("uid contains illegal characters")
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        title = str(data["title"])
        with self._transaction() as db:
            old = None
            if id is not None:
                old = db.execute("SELECT * FROM dashboard WHERE id = ?", (id,)).fetchone()
            same = db.execute("SELECT * FROM dashboard WHERE uid = ?", (wanted,)).fetchone()
            if old and same and old["id"] != same["id"]:
                raise Conflict("A dashboard with the same uid already exists")
            old = old or same
            uid = wanted or (old["uid"] if old else new_uid())
            version = old["version"] + 1 if old else 1
            body = json.dumps({**data, "uid": uid, "id": None, "version": version})
            if old:
                id = int(old["id"])
                db.execute(
                    "UPDATE dashboard SET uid = ?, title = ?, folder_uid = ?, data = ?, version = ?, updated = ?,"
                    " updated_by = ? WHERE id = ?",
                    (uid, title, folder_uid, body, version, now, by, id),
                )
            else:
                id = db.execute(
                    "INSERT INTO dashboard (uid, title, folder_uid, data, version, created, updated, updated_by)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (uid, title, folder_uid, body, version, now, now, by),
                ).lastrowid
            if provisioning:
                db.execute("INSERT OR REPLACE INTO dashboard_provisioning VALUES (?, ?, ?, ?)", (id, *provisioning))
            return _dashboard(db.execute("SELECT * FROM dashboard WHERE id = ?", (id,)).fetchone())

    def delete_dashboard(self, id: int) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM dashboard WHERE id = ?", (id,))

    def provisioned(self) -> list[Provisioning]:
        with self._transaction() as db:
            return [Provisioning(**row) for row in db.execute("SELECT * FROM dashboard_provisioning")]

    def unprovision(self, dashboard_id: int) -> None:
        """Forget the file that a dashboard came from and keep the dashboard."""
        with self._transaction() as db:
            db.execute("DELETE FROM dashboard_provisioning WHERE dashboard_id = ?", (dashboard_id,))


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 10_000, 50)  # pkg/util/encoding.go, EncodePassword


def _check(source: DataSource) -> None:
    if len(source.name) > MAX_NAME:
        raise Invalid(f"[datasource.nameInvalid] max length is {MAX_NAME}")
    if len(source.url) > MAX_URL:
        raise Invalid(f"[datasource.urlInvalid] max length is {MAX_URL}")
    fault = fault_of(source.uid)
    if fault:
        raise Invalid(f"[datasource.uidInvalid] invalid UID for datasource {source.name}: {fault}")


def _one_default(db: sqlite3.Connection, source: DataSource) -> None:
    if source.is_default:
        db.execute("UPDATE data_source SET is_default = 0 WHERE org_id = ? AND id <> ?", (source.org_id, source.id))


def _columns(source: DataSource) -> dict[str, Any]:
    values = asdict(source)
    del values["id"]
    secure = values.pop("secure")
    return {**values, "json_data": json.dumps(source.json_data), "secure_json_data": json.dumps(secure)}


def _datasource(row: sqlite3.Row) -> DataSource:
    values: dict[str, Any] = dict(row)
    values["secure"] = json.loads(values.pop("secure_json_data"))
    values["json_data"] = json.loads(values["json_data"])
    for item in fields(DataSource):
        if item.type == "bool":
            values[item.name] = bool(values[item.name])
    return DataSource(**values)


def _dashboard(row: sqlite3.Row) -> Dashboard:
    data = json.loads(row["data"])
    return Dashboard(**{**dict(row), "data": {**data, "id": row["id"]}})
