# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a Pod's status: its containers, why one waits or died, whether it could be scheduled.

Shapes: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodStatus
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject


@dataclass(frozen=True)
class Container:
    """The state of one container of a Pod; absent parts are empty mappings."""

    name: str
    init: bool
    ready: bool
    restarts: int
    waiting: Mapping[str, Any]
    running: Mapping[str, Any]
    terminated: Mapping[str, Any]
    last_terminated: Mapping[str, Any]

    @property
    def is_running(self) -> bool:
        return bool(self.running)

    @property
    def waiting_reason(self) -> str:
        return str(self.waiting.get("reason", ""))

    @property
    def death(self) -> Mapping[str, Any]:
        """The termination with an error that still matters, or an empty mapping.

        One that was made good does not: an init container that has completed since, a container that is Ready again.
        """
        if self.ready or (self.terminated and not _is_error(self.terminated)):
            return {}
        return next((end for end in (self.terminated, self.last_terminated) if end and _is_error(end)), {})

    def instances_killed_for(self, reason: str) -> list[int]:
        """The numbers (0 is the first start) of the instances whose termination has that reason, as far as is known."""
        ends = ((self.terminated, self.restarts), (self.last_terminated, self.restarts - 1))
        return [number for end, number in ends if end.get("reason") == reason]

    @property
    def log_of_previous(self) -> bool:
        """Whether the last words are in the log of the instance before the present one."""
        return not self.terminated and bool(self.last_terminated)


def _is_error(end: Mapping[str, Any]) -> bool:
    return end.get("exitCode", 0) != 0 or end.get("reason") in {"OOMKilled", "Error"}


def containers(pod: KubeObject) -> list[Container]:
    """The containers whose state the Pod reports, init containers first (the order in which they run)."""
    status = pod.get("status") or {}
    initial = [_container(entry, init=True) for entry in status.get("initContainerStatuses") or []]
    return initial + [_container(entry, init=False) for entry in status.get("containerStatuses") or []]


def _container(entry: Mapping[str, Any], *, init: bool) -> Container:
    state = entry.get("state") or {}
    last = entry.get("lastState") or {}
    return Container(
        name=str(entry.get("name", "")),
        init=init,
        ready=bool(entry.get("ready")),
        restarts=int(entry.get("restartCount") or 0),
        waiting=state.get("waiting") or {},
        # An empty mapping also means running: ``startedAt`` may be missing.
        running={"startedAt": None, **(state.get("running") or {})} if "running" in state else {},
        terminated=state.get("terminated") or {},
        last_terminated=last.get("terminated") or {},
    )


def condition(item: KubeObject, name: str) -> Mapping[str, Any]:
    """The condition of that type in ``status.conditions``, or an empty mapping."""
    for entry in (item.get("status") or {}).get("conditions") or []:
        if entry.get("type") == name:
            return dict(entry)
    return {}


def is_ready(pod: KubeObject) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def is_leaving(pod: KubeObject) -> bool:
    """Whether the Pod is being deleted or has ended for good (evicted, for example): another one takes its place."""
    phase = (pod.get("status") or {}).get("phase")
    return bool(pod.get("metadata", {}).get("deletionTimestamp")) or phase in {"Failed", "Succeeded"}


def current_pods(pods: Iterable[KubeObject]) -> list[KubeObject]:
    """The Pods of the newest revision: those with the ``pod-template-hash`` of the Pod that was created last."""
    alive = sorted((pod for pod in pods if not is_leaving(pod)), key=_created)
    if not alive:
        return []
    newest = _template_hash(alive[-1])
    return [pod for pod in alive if _template_hash(pod) == newest]


def _created(pod: KubeObject) -> tuple[str, str]:
    metadata = pod.get("metadata", {})
    return str(metadata.get("creationTimestamp") or ""), str(metadata.get("name", ""))


def _template_hash(pod: KubeObject) -> str:
    return str((pod.get("metadata", {}).get("labels") or {}).get("pod-template-hash", ""))


def describe(pod: KubeObject) -> str:
    """One line about what keeps a Pod from being Ready, for messages; empty when nothing does."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"{scheduled.get('reason', 'not scheduled')}: {scheduled.get('message', '')}".strip(": ")
    for container in containers(pod):
        text = describe_container(container)
        if text:
            return f"container {container.name} {text}"
    return "" if is_ready(pod) else str((pod.get("status") or {}).get("phase", "Pending"))


def describe_container(container: Container) -> str:
    """What keeps a container from being Ready; empty for one that is Ready or ended well."""
    if container.waiting:
        return _waiting_text(container)
    if container.terminated:
        return _death_text(container.terminated) if container.death else ""
    if container.is_running and not container.ready and not container.init:
        return "runs and is not Ready yet"
    return ""


def _waiting_text(container: Container) -> str:
    text = f"waits: {container.waiting_reason or 'no reason given'}"
    message = str(container.waiting.get("message", ""))
    if container.waiting_reason == "CrashLoopBackOff" and container.death:
        message = _death_text(container.death)
    return f"{text} ({message})" if message else text


def _death_text(end: Mapping[str, Any]) -> str:
    text = f"ended with exit code {end.get('exitCode')} ({end.get('reason') or 'no reason given'})"
    message = str(end.get("message") or "").strip()
    return f"{text}: {message}" if message else text
