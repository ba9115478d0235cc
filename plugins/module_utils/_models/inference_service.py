# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge one KServe InferenceService (RawDeployment mode): ready, progressing or failed, and why.

Pure functions over the InferenceService, its Deployments, Pods and Events. What KServe 0.15.2 writes where is in its
``pkg/controller/v1beta1/inferenceservice`` and ``pkg/apis/serving/v1beta1/inference_service_status.go``. Two traps of
it decide the shape of this file: ``status.observedGeneration`` is that of the child Deployment and never compared with
the InferenceService's generation; and there may be no status at all until the Deployment was Available once
(kserve#4454), so that Deployment, Pods and Events are judged as well.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject
from ansible_collections.llmops.maas.plugins.module_utils._wait.pod_health import condition, current_pods
from ansible_collections.llmops.maas.plugins.module_utils._wait.pods import (
    Limits,
    Observation,
    newest_event,
    pod_phase,
    pod_troubles,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.rollout import (
    deployment_gap,
    is_observed,
    wanted_replicas,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import History, Verdict

# An annotation in spec.predictor.annotations is the only link from a change of the spec to the Deployment made of it.
REVISION_ANNOTATION = "llmops.maas/revision"
INVALID_SPEC_HINTS = {
    "RuntimeNotRecognized": "Create the ServingRuntime (in the model's namespace) or ClusterServingRuntime that "
    "spec.predictor.model.runtime names, or correct the name.",
    "RuntimeDisabled": "Enable the runtime (spec.disabled) or choose another one.",
    "NoSupportingRuntime": "Choose a runtime that supports the model's format and protocol version.",
}
# From the most to the least advanced; the phase of a model is that of its least advanced Pod.
PHASES = ["serving", "loading", "creating", "downloading", "pulling", "scheduling"]


@dataclass(frozen=True)
class ModelView:
    """What the cluster holds of one model. ``service`` is None when there is no such InferenceService."""

    name: str
    namespace: str
    service: KubeObject | None = None
    deployments: Sequence[KubeObject] = ()
    pods: Sequence[KubeObject] = ()
    events: Sequence[KubeObject] = ()
    names_nearby: Sequence[str] = field(default_factory=tuple)


def judge(view: ModelView, limits: Limits, history: History, now: float) -> Verdict:
    """The verdict at time ``now``; ``history`` belongs to this model alone and is brought up to date."""
    seen = Observation(limits, history, now)
    verdict = _judge(view, seen)
    if verdict.state == "failed" and now - history.began < seen.limits.settle:
        verdict = replace(verdict, state="progressing")
    seen.held(f"phase:{verdict.phase}")
    unnoticed = seen.held("unnoticed") if _is_unnoticed(view, verdict) else 0.0
    seen.history.close_round()
    return replace(verdict, warnings=_warnings(view), unnoticed=unnoticed)


def _is_unnoticed(view: ModelView, verdict: Verdict) -> bool:
    """Whether KServe has left no trace of having seen the InferenceService, or the last change of it."""
    if verdict.reason == "SpecNotRolledOut":
        return True
    uid = str((view.service or {}).get("metadata", {}).get("uid"))
    return verdict.reason == "NoDeployment" and not _status(view.service or {}) and not newest_event(view.events, uid)


def _judge(view: ModelView, seen: Observation) -> Verdict:
    if view.service is None or view.service["metadata"].get("deletionTimestamp"):
        return _missing(view, seen)
    if _unsupported_mode(view.service):
        return _other_mode(view.service)
    owned = owned_deployments(view)
    if not owned or not _is_stopped(owned):
        progress = _progress(view, view.service, owned)
        if progress is None:
            return Verdict(state="ready", phase="ready", url=str(_status(view.service).get("url", "")))
    else:
        progress = Verdict("progressing", "stopped", "ScaledToZero", "the Deployment asks for no replicas")
    troubles = _troubles(view, view.service, owned, seen)
    failed = [trouble for trouble in troubles if trouble.state == "failed"]
    return (failed or troubles or [progress])[0]


# --- success --------------------------------------------------------------------------------------------------------


def owned_deployments(view: ModelView) -> list[KubeObject]:
    """The Deployments whose owner is this very InferenceService (by uid, not one of the same name)."""
    uid = (view.service or {}).get("metadata", {}).get("uid")
    return [
        deployment
        for deployment in view.deployments
        if any(owner.get("uid") == uid for owner in deployment["metadata"].get("ownerReferences") or [])
    ]


def _progress(view: ModelView, service: KubeObject, owned: Sequence[KubeObject]) -> Verdict | None:
    """What the model waits for, or None when it is ready."""
    predictor = next((d for d in owned if d["metadata"]["name"] == f"{view.name}-predictor"), None)
    if predictor is None:
        return _no_deployment(view, service)
    if not is_current(service, predictor):
        return Verdict("progressing", "rolling", "SpecNotRolledOut", "KServe has not taken over the last change yet")
    for deployment in owned:
        unfinished = deployment_gap(deployment)
        if unfinished:
            return _pods_progress(view, deployment, unfinished)
    return _status_progress(service)


def _no_deployment(view: ModelView, service: KubeObject) -> Verdict:
    message = "waiting for KServe to create the Deployment"
    complaint = newest_event(view.events, str(service["metadata"].get("uid")), kind="Warning")
    if complaint:
        message += f"; its last Event: {complaint.get('reason')}: {complaint.get('message')}"
    return Verdict("progressing", "pending", "NoDeployment", message)


def is_current(service: KubeObject, deployment: KubeObject) -> bool:
    """Whether the Deployment carries the revision that the InferenceService asks for (True when it names none)."""
    predictor = (service.get("spec") or {}).get("predictor") or {}
    wanted = (predictor.get("annotations") or {}).get(REVISION_ANNOTATION)
    template = ((deployment.get("spec") or {}).get("template") or {}).get("metadata") or {}
    return wanted is None or (template.get("annotations") or {}).get(REVISION_ANNOTATION) == wanted


def _status_progress(service: KubeObject) -> Verdict | None:
    status = _status(service)
    ready = condition(service, "Ready")
    transition = (status.get("modelStatus") or {}).get("transitionStatus", "")
    if ready.get("status") != "True":
        open_parts = [_condition_text(entry) for entry in status.get("conditions") or [] if entry["status"] != "True"]
        message = "; ".join(open_parts) or "KServe has not written a status yet"
        return Verdict("progressing", "publishing", str(ready.get("reason") or "NotReady"), message)
    if transition != "UpToDate":
        return Verdict("progressing", "publishing", "InTransition", f"the model status is {transition or 'not set'}")
    if not status.get("url"):
        return Verdict("progressing", "publishing", "NoUrl", "KServe has not written the URL yet")
    return None


def _condition_text(entry: Mapping[str, Any]) -> str:
    because = " ".join(str(entry.get(part)) for part in ("reason", "message") if entry.get(part))
    return f"{entry['type']} is {entry['status']}" + (f" ({because})" if because else "")


def _pods_progress(view: ModelView, deployment: KubeObject, unfinished: str) -> Verdict:
    pods = _pods_of_revision(view, deployment)
    if not pods:
        return Verdict("progressing", "pending", "NoPods", f"waiting for Pods: {unfinished}")
    phases = [(pod, *pod_phase(pod, view.events)) for pod in pods]
    pod, phase, message = max(phases, key=lambda entry: PHASES.index(entry[1]))
    name = str(pod["metadata"]["name"])
    if phase == "serving":
        return Verdict("progressing", "rolling", "RollingOut", unfinished, pod=name)
    return Verdict("progressing", phase, phase.capitalize(), f"{message} ({unfinished})", pod=name)


# --- failure --------------------------------------------------------------------------------------------------------


def _troubles(
    view: ModelView,
    service: KubeObject,
    owned: Sequence[KubeObject],
    seen: Observation,
) -> list[Verdict]:
    invalid = _invalid_spec(view, service, owned, seen)
    if invalid is not None:
        return [invalid]
    fresh = [d for d in owned if is_current(service, d) and is_observed(d)]
    troubles = [_refused(deployment, seen) for deployment in fresh]
    pods = {str(pod["metadata"]["name"]): pod for d in fresh for pod in _pods_of_revision(view, d)}
    for pod in pods.values():
        troubles.extend(pod_troubles(pod, seen))
    found = [trouble for trouble in troubles if trouble is not None]
    # KServe's own verdict is the last resort: it also calls a download blocked that is being tried again.
    blocked = None if found else _blocked(service, seen)
    return found + ([blocked] if blocked else [])


def _missing(view: ModelView, seen: Observation) -> Verdict:
    late = seen.held("missing") >= seen.limits.missing
    what = "is being deleted" if view.service is not None else "does not exist"
    near = difflib.get_close_matches(view.name, view.names_nearby, n=3, cutoff=0.5) or sorted(view.names_nearby)[:10]
    known = f"This namespace has: {', '.join(near)}." if near else "This namespace has no InferenceService at all."
    return Verdict(
        state="failed" if late else "progressing",
        phase="missing",
        reason="NotFound",
        message=f"InferenceService {view.name} {what} in namespace {view.namespace}",
        hint=f"Correct the name or the namespace, or create it first. {known}",
    )


def _invalid_spec(
    view: ModelView,
    service: KubeObject,
    owned: Sequence[KubeObject],
    seen: Observation,
) -> Verdict | None:
    model = _status(service).get("modelStatus") or {}
    if model.get("transitionStatus") == "InvalidSpec":
        # Only here is lastFailureInfo sure to be of now: KServe never clears it.
        info = model.get("lastFailureInfo") or {}
        reason, message = str(info.get("reason") or "InvalidSpec"), str(info.get("message") or "the spec is refused")
    else:
        complaint = {} if owned else newest_event(view.events, str(service["metadata"].get("uid")), kind="Warning")
        if complaint.get("reason") not in {"InternalError", "ServerlessModeRejected"}:
            return None
        reason, message = "ReconcileError", str(complaint.get("message"))
    late = seen.held("invalid") >= seen.limits.runtime
    return Verdict(
        state="failed" if late else "progressing",
        phase="invalid",
        reason=reason,
        message=message + _runtime_text(service),
        hint=INVALID_SPEC_HINTS.get(reason, "Correct the InferenceService's spec as the message says."),
    )


def _runtime_text(service: KubeObject) -> str:
    model = ((service.get("spec") or {}).get("predictor") or {}).get("model") or {}
    return f" (runtime {model['runtime']})" if model.get("runtime") else ""


def _refused(deployment: KubeObject, seen: Observation) -> Verdict | None:
    refusal = condition(deployment, "ReplicaFailure")
    if refusal.get("status") != "True":
        return None
    late = seen.held(f"refused:{deployment['metadata']['name']}") >= seen.limits.refused
    return Verdict(
        state="failed" if late else "progressing",
        phase="refused",
        reason=str(refusal.get("reason") or "ReplicaFailure"),
        message=str(refusal.get("message") or "the API server refuses the Pods"),
        hint="Raise the quota, change the policy or fix the admission webhook that the message names.",
    )


def _blocked(service: KubeObject, seen: Observation) -> Verdict | None:
    model = _status(service).get("modelStatus") or {}
    if model.get("transitionStatus") != "BlockedByFailedLoad":
        return None
    info = model.get("lastFailureInfo") or {}
    code = f" (exit code {info['exitCode']})" if info.get("exitCode") else ""
    return Verdict(
        state="failed" if seen.held("blocked") >= seen.limits.retry else "progressing",
        phase="retrying",
        reason=str(info.get("reason") or "ModelLoadFailed"),
        message=str(info.get("message") or "KServe reports that the model cannot be loaded") + code,
        hint="Read the logs of the model's Pods.",
        pod=str(info.get("location") or ""),
    )


def _unsupported_mode(service: KubeObject) -> bool:
    return _status(service).get("deploymentMode") in {"Serverless", "ModelMesh"}


def _other_mode(service: KubeObject) -> Verdict:
    return Verdict(
        state="failed",
        phase="invalid",
        reason="DeploymentModeNotSupported",
        message=f"the InferenceService was deployed in {_status(service)['deploymentMode']} mode",
        hint="KServe never changes status.deploymentMode: delete the InferenceService and create it with "
        "deploy.defaultDeploymentMode RawDeployment.",
    )


# --- parts ----------------------------------------------------------------------------------------------------------


def _warnings(view: ModelView) -> tuple[str, ...]:
    """What is worth a warning and no more: a slow download exceeds the progress deadline and is still well."""
    return tuple(
        f"Deployment {deployment['metadata']['name']} exceeded its progress deadline; the wait goes on"
        for deployment in view.deployments
        if condition(deployment, "Progressing").get("reason") == "ProgressDeadlineExceeded"
    )


def _pods_of_revision(view: ModelView, deployment: KubeObject) -> list[KubeObject]:
    """The newest revision's Pods of a Deployment, chosen by its own selector."""
    selector = ((deployment.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return current_pods(pod for pod in view.pods if selector.items() <= (pod["metadata"].get("labels") or {}).items())


def _is_stopped(owned: Sequence[KubeObject]) -> bool:
    return all(wanted_replicas(deployment) == 0 for deployment in owned)


def _status(item: KubeObject) -> Mapping[str, Any]:
    return item.get("status") or {}
