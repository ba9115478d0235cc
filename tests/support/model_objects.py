# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as KServe 0.15.2, the Deployment controller and the kubelet write them, for the tests of the waits."""

from __future__ import annotations

from typing import Any

NAME = "qwen"
POD = "qwen-predictor-6d5c-abcde"
LABELS = {"app": "isvc.qwen-predictor", "serving.kserve.io/inferenceservice": NAME, "pod-template-hash": "6d5c"}


def service(
    ready: str = "", transition: str = "", url: str = "", info: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """An InferenceService; without arguments KServe has not written a status yet (kserve#4454)."""
    status: dict[str, Any] = {}
    if ready:
        parts = ("PredictorReady", "IngressReady", "Ready")
        status["conditions"] = [{"type": part, "status": ready, "reason": "Because"} for part in parts]
    if transition:
        status["modelStatus"] = {"transitionStatus": transition, **({"lastFailureInfo": info} if info else {})}
    if url:
        status["url"] = url
    metadata = {"name": NAME, "namespace": "llm", "uid": "isvc-uid", "generation": 7}
    spec = {"predictor": {"model": {"runtime": "vllm-latest"}, **more.pop("predictor", {})}}
    return {"metadata": {**metadata, **more.pop("metadata", {})}, "spec": spec, "status": {**status, **more}}


def ready_service(**more: Any) -> dict[str, Any]:
    return service(ready="True", transition="UpToDate", url="http://qwen.llm", **more)


def deployment(replicas: int = 1, done: bool = False, **status: Any) -> dict[str, Any]:
    """The child Deployment; ``done`` when its rollout is complete."""
    counts = {"replicas": replicas, "updatedReplicas": replicas, "availableReplicas": replicas}
    if not done:
        counts = {"replicas": replicas, "updatedReplicas": replicas, "unavailableReplicas": replicas}
    return {
        "metadata": {
            "name": f"{NAME}-predictor",
            "namespace": "llm",
            "uid": "dep-uid",
            "generation": 3,
            "ownerReferences": [{"kind": "InferenceService", "name": NAME, "uid": "isvc-uid"}],
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "isvc.qwen-predictor"}},
            "template": {"metadata": {"annotations": {}}},
        },
        "status": {"observedGeneration": 3, **counts, **status},
    }


def pod(
    *containers: dict[str, Any],
    inits: tuple[dict[str, Any], ...] = (),
    name: str = POD,
    scheduled: dict[str, Any] | None = None,
    created: str = "2026-01-01T00:00:00Z",
    **metadata: Any,
) -> dict[str, Any]:
    ready = bool(containers) and all(entry["ready"] for entry in containers)
    conditions = [
        {"type": "PodScheduled", "status": "True", **(scheduled or {})},
        {"type": "Ready", "status": str(ready)},
    ]
    return {
        "metadata": {
            "name": name,
            "namespace": "llm",
            "uid": f"uid-{name}",
            "labels": LABELS,
            "creationTimestamp": created,
            **metadata,
        },
        "status": {
            "phase": "Running" if ready else "Pending",
            "conditions": conditions,
            "initContainerStatuses": list(inits),
            "containerStatuses": list(containers),
        },
    }


def container(
    name: str = "kserve-container",
    *,
    ready: bool = False,
    restarts: int = 0,
    last: dict[str, Any] | None = None,
    **state: dict[str, Any],
) -> dict[str, Any]:
    """A container's status: ``waiting={"reason": ...}``, ``running={}`` or ``terminated={...}``; ``last`` likewise."""
    status = {"name": name, "ready": ready, "restartCount": restarts, "state": state}
    return {**status, "lastState": {"terminated": last} if last else {}}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return container(waiting={"reason": reason, "message": message}, **more)


def running(**more: Any) -> dict[str, Any]:
    return container(running={"startedAt": "2026-01-01T00:00:10Z"}, **more)


def unschedulable(message: str = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.") -> dict[str, Any]:
    return pod(scheduled={"status": "False", "reason": "Unschedulable", "message": message})


def initializer(message: str, code: int = 1, reason: str = "Error", restarts: int = 0, **more: Any) -> dict[str, Any]:
    """A storage-initializer that has ended."""
    end = {"exitCode": code, "reason": reason, "message": message}
    return container("storage-initializer", terminated=end, restarts=restarts, **more)


def event(
    reason: str, message: str = "", uid: str = f"uid-{POD}", kind: str = "Normal", at: str = "10"
) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{reason}-{at}", "namespace": "llm", "resourceVersion": at},
        "type": kind,
        "reason": reason,
        "message": message,
        "lastTimestamp": f"2026-01-01T00:00:{at}Z",
        "involvedObject": {"uid": uid},
    }
