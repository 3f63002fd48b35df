"""What of strangers' Compose files is not run, and that ordinary files are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_files import repository
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.stacks.base import ComposeModel
from conformance.stacks.compose.project import find
from conformance.stacks.compose.vetting import Refusal, vet, vet_resolved

ORDINARY = """
name: pqrs
x-common: &common
  restart: unless-stopped
  logging: {driver: json-file, options: {max-size: "10m", max-file: "3"}}
  networks: [pqr-network]
x-limits: {memory: 1g}

services:
  postgres:
    <<: *common
    image: postgis/postgis:15-3.4
    container_name: pqrs-postgres
    hostname: db
    user: "999:999"
    shm_size: 256mb
    environment: {POSTGRES_PASSWORD: "${POSTGRES_PASSWORD}", TZ: America/Bogota}
    env_file: [.env]
    ports: ["127.0.0.1:${POSTGRES_PORT:-5432}:5432"]
    volumes:
      - ./volumes/postgres-data:/var/lib/postgresql/data
      - ./init-scripts:/docker-entrypoint-initdb.d:ro
      - /etc/localtime:/etc/localtime:ro
      - "${PWD}/conf:/conf"
    healthcheck: {test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER"], interval: 10s, retries: 5, start_period: 30s}
    ulimits: {nofile: {soft: 65536, hard: 65536}}
    stop_grace_period: 1m
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    sysctls: {net.core.somaxconn: 1024}
    oom_score_adj: 100
    privileged: false
    cap_add: [CHOWN, CAP_SETUID, setgid, DAC_OVERRIDE, FOWNER]
    devices:
    platform: linux/amd64
    pull_policy: missing
    init: true
    tty: true
    stdin_open: true
    read_only: false
    deploy: {replicas: 1, resources: {limits: {cpus: "1", memory: 1g}, reservations: {memory: 512M}}}
  rustfs:
    <<: *common
    image: rustfs/rustfs
    volumes: ["rustfs:/data", "/logs", {type: tmpfs, target: /tmp}, {type: volume, source: rustfs, target: /x}]
    tmpfs: /run
    expose: ["9000"]
    working_dir: /data
    extra_hosts: ["host.docker.internal:host-gateway"]
    dns: 8.8.8.8
    labels: [pqrs.role=object_store]
    configs: [{source: rules, target: /rules.yml}]
    secrets: [password]
    profiles: [todo]
    annotations: {a: b}
  jupyter:
    build:
      context: ../..
      dockerfile: infra/docker/Dockerfile
      args: {VERSION: "${VERSION:-1}"}
      target: dev
      network: default
      extra_hosts: ["a:127.0.0.1"]
      additional_contexts: {base: docker-image://python:3.12, code: ../../apps}
      cache_from: ["example/image:latest"]
    image: mine/jupyter:1
    depends_on: {postgres: {condition: service_healthy, restart: true, required: false}}
    networks: {pqr-network: {aliases: [jup], ipv4_address: 172.28.0.5}}
    network_mode: "service:postgres"
    ipc: private
    develop: {watch: [{action: sync, path: ./, target: /app}]}
    scale: 2
  app: {build: ../../apps/app, pid: "service:jupyter", links: [postgres]}

networks:
  pqr-network: {driver: bridge, name: pqr-network, internal: false, ipam: {config: [{subnet: 172.28.0.0/16}]}}
volumes:
  rustfs: {name: rustfs-data, driver: local}
configs:
  rules: {content: "a: 1"}
  other: {file: ./prometheus.yml}
secrets:
  password: {file: ./password.txt}
  from-env: {environment: POSTGRES_PASSWORD}
"""


def refusals(root: Path, text: str, **files: str) -> tuple[Refusal, ...]:
    named = {name.replace("__", "/"): content for name, content in files.items()}
    return vet(find(repository(root, {"docker-compose.yml": text, **named})))


def of_service(root: Path, service: str, **files: str) -> tuple[Refusal, ...]:
    """A service's keys, one a line."""
    lines = "".join(f"    {line}\n" for line in service.splitlines())
    return refusals(root, f"services:\n  s:\n    image: x\n{lines}", **files)


def test_ordinary_files_pass(tmp_path: Path) -> None:
    root = repository(tmp_path, {"infra/local/docker-compose.yml": ORDINARY, "infra/local/.env.example": "VERSION=2\n"})
    assert [str(refusal) for refusal in vet(find(root))] == []


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("privileged: true", "privileged"),
        ("privileged: 'yes'", "privileged"),
        ("privileged: ${UNSET:-true}", "privileged"),
        ("cap_add: [SYS_ADMIN]", "cap_add"),
        ("cap_add: [CHOWN, ALL]", "cap_add"),
        ("cap_add: [net_admin]", "cap_add"),
        ("devices: ['/dev/sda:/dev/sda']", "devices"),
        ("device_cgroup_rules: ['c 1:3 mr']", "device_cgroup_rules"),
        ("gpus: all", "gpus"),
        ("runtime: nvidia", "runtime"),
        ("security_opt: ['seccomp:unconfined']", "security_opt.0"),
        ("security_opt: ['no-new-privileges:true', 'apparmor=unconfined']", "security_opt.1"),
        ("security_opt: ['no-new-privileges:false']", "security_opt.0"),
        ("sysctls: {vm.overcommit_memory: 1}", "sysctls"),
        ("sysctls: ['kernel.core_pattern=|/x']", "sysctls"),
        ("cgroup_parent: /", "cgroup_parent"),
        ("cgroup: host", "cgroup"),
        ("userns_mode: host", "userns_mode"),
        ("group_add: [docker]", "group_add"),
        ("credential_spec: {file: x.json}", "credential_spec"),
        ("network_mode: host", "network_mode"),
        ("network_mode: ${MODE}", "network_mode"),
        ("network_mode: 'container:abc'", "network_mode"),
        ("pid: host", "pid"),
        ("ipc: host", "ipc"),
        ("uts: host", "uts"),
        ("use_api_socket: true", "use_api_socket"),
        ("provider: {type: sh}", "provider"),
        ("models: [m]", "models"),
        ("post_start: [{command: x}]", "post_start"),
        ("pre_stop: [{command: x}]", "pre_stop"),
        ("pre_start: [{command: x}]", "pre_start"),
        ("volumes_from: ['container:x']", "volumes_from"),
        ("external_links: [x]", "external_links"),
        ("oom_kill_disable: true", "oom_kill_disable"),
        ("oom_score_adj: -1000", "oom_score_adj"),
        ("deploy: {replicas: 500}", "deploy.replicas"),
        ("deploy: {replicas: '${N:-500}'}", "deploy.replicas"),
        ("scale: 500", "scale"),
        ("deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}",
         "deploy.resources.reservations.devices"),
        ("volumes: ['/var/run/docker.sock:/var/run/docker.sock']", "volumes.0"),
        ("volumes: ['/run/user/1000/podman/podman.sock:/s:ro']", "volumes.0"),
        ("volumes: ['${SOCK:-/var/run/docker.sock}:/s']", "volumes.0"),
        ("volumes: ['data:/d', '/home/ana/datos:/data']", "volumes.1"),
        ("volumes: ['~/datos:/data']", "volumes.0"),
        ("volumes: ['${HOME}/datos:/data']", "volumes.0"),
        ("volumes: ['$HOME:/data']", "volumes.0"),
        ("volumes: ['../:/data']", "volumes.0"),
        ("volumes: ['./a/../../x:/data']", "volumes.0"),
        ("volumes: ['${UP}/x:/data']", "volumes.0"),
        ("volumes: ['./link/x:/data']", "volumes.0"),
        ("volumes: ['./link-file:/data:ro']", "volumes.0"),
        ("volumes: [{type: bind, source: /etc, target: /x}]", "volumes.0"),
        ("volumes: [{type: bind, source: './link', target: /x}]", "volumes.0"),
        ("volumes: [{type: npipe, source: x, target: /x}]", "volumes.0.type"),
        ("volumes: ['/:/host:ro']", "volumes.0"),
        ("volumes: ['/etc/localtime/../shadow:/x']", "volumes.0"),
        ("build: https://example.org/x.git", "build"),
        ("build: git@example.org:x/y.git", "build"),
        ("build: ..", "build"),
        ("build: {context: /}", "build.context"),
        ("build: {context: '${UP}'}", "build.context"),
        ("build: {context: ./link}", "build.context"),
        ("build: {context: ., dockerfile: ../Dockerfile}", "build.dockerfile"),
        ("build: {context: ., dockerfile: /etc/passwd}", "build.dockerfile"),
        ("build: {context: ., dockerfile: link-file}", "build.dockerfile"),
        ("build: {context: ., network: host}", "build.network"),
        ("build: {context: ., privileged: true}", "build.privileged"),
        ("build: {context: ., entitlements: [network.host]}", "build.entitlements"),
        ("build: {context: ., ssh: [default]}", "build.ssh"),
        ("build: {context: ., secrets: [s]}", "build.secrets"),
        ("build: {context: ., cache_to: ['type=local,dest=/x']}", "build.cache_to"),
        ("build: {context: ., cache_from: ['type=local,src=/x']}", "build.cache_from.0"),
        ("build: {context: ., tags: ['postgres:18']}", "build.tags"),
        ("build: {context: ., additional_contexts: {a: /etc}}", "build.additional_contexts.a"),
        ("build: {context: ., additional_contexts: ['a=https://example.org/x.git']}", "build.additional_contexts.a"),
        ("env_file: ../.env", "env_file.0"),
        ("extends: {file: ../x.yml, service: a}", "extends.file"),
    ],
)  # fmt: skip
def test_what_reaches_beyond_the_project_is_refused(tmp_path: Path, line: str, key: str) -> None:
    outside = repository(tmp_path / "outside", {"x": "x"})
    root = tmp_path / "repo"
    root.mkdir()
    (root / "link").symlink_to(outside)
    (root / "link-file").symlink_to(outside / "x")
    found = of_service(root, line, **{".env": "UP=..\nMODE=host\n"})
    assert [(refusal.key, refusal.service, refusal.line, refusal.replaced) for refusal in found] == [
        (f"services.s.{key}", "s", 4, False)
    ]
    assert found[0].file == "docker-compose.yml"
    assert found[0].what
    assert found[0].why


@pytest.mark.parametrize(
    ("text", "key", "replaced"),
    [
        ("networks: {n: {external: true}}", "networks.n.external", True),
        ("networks: {n: {external: {name: x}}}", "networks.n.external", True),
        ("networks: {n: {driver: macvlan}}", "networks.n.driver", False),
        ("networks: {n: {driver: host}}", "networks.n.driver", False),
        ("networks: {n: {driver_opts: {com.docker.network.bridge.name: docker0}}}", "networks.n.driver_opts", True),
        ("volumes: {v: {external: true}}", "volumes.v.external", True),
        ("volumes: {v: {driver: rclone}}", "volumes.v.driver", True),
        ("volumes: {v: {driver_opts: {type: none, o: bind, device: /}}}", "volumes.v.driver_opts", True),
        ("configs: {c: {file: /etc/passwd}}", "configs.c.file", False),
        ("configs: {c: {external: true}}", "configs.c.external", False),
        ("secrets: {s: {file: ../x}}", "secrets.s.file", False),
        ("secrets: {s: {file: ~/.ssh/id_rsa}}", "secrets.s.file", False),
        ("models: {m: {model: x}}", "models", False),
        ("include: [../x.yml]", "include.0", False),
        ("services: {s: {image: x, logging: {driver: loki}}}", "services.s.logging.driver", True),
        ("services: {s: {image: x, networks: {n: {driver_opts: {a: b}}}}}", "services.s.networks.n.driver_opts", True),
    ],
)
def test_what_services_share_is_looked_at_too(tmp_path: Path, text: str, key: str, replaced: bool) -> None:
    found = refusals(tmp_path, text)
    assert [(refusal.key, refusal.replaced) for refusal in found] == [(key, replaced)]
    assert found[0].service == ("s" if text.startswith("services") else "")


def test_a_host_exporter_is_refused_as_a_service(tmp_path: Path) -> None:
    text = """
        services:
          postgres: {image: postgres}
          node-exporter:
            image: prom/node-exporter
            pid: host
            volumes: ["/proc:/host/proc:ro", "/sys:/host/sys:ro", "/:/rootfs:ro"]
        """
    found = refusals(tmp_path, text)
    assert {refusal.service for refusal in found} == {"node-exporter"}
    assert len(found) == 4
    assert str(found[0]) == (
        "docker-compose.yml:5: services.node-exporter.pid: host: it would share what is not of its own project"
    )


def test_what_other_files_and_anchors_bring_in_is_refused_where_it_is_written(tmp_path: Path) -> None:
    found = refusals(
        tmp_path,
        """
        include: [infra/more.yml]
        x-evil: &evil
          privileged: true
        services:
          a:
            <<: *evil
            image: x
          b: {extends: {file: infra/base.yml, service: base}}
        """,
        infra__more_yml="",
        **{
            "infra/more.yml": "services:\n  c:\n    image: x\n    pid: host\n",
            "infra/base.yml": "services:\n  base:\n    image: x\n    volumes: ['../../x:/x']\n",
        },
    )
    assert {str(refusal).rsplit(": ", 2)[0] for refusal in found} == {
        "docker-compose.yml:3: services.a.privileged",
        "infra/more.yml:4: services.c.pid",
        "infra/base.yml:4: services.base.volumes.0",
    }


def test_paths_of_included_files_begin_at_their_own_folder(tmp_path: Path) -> None:
    found = refusals(
        tmp_path,
        "include: [infra/more.yml]",
        **{"infra/more.yml": "services: {c: {image: x, volumes: ['../data:/data'], build: ../app}}"},
    )
    assert found == ()


def test_messages_are_one_bounded_printable_line(tmp_path: Path) -> None:
    line = f'volumes: ["/{"x" * 5_000}\\n\\e[2J:/y"]'
    (refusal,) = of_service(tmp_path, line)
    assert len(str(refusal)) < 300
    assert str(refusal).isprintable()


def resolved(root: Path, service: dict[str, Any], written: str = "", **top: Any) -> tuple[Refusal, ...]:
    written = written or "services:\n  s:\n    image: x\n    volumes:\n      - ./a:/a\n"
    project = find(repository(root, {"docker-compose.yml": written}))
    model = ComposeModel(file="docker-compose.yml", resolved={"name": "author", "services": {"s": service}, **top})
    return vet_resolved(project, model)


@pytest.mark.parametrize(
    ("service", "key", "line"),
    [
        ({"volumes": [{"type": "bind", "source": "/etc", "target": "/a"}]}, "volumes.0", 5),
        ({"volumes": [{"type": "bind", "source": "~/x", "target": "/a"}]}, "volumes.0", 5),
        ({"volumes": [{"type": "strange", "source": "x", "target": "/a"}]}, "volumes.0.type", 5),
        ({"privileged": True}, "privileged", 2),
        ({"build": {"context": "/etc", "dockerfile": "Dockerfile"}}, "build.context", 2),
        ({"build": {"context": ".", "from_the_future": True}}, "build.from_the_future", 2),
        ({"from_the_future": {"x": 1}}, "from_the_future", 2),
    ],
)
def test_the_resolved_model_is_looked_at_again(tmp_path: Path, service: dict[str, Any], key: str, line: int) -> None:
    found = resolved(tmp_path, {"image": "x", **service})
    assert f"services.s.{key}" in [refusal.key for refusal in found]
    assert {(refusal.file, refusal.line, refusal.service) for refusal in found} == {("docker-compose.yml", line, "s")}


def test_what_vet_has_said_is_not_said_again(tmp_path: Path) -> None:
    written = "services:\n  s:\n    image: x\n    privileged: true\n    volumes: ['/etc:/x']\n"
    again = {"privileged": True, "volumes": [{"type": "bind", "source": "/etc", "target": "/x"}]}
    assert resolved(tmp_path, again, written) == ()


def test_an_ordinary_resolved_model_passes(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    service = {
        "image": "x", "command": None, "entrypoint": ["a"], "environment": {"A": "1"}, "networks": {"default": None},
        "volumes": [
            {"type": "bind", "source": f"{root}/a", "target": "/a", "bind": {"create_host_path": True}},
            {"type": "volume", "source": "v", "target": "/v", "volume": {}}, {"type": "tmpfs", "target": "/t"},
        ],
        "build": {"context": f"{root}", "dockerfile": "infra/Dockerfile", "args": {"A": "1"}}, "x-mine": {"a": 1},
        "deploy": {"replicas": 2, "resources": {"limits": {"cpus": 0.5}}, "placement": {}}, "gpus": [],
    }  # fmt: skip
    found = resolved(
        tmp_path,
        service,
        networks={"default": {"name": "author_default", "ipam": {}}},
        volumes={"v": {"name": "author_v"}},
        **{"x-common": {"privileged": True}},
    )
    assert found == ()


def test_unknown_keys_of_the_top_level_are_refused(tmp_path: Path) -> None:
    assert [refusal.key for refusal in resolved(tmp_path, {"image": "x"}, from_the_future={})] == ["from_the_future"]


def test_nothing_found_or_resolved_is_nothing_refused(tmp_path: Path) -> None:
    project = find(tmp_path)
    assert vet(project) == vet_resolved(project, ComposeModel()) == ()


_LEAVES = st.none() | st.booleans() | st.integers() | st.text(alphabet="a/.~${}:-", max_size=8)
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["services", "networks", "volumes", "build", "context", "type", "source", "deploy", "include", "extends",
             "file", "path", "env_file", "sysctls", "security_opt", "configs", "secrets", "driver_opts", "logging"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["services", "networks", "volumes", "configs", "include"]), _TREES))
def test_any_shape_is_looked_at_without_stumbling(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]
) -> None:
    root = tmp_path_factory.getbasetemp() / "shapes"
    project = find(repository(root, {"docker-compose.yml": yaml.safe_dump(tree)}))
    found = [*vet(project), *vet_resolved(project, ComposeModel(resolved=tree))]
    assert all(refusal.file == "docker-compose.yml" and refusal.line >= 1 for refusal in found)
