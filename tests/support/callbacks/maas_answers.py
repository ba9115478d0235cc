# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers the collection's tasks in the place of a cluster, and writes down what they were given."""

from __future__ import annotations

DOCUMENTATION = r"""
name: maas_answers
type: notification
short_description: Answer the collection's tasks without a cluster, and record their arguments
description:
  - For tests. Appends one JSON object per task of the collection to the file that the environment variable
    MAAS_RECORD names - C(playbook), C(action), C(role) and C(arguments), without the values of secrets.
  - What there is on the cluster is what the tasks before have applied.
requirements:
  - enabled by ANSIBLE_CALLBACKS_ENABLED
"""

import copy
import gc
import json
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import filter_loader, test_loader
from ansible.plugins.lookup import template

Json = dict[str, Any]
MASK = "(secret)"
NOW = {"playbook": ""}
# Services by type that Kuadrant's filter asks, and the Deployments that have to be there for that.
DECIDING = ("auth", "ratelimit", "ratelimit-check", "ratelimit-report")
KUADRANT = (
    "kuadrant-operator-controller-manager",
    "authorino-operator",
    "limitador-operator-controller-manager",
    "authorino",
    "limitador-limitador",
)


def cluster(arguments: Json) -> Json:
    """A cluster large enough for the inventories, with the objects that were applied so far."""
    there = objects()
    return {
        "version": "1.34.4",
        "user": "admin",
        "denied": [],
        "storage_classes": ["standard"],
        "default_storage_class": "standard",
        "nodes": 3,
        "gpus": 64,
        "api_groups": ["objectbucket.io"],
        "resources": [[item for item in there if fits(item, kind)] for kind in arguments.get("resources") or []],
    }


def fits(item: Json, wanted: Json) -> bool:
    same = (item["apiVersion"], item["kind"]) == (wanted.get("api_version", "v1"), wanted["kind"])
    return same and wanted.get("namespace") in (None, item["metadata"].get("namespace"))


def objects() -> list[Json]:
    """What was applied, as controllers leave it, and what they make themselves."""
    record = Path(os.environ["MAAS_RECORD"])
    tasks = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()] if record.exists() else []
    manifests = [task["arguments"] for task in tasks if task["action"] == "llmops.maas.manifests"]
    found = {}
    for item in (item for arguments in manifests for item in documents(arguments.get("definitions"))):
        metadata = item["metadata"]
        found[item["kind"], metadata.get("namespace"), metadata["name"]] = handled(item)
    made = [thing for item in found.values() if item["kind"] == "Gateway" for thing in made_for(item)]
    return [*found.values(), *made, *map(deployment, KUADRANT)]


def documents(definitions: Any) -> list[Json]:
    """The objects of the option ``definitions``: text of YAML, an object, or a list of these."""
    if isinstance(definitions, str):
        found = [item for item in yaml.safe_load_all(definitions) if item]
        return [item for part in found for item in (part if isinstance(part, list) else [part])]
    if isinstance(definitions, list):
        return [item for part in definitions for item in documents(part)]
    return [definitions] if definitions else []


def handled(item: Json) -> Json:
    """The object with a status that says that all is well."""
    spec = item.get("spec") or {}
    if item["kind"] == "Service":
        spec = {**spec, "clusterIP": "10.96.0.10"}
    conditions = [{"type": kind, "status": "True"} for kind in ("Accepted", "Enforced", "Programmed", "Ready")]
    parents = [{"parentRef": parent, "conditions": conditions} for parent in spec.get("parentRefs") or []]
    status = {"conditions": conditions, "parents": parents, "addresses": [{"value": "192.0.2.10"}]}
    metadata = {"creationTimestamp": "2026-01-01T00:00:00Z", **item["metadata"]}
    return {**item, "metadata": metadata, "spec": spec, "status": status}


def made_for(gateway: Json) -> list[Json]:
    """The Service that Istio makes for a Gateway, and the filter that Kuadrant's operator puts into it."""
    name, namespace = gateway["metadata"]["name"], gateway["metadata"]["namespace"]
    services = {kind: {"type": kind, "failureMode": "deny"} for kind in DECIDING}
    text = json.dumps({"services": services, "actionSets": []})
    value = {
        "name": "envoy.filters.http.wasm",
        "typed_config": {"value": {"config": {"configuration": {"value": text}}}},
    }
    spec = {"targetRefs": [{"kind": "Gateway", "name": name}], "configPatches": [{"patch": {"value": value}}]}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"{name}-istio", "namespace": namespace},
            "spec": {"clusterIP": "10.96.0.10"},
        },
        {
            "apiVersion": "networking.istio.io/v1alpha3",
            "kind": "EnvoyFilter",
            "metadata": {"name": f"kuadrant-{name}", "namespace": namespace},
            "spec": spec,
        },
    ]


def deployment(name: str) -> Json:
    metadata = {"name": name, "namespace": "kuadrant-system"}
    status = {"availableReplicas": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"replicas": 1},
        "status": status,
    }


def answers(arguments: Json) -> Json:
    """Every request got what it should."""
    results = [
        {
            "section": row.get("section", "access"),
            "name": row["name"],
            "model": row.get("model", ""),
            "user": row.get("user", ""),
            "kind": row.get("kind", "plain"),
            "expected": "200",
            "got": "200",
            "passed": True,
            "reason": "",
            "latency_ms": 1.0,
        }
        for row in arguments["requests"]
    ]
    return {"results": results, "passed": True}


def claims(arguments: Json) -> Json:
    """One claim for a bucket that nobody binds."""
    metadata = {"name": "old-claim", "namespace": arguments.get("namespace", "default")}
    return {"resources": [{"kind": arguments["kind"], "metadata": metadata, "spec": {"bucketName": "old-bucket"}}]}


ANSWERS: dict[str, Callable[[Json], Json]] = {
    "kubernetes.core.k8s": lambda _: {"changed": True},
    "kubernetes.core.k8s_info": claims,
    "llmops.maas.api_key": lambda _: {"action": "unchanged", "changes": [], "delivered": []},
    "llmops.maas.api_key_info": lambda _: {"api_keys": []},
    "llmops.maas.cluster_info": cluster,
    "llmops.embedded.cluster": lambda _: {"kubeconfig": "kubeconfig"},
    "llmops.embedded.mirror": lambda _: {},
    "llmops.embedded.tools": lambda _: {"paths": {}, "missing": []},
    "llmops.maas.gateway_check": answers,
    "llmops.maas.inference_service_wait": lambda _: {},
    "llmops.maas.manifests": lambda _: {"changed": True, "objects": [], "counts": {}},
    "llmops.maas.resource_wait": lambda _: {"resources": [], "seconds": 0},
    "llmops.maas.run_lock": lambda arguments: {"held": arguments.get("state") != "released", "holders": []},
    "llmops.maas.secrets": lambda _: {"changed": True, "secrets": []},
}


def plain(value: Any) -> Any:
    """The value without Ansible's own types, some of which JSON's encoder cannot look into."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else str(value)


def without_secrets(action: str, arguments: Json) -> Json:
    if action == "llmops.maas.api_key" and "value" in arguments:
        return {**arguments, "value": MASK}
    if action == "llmops.maas.secrets":
        return {**arguments, "secrets": [masked(secret) for secret in arguments["secrets"]]}
    return arguments


def masked(secret: Json) -> Json:
    given = {field: dict.fromkeys(secret[field], MASK) for field in ("data", "variables") if field in secret}
    return {**secret, **given}


def answer_of(name: str) -> Callable[..., Json]:
    """What the action plugin does instead of asking a cluster."""

    def run(self: ActionBase, tmp: Any = None, task_vars: Json | None = None) -> Json:
        result: Json = ActionBase.run(self, tmp, task_vars)
        arguments = plain(self._task.args)
        role = self._task._role
        entry = {
            "playbook": Path(NOW["playbook"]).stem,
            "action": name,
            "role": role.get_name() if role else "",
            "arguments": without_secrets(name, arguments),
        }
        with Path(os.environ["MAAS_RECORD"]).open("a", encoding="utf-8") as record:
            record.write(json.dumps(entry) + "\n")
        return {**result, "changed": False, **ANSWERS[name](arguments)}

    return run


def hasten() -> None:
    """Load once what every worker would load anew, read YAML in C, and copy of the variables only what is changed."""
    for loader in (filter_loader, test_loader):
        list(loader.all())
    folder = Path(import_module("ansible_collections.llmops.maas.plugins.filter").__path__[0])
    for path in folder.glob("*.py"):
        filter_loader.get(f"llmops.maas.{path.stem}")
    yaml.SafeLoader = yaml.CSafeLoader
    template.deepcopy = copy.copy
    gc.disable()
    gc.freeze()


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "maas_answers"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Before the first worker of each playbook: it is a copy of this process."""
        NOW["playbook"] = playbook._file_name
        hasten()
        for name in ANSWERS:
            namespace, collection, plugin = name.split(".")
            folder = f"ansible_collections.{namespace}.{collection}.plugins.action"
            import_module(f"{folder}.{plugin}").ActionModule.run = answer_of(name)
