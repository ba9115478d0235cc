# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an object of each kind is ready: one pure rule per kind, and criteria that a user can state instead.

A rule takes the object as parsed JSON and gives a ``Verdict``: ``ready``, ``progressing`` or (when it will never be
ready) ``failed``. A condition that was observed for an older generation of the object does not count: the newer is
taken of the condition's own ``observedGeneration`` (Gateway API, cert-manager) or the status's (Kuadrant, apps).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject
from ansible_collections.llmops.maas.plugins.module_utils._wait.pod_health import condition, describe
from ansible_collections.llmops.maas.plugins.module_utils._wait.rollout import (
    daemon_set_gap,
    deployment_gap,
    is_observed,
    stateful_set_gap,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import Verdict

Rule = Callable[[KubeObject], Verdict]

READY = Verdict(state="ready", phase="ready")


def waiting(reason: str, message: str, hint: str = "") -> Verdict:
    return Verdict(state="progressing", phase="waiting", reason=reason, message=message, hint=hint)


def failed(reason: str, message: str, hint: str = "") -> Verdict:
    return Verdict(state="failed", phase="failed", reason=reason, message=message, hint=hint)


# --- conditions -----------------------------------------------------------------------------------------------------


def conditions_met(
    item: KubeObject, wanted: Mapping[str, str], reasons: Mapping[str, Sequence[str]] | None = None
) -> Verdict:
    """Whether each condition (type: status) holds for the object's present generation.

    ``reasons`` gives, by condition, reasons with which any other status of it is right as well.
    """
    for name, status in wanted.items():
        verdict = condition_met(item, condition(item, name), name, status, (reasons or {}).get(name, ()))
        if verdict.state != "ready":
            return verdict
    return READY


def condition_met(
    item: KubeObject, entry: Mapping[str, Any], name: str, status: str, reasons: Sequence[str]
) -> Verdict:
    if not entry:
        return waiting("NoCondition", f"condition {name} is not set yet", "Is the controller of this kind running?")
    if is_stale(item, entry):
        return waiting("NotObserved", f"condition {name} is of an older generation of the object")
    if entry.get("status") == status or entry.get("reason") in reasons:
        return READY
    reason = str(entry.get("reason") or name)
    return waiting(reason, f"{name} is {entry.get('status')}: {entry.get('message') or reason}", HINTS.get(reason, ""))


def is_stale(item: KubeObject, entry: Mapping[str, Any]) -> bool:
    """Whether a condition (or a part of the status with an observedGeneration of its own) is of an older generation."""
    observed = entry.get("observedGeneration", (item.get("status") or {}).get("observedGeneration"))
    generation = item["metadata"].get("generation")
    return isinstance(observed, int) and isinstance(generation, int) and observed < generation


def reason_among(item: KubeObject, reasons: Sequence[str]) -> Mapping[str, Any]:
    """The first condition that is not true and has one of these reasons, or an empty mapping."""
    for entry in (item.get("status") or {}).get("conditions") or []:
        if entry.get("status") != "True" and entry.get("reason") in reasons and not is_stale(item, entry):
            return dict(entry)
    return {}


def _when(**wanted: str) -> Rule:
    return lambda item: conditions_met(item, wanted)


# Suggested fixes, by the reason of a condition.
HINTS = {
    "AddressNotAssigned": "The Gateway's Service has no address: give the cluster a load balancer, or annotate the "
    "Gateway with networking.istio.io/service-type: ClusterIP.",
    "MissingDependency": "Install the Gateway API CRDs, Istio, the Authorino operator and the Limitador operator; then "
    "restart the Kuadrant operator, which looks for them only when it starts.",
    "LimitadorNotReady": "Look at Deployment limitador-limitador and at the Limitador operator.",
    "AuthorinoNotReady": "Look at Deployment authorino and at the Authorino operator.",
    "TargetNotFound": "Create the object that spec.targetRef names, or correct the reference.",
    "Conflicted": "Another policy of this kind already targets the same object: delete one of them.",
    "Overridden": "A policy further up the hierarchy overrides this one.",
    "InvalidCelExpression": "Correct the CEL expression that the message names.",
    "BackendNotFound": "Create the Service that the route's backendRefs name, or correct the name.",
    "RefNotPermitted": "Add a ReferenceGrant in the namespace of the object that the route refers to.",
    "NotAllowedByListeners": "Let the Gateway's listener accept routes of this namespace (allowedRoutes).",
    "NoMatchingListenerHostname": "Give route and listener a hostname in common.",
    "NoMatchingParent": "Correct the route's parentRefs: the Gateway has no such listener.",
    "Pending": "The controller of this kind has not taken it up: is it running?",
}


# --- rules by kind --------------------------------------------------------------------------------------------------


def _rollout(gap: Callable[[KubeObject], str]) -> Rule:
    """Ready when the rollout lacks nothing; a refusal to create Pods (``ReplicaFailure``) is given as the reason.

    Source: see ``_rollout``; kubernetes ``pkg/controller/deployment/sync.go`` (ReplicaFailure).
    """

    def rule(item: KubeObject) -> Verdict:
        lacking = gap(item)
        if not lacking:
            return READY
        refusal = condition(item, "ReplicaFailure")
        if refusal.get("status") == "True":
            hint = "Raise the quota, change the policy or fix the admission webhook that the message names."
            return waiting(str(refusal.get("reason")), f"{lacking}: {refusal.get('message')}", hint)
        return waiting("RollingOut", lacking, "" if is_observed(item) else "Does kube-controller-manager run?")

    return rule


def job(item: KubeObject) -> Verdict:
    """Complete; Failed is final. Source: kubernetes ``pkg/apis/batch/types.go`` (JobConditionType)."""
    if condition(item, "Complete").get("status") == "True":
        return READY
    failure = condition(item, "Failed")
    if failure.get("status") == "True":
        message = f"the Job failed: {failure.get('message') or failure.get('reason')}"
        return failed(str(failure.get("reason") or "Failed"), message, "Read the logs of its Pods.")
    active = (item.get("status") or {}).get("active") or 0
    return waiting("Running", f"{active} Pods of the Job are active")


def crd(item: KubeObject) -> Verdict:
    """Established; a name that another CRD holds never is.

    Source: k8s.io/apiextensions-apiserver ``pkg/controller/status/naming_controller.go``.
    """
    names = condition(item, "NamesAccepted")
    if names.get("status") == "False":
        hint = "Delete the other CustomResourceDefinition of the same group and names, or this one."
        return failed(str(names.get("reason") or "NamesNotAccepted"), str(names.get("message")), hint)
    return conditions_met(item, {"Established": "True"})


def http_route(item: KubeObject) -> Verdict:
    """Accepted and with resolved references by every parent that the route names.

    Source: Gateway API ``apis/v1/shared_types.go`` (RouteStatus: one entry per parent and controller). Policy
    controllers write entries of their own, without the condition Accepted; they do not count.
    """
    entries = [
        entry
        for entry in (item.get("status") or {}).get("parents") or []
        if any(c.get("type") == "Accepted" for c in entry.get("conditions") or [])
    ]
    for wanted in (item.get("spec") or {}).get("parentRefs") or []:
        verdict = _parent_verdict(item, wanted, entries)
        if verdict.state != "ready":
            return verdict
    return READY


def _parent_verdict(route: KubeObject, wanted: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Verdict:
    home = route["metadata"].get("namespace")
    name = f"parent {wanted.get('name')}"
    entry = next((e for e in entries if _same_parent(e.get("parentRef") or {}, wanted, home)), None)
    if entry is None:
        hint = "Does that Gateway exist, and does its controller run?"
        return waiting("NoParentStatus", f"{name} has not taken up the route yet", hint)
    for kind in ("Accepted", "ResolvedRefs"):
        found: Mapping[str, Any] = next((c for c in entry["conditions"] if c.get("type") == kind), {})
        verdict = condition_met(route, found, f"{kind} ({name})", "True", ())
        if verdict.state != "ready":
            return verdict
    return READY


def _same_parent(one: Mapping[str, Any], other: Mapping[str, Any], home: Any) -> bool:
    return all(
        (one.get(part) or default) == (other.get(part) or default)
        for part, default in (("name", None), ("namespace", home), ("sectionName", None), ("port", None))
    )


def webhook_configuration(item: KubeObject) -> Verdict:
    """Every webhook that a Service answers has a CA bundle.

    Source: kubernetes ``staging/src/k8s.io/api/admissionregistration/v1/types.go`` (WebhookClientConfig);
    cert-manager's cainjector, KServe's and istiod's own injection leave it empty until they have a certificate.
    """
    clients = {hook.get("name"): hook.get("clientConfig") or {} for hook in item.get("webhooks") or []}
    empty = [str(name) for name, client in clients.items() if client.get("service") and not client.get("caBundle")]
    if not empty:
        return READY
    return waiting(
        "NoCaBundle",
        f"caBundle is not set for {', '.join(empty)}",
        "Is the Certificate that it comes from Ready, and is cert-manager's cainjector running?",
    )


def claim(item: KubeObject) -> Verdict:
    """Bound; Lost is final. Source: kubernetes ``staging/src/k8s.io/api/core/v1/types.go`` (ClaimBound)."""
    phase = (item.get("status") or {}).get("phase") or "Pending"
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return failed("Lost", "the claim's volume no longer exists", "Delete the claim and create it anew.")
    storage_class = (item.get("spec") or {}).get("storageClassName") or "the default class"
    hint = (
        f"Does storage class {storage_class} exist and provision? With WaitForFirstConsumer a Pod must use the claim."
    )
    return waiting(phase, f"the claim is {phase} (storage class {storage_class})", hint)


def namespace(item: KubeObject) -> Verdict:
    """Active. Source: kubernetes ``staging/src/k8s.io/api/core/v1/types.go`` (NamespacePhase)."""
    phase = (item.get("status") or {}).get("phase")
    if phase == "Active":
        return READY
    hint = "Its deletion waits for the objects in it: look for finalizers." if phase == "Terminating" else ""
    return waiting(str(phase or "NoPhase"), f"the namespace is {phase or 'new'}", hint)


def pod(item: KubeObject) -> Verdict:
    """Ready, or ended well. Source: kubernetes ``pkg/api/v1/pod/util.go`` (IsPodReady)."""
    phase = (item.get("status") or {}).get("phase")
    if phase == "Failed":
        return failed("Failed", describe(item), "Read the Pod's logs.")
    if phase == "Succeeded" or condition(item, "Ready").get("status") == "True":
        return READY
    return waiting("PodNotReady", describe(item))


def service(item: KubeObject) -> Verdict:
    """There, and with an address when it is of type LoadBalancer.

    Source: kubernetes ``staging/src/k8s.io/api/core/v1/types.go`` (LoadBalancerStatus).
    """
    if (item.get("spec") or {}).get("type") != "LoadBalancer":
        return READY
    if ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
        return READY
    hint = "This cluster may have no load balancer: use another Service type."
    return waiting("NoAddress", "the load balancer has no address yet", hint)


def auth_config(item: KubeObject) -> Verdict:
    """``status.summary.ready``. Source: Authorino ``api/v1beta3/auth_config_types.go`` (AuthConfigStatusSummary)."""
    if ((item.get("status") or {}).get("summary") or {}).get("ready"):
        return READY
    for entry in (item.get("status") or {}).get("conditions") or []:
        if entry.get("status") != "True":
            return waiting(str(entry.get("reason")), str(entry.get("message")))
    return waiting("NotReady", "Authorino has not taken up the AuthConfig yet")


def exists(item: KubeObject) -> Verdict:
    """Ready as soon as it is there and not being deleted."""
    if item["metadata"].get("deletionTimestamp"):
        return waiting("Terminating", "the object is being deleted")
    return READY


_POLICY = _when(Accepted="True", Enforced="True")
_GATEWAY = "gateway.networking.k8s.io"
_MONITORING = "monitoring.coreos.com"

RULES: dict[tuple[str, str], Rule] = {
    # kubernetes: see the rules' own sources.
    ("apps", "Deployment"): _rollout(deployment_gap),
    ("apps", "StatefulSet"): _rollout(stateful_set_gap),
    ("apps", "DaemonSet"): _rollout(daemon_set_gap),
    ("batch", "Job"): job,
    ("", "PersistentVolumeClaim"): claim,
    ("", "Namespace"): namespace,
    ("", "Pod"): pod,
    ("", "Service"): service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): crd,
    # k8s.io/kube-aggregator pkg/apis/apiregistration/types.go
    ("apiregistration.k8s.io", "APIService"): _when(Available="True"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): webhook_configuration,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): webhook_configuration,
    # Gateway API apis/v1/gateway_types.go, gatewayclass_types.go
    (_GATEWAY, "GatewayClass"): _when(Accepted="True"),
    (_GATEWAY, "Gateway"): _when(Accepted="True", Programmed="True"),
    (_GATEWAY, "HTTPRoute"): http_route,
    (_GATEWAY, "GRPCRoute"): http_route,
    # kuadrant-operator internal/controller/kuadrant_status_updater.go, internal/kuadrant/conditions.go
    ("kuadrant.io", "Kuadrant"): _when(Ready="True"),
    ("kuadrant.io", "AuthPolicy"): _POLICY,
    ("kuadrant.io", "RateLimitPolicy"): _POLICY,
    ("kuadrant.io", "TokenRateLimitPolicy"): _POLICY,
    ("kuadrant.io", "TLSPolicy"): _POLICY,
    ("kuadrant.io", "DNSPolicy"): _POLICY,
    # authorino-operator api/v1beta1/authorino_types.go, limitador-operator api/v1alpha1/limitador_types.go
    ("operator.authorino.kuadrant.io", "Authorino"): _when(Ready="True"),
    ("limitador.kuadrant.io", "Limitador"): _when(Ready="True"),
    ("authorino.kuadrant.io", "AuthConfig"): auth_config,
    # cert-manager pkg/apis/certmanager/v1/types_certificate.go, types_issuer.go
    ("cert-manager.io", "Certificate"): _when(Ready="True"),
    ("cert-manager.io", "Issuer"): _when(Ready="True"),
    ("cert-manager.io", "ClusterIssuer"): _when(Ready="True"),
    # prometheus-operator pkg/apis/monitoring/v1/types.go (ConditionType)
    (_MONITORING, "Prometheus"): _when(Reconciled="True", Available="True"),
    (_MONITORING, "Alertmanager"): _when(Reconciled="True", Available="True"),
}
RULES.update(
    dict.fromkeys(
        [
            ("", "ConfigMap"),
            ("", "Secret"),
            ("", "ServiceAccount"),
            ("rbac.authorization.k8s.io", "Role"),
            ("rbac.authorization.k8s.io", "RoleBinding"),
            ("rbac.authorization.k8s.io", "ClusterRole"),
            ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
            ("networking.k8s.io", "NetworkPolicy"),
            ("storage.k8s.io", "StorageClass"),
            (_GATEWAY, "ReferenceGrant"),
            ("serving.kserve.io", "ServingRuntime"),
            ("serving.kserve.io", "ClusterServingRuntime"),
            ("serving.kserve.io", "ClusterStorageContainer"),
            (_MONITORING, "ServiceMonitor"),
            (_MONITORING, "PodMonitor"),
            (_MONITORING, "PrometheusRule"),
        ],
        exists,
    )
)


def rule_of(api_version: str, kind: str) -> Rule | None:
    """The rule of a kind (of whatever version of its group), or None when there is none."""
    group = api_version.rpartition("/")[0]
    return RULES.get((group, kind))
