"""``python -m grafana_stand_in``: serve until a signal comes, or until provisioning fails as it fails in Grafana."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable

import uvicorn

from . import COMMIT, VERSION
from .api.calls import Grafana
from .app import application
from .logfmt import Logger
from .provisioning import datasources
from .provisioning.dashboards import Dashboards
from .provisioning.datasources import ProvisioningError
from .settings import Settings, SettingsError
from .store import Store

PERMISSIONS = (
    "You may have issues with file permissions, more information here: "
    "http://docs.grafana.org/installation/docker/#migrate-to-v51-or-later"
)  # packaging/docker/run.sh
log = Logger("provisioning")


def main() -> int:
    """The exit code: 0 after a signal, 1 when Grafana would not run."""
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn ends first and then hands the signal on
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        return _say(f"{error}")
    if not os.access(settings.data, os.W_OK):
        return _say(f"GF_PATHS_DATA='{settings.data}' is not writable.\n{PERMISSIONS}")
    try:
        store = Store(settings.data)
    except (sqlite3.Error, OSError) as error:
        return _say(f"Error: ✗ failed to connect to database: {error}")
    Logger("settings").info("Starting Grafana stand-in", version=VERSION, commit=COMMIT)
    if store.ensure_admin(settings.admin_user, settings.admin_password):
        Logger("sqlstore").info("Created default admin", user=settings.admin_user)
    try:
        return _serve(settings, store)
    finally:
        store.close()


def _serve(settings: Settings, store: Store) -> int:
    """Requests are answered while provisioning runs: what is provisioned may appear a moment later.

    So it is in Grafana 11 and 12; 13 waits (pkg/registry/backgroundsvcs/adapter/dependencies.go). Who asks has to be
    right with either.
    """
    grafana = Grafana(settings, store)
    stop, failure = threading.Event(), list[str]()

    def provision() -> None:
        try:
            _provision(grafana, stop)
        except (ProvisioningError, sqlite3.Error) as error:
            failure.append(f"*provisioning.ProvisioningServiceImpl run error: {error}")
            server.should_exit = True

    worker = threading.Thread(target=provision)
    app = application(grafana, started=worker.start, ended=stop.set)
    logging.getLogger("uvicorn.error").addHandler(_Forward())
    config = uvicorn.Config(
        app, host=settings.address, port=settings.port, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = uvicorn.Server(config)
    try:
        server.run()
    except SystemExit as end:  # after a signal, or because it cannot listen (which uvicorn has said)
        if end.code:
            failure.append(f"*api.HTTPServer run error: failed to open listener on {config.host}:{config.port}")
    if worker.ident:
        worker.join()
    return _say(f"Error: ✗ {failure[0]}") if failure else 0


def _provision(grafana: Grafana, stop: threading.Event) -> None:
    """pkg/services/provisioning/provisioning.go, Run: datasources, then dashboards, then dashboards at their intervals.

    Raises:
        ProvisioningError: Grafana ends for it.
    """
    folder, env = grafana.settings.provisioning, os.environ
    _logged(
        "Failed to provision data sources", lambda: datasources.provision(folder / "datasources", grafana.store, env)
    )

    def walk() -> None:
        grafana.dashboards = Dashboards(folder / "dashboards", grafana.store, env)
        grafana.dashboards.provision()

    _logged("Failed to provision dashboard", walk)
    if grafana.dashboards:
        grafana.dashboards.poll(stop)


def _logged(words: str, step: Callable[[], None]) -> None:
    try:
        step()
    except ProvisioningError as error:
        log.error(words, error=error)
        raise


class _Forward(logging.Handler):
    """The web server's errors in Grafana's form."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = Logger("http.server")
        if record.levelno >= logging.ERROR:
            logger.error(record.getMessage(), error=record.exc_info[1] if record.exc_info else "")


def _say(text: str) -> int:
    print(text, flush=True)  # noqa: T201 - the container's log
    return 1


if __name__ == "__main__":
    sys.exit(main())
