# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Applying a bundle: find what drifted or is new, send only that, in waves, and keep the record."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, Kube, KubeError, ResourceType
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError, Key, Manifest
from ansible_collections.llmops.maas.plugins.module_utils._kube.errors import explain, webhook_trouble
from ansible_collections.llmops.maas.plugins.module_utils._kube.parallel import in_parallel
from ansible_collections.llmops.maas.plugins.module_utils._kube.pins import broken_pins
from ansible_collections.llmops.maas.plugins.module_utils._manifests.diff import content, managers
from ansible_collections.llmops.maas.plugins.module_utils._manifests.discovery import (
    absent_namespaces,
    missing_namespaces,
    resolve,
    wait_served,
)
from ansible_collections.llmops.maas.plugins.module_utils._manifests.inputs import Inputs
from ansible_collections.llmops.maas.plugins.module_utils._manifests.live_objects import (
    Checker,
    Metadata,
    get,
    look,
    remember,
)
from ansible_collections.llmops.maas.plugins.module_utils._manifests.order import DEFINITIONS, wave
from ansible_collections.llmops.maas.plugins.module_utils._manifests.outcome import Options, Outcome
from ansible_collections.llmops.maas.plugins.module_utils._manifests.patch import Patcher, secret_values
from ansible_collections.llmops.maas.plugins.module_utils._manifests.record import (
    Entry,
    Record,
    Records,
    entry_of,
    in_order,
)

_POLL = 0.2
# Why check mode cannot ask the API server.
_JUDGEMENT = "what the API server says to objects"
_NOT_THERE = _JUDGEMENT, "their kinds or namespaces are not there yet"
_BEING_DELETED = _JUDGEMENT, "they are being deleted"
_NO_ANSWER = _JUDGEMENT, "a webhook that judges them does not answer"


@dataclass
class Result:
    """What became of one object. `live` is None when the server could not be asked (check mode), `unasked` says why."""

    action: str
    before: Any
    live: Any
    warning: str = ""
    unasked: tuple[str, str] | None = None


class Applier:
    """Brings the cluster to what a bundle says. One use."""

    def __init__(self, kube: Kube, outcome: Outcome, records: Records | None) -> None:
        self._kube = kube
        self._outcome = outcome
        self._options: Options = outcome.options
        self._records = records
        self._checker = Checker(kube, self._options.manager, take_over=self._options.force)
        self._patcher = Patcher(kube, self._options)
        self._new_types: set[tuple[str, str]] = set()
        self._resources: dict[Key, ResourceType] = {}
        self._live: dict[Key, Metadata] = {}
        self.wanted: set[Key] = set()
        """Keys of all objects of the bundle, once `apply` has run."""

    def apply(self, inputs: Inputs, record: Record) -> None:
        """Apply the bundle and bring `record` up to date. Failures are noted in the outcome.

        Raises InputError, before anything is changed, when the input cannot be used.
        """
        if record.input == inputs.digest and record.complete and self._all_intact(record):
            return
        manifests = inputs.manifests()
        self._resources = resolve(self._kube, manifests, self._options, self._new_types)
        self.wanted = set(self._resources)
        self._live = look(self._kube, self._may_exist(record))
        work = self._drifted(manifests, record, inputs.salt)
        absent = self._missing_namespaces(work)
        broken = broken_pins(work, self._live)
        if broken:
            raise InputError(broken)
        try:
            self._work(manifests, work, absent, record, inputs)
        finally:
            for warning in sorted(self._patcher.warnings):
                self._outcome.warn(warning)

    def _work(
        self, manifests: list[Manifest], work: list[Manifest], absent: set[str], record: Record, inputs: Inputs
    ) -> None:
        if self._options.check:
            self._rehearse(work, absent)
            return
        self._intend(manifests, record)
        try:
            self._apply_waves(work, record, inputs.salt)
        finally:
            # Also when something unforeseen happened: what was applied must be found by later runs.
            if not self._outcome.failures and record.complete:
                record.input = inputs.digest
            self._store(record)

    def _may_exist(self, record: Record) -> dict[Key, ResourceType]:
        """The objects to look for; a first run leaves out those whose namespace or kind is not there yet."""
        if record.entries:
            return self._resources
        absent = absent_namespaces(self._kube, {key.namespace for key in self._resources if key.namespace})
        return {
            key: resource
            for key, resource in self._resources.items()
            if key.namespace not in absent and (resource.api_version, resource.kind) not in self._new_types
        }

    def _all_intact(self, record: Record) -> bool:
        """The quick way, without reading a manifest: the same input as last time, and nothing drifted."""
        entries = [entry for entry in record.entries.values() if not entry.dropped]
        live = look(self._kube, {entry.key: entry.resource for entry in entries})
        intact = self._intact(entries, live)
        if len(intact) < len(entries):
            return False
        self._outcome.counts["unchanged"] += len(entries)
        self.wanted = intact
        return True

    def _intact(self, entries: Iterable[Entry], live: Mapping[Key, Metadata]) -> set[Key]:
        return self._checker.intact(
            (entry, live.get(entry.key), self._options.left(entry.kind, entry.name)) for entry in entries
        )

    def _drifted(self, manifests: list[Manifest], record: Record, salt: bytes) -> list[Manifest]:
        """The manifests that must be sent: new, changed, or no longer so in the cluster."""
        known = [
            record.entries[manifest.key]
            for manifest in manifests
            if manifest.key in record.entries and record.entries[manifest.key].digest == manifest.digest(salt)
        ]
        intact = self._intact(known, self._live)
        self._outcome.counts["unchanged"] += len(intact)
        return [manifest for manifest in manifests if manifest.key not in intact]

    def _missing_namespaces(self, work: list[Manifest]) -> set[str]:
        absent = missing_namespaces(self._kube, work)
        if absent and not self._options.check:
            raise InputError(
                [
                    f"{manifest.where}: {manifest.key}: there is no namespace {manifest.namespace}; create it first, in"
                    " this bundle or before it"
                    for manifest in work
                    if manifest.namespace in absent
                ]
            )
        return absent

    def _intend(self, manifests: list[Manifest], record: Record) -> None:
        """Record what is about to be made: a run that dies midway leaves nothing that later runs do not know of."""
        wanted = [manifest.key for manifest in manifests]
        fresh = [key for key in wanted if key not in record.entries]
        for key in fresh:
            record.put(entry_of(key, self._resources[key]))
        for key in wanted:
            record.entries[key].dropped = False
        for key in set(record.entries) - set(wanted):
            record.entries[key].dropped = True
        record.entries = in_order(record.entries, wanted)
        if fresh:
            self._store(record)

    def _store(self, record: Record) -> None:
        if self._records:
            self._records.write(record)

    def _apply_waves(self, work: list[Manifest], record: Record, salt: bytes) -> None:
        waves: dict[int, list[Manifest]] = defaultdict(list)
        for manifest in work:
            waves[wave(manifest.group, manifest.kind)].append(manifest)
        for number in sorted(waves):
            if self._outcome.failures:
                left = sum(len(waves[later]) for later in waves if later >= number)
                self._outcome.warn(f"{left} objects that come later were not applied because of the failures")
                return
            self._apply_wave(waves[number], record, salt)
            if number == DEFINITIONS and not self._outcome.failures:
                self._wait_served(waves[number])

    def _apply_wave(self, manifests: list[Manifest], record: Record, salt: bytes) -> None:
        deadline = time.monotonic() + self._options.timeout
        for manifest, answer in in_parallel(lambda manifest: self._apply_one(manifest, deadline), manifests):
            result = self._noted(manifest, answer)
            if result is None:
                continue
            entry = entry_of(manifest.key, self._resources[manifest.key])
            entry.digest = manifest.digest(salt)
            remember(entry, result.live, self._options.manager, self._options.left(manifest.kind, manifest.name))
            record.put(entry)

    def _noted(self, manifest: Manifest, answer: Future[Result]) -> Result | None:
        try:
            result = answer.result()
        except KubeError as error:
            live = manifest.key in self._live
            told = explain(error, secret_values(manifest), live=live, pins=manifest.pins)
            self._outcome.fail(manifest.key, manifest.where, told)
            return None
        if result.warning:
            self._outcome.warn(f"{manifest.key}: {result.warning}")
        if result.unasked:
            self._outcome.unasked[result.unasked] += 1
        after = result.live if result.live is not None else manifest.body()
        self._outcome.note(manifest.key, manifest.api_version, result.action, result.before, after)
        return result

    def _apply_one(self, manifest: Manifest, deadline: float) -> Result:
        resource = self._resources[manifest.key]
        before = self._settled(manifest, resource, deadline)
        new_kind = (manifest.api_version, manifest.kind) in self._new_types
        live = self._patcher.apply(manifest, resource, before, deadline, new_kind=new_kind)
        return Result(_action(before, live), before, live)

    def _settled(self, manifest: Manifest, resource: ResourceType, deadline: float) -> Any:
        """The object as it is, or None. One that is being deleted is waited for: it would take the change with it."""
        if manifest.key not in self._live:
            return None
        while True:
            live = get(self._kube, resource, manifest.key)
            if live is None or not live["metadata"].get("deletionTimestamp"):
                return live
            if time.monotonic() > deadline:
                finalizers = ", ".join(live["metadata"].get("finalizers") or []) or "nothing that is named"
                raise KubeError(
                    f"it is being deleted and still not gone after {self._options.timeout:g} s; it waits for"
                    f" {finalizers}: is the controller that removes it running?"
                )
            time.sleep(_POLL)

    def _wait_served(self, manifests: list[Manifest]) -> None:
        for manifest, problem in wait_served(self._kube, manifests, self._options.timeout):
            self._outcome.fail(manifest.key, manifest.where, problem)

    def _rehearse(self, work: list[Manifest], absent: set[str]) -> None:
        for manifest, answer in in_parallel(lambda manifest: self._rehearse_one(manifest, absent), work):
            self._noted(manifest, answer)

    def _rehearse_one(self, manifest: Manifest, absent: set[str]) -> Result:
        resource = self._resources[manifest.key]
        before = get(self._kube, resource, manifest.key) if manifest.key in self._live else None
        if before is not None and before["metadata"].get("deletionTimestamp"):
            return Result("created", None, None, unasked=_BEING_DELETED)
        new_kind = (manifest.api_version, manifest.kind) in self._new_types
        if before is None and (new_kind or manifest.namespace in absent):
            return Result("created", None, None, unasked=_NOT_THERE)
        try:
            live = self._patcher.dry_run(manifest, resource, before)
        except ApiError as error:
            if before is None and error.status == 404:
                return Result("created", None, None, unasked=_NOT_THERE)
            if webhook_trouble(error):
                action = "created" if before is None else "configured"
                return Result(action, before, None, f"not checked by the server: {error.message}", _NO_ANSWER)
            raise
        return Result(_action(before, live), before, live)


def _action(before: Any, live: Any) -> str:
    if before is None or before["metadata"]["uid"] != live["metadata"]["uid"]:
        return "created"
    if content(before) == content(live) and managers(before) == managers(live):
        return "unchanged"
    return "configured"
