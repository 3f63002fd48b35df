"""A kit of nine promises about tea, on a stack that is one text file: to test what surrounds the real ones.

``TEAKIT`` in the environment (JSON) says how it behaves: ``room`` is a folder in which the stack leaves traces;
``tea``, ``lid`` and ``note`` are the facts; ``secret`` is to be redacted; ``open``, ``enter``, ``exit``, ``teapot`` and
``stove`` say what happens there: ``stack-error``, ``error``, ``unavailable``, ``hang`` (until the process ends) or
``stuck`` (the same, in a thread that Python waits for).
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from conformance.kit import Kit
from conformance.observe.facts import Facts, Observer, Probe
from conformance.stacks.base import Capability, Role, Stack, StackError, Unavailable
from conformance.stacks.opening import StackRequest, open_stack
from conformance.stacks.unreachable import UnreachableStack
from conformance.verdict.checks import checks_in

HERE = Path(__file__).parent
CHECKS = HERE / "checks.py"


def behaviour() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(os.environ.get("TEAKIT", "{}"))
    return told


class TeapotFacts(Facts):
    tea: int
    lid: str | None = None
    note: str = ""


class StoveFacts(Facts):
    degrees: int


class DisruptionFacts(Facts):
    tea_after: int


class TeaStack(UnreachableStack):
    kind = "embedded"
    capabilities = frozenset({Capability.SOURCE, Capability.ENDPOINTS, Capability.KILL})
    stand_ins = ("water stands in for tea",)
    runs_reference = True

    def __init__(self, request: StackRequest) -> None:
        self._source = request.source

    def __enter__(self) -> Self:
        trace("up")
        misbehave("enter")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_: TracebackType | None
    ) -> None:
        trace("down")
        misbehave("exit")

    def roles(self) -> dict[Role, tuple[str, ...]]:
        return {Role.GRAFANA: ("teapot",)}

    def secrets(self) -> frozenset[str]:
        return frozenset({behaviour().get("secret", "")})

    def logs(self) -> dict[str, Path]:
        room = behaviour().get("room")
        return {"tea pot": Path(room) / "trace"} if room else {}

    def source(self) -> Path:
        return self._source


def trace(word: str) -> None:
    room = behaviour().get("room")
    if room:
        with (Path(room) / "trace").open("a") as file:
            file.write(f"{word}\n")


def misbehave(where: str) -> None:
    match behaviour().get(where):
        case "stack-error":
            raise StackError("the kettle\nis gone")
        case "error":
            raise ZeroDivisionError("cracked")
        case "unavailable":
            raise Unavailable("no stove here")
        case "stuck":
            threading.Thread(target=threading.Event().wait, daemon=False).start()
            threading.Event().wait()
        case "hang":
            trace(f"hanging in {where}")
            threading.Event().wait()


def look_at_teapot(stack: Stack, probe: Probe) -> TeapotFacts:
    misbehave("teapot")
    told = behaviour()
    return TeapotFacts(tea=told.get("tea", 2), lid=told.get("lid", "on"), note=told.get("note", ""))


def look_at_stove(stack: Stack, probe: Probe) -> StoveFacts:
    misbehave("stove")
    return StoveFacts(degrees=90)


def knock(stack: Stack, probe: Probe) -> DisruptionFacts:
    trace("knock")
    seen = probe.observation("teapot")
    return DisruptionFacts(tea_after=(seen.facts or {})["tea"])


def open_tea_stack(request: StackRequest) -> Stack:
    misbehave("open")
    return open_stack(request) if request.kind == "static" else TeaStack(request)


def load_checks() -> Any:
    from teakit import checks

    return checks_in([checks])


KIT = Kit(
    guarantees=HERE / "guarantees",
    profiles=HERE / "profiles",
    observers={
        "teapot": Observer("teapot", TeapotFacts, look_at_teapot),
        "stove": Observer("stove", StoveFacts, look_at_stove),
        "disruption": Observer("disruption", DisruptionFacts, knock),
    },
    open_stack=open_tea_stack,
    engine_answers=lambda: False,
    reference=lambda: HERE,
    load_checks=load_checks,
)
