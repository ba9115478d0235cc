# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sending one object as a server-side apply, with retries of what is worth it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.retry import Deadline
from ansible_collections.llmops.maas.plugins.module_utils._kube.apply import (
    JSON_PATCH,
    MERGE_PATCH,
    persist,
    server_side_apply,
)
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, Kube, KubeError, ResourceType
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import Manifest, ObjectKey
from ansible_collections.llmops.maas.plugins.module_utils._kube.errors import webhook_trouble, worth_retrying
from ansible_collections.llmops.maas.plugins.module_utils._kube.undeclared import drop_path, undeclared_fields
from ansible_collections.llmops.maas.plugins.module_utils._kube.yaml import dump_json
from ansible_collections.llmops.maas.plugins.module_utils._manifests.client_side import (
    leftovers,
    merge_patch,
    taken_over,
    without_client_fields,
)
from ansible_collections.llmops.maas.plugins.module_utils._manifests.diff import content
from ansible_collections.llmops.maas.plugins.module_utils._manifests.field_sets import Fields, paths
from ansible_collections.llmops.maas.plugins.module_utils._manifests.live_objects import get_object
from ansible_collections.llmops.maas.plugins.module_utils._manifests.lost_fields import lost_fields
from ansible_collections.llmops.maas.plugins.module_utils._manifests.outcome import ApplyOptions
from ansible_collections.llmops.maas.plugins.module_utils._manifests.owned_fields import owns_field, path_parts
from ansible_collections.llmops.maas.plugins.module_utils._manifests.record import Entry

# How many fields a warning names.
_SHOWN = 10
_PAUSE = 0.2
_VALIDATION = {"strict": "Strict", "warn": "Warn", "ignore": "Ignore"}


class Patcher:
    """Applies manifests. All methods may be called from several threads."""

    def __init__(self, kube: Kube, options: ApplyOptions, applied: Mapping[ObjectKey, Entry]) -> None:
        """``applied``: what is recorded of the objects from before."""
        self.kube = kube
        self.options = options
        self._applied = dict(applied)
        self.warnings: set[str] = set()

    def apply(
        self, manifest: Manifest, resource: ResourceType, live: Any, deadline: Deadline, *, new_kind: bool = False
    ) -> dict[str, Any]:
        """Apply one object and return it as it is then. Raises the last error when the time is up.

        ``live`` is the object as it is, None when there is none. Where fields may be taken over, those of a client-side
        apply are, so that the ones that the manifest lacks are removed; else a warning names them. So are fields that
        we have lost (lost_fields.py), again if a controller takes them from us meanwhile.
        """
        again = partial(worth_retrying, new_kind=new_kind, pinned=bool(manifest.pins))
        for _turn in deadline.attempts(_PAUSE):
            taken = self._take_over(manifest, resource, live, deadline)
            payload = self._payload(manifest, taken, unpinned=taken is not live)
            answer: dict[str, Any] = persist(partial(self._send, manifest, resource, payload), deadline, again)
            if not self._lost(manifest, answer):
                self._warn_of_leftovers(manifest, answer)
                return answer
            live = answer
        left = ", ".join(paths(self._lost(manifest, live)))
        raise KubeError(f"{left} could not be removed: another controller writes the object all the time")

    def dry_run(self, manifest: Manifest, resource: ResourceType, live: Any) -> dict[str, Any]:
        """The object as it would be after an apply."""
        entries = self._taken_over(manifest, live)
        if entries is None:
            answer = self._send(manifest, resource, self._payload(manifest, live), dry_run=True)
            self._warn_of_leftovers(manifest, answer)
            return answer
        seen = {**live, "metadata": {**live["metadata"], "managedFields": entries}}
        answer = self._send(manifest, resource, self._payload(manifest, seen), dry_run=True)
        ignored = self.options.create_only_fields(manifest.kind, manifest.name)
        lost = self._lost(manifest, live)
        wanted = without_client_fields(answer, live["metadata"], ignored, lost, force=self.options.force)
        return self._with_defaults(manifest, resource, live, wanted)

    def _with_defaults(self, manifest: Manifest, resource: ResourceType, live: Any, wanted: Any) -> dict[str, Any]:
        """The object as the server would complete it: with a default where a field was removed."""
        before, after = content(live), content(wanted)
        patch = json.dumps(merge_patch(before, after)).encode()
        path = resource.path(manifest.namespace, manifest.name)
        query = {"fieldManager": self.options.manager, "dryRun": "All"}
        answer: dict[str, Any] = self.kube.request("PATCH", path, query=query, body=patch, content_type=MERGE_PATCH)
        answer["metadata"]["managedFields"] = wanted["metadata"]["managedFields"]
        return answer

    def _take_over(self, manifest: Manifest, resource: ResourceType, live: Any, deadline: Deadline) -> Any:
        """Become the owner of what is to be; returns the object as it is then, ``live`` if that is nothing.

        The patch is that of UpgradeManagedFieldsPatch in k8s.io/client-go/util/csaupgrade. It is sent when the server
        would take the apply that follows, so that a manifest that it refuses changes no owner.
        """
        path = resource.path(manifest.namespace, manifest.name)
        while True:
            entries = self._taken_over(manifest, live)
            if entries is None:
                return live
            self._try_apply(manifest, resource, live, deadline)
            changes = {"managedFields": entries, "resourceVersion": live["metadata"]["resourceVersion"]}
            patch = [{"op": "replace", "path": f"/metadata/{name}", "value": value} for name, value in changes.items()]
            send = partial(self.kube.request, "PATCH", path, body=json.dumps(patch).encode(), content_type=JSON_PATCH)
            try:
                return persist(send, deadline, partial(worth_retrying, pinned=True))
            except ApiError as error:
                if error.status not in (404, 409) or deadline.over:
                    raise
            live = get_object(self.kube, resource, manifest.key)

    def _try_apply(self, manifest: Manifest, resource: ResourceType, live: Any, deadline: Deadline) -> None:
        """Raise the error of the server if it refuses the object; that a webhook cannot be asked is none."""

        def again(error: KubeError) -> bool:
            return worth_retrying(error, pinned=True) and not webhook_trouble(error)

        try:
            persist(lambda: self.dry_run(manifest, resource, live), deadline, again)
        except KubeError as error:
            if not webhook_trouble(error):
                raise

    def _taken_over(self, manifest: Manifest, live: Any) -> list[dict[str, Any]] | None:
        """The ``managedFields`` to be: None when nothing is to be taken over."""
        if live is None:
            return None
        ignored = self.options.create_only_fields(manifest.kind, manifest.name)
        lost = self._lost(manifest, live)
        return taken_over(live["metadata"], self.options.manager, ignored, lost, force=self.options.force)

    def _lost(self, manifest: Manifest, live: Mapping[str, Any]) -> Fields:
        """Fields that we applied, that nobody owns any more, and that the manifest lacks."""
        entry = self._applied.get(manifest.key)
        if entry is None or not entry.fields or entry.uid != live["metadata"]["uid"]:
            return {}
        ignored = self.options.create_only_fields(manifest.kind, manifest.name)
        return lost_fields(live, entry.fields, manifest.body, ignored)

    def _warn_of_leftovers(self, manifest: Manifest, answer: Mapping[str, Any]) -> None:
        ignored = self.options.create_only_fields(manifest.kind, manifest.name)
        paths = [] if self.options.force else leftovers(answer, self.options.manager, ignored)
        if not paths:
            return
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        self.warnings.add(
            f"{manifest.key}: kubectl apply has set {', '.join(paths[:_SHOWN])}{more}, which the manifest does not hold"
            " and which therefore stay as they are. Set force_conflicts: true to take over what kubectl apply has set"
            " and remove these, or put them into the manifest"
        )

    def _send(
        self, manifest: Manifest, resource: ResourceType, payload: bytes, *, dry_run: bool = False
    ) -> dict[str, Any]:
        try:
            return self._patch(manifest, resource, payload, dry_run=dry_run)
        except ApiError as error:
            unknown = undeclared_fields(error.message)
            if not unknown or self.options.validate == "strict":
                raise
            return self._patch(manifest, resource, self._without(manifest, payload, unknown), dry_run=dry_run)

    def _without(self, manifest: Manifest, payload: bytes, unknown: list[str]) -> bytes:
        body = json.loads(payload)
        dropped = [path for path in unknown if drop_path(body, path)]
        if self.options.validate == "warn":
            self.warnings.update(f"{manifest.key}: left out {path}: this kind has no such field" for path in dropped)
        return dump_json(body)

    def _patch(
        self, manifest: Manifest, resource: ResourceType, payload: bytes, *, dry_run: bool = False
    ) -> dict[str, Any]:
        answer: dict[str, Any] = server_side_apply(
            self.kube.request,
            resource.path(manifest.namespace, manifest.name),
            payload,
            manager=self.options.manager,
            force=self.options.force,
            validation=_VALIDATION[self.options.validate],
            dry_run=dry_run,
        )
        return answer

    def _payload(self, manifest: Manifest, live: Any, *, unpinned: bool = False) -> bytes:
        """The text to send: without the ``create_only`` fields that somebody else has taken over since.

        ``unpinned``: without the resourceVersion that the manifest may name, which our own patch has just raised.
        """
        ignored = self.options.create_only_fields(manifest.kind, manifest.name) if live else []
        dropped = [path for path in ignored if not owns_field(live["metadata"], self.options.manager, path)]
        if unpinned and manifest.pins:
            dropped.append("metadata.resourceVersion")
        if not dropped:
            return manifest.payload
        body = manifest.body()
        for path in dropped:
            _remove(body, path_parts(path))
        return dump_json(body)


def _remove(value: Any, parts: list[str]) -> None:
    if parts[0] == "*":
        for item in value if isinstance(value, list) else []:
            _remove(item, parts[1:])
    elif isinstance(value, dict):
        if len(parts) == 1:
            value.pop(parts[0], None)
        else:
            _remove(value.get(parts[0]), parts[1:])


def secret_values(manifest: Manifest) -> tuple[bytes, ...]:
    """What must not be shown of that object: a Secret's values."""
    if not manifest.is_secret:
        return ()
    return tuple(base64.b64decode(value) for value in (manifest.body().get("data") or {}).values() if value)
