"""The programs that a container's command line starts, read out of shells, wrappers and entry-point scripts.

A container's command is often not the program that matters (``tini -- sh -c "pip install polars && dask-worker …"``).
What is read here is a list of processes, each a tuple of words that begins with a program's bare name. Nothing is run,
and what a script's file holds is not known.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from conformance.stacks.compose.service import settled

Process = tuple[str, ...]

MAX_TEXT = 20_000  # of a script or a Dockerfile; more is not read
_MAX_DEPTH = 6  # shells within shells

_SHELLS = {"sh", "bash", "ash", "dash", "zsh", "ksh", "su", "runuser"}
_KEYWORDS = {"if", "then", "else", "elif", "while", "until", "do", "!", "{"}
# programs that start another one: how many of their own words (besides options) come before it
_WRAPPERS = {
    "exec": 0, "nohup": 0, "time": 0, "command": 0, "env": 0, "nice": 0, "stdbuf": 0, "setsid": 0, "catchsegv": 0,
    "sudo": 0, "tini": 0, "tini-static": 0, "docker-init": 0, "dumb-init": 0, "setpriv": 0,
    "gosu": 1, "su-exec": 1, "timeout": 1,
}  # fmt: skip
_RUNNERS = {"uv", "poetry", "pipenv", "pdm", "hatch", "rye", "conda", "mamba", "micromamba", "pixi"}  # "… run PROGRAM"
_WITH_VALUE = {
    "-n",
    "-p",
    "-u",
    "-s",
    "-k",
    "--name",
    "--prefix",
    "--with",
    "--extra",
    "--python",
    "--group",
    "--env-file",
}
_PASSES_ON = re.compile(r"entry-?point|^(prepare|start|startup)(\.sh)?$")  # a script that ends with exec "$@"
_ARGUMENTS = {"$@", "$*", "${@}"}
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def processes(argv: Sequence[str]) -> tuple[Process, ...]:
    """The processes that a command line starts, in its order."""
    return tuple(_processes([word[:MAX_TEXT] for word in argv], _MAX_DEPTH))


def _processes(argv: Sequence[str], depth: int) -> Iterator[Process]:
    argv = list(argv)
    while argv and (argv[0] in _KEYWORDS or _ASSIGNMENT.match(argv[0])):
        argv.pop(0)
    if not argv or depth == 0:
        return
    program, rest = PurePosixPath(argv[0]).name, argv[1:]
    if program in _SHELLS and (script := _script(rest)):
        for command in _commands(script[0]):
            passed_on = any(word.replace("$$", "$") in _ARGUMENTS for word in command)
            yield from _processes(script[2:] if passed_on else command, depth - 1)
    elif program in _SHELLS and rest:
        yield from _processes(_without_options(rest), depth - 1)
    elif program in _WRAPPERS:
        yield from _processes(_wrapped(rest, _WRAPPERS[program]), depth - 1)
    elif program in _RUNNERS and "run" in rest:
        yield from _processes(_wrapped(rest[rest.index("run") + 1 :], 0), depth - 1)
    elif re.fullmatch(r"python[\d.]*", program) and "-m" in rest and rest[-1] != "-m" and "-c" not in rest:
        module = rest.index("-m") + 1
        yield _of_module(rest[module]), *rest[module + 1 :]
    elif "--" in rest:  # wait-for-it.sh postgres:5432 -- …
        yield from _processes(rest[rest.index("--") + 1 :], depth - 1)
    elif rest and _PASSES_ON.search(program):
        yield from _processes(rest, depth - 1)
    else:
        yield program, *rest


def _script(words: Sequence[str]) -> list[str]:
    """The script that a shell is given with ``-c`` (also ``-lc``, ``-exc``), and the words that follow it."""
    for index, word in enumerate(words[:-1]):
        if re.fullmatch(r"-[a-z]*c|--command", word):
            return list(words[index + 1 :])
        if word.endswith(".sh"):
            break
    return []


def _without_options(words: Sequence[str]) -> list[str]:
    return [*words[next((i for i, word in enumerate(words) if not word.startswith("-")), len(words)) :]]


def _wrapped(words: Sequence[str], own: int) -> list[str]:
    """What a wrapper starts: after ``--``, else after its options and ``own`` words."""
    if "--" in words:
        return list(words[words.index("--") + 1 :])
    words = list(words)
    while words and (words[0].startswith("-") or _ASSIGNMENT.match(words[0])):
        words = words[2:] if words[0] in _WITH_VALUE else words[1:]
    return words[own:]


def _of_module(name: str) -> str:
    """The program that ``python -m NAME`` is: ``dask_worker`` of ``distributed.cli.dask_worker``."""
    name = name.removesuffix(".__main__").removesuffix(".cli")
    return name.rpartition(".")[2]


def _commands(script: str) -> Iterator[list[str]]:
    """A shell script's simple commands: split at ``; & | ( )`` and at line ends, comments left out."""
    script = script[:MAX_TEXT].replace("\\\n", " ")
    script = re.sub(r"(?m)(^|(?<=[\s;]))#.*$", "", script)
    for _ in range(_MAX_DEPTH):  # what a substitution runs is no main process
        script = re.sub(r"\$?\$\([^()]*\)", "_", script)
    script = script.replace("\n", " ; ")
    lexer = shlex.shlex(script, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        tokens = list(lexer)
    except ValueError:  # a quote that is not closed
        tokens = script.replace(";", " ; ").replace("&", " & ").split()
    command: list[str] = []
    for token in [*tokens, ";"]:
        if set(token) <= set(";&|()"):
            if command:
                yield command
            command = []
        else:
            command.append(token)


@dataclass(frozen=True)
class Built:
    """What a Dockerfile's last stage says of the container that Compose's own keys do not."""

    image: str = ""  # the image that it begins with; empty: it cannot be told
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def argv(self, entrypoint: tuple[str, ...], command: tuple[str, ...]) -> tuple[str, ...]:
        """The command line, given Compose's own keys: an entry point there puts both of the Dockerfile's aside."""
        if entrypoint:
            return entrypoint + command
        return self.entrypoint + (command or self.command)


def dockerfile(text: str, target: str = "", arguments: dict[str, str] | None = None) -> Built:
    """What a Dockerfile builds, its stages followed; ``target``: the stage that Compose names."""
    values = dict(arguments or {})
    stages: dict[str, Built] = {}
    stage, name = Built(), ""
    for instruction, rest in _instructions(text):
        if instruction == "ARG" and not stages:
            key, _, value = rest.partition("=")
            values.setdefault(key.strip(), value.strip().strip("\"'"))
        elif instruction == "FROM":
            if name and name == target:
                break
            source, _, alias = re.sub(r"--\S+\s+", "", rest).partition(" ")
            source = _filled(source, values)
            stage = stages.get(source.lower(), Built(image=source))
            name = alias.strip().rpartition(" ")[2].lower() or str(len(stages))
        elif instruction == "ENTRYPOINT":
            stage = Built(stage.image, _started(rest), ())
        elif instruction == "CMD":
            stage = Built(stage.image, stage.entrypoint, _started(rest))
        stages[name] = stage
    return stage


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    text = re.sub(r"(?m)^\s*#.*\n?", "", text[:MAX_TEXT]).replace("\r\n", "\n")
    for line in re.sub(r"\\[ \t]*\n", " ", text).splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction:
            yield instruction.upper(), rest.strip()


def _started(rest: str) -> tuple[str, ...]:
    try:
        words = json.loads(rest)
    except ValueError:
        words = None
    if isinstance(words, list):
        return tuple(str(word) for word in words)
    return ("/bin/sh", "-c", rest)


def _filled(text: str, values: dict[str, str]) -> str:
    text = re.sub(r"\$\{?(\w+)\}?", lambda match: values.get(match[1]) or match[0], text)
    return settled(text)
