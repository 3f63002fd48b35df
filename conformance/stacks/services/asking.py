"""HTTP questions that no proxy or netrc of this machine takes part in."""

from __future__ import annotations

import json
from typing import Any

import requests

from conformance.stacks.base import StackError

TIMEOUT = 5.0  # seconds


def ask(url: str, headers: dict[str, str] | None = None, payload: object = None) -> tuple[int, bytes]:
    """Status and body; a POST when there is a payload. Status 0: nobody answered."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.request(
                "GET" if payload is None else "POST", url, headers=headers, json=payload, timeout=TIMEOUT
            )
        except requests.RequestException as error:
            return 0, str(error).encode()
        return answer.status_code, answer.content


def answers(url: str) -> bool:
    return ask(url)[0] == 200


def ask_json(url: str, payload: object = None) -> Any:
    """The JSON that comes back, or None when there is no answer, a refusal, or no JSON."""
    status, body = ask(url, payload=payload)
    try:
        return json.loads(body) if status == 200 else None
    except ValueError:
        return None


def require(module: str, package: str) -> None:
    """Raises: StackError: ``module`` is not installed."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise StackError(f"{module} is missing: pip install '{package}'")
