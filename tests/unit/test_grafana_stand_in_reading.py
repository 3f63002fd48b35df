"""How the Grafana stand-in reads: environment, YAML, variables, ranges and intervals, SQL macros."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import grafana_stand_in_running  # noqa: F401 - puts the package on the path
import pytest
from grafana_stand_in.logfmt import Logger
from grafana_stand_in.provisioning.document import DocumentError, Fields, api_version, fields, read_root
from grafana_stand_in.provisioning.expand import ExpandError, expand_value
from grafana_stand_in.queries.macros import Fill, MacroError, interpolate
from grafana_stand_in.queries.timing import TimeRange, format_interval, interval_ms, rounded_interval_ms
from grafana_stand_in.settings import Settings, SettingsError
from grafana_stand_in.uids import fault_of, new_uid, slug, uid_of_name

HOUR = TimeRange(datetime(2026, 3, 4, 10, tzinfo=UTC), datetime(2026, 3, 4, 11, tzinfo=UTC))


class TestSettings:
    def test_has_grafanas_defaults(self) -> None:
        settings = Settings.from_env({})
        assert (settings.port, settings.admin_user, settings.admin_password) == (3000, "admin", "admin")
        assert (str(settings.data), str(settings.provisioning)) == ("/var/lib/grafana", "/etc/grafana/provisioning")
        assert settings.anonymous_role is None
        assert settings.lock_out

    def test_leaves_alone_what_changes_nothing_here_and_takes_an_empty_variable_for_none(self) -> None:
        env = {"GF_USERS_ALLOW_SIGN_UP": "false", "GF_SERVER_ROOT_URL": "http://x/", "GF_SECURITY_ADMIN_PASSWORD": ""}
        assert Settings.from_env(env) == Settings.from_env({})

    @pytest.mark.parametrize(
        ("env", "role"),
        [
            ({"GF_AUTH_ANONYMOUS_ENABLED": "true"}, "Viewer"),
            ({"GF_AUTH_ANONYMOUS_ENABLED": "TRUE", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Admin"}, "Admin"),
            ({"GF_AUTH_ANONYMOUS_ENABLED": "1", "GF_AUTH_ANONYMOUS_ORG_NAME": "Main Org."}, "Viewer"),
            ({"GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_NAME": "no such one"}, None),
            ({"GF_AUTH_ANONYMOUS_ENABLED": "no", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Admin"}, None),
        ],
    )
    def test_gives_the_anonymous_a_role(self, env: dict[str, str], role: str | None) -> None:
        assert Settings.from_env(env).anonymous_role == role

    def test_takes_secrets_from_files(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("from a file\n")
        by_image = Settings.from_env({"GF_SECURITY_ADMIN_PASSWORD__FILE": str(secret)})
        by_grafana = Settings.from_env({"GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{secret}}}"})
        assert by_image.admin_password == by_grafana.admin_password == "from a file"
        assert "from a file" not in repr(by_image)

    def test_reads_grafana_ini_and_lets_the_environment_win(self, tmp_path: Path) -> None:
        ini = tmp_path / "grafana.ini"
        ini.write_text(
            "app_mode = production\n# a comment\n[server]\nhttp_port = 3003 ; inline\n;protocol = https\n"
            '[security]\n  admin_user = profe\n  admin_password = """#clave;"""\n'
            "[auth.anonymous]\nenabled = true\norg_role = Admin\n"
        )
        env = {"GF_PATHS_CONFIG": str(ini), "GF_SECURITY_ADMIN_USER": "otra", "GF_AUTH_ANONYMOUS_ORG_ROLE": "${ROLE}"}
        settings = Settings.from_env({**env, "ROLE": "Editor"})
        assert (settings.port, settings.admin_user, settings.admin_password) == (3003, "otra", "#clave;")
        assert settings.anonymous_role == "Editor"
        ini.write_text("[server\n")
        with pytest.raises(SettingsError, match="failed to parse"):
            Settings.from_env(env)

    @pytest.mark.parametrize(
        ("env", "words"),
        [
            ({"GF_SERVER_HTTP_PORT": "http"}, "GF_SERVER_HTTP_PORT='http' is not a port"),
            ({"GF_SERVER_HTTP_PORT": "70000"}, "is not a port"),
            ({"GF_AUTH_ANONYMOUS_ORG_ROLE": "viewer"}, "none of Viewer, Editor, Admin"),
            ({"GF_SECURITY_ADMIN_PASSWORD__FILE": "/no/such/file"}, "No such file"),
            (
                {"GF_SECURITY_ADMIN_PASSWORD__FILE": "/x", "GF_SECURITY_ADMIN_PASSWORD": "x"},
                "ERROR: Both GF_SECURITY_ADMIN_PASSWORD and GF_SECURITY_ADMIN_PASSWORD__FILE are set",
            ),
        ],
    )
    def test_refuses_what_cannot_be_used(self, env: dict[str, str], words: str) -> None:
        with pytest.raises(SettingsError, match=words):
            Settings.from_env(env)


class TestVariables:
    ENV: ClassVar = {"HOST": "prometheus", "EMPTY": ""}

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("http://$HOST:9090", "http://prometheus:9090"),
            ("http://${HOST}:9090", "http://prometheus:9090"),
            ("$__env{HOST}", "prometheus"),
            ("<$UNSET$EMPTY${UNSET}>", "<>"),
            ("${HOST:-other}", ""),  # Go knows no defaults: that is the name of an unset variable
            ("pa$$word", "pa$word"),
            ("$$HOST and $$$HOST", "$HOST and $prometheus"),
            ("a$1b", "ab"),  # $1 is a name of its own
            ("costs 5$ or $ 5", "costs 5$ or $ 5"),
            ("x${}y${", "xy"),
        ],
    )
    def test_are_expanded_as_go_expands_them(self, text: str, value: str) -> None:
        assert expand_value(text, self.ENV) == value

    def test_a_file_that_is_not_there_is_an_error(self) -> None:
        with pytest.raises(ExpandError, match=r"failed to interpolate value '\$__file\{/no/such\}': open /no/such"):
            expand_value("$__file{/no/such}", self.ENV)


class TestDocument:
    def read(self, folder: Path, text: str, env: dict[str, str] | None = None) -> Fields:
        path = folder / "file.yaml"
        path.write_text(text, encoding="utf-8")
        return fields(read_root(path), env)

    def test_scalars_keep_their_text(self, tmp_path: Path) -> None:
        found = self.read(tmp_path, "a: 007\nb: yes\nc: 1e3\nd:\ne: ~\nf: ''\ng: 2026-01-01\n", {})
        assert [found.text(key) for key in "abcdefgh"] == ["007", "yes", "1e3", "", "", "", "2026-01-01", ""]

    def test_free_values_keep_their_types(self, tmp_path: Path) -> None:
        text = "j: {n: 15, f: 1.5, t: true, y: yes, q: '15', z: null, l: [1, $X], m: {$X: $X}}\n"
        free = {"n": 15, "f": 1.5, "t": True, "y": "yes", "q": "15", "z": None, "l": [1, "v"], "m": {"$X": "v"}}
        assert self.read(tmp_path, text, {"X": "v"}).json("j") == free

    @pytest.mark.parametrize("text", ["true", "'true'", "T", "1", "$ON"])
    def test_a_switch_is_what_go_parses(self, tmp_path: Path, text: str) -> None:
        assert self.read(tmp_path, f"a: {text}\n", {"ON": "True"}).boolean("a") is True

    @pytest.mark.parametrize("text", ["yes", "on", "$UNSET", "maybe"])
    def test_and_nothing_else(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(DocumentError, match=r"strconv.ParseBool: parsing \".*\": invalid syntax"):
            self.read(tmp_path, f"a: {text}\n", {}).boolean("a")

    def test_the_oldest_form_expands_nothing_and_knows_yes(self, tmp_path: Path) -> None:
        found = self.read(tmp_path, "a: yes\nb: $HOME\n")
        assert (found.boolean("a"), found.text("b")) == (True, "$HOME")

    def test_anchors_and_merges(self, tmp_path: Path) -> None:
        text = "base: &b {url: u, type: prometheus}\nitems:\n  - {<<: *b, url: v}\n  - *b\n"
        items = list(self.read(tmp_path, text, {}).items("items"))
        assert [(item.text("url"), item.text("type")) for item in items] == [("v", "prometheus"), ("u", "prometheus")]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a: [1, 2\n", r"yaml: line \d+"),
            ("a:\n\t- b\n", r"yaml: line 2: found character '\\t'"),
            ("- a\n- b\n", r"line 1: cannot unmarshal !!seq into struct"),
            ("a: 1\nb: 2\na: 3\n", r'line 3: mapping key "a" already defined at line 1'),
            ("a: &a [*a]\n", "excessive aliasing|invalid anchor"),
            ("a: " + "[" * 1_000, "exceeded max depth"),
        ],
    )
    def test_says_what_is_wrong_and_where(self, tmp_path: Path, text: str, words: str) -> None:
        with pytest.raises(DocumentError, match=words):
            self.read(tmp_path, text)

    def test_aliases_do_not_blow_up(self, tmp_path: Path) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
        with pytest.raises(DocumentError, match="excessive aliasing"):
            self.read(tmp_path, "\n".join(lines))

    def test_nothing_and_a_second_document(self, tmp_path: Path) -> None:
        assert not self.read(tmp_path, "# only words\n").nodes
        assert set(self.read(tmp_path, "a: 1\n---\nb: 2\n").nodes) == {"a"}

    @pytest.mark.parametrize(
        ("text", "version"), [("apiVersion: 1", 1), ("apiVersion: 2.0", 2), ("other: 1", 0), ("", 0)]
    )
    def test_api_version(self, tmp_path: Path, text: str, version: int) -> None:
        (tmp_path / "f").write_text(text)
        assert api_version(read_root(tmp_path / "f")) == version

    def test_api_version_is_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("apiVersion: '1'\n")
        with pytest.raises(DocumentError, match="cannot unmarshal !!str `1` into int64"):
            api_version(read_root(tmp_path / "f"))


class TestUids:
    def test_of_a_name(self) -> None:
        assert uid_of_name("Prometheus") == "PBFA97CFB590B2093"  # what Grafana gives it, as seen in public
        assert uid_of_name("Loki") == "P8E80F9AEF21F6940"

    def test_new_ones_are_valid_and_differ(self) -> None:
        uids = {new_uid() for _ in range(100)}
        assert len(uids) == 100
        assert not any(map(fault_of, uids))

    def test_faults(self) -> None:
        assert fault_of("a" * 41) == "UID is longer than 40 symbols"
        assert fault_of("a b").startswith("invalid format of UID")
        assert fault_of("pqrs_gold-1") == ""

    def test_slug(self) -> None:
        assert slug("  Peticiones: días hábiles (término) ") == "peticiones-dias-habiles-termino"


class TestTiming:
    NOW = datetime(2026, 3, 4, 10, 30, 15, 500_000, tzinfo=UTC)  # a Wednesday

    @pytest.mark.parametrize(
        ("start", "end", "told"),
        [
            ("now-1h", "now", ("2026-03-04T09:30:15.5", "2026-03-04T10:30:15.5")),
            ("now-1d/d", "now/d", ("2026-03-03T00:00:00", "2026-03-04T23:59:59.999")),
            ("now/w", "now/w", ("2026-03-02T00:00:00", "2026-03-08T23:59:59.999")),
            ("now/M", "now/y", ("2026-03-01T00:00:00", "2026-12-31T23:59:59.999")),
            ("now-2h/h", "now+1m-30s", ("2026-03-04T08:00:00", "2026-03-04T10:30:45.5")),
            ("1772618400000", "2026-03-04T11:00:00Z", ("2026-03-04T10:00:00", "2026-03-04T11:00:00")),
        ],
    )
    def test_ranges(self, start: str, end: str, told: tuple[str, str]) -> None:
        assert TimeRange.parse(start, end, self.NOW) == TimeRange(
            *(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in told)
        )

    @pytest.mark.parametrize("text", ["", "yesterday", "now-", "now-1x"])
    def test_what_is_no_range(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"Invalid isoformat|invalid"):
            TimeRange.parse(text, "now")

    def test_intervals(self) -> None:
        assert [interval_ms(text) for text in ("100ms", "15s", "1m", "1.5h", "1d")] == [
            100,
            15_000,
            60_000,
            5_400_000,
            86_400_000,
        ]
        assert [format_interval(ms) for ms in (0, 250, 15_000, 90_000, 86_400_000)] == [
            "1ms",
            "250ms",
            "15s",
            "1m",
            "1d",
        ]
        assert [rounded_interval_ms(ms) for ms in (1, 3000, 36_000, 10**12)] == [1, 2000, 30_000, 31_536_000_000]


class TestMacros:
    @pytest.mark.parametrize(
        ("sql", "sent"),
        [
            ("WHERE $__timeFilter(at)", "WHERE at BETWEEN '2026-03-04T10:00:00Z' AND '2026-03-04T11:00:00Z'"),
            ("$__timeFrom() < $__timeTo()", "'2026-03-04T10:00:00Z' < '2026-03-04T11:00:00Z'"),
            ("$__timeGroup(at, '1d') AS day", "floor(extract(epoch from at)/86400)*86400 AS day"),
            ("$__timeGroup(at,$__interval), n", 'floor(extract(epoch from at)/30)*30 AS "time", n'),
            ("$__timeGroupAlias(at, 5m)", 'floor(extract(epoch from at)/300)*300 AS "time"'),
            ("$__time(at), $__timeEpoch(at)", 'at AS "time", extract(epoch from at) as "time"'),
            ("$__unixEpochFilter(e)", "e >= 1772618400 AND e <= 1772622000"),
            ("$__unixEpochGroup(e, 1h)", "floor((e)/3600)*3600"),
            ("$__interval_ms $__interval", "30000 30s"),
            ("'$1' || '%'", "'$1' || '%'"),
        ],
    )
    def test_become_sql(self, sql: str, sent: str) -> None:
        assert interpolate(sql, HOUR, 30_000)[0] == sent

    @pytest.mark.parametrize(
        ("wanted", "fill"),
        [("NULL", Fill(60_000, "null")), ("previous", Fill(60_000, "previous")), ("0", Fill(60_000, "value", 0.0))],
    )
    def test_gaps_to_fill(self, wanted: str, fill: Fill) -> None:
        assert interpolate(f"$__timeGroup(at, 1m, {wanted})", HOUR, 1000)[1] == fill

    @pytest.mark.parametrize(
        ("sql", "words"),
        [
            ("$__timeFliter(at)", 'unknown macro "__timeFliter"'),
            ("$__timeGroup(at)", "macro __timeGroup needs time column and interval"),
            ("$__timeGroup(at, often)", "error parsing interval often"),
            ("$__timeGroup(at, 1m, zero)", "error parsing fill value zero"),
        ],
    )
    def test_that_cannot_be_understood(self, sql: str, words: str) -> None:
        with pytest.raises(MacroError, match=words):
            interpolate(sql, HOUR, 1000)


def test_log_lines_are_of_grafanas_form(capsys: pytest.CaptureFixture[str]) -> None:
    Logger("provisioning", (("type", "file"),)).error("two\nlines", path="/a b", ok="x", text='a="b"')
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("logger=provisioning type=file t=20")
    assert line.endswith('Z level=error msg="two\\nlines" path="/a b" ok=x text="a=\\"b\\""')
