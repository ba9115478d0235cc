# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch any resources, one list and watch per kind, namespace and selector, and judge each by its criterion."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from ansible_collections.llmops.maas.plugins.module_utils._common.retry import Deadline
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube, KubeError, ResourceType
from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import (
    LAST_APPLIED,
    KubeObject,
    without_managed_fields,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.attention import unnoticed
from ansible_collections.llmops.maas.plugins.module_utils._wait.controller_watch import Controllers, Ignored
from ansible_collections.llmops.maas.plugins.module_utils._wait.criteria import Criterion
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import WaitState
from ansible_collections.llmops.maas.plugins.module_utils._wait.pod_health import containers, current_pods, describe
from ansible_collections.llmops.maas.plugins.module_utils._wait.readiness import READY, failed, reason_among, waiting
from ansible_collections.llmops.maas.plugins.module_utils._wait.report import MOST_LOGS, last_log_lines
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import Verdict
from ansible_collections.llmops.maas.plugins.module_utils._wait.watch import Source, Store

_WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job"}

# A CRD that was just established shows up in discovery a moment later.
_DISCOVERY_SECONDS = 10.0
_DISCOVERY_PAUSE = 1.0


class ResourceError(Exception):
    """A resource cannot be waited for; the message names it and the fix."""


@dataclass(frozen=True)
class WantedResource:
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


def _awaited_kind(kube: Kube, entry: WantedResource, deadline: Deadline) -> ResourceType | None:
    """The resource of a kind that is being installed; None when it is not there when the time is up."""
    for _turn in deadline.attempts(_DISCOVERY_PAUSE):
        kube.resources.refresh()
        resource = kube.resources.find(entry.api_version, entry.kind)
        if resource is not None:
            return resource
    return None


def locate(kube: Kube, wanted: Sequence[WantedResource]) -> tuple[list[WantedResource], dict[str, str]]:
    """The resources with namespaces only where their kind has them, and the collections' paths by source name.

    :raises ResourceError: the cluster does not have a kind, or a namespace is missing.
    """
    located, paths = [], {}
    deadline = Deadline(_DISCOVERY_SECONDS)
    for entry in wanted:
        resource = kube.resources.find(entry.api_version, entry.kind)
        if resource is None and not entry.criterion.deleted:
            resource = _awaited_kind(kube, entry, deadline)
        if resource is None:
            if not entry.criterion.deleted:
                raise ResourceError(
                    f"{entry.label}: this cluster has no kind {entry.kind} of {entry.api_version}. Install its "
                    "CustomResourceDefinition first, or correct api_version and kind."
                )
            located.append(entry)
            continue
        if resource.namespaced and not entry.namespace:
            raise ResourceError(f"{entry.label}: 'namespace' is missing, and {entry.kind} is a namespaced kind.")
        placed = entry if resource.namespaced else replace(entry, namespace="")
        located.append(placed)
        paths[source_name(placed.group)] = resource.path(placed.namespace or None)
    return located, paths


def located_again(wanted: Sequence[WantedResource], paths: Mapping[str, str]) -> list[WantedResource]:
    """As ``locate`` did in the first slice, without asking again."""
    return [
        entry if source_name(entry.group) in paths or entry.criterion.deleted else replace(entry, namespace="")
        for entry in wanted
    ]


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


def sources_for(wanted: Sequence[WantedResource], paths: Mapping[str, str]) -> list[Source]:
    """The lists and watches; ``paths`` gives the collection's path by source name (kinds not served are not in it)."""
    groups: dict[tuple[str, str, str, str], list[WantedResource]] = {}
    for entry in wanted:
        groups.setdefault(entry.group, []).append(entry)
    sources = []
    for group, entries in groups.items():
        name = source_name(group)
        if name in paths:
            keep = keep_names_of_data if entries[0].kind in {"Secret", "ConfigMap"} else keep_status
            sources.append(Source(name, paths[name], _selectors(entries), keep))
    return sources


def _selectors(entries: Sequence[WantedResource]) -> dict[str, str]:
    if entries[0].label_selector:
        return {"labelSelector": entries[0].label_selector}
    names = {entry.name for entry in entries}
    # One name: the right to read that object alone is enough, and nothing else is sent.
    return {"fieldSelector": f"metadata.name={names.pop()}"} if len(names) == 1 else {}


class ResourceJudge:
    """Judges all wanted resources; the verdicts' keys are their labels. ``subjects`` names the object behind a key.

    With ``controllers`` it gives up on objects whose controller cannot act.
    """

    def __init__(
        self,
        wanted: Sequence[WantedResource],
        state: WaitState,
        reasons_grace: float,
        controllers: Controllers | None = None,
    ) -> None:
        self._wanted = wanted
        self._state = state
        self._grace = reasons_grace
        self._controllers = controllers
        self.subjects: dict[str, tuple[WantedResource, KubeObject | None]] = {}

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
    def _chosen(wanted: WantedResource, items: Mapping[str, KubeObject]) -> list[KubeObject]:
        if wanted.label_selector:
            return list(items.values())
        item = items.get(f"{wanted.namespace}/{wanted.name}")
        return [item] if item is not None else []

    def _present(self, wanted: WantedResource, item: KubeObject, now: float) -> Verdict:
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


def _absent(wanted: WantedResource, items: Mapping[str, KubeObject]) -> Verdict:
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


def explained_by_pods(
    kube: Kube, judge: ResourceJudge, verdicts: Mapping[str, Verdict], log_lines: int
) -> tuple[dict[str, Verdict], dict[str, list[str]]]:
    """The verdicts with the Pod that keeps each of the first unready workloads from being ready, and its last log.

    A workload's status does not say why its Pods are not ready; the Pods do.
    """
    explained, logs = dict(verdicts), {}
    for key in [key for key, verdict in verdicts.items() if verdict.state != "ready"][:MOST_LOGS]:
        wanted, item = judge.subjects[key]
        if item is not None and wanted.kind in _WORKLOADS:
            explained[key] = _with_pod(verdicts[key], _pods(kube, item))
            logs[key] = last_log_lines(kube, wanted.namespace, explained[key], log_lines)
    return explained, logs


def _with_pod(verdict: Verdict, pods: Sequence[KubeObject]) -> Verdict:
    for pod in pods:
        text = describe(pod)
        if text:
            culprit = next((c for c in containers(pod) if c.death or (c.is_running and not c.ready)), None)
            return replace(
                verdict,
                pod=pod["metadata"]["name"],
                message=f"{verdict.message}; its Pod {text}",
                container=culprit.name if culprit else "",
                previous_log=bool(culprit and culprit.log_of_previous),
            )
    return verdict


def _pods(kube: Kube, workload: KubeObject) -> list[KubeObject]:
    labels = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    namespace = quote(str(workload["metadata"]["namespace"]), safe="")
    query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}
    try:
        answer = kube.request("GET", f"/api/v1/namespaces/{namespace}/pods", query=query) if labels else {}
    except KubeError:
        # This is only to explain a failure, which is reported all the same.
        return []
    return current_pods(answer.get("items") or [])
