"""SQL scripts read as psql reads them: statements, includes and the schemas that they create. Nothing runs here.

psycopg sends statements and knows no backslash command, and psql in the hands of a stranger's script is a shell
(``\\!``), so the kit follows includes itself and says of any other command that it cannot run it.
Lexical rules: PostgreSQL manual, "Lexical Structure" and psql's "Meta-Commands".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 4 * 2**20
MAX_DEPTH = 5
MAX_INCLUDES = 50

_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*)
    |(?P<block>/\*)
    |(?P<string>[eE]'(?:[^'\\]|\\.|'')*+'|'(?:[^']|'')*+')
    |(?P<quoted>"(?:[^"]|"")*+")
    |(?P<dollar>\$(?:[A-Za-z_\u0080-\uffff][\w]*)?\$)
    |(?P<word>[A-Za-z_\u0080-\uffff][\w$]*)
    |(?P<number>\d[\w.]*)
    |(?P<command>\\[^\n]*)
    |(?P<mark>[();])
    |(?P<space>\s+)
    |(?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")
_COMMAND = re.compile(r"\\(\S+)\s*(.*)", re.DOTALL)
# psql's own settings, which change nothing of what the statements do
_HARMLESS = frozenset({"echo", "qecho", "warn", "timing", "pset", "encoding", "x", "t", "a", "H", "conninfo"})
_SETTINGS = frozenset({"ON_ERROR_STOP", "ON_ERROR_ROLLBACK", "QUIET", "VERBOSITY", "ECHO", "FETCH_COUNT"})
_HEAD = 24  # tokens of a statement that are kept to tell what it does


class ScriptError(Exception):
    """The script cannot be read to its end; the message begins with ``file:line``."""


@dataclass(frozen=True)
class Statement:
    """One SQL statement without its semicolon, and where it begins."""

    text: str
    where: str  # "file:line"
    head: tuple[tuple[str, str], ...]  # (kind, text) of the first tokens that are neither space nor comment

    def created_schema(self) -> str | None:
        """The name in ``CREATE SCHEMA [IF NOT EXISTS] name`` or ``… AUTHORIZATION role``, with a typo in EXISTS too."""
        rest = self._after("create", "schema")
        guarded = _without(rest, "if", "not")
        rest = _without(rest if guarded is rest else guarded[1:], "authorization")
        return _identifier(*rest[0]) if rest else None

    def dropped_schemas(self) -> list[str]:
        """The names in ``DROP SCHEMA [IF EXISTS] name [, …] [CASCADE | RESTRICT]``."""
        rest = _without(self._after("drop", "schema"), "if", "exists")
        names = (_identifier(*token) for token in rest if token[1].lower() not in {"cascade", "restrict"})
        return [name for name in names if name is not None]

    def _after(self, *words: str) -> tuple[tuple[str, str], ...]:
        rest = _without(self.head, *words)
        return () if rest is self.head else rest


@dataclass(frozen=True)
class Command:
    """A backslash command of psql."""

    name: str
    argument: str
    where: str

    @property
    def connects_to(self) -> str | None:
        """The database of a plain ``\\connect NAME``."""
        target = _unquoted(self.argument)
        plain = self.name in {"c", "connect"} and target and not target.startswith((":", "-")) and " " not in target
        return target if plain else None

    @property
    def harmless(self) -> bool:
        if self.name == "set":
            return self.argument.split(" ", 1)[0] in _SETTINGS
        return self.name in _HARMLESS


def load(path: Path, root: Path) -> list[Statement | Command]:
    """The statements and commands of ``path`` with its includes in place.

    Raises:
        ScriptError: a file is missing, unreadable, too large or outside ``root``, or includes nest too deep.
    """
    return list(_follow(path, root.resolve(), _Budget(), ()))


def schemas_of(items: list[Statement | Command], database: str) -> list[str]:
    """The schemas that the script leaves behind in ``database``, the one it starts in."""
    schemas: dict[str, None] = {}
    here = True
    for item in items:
        if isinstance(item, Command):
            if item.name in {"c", "connect"}:
                here = item.connects_to == database
        elif here:
            if (created := item.created_schema()) is not None:
                schemas[created] = None
            for dropped in item.dropped_schemas():
                schemas.pop(dropped, None)
    return list(schemas)


@dataclass
class _Budget:
    bytes: int = MAX_BYTES
    files: int = MAX_INCLUDES


def _follow(path: Path, root: Path, budget: _Budget, including: tuple[str, ...]) -> Iterator[Statement | Command]:
    said_by = including[-1] if including else path.name
    try:
        file = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name that cannot be
        raise ScriptError(f"{said_by}: {error}") from error
    if not file.is_relative_to(root):
        raise ScriptError(f"{said_by}: {path.name} is outside the repository")
    name = file.relative_to(root).as_posix()
    budget.files -= 1
    if len(including) > MAX_DEPTH or budget.files < 0:
        raise ScriptError(f"{said_by}: includes nest too deep or are too many")
    for item in split(_text(file, name, said_by, budget), name):
        if isinstance(item, Command) and item.name in {"i", "ir", "include", "include_relative"}:
            yield from _follow(file.parent / _unquoted(item.argument), root, budget, (*including, item.where))
        else:
            yield item


def _text(file: Path, name: str, said_by: str, budget: _Budget) -> str:
    if not file.is_file():  # a pipe would never end
        raise ScriptError(f"{said_by}: there is no file {name}")
    try:
        with file.open("rb") as stream:
            content = stream.read(budget.bytes + 1)
    except OSError as error:
        raise ScriptError(f"{said_by}: {name}: {error.strerror or error}") from error
    budget.bytes -= len(content)
    if budget.bytes < 0:
        raise ScriptError(f"{said_by}: the scripts hold more than {MAX_BYTES} bytes")
    return content.decode("utf-8-sig", errors="replace")


def split(text: str, name: str) -> Iterator[Statement | Command]:
    """Cut ``text`` at the semicolons where psql cuts: outside quotes, comments, parentheses and BEGIN ATOMIC bodies."""
    start = position = 0
    line = start_line = 1
    parentheses = atomic = 0
    head: list[tuple[str, str]] = []  # not empty: within a statement

    def statement(end: int) -> Statement:
        return Statement(text[start:end].strip(), f"{name}:{start_line}", tuple(head))

    while match := _TOKEN.match(text, position):
        kind, found, begin = str(match.lastgroup), match.group(), position
        position = match.end()
        if kind == "block":
            position = _end_of_comment(text, position)
        elif kind == "dollar":
            closing = text.find(found, position)
            position = len(text) if closing < 0 else closing + len(found)
        elif kind == "word":
            atomic = _nesting(found.lower(), head, atomic)
        elif kind == "mark":
            parentheses = max(0, parentheses + {"(": 1, ")": -1, ";": 0}[found])
        if kind == "command" or (found == ";" and not parentheses and not atomic):
            if head:
                yield statement(begin)
            head = []
            if kind == "command":
                yield _command(found, f"{name}:{line}")
        elif kind not in {"space", "comment", "block"}:
            if not head:
                start, start_line = begin, line
            if len(head) < _HEAD:
                head.append((kind, found))
        line += text.count("\n", begin, position)
    if head:
        yield statement(len(text))


def _end_of_comment(text: str, position: int) -> int:
    """Block comments nest."""
    depth = 1
    while depth and (edge := _BLOCK_EDGE.search(text, position)):
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
    return len(text) if depth else position


def _nesting(word: str, head: list[tuple[str, str]], depth: int) -> int:
    """How deep in a SQL-standard routine body (BEGIN ATOMIC … END) the word leaves us."""
    if depth == 0:
        first = {text.lower() for _, text in head[:4]}
        return int(word == "atomic" and "create" in first and bool(first & {"function", "procedure"}))
    return depth + {"case": 1, "end": -1}.get(word, 0)


def _command(line: str, where: str) -> Command:
    match = _COMMAND.match(line.split("\\\\")[0].strip())
    return Command(match.group(1), match.group(2).strip(), where) if match else Command("", "", where)


def _without(tokens: tuple[tuple[str, str], ...], *words: str) -> tuple[tuple[str, str], ...]:
    """``tokens`` less these leading words; ``tokens`` itself when they do not lead."""
    found = tuple(text.lower() for _, text in tokens[: len(words)])
    return tokens[len(words) :] if found == words else tokens


def _identifier(kind: str, text: str) -> str | None:
    """The name as the server folds it; None when it is none (a psql variable, say)."""
    if kind == "quoted":
        return text[1:-1].replace('""', '"')
    return text.lower() if kind == "word" else None


def _unquoted(argument: str) -> str:
    argument = argument.strip()
    if len(argument) > 1 and argument[0] == argument[-1] and argument[0] in "'\"":
        return argument[1:-1]
    return argument
