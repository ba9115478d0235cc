# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deleting objects, in the order that lets controllers clean up: custom resources first, namespaces last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.retry import Deadline, attempts
from ansible_collections.llmops.maas.plugins.module_utils._kube.apply import persist
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, Kube, KubeError, ResourceType
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import ObjectKey
from ansible_collections.llmops.maas.plugins.module_utils._kube.errors import explain
from ansible_collections.llmops.maas.plugins.module_utils._kube.parallel import in_parallel
from ansible_collections.llmops.maas.plugins.module_utils._manifests.live_objects import (
    Metadata,
    get_object,
    live_objects,
)
from ansible_collections.llmops.maas.plugins.module_utils._manifests.order import removal_wave
from ansible_collections.llmops.maas.plugins.module_utils._manifests.outcome import ApplyOptions, ApplyOutcome
from ansible_collections.llmops.maas.plugins.module_utils._manifests.owned_fields import owned_fields
from ansible_collections.llmops.maas.plugins.module_utils._manifests.record import Entry
from ansible_collections.llmops.maas.plugins.module_utils._manifests.stuck import (
    StuckObjects,
    conditions_of,
    finalizers_of,
)

# Pauses in seconds.
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
# Why check mode cannot say whether they go.
_MAY_STAY = "whether objects go", "finalizers may hold them"


class Deleter:
    """Deletes objects wave by wave and waits for each wave."""

    def __init__(self, kube: Kube, outcome: ApplyOutcome, action: str = "deleted") -> None:
        self._kube = kube
        self._outcome = outcome
        self._options: ApplyOptions = outcome.options
        self._action = action

    def delete(self, entries: Iterable[Entry], *, asked_by_name: bool) -> list[ObjectKey]:
        """Delete the objects of the entries and return the keys that exist no more, or never did.

        ``asked_by_name``: the user named the objects, so that it does not matter who made them. Otherwise only what we
        made is deleted: the recorded uid, or an object whose fields our field manager owns.
        """
        gone: list[ObjectKey] = []
        waves: dict[int, list[Entry]] = defaultdict(list)
        for entry in entries:
            if entry.kind in self._options.keep_kinds:
                self._outcome.note(entry.key, entry.api_version, "kept")
            else:
                waves[removal_wave(entry.key.group, entry.kind)].append(entry)
        for number in sorted(waves):
            gone += self._delete_wave(waves[number], asked_by_name=asked_by_name)
            if self._outcome.failures:
                break
        return gone

    def _delete_wave(self, entries: list[Entry], *, asked_by_name: bool) -> list[ObjectKey]:
        live = live_objects(self._kube, {entry.key: entry.resource for entry in entries})
        ours = [
            entry for entry in entries if entry.key in live and (asked_by_name or self._is_ours(entry, live[entry.key]))
        ]
        gone = [entry.key for entry in entries if entry not in ours]
        before = self._bodies(ours)
        if self._options.check:
            for entry in ours:
                self._outcome.note(entry.key, entry.api_version, self._action, before.get(entry.key))
                self._outcome.unasked[_MAY_STAY] += 1
            return gone
        deleted = self._send(ours, live, before)
        return gone + (self._wait(deleted) if self._options.wait_deleted else [entry.key for entry in deleted])

    def _is_ours(self, entry: Entry, metadata: Metadata) -> bool:
        return metadata["uid"] == entry.uid or owned_fields(metadata, self._options.manager) is not None

    def _bodies(self, entries: list[Entry]) -> dict[ObjectKey, Any]:
        if not self._options.diff:
            return {}
        answers = in_parallel(lambda entry: get_object(self._kube, entry.resource, entry.key), entries)
        return {entry.key: answer.result() for entry, answer in answers}

    def _send(
        self, entries: list[Entry], live: Mapping[ObjectKey, Metadata], before: Mapping[ObjectKey, Any]
    ) -> list[Entry]:
        deleted = []
        answers = in_parallel(lambda entry: self._delete_one(entry.resource, entry.key, live[entry.key]), entries)
        for entry, answer in answers:
            try:
                asked = answer.result()
            except KubeError as error:
                self._outcome.fail(entry.key, "", explain(error))
                continue
            deleted.append(entry)
            if asked:
                self._outcome.note(entry.key, entry.api_version, self._action, before.get(entry.key))
        return deleted

    def _delete_one(self, resource: ResourceType, key: ObjectKey, metadata: Metadata) -> bool:
        """Whether this call asked for the deletion: an object may be on its way out already."""
        if metadata.get("deletionTimestamp"):
            return False
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            # Not an object of the same name that somebody made in the meantime.
            "preconditions": {"uid": metadata["uid"]},
        }

        def send() -> bool:
            try:
                self._kube.request("DELETE", resource.path(key.namespace, key.name), body=body)
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
                return error.status == 409
            return True

        deadline = Deadline(self._options.timeout)
        return persist(send, deadline, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)

    def _wait(self, entries: list[Entry]) -> list[ObjectKey]:
        """Wait until the objects are gone and return the keys of those that are. The others become failures.

        That an object will not go, because the controller that it waits for does not run, is found out before the
        time is up.
        """
        waiting = {entry.key: entry for entry in entries}
        gone: list[ObjectKey] = []
        stuck = StuckObjects(self._kube, self._options.controller_grace)
        for _turn in attempts(self._options.timeout if waiting else 0, _FIRST_PAUSE, _LONGEST_PAUSE):
            live = live_objects(self._kube, {key: entry.resource for key, entry in waiting.items()})
            # An object without a deletion time is another one, made since by somebody else.
            leaving = {key for key, metadata in live.items() if metadata.get("deletionTimestamp")}
            gone += [key for key in waiting if key not in leaving]
            waiting = {key: entry for key, entry in waiting.items() if key in leaving}
            for key, why in stuck.hopeless(waiting).items():
                self._outcome.fail(key, "", why)
                del waiting[key]
            if not waiting:
                break
        for key, entry in waiting.items():
            self._outcome.fail(key, "", self._stuck(entry))
        return gone

    def _stuck(self, entry: Entry) -> str:
        live = get_object(self._kube, entry.resource, entry.key)
        finalizers = finalizers_of(live) if live else []
        text = f"still not gone after {self._options.timeout:g} s"
        if finalizers:
            text += (
                f"; it waits for the finalizers {', '.join(finalizers)}: is the controller that removes them running?"
            )
        return text + "".join(f" {said}" for said in (conditions_of(live) if live else []))
