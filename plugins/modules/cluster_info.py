#!/usr/bin/python

# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: Look at a cluster before something is installed on it, or after
version_added: 0.1.0
description:
  - Returns what a preflight check needs to know, with a handful of requests.
  - That is the version of the API server, the caller and what they may not do, storage classes, GPUs, and API groups.
  - With O(resources) it also reads objects, for a summary, and with O(services) it asks Services.
extends_documentation_fragment:
  - llmops.maas._kube_auth
  - llmops.maas._attributes
  - llmops.maas._attributes.group
options:
  permissions:
    description: Actions to ask about, each with C(verb), C(resource) and, unless it is in the core group, C(group).
    type: list
    elements: dict
    default: []
    suboptions:
      verb:
        description: The action, such as V(create).
        type: str
        required: true
      resource:
        description: The resource, in the plural, such as V(deployments).
        type: str
        required: true
      group:
        description: API group of the resource.
        type: str
        default: ""
      namespace:
        description: Namespace to ask about. Empty means all of them.
        type: str
        default: ""
  gpu_resource:
    description: Name of the GPU resource on nodes.
    type: str
    default: nvidia.com/gpu
  resources:
    description: Kinds whose objects to read.
    type: list
    elements: dict
    default: []
    suboptions:
      api_version:
        description: Group and version, such as V(apps/v1), or V(v1) for the core group.
        type: str
        default: v1
      kind:
        description: Kind, such as V(Deployment). Secrets are not read.
        type: str
        required: true
      namespace:
        description: Namespace to read. Empty means all of them.
        type: str
        default: ""
  services:
    description: Services to ask by HTTP, through the API server. What they answer must be JSON.
    type: list
    elements: dict
    default: []
    suboptions:
      namespace:
        description: Namespace of the Service.
        type: str
        required: true
      name:
        description: Name of the Service.
        type: str
        required: true
      port:
        description: Port of the Service.
        type: int
        required: true
      path:
        description: Path with its query, such as V(/api/v1/targets?state=active).
        type: str
        required: true
author:
  - llmops.maas contributors (@llmops)
"""

EXAMPLES = r"""
- name: Look at the cluster
  llmops.maas.cluster_info:
    permissions:
      - {verb: create, group: apps, resource: deployments}
  register: cluster

- name: Refuse a cluster without GPUs
  ansible.builtin.assert:
    that: cluster.gpus > 0
"""

RETURN = r"""
version:
  description: Version of the API server, without the leading v and any suffix.
  type: str
  returned: success
  sample: 1.34.4
user:
  description: Name of the caller, as the API server sees it.
  type: str
  returned: success
  sample: kubernetes-admin
denied:
  description: The actions of O(permissions) that the caller may not do, in words.
  type: list
  elements: str
  returned: success
  sample: [create clusterroles.rbac.authorization.k8s.io]
storage_classes:
  description: Names of the StorageClasses.
  type: list
  elements: str
  returned: success
default_storage_class:
  description: Name of the default StorageClass, empty when there is none.
  type: str
  returned: success
nodes:
  description: Number of nodes on which Pods can be scheduled.
  type: int
  returned: success
gpus:
  description: How many of O(gpu_resource) these nodes offer.
  type: int
  returned: success
extended_resources:
  description: What these nodes offer besides Kubernetes' own resources, such as GPUs, by name.
  type: dict
  returned: success
  sample: {nvidia.com/gpu: 8}
api_groups:
  description: Names of the API groups that the cluster serves.
  type: list
  elements: str
  returned: success
resources:
  description:
    - The objects of each entry of O(resources), in the same order; none for a kind that the cluster does not have.
    - Without their C(managedFields).
  type: list
  elements: list
  returned: success
answers:
  description: What each of O(services) answered, in the same order.
  type: list
  elements: dict
  returned: success
  contains:
    answer:
      description: The JSON; none if there is an error.
      type: raw
    error:
      description: Why there is no answer, else empty. The module does not fail for it.
      type: str
"""

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import AUTH_ARGUMENTS, ApiError, Kube, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import without_managed_fields

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_SERVICE_SECONDS = 10.0
_AUTHENTICATION = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def collect(kube: Kube, permissions: list[dict[str, str]], gpu_resource: str) -> dict[str, Any]:
    """Everything that RETURN describes."""
    classes = kube.request("GET", "/apis/storage.k8s.io/v1/storageclasses")["items"]
    nodes = [node for node in kube.request("GET", "/api/v1/nodes")["items"] if not _closed(node)]
    extended = extended_resources(nodes)
    return {
        "version": plain_version(kube.request("GET", "/version")["gitVersion"]),
        "user": _user(kube),
        "denied": [words for words in (_denied(kube, permission) for permission in permissions) if words],
        "storage_classes": [item["metadata"]["name"] for item in classes],
        "default_storage_class": default_class(classes),
        "nodes": len(nodes),
        "gpus": extended.get(gpu_resource, 0),
        "extended_resources": extended,
        "api_groups": [group["name"] for group in kube.request("GET", "/apis")["groups"]],
    }


def read(kube: Kube, api_version: str, kind: str, namespace: str) -> list[dict[str, Any]]:
    """All objects of a kind, none when there is no such kind. Raises KubeError for Secrets: results are shown."""
    if kind == "Secret":
        raise KubeError("resources: Secrets are not read, because the result of this module is shown")
    resource = kube.resources.find(api_version, kind)
    if resource is None:
        return []
    items = kube.request("GET", resource.path(namespace or None)).get("items") or []
    return [without_managed_fields(item) for item in items]


def ask(kube: Kube, namespace: str, name: str, port: int, path: str) -> dict[str, Any]:
    """What a Service answers, or why it does not."""
    address = f"/api/v1/namespaces/{namespace}/services/http:{name}:{port}/proxy{path}"
    try:
        return {"answer": kube.request("GET", address, timeout=_SERVICE_SECONDS), "error": ""}
    except KubeError as error:
        return {"answer": None, "error": str(error)}


def plain_version(git_version: str) -> str:
    """``v1.34.4-gke.100`` becomes ``1.34.4``."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", git_version)
    return match[1] if match else git_version


def default_class(classes: list[Mapping[str, Any]]) -> str:
    """Name of the default StorageClass, or an empty string.

    Of several the newest counts, as in Kubernetes' admission plugin DefaultStorageClass.
    """
    defaults = [item for item in classes if (item["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"]
    newest = sorted(defaults, key=lambda item: str(item["metadata"].get("creationTimestamp", "")))
    return str(newest[-1]["metadata"]["name"]) if newest else ""


def extended_resources(nodes: list[Mapping[str, Any]]) -> dict[str, int]:
    """What nodes offer of resources with a domain in their names, which only device plugins and the like advertise.

    They are whole numbers (https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/).
    """
    found: dict[str, int] = {}
    for node in nodes:
        for name, count in node["status"].get("allocatable", {}).items():
            if "/" in name and str(count).isdecimal():
                found[name] = found.get(name, 0) + int(count)
    return found


def _closed(node: Mapping[str, Any]) -> bool:
    return bool(node.get("spec", {}).get("unschedulable", False))


def _user(kube: Kube) -> str:
    try:
        review = kube.request(
            "POST", _AUTHENTICATION, body={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        )
    except ApiError:  # served since Kubernetes 1.28 only
        return "the user of this connection"
    return str(review["status"]["userInfo"].get("username", "unknown"))


def _denied(kube: Kube, permission: Mapping[str, str]) -> str:
    """The permission in words when it is refused, else an empty string."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": dict(permission)},
    }
    if kube.request("POST", _AUTHORIZATION, body=review)["status"].get("allowed"):
        return ""
    group = f".{permission['group']}" if permission["group"] else ""
    where = f" in namespace {permission['namespace']}" if permission["namespace"] else ""
    return f"{permission['verb']} {permission['resource']}{group}{where}"


@guarded
def main() -> None:
    permission = {
        "verb": {"type": "str", "required": True},
        "resource": {"type": "str", "required": True},
        "group": {"type": "str", "default": ""},
        "namespace": {"type": "str", "default": ""},
    }
    resource = {
        "api_version": {"type": "str", "default": "v1"},
        "kind": {"type": "str", "required": True},
        "namespace": {"type": "str", "default": ""},
    }
    service: dict[str, dict[str, Any]] = {
        name: {"type": "str", "required": True} for name in ("namespace", "name", "path")
    }
    module = GuardedModule(
        argument_spec={
            **AUTH_ARGUMENTS,
            "permissions": {"type": "list", "elements": "dict", "default": [], "options": permission},
            "gpu_resource": {"type": "str", "default": "nvidia.com/gpu"},
            "resources": {"type": "list", "elements": "dict", "default": [], "options": resource},
            "services": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {**service, "port": {"type": "int", "required": True}},
            },
        },
        supports_check_mode=True,
    )
    try:
        kube = Kube.connect(module.params)
        found = collect(kube, module.params["permissions"], module.params["gpu_resource"])
        objects = [read(kube, **entry) for entry in module.params["resources"]]
        answers = [ask(kube, **entry) for entry in module.params["services"]]
        module.exit_json(changed=False, **found, resources=objects, answers=answers)
    except KubeError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
