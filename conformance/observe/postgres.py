"""PostgreSQL as the architecture uses it: who gets in, what it holds, what it refuses, and how it was made."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Final

import psycopg
import yaml
from psycopg import sql

from conformance.observe import postgres_catalogue, postgres_trials
from conformance.observe.facts import Attempt, Observer, Probe
from conformance.observe.last_words import last_words
from conformance.observe.postgres_catalogue import Connection, identifier
from conformance.observe.postgres_model import InitScript, PostgresFacts, Relation, SecondApply
from conformance.observe.sql_script import Command, ScriptError, Statement, load, schemas_of
from conformance.observe.web import brief
from conformance.stacks.base import Capability, PostgresAccess, Role, Stack, StackError, Unavailable

__all__ = ["OBSERVER", "PostgresFacts", "collect"]

INIT_FOLDER: Final = "/docker-entrypoint-initdb.d"
REFERENCE_SCRIPT: Final = "sql/init-postgres.sql"
STATEMENT_MS: Final = 5_000
LOCK_MS: Final = 1_000
SCRIPT_S: Final = 60
MAX_FILES: Final = 20_000
MAX_YAML_BYTES: Final = 2**20
MAX_SCRIPTS: Final = 20
MAX_LOG_BYTES: Final = 8 * 2**20
INIT_ERROR = re.compile(
    r"psql:.*(?:ERROR|FATAL)"
    r"|/docker-entrypoint-initdb\.d/[^:]+: line \d+: (?!warning)"
    r"|/docker-entrypoint-initdb\.d/[^:]+: .*(?:bad interpreter|cannot execute|denied|not found)"
)
COMPARED_ROWS: Final = 20_000

_SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", ".tox", "__pycache__", "volumes"})
_INIT_FOLDERS = frozenset({"init-scripts", "initdb", "initdb.d", "docker-entrypoint-initdb.d", "init"})


def collect(stack: Stack, probe: Probe) -> PostgresFacts:
    access = stack.postgres()
    probe.progress("logging in to PostgreSQL")
    items, script = _init_script(stack, access.database)
    facts: dict[str, Any] = {"init_script": script, "init_errors": _init_errors(stack)}
    try:
        connection = psycopg.connect(access.dsn(), autocommit=True)
    except psycopg.Error as error:
        said = "" if "FATAL" in str(error) else last_words(stack, Role.POSTGRES)  # it answers, and says itself why not
        return PostgresFacts(login=Attempt(ok=False, detail=brief(error)), complaints=said, **facts)
    with closing(connection):
        facts |= {
            "login": Attempt(ok=True),
            "version": connection.info.parameter_status("server_version") or "",
            "stranger_with_wrong_password": _stranger(access, secrets.token_urlsafe(24)),
            "stranger_without_password": _stranger(access, ""),
        }
        probe.progress("reading PostgreSQL's catalogue")
        facts |= _catalogue(connection)
    if items is not None:
        probe.progress("applying the init script to a throw-away server, twice")
        facts |= _second_apply(stack, items)
    return PostgresFacts(**facts)


def _stranger(access: PostgresAccess, password: str) -> Attempt:
    """Log in with another password than the configured one, and with none from a password file either."""
    try:
        # `password=''` counts as none: PGPASSWORD does not step in for it, and no password file can be there
        psycopg.connect(access.dsn(), password=password, passfile=f"{os.devnull}/none").close()
    except psycopg.Error as error:
        return Attempt(ok=False, detail=brief(error))
    return Attempt(ok=True, detail="let in")


def _catalogue(connection: Connection) -> dict[str, Any]:
    try:
        for setting, value in {
            "search_path": "pg_catalog",
            "client_encoding": "UTF8",
            "statement_timeout": str(STATEMENT_MS),
            "lock_timeout": str(LOCK_MS),
            "idle_in_transaction_session_timeout": str(4 * STATEMENT_MS),
        }.items():
            connection.execute("SELECT set_config(%s, %s, false)", (setting, value))
        address = connection.execute("SELECT host(inet_client_addr())").fetchone()
        catalogue = postgres_catalogue.read(connection)
    except (psycopg.Error, UnicodeError) as error:
        return {"catalogue_problem": brief(error)}
    return {
        "client_address": (address and address[0]) or "",
        "catalogue": postgres_trials.run(connection, catalogue),
    }


# --- the init script, as the repository has it


def _init_script(stack: Stack, database: str) -> tuple[list[Statement | Command] | None, InitScript | None]:
    """What the script says, and the facts about it; None of either where no repository or no script is to be seen."""
    if Capability.SOURCE not in stack.capabilities:
        return None, None
    root = stack.source().resolve()
    files, mounted = _script_files(root)
    if not files:
        return None, None
    names = tuple(file.relative_to(root).as_posix() for file in files)
    items: list[Statement | Command] = []
    try:
        for file in files:
            items += load(file, root)
    except ScriptError as error:
        return None, InitScript(files=names, mounted=mounted, problem=brief(error))
    return items, InitScript(files=names, mounted=mounted, schemas=tuple(schemas_of(items, database)))


def _script_files(root: Path) -> tuple[list[Path], bool]:
    """The SQL that makes the database: what a Compose file mounts for the image to run, else what goes by that name."""
    paths = list(_paths(root))
    composes = [path for path in paths if path.suffix in {".yml", ".yaml"} and "compose" in path.name.lower()]
    for compose in sorted(composes, key=lambda path: len(path.parts)):  # the nearest: others are of other deployments
        mounted = [
            file
            for source in _mounted(compose, root)
            for file in ([source] if source.is_file() else sorted(source.glob("*.sql")))
            if file.suffix == ".sql"  # what else the image runs, a shell script say, cannot be read as SQL
        ]
        if mounted:
            return list(dict.fromkeys(mounted))[:MAX_SCRIPTS], True
    if (root / REFERENCE_SCRIPT).is_file():
        return [root / REFERENCE_SCRIPT], False
    named = [
        path
        for path in paths
        if path.suffix == ".sql" and (path.parent.name.lower() in _INIT_FOLDERS or path.name.lower().startswith("init"))
    ]
    return sorted(named)[:MAX_SCRIPTS], False


def _paths(root: Path) -> Iterator[Path]:
    def walk() -> Iterator[Path]:
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(set(folders) - _SKIPPED)
            yield from (Path(folder) / file for file in sorted(files))

    return islice((path for path in walk() if path.is_file() and not path.is_symlink()), MAX_FILES)


def _mounted(compose: Path, root: Path) -> Iterator[Path]:
    """What a Compose file mounts at the image's init folder, or in it; nothing from outside the repository."""
    try:
        with compose.open("rb") as stream:
            model = yaml.safe_load(stream.read(MAX_YAML_BYTES))
        services = list(model["services"].values())
    except (OSError, ValueError, RecursionError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return  # that it cannot be read is for others to say
    volumes = (volume for service in services if isinstance(service, dict) for volume in service.get("volumes") or ())
    for volume in volumes:
        if isinstance(volume, dict):
            source, target = str(volume.get("source", "")), str(volume.get("target", ""))
        else:
            source, _, target = str(volume).partition(":")
            target = target.partition(":")[0]
        if not PurePosixPath(target).is_relative_to(INIT_FOLDER) or not source.startswith("."):
            continue
        path = (compose.parent / source).resolve()
        if path.is_relative_to(root) and path.exists():
            yield path


def _init_errors(stack: Stack) -> tuple[str, ...]:
    """The lines in which psql or the shell, run by the image, complains about an init script."""
    errors: list[str] = []
    for service in stack.roles().get(Role.POSTGRES, ()):
        log = stack.logs().get(service)
        if log is None or not log.is_file():
            continue
        with log.open("rb") as stream:
            lines = stream.read(MAX_LOG_BYTES).decode(errors="replace").split("\n")
        errors += [brief(line.rstrip("\r").replace("\r", "\\r")) for line in lines if INIT_ERROR.search(line)]
    return tuple(errors[:20])


# --- the init script again


def _second_apply(stack: Stack, items: list[Statement | Command]) -> dict[str, Any]:
    unknown = next((item for item in items if isinstance(item, Command) and not _runs(item)), None)
    if unknown is not None:
        return {"second_apply_problem": f"{unknown.where}: the kit cannot run psql's \\{unknown.name}"}
    try:
        with stack.second_postgres() as access:
            return {"second_apply": _apply_twice(access, items)}
    except (Unavailable, StackError, psycopg.Error) as error:
        return {"second_apply_problem": brief(error)}


def _runs(command: Command) -> bool:
    return command.harmless or command.connects_to is not None


def _apply_twice(access: PostgresAccess, items: Iterable[Statement | Command]) -> SecondApply:
    items = list(items)
    first = _apply(access, items)
    if not first.ok:
        return SecondApply(first=first)
    before = _repeated_rows(access)
    second = _apply(access, items)
    after = _repeated_rows(access) if second.ok else before
    growth = {name: count - before.get(name, 0) for name, count in after.items()}
    return SecondApply(
        first=first, second=second, duplicates=dict(islice(((n, c) for n, c in growth.items() if c > 0), 20))
    )


def _apply(access: PostgresAccess, items: Iterable[Statement | Command]) -> Attempt:
    """Run the statements one by one as psql does, and stop at the first that fails, as the image does."""
    deadline = time.monotonic() + SCRIPT_S
    connection = psycopg.connect(access.dsn(), autocommit=True)
    try:
        for item in items:
            left = deadline - time.monotonic()
            if left <= 0:
                return Attempt(ok=False, detail=f"{item.where}: not done after {SCRIPT_S} s")
            try:
                if isinstance(item, Statement):
                    connection.execute(
                        "SELECT set_config('statement_timeout', %s, false)", (str(int(left * 1_000) + 1),)
                    )
                    connection.execute(sql.SQL(item.text))
                elif item.connects_to is not None:
                    connection.close()
                    connection = psycopg.connect(access.dsn(item.connects_to), autocommit=True)
            except psycopg.Error as error:
                return Attempt(ok=False, detail=brief(f"{item.where}: {error}"))
    finally:
        connection.close()
    return Attempt(ok=True)


def _repeated_rows(access: PostgresAccess) -> dict[str, int]:
    """By table, how many rows say what another row of it says, made-up keys and times of loading left aside."""
    with psycopg.connect(access.dsn(), autocommit=True) as connection:
        connection.execute("SET search_path = pg_catalog")
        tables = postgres_catalogue.read(connection).relations
        counts = ((name, _repeated(connection, table)) for name, table in tables.items() if table.kind == "table")
        return {name: count for name, count in counts if count}


def _repeated(connection: Connection, table: Relation) -> int:
    said = [
        name for name, column in table.columns.items() if column.generated in {"", "computed"} and column.kind != "time"
    ]
    if not said or not table.rows:
        return 0
    query = sql.SQL(
        "SELECT count(*) - count(DISTINCT said) FROM (SELECT ROW({})::text AS said FROM {} LIMIT {}) AS compared"
    ).format(sql.SQL(", ").join(map(sql.Identifier, said)), identifier(table), sql.Literal(COMPARED_ROWS))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


OBSERVER = Observer("postgres", PostgresFacts, collect)
