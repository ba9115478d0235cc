# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a bundle: what was applied, so that the next run knows what drifted, and later runs what to remove.

One Secret per bundle (a Secret, because a digest of a short password could be guessed from). Its ``objects`` key holds
gzipped JSON: ``{"format": 1, "input": digest, "objects": [[...], ...]}``, one row for each object.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import (
    PARTIAL_LIST,
    ApiError,
    Kube,
    KubeError,
    ResourceType,
)
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import ObjectKey

TYPE = "llmops.maas/inventory"
LABEL = "llmops.maas/bundle"
MANAGED_BY = {"app.kubernetes.io/managed-by": "llmops.maas"}
_MANAGER = {"fieldManager": "llmops.maas-record"}
_FORMAT = 1
_ATTEMPTS = 5
_SECRETS = ResourceType("v1", "Secret", "secrets", namespaced=True)
_NAMESPACES = ResourceType("v1", "Namespace", "namespaces", namespaced=False)
# What Kubernetes itself puts into every namespace.
_PUT_BY_KUBERNETES = {"kube-root-ca.crt", "default", "openshift-service-ca.crt"}


@dataclass
class Entry:
    """What is known of one object. ``uid`` is empty from before it is applied until that has succeeded."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    namespace: str
    name: str
    digest: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    metadata_digest: str = ""
    body_digest: str = ""
    fields: dict[str, Any] | None = None
    """The set of fields that were ours right after the apply. Some controllers' writes take fields from their owners
    without changing them (istiod's of a Gateway's status), so later the values at this set are compared, and not who
    owns them."""
    dropped: bool = False
    """The bundle no longer holds it, but it was not pruned yet."""

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.api_version.rpartition("/")[0], self.kind, self.namespace, self.name)

    @property
    def resource(self) -> ResourceType:
        return ResourceType(self.api_version, self.kind, self.plural, self.namespaced)


@dataclass
class Record:
    """All entries of one bundle, in the order of the bundle."""

    bundle: str
    input: str = ""
    entries: dict[ObjectKey, Entry] = field(default_factory=dict)
    resource_version: str = ""
    removed: set[ObjectKey] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        """Whether everything that the record names was applied."""
        return all(entry.uid for entry in self.entries.values() if not entry.dropped)

    def put(self, entry: Entry) -> None:
        self.entries[entry.key] = entry
        self.removed.discard(entry.key)

    def expect(self, resources: Mapping[ObjectKey, ResourceType]) -> bool:
        """Name the objects that the bundle holds now, in its order; whether there are new ones among them."""
        fresh = [key for key in resources if key not in self.entries]
        for key in fresh:
            self.put(entry_of(key, resources[key]))
        for key, entry in self.entries.items():
            entry.dropped = key not in resources
        # Those that the bundle no longer holds at the end.
        self.entries = {**{key: self.entries[key] for key in resources}, **self.entries}
        return bool(fresh)

    def remove(self, key: ObjectKey) -> None:
        if self.entries.pop(key, None):
            self.removed.add(key)


class Records:
    """Reads and writes records in one namespace, which is made on demand and removed with the last record."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace

    def read(self, bundle: str) -> Record:
        """The record of that bundle, empty when there is none. Raises KubeError when it cannot be used."""
        try:
            secret = self._kube.request("GET", self._path(bundle))
        except ApiError as error:
            if error.status != 404:
                raise
            return Record(bundle)
        return self._decode(bundle, secret)

    def write(self, record: Record) -> None:
        """Store the record. What another run stored meanwhile is kept beside it."""
        for _attempt in range(_ATTEMPTS):
            try:
                self._store(record)
            except ApiError as error:
                if error.status != 409:
                    raise
                self._merge(record, self.read(record.bundle))
            else:
                return
        raise KubeError(
            f"the record of bundle {record.bundle} is changed by other runs all the time: do not apply one bundle twice"
            " at once"
        )

    def delete(self, record: Record) -> None:
        """Delete the record, and with the last one the namespace, if it was made here and nothing else is in it."""
        if record.resource_version:
            self._delete(self._path(record.bundle))
        namespace = _NAMESPACES.path(name=self._namespace)
        try:
            labels = (self._kube.request("GET", namespace)["metadata"]).get("labels") or {}
            if MANAGED_BY.items() <= labels.items() and self._empty():
                self._delete(namespace)
        except ApiError as error:
            if error.status not in (403, 404):
                raise

    def _empty(self) -> bool:
        for plural in ("secrets", "configmaps", "serviceaccounts", "pods", "services", "persistentvolumeclaims"):
            path = ResourceType("v1", "", plural, namespaced=True).path(self._namespace)
            items = self._kube.request("GET", path, query={"limit": 5}, accept=PARTIAL_LIST).get("items") or []
            if any(item["metadata"]["name"] not in _PUT_BY_KUBERNETES for item in items):
                return False
        return True

    def _delete(self, path: str) -> None:
        try:
            self._kube.request("DELETE", path)
        except ApiError as error:
            if error.status != 404:
                raise

    def _store(self, record: Record) -> None:
        body = self._encode(record)
        answer = self._update(record, body) if record.resource_version else self._create(body)
        record.resource_version = answer["metadata"]["resourceVersion"]
        record.removed.clear()

    def _update(self, record: Record, body: dict[str, Any]) -> Any:
        try:
            return self._kube.request("PUT", self._path(record.bundle), query=_MANAGER, body=body)
        except ApiError as error:
            if error.status != 404:
                raise
        del body["metadata"]["resourceVersion"]
        return self._create(body)

    def _create(self, body: dict[str, Any]) -> Any:
        path = _SECRETS.path(self._namespace)
        try:
            return self._kube.request("POST", path, query=_MANAGER, body=body)
        except ApiError as error:
            if error.status != 404:
                raise
        namespace = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self._namespace, "labels": MANAGED_BY},
        }
        self._kube.request("POST", _NAMESPACES.path(), query=_MANAGER, body=namespace)
        return self._kube.request("POST", path, query=_MANAGER, body=body)

    def _path(self, bundle: str) -> str:
        return _SECRETS.path(self._namespace, _name(bundle))

    def _encode(self, record: Record) -> dict[str, Any]:
        content = {
            "format": _FORMAT,
            "input": record.input,
            "objects": [astuple(entry) for entry in record.entries.values()],
        }
        packed = gzip.compress(json.dumps(content, separators=(",", ":")).encode(), mtime=0)
        metadata: dict[str, Any] = {"name": _name(record.bundle), "labels": {**MANAGED_BY, LABEL: record.bundle}}
        if record.resource_version:
            metadata["resourceVersion"] = record.resource_version
        data = {"objects": base64.b64encode(packed).decode()}
        return {"apiVersion": "v1", "kind": "Secret", "type": TYPE, "metadata": metadata, "data": data}

    def _decode(self, bundle: str, secret: dict[str, Any]) -> Record:
        where = f"Secret {self._namespace}/{_name(bundle)}"
        if secret.get("type") != TYPE:
            raise KubeError(f"{where} is not a record of this collection (type {secret.get('type')}): rename it")
        try:
            content = json.loads(gzip.decompress(base64.b64decode(secret["data"]["objects"])))
            if content["format"] != _FORMAT:
                raise KubeError(
                    f"{where} was written by another version of llmops.maas: use that version or a newer one"
                )
            entries = [Entry(*row) for row in content["objects"]]
        except (KeyError, TypeError, ValueError, OSError, EOFError) as error:
            raise KubeError(
                f"{where}, the record of what was applied, is damaged ({type(error).__name__}): delete it and apply"
                " again"
            ) from error
        return Record(
            bundle,
            input=content["input"],
            entries={entry.key: entry for entry in entries},
            resource_version=secret["metadata"]["resourceVersion"],
        )

    @staticmethod
    def _merge(record: Record, stored: Record) -> None:
        for key, entry in stored.entries.items():
            if key not in record.removed:
                record.entries.setdefault(key, entry)
        record.resource_version = stored.resource_version


def _name(bundle: str) -> str:
    return f"maas-inventory-{bundle}"


def entry_of(key: ObjectKey, resource: ResourceType) -> Entry:
    """A new entry, before the object was applied."""
    return Entry(resource.api_version, resource.kind, resource.plural, resource.namespaced, key.namespace, key.name)
