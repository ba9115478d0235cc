# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits that cannot end, for the controller of the object is absent or cannot start: a real API server with the real
Deployment controller, in which only the Pods' states are written by the tests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_wait_tasks import Task, later
from test_waits import connect, end, listable, until

from ansible_collections.llmops.maas.plugins.module_utils._models.watch import ModelJudge, Selection
from ansible_collections.llmops.maas.plugins.module_utils._wait.controller_watch import Controllers
from ansible_collections.llmops.maas.plugins.module_utils._wait.criteria import criterion_for
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import WaitState, WaitTerms, wait
from ansible_collections.llmops.maas.plugins.module_utils._wait.pods import Limits
from ansible_collections.llmops.maas.plugins.module_utils._wait.resource_watch import (
    ResourceJudge,
    WantedResource,
    sources_for,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import Verdict
from ansible_collections.llmops.maas.plugins.module_utils._wait.watch import Watcher
from tests.support.api_server import ApiServer
from tests.support.manifests_run import Run
from tests.support.models import CRDS, MERGE, Model, install_crd

GROUP = "monitoring.coreos.com"
LABELS = {"app.kubernetes.io/name": "prometheus-operator"}
GRACE = 1.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    cluster = ApiServer(tmp_path_factory.mktemp("controllers"), controllers=True)
    try:
        cluster.start()
        install_crd(cluster)
        install_prometheus_crd(cluster)
        until(lambda: listable(cluster), "the CRD is served")
        yield cluster
    finally:
        end(cluster)


def install_prometheus_crd(server: ApiServer) -> None:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    names = {"kind": "Prometheus", "plural": "prometheuses", "singular": "prometheus"}
    spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
    body = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    server.request("POST", CRDS, {**body, "metadata": {"name": f"prometheuses.{GROUP}"}})


@pytest.fixture
def namespace(server: ApiServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.name.lower().replace("_", "-")[:63].strip("-")
    server.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    # The operators of one test must not be found by the next.
    server.request("DELETE", f"/apis/apps/v1/namespaces/{name}/deployments")


def prometheuses(namespace: str) -> str:
    return f"/apis/{GROUP}/v1/namespaces/{namespace}/prometheuses"


def make_prometheus(server: ApiServer, namespace: str) -> None:
    until(lambda: served(server, namespace), "Prometheuses are served")
    body = {"apiVersion": f"{GROUP}/v1", "kind": "Prometheus", "metadata": {"name": "models"}, "spec": {}}
    server.request("POST", prometheuses(namespace), body)


def served(server: ApiServer, namespace: str) -> bool:
    try:
        return bool(server.request("GET", prometheuses(namespace)))
    except OSError:
        return False


def notice(server: ApiServer, namespace: str) -> None:
    """Write what the operator writes when it is done."""
    conditions = [{"type": kind, "status": "True", "observedGeneration": 1} for kind in ("Reconciled", "Available")]
    path = f"{prometheuses(namespace)}/models/status"
    server.request("PATCH", path, {"status": {"conditions": conditions}}, MERGE)


class Operator:
    """A Deployment of the operator, and its Pod as the Deployment controller makes it."""

    def __init__(self, server: ApiServer, namespace: str, replicas: int = 1) -> None:
        self._server = server
        self._namespace = namespace
        container = {"name": "operator", "image": "registry.example/prometheus-operator:1"}
        template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "prometheus-operator"}}
        server.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", {**body, "spec": spec})

    def _pods(self) -> list[str]:
        answer = self._server.request("GET", f"/api/v1/namespaces/{self._namespace}/pods")
        return [str(item["metadata"]["name"]) for item in answer["items"]]

    def pod_state(self, *, ready: bool = False, restarts: int = 0, **state: Any) -> None:
        until(self._pods, "the Deployment controller has made a Pod")
        status = {"name": "operator", "image": "x", "imageID": "", "ready": ready, "restartCount": restarts}
        conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": str(ready)}]
        path = f"/api/v1/namespaces/{self._namespace}/pods/{self._pods()[0]}/status"
        body = {"conditions": conditions, "containerStatuses": [{**status, "state": state}]}
        if ready:
            body["phase"] = "Running"
        self._server.request("PATCH", path, {"status": body}, MERGE)


class Waiting:
    """A wait for objects of the namespace, in a thread of its own."""

    def __init__(self, server: ApiServer, namespace: str, kind: str = "Prometheus", name: str = "models") -> None:
        api_version = f"{GROUP}/v1" if kind == "Prometheus" else "apps/v1"
        path = prometheuses(namespace) if kind == "Prometheus" else f"/apis/apps/v1/namespaces/{namespace}/statefulsets"
        entry = WantedResource(api_version, kind, criterion_for(api_version, kind, None), name, namespace)
        kube, state = connect(server), WaitState(began=time.time())
        judge = ResourceJudge([entry], state, 5.0, Controllers(kube, state, GRACE))
        watcher = Watcher(kube, sources_for([entry], {"|".join(entry.group): path}))
        self._began = time.monotonic()
        self._verdicts: list[Verdict] = []
        self._run: Callable[[], None] = lambda: self._verdicts.extend(
            wait(watcher, judge, state, WaitTerms(timeout=60.0)).verdicts.values()
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def goes_on(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return self._thread.is_alive()

    def end(self, seconds: float = 30.0) -> Verdict:
        assert not self.goes_on(seconds), "the wait did not end"
        return self._verdicts[0]


def test_an_absent_controller_ends_the_wait_within_seconds(server: ApiServer, namespace: str) -> None:
    make_prometheus(server, namespace)
    verdict = Waiting(server, namespace).end(15)
    assert (verdict.state, verdict.reason) == ("failed", "ControllerMissing")
    assert "its controller Deployment prometheus-operator exists in no namespace" in verdict.message


def test_a_controller_without_replicas_ends_the_wait(server: ApiServer, namespace: str) -> None:
    make_prometheus(server, namespace)
    Operator(server, namespace, replicas=0)
    verdict = Waiting(server, namespace).end(15)
    assert f"its controller Deployment {namespace}/prometheus-operator asks for no replicas" in verdict.message


def test_a_controller_that_crashes_ends_the_wait_for_what_it_makes(server: ApiServer, namespace: str) -> None:
    make_prometheus(server, namespace)
    operator = Operator(server, namespace)
    waiting = Waiting(server, namespace, "StatefulSet", "prometheus-models")
    # Its first starts are no reason.
    operator.pod_state(waiting={"reason": "ContainerCreating"})
    assert waiting.goes_on(10)
    operator.pod_state(restarts=3, waiting={"reason": "CrashLoopBackOff", "message": "back-off 40s"})
    operator.pod_state(restarts=3, terminated={"exitCode": 2, "reason": "Error", "message": "no such flag"})
    verdict = waiting.end(15)
    assert verdict.reason == "ControllerNotReady"
    assert "which makes it from Prometheus models, has no ready Pod (0 of 1: " in verdict.message
    assert "exit code 2 (Error): no such flag" in verdict.message


def test_a_controller_that_starts_late_is_waited_for(server: ApiServer, namespace: str) -> None:
    make_prometheus(server, namespace)
    operator = Operator(server, namespace)
    waiting = Waiting(server, namespace)
    assert waiting.goes_on(8)
    operator.pod_state(ready=True, running={})
    assert waiting.goes_on(8)
    notice(server, namespace)
    assert waiting.end(5).state == "ready"


def test_a_wait_in_which_all_goes_well_asks_for_no_controller(server: ApiServer, namespace: str) -> None:
    make_prometheus(server, namespace)
    position = server.audit_position()
    waiting = Waiting(server, namespace)
    time.sleep(0.5)
    notice(server, namespace)
    assert waiting.end(5).state == "ready"
    ours = [event for event in server.audit(position) if event.get("userAgent", "").startswith("llmops.maas")]
    assert {event["objectRef"]["resource"] for event in ours} == {"prometheuses"}


def test_a_model_names_the_absent_kserve(server: ApiServer, namespace: str) -> None:
    Model(server, "qwen", namespace).create()
    kube, state = connect(server), WaitState(began=time.time())
    selection = Selection(namespace, names=["qwen"])
    judge = ModelJudge(selection, Limits(), state, Controllers(kube, state, GRACE))
    outcome = wait(Watcher(kube, selection.sources()), judge, state, WaitTerms(timeout=60.0))
    assert not outcome.timed_out
    assert outcome.verdicts["qwen"].reason == "ControllerMissing"
    assert "kserve-controller-manager exists in no namespace" in outcome.verdicts["qwen"].message


def test_tasks_end_early_and_say_why(server: ApiServer, namespace: str, tmp_path: Path) -> None:
    make_prometheus(server, namespace)
    resource = {"api_version": "apps/v1", "kind": "StatefulSet", "name": "prometheus-models", "namespace": namespace}
    options = {"resources": [resource], "timeout": 600, "controller_grace": 2}
    task = Task(tmp_path, server, "resource_wait", options)
    assert task.result["failed"]
    assert task.result["seconds"] < 30
    row = task.result["resources"][0]
    assert (row["phase"], row["reason"], row["failed"]) == ("failed", "ControllerMissing", True)
    for part in ("waiting longer will not help", "Prometheus models", "Install prometheus-operator"):
        assert part in task.result["msg"], task.result["msg"]


def test_a_task_may_be_told_never_to_look(server: ApiServer, namespace: str, tmp_path: Path) -> None:
    make_prometheus(server, namespace)
    writer = later(12.0, lambda: notice(server, namespace))
    resource = {"api_version": f"{GROUP}/v1", "kind": "Prometheus", "name": "models", "namespace": namespace}
    options = {"resources": [resource], "timeout": 60, "controller_grace": 0}
    task = Task(tmp_path, server, "resource_wait", options)
    writer.join()
    assert not task.result["failed"]


HOLD = "example.com/hold"


@pytest.fixture
def apply(server: ApiServer, namespace: str) -> Run:
    """Runs the module manifests, which looks at controllers soon."""
    options = {"bundle": "deleted", "inventory_namespace": namespace, "namespace": namespace}
    return Run(server, {**options, "timeout": 60, "controller_grace": GRACE})


def held_prometheus(namespace: str) -> dict[str, Any]:
    metadata = {"name": "models", "namespace": namespace, "finalizers": [HOLD]}
    return {"apiVersion": f"{GROUP}/v1", "kind": "Prometheus", "metadata": metadata, "spec": {}}


def release(server: ApiServer, namespace: str) -> None:
    server.request("PATCH", f"{prometheuses(namespace)}/models", {"metadata": {"finalizers": None}}, MERGE)


def test_a_deletion_without_the_controller_of_the_object_is_given_up(
    server: ApiServer, namespace: str, apply: Run
) -> None:
    until(lambda: served(server, namespace), "Prometheuses are served")
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "finalizers": []}}
    apply(held_prometheus(namespace), settings)
    began = time.monotonic()
    done = apply(state="absent")
    assert time.monotonic() - began < 30
    assert [(item["kind"], item["name"]) for item in done.failures] == [("Prometheus", "models")]
    error = done.failures[0]["error"]
    assert error.startswith(f"ControllerMissing: its finalizers ({HOLD}) are still there")
    assert "Deployment prometheus-operator exists in no namespace. Install prometheus-operator." in error
    # Nothing of what it says was tried here: the rest of the bundle is still there, and the record still names it.
    assert server.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")
    release(server, namespace)
    assert not apply(state="absent").failures


def test_a_namespace_that_keeps_what_nobody_cleans_up_is_given_up(
    server: ApiServer, namespace: str, apply: Run
) -> None:
    own = f"{namespace}-own"[-63:].strip("-")
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own}})
    until(lambda: served(server, own), "Prometheuses are served")
    server.request("POST", prometheuses(own), held_prometheus(own))
    error = apply(state="absent").failures[0]["error"]
    assert error.startswith(f"ControllerMissing: the Prometheus {own}/models goes with it, whose finalizers ({HOLD})")
    assert "Deployment prometheus-operator exists in no namespace" in error
    release(server, own)
    assert not apply(state="absent").failures


def test_a_deletion_whose_controller_is_ready_is_waited_for(server: ApiServer, namespace: str, apply: Run) -> None:
    until(lambda: served(server, namespace), "Prometheuses are served")
    Operator(server, namespace).pod_state(ready=True, running={})
    apply(held_prometheus(namespace))
    error = apply(state="absent", timeout=12).failures[0]["error"]
    assert error.startswith("still not gone after 12 s")
    assert HOLD in error
    release(server, namespace)
    assert not apply(state="absent").failures
