# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each kind's rule: what is ready, what is not yet, what never will be."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._wait.criteria import CriterionError, criterion_for
from ansible_collections.llmops.maas.plugins.module_utils._wait.readiness import RULES, rule_of

GATEWAY = "gateway.networking.k8s.io/v1"


def item(status: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "x", "namespace": "llm", "generation": 2},
        "spec": spec or {},
        "status": status or {},
        **more,
    }


def conditions(*entries: tuple[str, str], observed: int | None = 2, reason: str = "Because") -> dict[str, Any]:
    extra = {} if observed is None else {"observedGeneration": observed}
    return {"conditions": [{"type": name, "status": value, "reason": reason, **extra} for name, value in entries]}


def state(api_version: str, kind: str, thing: dict[str, Any]) -> str:
    rule = rule_of(api_version, kind)
    assert rule is not None
    return rule(thing).state


def deployment(**status: Any) -> dict[str, Any]:
    done = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return item({**done, **status}, {"replicas": 2})


def stateful_set(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    done = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
    return item({**done, **status}, {"replicas": 2, **(spec or {})})


def daemon_set(**status: Any) -> dict[str, Any]:
    done = {"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}
    return item({**done, **status})


def hooks(*clients: dict[str, Any]) -> dict[str, Any]:
    return item(webhooks=[{"name": f"hook-{number}", "clientConfig": client} for number, client in enumerate(clients)])


SERVICE = {"service": {"name": "s"}}
APPS, ADMISSION = "apps/v1", "admissionregistration.k8s.io/v1"
PARTITION = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}
CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")

CASES: list[tuple[str, str, dict[str, Any], str]] = [
    (APPS, "Deployment", deployment(), "ready"),
    (APPS, "Deployment", deployment(observedGeneration=1), "progressing"),
    (APPS, "Deployment", deployment(updatedReplicas=1), "progressing"),
    (APPS, "Deployment", deployment(availableReplicas=1), "progressing"),
    (APPS, "Deployment", deployment(unavailableReplicas=1), "progressing"),
    (APPS, "Deployment", deployment(replicas=3), "progressing"),
    (APPS, "StatefulSet", stateful_set(), "ready"),
    (APPS, "StatefulSet", stateful_set(observedGeneration=1), "progressing"),
    (APPS, "StatefulSet", stateful_set(readyReplicas=1), "progressing"),
    (APPS, "StatefulSet", stateful_set(updatedReplicas=1), "progressing"),
    (APPS, "StatefulSet", stateful_set(PARTITION, updatedReplicas=1), "ready"),
    (APPS, "StatefulSet", stateful_set({"updateStrategy": {"type": "OnDelete"}}, updatedReplicas=0), "ready"),
    (APPS, "DaemonSet", daemon_set(), "ready"),
    (APPS, "DaemonSet", daemon_set(observedGeneration=1), "progressing"),
    (APPS, "DaemonSet", daemon_set(updatedNumberScheduled=1), "progressing"),
    (APPS, "DaemonSet", daemon_set(numberAvailable=1), "progressing"),
    ("batch/v1", "Job", item(conditions(("Complete", "True"))), "ready"),
    ("batch/v1", "Job", item({"active": 1}), "progressing"),
    ("batch/v1", "Job", item(conditions(("Failed", "True"), reason="BackoffLimitExceeded")), "failed"),
    (*CRD, item(conditions(("Established", "True"), ("NamesAccepted", "True"), observed=None)), "ready"),
    (*CRD, item(conditions(("NamesAccepted", "True"), observed=None)), "progressing"),
    (*CRD, item(conditions(("Established", "False"), ("NamesAccepted", "False"), observed=None)), "failed"),
    (GATEWAY, "GatewayClass", item(conditions(("Accepted", "True"))), "ready"),
    (GATEWAY, "GatewayClass", item(conditions(("Accepted", "Unknown"))), "progressing"),
    (GATEWAY, "Gateway", item(conditions(("Accepted", "True"), ("Programmed", "True"))), "ready"),
    (GATEWAY, "Gateway", item(conditions(("Accepted", "True"), ("Programmed", "False"))), "progressing"),
    (GATEWAY, "Gateway", item(conditions(("Programmed", "True"))), "progressing"),
    (GATEWAY, "Gateway", item(conditions(("Accepted", "True"), ("Programmed", "True"), observed=1)), "progressing"),
    ("kuadrant.io/v1beta1", "Kuadrant", item(conditions(("Ready", "True"), observed=None)), "ready"),
    ("kuadrant.io/v1beta1", "Kuadrant", item(conditions(("Ready", "False"), observed=None)), "progressing"),
    (
        "kuadrant.io/v1beta1",
        "Kuadrant",
        item({**conditions(("Ready", "True"), observed=None), "observedGeneration": 1}),
        "progressing",
    ),
    (
        "operator.authorino.kuadrant.io/v1beta1",
        "Authorino",
        item(conditions(("Ready", "True"), observed=None)),
        "ready",
    ),
    ("limitador.kuadrant.io/v1alpha1", "Limitador", item(conditions(("Ready", "False"), observed=None)), "progressing"),
    ("authorino.kuadrant.io/v1beta3", "AuthConfig", item({"summary": {"ready": True}}), "ready"),
    ("authorino.kuadrant.io/v1beta3", "AuthConfig", item({"summary": {"ready": False}}), "progressing"),
    ("cert-manager.io/v1", "Certificate", item(conditions(("Ready", "True"))), "ready"),
    ("cert-manager.io/v1", "Certificate", item(conditions(("Ready", "True"), observed=1)), "progressing"),
    ("cert-manager.io/v1", "ClusterIssuer", item(conditions(("Ready", "False"))), "progressing"),
    ("cert-manager.io/v1", "Issuer", item(conditions(("Ready", "True"))), "ready"),
    (ADMISSION, "ValidatingWebhookConfiguration", hooks({**SERVICE, "caBundle": "Q0E="}), "ready"),
    (ADMISSION, "ValidatingWebhookConfiguration", hooks({**SERVICE, "caBundle": "Q0E="}, SERVICE), "progressing"),
    (ADMISSION, "MutatingWebhookConfiguration", hooks(SERVICE), "progressing"),
    (ADMISSION, "MutatingWebhookConfiguration", hooks({"url": "https://127.0.0.1"}), "ready"),
    ("v1", "PersistentVolumeClaim", item({"phase": "Bound"}), "ready"),
    ("v1", "PersistentVolumeClaim", item({"phase": "Pending"}), "progressing"),
    ("v1", "PersistentVolumeClaim", item({"phase": "Lost"}), "failed"),
    ("v1", "Namespace", item({"phase": "Active"}), "ready"),
    ("v1", "Namespace", item({"phase": "Terminating"}), "progressing"),
    ("v1", "Pod", item({"phase": "Running", **conditions(("Ready", "True"))}), "ready"),
    ("v1", "Pod", item({"phase": "Running", **conditions(("Ready", "False"))}), "progressing"),
    ("v1", "Pod", item({"phase": "Succeeded"}), "ready"),
    ("v1", "Pod", item({"phase": "Failed"}), "failed"),
    ("v1", "Service", item(spec={"type": "ClusterIP"}), "ready"),
    ("v1", "Service", item(spec={"type": "LoadBalancer"}), "progressing"),
    ("v1", "Service", item({"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}}, {"type": "LoadBalancer"}), "ready"),
    ("apiregistration.k8s.io/v1", "APIService", item(conditions(("Available", "True"))), "ready"),
    ("apiregistration.k8s.io/v1", "APIService", item(conditions(("Available", "False"))), "progressing"),
    (
        "monitoring.coreos.com/v1",
        "Prometheus",
        item(conditions(("Reconciled", "True"), ("Available", "True"))),
        "ready",
    ),
    ("monitoring.coreos.com/v1", "Alertmanager", item(conditions(("Reconciled", "True"))), "progressing"),
    ("v1", "Secret", item(), "ready"),
]
CASES += [
    ("kuadrant.io/v1", kind, item({**conditions(*parts, observed=None), "observedGeneration": generation}), verdict)
    for kind in ("AuthPolicy", "RateLimitPolicy", "TokenRateLimitPolicy", "TLSPolicy", "DNSPolicy")
    for parts, generation, verdict in [
        ([("Accepted", "True"), ("Enforced", "True")], 2, "ready"),
        ([("Accepted", "True"), ("Enforced", "True")], 1, "progressing"),
        ([("Accepted", "True"), ("Enforced", "False")], 2, "progressing"),
        ([("Accepted", "False")], 2, "progressing"),
    ]
]


@pytest.mark.parametrize(("api_version", "kind", "thing", "expected"), CASES)
def test_rules(api_version: str, kind: str, thing: dict[str, Any], expected: str) -> None:
    assert state(api_version, kind, thing) == expected


def parent(accepted: str = "True", resolved: str = "True", **ref: Any) -> dict[str, Any]:
    return {"parentRef": {"name": "gw", **ref}, **conditions(("Accepted", accepted), ("ResolvedRefs", resolved))}


POLICY_ENTRY = {"parentRef": {"name": "gw"}, **conditions(("kuadrant.io/AuthPolicyAffected", "True"))}


@pytest.mark.parametrize(
    ("parents", "refs", "expected"),
    [
        ([parent()], [{"name": "gw"}], "ready"),
        ([parent(namespace="llm")], [{"name": "gw"}], "ready"),
        ([POLICY_ENTRY, parent()], [{"name": "gw"}], "ready"),
        ([POLICY_ENTRY], [{"name": "gw"}], "progressing"),
        ([], [{"name": "gw"}], "progressing"),
        ([parent(accepted="False")], [{"name": "gw"}], "progressing"),
        ([parent(resolved="False")], [{"name": "gw"}], "progressing"),
        ([parent()], [{"name": "gw"}, {"name": "other"}], "progressing"),
        ([parent(sectionName="http")], [{"name": "gw", "sectionName": "https"}], "progressing"),
        ([parent(namespace="elsewhere")], [{"name": "gw"}], "progressing"),
        (
            [{**parent(), **conditions(("Accepted", "True"), ("ResolvedRefs", "True"), observed=1)}],
            [{"name": "gw"}],
            "progressing",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
def test_routes(kind: str, parents: list[dict[str, Any]], refs: list[dict[str, Any]], expected: str) -> None:
    assert state(GATEWAY, kind, item({"parents": parents}, {"parentRefs": refs})) == expected


def test_every_rule_with_a_status_is_tested() -> None:
    tested = {(api_version.rpartition("/")[0], kind) for api_version, kind, _thing, _state in CASES}
    tested |= {("gateway.networking.k8s.io", kind) for kind in ("HTTPRoute", "GRPCRoute")}
    assert {key for key, rule in RULES.items() if rule.__name__ != "exists"} <= tested


def test_refused_pods_are_told() -> None:
    refusal = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    rule = rule_of(APPS, "Deployment")
    assert rule is not None
    verdict = rule(deployment(availableReplicas=0, conditions=[refusal]))
    assert (verdict.reason, "exceeded quota" in verdict.message) == ("FailedCreate", True)


# --- what a user asks for instead -----------------------------------------------------------------------------------


DENY = item(
    {
        **conditions(("Accepted", "True"), ("Enforced", "False"), observed=None, reason="Overridden"),
        "observedGeneration": 2,
    }
)


@pytest.mark.parametrize(
    ("wanted", "thing", "expected"),
    [
        ("exists", item(), "ready"),
        ("exists", item(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), "progressing"),
        ({"condition": "Synced"}, item(conditions(("Synced", "True"))), "ready"),
        ({"condition": "Synced"}, item(conditions(("Synced", "True"), observed=1)), "progressing"),
        ({"condition": "Synced", "status": False}, item(conditions(("Synced", "False"))), "ready"),
        ({"condition": "Synced"}, item(), "progressing"),
        ({"conditions": {"Accepted": "True"}}, DENY, "ready"),
        ({"conditions": {"Accepted": True, "Enforced": True}}, DENY, "progressing"),
        ({"conditions": {"Accepted": "True"}, "reasons": {"Enforced": ["Overridden"]}}, DENY, "ready"),
        ({"conditions": {"Accepted": "True"}, "reasons": {"Enforced": ["Unknown"]}}, DENY, "progressing"),
        ({"jmespath": "status.phase", "value": "Active"}, item({"phase": "Active"}), "ready"),
        ({"jmespath": "status.phase", "value": "Active"}, item({"phase": "Other"}), "progressing"),
        ({"jmespath": "status.count", "value": 0}, item({"count": 0}), "ready"),
        ({"jmespath": "status.ips"}, item({"ips": []}), "progressing"),
        ({"jmespath": "length(status.ips)"}, item(), "progressing"),
        ({"jmespath": "length(status.ips)", "value": 1}, item({"ips": ["a"]}), "ready"),
        ({"jmespath": "parse_json(status.text).a[0]", "value": 1}, item({"text": '{"a": [1]}'}), "ready"),
        ({"jmespath": "parse_json(status.text).a[0]", "value": 1}, item({"text": '{"a": [2]}'}), "progressing"),
        ({"jmespath": "parse_json(status.text)"}, item({"text": "{"}), "progressing"),
        ({"jmespath": "parse_json(status.text)"}, item(), "progressing"),
    ],
)
def test_criteria(wanted: Any, thing: dict[str, Any], expected: str) -> None:
    assert criterion_for("x/v1", "Thing", wanted).rule(thing).state == expected


def test_deleted() -> None:
    assert criterion_for("x/v1", "Thing", "deleted").deleted


def test_keys() -> None:
    rule = criterion_for("v1", "Secret", None, ["tls.crt", "tls.key"]).rule
    assert rule(item(data={"tls.crt": True, "tls.key": True})).state == "ready"
    lacking = rule(item(data={"tls.crt": True, "tls.key": False}))
    assert (lacking.state, lacking.reason) == ("progressing", "KeysMissing")
    assert "tls.key" in lacking.message
    assert "tls.crt" not in lacking.message


@pytest.mark.parametrize(
    ("kind", "wanted", "keys", "words"),
    [
        ("Thing", None, None, "no rule of its own"),
        ("InferenceService", None, None, "inference_service_wait"),
        ("Thing", "ready", None, "write 'exists'"),
        ("Thing", {"cond": "x"}, None, "has the keys"),
        ("Thing", {"condition": "x", "state": "True"}, None, "unknown keys state"),
        ("Thing", {"condition": "x", "status": "Yes"}, None, "'True', 'False' or 'Unknown'"),
        ("Thing", {"jmespath": "a["}, None, "JMESPath cannot read"),
        ("Thing", {"jmespath": "a[?b == len(@)]"}, None, "no function len "),
        ("Deployment", "exists", ["a"], "for Secrets and ConfigMaps"),
    ],
)
def test_mistakes_are_explained(kind: str, wanted: Any, keys: list[str] | None, words: str) -> None:
    with pytest.raises(CriterionError, match=words.replace("[", r"\[")):
        criterion_for("x/v1", kind, wanted, keys)


def test_old_replicas_that_are_available_do_not_hide_that_few_are_updated() -> None:
    rule = rule_of(APPS, "Deployment")
    assert rule is not None
    assert rule(deployment(updatedReplicas=1)).message == "1 of 2 replicas are updated"
