# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""InferenceServices and what belongs to them in a real API server, written as KServe, controllers and kubelet would."""

from __future__ import annotations

from typing import Any, Protocol

CRD_NAME = "inferenceservices.serving.kserve.io"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAMESPACE = "llm"
IMAGE = "registry.example/vllm:1"
LABEL = "serving.kserve.io/inferenceservice"
MERGE = "application/merge-patch+json"


class Server(Protocol):
    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Send one request and return its answer."""


def services_path(name: str = "", namespace: str = NAMESPACE) -> str:
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices"
    return f"{path}/{name}" if name else path


def install_crd(server: Server) -> None:
    """The resource with its status subresource; its schema is KServe's affair and not that of a wait."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    names = {"kind": "InferenceService", "plural": "inferenceservices", "singular": "inferenceservice"}
    spec = {"group": "serving.kserve.io", "scope": "Namespaced", "names": names, "versions": [version]}
    body = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    server.request("POST", CRDS, {**body, "metadata": {"name": CRD_NAME}})


class Model:
    """``create`` makes the InferenceService, ``deploy`` its Deployment and Pod, ``finish`` writes what Ready needs."""

    def __init__(self, server: Server, name: str, namespace: str = NAMESPACE) -> None:
        self.server = server
        self.name = name
        self.namespace = namespace
        self.pod_name = f"{name}-predictor-1"
        self.uid = ""

    @property
    def _labels(self) -> dict[str, str]:
        return {LABEL: self.name, "app": f"isvc.{self.name}-predictor"}

    def create(self) -> Model:
        body = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "spec": {}}
        metadata = {"name": self.name, "labels": {"part-of": "platform"}}
        made = self.server.request("POST", services_path(namespace=self.namespace), {**body, "metadata": metadata})
        self.uid = made["metadata"]["uid"]
        return self

    def deploy(self) -> Model:
        owner = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": self.name}
        template = {"metadata": {"labels": self._labels}, "spec": self._pod_spec()}
        metadata = {"name": f"{self.name}-predictor", "labels": self._labels}
        self.server.request(
            "POST",
            f"/apis/apps/v1/namespaces/{self.namespace}/deployments",
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {**metadata, "ownerReferences": [{**owner, "uid": self.uid}]},
                "spec": {"selector": {"matchLabels": {"app": self._labels["app"]}}, "template": template},
            },
        )
        self.deployment_status(observedGeneration=1, replicas=1, updatedReplicas=1, unavailableReplicas=1)
        metadata = {"name": self.pod_name, "labels": self._labels}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self._pod_spec()}
        self.server.request("POST", f"/api/v1/namespaces/{self.namespace}/pods", pod)
        return self

    @staticmethod
    def _pod_spec() -> dict[str, Any]:
        return {
            "initContainers": [{"name": "storage-initializer", "image": IMAGE}],
            "containers": [{"name": "kserve-container", "image": IMAGE}],
        }

    def deployment_status(self, **status: Any) -> None:
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.name}-predictor/status"
        self.server.request("PATCH", path, {"status": status}, MERGE)

    def pod_status(self, conditions: list[dict[str, Any]] | None = None, **status: Any) -> None:
        scheduled = [{"type": "PodScheduled", "status": "True"}] if conditions is None else conditions
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.pod_name}/status"
        self.server.request("PATCH", path, {"status": {"conditions": scheduled, **status}}, MERGE)

    def status(self, **status: Any) -> None:
        self.server.request("PATCH", services_path(self.name, self.namespace) + "/status", {"status": status}, MERGE)

    def roll_out(self) -> Model:
        counts = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}
        self.deployment_status(observedGeneration=1, unavailableReplicas=None, **counts)
        return self

    def finish(self) -> None:
        """The one write after which the model is ready, when it was rolled out before."""
        self.status(
            url=f"http://{self.name}.example",
            conditions=[{"type": "Ready", "status": "True"}],
            modelStatus={"transitionStatus": "UpToDate"},
        )


def container_status(name: str, restarts: int = 0, last: dict[str, Any] | None = None, **state: Any) -> dict[str, Any]:
    status = {"name": name, "image": IMAGE, "imageID": "", "ready": False, "restartCount": restarts, "state": state}
    return {**status, "lastState": {"terminated": last} if last else {}}
