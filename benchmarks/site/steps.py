# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run of site.yml did, as steps that other tools can do too: applies and waits, in its order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import Manifest
from ansible_collections.llmops.maas.plugins.module_utils._kube.yaml import dump_json
from ansible_collections.llmops.maas.plugins.module_utils._manifests.owned_fields import path_parts
from ansible_collections.llmops.maas.plugins.module_utils._manifests.transform import matches
from benchmarks.recording import Task, manifests_of, write_file


@dataclass(frozen=True)
class Apply:
    """Apply a file; ``rehearse`` means as a dry run."""

    name: str
    path: Path
    rehearse: bool
    size: int


@dataclass(frozen=True)
class Goal:
    """When an object is ready: rolled out, or with a condition, or with a field (with that value, or any)."""

    rollout: bool = False
    condition: str = ""
    status: str = "True"
    field: str = ""
    value: str = ""


@dataclass(frozen=True)
class Wait:
    """Wait for objects of one kind: those of these names, or with these labels."""

    api_version: str
    kind: str
    namespace: str
    names: tuple[str, ...]
    selector: str
    goal: Goal

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]


Step = Apply | Wait

_ROLLOUT = Goal(rollout=True)
_HAS_CA = Goal(field="webhooks[0].clientConfig.caBundle")
# The weakest sign that says as much as the rules of this collection, so that no peer does more than it has to.
GOALS = {
    "AuthPolicy": Goal(condition="Enforced"),
    "Certificate": Goal(condition="Ready"),
    "ClusterIssuer": Goal(condition="Ready"),
    "DaemonSet": _ROLLOUT,
    "Deployment": _ROLLOUT,
    "Gateway": Goal(condition="Programmed"),
    "GatewayClass": Goal(condition="Accepted"),
    "HTTPRoute": Goal(field="status.parents[0].conditions[0].status", value="True"),
    "InferenceService": Goal(condition="Ready"),
    "Job": Goal(condition="Complete"),
    "Kuadrant": Goal(condition="Ready"),
    "MutatingWebhookConfiguration": _HAS_CA,
    "PersistentVolumeClaim": Goal(field="status.phase", value="Bound"),
    "RateLimitPolicy": Goal(condition="Enforced"),
    "Secret": Goal(field="metadata.uid"),
    "StatefulSet": _ROLLOUT,
    "TokenRateLimitPolicy": Goal(condition="Enforced"),
    "ValidatingWebhookConfiguration": _HAS_CA,
}


def steps_of(tasks: Sequence[Task], kube: Kube, folder: Path) -> list[Step]:
    """The steps of recorded tasks. Raises KeyError for a kind that this benchmark has no goal for."""
    steps: list[Step] = []
    for number, task in enumerate(tasks):
        if task.action == "manifests":
            name = str(task.arguments["bundle"] or "probe")
            manifests = manifests_without_others(task)
            # What is switched off has none.
            if manifests:
                steps.append(apply_step(name, folder / f"{number:02}-{name}.yaml", manifests, task))
        elif task.action == "secrets":
            name = f"secrets-{number:02}"
            steps.append(apply_step(name, folder / f"{number:02}-secrets.yaml", secrets_of(task, kube), task))
        else:
            steps += waits_of(task)
    return steps


def apply_step(name: str, path: Path, manifests: Sequence[Manifest], task: Task) -> Apply:
    write_file(path, manifests)
    # Some of them hold credentials.
    path.chmod(0o600)
    return Apply(name, path, task.check, len(manifests))


def manifests_without_others(task: Task) -> list[Manifest]:
    """The task's objects without the fields that it leaves to others once the object is there (``create_only``)."""
    manifests = manifests_of(task)
    for manifest in manifests:
        left = [item for item in task.arguments["create_only"] if matches(item, manifest.kind, manifest.name)]
        body = manifest.body() if left else {}
        for path in [path for item in left for path in item["fields"]]:
            drop(body, path_parts(path))
        if left:
            manifest.payload = dump_json(body)
    return manifests


def drop(value: Any, parts: list[str]) -> None:
    """Remove a field; ``*`` stands for every item of a list."""
    if parts[0] == "*":
        for item in value if isinstance(value, list) else []:
            drop(item, parts[1:])
    elif isinstance(value, dict) and len(parts) == 1:
        value.pop(parts[0], None)
    elif isinstance(value, dict):
        drop(value.get(parts[0]), parts[1:])


def secrets_of(task: Task, kube: Kube) -> list[Manifest]:
    """The Secrets of a task with the values that they have in the cluster."""
    found = []
    for wanted in task.arguments["secrets"]:
        live = kube.request("GET", f"/api/v1/namespaces/{wanted['namespace']}/secrets/{wanted['name']}")
        kept = {part: live["metadata"].get(part) or {} for part in ("labels", "annotations")}
        metadata = {"name": wanted["name"], "namespace": wanted["namespace"], **kept}
        body = {"apiVersion": "v1", "kind": "Secret", "type": live["type"], "metadata": metadata, "data": live["data"]}
        payload = json.dumps(body).encode()
        found.append(Manifest(task.name, "v1", "Secret", wanted["name"], wanted["namespace"], payload))
    return found


def waits_of(task: Task) -> list[Wait]:
    """The waits of a task, those that differ only in the object's name put together.

    Peers leave out JMESPath expressions, which they cannot wait for: ours does more there.
    """
    if task.action == "inference_service_wait":
        names, namespace = tuple(task.arguments["names"] or ()), str(task.arguments["namespace"])
        api = "serving.kserve.io/v1beta1"
        return [Wait(api, "InferenceService", namespace, names, "", GOALS["InferenceService"])]
    merged: list[Wait] = []
    for entry in task.arguments["resources"]:
        if "jmespath" in (entry["for"] or {}):
            continue
        wait = wait_of(entry)
        for index, earlier in enumerate(merged):
            if wait.names and earlier.names and replace(wait, names=()) == replace(earlier, names=()):
                merged[index] = replace(earlier, names=earlier.names + wait.names)
                break
        else:
            merged.append(wait)
    return merged


def wait_of(entry: Mapping[str, Any]) -> Wait:
    return Wait(
        api_version=entry["api_version"],
        kind=entry["kind"],
        namespace=entry["namespace"] or "",
        names=(entry["name"],) if entry["name"] else (),
        selector=entry["label_selector"] or "",
        goal=goal_of(entry),
    )


def goal_of(entry: Mapping[str, Any]) -> Goal:
    """The kind's goal, or the condition that the task names."""
    wanted = entry["for"]
    if wanted is None:
        return GOALS[entry["kind"]]
    conditions = dict(wanted.get("conditions") or {wanted["condition"]: wanted.get("status", "True")})
    condition, status = next(iter(conditions.items()))
    return Goal(condition=condition, status=str(status))
