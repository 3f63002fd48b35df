"""What the Grafana stand-in makes of provisioning files, first on an empty state and then on an old one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from grafana_stand_in_running import PATIENCE, environment, write

from grafana_stand_in.provisioning import datasources  # isort: skip - on the path since the line above
from grafana_stand_in.provisioning.dashboards import Dashboards  # isort: skip
from grafana_stand_in.provisioning.datasources import ProvisioningError  # isort: skip
from grafana_stand_in.models import DataSource  # isort: skip
from grafana_stand_in.store import NotFound, Store  # isort: skip
from grafana_stand_in.uids import uid_of_name  # isort: skip

PROMETHEUS = """
apiVersion: 1
datasources:
  - name: Prometheus
    type: prometheus
    url: http://prometheus:9090
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    environment(tmp_path)
    opened = Store(tmp_path / "data")
    yield opened
    opened.close()


def provision(home: Path, store: Store, *texts: str, env: Mapping[str, str] | None = None) -> dict[str, DataSource]:
    """These texts are the only datasource files now; the datasources by name."""
    folder = home / "provisioning/datasources"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    write(folder, {f"{number}.yaml": text for number, text in enumerate(texts)})
    datasources.provision(folder, store, env or {})
    return {source.name: source for source in store.datasources()}


class TestDatasources:
    def test_defaults(self, tmp_path: Path, store: Store) -> None:
        (source,) = provision(tmp_path, store, PROMETHEUS).values()
        assert source.uid == "PBFA97CFB590B2093"
        assert (source.access, source.read_only, source.org_id) == ("proxy", True, 1)
        assert source.is_default  # the first of all is

    def test_all_fields_with_variables_in_values(self, tmp_path: Path, store: Store) -> None:
        text = """
apiVersion: 1
datasources:
  - name: Gold
    uid: pqrs-gold
    type: postgres
    url: $DB_HOST:5432
    user: ${DB_USER}
    access: sideways
    isDefault: true
    editable: true
    basicAuth: "true"
    basicAuthUser: b
    withCredentials: true
    jsonData: {database: $DB, sslmode: disable, $DB: kept, postgresVersion: 1800}
    secureJsonData: {password: "$$ecret$DB"}
"""
        env = {"DB_HOST": "postgres", "DB_USER": "reader", "DB": "pqrs"}
        (gold,) = provision(tmp_path, store, text, env=env).values()
        assert gold == DataSource(
            name="Gold", uid="pqrs-gold", type="postgres", url="postgres:5432", user="reader", access="proxy",
            is_default=True, read_only=False, basic_auth=True, basic_auth_user="b", with_credentials=True, id=gold.id,
            json_data={"database": "pqrs", "sslmode": "disable", "$DB": "kept", "postgresVersion": 1800},
            secure={"password": "$ecretpqrs"},
        )  # fmt: skip

    def test_without_api_version_the_oldest_form_is_read(
        self, tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first = "apiVersion: 1\ndatasources: [{name: First, type: prometheus}]\n"
        text = "datasources: [{name: Old, type: prometheus, url: $U, uid: mine, isDefault: true, editable: yes}]\n"
        old = provision(tmp_path, store, first, text, env={"U": "http://u"})["Old"]
        assert (old.url, old.uid, old.is_default, old.read_only) == ("$U", uid_of_name("Old"), False, False)
        assert "[Deprecated] the datasource provisioning config is outdated. please upgrade" in capsys.readouterr().out

    def test_a_missing_folder_is_only_logged(
        self, tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        datasources.provision(tmp_path / "nowhere", store, {})
        assert 'level=error msg="can\'t read datasource provisioning files from directory"' in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("texts", "words"),
        [
            (["apiVersion: 1\ndatasources: [\n"], "yaml: line"),
            (["apiVersion: 1\ndatasources: {name: x}\n"], r"cannot unmarshal !!map into \[\]struct"),
            ([PROMETHEUS.replace("url: http", "isDefault: yes\n    url: http")], 'ParseBool: parsing "yes"'),
            (
                [
                    PROMETHEUS + "    isDefault: true\n",
                    PROMETHEUS.replace("Prometheus", "Other") + "    isDefault: true\n",
                ],
                "Only one datasource per organization can be marked as default",
            ),
            ([PROMETHEUS + "    orgId: 2\n"], 'failed to provision "Prometheus" data source: org not found'),
            ([PROMETHEUS + "    uid: not valid\n"], "invalid UID for datasource Prometheus: invalid format of UID"),
            ([PROMETHEUS.replace("Prometheus", "''")], "unique identifier and org id are needed"),
            (
                [PROMETHEUS + "    uid: u\n", PROMETHEUS.replace("Prometheus", "Other") + "    uid: u\n"],
                "data source with the same uid already exists",
            ),
            ([PROMETHEUS.replace("http://prometheus", "http://" + "p" * 300)], "max length is 255"),
            ([PROMETHEUS.replace("url: http", "url: $__file{/none}\n    user: http")], "failed to interpolate value"),
        ],
    )
    def test_what_grafana_stops_for(self, tmp_path: Path, store: Store, texts: list[str], words: str) -> None:
        with pytest.raises(ProvisioningError, match=rf"(?s)^Datasource provisioning error: .*{words}"):
            provision(tmp_path, store, *texts)

    def test_other_files_and_unknown_keys_are_left_alone(self, tmp_path: Path, store: Store) -> None:
        write(tmp_path, {"provisioning/datasources/note.txt": "[", "provisioning/datasources/old.yaml.bak": "["})
        datasources.provision(tmp_path / "provisioning/datasources", store, {})
        assert provision(tmp_path, store, PROMETHEUS + "    colour: blue\nmore: 1\n")

    def test_an_existing_one_is_updated_by_its_name(self, tmp_path: Path, store: Store) -> None:
        before = provision(tmp_path, store, PROMETHEUS + "    secureJsonData: {a: b}\n")["Prometheus"]
        after = provision(tmp_path, store, PROMETHEUS.replace("9090", "9091"))["Prometheus"]
        assert (after.id, after.uid, after.version) == (before.id, before.uid, 2)
        assert (after.url, after.secure, after.is_default) == ("http://prometheus:9091", {}, False)

    def test_a_new_uid_for_an_existing_name_is_not_found(self, tmp_path: Path, store: Store) -> None:
        provision(tmp_path, store, PROMETHEUS)
        with pytest.raises(ProvisioningError, match=r"^Datasource provisioning error: data source not found$"):
            provision(tmp_path, store, PROMETHEUS + "    uid: prometheus\n")

    def test_and_delete_datasources_is_the_way_out(self, tmp_path: Path, store: Store) -> None:
        provision(tmp_path, store, PROMETHEUS)
        text = PROMETHEUS + "    uid: prometheus\ndeleteDatasources: [{name: Prometheus, orgId: 1}, {name: Absent}]\n"
        assert provision(tmp_path, store, text)["Prometheus"].uid == "prometheus"

    def test_without_prune_what_left_the_file_stays(self, tmp_path: Path, store: Store) -> None:
        provision(tmp_path, store, PROMETHEUS)
        assert list(provision(tmp_path, store, "apiVersion: 1\nprune: true\n")) == ["Prometheus"]

    def test_with_prune_it_goes_but_not_what_was_made_by_hand(self, tmp_path: Path, store: Store) -> None:
        store.add_datasource(DataSource(name="By hand", type="prometheus"))
        provision(tmp_path, store, PROMETHEUS + "prune: true\n")
        assert list(provision(tmp_path, store, "apiVersion: 1\nprune: true\n")) == ["By hand"]

    def test_the_default_moves_to_the_one_that_says_so(self, tmp_path: Path, store: Store) -> None:
        other = PROMETHEUS.replace("Prometheus", "Other") + "    isDefault: true\n"
        found = provision(tmp_path, store, PROMETHEUS, other)
        assert (found["Prometheus"].is_default, found["Other"].is_default) == (False, True)

    def test_state_is_kept(self, tmp_path: Path, store: Store) -> None:
        provision(tmp_path, store, PROMETHEUS)
        again = Store(tmp_path / "data")
        assert again.datasource(name="Prometheus").url == "http://prometheus:9090"
        again.delete_datasource(again.datasource(name="Prometheus").id)
        again.close()
        with pytest.raises(NotFound):
            store.datasource(name="Prometheus")


class TestDashboards:
    def provider(self, home: Path, more: str = "", options: str = "", interval: int = 3600) -> str:
        return (
            f"apiVersion: 1\nproviders:\n  - name: pqrs\n    updateIntervalSeconds: {interval}\n{more}"
            f"    options:\n      path: {home / 'boards'}\n{options}"
        )

    def read(self, home: Path, store: Store, provider: str | None = None, **boards: object) -> Dashboards:
        """Provision with this provider file; ``boards``: dashboards by file name without .json, None removes."""
        folder = home / "provisioning/dashboards"
        write(folder, {"provider.yml": self.provider(home) if provider is None else provider})
        (home / "boards").mkdir(exist_ok=True)
        for name, board in boards.items():
            path = home / "boards" / f"{name}.json"
            if board is None:
                path.unlink()
            else:
                path.write_text(board if isinstance(board, str) else json.dumps(board), encoding="utf-8")
        dashboards = Dashboards(folder, store, {"HOME_OF_BOARDS": str(home)})
        dashboards.provision()
        return dashboards

    def titles(self, store: Store) -> list[str]:
        return [dashboard.title for dashboard in store.dashboards()]

    def test_are_read_with_their_uid_or_a_new_one(self, tmp_path: Path, store: Store) -> None:
        self.read(tmp_path, store, a={"title": "A", "uid": "mine", "id": 77}, b={"title": "B"})
        a, b = store.dashboards()
        assert (a.uid, a.folder_uid, a.version, a.data["id"]) == ("mine", "", 1, a.id)
        assert b.uid

    def test_a_broken_one_is_logged_and_left_out(
        self, tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        broken: dict[str, object] = {
            "cut": '{"title": "Cut"', "nan": '{"title": "N", "x": NaN}', "bom": '\ufeff{"title": "B"}', "untitled": {},
            "wrapped": {"dashboard": {"title": "Inner"}}, "list": [1], "number": {"title": 5}, "deep": "[" * 100_000,
            "long": {"title": "Long", "uid": "x" * 41}, "odd": {"title": "Odd", "uid": "a b"}, "empty": "",
        }  # fmt: skip
        self.read(tmp_path, store, good={"title": "Good"}, **broken)
        assert self.titles(store) == ["Good"]
        log = capsys.readouterr().out
        for name in broken:
            reason = "failed to save dashboard" if name in ("long", "odd") else "failed to load dashboard from "
            assert f'level=error msg="{reason}" file={tmp_path / "boards" / name}.json error=' in log
        assert "logger=provisioning.dashboard type=file name=pqrs t=" in log
        assert 'error="Dashboard title cannot be empty"' in log

    def test_only_the_first_value_of_a_file_counts(self, tmp_path: Path, store: Store) -> None:
        self.read(tmp_path, store, a='\n{"title": "First"} {"title": ')
        assert self.titles(store) == ["First"]

    def test_a_folder_is_made_once_and_found_by_its_title(self, tmp_path: Path, store: Store) -> None:
        for _ in range(2):
            self.read(tmp_path, store, self.provider(tmp_path, "    folder: Servicio PQRS\n"), a={"title": "A"})
        (folder,) = store.folders()
        assert folder.title == "Servicio PQRS"
        assert store.dashboards()[0].folder_uid == folder.uid

    def test_folder_uid_is_taken(self, tmp_path: Path, store: Store) -> None:
        more = "    folder: F\n    folderUid: f-uid\n"
        self.read(tmp_path, store, self.provider(tmp_path, more), a={"title": "A"})
        assert [folder.uid for folder in store.folders()] == ["f-uid"]

    def test_a_folder_that_cannot_be_made_does_not_stop_grafana(
        self, tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        more = "    folder: F\n    folderUid: no uid\n"
        self.read(tmp_path, store, self.provider(tmp_path, more), a={"title": "A"})
        assert not store.dashboards()
        assert 'failed to get or create provisioning folder with name \\"F\\"' in capsys.readouterr().out

    def test_folders_as_the_files_lie(self, tmp_path: Path, store: Store) -> None:
        write(tmp_path, {"boards/ops/deep/x.json": '{"title": "X"}', "boards/.hidden/y.json": '{"title": "Y"}'})
        options = "      foldersFromFilesStructure: true\n"
        self.read(tmp_path, store, self.provider(tmp_path, options=options), top={"title": "Top"})
        folders = {folder.uid: folder.title for folder in store.folders()}
        placed = {dashboard.title: folders.get(dashboard.folder_uid, "") for dashboard in store.dashboards()}
        assert placed == {"Top": "", "X": "deep"}

    def test_without_that_all_lie_in_one(self, tmp_path: Path, store: Store) -> None:
        write(tmp_path, {"boards/ops/x.json": '{"title": "X"}', "boards/readme.txt": "no"})
        self.read(tmp_path, store)
        assert [(dashboard.title, dashboard.folder_uid) for dashboard in store.dashboards()] == [("X", "")]

    def test_a_link_to_a_file_is_followed(self, tmp_path: Path, store: Store) -> None:
        write(tmp_path, {"elsewhere/x.json": '{"title": "X"}', "boards/a.json": '{"title": "A"}'})
        (tmp_path / "boards/x.json").symlink_to(tmp_path / "elsewhere/x.json")
        self.read(tmp_path, store)
        assert self.titles(store) == ["A", "X"]

    def test_a_change_is_a_new_version_and_no_change_none(self, tmp_path: Path, store: Store) -> None:
        for title in ("A", "A", "A2"):
            self.read(tmp_path, store, a={"title": title})
        (dashboard,) = store.dashboards()
        assert (dashboard.title, dashboard.version) == ("A2", 2)

    def test_a_file_that_is_gone_takes_its_dashboard_along(self, tmp_path: Path, store: Store) -> None:
        self.read(tmp_path, store, a={"title": "A"}, b={"title": "B"})
        self.read(tmp_path, store, b=None)
        assert self.titles(store) == ["A"]

    def test_but_not_where_deletion_is_disabled(self, tmp_path: Path, store: Store) -> None:
        provider = self.provider(tmp_path, "    disableDeletion: true\n")
        self.read(tmp_path, store, provider, a={"title": "A"})
        self.read(tmp_path, store, provider, a=None)
        assert (self.titles(store), store.provisioned()) == (["A"], [])

    def test_dashboards_of_a_provider_that_is_gone_go(self, tmp_path: Path, store: Store) -> None:
        self.read(tmp_path, store, a={"title": "A"})
        self.read(tmp_path, store, "apiVersion: 1\nproviders: []\n")
        assert not store.dashboards()

    def test_the_provider_is_kept_by_name_and_its_path_expanded(self, tmp_path: Path, store: Store) -> None:
        provider = self.provider(tmp_path).replace(str(tmp_path), "$HOME_OF_BOARDS")
        found = self.read(tmp_path, store, provider, a={"title": "A"}).provider("pqrs")
        assert found is not None
        assert (found.path, found.allow_ui_updates, found.interval) == (tmp_path / "boards", False, 3600)

    def test_a_path_that_is_not_there_is_only_logged_and_ends_the_first_walk(
        self, tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        provider = self.provider(tmp_path)
        provider += provider.partition("providers:\n")[2].replace("pqrs", "later")
        provider = provider.replace("/boards", "/nowhere", 1)
        self.read(tmp_path, store, provider, a={"title": "A"})
        assert not store.dashboards()
        assert (
            f'level=warn msg="Failed to provision config" name=pqrs error="stat {tmp_path}/nowhere'
            in capsys.readouterr().out
        )

    def test_the_oldest_form_of_a_provider_file(self, tmp_path: Path, store: Store) -> None:
        text = f"- name: old\n  org_id: 1\n  type: file\n  options: {{folder: {tmp_path / 'boards'}}}\n"
        self.read(tmp_path, store, text, a={"title": "A"})
        assert self.titles(store) == ["A"]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("apiVersion: 1\nproviders: [", "could not parse provisioning config file: provider.yml error: yaml: line"),
            ("apiVersion: 1\nproviders: [{name: a, type: git}]", "type git is not supported"),
            ("apiVersion: 1\nproviders: [{name: a, options: {path: 5}}]", "path param is not a string"),
            ("apiVersion: 1\nproviders: [{name: a}, {name: a}]", 'dashboard name "a" is not unique'),
            ("apiVersion: 1\nproviders: [{name: a, orgId: 3, options: {path: /x}}]", "org not found"),
            (
                "apiVersion: 1\nproviders: [{name: a, updateIntervalSeconds: -1, options: {path: /x}}]",
                "non-positive interval",
            ),
            ("providers: [{name: a}]", r"cannot unmarshal !!map into \[\]struct"),  # no apiVersion: a list is expected
        ],
    )
    def test_what_grafana_stops_for(self, tmp_path: Path, store: Store, text: str, words: str) -> None:
        with pytest.raises(ProvisioningError, match=rf"(?s)^Failed to create provisioner: .*{words}"):
            self.read(tmp_path, store, text)

    def test_a_uid_twice_takes_the_right_to_write(
        self, tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        dashboards = self.read(tmp_path, store, a={"title": "A", "uid": "u"}, b={"title": "B", "uid": "u"})
        assert len(store.dashboards()) == 1
        assert not dashboards.readers[0].may_write
        log = capsys.readouterr().out
        assert 'msg="the same UID is used more than once" uid=u times=2 orgId=1 provider=pqrs' in log
        assert log.count("no database write permissions because of duplicates") == 1

    def test_files_are_read_again_at_the_interval(self, tmp_path: Path, store: Store) -> None:
        dashboards = self.read(tmp_path, store, self.provider(tmp_path, interval=1), a={"title": "A", "uid": "u"})
        stop = threading.Event()
        dashboards.poll(stop)
        try:
            write(tmp_path, {"boards/a.json": '{"title": "Changed", "uid": "u"}', "boards/b.json": '{"title": "New"}'})
            deadline = time.monotonic() + PATIENCE
            while self.titles(store) != ["Changed", "New"]:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            stop.set()


def test_passwords_are_not_readable_in_the_state(tmp_path: Path, store: Store) -> None:
    store.ensure_admin("admin", "correct horse")
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert b"admin" in stored
    assert b"correct horse" not in stored
