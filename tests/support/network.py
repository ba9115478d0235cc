# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NetworkPolicies say about flows between Pods, as a network plugin reads them: nothing enforces them here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.deployment import Deployment

Object = Mapping[str, Any]


def _selects(selector: Object, labels: Object) -> bool:
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())


@dataclass
class Network:
    """The Pods, Services and NetworkPolicies of a cluster."""

    pods: list[Object]
    services: list[Object]
    policies: list[Object]

    @classmethod
    def of(cls, deployment: Deployment) -> Network:
        policies = deployment.get("networking.k8s.io/v1", "networkpolicies")
        return cls(deployment.get("v1", "pods"), deployment.get("v1", "services"), policies)

    def named(self, namespace: str, name: str) -> Object:
        """The first Pod whose name begins so."""
        return next(
            pod
            for pod in self.pods
            if pod["metadata"]["namespace"] == namespace and pod["metadata"]["name"].startswith(name)
        )

    def behind(self, namespace: str, service: str, port: int | str) -> tuple[Object, int]:
        """A Pod of a Service, and the Pod's port for that of the Service, by number or name."""
        (found,) = [
            item
            for item in self.services
            if (item["metadata"]["namespace"], item["metadata"]["name"]) == (namespace, service)
        ]
        (target,) = [item["targetPort"] for item in found["spec"]["ports"] if port in {item["port"], item.get("name")}]
        pod = next(
            pod
            for pod in self.pods
            if pod["metadata"]["namespace"] == namespace
            and _selects({"matchLabels": found["spec"]["selector"]}, pod["metadata"]["labels"])
        )
        containers = pod["spec"]["containers"]
        named = {item.get("name"): item["containerPort"] for each in containers for item in each.get("ports") or ()}
        return pod, target if isinstance(target, int) else named[target]

    def allows(self, source: Object | None, target: Object, port: int) -> bool:
        """Whether both sides let it through; without a source it comes from outside of the cluster's Pods."""
        outgoing = source is None or any(self._passes("Egress", source, target, port))
        return outgoing and any(self._passes("Ingress", target, source, port))

    def _passes(self, side: str, pod: Object, peer: Object | None, port: int) -> Iterator[bool]:
        metadata = pod["metadata"]
        for policy in self.policies:
            spec = policy["spec"]
            same = policy["metadata"]["namespace"] == metadata["namespace"]
            if same and side in spec["policyTypes"] and _selects(spec["podSelector"], metadata["labels"]):
                for rule in spec.get(side.lower()) or ():
                    ports = [item["port"] for item in rule.get("ports") or () if item["protocol"] == "TCP"]
                    yield (not ports or port in ports) and _is_peer(rule.get({"Ingress": "from"}.get(side, "to")), peer)


def _is_peer(peers: list[Object] | None, pod: Object | None) -> bool:
    if not peers:
        return True
    if pod is None:
        return False
    metadata = pod["metadata"]
    names = {"kubernetes.io/metadata.name": metadata["namespace"]}
    return any(
        _selects(peer["namespaceSelector"], names) and _selects(peer.get("podSelector") or {}, metadata["labels"])
        for peer in peers
    )


def webhook_services(deployment: Deployment) -> set[tuple[str, str, int]]:
    """Namespace, name and port of every Service that the API server calls as a webhook."""
    found = set()
    for plural in ("validatingwebhookconfigurations", "mutatingwebhookconfigurations"):
        for item in deployment.get("admissionregistration.k8s.io/v1", plural):
            for webhook in item.get("webhooks") or ():
                service = webhook["clientConfig"]["service"]
                found.add((service["namespace"], service["name"], service.get("port", 443)))
    return found
