# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the deletion of an object is given up because nobody will remove its finalizers, and when it is not."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.llmops.maas.plugins.module_utils._manifests.record import Entry
from ansible_collections.llmops.maas.plugins.module_utils._manifests.stuck import StuckObjects
from ansible_collections.llmops.maas.plugins.module_utils._wait.controller_watch import DEPLOYMENTS


class DeletedObjects:
    """An API server that holds objects on their way out, and the Deployments of some controllers."""

    def __init__(
        self,
        *objects: dict[str, Any],
        instances: dict[str, list[dict[str, Any]]] | None = None,
        deployments: list[dict[str, Any]] | None = None,
    ) -> None:
        """:param instances: objects that go with others, by the path of their list."""
        self.objects = {item["metadata"]["name"]: item for item in objects}
        self.instances = instances or {}
        self.deployments = deployments or []
        self.asked: list[str] = []

    def request(self, _method: str, path: str, **options: Any) -> Any:
        self.asked.append(path)
        name = path.rpartition("/")[2]
        if path == DEPLOYMENTS:
            wanted = (options.get("query") or {}).get("fieldSelector", "").rpartition("=")[2]
            return {"items": [item for item in self.deployments if wanted in ("", item["metadata"]["name"])]}
        if path.count("/") == 2 and path.startswith("/apis/"):
            return {"preferredVersion": {"groupVersion": f"{name}/v1"}}
        if path in self.instances:
            items = self.instances[path]
            return {"kind": f"{items[0]['kind'] if items else ''}List", "items": items}
        if name not in self.objects:
            raise ApiError(404, {})
        return self.objects[name]


def leaving_object(api_version: str, kind: str, name: str, namespace: str = "", **parts: Any) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": namespace,
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": ["example.com/hold"],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **parts}


def entry_for(item: dict[str, Any]) -> Entry:
    return Entry(item["apiVersion"], item["kind"], item["kind"].lower() + "s", False, "", item["metadata"]["name"])


def hopeless_after(
    server: DeletedObjects, seconds: float, step: float = 1.0, grace: float = 10.0
) -> tuple[float, dict[str, str]]:
    """When the first object counted as hopeless, and why, by name; (seconds, {}) when none did in that time."""
    now = [0.0]
    stuck = StuckObjects(cast(Kube, server), grace, clock=lambda: now[0])
    leaving = {entry.key: entry for entry in map(entry_for, server.objects.values())}
    while now[0] <= seconds:
        found = stuck.hopeless(leaving)
        if found:
            return now[0], {key.name: text for key, text in found.items()}
        now[0] += step
    return seconds, {}


CRD_SPEC = {"group": "monitoring.coreos.com", "names": {"kind": "Prometheus", "plural": "prometheuses"}}
DEFINITION = leaving_object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "a", spec=CRD_SPEC)
PROMETHEUS = leaving_object("monitoring.coreos.com/v1", "Prometheus", "models", namespace="llm")


def namespace_with(text: str) -> dict[str, Any]:
    """A namespace that is not empty, as the namespace controller describes it."""
    message = f"Some resources are remaining: {text}"
    condition = {"type": "NamespaceContentRemaining", "status": "True", "message": message}
    return leaving_object("v1", "Namespace", "a", status={"conditions": [condition]})


@pytest.mark.parametrize(
    ("item", "instances", "words", "controller"),
    [
        (leaving_object("monitoring.coreos.com/v1", "Prometheus", "a"), {}, "its", "prometheus-operator"),
        (leaving_object("kuadrant.io/v1alpha1", "DNSRecord", "a"), {}, "its", "dns-operator-controller-manager"),
        (
            DEFINITION,
            {"/apis/monitoring.coreos.com/v1/prometheuses": [PROMETHEUS]},
            "the Prometheus llm/models goes with it, whose",
            "prometheus-operator",
        ),
        (
            namespace_with("pods. has 1 resource instances, certificates.cert-manager.io has 2 resource instances"),
            {
                "/apis/cert-manager.io/v1/namespaces/a/certificates": [
                    leaving_object("cert-manager.io/v1", "Certificate", "tls", namespace="a")
                ]
            },
            "the Certificate a/tls goes with it, whose",
            "cert-manager",
        ),
    ],
)
def test_a_deletion_without_its_controller_is_given_up(
    item: dict[str, Any], instances: dict[str, list[dict[str, Any]]], words: str, controller: str
) -> None:
    when, found = hopeless_after(DeletedObjects(item, instances=instances), 130)
    assert 10 <= when <= 30
    assert found["a"].startswith(f"ControllerMissing: {words} finalizers (example.com/hold) are still there")
    assert f"Deployment {controller} exists in no namespace. Install {controller}." in found["a"]
    assert "run again" in found["a"]


@pytest.mark.parametrize(
    "item",
    [
        leaving_object("v1", "ConfigMap", "a"),
        namespace_with("pods. has 3 resource instances"),
        namespace_with("things.example.com has 3 resource instances"),
        # It says what was there some time ago.
        namespace_with("prometheuses.monitoring.coreos.com has 1 resource instances"),
        DEFINITION,
        # Its finalizers hold nothing as long as nobody deletes it, or nobody needs to remove any.
        {**PROMETHEUS, "metadata": {"name": "a", "finalizers": ["example.com/hold"]}},
        {**PROMETHEUS, "metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
    ],
)
def test_a_deletion_of_which_nobody_knows_who_ends_it_is_waited_for(item: dict[str, Any]) -> None:
    empty = "/apis/monitoring.coreos.com/v1/prometheuses", "/apis/monitoring.coreos.com/v1/namespaces/a/prometheuses"
    assert hopeless_after(DeletedObjects(item, instances={path: [] for path in empty}), 300) == (300, {})


def test_a_deletion_whose_controller_runs_is_waited_for() -> None:
    running = {
        "metadata": {"name": "prometheus-operator", "namespace": "somewhere"},
        "spec": {"replicas": 1},
        "status": {"readyReplicas": 1},
    }
    assert hopeless_after(DeletedObjects(PROMETHEUS, deployments=[running]), 600) == (600, {})


def test_deletions_that_end_in_time_ask_for_nothing() -> None:
    server = DeletedObjects(PROMETHEUS)
    assert hopeless_after(server, 9) == (9, {})
    assert server.asked == []
    assert hopeless_after(server, 600, grace=0) == (600, {})
    assert server.asked == []
