"""Datasources from files, once at the start (pkg/services/provisioning/datasources).

Differences from the real one: there is one organisation, and correlations are not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..logfmt import Logger
from ..models import DataSource
from ..store import NotFound, Store, StoreError
from ..uids import uid_of_name
from .document import DocumentError, Fields, api_version, fields, read_root

log = Logger("provisioning.datasources")
TOO_MANY_DEFAULTS = "datasource.yaml config is invalid. Only one datasource per organization can be marked as default"


class ProvisioningError(Exception):
    """Grafana stops for it; the message is its own."""


@dataclass(frozen=True)
class Config:
    """What one file says: datasources to have (orgId 0: not said), and names to delete before."""

    datasources: tuple[DataSource, ...]
    deletions: tuple[tuple[int, str], ...]


def provision(folder: Path, store: Store, env: Mapping[str, str]) -> None:
    """Bring the store to what the files of ``folder`` say; a folder that is not there is only logged.

    Raises:
        ProvisioningError: a file or the state of the store does not allow it.
    """
    try:
        configs = _read_all(folder, env)
        _check(configs)
        _apply(configs, store)
    except (DocumentError, StoreError) as error:
        raise ProvisioningError(f"Datasource provisioning error: {error}") from None


def _read_all(folder: Path, env: Mapping[str, str]) -> list[Config]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        problem = f"open {folder}: {(error.strerror or str(error)).lower()}"
        log.error("can't read datasource provisioning files from directory", path=folder, error=problem)
        return []
    return [_read(path, env) for path in paths if path.name.endswith((".yaml", ".yml"))]


def _read(path: Path, env: Mapping[str, str]) -> Config:
    """One file. Without apiVersion it is of the oldest form: other names, no uid, and nothing is expanded."""
    root = read_root(path)
    if api_version(root) > 0:
        document = fields(root, env)
        prune = document.boolean("prune")
        return Config(
            tuple(_v1(item, prune) for item in document.items("datasources")),
            tuple((item.integer("orgId"), item.text("name")) for item in document.items("deleteDatasources")),
        )
    log.warn("[Deprecated] the datasource provisioning config is outdated. please upgrade", filename=path.absolute())
    document = fields(root, None)
    return Config(
        tuple(_v0(item) for item in document.items("datasources")),
        tuple((item.integer("org_id"), item.text("name")) for item in document.items("delete_datasources")),
    )


def _v1(item: Fields, prune: bool) -> DataSource:
    return DataSource(
        name=item.text("name"),
        type=item.text("type"),
        uid=item.text("uid"),
        org_id=item.integer("orgId"),
        access=item.text("access"),
        url=item.text("url"),
        user=item.text("user"),
        database=item.text("database"),
        basic_auth=item.boolean("basicAuth"),
        basic_auth_user=item.text("basicAuthUser"),
        with_credentials=item.boolean("withCredentials"),
        is_default=item.boolean("isDefault"),
        json_data=item.json("jsonData"),
        secure=item.texts("secureJsonData"),
        read_only=not item.boolean("editable"),
        is_prunable=prune,
    )


def _v0(item: Fields) -> DataSource:
    return DataSource(
        name=item.text("name"),
        type=item.text("type"),
        org_id=item.integer("org_id"),
        access=item.text("access"),
        url=item.text("url"),
        user=item.text("user"),
        database=item.text("database"),
        basic_auth=item.boolean("basic_auth"),
        basic_auth_user=item.text("basic_auth_user"),
        with_credentials=item.boolean("with_credentials"),
        is_default=item.boolean("is_default"),
        json_data=item.json("json_data"),
        secure=item.texts("secure_json_data"),
        read_only=not item.boolean("editable"),
    )


def _check(configs: list[Config]) -> None:
    """One organisation, one default (config_reader.go, validateDefaultUniqueness)."""
    defaults = 0
    for source in (source for config in configs for source in config.datasources):
        if source.org_id not in (0, 1):
            raise DocumentError(f'failed to provision "{source.name}" data source: org not found')
        defaults += source.is_default
        if defaults > 1:
            raise DocumentError(TOO_MANY_DEFAULTS)


def _apply(configs: list[Config], store: Store) -> None:
    """Prune first, then file by file: delete, then insert or update by name."""
    named = {source.name for config in configs for source in config.datasources}
    named |= {name for config in configs for _, name in config.deletions}
    for stale in store.prunable():
        if stale.name not in named:
            _delete(stale.name, store)
    for config in configs:
        for org_id, name in config.deletions:
            if org_id in (0, 1):
                _delete(name, store)
        for source in config.datasources:
            _upsert(replace(source, org_id=1, access=_access(source.access)), store)


def _access(value: str) -> str:
    if value and value not in ("proxy", "direct"):
        log.warn("invalid access value, will use 'proxy' instead", value=value)
    return value if value == "direct" else "proxy"


def _upsert(source: DataSource, store: Store) -> None:
    try:
        stored = store.datasource(name=source.name)
    except NotFound:
        source = replace(source, uid=source.uid or uid_of_name(source.name))
        log.info("inserting datasource from configuration", name=source.name, uid=source.uid)
        store.add_datasource(source)
    else:
        store.update_datasource(replace(source, id=stored.id))


def _delete(name: str, store: Store) -> None:
    try:
        store.delete_datasource(store.datasource(name=name).id)
    except NotFound:
        return
    log.info("deleted datasource based on configuration", name=name)
