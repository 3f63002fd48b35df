"""No secret gets into a fact or a log, in whatever form, and no fact is falsified to hide one."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.observe.redaction import REDACTED, Redactor

NASTY = 'p@ss/w%rd"x&y é<'
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cs", "Zs"]), min_size=9)
NO_WORDS = SECRETS.filter(lambda secret: not secret.isalpha())


def forms(secret: str) -> dict[str, str]:
    basic = base64.b64encode(f"user:{secret}".encode()).decode()
    return {
        "plain": secret,
        "in a url": f"postgresql://u:{quote(secret, safe='')}@host/db",
        "lower-case escapes": quote(secret, safe="").lower(),
        "in a form": f"a=1&p={quote_plus(secret)}&b=2",
        "json": json.dumps({"key": secret}),
        "json, unescaped": json.dumps({"key": secret}, ensure_ascii=False),
        "repr": repr({"key": secret}),
        "base64": base64.b64encode(secret.encode()).decode(),
        "url-safe base64": base64.urlsafe_b64encode(secret.encode()).decode(),
        "basic": f"Authorization: Basic {basic}",
        "one off": base64.b64encode(f"ab{secret}tail".encode()).decode(),
        "two off": base64.b64encode(f"a{secret}tail".encode()).decode(),
    }


@pytest.mark.parametrize("form", forms(NASTY))
def test_every_form_of_a_secret_is_found(form: str) -> None:
    text = forms(NASTY)[form]
    redacted = Redactor([NASTY]).text(f"before {text} after")
    assert REDACTED in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    assert text not in redacted


@given(NO_WORDS, st.text(max_size=20), st.text(max_size=20))
def test_no_secret_survives_as_it_is(secret: str, before: str, after: str) -> None:
    redacted = Redactor([secret]).text(f"{before}{secret}{after}")
    assert secret not in redacted.replace(REDACTED, "")


@given(SECRETS, st.binary(max_size=5), st.binary(max_size=5))
def test_no_secret_can_be_read_out_of_base64(secret: str, before: bytes, after: bytes) -> None:
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    assert REDACTED in Redactor([secret]).text(encoded)


def test_longer_secrets_go_first() -> None:
    assert Redactor(["hunter22", "hunter22-and-more"]).text("hunter22-and-more") == REDACTED


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("pin 1234.", f"pin {REDACTED}."),
        ("port 12345 and 91234", "port 12345 and 91234"),
        ("a1234", "a1234"),
    ],
)
def test_a_short_secret_is_looked_for_as_a_word(text: str, redacted: str) -> None:
    assert Redactor(["1234"]).text(text) == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ('role "postgres" does not exist', 'role "postgres" does not exist'),
        (
            "postgresql://postgres:postgres@postgres:5432/postgres",
            f"postgresql://postgres:{REDACTED}@postgres:5432/postgres",
        ),
        ("user=postgres password=postgres", f"user=postgres password={REDACTED}"),
        ("POSTGRES_PASSWORD: postgres", f"POSTGRES_PASSWORD: {REDACTED}"),
        ('{"secret_key": "postgres"}', f'{{"secret_key": "{REDACTED}"}}'),
        ("password=postgres2", "password=postgres2"),
    ],
)
def test_a_public_name_is_only_a_secret_where_it_stands_as_one(text: str, redacted: str) -> None:
    assert Redactor(["postgres"], public={"postgres"}).text(text) == redacted


def test_a_word_by_which_facts_name_something_is_only_a_secret_where_it_stands_as_one() -> None:
    door = {"speaks": "dashboard", "detail": "http://admin:dashboard@grafana:3000 dashboard"}
    assert Redactor(["dashboard"]).tree(door) == {
        "speaks": "dashboard",
        "detail": f"http://admin:{REDACTED}@grafana:3000 dashboard",
    }


def test_trees_are_redacted_and_made_printable_keys_as_well() -> None:
    tree = {"a hunter22": ["hunter22", 1, 1.5, None, True, {"x": ("\x1b\ud800",)}]}
    assert Redactor(["hunter22"]).tree(tree) == {
        f"a {REDACTED}": [REDACTED, 1, 1.5, None, True, {"x": ["\\x1b\\ud800"]}]
    }


def test_the_kits_own_words_stay_whatever_the_secrets_are() -> None:
    tree = {"env_file": "in env", "services": {"the env": {"name": "env"}}}
    assert Redactor(["env", "name"]).tree(tree, {"env_file", "services", "name"}) == {
        "env_file": f"in {REDACTED}",
        "services": {f"the {REDACTED}": {"name": REDACTED}},
    }


def test_without_secrets_nothing_changes() -> None:
    assert Redactor(["", "  "]).text("as it was") == "as it was"
