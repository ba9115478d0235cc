# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the workload kinds of ``apps/v1`` are rolled out completely.

Source: kubernetes ``staging/src/k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go`` (``kubectl rollout status``);
stricter in one point: every replica must be available at the end, not only the updated ones.
"""

from __future__ import annotations

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject


def wanted_replicas(workload: KubeObject) -> int:
    """``spec.replicas``, which the API server sets to 1 when it is absent."""
    value = (workload.get("spec") or {}).get("replicas")
    return 1 if value is None else int(value)


def is_observed(workload: KubeObject) -> bool:
    """Whether the kind's controller has seen the newest spec."""
    return _number(workload, "observedGeneration") >= int(workload["metadata"].get("generation") or 0)


def deployment_gap(deployment: KubeObject) -> str:
    """What a Deployment's rollout still lacks; empty when it is complete."""
    if not is_observed(deployment):
        return "the Deployment's change is not observed yet"
    wanted = wanted_replicas(deployment)
    updated, available = _number(deployment, "updatedReplicas"), _number(deployment, "availableReplicas")
    if updated < wanted:
        return f"{updated} of {wanted} replicas are updated"
    if available != wanted or _number(deployment, "unavailableReplicas"):
        return f"{available} of {wanted} replicas are available"
    if _number(deployment, "replicas") > updated:
        return "old replicas are still running"
    return ""


def stateful_set_gap(workload: KubeObject) -> str:
    """What a StatefulSet's rollout still lacks; empty when it is complete. OnDelete sets need not be updated."""
    if not is_observed(workload):
        return "the StatefulSet's change is not observed yet"
    wanted = wanted_replicas(workload)
    ready = _number(workload, "readyReplicas")
    if ready < wanted:
        return f"{ready} of {wanted} replicas are ready"
    strategy = (workload.get("spec") or {}).get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return ""
    due = wanted - int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    updated = _number(workload, "updatedReplicas")
    return f"{updated} of {due} replicas are updated" if updated < due else ""


def daemon_set_gap(workload: KubeObject) -> str:
    """What a DaemonSet's rollout still lacks; empty when it is complete."""
    if not is_observed(workload):
        return "the DaemonSet's change is not observed yet"
    wanted = _number(workload, "desiredNumberScheduled")
    for part, words in (("updatedNumberScheduled", "updated"), ("numberAvailable", "available")):
        if _number(workload, part) < wanted:
            return f"{_number(workload, part)} of {wanted} Pods are {words}"
    return ""


def _number(workload: KubeObject, name: str) -> int:
    return int((workload.get("status") or {}).get(name) or 0)
