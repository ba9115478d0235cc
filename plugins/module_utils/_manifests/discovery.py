# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which resources the manifests belong to, and whether the cluster serves them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from ansible_collections.llmops.maas.plugins.module_utils._common.retry import attempts
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, Kube, ResourceType
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError, Manifest, ObjectKey
from ansible_collections.llmops.maas.plugins.module_utils._manifests.live_objects import (
    Metadata,
    get_object,
    live_objects,
)
from ansible_collections.llmops.maas.plugins.module_utils._manifests.outcome import ApplyOptions

_NAMESPACES = ResourceType("v1", "Namespace", "namespaces", namespaced=False)
# Pauses in seconds.
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.25


@dataclass(frozen=True)
class Resolved:
    """The bundle's manifests, with namespaces only where their kinds have them, and the resource of each.

    ``new_types`` are the kinds (``apiVersion``, ``kind``) that the cluster does not serve yet.
    """

    manifests: Sequence[Manifest]
    resources: Mapping[ObjectKey, ResourceType]
    new_types: Set[tuple[str, str]]

    def is_new_kind(self, manifest: Manifest) -> bool:
        """Whether the cluster did not serve the manifest's kind before this run."""
        return (manifest.api_version, manifest.kind) in self.new_types


def resolve(kube: Kube, manifests: Sequence[Manifest], options: ApplyOptions) -> Resolved:
    """Find the resource of every manifest.

    Kinds that the cluster does not serve yet are taken from the bundle's own CRDs. In check mode a kind that nobody
    knows yet is guessed: an earlier task may be going to install it.

    :raises InputError: with all problems: a kind is unknown, a namespace is missing, or an object is there twice.
    """
    bundled = {(item.api_version, item.kind): item for manifest in manifests for item in manifest.crd_types}
    resources: dict[ObjectKey, ResourceType] = {}
    placed: dict[ObjectKey, Manifest] = {}
    new_types: set[tuple[str, str]] = set()
    problems: list[str] = []
    for given in manifests:
        name = (given.api_version, given.kind)
        resource = kube.resources.find(*name)
        if resource is None:
            new_types.add(name)
            resource = bundled.get(name) or (_guess(given, options) if options.check else None)
        if resource is None:
            problems.append(_unknown(given))
            continue
        manifest = with_namespace(given, resource, options.namespace)
        problem = _problem(manifest, resource, placed.get(manifest.key))
        if problem:
            problems.append(problem)
        else:
            placed[manifest.key], resources[manifest.key] = manifest, resource
    if problems:
        raise InputError(problems)
    return Resolved(list(placed.values()), resources, new_types)


def with_namespace(manifest: Manifest, resource: ResourceType, default: str) -> Manifest:
    """The manifest with the namespace that its kind needs: none, its own, or the default."""
    namespace = (manifest.namespace or default) if resource.namespaced else ""
    return replace(manifest, namespace=namespace)


def _unknown(manifest: Manifest) -> str:
    return (
        f"{manifest.where}: {manifest.kind} {manifest.name}: the cluster has no such kind in"
        f" {manifest.api_version}; install its CustomResourceDefinition first or here, or correct the spelling"
    )


def _guess(manifest: Manifest, options: ApplyOptions) -> ResourceType:
    namespaced = bool(manifest.namespace or options.namespace)
    return ResourceType(manifest.api_version, manifest.kind, manifest.kind.lower() + "s", namespaced)


def _problem(manifest: Manifest, resource: ResourceType, same: Manifest | None) -> str:
    if resource.namespaced and not manifest.namespace:
        return (
            f"{manifest.where}: {manifest.kind} {manifest.name} has no namespace and none is guessed; set"
            " metadata.namespace, or the option namespace"
        )
    if same is not None:
        return f"{manifest.where}: {manifest.key} is already in {same.where}; keep one of them"
    return ""


def live_namespaces(kube: Kube, names: Set[str]) -> dict[ObjectKey, Metadata] | None:
    """The metadata of those namespaces that exist; None when they may not be read."""
    try:
        return live_objects(kube, {ObjectKey("", "Namespace", "", name): _NAMESPACES for name in names})
    except ApiError as error:
        if error.status == 403:
            return None
        raise


def wait_served(kube: Kube, manifests: Sequence[Manifest], timeout: float) -> Iterator[tuple[Manifest, str]]:
    """Wait until the API server serves what the CRDs among the manifests define; yield those that it does not.

    Discovery names a kind from the moment that its CRD is Established. To ask for objects of the kind instead would
    make the server build its storage at once, which takes it longer than everything else here.
    """
    waiting: list[Manifest] = []
    for _turn in attempts(timeout, _FIRST_PAUSE, _LONGEST_PAUSE):
        kube.resources.refresh()
        waiting = [manifest for manifest in manifests if not _is_served(kube, manifest)]
        if not waiting:
            return
    for manifest in waiting:
        yield manifest, _not_established(kube, manifest)


def _is_served(kube: Kube, manifest: Manifest) -> bool:
    return all(kube.resources.find(item.api_version, item.kind) for item in manifest.crd_types)


def _not_established(kube: Kube, manifest: Manifest) -> str:
    crd = ResourceType(manifest.api_version, manifest.kind, "customresourcedefinitions", namespaced=False)
    live = get_object(kube, crd, manifest.key) or {}
    conditions = (live.get("status") or {}).get("conditions") or []
    false = [f"{item['type']}: {item.get('message')}" for item in conditions if item.get("status") == "False"]
    return f"not Established within the timeout; {'; '.join(false) or 'the API server does not say why'}"
