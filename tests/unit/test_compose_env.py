"""Env files: Compose's own reading of them, and the values that placeholders get."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.stacks.compose import env
from conformance.stacks.compose.raw import MAX_BYTES, ComposeProblem


def values(text: str) -> dict[str, str]:
    return env.values(env.parse(text, ".env"), ".env")


# each of these was read by Docker Compose 2.26 as given here
@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("A=1", {"A": "1"}),
        ("A=x y  \n", {"A": "x y"}),
        ("A=x #c", {"A": "x"}),
        ("A=x#c", {"A": "x#c"}),
        ("A=#c", {"A": "#c"}),
        ("A= # c", {"A": "# c"}),
        ("A=\nB=2", {"A": "", "B": "2"}),
        ("A\nB=2", {"B": "2"}),
        ("A: 1", {"A": "1"}),
        ("A = 1", {"A": "1"}),
        ("A=\tx\ty #c", {"A": "x\ty"}),
        ("  export   A=1", {"A": "1"}),
        ("exportA=1\nA=${exportA}", {"exportA": "1", "A": "1"}),
        ("# c\n  # d\n\nA=1", {"A": "1"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A.B-c_1=x", {"A.B-c_1": "x"}),
        ("A\u00a0=1", {"A": "1"}),
        ("A=it's\nB=1", {"A": "it's", "B": "1"}),
        ('A=x "y"', {"A": 'x "y"'}),
        ("A='$A ${B}'", {"A": "$A ${B}"}),
        (r"A='it\'s \n'", {"A": r"it's \n"}),
        (r"A='a\\'", {"A": r"a\\"}),
        (r'A="a\\"', {"A": "a\\"}),
        (r'A="a\\\"b"', {"A": r"a\"b"}),
        (r'A="\n\t\\n"', {"A": "\n\t\\n"}),
        (r'A="\q\'"', {"A": r"\q\'"}),
        (r'A="\$x $$y"', {"A": "$x $y"}),
        ('A="multi\nline" # c\nB=1', {"A": "multi\nline", "B": "1"}),
        ('A="x" B=2', {"A": "x", "B": "2"}),
        ("A=1\nB=$A-${A}-${C:-d}-${C-e}", {"A": "1", "B": "1-1-d-e"}),
        ("A=a$1b$", {"A": "a$1b$"}),
        ("A=1\nA=2", {"A": "2"}),
    ],
)
def test_an_env_file_is_read_as_compose_reads_it(text: str, read: dict[str, str]) -> None:
    assert values(text) == read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("OK=1\nA B=1", r"^\.env:2: no NAME=value"),
        ("=x", r"^\.env:1: no NAME=value"),
        ('\nA="x', r"^\.env:2: A: the quote is not closed"),
        ("A=1\n\nB=${x", r"^\.env:3: B: invalid interpolation"),
    ],
)
def test_what_compose_refuses_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ComposeProblem, match=said):
        values(text)


def test_errors_show_no_value() -> None:
    with pytest.raises(ComposeProblem) as caught:
        values('PASSWORD="hunter2')
    assert "hunter2" not in str(caught.value)


def test_outer_values_win() -> None:
    bindings = env.parse("A=own\nB=$A", "x")
    assert env.values(bindings, "x", {"A": "outer"}) == {"A": "own", "B": "outer"}


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), st.text(st.characters(codec="utf-8"))))
def test_what_is_written_is_read_back(known: dict[str, str]) -> None:
    assert values(env.written(known)) == known


def test_values_that_double_themselves_are_bounded() -> None:
    text = "A=0123456789\n" + "".join(f"{chr(66 + n)}=${chr(65 + n)}${chr(65 + n)}\n" for n in range(20))
    with pytest.raises(ComposeProblem, match="longer than"):
        values(text)


def test_a_file_is_bounded_and_may_have_a_mark(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"\xef\xbb\xbfA=1\r\n")
    assert [binding.name for binding in env.read(file, ".env")] == ["A"]
    file.write_bytes(b"A=1\n" * (MAX_BYTES // 4 + 1))
    with pytest.raises(ComposeProblem, match="larger than"):
        env.read(file, ".env")
    file.write_bytes(b"A=\xff")
    with pytest.raises(ComposeProblem, match="not UTF-8"):
        env.read(file, ".env")


PLACEHOLDERS = """
    change-me|changeme|CHANGE_ME|change-this-password|changeit|change_me_123|replace-with-a-password|REPLACE_ME|replaceme
    your-password|your_secret_key|yourpassword|YOUR_KEY_HERE|put-your-key-here|set-me|insert_key|<password>|<tu clave>
    xxx|XXXXXXXX|***|...|TODO|todo: choose one|cambiar|cambiame|cámbiame|cambia-esto|cambiar_por_una_clave|CAMBIAME_123
    por-definir|reemplazar|reemplaza-esto|REEMPLAZAR_POR_CLAVE|tu-clave|tu_password|su-contraseña|pon-tu-clave-aqui
    ponga-aqui|escriba-su-clave|pendiente
"""
NO_PLACEHOLDERS = """
    pqrs|admin|postgres|pqrs-lake|5432|us-east-1|http://rustfs:9000|tcp://dask-scheduler:8786|your-email@example.com
    postgresql://pqrs:change-me@postgres/pqrs|${PASSWORD}|xx|true|America/Bogota|exchange|Tunja|sucre|todos|cambio|s3cret
    changes|
"""


def listed(text: str) -> list[str]:
    return [value for line in text.strip("\n").splitlines() for value in line.strip().split("|")]


@pytest.mark.parametrize("text", listed(PLACEHOLDERS))
def test_placeholders(text: str) -> None:
    assert env.is_placeholder(text)


@pytest.mark.parametrize("text", listed(NO_PLACEHOLDERS))
def test_values_that_work_are_no_placeholders(text: str) -> None:
    assert not env.is_placeholder(text)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("POSTGRES_PASSWORD", True), ("PGPASSWORD", True), ("DB_PASS", True), ("S3_ACCESS_KEY", True),
        ("AWS_SECRET_ACCESS_KEY", True), ("AWS_ACCESS_KEY_ID", True), ("API_TOKEN", True), ("CLAVE", True),
        ("GF_SECURITY_ADMIN_PASSWORD", True), ("CONTRASEÑA_BD", True), ("secret", True),
        ("POSTGRES_PASSWORD_FILE", False), ("POSTGRES_USER", False), ("KEYCLOAK_URL", False), ("TOKEN_TTL", False),
        ("PASSENGER", False), ("MONKEY", False), ("POSTGRES_DB", False),
    ],
)  # fmt: skip
def test_secrets_by_name(name: str, secret: bool) -> None:
    assert env.is_secret(name) is secret


def filler(**options: object) -> env.Filler:
    numbers = count(1)
    return env.Filler(make=lambda: f"made{next(numbers)}", **options)  # type: ignore[arg-type]


def filled(text: str, by: env.Filler) -> tuple[dict[str, str], tuple[str, ...]]:
    bindings, names = by.filled(env.parse(text, ".env"))
    return env.values(bindings, ".env"), names


def test_one_value_for_each_placeholder_text_wherever_it_stands() -> None:
    got, names = filled(
        """
DSN=postgresql://pqrs:change-me@postgres:5432/pqrs?x=not-change-me-too
POSTGRES_PASSWORD=change-me
GRAFANA_PASSWORD=change-me
S3_SECRET_KEY=<secret>
POSTGRES_USER=pqrs
COPY=${POSTGRES_PASSWORD}
""",
        filler(),
    )
    assert got == {
        "DSN": "postgresql://pqrs:made1@postgres:5432/pqrs?x=not-change-me-too",
        "POSTGRES_PASSWORD": "made1",
        "GRAFANA_PASSWORD": "made1",
        "S3_SECRET_KEY": "made2",
        "POSTGRES_USER": "pqrs",
        "COPY": "made1",
    }
    assert names == ("DSN", "POSTGRES_PASSWORD", "GRAFANA_PASSWORD", "S3_SECRET_KEY")


def test_empty_secrets_get_values_of_their_own_and_other_empty_values_stay() -> None:
    got, names = filled("A_PASSWORD=\nB_PASSWORD=\nLAKE_PREFIX=\nURL=x:$A_PASSWORD", filler())
    assert got == {"A_PASSWORD": "made1", "B_PASSWORD": "made2", "LAKE_PREFIX": "", "URL": "x:made1"}
    assert names == ("A_PASSWORD", "B_PASSWORD")


def test_the_same_placeholder_is_the_same_in_two_files() -> None:
    by = filler()
    assert filled("P=change-me\nQ_TOKEN=", by)[0] == {"P": "made1", "Q_TOKEN": "made2"}
    assert filled("R=change-me\nQ_TOKEN=", by)[0] == {"R": "made1", "Q_TOKEN": "made2"}


def test_what_stands_in_other_files_stays_as_it_is() -> None:
    got, names = filled("P=change-me\nQ=<q>\nR_KEY=", filler(stays="change-me".__eq__, may_be_empty="R_KEY".__eq__))
    assert (got, names) == ({"P": "change-me", "Q": "made1", "R_KEY": ""}, ("Q",))


def test_ports_are_not_made_up() -> None:
    assert filled("POSTGRES_PORT=<port>", filler())[1] == ()


def test_generated_values_need_no_quoting_anywhere() -> None:
    made = {env.generated_value() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"[a-z][A-Za-z0-9]{15,19}", value) for value in made)
