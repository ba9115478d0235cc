# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch any resources, one list and watch per kind, namespace and selector, and judge each by its criterion."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import (
    LAST_APPLIED,
    KubeObject,
    without_managed_fields,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.attention import unnoticed
from ansible_collections.llmops.maas.plugins.module_utils._wait.controller_watch import Controllers, Ignored
from ansible_collections.llmops.maas.plugins.module_utils._wait.criteria import Criterion
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import WaitState
from ansible_collections.llmops.maas.plugins.module_utils._wait.readiness import READY, failed, reason_among, waiting
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import Verdict
from ansible_collections.llmops.maas.plugins.module_utils._wait.watch import Source, Store


@dataclass(frozen=True)
class Wanted:
    """One entry of ``resources``: a named object, or those with the labels of ``label_selector``."""

    api_version: str
    kind: str
    criterion: Criterion
    name: str = ""
    namespace: str = ""
    label_selector: str = ""
    fail_on_reasons: Sequence[str] = ()

    @property
    def short(self) -> str:
        """How people call it."""
        return f"{self.kind} {self.name or f'with {self.label_selector}'}"

    @property
    def label(self) -> str:
        """How people call it where there may be others of its name, and the key of its verdict."""
        return self.short + (f" in namespace {self.namespace}" if self.namespace else "")

    @property
    def group(self) -> tuple[str, str, str, str]:
        """Entries of the same group share one list and watch."""
        return (self.api_version, self.kind, self.namespace, self.label_selector)


def source_name(group: tuple[str, str, str, str]) -> str:
    return "|".join(group)


def keep_status(item: KubeObject) -> KubeObject:
    """The object without what no rule reads: managed fields, and the bulky schemas of a CRD."""
    kept = dict(without_managed_fields(item))
    if item.get("kind") == "CustomResourceDefinition" or "versions" in (item.get("spec") or {}):
        kept["spec"] = {key: value for key, value in item["spec"].items() if key != "versions"}
    return kept


def keep_names_of_data(item: KubeObject) -> KubeObject:
    """A Secret or ConfigMap with, in place of each value, whether there is one: values never leave this process."""
    metadata = dict(without_managed_fields(item)["metadata"])
    annotations = {key: text for key, text in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED}
    parts = {
        part: {key: bool(value) for key, value in (item.get(part) or {}).items()} for part in ("data", "binaryData")
    }
    return {"metadata": {**metadata, "annotations": annotations}, "type": item.get("type"), **parts}


def sources_for(wanted: Sequence[Wanted], paths: Mapping[str, str]) -> list[Source]:
    """The lists and watches; ``paths`` gives the collection's path by source name (kinds not served are not in it)."""
    groups: dict[tuple[str, str, str, str], list[Wanted]] = {}
    for entry in wanted:
        groups.setdefault(entry.group, []).append(entry)
    sources = []
    for group, entries in groups.items():
        name = source_name(group)
        if name in paths:
            keep = keep_names_of_data if entries[0].kind in {"Secret", "ConfigMap"} else keep_status
            sources.append(Source(name, paths[name], _selectors(entries), keep))
    return sources


def _selectors(entries: Sequence[Wanted]) -> dict[str, str]:
    if entries[0].label_selector:
        return {"labelSelector": entries[0].label_selector}
    names = {entry.name for entry in entries}
    # One name: the right to read that object alone is enough, and nothing else is sent.
    return {"fieldSelector": f"metadata.name={names.pop()}"} if len(names) == 1 else {}


class ResourceJudge:
    """Judges all wanted resources; the verdicts' keys are their labels. `subjects` names the object behind a key.

    With ``controllers`` it gives up on objects whose controller cannot act.
    """

    def __init__(
        self,
        wanted: Sequence[Wanted],
        state: WaitState,
        reasons_grace: float,
        controllers: Controllers | None = None,
    ) -> None:
        self._wanted = wanted
        self._state = state
        self._grace = reasons_grace
        self._controllers = controllers
        self.subjects: dict[str, tuple[Wanted, KubeObject | None]] = {}

    def __call__(self, store: Store, now: float) -> dict[str, Verdict]:
        verdicts: dict[str, Verdict] = {}
        self.subjects = {}
        for wanted in self._wanted:
            items = store.items(source_name(wanted.group))
            chosen = self._chosen(wanted, items)
            if not chosen:
                self.subjects[wanted.label] = (wanted, None)
                verdicts[wanted.label] = _absent(wanted, items)
            for item in chosen:
                entry = replace(wanted, name=str(item["metadata"]["name"]), namespace=_namespace(item))
                self.subjects[entry.label] = (entry, item)
                verdicts[entry.label] = self._present(entry, item, now)
        verdicts.update(self._seen_from_controllers(verdicts, now))
        for key, verdict in verdicts.items():
            history = self._state.history(key)
            history.held(f"phase:{verdict.phase}", now)
            history.close_round()
        return verdicts

    def _seen_from_controllers(self, verdicts: Mapping[str, Verdict], now: float) -> dict[str, Verdict]:
        """New verdicts, by key, of objects that wait for a controller in vain or with good reason."""
        if self._controllers is None:
            return {}
        ignored = {key: self._ignored(key, verdict, now) for key, verdict in verdicts.items()}
        found = self._controllers.verdicts({key: entry for key, entry in ignored.items() if entry}, now)
        return {key: replace(v, phase="failed") if v.state == "failed" else v for key, v in found.items()}

    def _ignored(self, key: str, verdict: Verdict, now: float) -> Ignored | None:
        """The object, when it is not ready and nothing shows that a controller has noticed it."""
        wanted, item = self.subjects[key]
        # A Secret without its keys is as good as none: both wait for who makes it.
        if item is None or verdict.reason == "KeysMissing":
            item, words = None, verdict.message if wanted.name else ""
        elif wanted.criterion.deleted:
            words = f"its finalizers ({', '.join(_finalizers(item))}) are still there" if _finalizers(item) else ""
        else:
            words = unnoticed(item)
        if verdict.state != "progressing" or not words:
            return None
        return Ignored(
            verdict=verdict,
            seconds=self._state.history(key).held("unnoticed", now),
            api_version=wanted.api_version,
            kind=wanted.kind,
            namespace=wanted.namespace,
            name=wanted.name,
            item=item,
            words=words,
            leaving=wanted.criterion.deleted,
        )

    @staticmethod
    def _chosen(wanted: Wanted, items: Mapping[str, KubeObject]) -> list[KubeObject]:
        if wanted.label_selector:
            return list(items.values())
        item = items.get(f"{wanted.namespace}/{wanted.name}")
        return [item] if item is not None else []

    def _present(self, wanted: Wanted, item: KubeObject, now: float) -> Verdict:
        if wanted.criterion.deleted:
            return waiting("StillThere", "it is still there", _deletion_hint(item))
        verdict = wanted.criterion.rule(item)
        if verdict.state != "progressing":
            return verdict
        bad = reason_among(item, wanted.fail_on_reasons)
        reason, message = str(bad.get("reason", "")), str(bad.get("message") or bad.get("reason"))
        # Controllers report such a reason for a moment while they start.
        if bad and self._state.history(wanted.label).held(f"reason:{reason}", now) >= self._grace:
            return failed(reason, f"{bad.get('type')} is {bad.get('status')}: {message}", verdict.hint)
        return verdict


def _namespace(item: KubeObject) -> str:
    return str(item["metadata"].get("namespace") or "")


def _absent(wanted: Wanted, items: Mapping[str, KubeObject]) -> Verdict:
    if wanted.criterion.deleted:
        return READY
    names = [str(item["metadata"]["name"]) for item in items.values()]
    near = difflib.get_close_matches(wanted.name, names, n=3, cutoff=0.5)
    hint = f"Did you mean {', '.join(near)}?" if near else "Check name and namespace, and whether its creator runs."
    return replace(waiting("NotFound", "it does not exist", hint), phase="missing")


def _finalizers(item: KubeObject) -> list[str]:
    """What holds up the deletion of the object; empty when nobody has asked for it."""
    metadata: Mapping[str, Any] = item["metadata"]
    return list(metadata.get("finalizers") or []) if metadata.get("deletionTimestamp") else []


def _deletion_hint(item: KubeObject) -> str:
    if not item["metadata"].get("deletionTimestamp"):
        return "Nobody has asked for its deletion."
    holders = _finalizers(item)
    return f"Its deletion waits for the finalizers {', '.join(holders)}: do their controllers run?" if holders else ""
