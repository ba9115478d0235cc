# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-ins on a real control plane; a small Python web server is the image of the Pods."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.stand_in_cluster import StandInCluster, condition, until

# Serves the files of its directory; /ready exists only when the file does, so a test decides about readiness.
SERVER = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "{port:http}"]
# Asks the API server, with the Pod's own kubeconfig, whether it may list Secrets, and prints the HTTP status.
WHOAMI = """
import json, os, ssl, urllib.error, urllib.request
config = json.load(open(os.environ["KUBECONFIG"]))
cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
request = urllib.request.Request(cluster["server"] + "/api/v1/namespaces/default/" + os.environ["WHAT"])
request.add_header("Authorization", "Bearer " + open(user["tokenFile"]).read())
try:
    print(urllib.request.urlopen(request, context=ssl._create_unverified_context()).status)
except urllib.error.HTTPError as error:
    print(error.code, json.load(error)["message"])
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[StandInCluster]:
    # Sockets need a short path, which pytest's own directories are not.
    directory = Path(tempfile.mkdtemp(prefix="maas-"))
    made = StandInCluster(
        directory,
        [
            {"image": "web:.*", "command": SERVER, "drop_args": ["--useless"], "env": {"PYTHONUNBUFFERED": "1"}},
            {"image": "job:.*"},
        ],
    )
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)


def deployment(name: str, **container: Any) -> dict[str, Any]:
    content = {
        "name": "web",
        "image": "web:1",
        "args": ["--useless", "--directory", "/srv/data"],
        "ports": [{"name": "http", "containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/srv/data"}],
    }
    volume = {"name": "data", "secret": {"secretName": name}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [content | container, {"name": "side", "image": "unknown:1"}],
                    "volumes": [volume],
                },
            },
        },
    }


def secret(name: str, **data: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data}


def service(name: str, port: int) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": port, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def only(cluster: StandInCluster, name: str) -> dict[str, Any] | None:
    """The one Pod of a Deployment that is not being deleted."""
    pods = [pod for pod in cluster.pods(f"app={name}") if not pod["metadata"].get("deletionTimestamp")]
    return pods[0] if len(pods) == 1 else None


def ready(cluster: StandInCluster, name: str) -> dict[str, Any] | None:
    pod = only(cluster, name)
    return pod if pod and condition(pod, "Ready") == "True" else None


def process_of(pod: dict[str, Any]) -> int:
    return int(web(pod)["containerID"].removeprefix("process://"))


def web(pod: dict[str, Any]) -> dict[str, Any]:
    return next(dict(item) for item in pod["status"]["containerStatuses"] if item["name"] == "web")


def alive(pid: int) -> bool:
    """A process that has ended but is not yet collected counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def fetch(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=3) as response:
            return str(response.read().decode())
    except (urllib.error.URLError, OSError):
        return None


def start(cluster: StandInCluster, name: str, **container: Any) -> dict[str, Any]:
    cluster.apply(secret(name, ready="", hello="world"), deployment(name, **container))
    return until(lambda: ready(cluster, name), f"{name} ready")


def test_a_pod_waits_for_its_secret_and_follows_its_probe(cluster: StandInCluster) -> None:
    cluster.apply(deployment("late"))
    pod = until(lambda: only(cluster, "late"), "pod there")
    until(lambda: "FailedMount" in cluster.kubectl("get", "events").stdout, "event FailedMount")
    assert (only(cluster, "late") or pod)["status"]["phase"] == "Pending"

    cluster.apply(secret("late", hello="world"))
    pod = until(
        lambda: (found := only(cluster, "late")) and web(found)["state"].get("running") and found, "process runs"
    )
    assert condition(pod, "Ready") == "False"

    cluster.apply(secret("late", hello="world", ready=""))
    until(lambda: ready(cluster, "late"), "ready when the probe says so")
    cluster.kubectl("patch", "secret", "late", "--type=json", "-p", '[{"op": "remove", "path": "/data/ready"}]')
    until(lambda: condition(only(cluster, "late") or {}, "Ready") == "False", "unready when the probe says so")


def test_rollout_restart_restarts_the_process(cluster: StandInCluster) -> None:
    former = process_of(start(cluster, "restart"))
    cluster.kubectl("rollout", "restart", "deployment/restart")
    cluster.kubectl("rollout", "status", "deployment/restart", "--timeout=30s")
    pod = until(lambda: ready(cluster, "restart"), "new pod alone")
    assert process_of(pod) != former
    assert alive(process_of(pod))
    until(lambda: not alive(former), "former process ended")


def test_a_killed_process_is_started_again(cluster: StandInCluster) -> None:
    pod = start(cluster, "killed")
    os.kill(process_of(pod), signal.SIGKILL)
    pod = until(lambda: (found := ready(cluster, "killed")) and web(found)["restartCount"] == 1 and found, "restarted")
    assert web(pod)["lastState"]["terminated"]["exitCode"] == 137
    assert web(pod)["lastState"]["terminated"]["signal"] == 9


def test_a_program_that_fails_is_in_crash_loop(cluster: StandInCluster) -> None:
    cluster.apply(secret("crash"), deployment("crash", args=["--no-such-option"]))
    until(
        lambda: (
            (pod := only(cluster, "crash"))
            and (web(pod)["state"].get("waiting") or {}).get("reason") == "CrashLoopBackOff"
            and web(pod)["restartCount"] >= 1
        ),
        "CrashLoopBackOff",
    )
    cluster.kubectl("delete", "deployment", "crash")


def test_liveness_probe_restarts(cluster: StandInCluster) -> None:
    probe = {"httpGet": {"path": "/alive", "port": 8000}, "periodSeconds": 1, "failureThreshold": 2}
    cluster.apply(secret("live", ready=""), deployment("live", livenessProbe=probe))
    until(lambda: (pod := only(cluster, "live")) and web(pod)["restartCount"] >= 1, "restarted by its probe")
    cluster.kubectl("delete", "deployment", "live")


def test_service_answers_on_its_cluster_ip(cluster: StandInCluster) -> None:
    cluster.apply(service("served", 8081))
    address = str((cluster.get("service", "served") or {})["spec"]["clusterIP"])
    url = f"http://{address}:8081/hello"
    assert address.startswith("127.100.")
    assert fetch(url) is None
    start(cluster, "served")
    assert until(lambda: fetch(url), "answer on the ClusterIP") == "world"
    cluster.kubectl("scale", "deployment/served", "--replicas=0")
    until(lambda: fetch(url) is None, "no answer without Pods")
    cluster.kubectl("delete", "service", "served")

    def closed() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((address, 8081)) != 0

    until(closed, "nobody listens after the Service is deleted")


def test_logs_can_be_read(cluster: StandInCluster) -> None:
    start(cluster, "logs")

    def text() -> str | None:
        return cluster.kubectl("logs", "deployment/logs", "-c", "web", check=False).stdout or None

    assert "Serving HTTP on 127.0.0.1" in until(text, "logs")
    assert "simulated" in cluster.kubectl("logs", "deployment/logs", "-c", "side").stdout


def test_deletion_ends_the_process_and_removes_the_files(cluster: StandInCluster) -> None:
    pod = start(cluster, "deleted")
    directory = cluster.state / "pods" / pod["metadata"]["uid"]
    assert directory.is_dir()
    assert all(path.stat().st_mode & 0o077 == 0 for path in directory.rglob("*"))
    cluster.kubectl("delete", "deployment", "deleted")
    until(lambda: cluster.pods("app=deleted") == [], "pod gone")
    assert not alive(process_of(pod))
    assert not directory.exists()


def test_unmapped_pods_are_simulated(cluster: StandInCluster) -> None:
    cluster.apply(secret("sim"), deployment("sim", image="other:1"))
    pod = until(lambda: ready(cluster, "sim"), "ready")
    assert "process://" not in json.dumps(pod)
    cluster.kubectl("delete", "deployment", "sim")
    until(lambda: cluster.pods("app=sim") == [], "pod gone")


def job(name: str, what: str) -> dict[str, Any]:
    variables = [{"name": "WHAT", "value": what}]
    command = [sys.executable, "-c", WHOAMI]
    spec = {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "job:1", "command": command, "env": variables}],
    }
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": {"spec": spec}}}


def test_a_pod_has_the_rights_of_its_service_account(cluster: StandInCluster) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "r", "namespace": "default"},
    }
    cluster.apply(role | {"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]})
    cluster.kubectl("create", "rolebinding", "r", "--role=r", "--serviceaccount=default:default")
    cluster.apply(job("may", "configmaps"), job("may-not", "secrets"))
    for name in ("may", "may-not"):
        cluster.kubectl("wait", "--for=condition=Complete", f"job/{name}", "--timeout=30s")
    assert cluster.kubectl("logs", "job/may").stdout == "200\n"
    refused = cluster.kubectl("logs", "job/may-not").stdout
    assert refused.startswith("403 ")
    assert "system:serviceaccount:default:default" in refused


def test_a_failure_stage_with_weight_wins_over_the_base_stages(cluster: StandInCluster) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff"}}
    statuses = [{"name": "web", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": waiting}]
    stage = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": "bad-image"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {"matchLabels": {"app": "badimage"}},
            "weight": 1,
            "next": {"statusTemplate": json.dumps({"phase": "Pending", "containerStatuses": statuses})},
        },
    }
    cluster.apply(stage, secret("badimage"), deployment("badimage", image="other:1"))
    until(lambda: (pod := only(cluster, "badimage")) and "ImagePullBackOff" in json.dumps(pod), "the simulated failure")
    assert condition(only(cluster, "badimage") or {}, "Ready") != "True"
    cluster.kubectl("delete", "stage/bad-image", "deployment/badimage")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_stand_in_and_a_new_one_goes_on(cluster: StandInCluster, number: int) -> None:
    former = process_of(start(cluster, "again"))
    cluster.end("kubelet", number)
    until(lambda: not alive(former), "process ended with the stand-in", 5)
    cluster.start_kubelet()

    def restarted() -> dict[str, Any] | None:
        found = ready(cluster, "again")
        return found if found and process_of(found) != former else None

    pod = until(restarted, "started again")
    assert alive(process_of(pod))
    assert web(pod)["restartCount"] >= 1
    cluster.kubectl("delete", "deployment", "again")
    until(lambda: cluster.pods("app=again") == [], "pod gone")
