# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Pods of a model say about it: what they are doing, and troubles with the verdict that each deserves.

Pure functions; time comes in as a number. Container reasons are the kubelet's (kubernetes
``pkg/kubelet/images/types.go``, ``pkg/kubelet/container/sync_result.go``); how KServe reads them is in its
``pkg/apis/serving/v1beta1/inference_service_status.go`` (PropagateModelStatus).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject
from ansible_collections.llmops.maas.plugins.module_utils._wait.download_errors import classify
from ansible_collections.llmops.maas.plugins.module_utils._wait.pod_health import (
    Container,
    condition,
    containers,
    describe_container,
    is_ready,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import History, Verdict

STORAGE_INITIALIZER = "storage-initializer"
IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed"}
)
HOPELESS_IMAGE_REASONS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
CONFIG_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


@dataclass(frozen=True)
class Limits:
    """How long which trouble is tolerated, in seconds where nothing else is said; see the module's options."""

    unschedulable: float = 300.0
    missing: float = 30.0
    runtime: float = 30.0
    refused: float = 30.0
    retry: float = 60.0
    sightings: int = 3
    oom_kills: int = 2
    restarts: int = 3
    # Controllers need a moment to act on a change that was made just before the wait: nothing fails before that.
    settle: float = 2.0


@dataclass(frozen=True)
class Observation:
    """A model at one moment: the time in seconds (of the history's clock), what was seen before, and the limits."""

    limits: Limits
    history: History
    now: float

    def held(self, what: str) -> float:
        """For how many seconds ``what``, which is true now, has been so."""
        return self.history.held(what, self.now)


def pod_troubles(pod: KubeObject, seen: Observation) -> list[Verdict]:
    """All that is wrong with a Pod, each with its verdict (failed or progressing); empty for a healthy Pod."""
    name = str(pod["metadata"]["name"])
    found = [_unschedulable(pod, name, seen)]
    for container in containers(pod):
        key = f"{name}/{container.name}"
        found.append(
            _image(container, name, key, seen)
            or _config(container, name, key, seen)
            or _death(container, name, key, seen)
        )
    return [trouble for trouble in found if trouble is not None]


def _unschedulable(pod: KubeObject, name: str, seen: Observation) -> Verdict | None:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") != "False" or scheduled.get("reason") != "Unschedulable":
        return None
    # One clock for all Pods of the model: an autoscaler's time limit does not start again with a replaced Pod.
    late = seen.held("unschedulable") >= seen.limits.unschedulable
    return Verdict(
        state="failed" if late else "progressing",
        phase="unschedulable",
        reason="Unschedulable",
        message=str(scheduled.get("message", "no node fits")),
        hint="Free or add what the scheduler misses (GPUs, memory, a node for the Pod's selector and tolerations), ask "
        "for less, or raise unschedulable_timeout for a slow autoscaler. With GPUs, a rolling update needs one more "
        "GPU than the model has, unless the old Pod goes first (deploymentStrategy Recreate).",
        pod=name,
    )


def _image(c: Container, pod: str, key: str, seen: Observation) -> Verdict | None:
    pulling_fails = c.waiting_reason in IMAGE_REASONS
    # The kubelet alternates ErrImagePull (a pull failed) and ImagePullBackOff (the pause before the next one).
    paused = c.waiting_reason == "ImagePullBackOff"
    fails = seen.history.sighted_again(f"image:{key}", present=not paused) if pulling_fails else 0
    if c.waiting_reason in HOPELESS_IMAGE_REASONS:
        hopeless = True
    elif pulling_fails:
        hopeless = fails >= seen.limits.sightings or seen.held(f"image:{key}") >= seen.limits.retry
    else:
        return None
    return Verdict(
        state="failed" if hopeless else "progressing",
        phase="retrying",
        reason=c.waiting_reason,
        message=str(c.waiting.get("message", "") or "the image cannot be had"),
        hint="Correct the image of the runtime or model (registry, name, tag), or give the namespace an "
        "image pull Secret for it.",
        pod=pod,
        container=c.name,
    )


def _config(c: Container, pod: str, key: str, seen: Observation) -> Verdict | None:
    if c.waiting_reason not in CONFIG_REASONS:
        return None
    message = str(c.waiting.get("message", ""))
    sightings = seen.history.sighted(f"config:{key}", f"{c.restarts} {message}")
    hopeless = sightings >= seen.limits.sightings or seen.held(f"config:{key}") >= seen.limits.retry
    return Verdict(
        state="failed" if hopeless else "progressing",
        phase="retrying",
        reason=c.waiting_reason,
        message=message or "the container cannot be created",
        hint="Create the Secret or ConfigMap (or the key in it) that the message names, or correct the "
        "reference to it.",
        pod=pod,
        container=c.name,
    )


def _death(c: Container, pod: str, key: str, seen: Observation) -> Verdict | None:
    end = c.death
    if not end:
        return None
    if end.get("reason") == "OOMKilled":
        return _out_of_memory(c, pod, key, seen)
    if c.init and c.name == STORAGE_INITIALIZER:
        return _download(c, pod, seen)
    return _crash(c, pod, seen)


def _out_of_memory(c: Container, pod: str, key: str, seen: Observation) -> Verdict:
    # The status shows two deaths at most; with more restarts the earlier ones count as well.
    kills = max(1, c.restarts)
    for number in c.instances_killed_for("OOMKilled"):
        kills = max(kills, seen.history.sighted(f"oom:{key}", str(number)))
    hopeless = c.init or kills >= seen.limits.oom_kills
    times = "once" if kills < 2 else f"{kills} times"
    return Verdict(
        state="failed" if hopeless else "progressing",
        phase=_phase_after_death(c),
        reason="OOMKilled",
        message=f"the container was killed {times} because it used more memory than its limit",
        hint="Raise memory in the container's resources.limits"
        + (" (storageInitializer.memoryLimit of KServe's configuration)." if c.init else ", or serve a smaller model."),
        pod=pod,
        container=c.name,
        previous_log=c.log_of_previous,
    )


def _download(c: Container, pod: str, seen: Observation) -> Verdict:
    text = str(c.death.get("message", "") or "")
    error = classify(text)
    hopeless = error.terminal or (error.terminal is None and c.restarts >= seen.limits.restarts)
    return Verdict(
        # While it runs, another try is under way: its outcome counts.
        state="failed" if hopeless and not c.is_running else "progressing",
        phase=_phase_after_death(c),
        reason=error.reason,
        message=f"the download of the model {describe_death(c)}",
        hint=error.hint,
        pod=pod,
        container=c.name,
        previous_log=c.log_of_previous,
    )


def _crash(c: Container, pod: str, seen: Observation) -> Verdict:
    return Verdict(
        state="failed" if c.restarts >= seen.limits.restarts and not c.is_running else "progressing",
        phase=_phase_after_death(c),
        reason="CrashLoopBackOff" if c.waiting_reason == "CrashLoopBackOff" else "ContainerFailed",
        message=f"the container {describe_death(c)}; restarted {c.restarts} times",
        hint="Read the log lines below; mostly an argument, the model's format or the memory of the GPU does not fit.",
        pod=pod,
        container=c.name,
        previous_log=c.log_of_previous,
    )


def describe_death(c: Container) -> str:
    end = c.death
    last_line = str(end.get("message") or "").strip().splitlines()[-1:]
    text = f"ended with exit code {end.get('exitCode')} ({end.get('reason') or 'no reason given'})"
    return f"{text}: {last_line[0]}" if last_line else text


def _phase_after_death(c: Container) -> str:
    if not c.is_running:
        return "retrying"
    return "downloading" if c.name == STORAGE_INITIALIZER else "loading"


# --- what a healthy Pod is doing ----------------------------------------------------------------------------------


def pod_phase(pod: KubeObject, events: Iterable[KubeObject]) -> tuple[str, str]:
    """``(phase, message)``: scheduling, pulling, downloading, creating, loading or serving.

    ``events`` are the namespace's Events; of these the Pod's own are read, because only they report a pull.
    """
    if condition(pod, "PodScheduled").get("status") != "True":
        return "scheduling", str(condition(pod, "PodScheduled").get("message", "waiting for a node"))
    if is_ready(pod):
        return "serving", ""
    states = containers(pod)
    # Before the init containers, because a sidecar that is one of them never stops.
    if any(not c.init and c.is_running and not c.ready for c in states):
        return "loading", "the server runs and is not Ready yet"
    if any(c.init and c.is_running for c in states):
        return _init_phase(next(c for c in states if c.init and c.is_running))
    return _before_start(pod, events)


def _init_phase(container: Container) -> tuple[str, str]:
    if container.name == STORAGE_INITIALIZER:
        return "downloading", "the model is being downloaded"
    return "creating", f"init container {container.name} runs"


def _before_start(pod: KubeObject, events: Iterable[KubeObject]) -> tuple[str, str]:
    newest = newest_event(events, str(pod["metadata"].get("uid", "")))
    message = str(newest.get("message", ""))
    if newest.get("reason") == "Pulling":
        return "pulling", message
    if newest.get("type") == "Warning":
        return "creating", f"{newest.get('reason')}: {message}"
    waiting = [describe_container(c) for c in containers(pod) if c.waiting_reason]
    return "creating", waiting[0] if waiting else "containers are being created"


def newest_event(events: Iterable[KubeObject], uid: str, kind: str = "") -> Mapping[str, Any]:
    """The newest Event about the object with that uid, or an empty mapping. ``kind`` limits to Warning or Normal."""
    about = [
        event
        for event in events
        if (event.get("involvedObject") or {}).get("uid") == uid and (not kind or event.get("type") == kind)
    ]
    return max(about, key=_event_age, default={})


def _event_age(event: KubeObject) -> tuple[str, int]:
    series = event.get("series") or {}
    moment = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or ""
    # Events of one second are ordered by the order in which the server stored them.
    return str(moment)[:19], int(event.get("metadata", {}).get("resourceVersion") or 0)


def needs_log(verdict: Verdict) -> bool:
    """Whether a container got far enough to have written a log."""
    unstarted = ("Image", "ErrImage", "InvalidImage", "CreateContainer", "RunContainer", "Registry", "Signature")
    return bool(verdict.container) and not verdict.reason.startswith(unstarted)
