"""Loopback ports that no other stack on this machine takes, and ports that somebody asked for."""

from __future__ import annotations

import errno
import re
import secrets
import socket
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from conformance.stacks.base import StackError

HOST = "127.0.0.1"
FIRST, LAST, SIZE = 10_240, 32_767, 32  # below the ephemeral range, above what services have by default
ATTEMPTS = 200


class PortBlock:
    """A block of ports, leased from everybody on the machine for as long as this object lives.

    The lease is a bound socket on the block's first port: it holds between users and containers that share the network,
    and ends with the process that holds it.
    """

    def __init__(self) -> None:
        for _ in range(ATTEMPTS):
            base = FIRST + SIZE * secrets.randbelow((LAST + 1 - FIRST) // SIZE)
            lease = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                lease.bind((HOST, base))
            except OSError:
                lease.close()
                continue
            self._lease = lease
            self._lock = threading.Lock()
            self._free = deque(range(base + 1, base + SIZE))
            return
        raise StackError(f"no free block of {SIZE} ports between {FIRST} and {LAST} on {HOST}")

    def take(self) -> int:
        """The next port of the block on which nothing listens."""
        with self._lock:
            while self._free:
                port = self._free.popleft()
                if why_taken(port) is None:
                    return port
        raise StackError(f"the block of {SIZE} ports on {HOST} is used up: others listen on too many of them")

    def give_back(self, port: int) -> None:
        self._free.append(port)

    def close(self) -> None:
        self._lease.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def why_taken(port: int) -> str | None:
    """Why ``port`` cannot be listened on, or None when it can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger do not count
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
    return None


@dataclass(frozen=True)
class AskedPort:
    """A port that a line of an env file fixes."""

    variable: str
    port: int
    where: str  # "<file>:<line>"

    def __str__(self) -> str:
        return f"{self.variable}={self.port} ({self.where})"


def asked_ports(env_file: Path, variables: tuple[str, ...]) -> dict[str, AskedPort]:
    """The ports that ``env_file`` gives to ``variables``; empty values ask for nothing.

    Raises:
        StackError: the file cannot be read, or a value is no port, is taken or is asked for twice; with file and line.
    """
    from dotenv.parser import parse_stream

    try:
        with env_file.open(encoding="utf-8") as stream:
            last = {binding.key: binding for binding in parse_stream(stream) if binding.key in variables}
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"cannot read the env file {env_file}: {getattr(error, 'strerror', None) or error}") from error
    asked: dict[str, AskedPort] = {}
    for variable, binding in last.items():
        value, text = binding.value, binding.original.string
        if not variable or not value:
            continue
        line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
        where = f"{env_file}:{line}"
        if not re.fullmatch("[0-9]{1,5}", value) or not 0 < int(value) < 65_536:
            raise StackError(f"{variable}={value[:40]} ({where}) is not a port number between 1 and 65535")
        asked[variable] = AskedPort(variable, int(value), where)
    by_port: dict[int, AskedPort] = {}
    for port in asked.values():
        if other := by_port.get(port.port):
            raise StackError(f"{port} is also {other}")
        if reason := why_taken(port.port):
            raise StackError(f"{port} {reason}")
        by_port[port.port] = port
    return asked
