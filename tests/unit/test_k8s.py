"""The manifests for Kubernetes: sound by Kubernetes' own schemas, and the same deployment as docker-compose.yml."""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kustomizing import KustomizationError, Object, Objects, files_of, read, readers

from conformance.stacks.attached import SERVICES as ATTACHED
from conformance.stacks.attached import AttachedStack
from conformance.stacks.base import Role
from conformance.stacks.compose.interpolation import substitute

ROOT = Path(__file__).parents[2]
K8S = ROOT / "infra" / "k8s"
MOVED = ("kustomization.yaml", "sql", "infra/k8s", "infra/postgres", "infra/prometheus", "infra/grafana")
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Object] = COMPOSE["services"]
EXAMPLE = dict(
    line.split("=", 1)
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
JOBS = {"lake-init"}
SERVERS = sorted(SERVICES.keys() - JOBS)
NO_SHELL = {"postgres-exporter", "grafana"}  # whose images have none that could wait
WORKLOADS = ("Deployment", "StatefulSet", "Job")
UNITS = {"m": 2**20, "g": 2**30, "Mi": 2**20, "Gi": 2**30}
FORWARDED = re.compile(r"127\.0\.0\.1:\$\{\w+:-(\d+)\}:(\d+)")
LOCAL_FILES = re.compile(r"\./\S+")

for_services = pytest.mark.parametrize("service", sorted(SERVICES))
for_servers = pytest.mark.parametrize("service", SERVERS)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user has who has copied .env.example to .env."""
    folder = tmp_path_factory.mktemp("deployment")
    for name in MOVED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
    shutil.copy2(ROOT / ".env.example", folder / ".env")
    return folder


@pytest.fixture(scope="module", params=[pytest.param(read, id=name) for name, read in readers().items()])
def objects(request: pytest.FixtureRequest, deployment: Path) -> Objects:
    """All of ``kubectl apply -k .``"""
    built: Callable[[Path], Objects] = request.param
    return built(deployment)


# --- looking things up ------------------------------------------------------------------------------------------------


def workloads(objects: Objects) -> dict[str, Object]:
    return {name: one for (kind, name), one in objects.items() if kind in WORKLOADS}


def pod(objects: Objects, service: str) -> Object:
    spec: Object = workloads(objects)[service]["spec"]["template"]["spec"]
    return spec


def container(objects: Objects, service: str) -> Object:
    (only,) = pod(objects, service)["containers"]
    return dict(only)


def containers(objects: Objects) -> Iterator[tuple[str, Object]]:
    """Every container of every pod, those that wait too."""
    for name in workloads(objects):
        for one in (*pod(objects, name).get("initContainers", ()), *pod(objects, name)["containers"]):
            yield name, one


def labels(objects: Objects, service: str) -> dict[str, str]:
    return dict(workloads(objects)[service]["spec"]["template"]["metadata"]["labels"])


def secret(objects: Objects) -> dict[str, str]:
    data = objects["Secret", "lakehouse"]["data"]
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def environment(objects: Objects, service: str) -> dict[str, str]:
    """What the process sees: references followed, ``$(NAME)`` of earlier variables replaced."""
    seen: dict[str, str] = {}
    for variable in container(objects, service).get("env", ()):
        if "valueFrom" in variable:
            reference = variable["valueFrom"]["secretKeyRef"]
            assert reference["name"] == "lakehouse"
            seen[variable["name"]] = secret(objects)[reference["key"]]
        else:
            seen[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda name: seen[name[1]], variable["value"])
    return seen


def in_compose(value: Any) -> str:
    return substitute(str(value), EXAMPLE)


def in_bytes(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\w+)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def ports(objects: Objects, service: str) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container(objects, service).get("ports", ())}


# --- Kubernetes -------------------------------------------------------------------------------------------------------


class TestManifests:
    @pytest.mark.parametrize("version", ["1.29", "1.37"])
    def test_every_object_fits_the_schemas_of_old_and_new_clusters(self, objects: Objects, version: str) -> None:
        for one in objects.values():
            kubernetes_validate.validate(one, version, strict=True)

    def test_everything_is_in_one_namespace_so_that_names_are_as_in_compose(self, objects: Objects) -> None:
        assert ("Namespace", "pqrs-lakehouse") in objects
        elsewhere = {key for key, one in objects.items() if one["metadata"].get("namespace") != "pqrs-lakehouse"}
        assert elsewhere == {("Namespace", "pqrs-lakehouse")}

    def test_no_file_lies_beside_the_manifests_unused(self) -> None:
        used = files_of(ROOT)
        here = {file for folder in ("base", "overlays") for file in (K8S / folder).rglob("*") if file.is_file()}
        assert here <= used

    def test_selectors_choose_the_pods_of_their_own_workload(self, objects: Objects) -> None:
        for name, workload in workloads(objects).items():
            if workload["kind"] != "Job":
                assert workload["spec"]["selector"] == {"matchLabels": {"app.kubernetes.io/name": name}}
            assert labels(objects, name)["app.kubernetes.io/name"] == name

    def test_what_is_referred_to_is_there(self, objects: Objects) -> None:
        for name in workloads(objects):
            for volume in pod(objects, name).get("volumes", ()):
                if "configMap" in volume:
                    assert ("ConfigMap", volume["configMap"]["name"]) in objects
                else:
                    assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in objects
        mounted = {
            volume["configMap"]["name"]
            for name in workloads(objects)
            for volume in pod(objects, name).get("volumes", ())
            if "configMap" in volume
        }
        assert mounted == {name for kind, name in objects if kind == "ConfigMap"}

    def test_configuration_fits_what_apply_can_take(self, objects: Objects) -> None:
        for (kind, name), one in objects.items():
            if kind == "ConfigMap":
                size = sum(len(text.encode()) for text in one["data"].values())
                assert size < 256 * 1024, f"{name}: kubectl notes the whole object in an annotation"


class TestSafety:
    def test_pods_ask_for_nothing_that_the_namespace_forbids(self, objects: Objects) -> None:
        namespace = objects["Namespace", "pqrs-lakehouse"]["metadata"]["labels"]
        assert namespace["pod-security.kubernetes.io/enforce"] == "restricted"
        for name in workloads(objects):
            security = pod(objects, name)["securityContext"]
            assert security["runAsNonRoot"] is True
            assert security["runAsUser"] > 0
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}
            assert not {"hostNetwork", "hostPID", "hostIPC"} & pod(objects, name).keys()
        for name, one in containers(objects):
            expected = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
            assert one["securityContext"] == expected, f"{name}: {one['name']}"

    def test_pods_get_no_token_and_no_variables_of_other_services(self, objects: Objects) -> None:
        for name in workloads(objects):
            assert pod(objects, name)["automountServiceAccountToken"] is False
            assert pod(objects, name)["enableServiceLinks"] is False

    def test_users_are_those_of_the_images(self, objects: Objects) -> None:
        users = {name: pod(objects, name)["securityContext"]["runAsUser"] for name in workloads(objects)}
        runtime = {name for name, service in SERVICES.items() if "runtime" in service["image"]}
        (of_runtime,) = re.findall(r"^USER (\d+)$", _read("infra/images/runtime/Dockerfile"), re.M)
        assert {users.pop(name) for name in runtime} == {int(of_runtime)}
        assert users.pop("prefect-server") == int(SERVICES["prefect-server"]["user"].split(":")[0])
        assert users == {
            "postgres": 999,
            "rustfs": 10001,
            "prometheus": 65534,
            "postgres-exporter": 65534,
            "grafana": 472,
        }

    def test_the_secret_comes_from_the_env_file_and_from_nowhere_else(self, objects: Objects) -> None:
        assert {name for kind, name in objects if kind == "Secret"} == {"lakehouse"}
        assert secret(objects) == EXAMPLE
        assert not {key for key in read(K8S / "base") if key[0] == "Secret"}
        assert not [file for file in K8S.rglob("*.yaml") if "stringData" in file.read_text(encoding="utf-8")]

    def test_a_pod_gets_only_the_secrets_that_it_uses(self, objects: Objects) -> None:
        assert not [name for name, one in containers(objects) if "envFrom" in one]
        grafana = {value for value in environment(objects, "grafana").values() if "change-me" in value}
        assert grafana == {EXAMPLE["GRAFANA_PASSWORD"], EXAMPLE["GRAFANA_DB_PASSWORD"]}


# --- the same deployment as Compose's ---------------------------------------------------------------------------------


class TestWorkloads:
    def test_every_service_has_its_workload_and_no_other_is_there(self, objects: Objects) -> None:
        kinds = {name: one["kind"] for name, one in workloads(objects).items()}
        expected = dict.fromkeys(SERVICES, "Deployment")
        assert kinds == expected | dict.fromkeys(JOBS, "Job") | {"postgres": "StatefulSet", "rustfs": "StatefulSet"}

    @for_services
    def test_it_runs_the_same_program(self, objects: Objects, service: str) -> None:
        one = container(objects, service)
        assert one["image"] == SERVICES[service]["image"]
        assert "command" not in one, "the image's entrypoint is kept"
        assert one.get("args", []) == [in_compose(word) for word in SERVICES[service].get("command", [])]

    @for_services
    def test_it_sees_the_same_environment(self, objects: Objects, service: str) -> None:
        seen = environment(objects, service)
        helpers = {
            name
            for variable in container(objects, service).get("env", ())
            for name in re.findall(r"\$\((\w+)\)", variable.get("value", ""))
        }
        expected = {name: in_compose(value) for name, value in SERVICES[service].get("environment", {}).items()}
        assert {name: value for name, value in seen.items() if name in expected or name not in helpers} == expected

    @for_services
    def test_it_has_the_same_memory_and_asks_for_less(self, objects: Objects, service: str) -> None:
        resources = container(objects, service)["resources"]
        assert in_bytes(resources["limits"]["memory"]) == in_bytes(SERVICES[service]["mem_limit"])
        assert in_bytes(resources["requests"]["memory"]) < in_bytes(resources["limits"]["memory"])
        assert resources["requests"]["cpu"].endswith("m")

    @for_services
    def test_it_is_of_the_same_plane_and_role(self, objects: Objects, service: str) -> None:
        of_pod = labels(objects, service)
        assert {name: of_pod[name] for name in ("pqrs.role", "pqrs.plane")} == SERVICES[service]["labels"]
        assert workloads(objects)[service]["metadata"]["labels"]["pqrs.plane"] == of_pod["pqrs.plane"]

    def test_there_are_as_many_of_each(self, objects: Objects) -> None:
        for name in SERVERS:
            wanted = int(in_compose(SERVICES[name].get("deploy", {}).get("replicas", 1)))
            assert workloads(objects)[name]["spec"].get("replicas", 1) == wanted

    def test_who_has_an_init_process_shares_the_pod_s(self, objects: Objects) -> None:
        shared = {name for name in workloads(objects) if pod(objects, name).get("shareProcessNamespace")}
        assert shared == {name for name, service in SERVICES.items() if service.get("init")}

    def test_a_job_is_gone_before_it_is_applied_again(self, objects: Objects) -> None:
        for job in JOBS:
            assert workloads(objects)[job]["spec"]["ttlSecondsAfterFinished"] <= 60
            assert pod(objects, job)["restartPolicy"] == "OnFailure"

    def test_only_the_image_that_is_in_no_registry_is_never_asked_for(self, objects: Objects) -> None:
        for name, one in containers(objects):
            expected = "Never" if one["image"].startswith("pqrs-lakehouse-runtime:") else None
            assert one.get("imagePullPolicy") == expected, f"{name}: {one['name']}"
        assert not [one for _, one in containers(read(K8S / "base")) if "imagePullPolicy" in one]


class TestHealth:
    @for_servers
    def test_it_is_ready_when_compose_says_that_it_is_healthy(self, objects: Objects, service: str) -> None:
        probe = container(objects, service)["readinessProbe"]
        kind, *test = SERVICES[service]["healthcheck"]["test"]
        if "httpGet" in probe:
            port = ports(objects, service)[probe["httpGet"]["port"]]
            url = f"http://127.0.0.1:{port}{probe['httpGet']['path']}"
            assert re.search(rf"{re.escape(url)}(?![\w/])", " ".join(test))
        else:
            asked = probe["exec"]["command"]
            expected = ["sh", "-c", *test] if kind == "CMD-SHELL" else test
            assert [word.replace('"', "") for word in asked] == [
                word.replace("$$", "$").replace('"', "") for word in expected
            ]

    @for_servers
    def test_it_is_started_again_only_after_it_had_time(self, objects: Objects, service: str) -> None:
        one = container(objects, service)
        patience = {
            name: one[name].get("periodSeconds", 10) * one[name].get("failureThreshold", 3)
            for name in ("startupProbe", "readinessProbe", "livenessProbe")
        }
        compose = SERVICES[service]["healthcheck"]
        assert patience["startupProbe"] >= _seconds(compose["start_period"])
        assert patience["readinessProbe"] < patience["livenessProbe"]
        asked = [one[name].get("httpGet") or one[name]["exec"] for name in patience]
        assert asked[0] in asked[1:], "it has started when it is alive, or ready"

    def test_jobs_are_not_asked(self, objects: Objects) -> None:
        for job in JOBS:
            assert not [name for name in container(objects, job) if name.endswith("Probe")]


class TestWaiting:
    @for_services
    def test_it_waits_for_what_it_waits_for_in_compose(self, objects: Objects, service: str) -> None:
        needed = {
            name
            for name, how in SERVICES[service].get("depends_on", {}).items()
            if how["condition"] == "service_healthy"
        }
        waiting = pod(objects, service).get("initContainers", [])
        awaited = [address.split(":") for one in waiting for address in one["args"]]
        assert {name for name, _ in awaited} == (set() if service in NO_SHELL else needed)
        for name, port in awaited:
            assert int(port) in _service_ports(objects, name)
        for one in waiting:
            assert one["image"] == SERVICES[service]["image"]

    def test_the_wait_ends_when_all_answer(self, objects: Objects) -> None:
        with socket.create_server(("127.0.0.1", 0)) as first, socket.socket() as late:
            late.bind(("127.0.0.1", 0))  # and refuses, until it listens
            addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in (first, late)]
            waiting = subprocess.Popen([*_wait_command(objects), *addresses])
            try:
                with pytest.raises(subprocess.TimeoutExpired):
                    waiting.wait(0.5)
                late.listen()
                assert waiting.wait(30) == 0
            finally:
                waiting.kill()

    def test_the_wait_does_not_last_for_ever(self, objects: Objects) -> None:
        command = _wait_command(objects)
        assert command[:2] == ["timeout", "300"]
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{closed.getsockname()[1]}"
            ended = subprocess.run(["timeout", "0.2", *command[2:], address], timeout=30)
        assert ended.returncode == 124


class TestServices:
    def test_names_are_those_of_compose_and_lead_to_their_own_pods(self, objects: Objects) -> None:
        for (kind, name), one in objects.items():
            if kind == "Service":
                assert name in SERVICES
                assert one["spec"]["selector"] == {"app.kubernetes.io/name": name}
                for port in one["spec"]["ports"]:
                    assert ports(objects, name)[port["targetPort"]] == port["port"]

    @for_services
    def test_every_published_port_is_there(self, objects: Objects, service: str) -> None:
        published = {int(FORWARDED.fullmatch(port)[2]) for port in SERVICES[service].get("ports", ())}  # type: ignore[index]
        assert published <= _service_ports(objects, service)

    def test_every_address_that_anything_is_given_is_there(self, objects: Objects) -> None:
        found = set(_addresses(objects))
        assert {("rustfs", 9000), ("dask-scheduler", 8786), ("dask-worker", 8788), ("grafana", 3000)} <= found
        for name, port in found:
            assert port in _service_ports(objects, name), f"{name}:{port}"

    def test_workers_have_one_name_with_all_their_addresses(self, objects: Objects) -> None:
        headless = {
            name
            for (kind, name), one in objects.items()
            if kind == "Service" and one["spec"].get("clusterIP") == "None"
        }
        assert headless == {"dask-worker"}


class TestBoundaries:
    def test_who_reaches_whom_is_as_in_compose(self, objects: Objects) -> None:
        pairs = list(permutations(SERVICES, 2))
        in_kubernetes = {(one, other) for one, other in pairs if _reaches(objects, one, other)}
        in_compose_networks = {
            (one, other) for one, other in pairs if set(SERVICES[one]["networks"]) & set(SERVICES[other]["networks"])
        }
        assert in_kubernetes == in_compose_networks
        for one, other in pairs:  # either end keeps the boundary by itself
            shared = (one, other) in in_compose_networks
            assert _allowed(objects, one, "egress", "to", other) is shared
            assert _allowed(objects, other, "ingress", "from", one) is shared

    def test_serving_reaches_metrics_and_gold_and_nothing_else(self, objects: Objects) -> None:
        assert {name for name in SERVICES if name != "grafana" and _reaches(objects, "grafana", name)} == {
            "prometheus",
            "postgres",
        }

    def test_workers_reach_each_other(self, objects: Objects) -> None:
        assert _reaches(objects, "dask-worker", "dask-worker")

    def test_every_network_is_a_policy(self, objects: Objects) -> None:
        policies = {name for kind, name in objects if kind == "NetworkPolicy"}
        assert policies == COMPOSE["networks"].keys() | {"nothing-but", "names"}

    def test_a_pod_of_no_network_reaches_nothing(self, objects: Objects) -> None:
        spec = objects["NetworkPolicy", "nothing-but"]["spec"]
        assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}

    def test_nothing_leaves_the_namespace_but_questions_for_names(self, objects: Objects) -> None:
        outside = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
        for policy in _policies(objects):
            for rule in policy["spec"].get("egress", ()):
                assert rule["to"]
                if outside in rule["to"]:
                    assert {port["port"] for port in rule["ports"]} == {53}
                else:
                    assert all(peer.keys() == {"podSelector"} for peer in rule["to"])
            for rule in policy["spec"].get("ingress", ()):
                assert rule["from"]
                assert all(peer.keys() == {"podSelector"} for peer in rule["from"])


class TestState:
    @for_services
    def test_volumes_persist_at_the_same_paths(self, objects: Objects, service: str) -> None:
        named = dict(
            volume.split(":")[:2] for volume in SERVICES[service].get("volumes", ()) if not LOCAL_FILES.match(volume)
        )
        mounts = {one["name"]: one["mountPath"] for one in container(objects, service).get("volumeMounts", ())}
        claims = _claims(objects, service)
        assert {name: mounts[name] for name in claims} == named
        assert all(spec["accessModes"] == ["ReadWriteOnce"] for spec in claims.values())
        if claims:
            security = pod(objects, service)["securityContext"]
            assert security["fsGroup"] == security["runAsUser"], "who runs must be able to write"

    def test_a_volume_has_one_writer(self, objects: Objects) -> None:
        for name, workload in workloads(objects).items():
            if workload["kind"] == "Deployment" and _claims(objects, name):
                assert workload["spec"]["strategy"] == {"type": "Recreate"}

    def test_postgresql_s_data_are_below_the_mount_of_version_18(self, objects: Objects) -> None:
        assert container(objects, "postgres")["image"].startswith("postgres:18")
        mounts = {one["name"]: one["mountPath"] for one in container(objects, "postgres")["volumeMounts"]}
        assert mounts["postgres-data"] == "/var/lib/postgresql"

    @for_services
    def test_files_are_where_compose_mounts_them(self, objects: Objects, service: str) -> None:
        expected = {}
        for volume in SERVICES[service].get("volumes", ()):
            if LOCAL_FILES.match(volume):
                source, target, _ = volume.split(":")
                folder = ROOT / source
                expected |= {
                    f"{target}/{file.relative_to(folder).as_posix()}": (file.read_text(encoding="utf-8"), _runs(file))
                    for file in folder.rglob("*")
                    if file.is_file() and file.name != "kustomization.yaml"
                }
        assert dict(_files(objects, service)) == expected

    def test_files_are_mounted_to_be_read_only(self, objects: Objects) -> None:
        for name in workloads(objects):
            kept = _claims(objects, name)
            for mount in container(objects, name).get("volumeMounts", ()):
                assert mount.get("readOnly", False) is (mount["name"] not in kept)


# --- from outside -----------------------------------------------------------------------------------------------------


class TestReachingIt:
    def test_the_class_s_ports_are_forwarded(self, tmp_path: Path) -> None:
        assert _forwarded(tmp_path) == {
            (name, int(local), int(inside))
            for name, service in SERVICES.items()
            for local, inside in (FORWARDED.fullmatch(port).groups() for port in service.get("ports", ()))  # type: ignore[union-attr]
        }

    def test_forwards_end_with_the_script(self, tmp_path: Path) -> None:
        kubectl = tmp_path / "kubectl"
        kubectl.write_text(f'#!/bin/sh\necho $$ >> "{tmp_path}/pids"\nexec sleep 600\n', encoding="utf-8")
        kubectl.chmod(0o755)
        script = subprocess.Popen([K8S / "port-forward"], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
        try:
            _until(lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 6)
            script.terminate()
            script.wait(30)
        finally:
            script.kill()
        _until(lambda: not [pid for pid in (tmp_path / "pids").read_text().split() if _is_running(int(pid))])

    def test_the_sample_of_an_attached_deployment_names_every_service(self, tmp_path: Path) -> None:
        stack = AttachedStack(K8S / "attached.env.example")
        assert stack.roles().keys() == {*ATTACHED, Role.POSTGRES}
        values = _assignments(K8S / "attached.env.example")
        local = {port for _, port, _ in _forwarded(tmp_path)}
        named = {int(port) for port in re.findall(r":(\d+)", " ".join(values.values()))} | {
            int(values["POSTGRES_PORT"])
        }
        assert named == local - {9001}, "nobody asks the object store's console"

    def test_its_credentials_are_those_of_the_other_sample(self) -> None:
        values = _assignments(K8S / "attached.env.example")
        common = values.keys() & EXAMPLE.keys()
        assert {name: values[name] for name in common} == {name: EXAMPLE[name] for name in common}
        assert {"POSTGRES_PASSWORD", "S3_SECRET_KEY", "GRAFANA_PASSWORD"} <= common

    def test_env_files_with_real_values_stay_out_of_git(self) -> None:
        ignored = subprocess.run(
            ["git", "check-ignore", "--no-index", ".env", "campus.env", "infra/k8s/attached.env.example"],
            capture_output=True, text=True, cwd=ROOT,
        )  # fmt: skip
        assert ignored.stdout.split() == [".env", "campus.env"]


# --- the reader itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", readers().values(), ids=readers())
class TestReaders:
    def test_a_file_from_outside_is_refused(self, build: Callable[[Path], Objects], tmp_path: Path) -> None:
        (tmp_path / "secret.env").write_text("A=1\n", encoding="utf-8")
        _kustomization(tmp_path / "below", secretGenerator=[{"name": "s", "envs": ["../secret.env"]}])
        with pytest.raises(KustomizationError):
            build(tmp_path / "below")

    def test_a_cycle_is_refused(self, build: Callable[[Path], Objects], tmp_path: Path) -> None:
        _kustomization(tmp_path, resources=["below"])
        _kustomization(tmp_path / "below", resources=[".."])
        with pytest.raises(KustomizationError):
            build(tmp_path / "below")

    def test_two_objects_of_one_name_are_refused(self, build: Callable[[Path], Objects], tmp_path: Path) -> None:
        (tmp_path / "file").write_text("", encoding="utf-8")
        for name in ("one", "other"):
            _kustomization(tmp_path / name)
            (tmp_path / name / "object.yaml").write_text(
                yaml.safe_dump({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "twice"}}), encoding="utf-8"
            )
            _kustomization(tmp_path / name, resources=["object.yaml"])
        _kustomization(tmp_path, resources=["one", "other"])
        with pytest.raises(KustomizationError):
            build(tmp_path)


def test_what_the_reader_does_not_know_is_an_error(tmp_path: Path) -> None:
    _kustomization(tmp_path, replicas=[{"name": "dask-worker", "count": 3}])
    with pytest.raises(KustomizationError, match="replicas"):
        read(tmp_path)


def test_readers_agree(deployment: Path) -> None:
    for build in readers().values():
        assert build(deployment) == read(deployment)


# --- helpers ----------------------------------------------------------------------------------------------------------


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def _runs(file: Path) -> bool:
    return os.access(file, os.X_OK)


def _kustomization(folder: Path, **told: Any) -> None:
    folder.mkdir(exist_ok=True)
    header = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(header | told), encoding="utf-8")


def _assignments(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _wait_command(objects: Objects) -> list[str]:
    commands = [one["command"] for name, one in containers(objects) if one["name"] == "wait"]
    assert all(command == commands[0] for command in commands)
    return list(commands[0])


def _service_ports(objects: Objects, name: str) -> set[int]:
    service = objects.get(("Service", name))
    return {port["port"] for port in service["spec"]["ports"]} if service else set()


def _addresses(objects: Objects) -> Iterator[tuple[str, int]]:
    """Every ``service:port`` in environments, arguments and configuration, and what Prometheus finds by name."""
    texts = [value for name in workloads(objects) for value in environment(objects, name).values()]
    texts += [word for _, one in containers(objects) for word in one.get("args", ())]
    texts += [text for (kind, _), one in objects.items() if kind == "ConfigMap" for text in one["data"].values()]
    name = "|".join(map(re.escape, sorted(SERVICES, key=len, reverse=True)))
    for text in texts:
        yield from ((found[1], int(found[2])) for found in re.finditer(rf"\b({name}):(\d+)\b", text))
    scrape = yaml.safe_load(objects["ConfigMap", "prometheus"]["data"]["prometheus.yml"])["scrape_configs"]
    for job in scrape:
        for group in job.get("dns_sd_configs", ()):
            yield from ((one, group["port"]) for one in group["names"])


def _claims(objects: Objects, service: str) -> dict[str, Any]:
    """The specifications of the claims of a pod, by the name of the volume."""
    templates = workloads(objects)[service]["spec"].get("volumeClaimTemplates", ())
    mounted = {
        volume["name"]: objects["PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]]["spec"]
        for volume in pod(objects, service).get("volumes", ())
        if "persistentVolumeClaim" in volume
    }
    return mounted | {template["metadata"]["name"]: template["spec"] for template in templates}


def _files(objects: Objects, service: str) -> Iterator[tuple[str, tuple[str, bool]]]:
    """The files that a container has from ConfigMaps: path, content, whether it may be run."""
    maps = {one["name"]: one["configMap"] for one in pod(objects, service).get("volumes", ()) if "configMap" in one}
    for mount in container(objects, service).get("volumeMounts", ()):
        if mount["name"] in maps:
            volume = maps[mount["name"]]
            data: dict[str, str] = objects["ConfigMap", volume["name"]]["data"]
            for name, text in data.items():
                may_run = bool(volume.get("defaultMode", 0o644) & 0o100) and name.endswith(".sh")
                if "subPath" not in mount:
                    yield f"{mount['mountPath']}/{name}", (text, may_run)
                elif mount["subPath"] == name:
                    yield mount["mountPath"], (text, may_run)


def _policies(objects: Objects) -> list[Object]:
    return [one for (kind, _), one in objects.items() if kind == "NetworkPolicy"]


def _reaches(objects: Objects, source: str, target: str) -> bool:
    """Whether the policies let a pod open connections to another at any port, in both of their directions."""
    return _allowed(objects, source, "egress", "to", target) and _allowed(objects, target, "ingress", "from", source)


def _allowed(objects: Objects, one: str, way: str, peers: str, other: str) -> bool:
    of_pod = [
        policy["spec"]
        for policy in _policies(objects)
        if way.title() in policy["spec"]["policyTypes"] and _selected(objects, policy["spec"]["podSelector"], one)
    ]
    assert of_pod, f"{one}: without a policy everything is allowed"
    return any(
        "ports" not in rule and "podSelector" in peer and _selected(objects, peer["podSelector"], other)
        for spec in of_pod
        for rule in spec.get(way, ())
        for peer in rule[peers]
    )


def _selected(objects: Objects, selector: Object, service: str) -> bool:
    assert selector.keys() <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels(objects, service).items()


def _forwarded(folder: Path) -> set[tuple[str, int, int]]:
    """What the script asks of kubectl: service, port of this machine, port of the pod."""
    said = folder / "said"
    said.mkdir(exist_ok=True)
    (folder / "kubectl").write_text(f'#!/bin/sh\necho "$@" > "{said}/$$"\n', encoding="utf-8")
    (folder / "kubectl").chmod(0o755)
    subprocess.run([K8S / "port-forward"], env={"PATH": f"{folder}:{os.environ['PATH']}"}, check=True, timeout=60)
    found = set()
    for call in said.iterdir():
        words = call.read_text(encoding="utf-8").split()
        assert words[:5] == ["--namespace", "pqrs-lakehouse", "port-forward", "--address", "127.0.0.1"]
        for pair in words[6:]:
            local, inside = pair.split(":")
            found.add((words[5].removeprefix("service/"), int(local), int(inside)))
    return found


def _until(condition: Callable[[], bool]) -> None:
    turn = threading.Event()
    for _ in range(600):
        if condition():
            return
        turn.wait(0.05)
    raise AssertionError("not within 30 s")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not re.search(r"^State:\s+Z", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"), re.M)
