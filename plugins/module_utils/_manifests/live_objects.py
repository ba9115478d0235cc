# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the cluster holds now, from metadata where that is enough."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import (
    PARTIAL_LIST,
    PARTIAL_OBJECT,
    ApiError,
    Kube,
    ResourceType,
)
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import ObjectKey
from ansible_collections.llmops.maas.plugins.module_utils._kube.parallel import in_parallel
from ansible_collections.llmops.maas.plugins.module_utils._manifests.client_side import has_client_fields
from ansible_collections.llmops.maas.plugins.module_utils._manifests.order import generation_tells
from ansible_collections.llmops.maas.plugins.module_utils._manifests.owned_fields import (
    body_digest,
    metadata_digest,
    owned_fields,
    owns_more,
)
from ansible_collections.llmops.maas.plugins.module_utils._manifests.record import Entry

Metadata = dict[str, Any]

_PAGE = 500
# Up to this many objects of one kind and namespace are read one by one: others may have thousands there.
_FEW = 3


def live_objects(kube: Kube, wanted: Mapping[ObjectKey, ResourceType]) -> dict[ObjectKey, Metadata]:
    """The metadata of those wanted objects that exist. Raises ApiError when they may not be read."""
    groups: dict[tuple[ResourceType, str], list[ObjectKey]] = defaultdict(list)
    for key, resource in wanted.items():
        groups[resource, key.namespace].append(key)
    found: dict[ObjectKey, Metadata] = {}
    lists = [(resource, keys) for (resource, _namespace), keys in groups.items() if len(keys) > _FEW]
    singles = [(resource, key) for (resource, _namespace), keys in groups.items() if len(keys) <= _FEW for key in keys]
    for (resource, keys), answer in in_parallel(lambda item: _list(kube, *item), lists):
        listed = answer.result()
        if listed is None:
            singles += [(resource, key) for key in keys]
        else:
            found.update(listed)
    for (_resource, key), single in in_parallel(lambda item: get_object(kube, *item, accept=PARTIAL_OBJECT), singles):
        metadata = single.result()
        if metadata is not None:
            found[key] = metadata["metadata"]
    return found


def get_object(kube: Kube, resource: ResourceType, key: ObjectKey, accept: str = "application/json") -> Any:
    """The object, or None when it (or its whole kind) does not exist."""
    try:
        return kube.request("GET", resource.path(key.namespace, key.name), accept=accept)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def _list(kube: Kube, resource: ResourceType, keys: Sequence[ObjectKey]) -> dict[ObjectKey, Metadata] | None:
    """The metadata of those keys, all of one namespace; None when listing is not allowed."""
    by_name = {key.name: key for key in keys}
    path = resource.path(keys[0].namespace)
    found: dict[ObjectKey, Metadata] = {}
    query: dict[str, Any] = {"limit": _PAGE}
    while True:
        try:
            answer = kube.request("GET", path, query=query, accept=PARTIAL_LIST)
        except ApiError as error:
            if error.status == 404:
                return {}
            if error.status == 403:
                return None
            if error.status == 410:
                # The pages outlived the server's history: take everything at once.
                query = {}
                continue
            raise
        for item in answer.get("items") or []:
            metadata = item["metadata"]
            if metadata["name"] in by_name:
                found[by_name[metadata["name"]]] = metadata
        token = answer["metadata"].get("continue")
        if not token:
            return found
        query = {"limit": _PAGE, "continue": token}


class DriftCheck:
    """Decides whether recorded objects are still as they were applied. Why that is sound: docs/apply.md.

    With ``take_over`` an object is not so while a client-side apply owns fields of it.
    """

    def __init__(self, kube: Kube, manager: str, *, take_over: bool = False) -> None:
        self._kube = kube
        self._manager = manager
        self._take_over = take_over

    def intact(self, items: Iterable[tuple[Entry, Metadata | None, Sequence[str]]]) -> set[ObjectKey]:
        """Those whose owned fields all have the values that were applied.

        Each item is the entry, the metadata seen now, and the fields that do not count (``create_only``).
        """
        proved: set[ObjectKey] = set()
        doubtful = []
        for entry, metadata, ignored in items:
            verdict = self._from_metadata(entry, metadata, ignored)
            if verdict:
                proved.add(entry.key)
            elif verdict is None:
                doubtful.append((entry, ignored))
        checks = in_parallel(lambda item: self._from_body(*item), doubtful)
        return proved | {entry.key for (entry, _left), answer in checks if answer.result()}

    def _from_metadata(self, entry: Entry, metadata: Metadata | None, ignored: Sequence[str]) -> bool | None:
        """True: intact. False: drifted. None: the body must be read."""
        if not entry.uid or metadata is None:
            return False
        to_be_taken = self._take_over and has_client_fields(metadata)
        if metadata["uid"] != entry.uid or metadata.get("deletionTimestamp") or to_be_taken:
            return False
        if metadata["resourceVersion"] == entry.resource_version:
            return True
        if not self._same_metadata(entry, metadata, ignored):
            return False
        if generation_tells(entry.key.group, entry.kind) and metadata.get("generation") == entry.generation:
            return True
        return None

    def _from_body(self, entry: Entry, ignored: Sequence[str]) -> bool:
        live = get_object(self._kube, entry.resource, entry.key)
        if live is None or live["metadata"]["uid"] != entry.uid or live["metadata"].get("deletionTimestamp"):
            return False
        # The metadata is judged again: it may have changed since the list.
        if not self._same_metadata(entry, live["metadata"], ignored):
            return False
        return body_digest(live, self._manager, ignored, entry.fields) == entry.body_digest

    def _same_metadata(self, entry: Entry, metadata: Metadata, ignored: Sequence[str]) -> bool:
        if owns_more(metadata, self._manager, ignored, entry.fields):
            return False
        return metadata_digest(metadata, self._manager, ignored, entry.fields) == entry.metadata_digest


def record_applied(entry: Entry, live: Mapping[str, Any], manager: str, ignored: Sequence[str]) -> None:
    """Note in the entry what the API server answered to an apply: the whole object."""
    metadata = live["metadata"]
    entry.uid = metadata["uid"]
    entry.fields = owned_fields(metadata, manager)
    entry.metadata_digest = metadata_digest(metadata, manager, ignored)
    entry.body_digest = body_digest(live, manager, ignored)
    entry.resource_version = metadata["resourceVersion"]
    entry.generation = metadata.get("generation") or 0
