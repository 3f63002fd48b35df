"""What a case does to a running embedded stack, and how that is undone in place: the language of ``embedded.toml``."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import boto3
import deployed
import psycopg
import yaml
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from checking import copy_of
from distributed import Client, Event
from gateway import Rules, gateway
from observing import altered
from psycopg import sql
from pydantic import BaseModel, ConfigDict

from conformance.observe.prefect_api import PrefectApi
from conformance.stacks.base import Role, Stack
from conformance.stacks.embedded import EmbeddedStack
from conformance.stacks.processes import Child
from conformance.stacks.services import dask
from conformance.stacks.services.asking import ask_json

Undo = Callable[[], object]

STEP = ConfigDict(frozen=True, extra="forbid")
NAME = re.compile(r"\{([a-z_]+)(?:\.([a-z]+))?\}")
NULL = {"$null": True}  # which TOML does not know
SHELL_S = 30.0
ENDED_S = 5.0
STALE_S = 3.5  # for Prometheus to mark the series of a target that it does not have any more: it waits for two scrapes


class Ground:
    """A running stack as steps reach it, and what observers are told otherwise than it is."""

    def __init__(self, stack: EmbeddedStack) -> None:
        self.stack = stack
        self.told: dict[str, Any] = {}  # instead of the stack's attributes and methods
        self.kept = {"password": stack.postgres().password}  # by name; besides, ids of what steps made

    @property
    def seen(self) -> Stack:
        """The stack as observers see it."""
        return altered(self.stack, **self.told)

    def fill(self, text: str) -> str:
        """``{dask_scheduler.dashboard}`` is where that role answers, ``{flow}`` what is kept by that name."""

        def value(found: re.Match[str]) -> str:
            name, port = found[1], found[2]
            if name in self.kept:
                return self.kept[name]
            if name not in tuple(Role):
                return found[0]
            endpoint = self.stack.endpoint(Role(name), port or "main")
            return f"{endpoint.host}:{endpoint.port}"

        return NAME.sub(value, text)

    @cached_property
    def administrator(self) -> psycopg.Connection[Any]:
        """A superuser who is in before anything is altered: an altered password does not lock him out."""
        return psycopg.connect(self.stack.postgres().dsn(), autocommit=True)

    @cached_property
    def s3(self) -> Any:
        access = self.stack.object_store()
        return boto3.client(
            "s3", endpoint_url=access.endpoint_url, aws_access_key_id=access.access_key,
            aws_secret_access_key=access.secret_key, region_name=access.region,
        )  # fmt: skip

    def signed(self, method: str, path: str) -> list[tuple[str, str]]:
        """The headers of a request without a body in the store's own name."""
        access = self.stack.object_store()
        request = AWSRequest(method, f"{access.endpoint_url}{path}")
        S3SigV4Auth(Credentials(access.access_key, access.secret_key), "s3", access.region).add_auth(request)
        return [("Host", access.endpoint_url.removeprefix("http://")), *request.headers.items()]

    @contextmanager
    def dask(self) -> Iterator[Client]:
        url = self.stack.endpoint(Role.DASK_SCHEDULER).url
        with Client(url, set_as_default=False, name="somebody") as client:  # type: ignore[no-untyped-call]
            yield client

    def children(self, name: str) -> list[tuple[Role, Child]]:
        """The processes of a role, or of one service."""
        found = [
            (role, child)
            for role in self.stack.roles()
            for child in self.stack._launcher.running(role).children
            if name in (role, child.name)
        ]
        if not found:
            raise ValueError(f"the embedded stack runs no {name}")
        return found

    def bring_back(self, role: Role) -> None:
        """Start what has ended of a role, with its own commands, and wait until it answers."""
        running = self.stack._launcher.running(role)
        for index, child in enumerate(running.children):
            if not child.running():
                running.children[index] = self.stack._processes.start(child.command)
        self.stack._launcher.wait(running.children, running.plan.answers)

    def wait_for_scrapes(self, targets: AbstractSet[tuple[str, str]] | None = None, after: float = 0.0) -> None:
        """Until Prometheus has tried each of its targets anew.

        ``targets``: which it has to have, by job and URL; ``after``: so many seconds after it has them.
        """
        url = self.stack.endpoint(Role.PROMETHEUS).url
        since: datetime | None = datetime.now(UTC) if targets is None else None

        def tried() -> bool:
            nonlocal since
            active = ask_json(f"{url}/api/v1/targets?state=active")["data"]["activeTargets"]
            if since is None and {(one["labels"]["job"], one["scrapeUrl"]) for one in active} == targets:
                since = datetime.now(UTC) + timedelta(seconds=after)
            return since is not None and all(datetime.fromisoformat(one["lastScrape"]) > since for one in active)

        self.stack._launcher.wait([], tried)

    def close(self) -> None:
        if "administrator" in vars(self):
            self.administrator.close()


class Sql(BaseModel):
    """Statements of a superuser, all or none, in the deployment's database."""

    model_config = STEP
    sql: str
    restore: str = "SELECT"
    script: bool = False
    """Afterwards the deployment's own init script is applied again: it makes what is missing."""

    def apply(self, ground: Ground) -> Undo:
        def run(text: str) -> None:
            with ground.administrator.transaction():
                ground.administrator.execute(sql.SQL(ground.fill(text)))  # type: ignore[arg-type]

        def undo() -> None:
            run(self.restore)
            if self.script:
                from pqrs_lakehouse import warehouse

                warehouse.init_db(ground.stack.settings())

        run(self.sql)
        return undo


class S3(BaseModel):
    """A call of boto3's client."""

    model_config = STEP
    s3: str
    arguments: Mapping[str, Any]
    restore: S3 | None = None

    def apply(self, ground: Ground) -> Undo:
        getattr(ground.s3, self.s3)(**self.arguments)
        return (lambda: self.restore.apply(ground)) if self.restore else bool  # type: ignore[union-attr]


class Weed(BaseModel):
    """A command of SeaweedFS's shell."""

    model_config = STEP
    weed: str
    restore: str

    def apply(self, ground: Ground) -> Undo:
        (_, server), *_ = ground.children("object_store")
        options = dict(word[1:].split("=", 1) for word in server.command.argv if word.startswith("-") and "=" in word)

        def address(part: str) -> str:
            return f"-{part}={options['-ip'[1:]]}:{options[f'{part}.port']}.{options[f'{part}.port.grpc']}"

        def run(command: str) -> None:
            subprocess.run(
                [server.command.argv[0], "shell", address("master"), address("filer")],
                input=f"{command}\nexit\n", text=True, capture_output=True, check=True, timeout=SHELL_S,
                env=dict(server.command.env),
            )  # fmt: skip

        run(self.weed)
        return lambda: run(self.restore)


class Request(BaseModel):
    """A request to Prefect's API; ``keep``: the name by which later steps know the id of what it made."""

    model_config = STEP
    prefect: str
    body: Mapping[str, Any] = {}
    keep: str = ""
    restore: Request | None = None

    def apply(self, ground: Ground) -> Undo:
        method, path = ground.fill(self.prefect).split(" ", 1)
        api = PrefectApi(ground.stack.endpoint(Role.PREFECT_SERVER).url)  # which is patient with a busy server
        body = {key: None if value == NULL else ground.fill(value) if isinstance(value, str) else value
                for key, value in self.body.items()}  # fmt: skip
        reply = api.ask(method, path, body if method != "DELETE" else None)
        if not reply.answer.ok:
            raise ValueError(f"{method} {path}: {reply.status} {reply.error or reply.text}")
        if self.keep:
            ground.kept[self.keep] = reply.json()["id"]
        return (lambda: self.restore.apply(ground)) if self.restore else bool  # type: ignore[union-attr]


class Stop(BaseModel):
    """The processes of a role, or of one service, end. They are started again as they were."""

    model_config = STEP
    stop: str
    scraped: bool = False
    """Wait until Prometheus has tried all its targets again."""

    def apply(self, ground: Ground) -> Undo:
        stopped = ground.children(self.stop)
        ground.stack._processes.end([child for _, child in stopped], ENDED_S)
        roles = list(dict.fromkeys(role for role, _ in stopped))
        if Role.DASK_SCHEDULER in roles:  # its workers end without it
            roles.append(Role.DASK_WORKER)
        if Role.DASK_WORKER in roles and Role.DASK_SCHEDULER not in roles:
            names = {child.name for _, child in stopped}
            ground.stack._launcher.wait([], lambda: not names & ground.stack._scheduler().workers())
        if self.scraped:
            ground.wait_for_scrapes()

        def undo() -> None:
            for role in roles:
                if role is Role.DASK_WORKER:
                    ground.stack._processes.end([child for _, child in ground.children(role)], ENDED_S)
                ground.bring_back(role)

        return undo


class Start(BaseModel):
    """One more Dask worker."""

    model_config = STEP
    start: Literal["dask_worker"]
    name: str
    options: Sequence[str] = ()

    def apply(self, ground: Ground) -> Undo:
        stack = ground.stack
        command = dask.worker(stack._processes, self.name, 0, stack._scheduler_file)
        child = stack._processes.start(replace(command, argv=[*command.argv, *self.options]))
        stack._launcher.wait([child], lambda: self.name in stack._scheduler().workers())

        def undo() -> None:
            stack._processes.end([child], ENDED_S)
            stack._launcher.wait([], lambda: self.name not in stack._scheduler().workers())

        return undo


class Edit(BaseModel):
    """In Prometheus's configuration ``before``, which stands there once, becomes ``after``; ``reload``: it reads it."""

    model_config = STEP
    edit: Literal["prometheus.yml"]
    before: str
    after: str
    reload: bool = True

    def apply(self, ground: Ground) -> Undo:
        (_, server), *_ = ground.children("prometheus")
        file = server.command.cwd / self.edit
        original = file.read_text(encoding="utf-8")
        before = ground.fill(self.before)
        if original.count(before) != 1:
            raise ValueError(f"{self.edit}: {before!r} stands there {original.count(before)} times, not once")

        def write(text: str, after: float = 0.0) -> None:
            file.write_text(text, encoding="utf-8")
            if self.reload:
                server.process.send_signal(signal.SIGHUP)
                ground.wait_for_scrapes(_targets(text), after)

        changed = original.replace(before, ground.fill(self.after))
        write(changed, STALE_S if _targets(original) - _targets(changed) else 0.0)
        return lambda: write(original)


def _targets(config: str) -> set[tuple[str, str]]:
    """Every job's name with the addresses that it scrapes."""
    return {
        (job["job_name"], f"http://{target}{job.get('metrics_path', '/metrics')}")
        for job in yaml.safe_load(config)["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    }


class Configure(BaseModel):
    """The env file says something else than the servers were made with."""

    model_config = STEP
    configure: Literal["postgres", "object_store"]
    says: Mapping[str, Any]

    def apply(self, ground: Ground) -> Undo:
        access = replace(getattr(ground.stack, self.configure)(), **self.says)
        ground.told[self.configure] = lambda: access
        return lambda: ground.told.pop(self.configure)


class Gateway(BaseModel):
    """A proxy stands before a service, and people reach that through it."""

    model_config = STEP
    gateway: str
    """A role and, after a dot, one of its ports."""
    rules: Rules = Rules()

    def apply(self, ground: Ground) -> Undo:
        role, _, port = self.gateway.partition(".")
        endpoint = ground.stack.endpoint(Role(role), port or "main")
        life = ExitStack()
        number = life.enter_context(gateway(endpoint.url, self.rules, ground.signed))
        through = replace(endpoint, port=number)

        def told(asked: Role, named: str = "main") -> Any:
            return through if (asked, named) == (role, port or "main") else ground.stack.endpoint(asked, named)

        ground.told["endpoint"] = told
        if role == Role.OBJECT_STORE:
            access = replace(ground.stack.object_store(), endpoint_url=through.url)
            ground.told["object_store"] = lambda: access

        def undo() -> None:
            ground.told.pop("endpoint")
            ground.told.pop("object_store", None)
            life.close()

        return undo


class Rewrite(BaseModel):
    """In a file of the repository that is checked ``before``, which stands there once, becomes ``after``."""

    model_config = STEP
    rewrite: str
    before: str
    after: str

    def apply(self, ground: Ground) -> Undo:
        life = ExitStack()
        if "source" not in ground.told:
            folder = Path(life.enter_context(TemporaryDirectory()))
            copy = copy_of(ground.stack.source(), folder / "repository")
            ground.told["source"] = lambda: copy
            life.callback(ground.told.pop, "source")
        deployed.Edit(file=self.rewrite, before=self.before, after=self.after).apply(ground.told["source"]())
        return life.close


class Run(BaseModel):
    """Python in the processes of Dask's workers, of one of them, or of the scheduler."""

    model_config = STEP
    run: str
    on: str
    """``workers``, ``scheduler`` or the name of a worker."""
    restore: str

    def apply(self, ground: Ground) -> Undo:
        def run(code: str) -> None:
            with ground.dask() as client:
                if self.on == "scheduler":
                    client.run_on_scheduler(exec, code, {})
                    return
                workers = client.scheduler_info(n_workers=-1)["workers"]
                chosen = [address for address, one in workers.items() if self.on in ("workers", one["name"])]
                assert chosen, self.on
                client.run(exec, code, {}, workers=chosen)

        run(self.run)
        return lambda: run(self.restore)


class Task(BaseModel):
    """Somebody's Python expression, left on Dask: its client stays and waits for the answer.

    What is to last waits for the event ``enough``, which is set at the end.
    """

    model_config = STEP
    task: str
    state: Literal["processing", "erred", "no-worker", "memory"]
    resources: Mapping[str, int] | None = None

    def apply(self, ground: Ground) -> Undo:
        life = ExitStack()
        client = life.enter_context(ground.dask())
        future = client.submit(eval, self.task, resources=self.resources, pure=False)

        def state() -> str:
            told = client.run_on_scheduler(eval, STATE.format(key=future.key))
            return str(told)

        ground.stack._launcher.wait([], lambda: state() == self.state)

        def undo() -> None:
            enough = Event("enough", client=client)  # type: ignore[no-untyped-call]
            enough.set()
            if self.state == "processing":
                future.result(timeout=ENDED_S)
            enough.clear()
            life.close()

        return undo


STATE = """next((
    scheduler.tasks[{key!r}].state
    for scheduler in __import__("distributed").scheduler.Scheduler._instances if {key!r} in scheduler.tasks
), "unknown")"""

SEEN_ONLY = (Configure, Gateway, Rewrite)
"""Steps that change how people see the stack, and nothing in it."""

Step = Sql | S3 | Weed | Request | Stop | Start | Edit | Configure | Gateway | Rewrite | Run | Task


@contextmanager
def applied(steps: Sequence[Step], ground: Ground) -> Iterator[None]:
    """The steps one after the other; whatever happens, those that were taken are undone, the last one first."""
    with ExitStack() as undoing:
        for step in steps:
            undoing.callback(step.apply(ground))
        yield
