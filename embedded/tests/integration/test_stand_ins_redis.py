# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis, by the manifest of the role kuadrant, and replicas of the Limitador stand-in that count in it.

The Deployment has what the Limitador operator writes; the tests ask a replica over gRPC as Envoy does.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import jinja2
import pytest
import yaml

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.kubelet.ports import LOCAL_PORTS
from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.limitador import actions, rls
from tests.support import gateway_objects as objects
from tests.support.stand_in_cluster import FILES, StandInCluster, condition, render, until

NAMESPACE = "kuadrant-system"
PASSWORD = "correct-horse-battery"
HOST = f"redis.{NAMESPACE}.svc.cluster.local"
ROLE = Path(__file__).resolve().parents[3] / "roles" / "kuadrant" / "templates"
MAXIMUM = 3
LIMITS = [
    {
        "namespace": "llm/model",
        "max_value": MAXIMUM,
        "seconds": 3600,
        "conditions": ['descriptors[0]["limit.per_user__1"] == "1"'],
        "variables": ['descriptors[0]["auth.identity.userid"]'],
    }
]


def redis() -> str:
    """The role's manifest."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE), trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False
    )
    return environment.get_template("redis.yaml.j2").render(
        maas_namespaces={"kuadrant": NAMESPACE},
        maas_part_of="test",
        maas_platform={"images": {"redis": "docker.io/library/redis:7.4.11-alpine"}, "storage_class": "standard"},
        kuadrant_redis_storage="1Gi",
    )


def storage() -> list[dict[str, Any]]:
    volume = {
        "storageClassName": "standard",
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/nowhere"},
    }
    provisioner = "kubernetes.io/no-provisioner"
    return [
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": provisioner, **named("standard")},
        {"apiVersion": "v1", "kind": "PersistentVolume", "spec": volume, **named("one")},
    ]


def named(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **more}}


def limitador(replicas: int) -> dict[str, Any]:
    """As limitador-operator writes it (pkg/limitador/deployment_options.go, k8s_objects.go)."""
    url = {"secretKeyRef": {"name": "limitador-redis", "key": "URL"}}
    file = "/home/limitador/etc/limitador-config.yaml"
    ports = ["--http-port", "8080", "--rls-port", "8081"]
    content = {
        "name": "limitador",
        "image": "quay.io/kuadrant/limitador:v2.4.0",
        "args": [*ports, file, "redis", "$(LIMITADOR_OPERATOR_REDIS_URL)"],
        "env": [{"name": "LIMITADOR_OPERATOR_REDIS_URL", "valueFrom": url}],
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "grpc", "containerPort": 8081}],
        "readinessProbe": {"httpGet": {"path": "/status", "port": 8080}, "periodSeconds": 5},
        "volumeMounts": [{"name": "config-file", "mountPath": "/home/limitador/etc"}],
    }
    volumes = [{"name": "config-file", "configMap": {"name": "limits"}}]
    pod = {"metadata": {"labels": {"app": "limitador"}}, "spec": {"containers": [content], "volumes": volumes}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "limitador"}}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec, **named("limitador", namespace=NAMESPACE)}


@pytest.fixture(scope="module")
def cluster() -> Iterator[StandInCluster]:
    tools = {"__embedded_cluster_tools": {}, "embedded_cluster_keycloak": "", "embedded_cluster_downloads": False}
    paths = {"__embedded_cluster_python": sys.executable, "__embedded_cluster_stand_ins_dir": str(FILES)}
    directory = Path(tempfile.mkdtemp(prefix="maas-"))
    made = StandInCluster(directory, yaml.safe_load(render("images.yaml.j2", **tools, **paths))["images"])
    try:
        made.start()
        made.apply({"apiVersion": "v1", "kind": "Namespace", **named(NAMESPACE)}, *storage())
        made.apply_text(redis())
        data = {"password": PASSWORD, "URL": f"redis://:{PASSWORD}@{HOST}:6379"}
        config = {"limitador-config.yaml": json.dumps(LIMITS)}
        made.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "stringData": data,
                **named("limitador-redis", namespace=NAMESPACE),
            },
            {"apiVersion": "v1", "kind": "ConfigMap", "data": config, **named("limits", namespace=NAMESPACE)},
            limitador(2),
        )
        until(lambda: len(replicas(made)) == 2, "two replicas of Limitador are ready", 60)
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)


def ready(cluster: StandInCluster, label: str) -> list[dict[str, Any]]:
    pods = cluster.pods(label, NAMESPACE)
    if any(pod["metadata"].get("deletionTimestamp") for pod in pods):
        return []
    return [pod for pod in pods if condition(pod, "Ready") == "True"]


def replicas(cluster: StandInCluster) -> list[dict[str, Any]]:
    return ready(cluster, "app=limitador")


def redis_pod(cluster: StandInCluster) -> dict[str, Any] | None:
    return next(iter(ready(cluster, "app.kubernetes.io/name=redis")), None)


def local_port(pod: dict[str, Any], port: int) -> int:
    return int(json.loads(pod["metadata"]["annotations"][LOCAL_PORTS])[str(port)])


def ask(pod: dict[str, Any], user: str) -> int:
    """Whether this replica lets a request pass: rls.OK or rls.OVER_LIMIT. Raises grpc.RpcError."""
    identity = {"identity": {"userid": user, "groups": "free"}}
    facts = {actions.ACTION: json.dumps(objects.limit_action()), actions.AUTH_DATA: json.dumps(identity)}
    request = rls.Request(domain="ratelimit")
    descriptor = request.descriptors.add()
    for key, value in facts.items():
        descriptor.entries.add(key=key, value=value)
    with grpc.insecure_channel(f"127.0.0.1:{local_port(pod, 8081)}") as channel:
        method = channel.unary_unary(
            f"/{rls.SERVICE}/{rls.METHOD}",
            request_serializer=rls.Request.SerializeToString,
            response_deserializer=rls.Response.FromString,
        )
        return int(method(request, timeout=20).overall_code)


def failure(pod: dict[str, Any], user: str) -> tuple[grpc.StatusCode, str] | None:
    try:
        ask(pod, user)
    except grpc.RpcError as error:
        return error.code(), error.details()
    return None


def connected(pod: dict[str, Any]) -> None:
    """Waits for Redis: the first question after its restart fails, as with Limitador."""
    until(lambda: failure(pod, "somebody else") is None, "Redis answers")


def use_up(cluster: StandInCluster, user: str) -> None:
    """Uses the limit of a user up, with one request to each replica in turn."""
    pods = replicas(cluster)
    for number in range(MAXIMUM):
        pod = pods[number % len(pods)]
        connected(pod)
        assert ask(pod, user) == rls.OK


def refused_everywhere(cluster: StandInCluster, user: str) -> bool:
    pods = replicas(cluster)
    assert len(pods) == 2
    for pod in pods:
        connected(pod)
    return [ask(pod, user) for pod in pods] == [rls.OVER_LIMIT] * 2


def restarted(cluster: StandInCluster, former: str) -> dict[str, Any] | None:
    pod = redis_pod(cluster)
    return pod if pod and pod["status"]["containerStatuses"][0]["containerID"] != former else None


def test_replicas_share_their_counts(cluster: StandInCluster) -> None:
    use_up(cluster, "ann")
    assert refused_everywhere(cluster, "ann")
    assert ask(replicas(cluster)[0], "ben") == rls.OK


def test_a_restart_of_limitador_loses_no_count(cluster: StandInCluster) -> None:
    use_up(cluster, "carl")
    former = {pod["metadata"]["uid"] for pod in replicas(cluster)}
    cluster.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/limitador")
    cluster.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/limitador", "--timeout=50s")
    until(lambda: len(replicas(cluster)) == 2, "two new replicas alone")
    assert former.isdisjoint(pod["metadata"]["uid"] for pod in replicas(cluster))
    assert refused_everywhere(cluster, "carl")


@pytest.mark.parametrize("how", ["killed", "deleted"])
def test_a_restart_of_redis_loses_no_count(cluster: StandInCluster, how: str) -> None:
    use_up(cluster, how)
    former = until(lambda: redis_pod(cluster), "Redis is ready")["status"]["containerStatuses"][0]["containerID"]
    pods = replicas(cluster)
    if how == "killed":
        os.killpg(int(former.removeprefix("process://")), signal.SIGKILL)
    else:
        cluster.kubectl("-n", NAMESPACE, "delete", "pod", "redis-0")
    until(lambda: restarted(cluster, former), "Redis was started again")
    unavailable = (grpc.StatusCode.UNAVAILABLE, "Service unavailable")
    assert failure(pods[0], how) == unavailable, "the one connection has to end first, as with Limitador"
    assert refused_everywhere(cluster, how)


def test_while_redis_is_away_limitador_is_unavailable(cluster: StandInCluster) -> None:
    """Limitador answers so, stays ready, and ends at its start; the failure mode of the gateway decides."""
    use_up(cluster, "dora")
    first, _second = replicas(cluster)
    cluster.kubectl("-n", NAMESPACE, "scale", "statefulset/redis", "--replicas=0")
    until(lambda: cluster.pods("app.kubernetes.io/name=redis", NAMESPACE) == [], "Redis is gone")
    for _unused in range(2):
        assert failure(first, "dora") == (grpc.StatusCode.UNAVAILABLE, "Service unavailable")
    assert len(replicas(cluster)) == 2

    cluster.kubectl("-n", NAMESPACE, "delete", "pod", first["metadata"]["name"])
    until(lambda: "Failed to connect to Redis at redis://:****@redis." in _logs(cluster), "a new replica ends", 60)
    assert len(replicas(cluster)) == 1

    cluster.kubectl("-n", NAMESPACE, "scale", "statefulset/redis", "--replicas=1")
    until(lambda: len(replicas(cluster)) == 2, "both replicas are ready again", 60)
    assert refused_everywhere(cluster, "dora")


def _logs(cluster: StandInCluster) -> str:
    logs = cluster.state / "logs"
    return "\n".join(path.read_text(errors="replace") for path in logs.rglob("*") if path.is_file())


def command_lines() -> list[bytes]:
    """The list of processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.append(path.read_bytes())
    return found


def test_the_password_is_needed(cluster: StandInCluster) -> None:
    pod = until(lambda: redis_pod(cluster), "Redis is ready")
    program = FILES / "stand_ins" / "redis" / "bin" / "redis-cli"
    place = {"STAND_IN_PORT": str(local_port(pod, 6379)), "STAND_IN_PYTHON": sys.executable, "PYTHONPATH": str(FILES)}
    answers = {}
    for password in ("", "wrong", PASSWORD):
        login = {"REDISCLI_AUTH": password} if password else {}
        done = subprocess.run(
            [program, "PING"], env=os.environ | place | login, capture_output=True, text=True, check=False
        )
        answers[password] = done.stdout + done.stderr
    assert "NOAUTH" in answers[""]
    assert "WRONGPASS" in answers["wrong"]
    assert answers[PASSWORD] == "PONG\n"


def test_redis_listens_on_loopback_alone(cluster: StandInCluster) -> None:
    pod = until(lambda: redis_pod(cluster), "Redis is ready")
    port = f":{local_port(pod, 6379):04X}"
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    fields = [line.split() for table in tables for line in table]
    listening = {local for _number, local, _remote, state, *_rest in fields if state == "0A" and local.endswith(port)}
    assert listening == {f"0100007F{port}"}


def test_the_password_is_in_no_process_list_log_or_file_of_others(cluster: StandInCluster) -> None:
    assert redis_pod(cluster)
    secret = PASSWORD.encode()
    deadline = time.monotonic() + 6  # longer than the period of the probe that uses it
    while time.monotonic() < deadline:
        assert not [line for line in command_lines() if secret in line]
        time.sleep(0.02)
    assert PASSWORD not in _logs(cluster)
    for path in cluster.directory.rglob("*"):
        readable = path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o077
        assert not (readable and secret in path.read_bytes()), path


def test_the_server_ends_with_the_stand_in(cluster: StandInCluster) -> None:
    pod = until(lambda: redis_pod(cluster), "Redis is ready")
    former = pod["status"]["containerStatuses"][0]["containerID"]
    port = str(local_port(pod, 6379)).encode()

    def server() -> list[bytes]:
        return [line for line in command_lines() if b"valkey-server" in line and port in line]

    assert len(server()) == 1
    cluster.end("kubelet", signal.SIGKILL)
    until(lambda: not server(), "the server ended", 5)
    cluster.start_kubelet()
    until(lambda: restarted(cluster, former), "Redis was started again", 60)
