# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of the manifests module: from its parameters to its result."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import InputError, ManifestSource
from ansible_collections.llmops.maas.plugins.module_utils._kube.fetch import fetch_sources
from ansible_collections.llmops.maas.plugins.module_utils._manifests.apply import apply
from ansible_collections.llmops.maas.plugins.module_utils._manifests.delete import Deleter
from ansible_collections.llmops.maas.plugins.module_utils._manifests.discovery import with_namespace
from ansible_collections.llmops.maas.plugins.module_utils._manifests.inputs import (
    Inputs,
    definition_sources,
    file_sources,
)
from ansible_collections.llmops.maas.plugins.module_utils._manifests.outcome import ApplyOptions, ApplyOutcome
from ansible_collections.llmops.maas.plugins.module_utils._manifests.record import Entry, Record, Records, entry_of
from ansible_collections.llmops.maas.plugins.module_utils._manifests.transform import Transformation

_BUNDLE = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")
# As the API server: a manager's name is at most this long and printable.
_MANAGER = re.compile(r"[ -~]{1,128}")


class Bundle:
    """Everything that one task is asked to do. Raises InputError when the parameters make no sense."""

    def __init__(self, params: Mapping[str, Any], *, check: bool, diff: bool, warn: Callable[[str], None]) -> None:
        _check_params(params)
        self._params = params
        self._warn = warn
        self._sources = _sources(params)
        self._options = ApplyOptions(
            manager=params["field_manager"],
            force=params["force_conflicts"],
            validate=params["validate"],
            namespace=params["namespace"] or params["override_namespace"] or "",
            create_only=params["create_only"],
            keep_kinds=frozenset(params["keep_kinds"]),
            prune=params["prune"],
            timeout=params["timeout"],
            wait_deleted=params["wait_deleted"],
            controller_grace=params["controller_grace"],
            check=check,
            diff=diff,
        )
        self.outcome = ApplyOutcome(self._options, warn)
        if not self._sources and (params["state"] == "present" or not params["bundle"]):
            raise InputError(["nothing to do: set definitions, files or urls (or bundle with state: absent)"])

    def run(self, kube: Kube) -> None:
        """Do it. Failures of single objects are in the outcome; raises InputError and KubeError."""
        if kube.insecure:
            self._warn(
                f"the certificate of {kube.host} is not verified: anyone on the way can read and change everything"
            )
        try:
            if self._params["state"] == "present":
                self._present(kube)
            else:
                self._absent(kube)
        finally:
            for warning in kube.warnings:
                self._warn(f"the API server warns: {warning}")

    def result(self) -> dict[str, Any]:
        """The module's return values."""
        result: dict[str, Any] = {
            "changed": self.outcome.changed,
            "objects": self.outcome.objects,
            "counts": dict(self.outcome.counts),
        }
        if self._options.diff:
            result["diff"] = self.outcome.diffs
        if self._options.check:
            result["unchecked"] = self.outcome.unchecked(self._params["bundle"] or "")
        return result

    def _inputs(self) -> Inputs:
        last_wins = self._params["duplicates"] == "last"
        return Inputs(self._sources, Transformation(self._params), last_wins=last_wins)

    def _present(self, kube: Kube) -> None:
        records, record = self._record(kube)
        wanted = apply(kube, self._inputs(), record, records, self.outcome)
        if not self._options.prune or self.outcome.failures:
            return
        stale = [entry for entry in record.entries.values() if entry.key not in wanted]
        gone = Deleter(kube, self.outcome, "pruned").delete(stale, asked_by_name=False)
        if records and gone and not self._options.check:
            for key in gone:
                record.remove(key)
            records.write(record)

    def _absent(self, kube: Kube) -> None:
        records, record = self._record(kube)
        named = bool(self._sources)
        entries = self._named_entries(kube) if named else list(record.entries.values())
        gone = Deleter(kube, self.outcome).delete(entries, asked_by_name=named)
        if not records or not record.resource_version:
            return
        if self._options.check:
            kept = [entry for entry in entries if entry.kind in self._options.keep_kinds]
            self.outcome.record_removed = not kept and {entry.key for entry in entries} >= set(record.entries)
            return
        known = len(record.entries)
        for key in gone:
            record.remove(key)
        if not record.entries:
            records.delete(record)
            self.outcome.record_removed = True
        elif len(record.entries) < known:
            # It no longer stands for the whole input.
            record.input = ""
            records.write(record)

    def _record(self, kube: Kube) -> tuple[Records | None, Record]:
        bundle = self._params["bundle"]
        if not bundle:
            return None, Record("")
        records = Records(kube, self._params["inventory_namespace"])
        return records, records.read(bundle)

    def _named_entries(self, kube: Kube) -> list[Entry]:
        """Entries of the objects that were given. A kind that the cluster does not have is gone already."""
        entries: dict[Any, Entry] = {}
        problems = []
        for given in self._inputs().manifests():
            resource = kube.resources.find(given.api_version, given.kind)
            if resource is None:
                continue
            manifest = with_namespace(given, resource, self._options.namespace)
            if resource.namespaced and not manifest.namespace:
                problems.append(f"{manifest.where}: {manifest.key} has no namespace; set it, or the option namespace")
            entries[manifest.key] = entry_of(manifest.key, resource)
        if problems:
            raise InputError(problems)
        return list(entries.values())


def _check_params(params: Mapping[str, Any]) -> None:
    problems = []
    bundle = params["bundle"]
    if bundle is not None and not _BUNDLE.fullmatch(bundle):
        problems.append(f"bundle: {bundle!r} may hold only a-z, 0-9 and -, and at most 50 of them")
    if params["prune"] and not bundle:
        problems.append("prune needs bundle: without a record nobody knows what an earlier run made")
    if not _MANAGER.fullmatch(params["field_manager"]):
        problems.append("field_manager: give it 1 to 128 printable characters")
    if params["timeout"] <= 0:
        problems.append("timeout: give a number of seconds greater than 0")
    if params["controller_grace"] < 0:
        problems.append("controller_grace: give a number of seconds, or 0 never to look at controllers")
    if params["namespace"] and params["override_namespace"]:
        problems.append("namespace and override_namespace exclude each other; set one")
    problems += [
        f"replace_namespace: {old!r}: the new name must be text"
        for old, new in params["replace_namespace"].items()
        if not isinstance(new, str) or not new
    ]
    if problems:
        raise InputError(problems)


def _sources(params: Mapping[str, Any]) -> list[ManifestSource]:
    try:
        sealed = json.loads(params["sealed"] or "{}")
        files = [
            ManifestSource(name, base64.b64decode(text)) if text is not None else file_sources([name])[0]
            for name, text in sealed.get("files") or []
        ]
    except (TypeError, ValueError) as error:
        raise InputError(["sealed is for internal use; leave it out"]) from error
    return [
        *definition_sources(sealed.get("definitions", params["definitions"])),
        *(files or file_sources(params["files"])),
        *fetch_sources(params["urls"]),
    ]
