"""What is seen of a repository's Compose model. No value of an environment variable is in it: names and places only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from conformance.observe.facts import Facts


class Found(Facts):
    """A role that the service plays, and by what one knows."""

    role: str
    certainty: str  # declared | sure | likely
    reason: str


class Port(Facts):
    """A published port."""

    target: int  # of the container
    published: str = ""  # of the host, with the values of the env file; empty: any free one
    default: str = ""  # the same when no variable is set
    variables: tuple[str, ...] = ()  # that choose it
    host_ip: str = ""  # empty: every address of the host
    protocol: str = "tcp"


class Network(Facts):
    """A network that the service is on."""

    name: str  # its key in the model
    internal: bool = False
    address: str = ""  # a fixed one


class Mount(Facts):
    """A mount that the Compose file declares."""

    kind: str  # bind | volume | tmpfs | config | secret
    target: str
    source: str = ""  # a folder or file: relative to the repository if there; else a name; empty: anonymous
    written: str = ""  # the same as its author wrote it
    read_only: bool = False
    in_repository: bool = False  # the source is a folder or file of the repository
    configuration: bool = False  # it configures a server, as opposed to code that runs and data that are kept


class HealthCheck(Facts):
    """The service's own health check. That of its image is not seen here."""

    declared: bool = False
    disabled: bool = False
    test: tuple[str, ...] = ()  # ("CMD-SHELL", "pg_isready …"), as the author wrote it


class Naming(Facts):
    """Another service that this one names as a host."""

    service: str
    places: tuple[str, ...]  # "environment PREFECT_API_URL", "command"


class Address(Facts):
    """An address that means the container itself (or the host) and not another service."""

    place: str  # "environment DASK_SCHEDULER_ADDRESS", "command", "infra/prometheus/prometheus.yml"
    host: str  # localhost | 127.0.0.1 | 0.0.0.0 | host.docker.internal | …
    port: int | None = None  # None: it names none, and none follows from it
    own: bool = False  # the service itself listens there
    of: tuple[str, ...] = ()  # the services that listen on that port
    browser: bool = False  # it is for people's browsers, which are not in the container
    datasource: bool = False  # it is of a file that provisions Grafana's datasources


class Tie(Facts):
    """What ties the service to one host."""

    kind: str  # privileged | network_mode, pid, ipc, uts… | docker_socket | host_path | device | platform
    detail: str  # "/home/ana/data:/data", "linux/arm64"
    read_only: bool = False


class Service(Facts):
    """One service, as its author wrote it."""

    roles: tuple[Found, ...] = ()
    plane: str = ""  # by label or role; empty: it belongs to none
    profiles: tuple[str, ...] = ()
    image: str = ""  # with the values of the env file; empty: it is only built
    image_default: str = ""  # when no variable is set; the same where no variable without a default is in it
    built: bool = False  # from a Dockerfile of the repository
    job: str = ""  # why it is a job that ends; empty: it is to stay up
    restart: str = ""
    container_name: str = ""
    replicas: int | None = None
    user: str = ""
    memory: str = ""  # the limit in bytes; empty: there is none
    worker_name: str = ""  # the fixed --name of a Dask worker
    environment: tuple[str, ...] = ()  # names of variables
    ports: tuple[Port, ...] = ()
    network_mode: str = ""
    networks: tuple[Network, ...] = ()
    mounts: tuple[Mount, ...] = ()
    depends_on: dict[str, str] = Field(default={})  # service: condition
    waits: bool = False  # its command waits for something before it starts its program
    health: HealthCheck = HealthCheck()
    names: tuple[Naming, ...] = ()
    addresses: tuple[Address, ...] = ()
    ties: tuple[Tie, ...] = ()
    literal_secrets: tuple[str, ...] = ()  # places: "environment POSTGRES_PASSWORD"
    host_exporter: bool = False  # of a known kind that watches its host


class Variable(Facts):
    """A variable that the model interpolates and that has no default there."""

    name: str
    place: str  # the first: "services.postgres.environment.POSTGRES_PASSWORD"
    instead_of: str = ""  # it is only looked at where this other variable has no value


class Dashboard(Facts):
    """A JSON file that a provider of dashboards would read."""

    file: str
    problem: str = ""  # why Grafana drops it


class Datasource(Facts):
    """An entry of a provisioning file, with the values of Grafana's environment."""

    file: str
    name: str = ""
    type: str = ""
    has_url: bool = False
    org: str = ""  # empty: the first
    default: bool = False


class Provider(Facts):
    """A provider of dashboards."""

    file: str
    name: str = ""
    path: str = ""
    seen: str = ""  # what is at the path: repository | volume (of which the kit sees nothing) | "" (nothing is mounted)


Section = Literal["datasources", "providers"]


class Stray(Facts):
    """A file that looks like provisioning, mounted where Grafana does not read it."""

    file: str
    kind: Section
    path: str  # in the container


class Provisioning(Facts):
    """What the repository mounts into a Grafana service for it to read at its start."""

    service: str
    folder: str  # the provisioning folder, in the container
    built: bool = False  # its image is the author's, and may bring files that are not seen here
    datasources: tuple[Datasource, ...] = ()
    providers: tuple[Provider, ...] = ()
    dashboards: tuple[Dashboard, ...] = ()
    problems: tuple[str, ...] = ()  # files that do not parse: "FILE: why"
    strays: tuple[Stray, ...] = ()


class ComposeFacts(Facts):
    """The model as it is authored and as it resolves. ``services`` is empty when it does not resolve."""

    file: str = ""  # relative to the repository; empty: none was found
    problem: str = ""  # why it does not resolve, in Compose's own words
    env_file: str = ""
    env_generated: tuple[str, ...] = ()
    env_example: str = ""  # the file that documents the variables
    documented: tuple[str, ...] = ()  # the variables that it names, commented lines counted
    variables: tuple[Variable, ...] = ()
    secrets: tuple[str, ...] = ()  # literal ones outside the services: "configs.prometheus"
    platform: str = ""  # of this machine: "linux/amd64"
    services: dict[str, Service] = Field(default={})
    provisioning: tuple[Provisioning, ...] = ()

    def playing(self, role: str) -> dict[str, Service]:
        """The services that play ``role``."""
        return {
            name: service
            for name, service in self.services.items()
            if any(found.role == role for found in service.roles)
        }
