# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order in which objects are applied and deleted."""

from __future__ import annotations

_WAVES = (
    {"Namespace"},
    {"CustomResourceDefinition"},
    {
        "ClusterRole",
        "ClusterRoleBinding",
        "LimitRange",
        "NetworkPolicy",
        "PriorityClass",
        "ResourceQuota",
        "Role",
        "RoleBinding",
        "RuntimeClass",
        "ServiceAccount",
        "StorageClass",
    },
    {"ConfigMap", "Endpoints", "EndpointSlice", "PersistentVolume", "PersistentVolumeClaim", "Secret", "Service"},
)
_WEBHOOKS = {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "APIService"}
_POLICIES = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
_WORKLOADS = len(_WAVES)
_ADMISSION = _WORKLOADS + 1
_CUSTOM = _WORKLOADS + 2

NAMESPACES = 0
DEFINITIONS = 1
WAVES = _CUSTOM + 1

# API groups that Kubernetes itself serves; a kind of any other group is a custom resource.
_OWN_GROUPS = {
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
}


def wave(group: str, kind: str) -> int:
    """Number of the wave, 0 first: namespaces, CRDs, RBAC and limits, configuration, workloads, webhooks, the rest.

    Webhooks come after the workloads that answer them, custom resources after the webhooks that check them.
    """
    if group not in _OWN_GROUPS:
        return _CUSTOM
    for number, kinds in enumerate(_WAVES):
        if kind in kinds:
            return number
    return _ADMISSION if kind in _WEBHOOKS | _POLICIES else _WORKLOADS


def removal_wave(group: str, kind: str) -> int:
    """Number of the wave in which an object is deleted, 0 first.

    Backwards, but for CRDs, which go right after the bundle's own custom resources: with a CRD go the objects of its
    kind that others made, and the controllers that have to release their finalizers must still be there.
    """
    number = wave(group, kind)
    if number == _CUSTOM:
        return 0
    return 1 if number == DEFINITIONS else WAVES - number


# Kinds whose `metadata.generation` the API server raises with every change of anything but metadata and status (their
# strategy's PrepareForUpdate in k8s.io/kubernetes/pkg/registry and in apiextensions-apiserver).
_GENERATION_KINDS = {
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
}


def generation_tells(group: str, kind: str) -> bool:
    """Whether an unchanged generation proves that nothing but metadata and status was changed."""
    return (group, kind) in _GENERATION_KINDS
