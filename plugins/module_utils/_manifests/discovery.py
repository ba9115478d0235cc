# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which resources the manifests belong to, and whether the cluster serves them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, Kube, ResourceType
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError, Key, Manifest
from ansible_collections.llmops.maas.plugins.module_utils._manifests.live_objects import get, look
from ansible_collections.llmops.maas.plugins.module_utils._manifests.outcome import Options

_NAMESPACES = ResourceType("v1", "Namespace", "namespaces", namespaced=False)
_POLL_FIRST = 0.02
_POLL_MOST = 0.25


def resolve(
    kube: Kube, manifests: list[Manifest], options: Options, new_types: set[tuple[str, str]]
) -> dict[Key, ResourceType]:
    """The resource of every manifest; sets or clears the manifests' namespaces as their kinds need.

    Kinds that the cluster does not serve yet are taken from the bundle's own CRDs; they are added to `new_types`. In
    check mode a kind that nobody knows yet is guessed: an earlier task may be going to install it. Raises InputError.
    """
    bundled = {(item.api_version, item.kind): item for manifest in manifests for item in manifest.crd_types}
    resources: dict[Key, ResourceType] = {}
    problems: list[str] = []
    sources: dict[Key, str] = {}
    for manifest in manifests:
        name = (manifest.api_version, manifest.kind)
        resource = kube.resources.find(*name)
        if resource is None:
            new_types.add(name)
            resource = bundled.get(name) or (_guess(manifest, options) if options.check else None)
        problem = _unknown(manifest) if resource is None else _set_namespace(manifest, resource, options)
        if problem or resource is None:
            problems.append(problem)
        elif manifest.key in resources:
            problems.append(f"{manifest.where}: {manifest.key} is already in {sources[manifest.key]}; keep one of them")
        else:
            resources[manifest.key] = resource
            sources[manifest.key] = manifest.where
    if problems:
        raise InputError(problems)
    return resources


def _unknown(manifest: Manifest) -> str:
    return (
        f"{manifest.where}: {manifest.kind} {manifest.name}: the cluster has no such kind in"
        f" {manifest.api_version}; install its CustomResourceDefinition first or here, or correct the spelling"
    )


def _guess(manifest: Manifest, options: Options) -> ResourceType:
    namespaced = bool(manifest.namespace or options.namespace)
    return ResourceType(manifest.api_version, manifest.kind, manifest.kind.lower() + "s", namespaced)


def _set_namespace(manifest: Manifest, resource: ResourceType, options: Options) -> str:
    if not resource.namespaced:
        manifest.namespace = ""
    elif not manifest.namespace:
        manifest.namespace = options.namespace
    if resource.namespaced and not manifest.namespace:
        return (
            f"{manifest.where}: {manifest.kind} {manifest.name} has no namespace and none is guessed; set"
            " metadata.namespace, or the option namespace"
        )
    return ""


def missing_namespaces(kube: Kube, manifests: list[Manifest]) -> set[str]:
    """Namespaces that the manifests need and neither the cluster nor the bundle has. Empty if they cannot be read."""
    made = {manifest.name for manifest in manifests if manifest.kind == "Namespace" and not manifest.group}
    return absent_namespaces(kube, {manifest.namespace for manifest in manifests if manifest.namespace} - made)


def absent_namespaces(kube: Kube, names: set[str]) -> set[str]:
    """Those namespaces that the cluster does not have. Empty if they cannot be read."""
    wanted = {Key("", "Namespace", "", name): _NAMESPACES for name in names}
    try:
        found = look(kube, wanted)
    except ApiError as error:
        if error.status == 403:
            return set()
        raise
    return names - {key.name for key in found}


def wait_served(kube: Kube, manifests: list[Manifest], timeout: float) -> Iterator[tuple[Manifest, str]]:
    """Wait until the API server serves what the CRDs among the manifests define; yield those that it does not.

    Discovery names a kind from the moment that its CRD is Established. To ask for objects of the kind instead would
    make the server build its storage at once, which takes it longer than everything else here.
    """
    deadline = time.monotonic() + timeout
    pause = _POLL_FIRST
    while True:
        kube.resources.refresh()
        waiting = [manifest for manifest in manifests if not _served(kube, manifest)]
        if not waiting:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(pause)
        pause = min(2 * pause, _POLL_MOST)
    for manifest in waiting:
        yield manifest, _not_established(kube, manifest)


def _served(kube: Kube, manifest: Manifest) -> bool:
    return all(kube.resources.find(item.api_version, item.kind) for item in manifest.crd_types)


def _not_established(kube: Kube, manifest: Manifest) -> str:
    crd = ResourceType(manifest.api_version, manifest.kind, "customresourcedefinitions", namespaced=False)
    live = get(kube, crd, manifest.key) or {}
    conditions = (live.get("status") or {}).get("conditions") or []
    false = [f"{item['type']}: {item.get('message')}" for item in conditions if item.get("status") == "False"]
    return f"not Established within the timeout; {'; '.join(false) or 'the API server does not say why'}"
