# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The object store and the downloads from it: SeaweedFS from MinIO's own Pod, the bucket from its own Job, and KServe's
storage initializer as the init container that KServe's webhook makes.
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible.plugins.filter.core import FilterModule

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.python_environments import PythonEnvironment
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import cache_home
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import WaitState
from ansible_collections.llmops.maas.plugins.module_utils._wait.pods import (
    Limits,
    Observation,
    pod_phase,
    pod_troubles,
)
from tests.support.api_server import find_binary
from tests.support.model_hub import ModelHub
from tests.support.stand_in_cluster import (
    FILES,
    StandInCluster,
    condition,
    listeners,
    process_of,
    render,
    until,
)

NAMESPACE, STORE = "llm", "minio-system"
CREDENTIALS = {"user": "u" + secrets.token_hex(8), "password": secrets.token_hex(20)}
ENDPOINT = f"http://minio.{STORE}.svc.cluster.local:9000"
# Serves the files of the model, as a model server would read them.
SERVER = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "{port:8000}"]
MODEL = {
    "config.json": json.dumps({"model_type": "llama", "hidden_size": 8}).encode(),
    "tokenizer.json": json.dumps({"version": "1.0", "model": {"vocab": {"a": 0}}}).encode(),
    "weights/model.safetensors": secrets.token_bytes(6000),
}
# What the role of MinIO is given.
VALUES: dict[str, Any] = {
    "maas_namespaces": {"minio": STORE},
    "maas_part_of": "maas",
    "maas_platform": {
        "namespace": NAMESPACE,
        "storage_class": "",
        "images": {"minio": "quay.io/minio/minio:RELEASE.1", "minio_client": "quay.io/minio/mc:RELEASE.1"},
    },
    "minio_storage": "5Gi",
    "minio_region": "us-east-1",
}
PUT = """
import base64, io, json, sys
from minio import Minio
wanted = json.load(sys.stdin)
client = Minio(wanted["address"], wanted["user"], wanted["password"], secure=False)
for name, content in wanted["files"].items():
    body = base64.b64decode(content)
    client.put_object("models", name, io.BytesIO(body), len(body))
"""


def product(template: str, **variables: Any) -> str:
    """A template of the product's own role."""
    folder = Path(__file__).resolve().parents[3] / "roles" / "minio" / "templates"
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False
    )
    made.filters.update(FilterModule().filters())
    return made.get_template(template).render(**VALUES, **variables)


@pytest.fixture(scope="module")
def pythons() -> dict[str, str]:
    """The environments, made in the cache as the role makes them."""
    found = {}
    for name in ("minio-client", "storage-initializer"):
        environment = PythonEnvironment(cache_home(), FILES / "python" / f"{name}.txt")
        environment.make()
        found[name] = str(environment.python)
    return found


@pytest.fixture(scope="module")
def cluster(pythons: dict[str, str]) -> Iterator[StandInCluster]:
    platform = yaml.safe_load(
        render(
            "images.yaml.j2",
            __embedded_cluster_tools={"seaweedfs": find_binary("seaweedfs")},
            __embedded_cluster_python=sys.executable,
            __embedded_cluster_pythons=pythons,
            __embedded_cluster_stand_ins_dir=str(FILES),
            embedded_cluster_downloads=True,
            embedded_cluster_keycloak="",
        )
    )
    directory = Path(tempfile.mkdtemp(prefix="maas-"))
    made = StandInCluster(directory, [{"image": "server:.*", "command": SERVER}, *platform["images"]])
    try:
        made.start()
        volumes = {
            "embedded_cluster_storage_class": "standard",
            "embedded_cluster_volumes": [{"name": "one", "size": "5Gi"}],
            "__embedded_cluster_up": {"kubeconfig": str(directory / "kubeconfig")},
        }
        made.apply_text(render("storage.yaml.j2", **volumes))
        made.apply_text(product("minio.yaml.j2"))
        made.apply(secret(STORE, "minio-root", **CREDENTIALS))
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def store(cluster: StandInCluster) -> StandInCluster:
    """With the object store, its bucket, and in it the model."""
    until(lambda: minio(cluster), "the object store is ready", 60)
    cluster.apply_text(product("bucket.yaml.j2", __minio_bucket="models"))
    until(lambda: bucket_jobs(cluster, "succeeded") == 1, "the bucket is made", 60)
    put(cluster, {f"tiny/{name}": content for name, content in MODEL.items()})
    return cluster


def secret(namespace: str, name: str, **data: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data}


def minio(cluster: StandInCluster) -> dict[str, Any] | None:
    """The store's Pod, once it is ready and alone."""
    pods = cluster.pods("app.kubernetes.io/name=minio", STORE)
    alone = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    return alone[0] if len(pods) == 1 and alone and condition(alone[0], "Ready") == "True" else None


def bucket_jobs(cluster: StandInCluster, what: str) -> int:
    found = cluster.get("jobs", "-n", STORE) or {"items": []}
    return sum(int(job.get("status", {}).get(what) or 0) for job in found["items"])


def store_address(cluster: StandInCluster, port: int = 9000) -> str:
    service = cluster.get("service", "minio", "-n", STORE) or {}
    return f"{service['spec']['clusterIP']}:{port}"


def put(cluster: StandInCluster, files: dict[str, bytes]) -> None:
    encoded = {name: base64.b64encode(content).decode() for name, content in files.items()}
    wanted = {**CREDENTIALS, "address": store_address(cluster), "files": encoded}
    client = str(PythonEnvironment(cache_home(), FILES / "python" / "minio-client.txt").python)
    run_in(client, PUT, json.dumps(wanted))


def run_in(python: str, program: str, text: str) -> None:
    done = subprocess.run([python, "-c", program], input=text, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def status_of(url: str) -> int:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    try:
        with urllib.request.build_opener(Stay).open(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def model_pod(name: str, uri: str, *, storage: dict[str, str] | None = None, **variables: str) -> list[dict[str, Any]]:
    """A model's Pod as KServe 0.15 makes it, with the Secret that its init container reads."""
    configuration = {
        "type": "s3",
        "access_key_id": CREDENTIALS["user"],
        "secret_access_key": CREDENTIALS["password"],
        "endpoint_url": ENDPOINT,
        "bucket": "models",
        "region": "us-east-1",
        **(storage or {}),
    }
    mount = {"name": "kserve-provision-location", "mountPath": "/mnt/models"}
    initializer = {
        "name": "storage-initializer",
        "image": "kserve/storage-initializer:v0.15.2",
        "args": [uri, "/mnt/models"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "env": [
            {"name": "STORAGE_CONFIG", "valueFrom": {"secretKeyRef": {"name": f"storage-{name}", "key": "default"}}},
            {"name": "STORAGE_OVERRIDE_CONFIG", "value": json.dumps({"bucket": "models", "type": "s3"})},
            *({"name": key, "value": value} for key, value in variables.items()),
        ],
        "volumeMounts": [{**mount, "readOnly": False}],
    }
    server = {
        "name": "kserve-container",
        "image": "server:1",
        "args": ["--directory", "/mnt/models"],
        "ports": [{"containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1},
        "volumeMounts": [{**mount, "readOnly": True}],
    }
    spec = {
        "initContainers": [initializer],
        "containers": [server],
        "volumes": [{"name": mount["name"], "emptyDir": {}}],
    }
    meta = {"name": name, "namespace": NAMESPACE}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    return [secret(NAMESPACE, f"storage-{name}", default=json.dumps(configuration)), pod]


def pod_of(cluster: StandInCluster, name: str) -> dict[str, Any]:
    return cluster.get("pod", name, "-n", NAMESPACE) or {}


def initializer_of(pod: dict[str, Any]) -> dict[str, Any]:
    return next(iter(pod.get("status", {}).get("initContainerStatuses", ())), {})


def after_failure(cluster: StandInCluster, name: str) -> dict[str, Any] | None:
    """The Pod, once its download has failed and waits for the next try."""
    pod = pod_of(cluster, name)
    status = initializer_of(pod)
    waits = status.get("state", {}).get("waiting") and status.get("lastState", {}).get("terminated")
    return pod if waits else None


def arrived(cluster: StandInCluster, name: str, files: dict[str, bytes], seconds: float = 60) -> None:
    """Waits until the Pod is ready, and compares what its server container finds in /mnt/models."""
    until(lambda: condition(pod_of(cluster, name), "Ready") == "True", f"{name} is ready", seconds)
    pod = pod_of(cluster, name)
    ports = json.loads(pod["metadata"]["annotations"]["llmops.maas/local-ports"])
    for file, content in files.items():
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['8000']}/{file}", timeout=5) as answer:
            assert answer.read() == content


def failed(cluster: StandInCluster, name: str) -> tuple[str, str, str]:
    """(state, reason, message) of what the wait for models makes of the first failure of the download."""

    def trouble() -> tuple[str, str, str] | None:
        pod = after_failure(cluster, name)
        if pod is None:
            return None
        seen = Observation(Limits(), WaitState(began=time.time()).history(name), time.time())
        verdict = next(found for found in pod_troubles(pod, seen) if found.container == "storage-initializer")
        return verdict.state, verdict.reason, verdict.message

    found = until(trouble, f"{name}: the download fails", 60)
    assert condition(pod_of(cluster, name), "Ready") != "True"
    cluster.kubectl("delete", "pod", name, "-n", NAMESPACE)
    return found


def test_the_store_answers_with_the_generated_credentials_alone(store: StandInCluster) -> None:
    assert status_of(f"http://{store_address(store)}/models/tiny/config.json") == 403
    # The console is there, and wants a login.
    assert status_of(f"http://{store_address(store, 9001)}/") == 307
    assert status_of(f"http://{store_address(store, 9001)}/login") == 200


def test_it_listens_on_loopback_only_and_keeps_the_password_out_of_the_process_list(store: StandInCluster) -> None:
    pod = minio(store) or {}
    pid = process_of(pod)
    found = listeners(pid)
    assert found == {"0100007F"}, found
    assert CREDENTIALS["password"].encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    ports = json.loads(pod["metadata"]["annotations"]["llmops.maas/local-ports"])
    # Its inner parts do not answer strangers either.
    assert status_of(f"http://127.0.0.1:{ports['8888']}/buckets/models/tiny/config.json") == 401


def test_the_bucket_s_job_fails_with_a_wrong_password_and_accepts_a_bucket_that_is_there(store: StandInCluster) -> None:
    again = yaml.safe_load(product("bucket.yaml.j2", __minio_bucket="models"))
    again["metadata"]["name"] = "again"
    store.apply(again)
    until(lambda: bucket_jobs(store, "succeeded") == 2, "done again", 60)

    wrong = yaml.safe_load(product("bucket.yaml.j2", __minio_bucket="other"))
    wrong["metadata"]["name"] = "wrong"
    wrong["spec"]["backoffLimit"] = 0
    wrong["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    variables = wrong["spec"]["template"]["spec"]["containers"][0]["env"]
    variables[:] = [item for item in variables if item["name"] != "MINIO_ROOT_PASSWORD"]
    variables.insert(0, {"name": "MINIO_ROOT_PASSWORD", "value": "wrong"})
    store.apply(wrong)
    until(lambda: bucket_jobs(store, "failed") == 1, "failed", 60)
    assert "SignatureDoesNotMatch" in store.kubectl("logs", "-n", STORE, "job/wrong").stdout


def test_a_model_arrives_in_its_pod(store: StandInCluster) -> None:
    store.apply(*model_pod("tiny", "s3://models/tiny"))
    arrived(store, "tiny", MODEL)
    assert initializer_of(pod_of(store, "tiny"))["state"]["terminated"]["reason"] == "Completed"


@pytest.mark.parametrize(
    ("name", "uri", "storage", "reason"),
    [
        ("password", "s3://models/tiny", {"secret_access_key": "wrong"}, "DownloadUnauthorized"),
        ("user", "s3://models/tiny", {"access_key_id": "nobody"}, "DownloadUnauthorized"),
        ("bucket", "s3://nowhere/tiny", {}, "ModelNotFound"),
        ("object", "s3://models/nothing", {}, "ModelNotFound"),
        ("no-bucket", "s3:///tiny", {}, "InvalidStorageUri"),
        ("endpoint", "s3://models/tiny", {"endpoint_url": "minio:9000"}, "InvalidStorageConfiguration"),
    ],
)
def test_a_download_that_cannot_work_is_given_up(
    store: StandInCluster, name: str, uri: str, storage: dict[str, str], reason: str
) -> None:
    store.apply(*model_pod(name, uri, storage=storage))
    state, found, message = failed(store, name)
    assert (state, found) == ("failed", reason), message


def test_an_absent_store_is_waited_for(store: StandInCluster) -> None:
    elsewhere = {"endpoint_url": f"http://later.{STORE}.svc.cluster.local:9000"}
    store.apply(*model_pod("early", "s3://models/tiny", storage=elsewhere))
    pod = until(lambda: after_failure(store, "early"), "it fails", 60)
    seen = Observation(Limits(), WaitState(began=time.time()).history("early"), time.time())
    (trouble,) = pod_troubles(pod, seen)
    assert (trouble.state, trouble.reason) == ("progressing", "DownloadInterrupted")

    service = store.get("service", "minio", "-n", STORE) or {}
    spec = {"selector": service["spec"]["selector"], "ports": service["spec"]["ports"]}
    store.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "later", "namespace": STORE}, "spec": spec}
    )
    arrived(store, "early", MODEL, 90)


def test_the_store_keeps_its_objects_when_its_pod_is_replaced(store: StandInCluster) -> None:
    former = (minio(store) or {})["metadata"]["uid"]
    store.kubectl("delete", "pod", "-n", STORE, "-l", "app.kubernetes.io/name=minio")
    until(lambda: (found := minio(store)) is not None and found["metadata"]["uid"] != former, "the store is back", 60)
    store.apply(*model_pod("after", "s3://models/tiny"))
    arrived(store, "after", MODEL)
    put(store, {"more/new.txt": b"new"})
    store.apply(*model_pod("more", "s3://models/more"))
    arrived(store, "more", {"new.txt": b"new"})


# --- hf://


@pytest.fixture
def hub() -> Iterator[ModelHub]:
    models = {"maker/tiny": MODEL, "maker/gated": MODEL}
    with ModelHub(models, frozenset({"maker/gated"}), token=secrets.token_hex(8)).served() as served:
        yield served


def test_a_slow_download_from_a_hub_is_waited_for(cluster: StandInCluster, hub: ModelHub) -> None:
    hub.sending.clear()
    cluster.apply(*model_pod("slow", "hf://maker/tiny", HF_ENDPOINT=hub.url))
    until(lambda: any(entry.startswith("GET /maker/tiny/resolve/") for entry in hub.asked), "a file is asked for", 60)
    pod = pod_of(cluster, "slow")
    assert pod_phase(pod, [])[0] == "downloading"
    assert pod_troubles(pod, Observation(Limits(), WaitState(began=time.time()).history("slow"), time.time())) == []
    assert condition(pod, "Ready") != "True"
    hub.sending.set()
    arrived(cluster, "slow", MODEL)


@pytest.mark.parametrize(
    ("name", "uri", "token", "reason"),
    [
        ("misspelt", "hf://maker/tinny", "", "DownloadUnauthorized"),
        ("unknown", "hf://maker/tinny", "some-token", "ModelNotFound"),
        ("revision", "hf://maker/tiny:v9", "", "ModelNotFound"),
        ("gated", "hf://maker/gated", "some-token", "ModelGated"),
        ("no-model", "hf://maker", "", "InvalidStorageUri"),
    ],
)
def test_a_download_from_a_hub_that_cannot_work_is_given_up(
    cluster: StandInCluster, hub: ModelHub, name: str, uri: str, token: str, reason: str
) -> None:
    variables = {"HF_ENDPOINT": hub.url} | ({"HF_TOKEN": token} if token else {})
    cluster.apply(*model_pod(f"hf-{name}", uri, **variables))
    state, found, message = failed(cluster, f"hf-{name}")
    assert (state, found) == ("failed", reason), message


def test_a_gated_model_arrives_with_the_right_token(cluster: StandInCluster, hub: ModelHub) -> None:
    cluster.apply(*model_pod("granted", "hf://maker/gated", HF_ENDPOINT=hub.url, HF_TOKEN=hub.token))
    arrived(cluster, "granted", MODEL)


def test_a_broken_hub_is_tried_again(cluster: StandInCluster, hub: ModelHub) -> None:
    hub.broken = True
    cluster.apply(*model_pod("again", "hf://maker/tiny", HF_ENDPOINT=hub.url))
    pod = until(lambda: after_failure(cluster, "again"), "it fails", 60)
    seen = Observation(Limits(), WaitState(began=time.time()).history("again"), time.time())
    (trouble,) = pod_troubles(pod, seen)
    assert (trouble.state, trouble.reason) == ("progressing", "DownloadServerError"), trouble.message
    hub.broken = False
    arrived(cluster, "again", MODEL, 90)
