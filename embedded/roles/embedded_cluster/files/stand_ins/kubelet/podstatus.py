# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of a Pod, computed from the states of its containers.

Field by field after the API reference (core/v1 PodStatus, ContainerStatus) and the kubelet's phases:
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Status = dict[str, Any]


@dataclass
class ContainerState:
    """What is known about one container. state holds exactly one of waiting, running, terminated."""

    name: str
    image: str
    state: Status = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Status = field(default_factory=dict)
    ready: bool = False
    started: bool = False
    restarts: int = 0
    identifier: str = ""

    def wait_for(self, reason: str, message: str = "") -> None:
        self._set("waiting", {"reason": reason} | ({"message": message} if message else {}))

    def run(self, now: str, identifier: str) -> None:
        self._set("running", {"startedAt": now})
        self.identifier = identifier

    def terminate(self, terminated: Status) -> None:
        self._set("terminated", terminated)

    def _set(self, kind: str, value: Status) -> None:
        if "terminated" in self.state and kind != "terminated":
            self.last = {"terminated": self.state["terminated"]}
        self.state = {kind: value}
        self.ready = self.started = False

    @property
    def exit_code(self) -> int | None:
        """Exit code of a container that has ended, else None."""
        terminated = self.state.get("terminated")
        return None if terminated is None else int(terminated["exitCode"])

    def as_status(self) -> Status:
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image,
            "containerID": f"process://{self.identifier}" if self.identifier else "",
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last,
        }


def former_state(pod: Mapping[str, Any], spec: Mapping[str, Any], field: str) -> ContainerState:
    """A container's first state; restarts are counted on when the Pod ran before (this stand-in was restarted)."""
    state = ContainerState(name=spec["name"], image=spec["image"])
    for status in (pod.get("status") or {}).get(field) or ():
        if status["name"] == spec["name"]:
            ran = "running" in (status.get("state") or {})
            state.restarts = int(status.get("restartCount") or 0) + (1 if ran else 0)
    return state


def terminated(exit_code: int, signal: int | None, started: str, finished: str, message: str) -> Status:
    """state.terminated of a process; reasons are the kubelet's: Completed or Error."""
    status: Status = {
        "exitCode": exit_code,
        "reason": "Completed" if exit_code == 0 else "Error",
        "startedAt": started,
        "finishedAt": finished,
    }
    if signal:
        status["signal"] = signal
    if exit_code and message:
        status["message"] = message
    return status


def phase(restart_policy: str, initialized: bool, containers: Sequence[ContainerState]) -> str:
    if not initialized:
        return "Pending"
    codes = [container.exit_code for container in containers]
    if all(code is not None for code in codes) and restart_policy != "Always":
        if all(code == 0 for code in codes):
            return "Succeeded"
        if restart_policy == "Never":
            return "Failed"
    started = any("running" in item.state or item.exit_code is not None or item.last for item in containers)
    return "Running" if started else "Pending"


def conditions(
    pod: Mapping[str, Any], *, initialized: bool, containers: Sequence[ContainerState], current_phase: str, now: str
) -> list[Status]:
    """The conditions that the kubelet owns; a transition time changes only with the condition's status."""
    unready = [container.name for container in containers if not container.ready]
    detail: Status = {}
    if current_phase == "Succeeded":
        detail = {"reason": "PodCompleted"}
    elif unready:
        detail = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"}
    containers_ready = not unready and current_phase == "Running"
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    known = {item["type"]: item for item in (pod.get("status") or {}).get("conditions") or ()}
    gates_open = all(known.get(gate, {}).get("status") == "True" for gate in gates)
    ready_detail = detail if not containers_ready else {"reason": "ReadinessGatesNotReady"}
    initial: Status = {} if initialized else {"reason": "ContainersNotInitialized"}
    return [
        _condition("PodReadyToStartContainers", True, {}, known, now),
        _condition("Initialized", initialized, initial, known, now),
        _condition("ContainersReady", containers_ready, detail, known, now),
        _condition("Ready", containers_ready and gates_open, ready_detail, known, now),
    ]


def _condition(kind: str, holds: bool, detail: Status, known: Mapping[str, Status], now: str) -> Status:
    status = "True" if holds else "False"
    former = known.get(kind, {})
    changed = former.get("status") != status
    since = now if changed else former["lastTransitionTime"]
    condition: Status = {"type": kind, "status": status, "lastTransitionTime": since}
    # Nulls remove what an earlier status left there: the patch merges conditions by type.
    return condition | {"reason": None, "message": None} | ({} if holds else detail)


@dataclass(frozen=True)
class Containers:
    """All containers of a Pod, in the order of its spec; initialized: the init containers are done."""

    init: Sequence[ContainerState]
    main: Sequence[ContainerState]
    initialized: bool


def pod_status(pod: Mapping[str, Any], all_containers: Containers, address: str, now: str) -> Status:
    """The status to merge into the Pod's: phase, conditions, addresses, start time and container statuses."""
    init, containers, initialized = all_containers.init, all_containers.main, all_containers.initialized
    current = phase(str(pod["spec"].get("restartPolicy") or "Always"), initialized, containers)
    if current in {"Succeeded", "Failed"}:
        for container in containers:
            container.ready = False
    status: Status = {
        "phase": current,
        "conditions": conditions(pod, initialized=initialized, containers=containers, current_phase=current, now=now),
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": (pod.get("status") or {}).get("startTime") or now,
        "containerStatuses": [container.as_status() for container in containers],
    }
    if init:
        status["initContainerStatuses"] = [container.as_status() for container in init]
    return status
