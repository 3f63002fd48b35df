"""The REST API of Prefect 3, as observers use it: patient with a busy server, tidy with what they make."""

from __future__ import annotations

import time
from typing import Any

from conformance.observe.web import Reply, brief, fetch

BUSY_S = 30.0
TERMINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """The API did not do what an experiment needs."""


class PrefectApi:
    """A server on SQLite says 503 while its database is locked, having done nothing, and is asked again."""

    def __init__(self, url: str) -> None:
        self._base = f"{url}/api"
        self._patience = BUSY_S  # for all requests together: what does not answer at all does not answer each
        self.made: list[str] = []  # paths of what exists because of us, the first made first

    def ask(self, method: str, path: str, payload: dict[str, Any] | None = None) -> Reply:
        while True:
            asked = time.monotonic()
            reply = fetch(f"{self._base}{path}", method=method, payload=payload)
            if reply.status != 503 or self._patience <= 0:
                return reply
            time.sleep(0.3)
            self._patience -= time.monotonic() - asked

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def filter(self, path: str, payload: dict[str, Any]) -> list[dict[str, Any]] | None:
        """A list of things; None when the API does not tell."""
        found = self.ask("POST", f"{path}/filter", payload).json()
        return found if isinstance(found, list) else None

    def make(self, kind: str, path: str, payload: dict[str, Any]) -> str:
        """Make a thing, to be removed by :meth:`remove_all`; its id.

        Raises:
            Refused: with the answer.
        """
        reply = self.ask("POST", path, payload)
        thing = reply.json()
        if not isinstance(thing, dict) or "id" not in thing:
            raise Refused(brief(f"POST {path}: {reply.status} {reply.error or reply.text}", 500))
        self.made.append(f"/{kind}/{thing['id']}")
        return str(thing["id"])

    def remove_all(self) -> str:
        """Remove what was made, the last made first; what could not be removed."""
        return "; ".join(filter(None, map(self._remove, reversed(self.made))))

    def _remove(self, path: str) -> str:
        reply = self.ask("DELETE", path)
        removed = reply.status in (200, 204, 404)
        return "" if removed else brief(f"{path}: {reply.status} {reply.error or reply.text}")

    def watch(self, flow_run: str, patience_s: float) -> dict[str, Any]:
        """The state in which the run ended, or is when patience ends."""
        deadline = time.monotonic() + patience_s
        state: dict[str, Any] = {}
        while state.get("type") not in TERMINAL and time.monotonic() < deadline:
            time.sleep(0.3)
            told = self.get(f"/flow_runs/{flow_run}").json()
            state = (told or {}).get("state") or state
        return state

    def complaint(self, flow_run: str, state: dict[str, Any], patience_s: float) -> str:
        """What the state of an unsuccessful run says, and the last lines of its log."""
        logs = {"logs": {"flow_run_id": {"any_": [flow_run]}}, "sort": "TIMESTAMP_DESC", "limit": 5}
        said = [str(line.get("message", "")) for line in reversed(self.filter("/logs", logs) or [])]
        if state.get("type") in ("SCHEDULED", "PENDING", None):
            said.append(f"not started within {patience_s:.0f} s: is a worker online?")
        return brief(" | ".join(filter(None, (str(state.get("message") or ""), *said))), 1_000)
