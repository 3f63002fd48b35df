"""What a Dask cluster is and does, asked by a client of its own version, beside the scheduler.

The question: ``addresses`` of the scheduler to try, ``packages`` whose versions are wanted, ``tasks_per_worker``,
``numbers_per_task``, ``most_workers``, and ``within`` how many seconds. The answer: ``identity`` (of the scheduler,
with its workers), ``versions`` (by member, then by package), ``fan_out`` and ``engines`` (by worker). With ``work`` (a
name) and ``tasks``: so many tasks of that name and nothing else; the answer is ``done``. What went wrong: ``error``.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from typing import Any

TOLD = ("name", "nthreads", "memory_limit", "status")  # of a worker
WHO = "__import__('distributed').get_worker().address"


def detail(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def connected(addresses: list[str]) -> Any:
    from distributed import Client

    for index, address in enumerate(addresses):
        try:
            return Client(address, timeout=10, set_as_default=False)  # type: ignore[no-untyped-call]
        except OSError:
            if index == len(addresses) - 1:
                raise
    raise OSError("no address")


def identity(client: Any) -> Any:
    try:
        return client.scheduler_info(n_workers=-1)
    except TypeError:  # before 2025 it told of every worker without being asked
        return client.scheduler_info()


def plain(known: Any) -> dict[str, Any]:
    """What of an identity is told, as the scheduler's own page would."""
    workers = {
        address: {key: one[key] if isinstance(one[key], int) else str(one[key]) for key in TOLD if one.get(key)}
        for address, one in known["workers"].items()
    }
    return {**{key: str(known.get(key, "")) for key in ("type", "id", "address")}, "workers": workers}


def submit(client: Any, expression: str, name: str, worker: str | None = None) -> Any:
    """A task as source text: whatever the workers' versions, they know ``eval``."""
    key = f"{name}-{uuid.uuid4().hex}"
    workers = [worker] if worker else None
    return client.submit(eval, expression, key=key, workers=workers, allow_other_workers=False, pure=False)


def answers(futures: list[Any], within: float) -> list[Any]:
    deadline = time.monotonic() + within
    return [future.result(timeout=max(0.1, deadline - time.monotonic())) for future in futures]


def versions(client: Any, packages: list[str]) -> dict[str, Any]:
    told = client.get_versions(check=False, packages=packages)
    members = {"scheduler": told["scheduler"], **told["workers"]}
    return {
        member: {package: str(version) for package, version in dict(word["packages"]).items() if version}
        for member, word in members.items()
        if word
    }


def fan_out(client: Any, workers: list[str], asked: dict[str, Any]) -> dict[str, Any]:
    pinned = workers * asked["tasks_per_worker"]
    each = asked["numbers_per_task"]
    try:
        futures = [
            submit(
                client,
                f"({WHO}, sum(n * n for n in range({turn * each}, {(turn + 1) * each})))",
                "conformance-fan-out",
                to,
            )
            for turn, to in enumerate(pinned)
        ]
        told = answers(futures, asked["within"])
    except Exception as error:
        return {"detail": detail(error)}
    return {"result": sum(part for _, part in told), "ran_on": [worker for worker, _ in told]}


def engine(client: Any, worker: str, within: float) -> dict[str, str]:
    try:
        future = submit(client, "__import__('polars').__version__", "conformance-polars", worker)
        return {"polars": str(answers([future], within)[0])}
    except Exception as error:
        return {"detail": detail(error)}


def work(asked: dict[str, Any]) -> dict[str, Any]:
    with connected(asked["addresses"]) as client:
        if "work" in asked:
            futures = [submit(client, str(number), asked["work"]) for number in range(asked["tasks"])]
            return {"done": len(answers(futures, asked["within"]))}
        known = identity(client)
        workers = list(known["workers"])[: asked["most_workers"]]
        told: dict[str, Any] = {"identity": plain(known), "fan_out": fan_out(client, workers, asked)}
        try:
            told["versions"] = versions(client, asked["packages"])
        except Exception as error:
            told["versions_error"] = detail(error)
        told["engines"] = {worker: engine(client, worker, asked["within"]) for worker in workers}
        return told


if __name__ == "__main__":
    try:
        answer = work(json.loads(sys.argv[1]))
    except Exception as error:  # whatever it is, it is what the cluster answers with
        answer = {"error": detail(error)}
    sys.stdout.write(f"\nconformance: {json.dumps(answer)}\n")
