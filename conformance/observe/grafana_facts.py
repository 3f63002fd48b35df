"""What is seen of Grafana: its API, the files that provision it, and what its panels bring."""

from __future__ import annotations

from pydantic import Field

from conformance.observe.facts import Attempt, Facts
from conformance.observe.web import Answer


class Drawn(Facts):
    """What a query brought."""

    ok: bool  # it is valid and its datasource answers
    rows: int = 0  # with a value in them, over all frames
    detail: str = ""  # the error
    digest: str = ""  # of the values, to tell one answer from another


class Datasource(Facts):
    """A datasource as the API tells it, without its secrets."""

    uid: str
    name: str
    type: str
    access: str  # proxy | direct
    url: str  # without user and password
    is_default: bool = False
    read_only: bool = False
    health: Attempt | None = None  # None: its kind has no health check, or it was not asked
    up: Drawn | None = None  # `up` through Grafana; None: it is not of Prometheus


class Entry(Facts):
    """A datasource as a provisioning file tells it, with the environment's variables in their places."""

    file: str
    name: str
    type: str
    uid: str = ""  # empty: Grafana makes one of the name
    url: str = ""


class Provisioning(Facts):
    """The provisioning files that Grafana has, mounted or in its image."""

    folder: str  # in the container
    seen_in: str  # "mounts" | "container"
    entries: tuple[Entry, ...] = ()
    dashboards: tuple[str, ...] = ()  # JSON files at the paths of the providers
    problems: tuple[str, ...] = ()  # files that do not parse


class Dashboard(Facts):
    uid: str
    title: str
    folder: str = ""
    file: str = ""  # meta.provisionedExternalId; empty: no file provisions it
    panels: int = 0
    problem: str = ""  # why it cannot be read


class PanelQuery(Facts):
    """A target of a panel: where it asks, and what comes back before and after everything else was observed."""

    dashboard: str  # title
    panel: str  # title
    ref: str
    datasource: str  # its name, or the reference as it is written when it does not resolve
    type: str = ""
    text: str = ""  # the query as it was asked
    problem: str = ""  # why it cannot be asked
    first: Drawn | None = None  # None: not asked (see ``GrafanaFacts.unasked``)
    last: Drawn | None = None


class Strangers(Facts):
    """What somebody without a password can do."""

    reads: bool
    wrote: tuple[str, ...] = ()  # what he could make: folder, datasource
    left_behind: tuple[str, ...] = ()  # what could not be removed of it


class GrafanaFacts(Facts):
    """What could not be had is None, and ``trouble`` says why."""

    health: Answer
    database: str = ""  # what /api/health says of it: ok
    version: str = ""
    log: tuple[str, ...] = ()  # Grafana's last words: of why it is not healthy, else of dashboards not provisioned
    login: Attempt | None = None  # as configured
    trouble: tuple[str, ...] = ()
    datasources: tuple[Datasource, ...] | None = None
    provisioning: Provisioning | None = None
    prometheus_ready: Answer | None = None  # asked directly; None: the deployment has none
    prometheus_names: tuple[str, ...] = Field(default=(), description="its names on the author's networks")
    service_names: tuple[str, ...] = Field(default=(), description="names of every service on the author's networks")
    dashboards: tuple[Dashboard, ...] | None = None
    queries: tuple[PanelQuery, ...] = ()
    unasked: int = 0  # queries that were not asked in the end: there are too many, or they take too long
    run_between: bool = False  # the pipeline ran on this deployment between ``first`` and ``last``
    strangers: Strangers | None = None
    factory_login: bool | None = None  # admin/admin is let in; None: no answer


class DatasourceKey(Facts):
    name: str
    type: str
    url: str


class DashboardKey(Facts):
    uid: str
    title: str


class GrafanaSnapshot(Facts):
    """What a Grafana holds at one moment; a dashboard whose file gives no uid gets another one in a new Grafana."""

    datasources: tuple[DatasourceKey, ...] = ()
    dashboards: tuple[DashboardKey, ...] = ()
    problem: str = ""  # why it cannot be told
