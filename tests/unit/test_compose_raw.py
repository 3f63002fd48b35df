"""YAML as written: what Compose reads in it, and the line of everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from compose_files import repository
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.stacks.compose.raw import MAX_BYTES, ComposeProblem, Document, dump, load


def read(root: Path, text: str) -> Document:
    folder = repository(root, {"docker-compose.yml": text})
    (document,) = load(folder / "docker-compose.yml", "docker-compose.yml", folder)
    return document


def refused(root: Path, text: str) -> str:
    with pytest.raises(ComposeProblem) as caught:
        read(root, text)
    return str(caught.value)


def scalar(root: Path, text: str) -> Any:
    return read(root, f"a: {text}\n").data["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("22:22", "22:22"), ("80:80", "80:80"), ("5432:5432", "5432:5432"), ("yes", "yes"), ("on", "on"),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("12", 12), ("-3", -3), ("0", 0),
        ("0440", 288), ("0o17", 15), ("0x1F", 31), ("1_000", 1000), ("1e3", 1000.0), ("08", 8.0), ("+5", 5),
        ("1.50", 1.5), ("1.5.2", "1.5.2"), ("2024-01-01", "2024-01-01"), ("'12'", "12"), ('"true"', "true"),
        ("${PORT:-5432}", "${PORT:-5432}"), ("$$HOME", "$$HOME"), ("!!str 12", "12"), ("!!str true", "true"),
        ("=", "="), ("!unknown x", "x"), ("1g", "1g"), (".", "."), ("1e999", "1e999"), ("9" * 5_000, "9" * 5_000),
    ],
)  # fmt: skip
def test_scalars_are_read_as_compose_reads_them(tmp_path: Path, text: str, value: Any) -> None:
    read = scalar(tmp_path, text)
    assert read == value
    assert type(read) is type(value)


STACK = """
x-common: &common
  restart: unless-stopped
  logging:
    driver: json-file

services:
  db:
    <<: *common
    image: postgres:${TAG:-18}
    environment:
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD}
    volumes:
      - ./sql:/docker-entrypoint-initdb.d:ro
      - type: bind
        source: ./data
        target: /data
  worker:
    <<: [{restart: "no", image: a}, *common]
    image: b
"""


def test_anchors_and_merge_keys_are_applied(tmp_path: Path) -> None:
    services = read(tmp_path, STACK).data["services"]
    assert services["db"]["restart"] == "unless-stopped"
    assert services["db"]["image"] == "postgres:${TAG:-18}"
    assert services["worker"] == {"image": "b", "restart": "no", "logging": {"driver": "json-file"}}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("services",), 6),
        (("services", "db"), 7),
        (("services", "db", "image"), 9),
        (("services", "db", "environment", "POSTGRES_PASSWORD"), 11),
        (("services", "db", "volumes", 0), 13),
        (("services", "db", "volumes", 1, "source"), 15),
        (("services", "db", "restart"), 2),  # where it comes from
        (("services", "db", "logging", "driver"), 4),
        (("services", "worker", "image"), 19),
        (("services", "worker", "restart"), 18),
        (("services", "db", "privileged"), 7),  # is not there: its service
        (("services", "db", "volumes", 7, "x"), 12),
        (("nothing",), 1),
    ],
)
def test_every_key_has_its_line(tmp_path: Path, path: tuple[str | int, ...], line: int) -> None:
    assert read(tmp_path, STACK).line_of(path) == line


def test_a_merged_key_does_not_lend_its_line_to_one_that_hides_it(tmp_path: Path) -> None:
    document = read(tmp_path, "a: &a\n  k: {deep: 1}\nb:\n  k: 2\n  <<: *a\n")
    assert document.data["b"] == {"k": 2}
    assert document.line_of(("b", "k", "deep")) == 4


def test_tags_of_compose_are_understood_and_others_ignored(tmp_path: Path) -> None:
    data = read(
        tmp_path,
        """
        ports: !override ["80:80"]
        volumes: !reset [a, b]
        command: !reset null
        environment: !override {A: "1"}
        image: !custom x
        """,
    ).data
    assert data == {"ports": ["80:80"], "volumes": None, "command": None, "environment": {"A": "1"}, "image": "x"}


def test_no_tag_makes_anything_but_data(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    data = read(tmp_path, f'a: !!python/object/apply:os.system ["touch {marker}"]\nb: !!binary aGk=\n').data
    assert data == {"a": [f"touch {marker}"], "b": "aGk="}
    assert not marker.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "docker-compose.yml:4: the key 'c' is already defined at line 3"),
        ("services:\n  a:\n    image: x\n   b: y\n", "docker-compose.yml:4: while parsing a block mapping"),
        ("a: [1, 2\nb: 3\n", "docker-compose.yml:2: while parsing a flow sequence"),
        ("a: b: c\n", "docker-compose.yml:1: mapping values are not allowed here"),
        ("a: *nowhere\n", "docker-compose.yml:1: found undefined alias 'nowhere'"),
        ("\ta: 1\n", "docker-compose.yml:1: while scanning for the next token"),
        ("- a\n- b\n", "docker-compose.yml:1: the top level must be a mapping"),
        ("just text\n", "docker-compose.yml:1: the top level must be a mapping"),
        ("? [a, b]\n: c\n", "docker-compose.yml:1: a key must be text"),
        ("a: 1\nb: {<<: [x]}\n", "docker-compose.yml:2: << takes a mapping or a list of mappings"),
        ("a: &a\n  b: *a\n", "docker-compose.yml:1: an anchor that contains itself"),
        ("a: {<<: {b: 1}, <<: {c: 1}}\n", "docker-compose.yml:1: the key '<<' is already defined at line 1"),
        ("a: &a\n  <<: *a\n", "docker-compose.yml:1: an anchor that contains itself"),
        ("a: '\x01'\n", "docker-compose.yml: unacceptable character"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "docker-compose.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ComposeProblem) as caught:
        load(file, "docker-compose.yml", tmp_path)
    assert str(caught.value).startswith(said)


def test_hostile_files_are_bounded(tmp_path: Path) -> None:
    laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    assert "once its aliases are expanded" in refused(tmp_path, laughs)
    assert "nested too deeply" in refused(tmp_path, "a: " + "[" * 20_000)
    assert "larger than" in refused(tmp_path, "#" * (MAX_BYTES + 1))
    merges = "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))
    assert "once its aliases are expanded" in refused(tmp_path, merges)


def test_a_folder_a_pipe_or_nothing_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.yml"):
        with pytest.raises(ComposeProblem, match="is no file"):
            load(path, "x.yml", tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_editors_of_windows_are_understood(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "docker-compose.yml"
    file.write_bytes("services:\r\n  bogotá: {image: x}\r\n".encode(encoding))
    (document,) = load(file, file.name, tmp_path)
    assert document.data == {"services": {"bogotá": {"image": "x"}}}
    assert document.line_of(("services", "bogotá")) == 2


def test_other_encodings_are_said_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "docker-compose.yml"
    file.write_bytes("services:\n  bogotá: {image: x}\n".encode("latin-1"))
    with pytest.raises(ComposeProblem, match=r"^docker-compose\.yml:2: not UTF-8"):
        load(file, file.name, tmp_path)


def test_tabs_between_tokens_are_taken_as_compose_takes_them(tmp_path: Path) -> None:
    data = read(tmp_path, "services:\n  a:\n    image:\tx\n    ports:\n    -\t80:80\n\t\n").data
    assert data == {"services": {"a": {"image": "x", "ports": ["80:80"]}}}


def test_several_documents_in_one_file_stay_apart(tmp_path: Path) -> None:
    file = (
        repository(tmp_path, {"c.yml": "---\nservices: {a: {image: x}}\n---\n---\nservices: {b: {}}\n---\n"}) / "c.yml"
    )
    first, second = load(file, "c.yml", tmp_path)
    assert (first.data, second.data) == ({"services": {"a": {"image": "x"}}}, {"services": {"b": {}}})
    assert (first.line_of(("services",)), second.line_of(("services", "b"))) == (2, 5)


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "# nothing yet\n").data == {}


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab: -[]{}&*!<>'\"|#\n\t$,?%@", max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yml"
    file.write_text(text, encoding="utf-8", newline="")
    try:
        documents = load(file, "any.yml", file.parent)
    except ComposeProblem:
        return
    for document in documents:
        assert isinstance(document.data, dict)
        assert all(1 <= line <= text.count("\n") + 1 for line in document.lines.values())


@pytest.mark.parametrize("merge", ["<<", '"<<"', "!!merge <<", "! <<", "!x <<"])
def test_a_merge_key_is_one_however_it_is_written(tmp_path: Path, merge: str) -> None:
    """Parsers differ over these, and what one of them does not see is not vetted."""
    data = read(tmp_path, f"x: &x {{env_file: secret}}\nservices:\n  a: {{image: x, {merge}: *x}}\n").data
    assert data["services"] == {"a": {"image": "x", "env_file": "secret"}}


def test_what_is_dumped_is_the_same_document_in_one_line(tmp_path: Path) -> None:
    document = read(
        tmp_path,
        """
        x: &x {b: 1, "k\\n": [null, true, 1.5, "", "ñ \\u2028 \\u0007 \U0001f600"]}
        services:
          a:
            <<: *x
            ports: !override ["80:80"]
            volumes: !reset [a]
            command: ${A:-"x"}
        """,
    )
    text = dump(document, lambda value: value.replace("${A", "${B"))
    assert "\n" not in text
    assert text.isascii() or "ñ" in text
    again = repository(tmp_path, {"again.yml": text}) / "again.yml"
    (read_again,) = load(again, "again.yml", tmp_path)
    service = {**document.data["services"]["a"], "command": '${B:-"x"}'}
    assert read_again.data == {**document.data, "services": {"a": service}}
    assert read_again.tags == document.tags == {
        ("services", "a", "ports"): "!override", ("services", "a", "volumes"): "!reset",
    }  # fmt: skip


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None)
@given(
    st.dictionaries(
        _TEXT.filter(lambda key: key != "<<"),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(10**15), 10**15) | _TEXT,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT.filter("<<".__ne__), inner, max_size=3),
            max_leaves=10,
        ),
        max_size=3,
    )
)
def test_any_data_survives_being_dumped(tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]) -> None:
    folder = tmp_path_factory.getbasetemp()
    document = Document(folder / "x", "x", folder, data, {}, {})
    file = folder / "dumped.yml"
    file.write_text(dump(document), encoding="utf-8", newline="")
    (again,) = load(file, "dumped.yml", folder)
    assert again.data == data
