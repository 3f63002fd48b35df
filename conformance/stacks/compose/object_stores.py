"""How the object stores that people deploy are configured: keys, regions and ports, and what they take by default.

Sources: RustFS 1.0 ``rustfs --help``; min.io/docs/minio/linux/reference/minio-server; SeaweedFS wiki "Amazon S3 API";
garagehq.deuxfleurs.fr/documentation/reference-manual/configuration (default keys since 2.3); docs.localstack.cloud.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.stacks.compose.configured import Configured, built_from, main_port, port_of
from conformance.stacks.compose.service import exposed, image


@dataclass(frozen=True)
class ObjectStoreCredentials:
    """The keys that the author configured or, where there are none, the ones that the vendor takes then."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    vendor: str = ""  # rustfs | minio | seaweedfs | garage | localstack; empty: not known
    variables: tuple[str, ...] = ()  # where the keys were found; empty: they are the vendor's defaults
    deprecated: tuple[str, ...] = ()  # of these those that the vendor has given up and may not heed


@dataclass(frozen=True)
class _Vendor:
    keys: tuple[tuple[str, str], ...]  # variables of the access and the secret key; the first pair that is set counts
    options: tuple[str, str] | None = None  # the same as options, which go before variables
    defaults: tuple[str, str] = ("", "")
    regions: tuple[str, ...] = ()
    region: str = "us-east-1"
    main: int = 9000
    main_at: tuple[str, ...] = ()  # options and variables that name its address
    console: int | None = None
    console_at: tuple[str, ...] = ()
    console_off: str = ""  # the variable that switches the console off
    deprecated: tuple[str, ...] = ()


_VENDORS: Mapping[str, _Vendor] = {
    "rustfs": _Vendor(
        keys=(("RUSTFS_ACCESS_KEY", "RUSTFS_SECRET_KEY"), ("RUSTFS_ROOT_USER", "RUSTFS_ROOT_PASSWORD")),
        options=("--access-key", "--secret-key"),
        defaults=("rustfsadmin", "rustfsadmin"),
        regions=("RUSTFS_REGION",),
        main_at=("--address", "RUSTFS_ADDRESS"),
        console=9001,
        console_at=("--console-address", "RUSTFS_CONSOLE_ADDRESS"),
        console_off="RUSTFS_CONSOLE_ENABLE",
        deprecated=("RUSTFS_ROOT_USER", "RUSTFS_ROOT_PASSWORD"),
    ),
    "minio": _Vendor(
        keys=(("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"), ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY")),
        defaults=("minioadmin", "minioadmin"),
        regions=("MINIO_SITE_REGION", "MINIO_REGION", "MINIO_REGION_NAME"),
        main_at=("--address", "MINIO_ADDRESS", "MINIO_API_PORT_NUMBER"),
        console=9001,
        console_at=("--console-address", "MINIO_CONSOLE_ADDRESS", "MINIO_CONSOLE_PORT_NUMBER"),
        console_off="MINIO_BROWSER",
        deprecated=("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"),
    ),
    "seaweedfs": _Vendor(
        keys=(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),),
        defaults=("any", "any"),  # without identities everybody may do everything
        main=8333,
        main_at=("-s3.port", "--s3.port"),
    ),
    "garage": _Vendor(
        keys=(("GARAGE_DEFAULT_ACCESS_KEY", "GARAGE_DEFAULT_SECRET_KEY"),),
        region="garage",
        main=3900,
    ),
    "localstack": _Vendor(
        keys=(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),),
        defaults=("test", "test"),
        regions=("AWS_DEFAULT_REGION", "DEFAULT_REGION"),
        main=4566,
        main_at=("GATEWAY_LISTEN", "EDGE_PORT"),
    ),
}
_BITNAMI_MINIO = ("minio", "miniosecret")
_CLIENT = _Vendor(  # how those who use a store are told its keys
    keys=(
        ("S3_ACCESS_KEY", "S3_SECRET_KEY"),
        ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("ACCESS_KEY", "SECRET_KEY"),
    ),
    regions=("S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
)


def credentials(told: Configured, others: Iterable[Configured]) -> ObjectStoreCredentials:
    """The keys of a store; ``others`` are the deployment's services, of which one may know what the store does not say.

    Garage and stores that the kit does not know are given their keys when they already run.
    """
    name, vendor = _vendor(told)
    region = told.value(*vendor.regions)[0] or vendor.region
    if name == "garage":
        region = str(_garage(told).get("s3_region") or region)
    access, secret, found = _keys(told, vendor)
    if not found and name == "seaweedfs" and (identity := seaweed_identity(told)):
        (access, secret), found = identity, ("-s3.config",)
    if not found and name in {"", "garage"}:
        for other in others:
            access, secret, found = _keys(other, _CLIENT)
            if access and secret:
                break
    defaults = _BITNAMI_MINIO if name == "minio" and "bitnami" in image(told.service) else vendor.defaults
    return ObjectStoreCredentials(
        access or defaults[0],
        secret or defaults[1],
        region,
        name,
        found,
        tuple(at for at in found if at.removesuffix("_FILE") in vendor.deprecated),
    )


def _keys(told: Configured, vendor: _Vendor) -> tuple[str, str, tuple[str, ...]]:
    """Access key, secret key, and the names of the options or variables that hold them."""
    if vendor.options and (access := told.option(vendor.options[0])):
        return access, told.option(vendor.options[1]), vendor.options
    for pair in vendor.keys:
        (access, access_at), (secret, secret_at) = told.value(pair[0]), told.value(pair[1])
        if access or secret:
            return access, secret, tuple(at for at in (access_at, secret_at) if at)
    return "", "", ()


def listening(told: Configured) -> dict[str, int]:
    """Its ports: ``main``, and ``console`` where it has one."""
    name, vendor = _vendor(told)
    address = told.setting(*vendor.main_at)
    if name == "seaweedfs" and any("s3" in process[:2] for process in told.processes):
        address = address or told.option("-port")
    if name == "garage":
        address = str(_garage(told).get("api_bind_addr") or "")
    console = vendor.console
    if console:
        console = port_of(told.setting(*vendor.console_at)) or console
    if told.environment.get(vendor.console_off, "").lower() in {"false", "off", "0", "no"}:
        console = None
    if not name and 9001 in exposed(told.service):
        console = 9001
    found = {"main": main_port(told, address, vendor.main, besides={console} if console else set())}
    return found | ({"console": console} if console else {})


def _vendor(told: Configured) -> tuple[str, _Vendor]:
    """Who makes it: by its image (or the one that it is built from), else its programs, else its variables."""
    built = built_from(told.service, told.root) if told.root else None
    images = f"{image(told.service)} {built.image if built else ''}".lower()
    programs = " ".join(process[0] for process in told.processes)
    variables = " ".join(told.environment).lower()
    for text in (images, programs, variables):
        for name, vendor in _VENDORS.items():
            if name in text or (name == "seaweedfs" and re.search(r"\bweed\b", text)):
                return name, vendor
    return "", _CLIENT


def seaweed_identity(told: Configured) -> tuple[str, str] | None:
    """The keys of the first identity that may do everything (else of the first), in the file of ``-s3.config``."""
    path = told.option("-s3.config", "--s3.config", "-config")
    try:
        identities = json.loads(told.file(path) or "")["identities"]
        identities = sorted(identities, key=lambda identity: "Admin" not in identity.get("actions", ()))
        keys = next(identity["credentials"][0] for identity in identities if identity.get("credentials"))
        return str(keys["accessKey"]), str(keys["secretKey"])
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError):
        return None


def _garage(told: Configured) -> Mapping[str, Any]:
    """The table ``s3_api`` of ``garage.toml``."""
    path = told.environment.get("GARAGE_CONFIG_FILE") or told.option("-c", "--config") or "/etc/garage.toml"
    try:
        table = tomllib.loads(told.file(path) or "").get("s3_api")
    except (tomllib.TOMLDecodeError, RecursionError):
        table = None
    return table if isinstance(table, dict) else {}
