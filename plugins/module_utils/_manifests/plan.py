# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is there, and what therefore has to be sent. Nothing here changes the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError, Manifest, ObjectKey
from ansible_collections.llmops.maas.plugins.module_utils._kube.pins import broken_pins
from ansible_collections.llmops.maas.plugins.module_utils._manifests.discovery import Resolved, live_namespaces
from ansible_collections.llmops.maas.plugins.module_utils._manifests.live_objects import Metadata, live_objects
from ansible_collections.llmops.maas.plugins.module_utils._manifests.order import DEFINITIONS, wave
from ansible_collections.llmops.maas.plugins.module_utils._manifests.outcome import ApplyOptions
from ansible_collections.llmops.maas.plugins.module_utils._manifests.record import Entry, Record


@dataclass(frozen=True)
class Seen:
    """What the cluster holds: the metadata of the bundle's objects, and the namespaces that are known to be missing."""

    live: Mapping[ObjectKey, Metadata]
    absent: Set[str]


@dataclass(frozen=True)
class Wave:
    """Objects that may be sent at once. ``definitions``: CRDs, whose kinds must be served before the next wave."""

    manifests: Sequence[Manifest]
    definitions: bool


@dataclass(frozen=True)
class ApplyPlan:
    """What has to be sent: ``work``, in the order of the bundle. The other objects are as they should be."""

    resolved: Resolved
    seen: Seen
    work: Sequence[Manifest]

    def waves(self) -> list[Wave]:
        """The work in the order in which it must be sent."""
        groups: dict[int, list[Manifest]] = {}
        for manifest in self.work:
            groups.setdefault(wave(manifest.group, manifest.kind), []).append(manifest)
        return [Wave(groups[number], number == DEFINITIONS) for number in sorted(groups)]


def look(kube: Kube, resolved: Resolved, *, first: bool) -> Seen:
    """Read the metadata of all objects, and find the namespaces that are missing.

    :param first: nothing is recorded of this bundle. Then the namespaces are read first, and objects whose namespace
        or kind is missing are not asked for. Later, an object that is there proves its namespace.
    """
    needed = {key.namespace for key in resolved.resources if key.namespace}
    if not first:
        live = live_objects(kube, resolved.resources)
        proved = {key.namespace for key in live} | {key.name for key in live if _is_namespace(key)}
        return Seen(live, _absent(live_namespaces(kube, needed - proved), needed - proved))
    namespaces = live_namespaces(kube, needed)
    absent = _absent(namespaces, needed)
    known = {key: value for key, value in (namespaces or {}).items() if key in resolved.resources}
    unread = {
        key: resource
        for key, resource in resolved.resources.items()
        if key.namespace not in absent
        and not (_is_namespace(key) and (key in known or key.name in absent))
        and (resource.api_version, resource.kind) not in resolved.new_types
    }
    return Seen({**known, **live_objects(kube, unread)}, absent)


def _absent(namespaces: Mapping[ObjectKey, Metadata] | None, asked: Set[str]) -> Set[str]:
    """Those that are not there; none when they may not be read."""
    return frozenset() if namespaces is None else asked - {key.name for key in namespaces}


def _is_namespace(key: ObjectKey) -> bool:
    return key.kind == "Namespace" and not key.group


def applied_before(
    resolved: Resolved, seen: Seen, record: Record, options: ApplyOptions, options_digest: bytes
) -> Iterator[tuple[Entry, Metadata | None, Sequence[str]]]:
    """What ``DriftCheck.intact`` takes, for each object that was applied before from the same manifest."""
    for manifest in resolved.manifests:
        entry = record.entries.get(manifest.key)
        if entry and entry.digest == manifest.digest(options_digest):
            yield entry, seen.live.get(manifest.key), options.create_only_fields(manifest.kind, manifest.name)


def decide(resolved: Resolved, seen: Seen, intact: Set[ObjectKey], *, check: bool) -> ApplyPlan:
    """The plan that brings the cluster to what the manifests say.

    :param intact: objects that are as they were applied, from the same manifest.
    :raises InputError: a namespace is missing that no manifest brings (in check mode an earlier task may be going to
        make it), or a manifest is of another object than the one that is there.
    """
    work = [manifest for manifest in resolved.manifests if manifest.key not in intact]
    problems = ([] if check else list(_without_namespace(work, seen.absent))) or broken_pins(work, seen.live)
    if problems:
        raise InputError(problems)
    return ApplyPlan(resolved, seen, work)


def _without_namespace(work: Sequence[Manifest], absent: Set[str]) -> Iterator[str]:
    made = {manifest.name for manifest in work if _is_namespace(manifest.key)}
    for manifest in work:
        if manifest.namespace in absent - made:
            yield (
                f"{manifest.where}: {manifest.key}: there is no namespace {manifest.namespace}; create it first, in"
                " this bundle or before it"
            )
