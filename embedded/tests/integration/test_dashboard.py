# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every panel of the dashboard has data: of a model's simulator, Limitador's stand-in, Authorino itself, and an Envoy
whose requests are counted as the gateway's are, all found by the product's own monitors.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ansible_collections.llmops.embedded.roles.embedded_cluster.files.stand_ins.limitador import actions, rls
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import cache_home
from tests.support import gateway_objects
from tests.support.monitored_cluster import CHECKOUT, MODELS, VALUES, VERSIONS, address, monitored
from tests.support.monitoring import Prometheus, Query, queries
from tests.support.stand_in_cluster import FILES, StandInCluster, until

DASHBOARD = json.loads((CHECKOUT / "roles/observability/files/models-dashboard.json").read_text())
SCRAPE_SECONDS = int(VALUES["observability_scrape_interval"].removesuffix("s"))
KUADRANT = VALUES["maas_namespaces"]["kuadrant"]
LIMIT = """
- {namespace: llm/model, max_value: 3, seconds: 3600, conditions: [], variables: []}
"""
# An Envoy with one route, whose requests are counted as the gateway's are.
GATEWAY = """
import asyncio, json, pathlib, sys
from stand_ins.gateway.policies import typed
from stand_ins.gateway.telemetry import Telemetry, access_log, serve
binary, file, listen, admin, metrics = sys.argv[1], pathlib.Path(sys.argv[2]) / "envoy.json", *map(int, sys.argv[3:])
def place(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
router = typed("envoy.extensions.filters.http.router.v3.Router", {})
kind = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
manager = typed(kind, {
    "stat_prefix": "all",
    "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    "access_log": [access_log()],
})
chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
listener = {"name": "all", "address": place(listen), "filter_chains": [chain]}
content = {"admin": {"address": place(admin)}, "static_resources": {"listeners": [listener]}}
file.write_text(json.dumps(content))
async def run():
    words = [binary, "-c", str(file), "--disable-hot-restart", "--concurrency", "1", "--file-flush-interval-msec", "99"]
    envoy = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    counts = Telemetry("llm", "gate-istio")
    await serve(counts, metrics, admin)
    await counts.follow(envoy.stdout)
asyncio.run(run())
"""


def pod(name: str, namespace: str, image: str, labels: dict[str, str], *args: str, **ports: int) -> dict[str, Any]:
    """A Pod of one container. ``ports``: its ports by name."""
    declared = [{"name": port, "containerPort": number} for port, number in ports.items()]
    container = {"name": "main", "image": image, "args": list(args), "ports": declared}
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}


def service(name: str, namespace: str, labels: dict[str, str], **ports: int) -> dict[str, Any]:
    """A Service of the Pods with these labels, which it has as well."""
    declared = [{"name": port, "port": number, "targetPort": number} for port, number in ports.items()]
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": labels, "ports": declared}}


def authorino_definition() -> str:
    """The kind AuthConfig, out of the manifest that is installed in production."""
    manifest = cache_home() / "mirror" / f"kuadrant-operator-{VERSIONS['maas_versions']['kuadrant_operator']}.yaml"
    (found,) = [
        part
        for part in manifest.read_text(encoding="utf-8").split("\n---\n")
        if "kind: CustomResourceDefinition" in part and "name: authconfigs.authorino.kuadrant.io" in part
    ]
    return found


@pytest.fixture(scope="module")
def platform() -> Iterator[StandInCluster]:
    command = [sys.executable, "-c", GATEWAY, str(Path(sys.executable).with_name("envoy")), "{tmp}"]
    command += [f"{{port:{port}}}" for port in (80, 15000, 15020)]
    image = {"image": "gateway:.*", "command": command, "env": {"PYTHONPATH": str(FILES)}}
    with monitored(image, tools=("llm-d-inference-sim", "authorino")) as cluster:
        cluster.apply_text(authorino_definition())
        cluster.apply(*models(), *limitador(), *authorino(), *gateway())
        until(lambda: all_up(cluster), "all targets are up", 120)
        yield cluster


def models() -> list[dict[str, Any]]:
    labels = {"serving.kserve.io/inferenceservice": "qwen"}
    made = pod(
        "qwen", MODELS, "vllm/vllm-openai:v1", labels, "--model=/mnt/models", "--served-model-name=qwen", http=8080
    )
    return [made, service("qwen", MODELS, labels, http=8080)]


def limitador() -> list[dict[str, Any]]:
    labels = {"app": "limitador"}
    made = pod("limitador", KUADRANT, "quay.io/kuadrant/limitador:v2.4.0", labels, "/etc/limits/limits.yaml", http=8080)
    made["spec"]["volumes"] = [{"name": "limits", "configMap": {"name": "limits"}}]
    made["spec"]["containers"][0]["volumeMounts"] = [{"name": "limits", "mountPath": "/etc/limits"}]
    meta = {"name": "limits", "namespace": KUADRANT}
    limits = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"limits.yaml": LIMIT}}
    return [limits, made, service("limitador", KUADRANT, labels, http=8080, grpc=8081)]


def authorino() -> list[dict[str, Any]]:
    labels = {"authorino-resource": "authorino"}
    account = {"kind": "ServiceAccount", "name": "default", "namespace": KUADRANT}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "authorino"},
    }
    made = pod("authorino", KUADRANT, "quay.io/kuadrant/authorino:v0.25.0", labels, "server", http=8080)
    served = service("authorino", KUADRANT, labels, http=8080, check=5001)
    return [{**binding, "roleRef": role, "subjects": [account]}, made, served]


def gateway() -> list[dict[str, Any]]:
    labels = {"gateway.networking.k8s.io/gateway-name": "gate"}
    return [pod("gate", MODELS, "gateway:1", labels, metrics=15020), service("gate", MODELS, labels, http=80)]


def all_up(cluster: StandInCluster) -> bool:
    found = Prometheus(address(cluster)).targets()
    jobs = {name.split()[0] for name in found}
    return jobs == {"models", "limitador", "authorino", "gateway"} and set(found.values()) == {"up"}


def place_of(cluster: StandInCluster, name: str, namespace: str, port: int) -> str:
    """The local address that stands for a port of a Pod."""
    found = cluster.get("pod", name, "-n", namespace) or {}
    local = json.loads(found["metadata"]["annotations"]["llmops.maas/local-ports"])
    return f"127.0.0.1:{local[str(port)]}"


def status(url: str, body: dict[str, Any] | None = None) -> int:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def ask_limitador(target: str) -> set[int]:
    """What is decided about four requests."""
    facts = {
        actions.ACTION: json.dumps(gateway_objects.limit_action()),
        actions.AUTH_DATA: '{"identity": {"userid": "a"}}',
    }
    request = rls.Request(domain="ratelimit")
    descriptor = request.descriptors.add()
    for key, value in facts.items():
        descriptor.entries.add(key=key, value=value)
    with grpc.insecure_channel(target) as channel:
        call = channel.unary_unary(
            f"/{rls.SERVICE}/{rls.METHOD}",
            request_serializer=rls.Request.SerializeToString,
            response_deserializer=rls.Response.FromString,
        )
        return {call(request, timeout=5).overall_code for _unused in range(4)}


def traffic(cluster: StandInCluster) -> None:
    model = place_of(cluster, "qwen", MODELS, 8080)
    question = {"model": "qwen", "messages": [{"role": "user", "content": "Hello"}]}
    assert status(f"http://{model}/v1/chat/completions", question) == 200
    assert rls.OVER_LIMIT in ask_limitador(place_of(cluster, "limitador", KUADRANT, 8081))
    # A host that it does not know.
    assert status(f"http://{place_of(cluster, 'authorino', KUADRANT, 5001)}/check") == 404
    assert status(f"http://{place_of(cluster, 'gate', MODELS, 80)}/") == 200


@pytest.mark.parametrize("query", list(queries(DASHBOARD, SCRAPE_SECONDS)), ids=lambda query: query.panel)
def test_a_panel_has_data_after_some_traffic(platform: StandInCluster, query: Query) -> None:
    prometheus = Prometheus(address(platform))
    traffic(platform)
    until(lambda: prometheus.has_data(query, 60, SCRAPE_SECONDS), query.expression, 30)
