# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Applying a bundle: read it, resolve its kinds, look at the cluster, decide, send, record."""

from __future__ import annotations

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import ObjectKey
from ansible_collections.llmops.maas.plugins.module_utils._manifests.discovery import resolve
from ansible_collections.llmops.maas.plugins.module_utils._manifests.inputs import Inputs
from ansible_collections.llmops.maas.plugins.module_utils._manifests.live_objects import (
    DriftCheck,
    live_objects,
    record_applied,
)
from ansible_collections.llmops.maas.plugins.module_utils._manifests.outcome import ApplyOptions, ApplyOutcome
from ansible_collections.llmops.maas.plugins.module_utils._manifests.patch import Patcher
from ansible_collections.llmops.maas.plugins.module_utils._manifests.plan import ApplyPlan, applied_before, decide, look
from ansible_collections.llmops.maas.plugins.module_utils._manifests.record import Entry, Record, Records, entry_of
from ansible_collections.llmops.maas.plugins.module_utils._manifests.send import Applied, rehearse, send


def apply(kube: Kube, inputs: Inputs, record: Record, records: Records | None, outcome: ApplyOutcome) -> set[ObjectKey]:
    """Bring the cluster to what the bundle says and ``record`` up to date; return the keys of all of its objects.

    Failures of single objects are noted in the outcome.

    :param records: where the record is kept; None for objects without a bundle, of which there is none.
    :raises InputError: the input cannot be used. Nothing was changed then.
    """
    options = outcome.options
    drift = DriftCheck(kube, options.manager, take_over=options.force)
    if record.input == inputs.digest and record.complete:
        unchanged = _all_if_intact(kube, drift, record, options)
        if unchanged is not None:
            outcome.counts["unchanged"] += len(unchanged)
            return unchanged
    resolved = resolve(kube, inputs.manifests(), options)
    seen = look(kube, resolved, first=not record.entries)
    intact = drift.intact(applied_before(resolved, seen, record, options, inputs.options_digest))
    plan = decide(resolved, seen, intact, check=options.check)
    outcome.counts["unchanged"] += len(intact)
    patcher = Patcher(kube, options, record.entries)
    try:
        if options.check:
            for applied in rehearse(plan, patcher):
                _note(outcome, applied)
        else:
            _execute(plan, patcher, inputs, record, records, outcome)
    finally:
        for warning in sorted(patcher.warnings):
            outcome.warn(warning)
    return set(resolved.resources)


def _all_if_intact(kube: Kube, drift: DriftCheck, record: Record, options: ApplyOptions) -> set[ObjectKey] | None:
    """The quick way, without reading a manifest: the same input as last time, and nothing drifted. Else None."""
    entries = [entry for entry in record.entries.values() if not entry.dropped]
    live = live_objects(kube, {entry.key: entry.resource for entry in entries})
    intact = drift.intact(
        (entry, live.get(entry.key), options.create_only_fields(entry.kind, entry.name)) for entry in entries
    )
    return intact if len(intact) == len(entries) else None


def _execute(
    plan: ApplyPlan, patcher: Patcher, inputs: Inputs, record: Record, records: Records | None, outcome: ApplyOutcome
) -> None:
    # Recorded before it is made: a run that dies midway leaves nothing that later runs do not know of.
    if record.expect(plan.resolved.resources) and records:
        records.write(record)
    try:
        for applied in send(plan, patcher, outcome.warn):
            _note(outcome, applied)
            if not applied.problem:
                record.put(_entry(plan, applied, inputs.options_digest, patcher.options))
    finally:
        # Also when something unforeseen happened: what was applied must be found by later runs.
        if not outcome.failures and record.complete:
            record.input = inputs.digest
        if records:
            records.write(record)


def _entry(plan: ApplyPlan, applied: Applied, options_digest: bytes, options: ApplyOptions) -> Entry:
    manifest = applied.manifest
    entry = entry_of(manifest.key, plan.resolved.resources[manifest.key])
    entry.digest = manifest.digest(options_digest)
    ignored = options.create_only_fields(manifest.kind, manifest.name)
    record_applied(entry, applied.live, options.manager, ignored)
    return entry


def _note(outcome: ApplyOutcome, applied: Applied) -> None:
    manifest = applied.manifest
    if applied.problem:
        outcome.fail(manifest.key, manifest.where, applied.problem)
        return
    if applied.warning:
        outcome.warn(f"{manifest.key}: {applied.warning}")
    if applied.unasked:
        outcome.unasked[applied.unasked] += 1
    after = applied.live if applied.live is not None else manifest.body()
    outcome.note(manifest.key, manifest.api_version, applied.action, applied.before, after)
