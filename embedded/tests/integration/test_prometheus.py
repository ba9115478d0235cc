# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus as the Pod of the StatefulSet that the real prometheus-operator makes from the product's own objects, with
the real config reloader: what it scrapes, by which addresses and with which credentials, and what it keeps.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube
from ansible_collections.llmops.maas.plugins.modules.cluster_info import ask
from ansible_collections.llmops.maas.plugins.plugin_utils._report.layout import laid_out
from ansible_collections.llmops.maas.plugins.plugin_utils._report.monitoring import monitoring
from tests.support.monitored_cluster import MODELS, MONITORING, address, monitored, ready_pod
from tests.support.monitoring import Prometheus
from tests.support.stand_in_cluster import StandInCluster, until

# Answers with a metric; with a token in its environment only to who has it.
SERVER = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        token = os.environ.get("TOKEN")
        allowed = not token or self.headers["Authorization"] == f"Bearer {token}"
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"answered 1\\n" if allowed else b"")
    def log_message(self, *_): pass
HTTPServer(("127.0.0.1", int(sys.argv[1])), Metrics).serve_forever()
"""


@pytest.fixture(scope="module")
def prometheus() -> Iterator[StandInCluster]:
    """With a model that is scraped."""
    with monitored({"image": "metrics:.*", "command": [sys.executable, "-c", SERVER, "{port:8080}"]}) as cluster:
        cluster.apply(*model("first"))
        until(lambda: healths(cluster).get("first") == "up", "the model is scraped", 90)
        yield cluster


def model(name: str, **environment: str) -> list[dict[str, Any]]:
    """A Pod with metrics and the Service of it, labelled as KServe labels a model's."""
    meta = {"name": name, "namespace": MODELS, "labels": {"serving.kserve.io/inferenceservice": name}}
    container = {
        "name": "kserve-container",
        "image": "metrics:1",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    spec = {"selector": {"serving.kserve.io/inferenceservice": name}, "ports": ports}
    return [pod, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}]


def asked(cluster: StandInCluster, path: str, **parameters: str) -> Any:
    return Prometheus(address(cluster)).ask(path, **parameters)


def targets(cluster: StandInCluster) -> dict[str, dict[str, Any]]:
    """The active targets by the Service that they are behind."""
    return {item["labels"]["service"]: item for item in asked(cluster, "targets", state="active")["activeTargets"]}


def healths(cluster: StandInCluster) -> dict[str, str]:
    return {name: target["health"] for name, target in targets(cluster).items()}


def fails_with(cluster: StandInCluster, name: str, words: str) -> bool:
    target = targets(cluster).get(name) or {"health": "", "lastError": ""}
    return target["health"] == "down" and words in target["lastError"]


def test_a_model_is_scraped_under_the_address_of_its_pod(prometheus: StandInCluster) -> None:
    target = targets(prometheus)["first"]
    (pod,) = prometheus.pods("serving.kserve.io/inferenceservice=first", MODELS)
    assert target["scrapeUrl"] == f"http://{pod['status']['podIP']}:8080/metrics"
    assert target["labels"]["serving_kserve_io_inferenceservice"] == "first"
    assert target["scrapeInterval"] == "1s"
    (series,) = asked(prometheus, "query", query="answered")["result"]
    assert series["metric"]["pod"] == "first"
    assert series["value"][1] == "1"


def test_it_runs_by_the_arguments_of_its_statefulset(prometheus: StandInCluster) -> None:
    flags = asked(prometheus, "status/flags")
    assert flags["storage.tsdb.retention.time"] == "15d" or "15d" in asked(prometheus, "status/config")["yaml"]
    assert flags["config.file"].endswith("/etc/prometheus/config_out/prometheus.env.yaml")
    assert flags["web.listen-address"].startswith("127.0.0.1:")
    # The reloader has put the Pod's name in, which the operator leaves to it.
    assert "prometheus_replica: prometheus-maas-0" in asked(prometheus, "status/config")["yaml"]


def test_a_look_at_the_monitoring_asks_it_through_the_api_server(prometheus: StandInCluster) -> None:
    kube = Kube.connect({"kubeconfig": str(prometheus.kubeconfig)})
    asked = ask(kube, MONITORING, "prometheus", 9090, "/api/v1/targets?state=active")
    assert laid_out(monitoring([], asked))[1] == "SCRAPE TARGETS: 1 of 1 up"
    absent = ask(kube, MONITORING, "nobody", 9090, "/api/v1/targets")
    assert absent["answer"] is None
    assert 'services "nobody" not found' in absent["error"]


def test_a_model_is_down_while_it_is_stopped_and_gone_with_its_pod(prometheus: StandInCluster) -> None:
    prometheus.apply(*model("second"))
    until(lambda: healths(prometheus).get("second") == "up", "the new model is scraped", 60)
    pod = prometheus.get("pod", "second", "-n", MODELS) or {}
    process = int(pod["status"]["containerStatuses"][0]["containerID"].removeprefix("process://"))
    os.kill(process, signal.SIGSTOP)
    until(lambda: fails_with(prometheus, "second", "deadline exceeded"), "the stopped model is down", 60)
    os.kill(process, signal.SIGCONT)
    until(lambda: healths(prometheus).get("second") == "up", "the model is up again", 60)
    prometheus.kubectl("delete", "pod", "second", "-n", MODELS)
    until(lambda: "second" not in targets(prometheus), "the target is gone", 60)


def test_metrics_of_a_simulated_pod_are_refused_not_made_up(prometheus: StandInCluster) -> None:
    pod, service = model("simulated")
    pod["spec"]["containers"][0]["image"] = "nobody/knows:1"
    prometheus.apply(pod, service)
    until(lambda: fails_with(prometheus, "simulated", "connection refused"), "the simulated Pod is down", 60)


def test_credentials_of_a_monitor_are_sent_and_wrong_ones_are_named(prometheus: StandInCluster) -> None:
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": "guarded", "namespace": MODELS, "labels": {"app.kubernetes.io/part-of": "maas"}},
        "spec": {
            "selector": {"matchLabels": {"app": "guarded"}},
            "endpoints": [
                {"port": "http", "interval": "1s", "authorization": {"credentials": {"name": "token", "key": "token"}}}
            ],
        },
    }
    pod, service = model("guarded", TOKEN="right")
    for item in (pod, service):
        item["metadata"]["labels"] = {"app": "guarded"}
    service["spec"]["selector"] = {"app": "guarded"}
    prometheus.apply(pod, service, token("wrong"), monitor)
    until(lambda: fails_with(prometheus, "guarded", "401"), "the wrong token is refused", 120)
    prometheus.apply(token("right"))
    until(lambda: healths(prometheus).get("guarded") == "up", "the token is exchanged", 120)


def token(value: str) -> dict[str, Any]:
    meta = {"name": "token", "namespace": MODELS}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"token": value}}


def test_a_new_pod_keeps_what_was_scraped(prometheus: StandInCluster) -> None:
    (oldest,) = asked(prometheus, "query", query='min_over_time(timestamp(answered{pod="first"})[1h:1s])')["result"]
    former = ready_pod(prometheus) or {}
    prometheus.kubectl("delete", "pod", former["metadata"]["name"], "-n", MONITORING)
    until(lambda: (ready_pod(prometheus) or former)["metadata"]["uid"] != former["metadata"]["uid"], "a new Pod", 120)
    until(lambda: healths(prometheus).get("first") == "up", "it scrapes again", 60)
    (still,) = asked(prometheus, "query", query='min_over_time(timestamp(answered{pod="first"})[1h:1s])')["result"]
    assert float(still["value"][1]) <= float(oldest["value"][1]) + 2
