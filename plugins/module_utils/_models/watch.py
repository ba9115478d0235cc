# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch the InferenceServices of a namespace with their Deployments, Pods and Events, and judge each of them.

Four lists and four watches, however many models there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject
from ansible_collections.llmops.maas.plugins.module_utils._models.inference_service import (
    REVISION_ANNOTATION,
    ModelView,
    judge,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.controller_watch import Controllers, Ignored
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import WaitState
from ansible_collections.llmops.maas.plugins.module_utils._wait.pods import Limits
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import Verdict
from ansible_collections.llmops.maas.plugins.module_utils._wait.watch import Source, Store

API_VERSION = "serving.kserve.io/v1beta1"
# KServe puts it on Deployments and Pods: pkg/controller/v1beta1/inferenceservice/components/predictor.go.
SERVICE_LABEL = "serving.kserve.io/inferenceservice"
# More names than this would make an overlong URL; then all models of the namespace are watched.
MOST_NAMES_IN_SELECTOR = 40
LONGEST_MESSAGE = 2000


def pick(item: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A copy of the mapping with only these keys, where they are present."""
    return {name: item[name] for name in names if name in item}


def _metadata(item: KubeObject, *more: str) -> dict[str, Any]:
    names = ("name", "namespace", "uid", "resourceVersion", "generation", "deletionTimestamp")
    return pick(item["metadata"], *names, *more)


def keep_service(item: KubeObject) -> KubeObject:
    predictor = (item.get("spec") or {}).get("predictor") or {}
    model = pick(predictor.get("model") or {}, "runtime")
    status = pick(item.get("status") or {}, "conditions", "deploymentMode", "modelStatus", "url")
    spec = {"predictor": {"annotations": _revision(predictor), "model": model}}
    return {"metadata": _metadata(item), "spec": spec, "status": status}


def keep_deployment(item: KubeObject) -> KubeObject:
    spec = item.get("spec") or {}
    template = {"metadata": {"annotations": _revision((spec.get("template") or {}).get("metadata") or {})}}
    return {
        "metadata": _metadata(item, "ownerReferences"),
        "spec": {**pick(spec, "replicas", "selector"), "template": template},
        "status": item.get("status") or {},
    }


def keep_pod(item: KubeObject) -> KubeObject:
    parts = ("phase", "conditions", "initContainerStatuses", "containerStatuses")
    return {
        "metadata": _metadata(item, "labels", "creationTimestamp"),
        "status": pick(item.get("status") or {}, *parts),
    }


def keep_event(item: KubeObject) -> KubeObject:
    kept = pick(item, "type", "reason", "lastTimestamp", "eventTime", "series")
    about = pick(item.get("involvedObject") or {}, "kind", "name", "uid")
    message = str(item.get("message") or "")[:LONGEST_MESSAGE]
    return {**kept, "metadata": _metadata(item), "involvedObject": about, "message": message}


def _revision(holder: Mapping[str, Any]) -> dict[str, Any]:
    return pick(holder.get("annotations") or {}, REVISION_ANNOTATION)


@dataclass(frozen=True)
class Selection:
    """Which InferenceServices of a namespace: names, or a label selector."""

    namespace: str
    names: Sequence[str] = ()
    label_selector: str = ""

    def sources(self) -> list[Source]:
        """What to watch. Models are listed without names, so that a misspelt one can be compared with those there."""
        services = f"/apis/{API_VERSION}/namespaces/{self.namespace}/inferenceservices"
        deployments = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        core = f"/api/v1/namespaces/{self.namespace}"
        selected = {"labelSelector": self.label_selector} if self.label_selector else {}
        children = {"labelSelector": self._children_selector()}
        return [
            Source("services", services, selected, keep_service),
            Source("deployments", deployments, children, keep_deployment),
            Source("pods", f"{core}/pods", children, keep_pod),
            Source("events", f"{core}/events", {}, keep_event, required=False),
        ]

    def _children_selector(self) -> str:
        if self.names and len(self.names) <= MOST_NAMES_IN_SELECTOR:
            return f"{SERVICE_LABEL} in ({','.join(sorted(self.names))})"
        return SERVICE_LABEL


class ModelJudge:
    """Judges all selected models; the verdicts' keys are the models' names.

    With ``controllers`` it gives up on models when KServe cannot act.
    """

    def __init__(
        self, selection: Selection, limits: Limits, state: WaitState, controllers: Controllers | None = None
    ) -> None:
        self._selection = selection
        self._limits = limits
        self._state = state
        self._controllers = controllers

    def __call__(self, store: Store, now: float) -> dict[str, Verdict]:
        views = self._views(store)
        if not views:
            return {self._selection.label_selector: self._nothing(now)}
        verdicts = {view.name: judge(view, self._limits, self._state.history(view.name), now) for view in views}
        if self._controllers is not None:
            ignored = [_ignored(view, verdicts[view.name]) for view in views if verdicts[view.name].unnoticed]
            verdicts.update(self._controllers.verdicts({entry.name: entry for entry in ignored}, now))
        return verdicts

    def _views(self, store: Store) -> list[ModelView]:
        services = {str(item["metadata"]["name"]): item for item in store.all("services")}
        deployments, pods = _by_model(store.all("deployments"), _owner), _by_model(store.all("pods"), _label)
        events = _by_uid(store.all("events"))
        views = []
        for name in self._selection.names or sorted(services):
            service = services.get(name)
            about = [service] if service else []
            subjects = [*about, *pods[name]]
            views.append(
                ModelView(
                    name=name,
                    namespace=self._selection.namespace,
                    service=service,
                    deployments=deployments[service["metadata"]["uid"]] if service else [],
                    pods=pods[name],
                    events=[event for item in subjects for event in events[str(item["metadata"].get("uid"))]],
                    names_nearby=sorted(services),
                )
            )
        return views

    def _nothing(self, now: float) -> Verdict:
        late = now - self._state.began >= self._limits.missing
        return Verdict(
            state="failed" if late else "progressing",
            phase="missing",
            reason="NotFound",
            message=f"no InferenceService in namespace {self._selection.namespace} has the labels "
            f"{self._selection.label_selector}",
            hint="Correct label_selector or namespace, or create the InferenceServices first.",
        )


def _ignored(view: ModelView, verdict: Verdict) -> Ignored:
    words = "KServe has made no Deployment" if verdict.reason == "NoDeployment" else verdict.message
    return Ignored(
        verdict=verdict,
        seconds=verdict.unnoticed,
        api_version=API_VERSION,
        kind="InferenceService",
        namespace=view.namespace,
        name=view.name,
        item=view.service,
        words=words,
    )


def _owner(deployment: KubeObject) -> list[str]:
    return [str(owner.get("uid")) for owner in deployment["metadata"].get("ownerReferences") or []]


def _label(pod: KubeObject) -> list[str]:
    return [str((pod["metadata"].get("labels") or {}).get(SERVICE_LABEL, ""))]


def _by_model(items: Sequence[KubeObject], keys: Any) -> defaultdict[str, list[KubeObject]]:
    grouped: defaultdict[str, list[KubeObject]] = defaultdict(list)
    for item in items:
        for key in keys(item):
            grouped[key].append(item)
    return grouped


def _by_uid(events: Sequence[KubeObject]) -> defaultdict[str, list[KubeObject]]:
    return _by_model(events, lambda event: [str((event.get("involvedObject") or {}).get("uid"))])
