"""Which of a database's refusals are an answer."""

from __future__ import annotations

import psycopg
import pytest

from conformance.stacks.base import PostgresAccess
from conformance.stacks.compose.ready import Ready

ACCESS = PostgresAccess("127.0.0.1", 1, "somebody", "pqrs", "secret")


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        ('FATAL:  password authentication failed for user "somebody"', True),
        ('FATAL:  database "pqrs" does not exist', True),
        ("FATAL:  the database system is starting up", False),
        ("FATAL:  the database system is shutting down", False),
        ("FATAL:  the database system is in recovery mode", False),
        (
            "FATAL:  the database system is not yet accepting connections\n"
            "DETAIL:  Consistent recovery state has not been yet reached.",
            False,
        ),
        ("FATAL:  the database system is not accepting connections\nDETAIL:  Hot standby mode is disabled.", False),
        ("connection refused", False),
    ],
)
def test_a_refusal_is_an_answer_unless_it_says_later(said: str, answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(_: str) -> None:
        raise psycopg.OperationalError(f'connection to server at "127.0.0.1", port 1 failed: {said}')

    monkeypatch.setattr(psycopg, "connect", connect)
    assert Ready.of_postgres(ACCESS) is answers
