# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a controller can act: judged by its Deployments and their Pods. Pure functions; time comes in as a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject
from ansible_collections.llmops.maas.plugins.module_utils._wait.controllers import Controller
from ansible_collections.llmops.maas.plugins.module_utils._wait.pod_health import condition, current_pods, describe
from ansible_collections.llmops.maas.plugins.module_utils._wait.pods import Limits, Observation, pod_troubles
from ansible_collections.llmops.maas.plugins.module_utils._wait.rollout import wanted_replicas

# A Deployment may be replaced, and its Pods with it: one look is not enough.
SETTLE_SECONDS = 5.0
# How long a Pod outside of a rollout, on another node for example, may take to start.
START_SECONDS = 120.0
LIMITS = Limits(unschedulable=120.0, refused=30.0, retry=30.0, settle=0.0)


@dataclass(frozen=True)
class Fault:
    """Why a controller will not act: ``subject`` and ``predicate`` make a sentence."""

    reason: str
    subject: str
    predicate: str
    hint: str


@dataclass(frozen=True)
class Running:
    """A Deployment of a controller, with the Pods that its selector chooses."""

    deployment: KubeObject
    pods: Sequence[KubeObject] = ()

    @property
    def place(self) -> str:
        metadata = self.deployment["metadata"]
        return f"{metadata['namespace']}/{metadata['name']}"

    @property
    def is_ready(self) -> bool:
        return int((self.deployment.get("status") or {}).get("readyReplicas") or 0) > 0


def fault_of(controller: Controller, found: Sequence[Running], seen: Observation) -> Fault | None:
    """Why none of the Deployments that run the controller can act; None when one can, or may soon.

    :param found: all Deployments that run it, in whatever namespace.
    :param seen: limits, time, and the history of this controller.
    """
    if any(running.is_ready for running in found):
        return None
    if not found:
        return _missing(controller, seen)
    faults = [_down(running, seen) for running in found]
    return faults[0] if all(faults) else None


def silent(controller: Controller, found: Sequence[Running], waiting: int, seen: Observation) -> Fault | None:
    """The fault of a controller that runs and has left ``waiting`` objects unnoticed for too long, or None.

    The time starts again whenever their number changes: a controller that is busy with many takes them one by one.
    """
    ready = next((running for running in found if running.is_ready), None)
    if ready is None or seen.held(f"silent:{waiting}") < controller.quiet:
        return None
    namespace, _slash, name = ready.place.partition("/")
    return Fault(
        reason="ControllerSilent",
        subject=f"Deployment {ready.place}",
        predicate="has a ready Pod, but does not act",
        hint=f"Read its log (kubectl -n {namespace} logs deployment/{name}). If it looks for something only when it "
        "starts, restart it.",
    )


def _missing(controller: Controller, seen: Observation) -> Fault | None:
    if seen.held("missing") < SETTLE_SECONDS:
        return None
    return Fault(
        reason="ControllerMissing",
        subject=f"Deployment {controller.deployment}",
        predicate="exists in no namespace",
        hint=f"Install {controller.deployment}. If it runs outside of this cluster or in another way, set "
        "controller_grace to 0.",
    )


def _down(running: Running, seen: Observation) -> Fault | None:
    namespace, _slash, name = running.place.partition("/")
    wanted = wanted_replicas(running.deployment)
    if not wanted:
        held = seen.held(f"idle:{running.place}") >= SETTLE_SECONDS
        hint = f"Scale it up: kubectl -n {namespace} scale deployment {name} --replicas=1"
        return _not_ready(running, "asks for no replicas", hint) if held else None
    why = _reason(running, seen)
    hint = f"Look at it with kubectl -n {namespace} describe deployment {name}, and at its Pods."
    return _not_ready(running, f"has no ready Pod (0 of {wanted}: {why})", hint) if why else None


def _not_ready(running: Running, predicate: str, hint: str) -> Fault:
    return Fault("ControllerNotReady", f"Deployment {running.place}", predicate, hint)


def _reason(running: Running, seen: Observation) -> str:
    """Why the Deployment has no ready Pod and will have none soon; empty when one may still come."""
    refusal = condition(running.deployment, "ReplicaFailure")
    if refusal.get("status") == "True" and seen.held(f"refused:{running.place}") >= seen.limits.refused:
        return str(refusal.get("message") or refusal.get("reason") or "its Pods are refused")
    pods = current_pods(running.pods)
    states = {str(pod["metadata"]["name"]): [trouble.state for trouble in pod_troubles(pod, seen)] for pod in pods}
    broken = next((pod for pod in pods if "failed" in states[str(pod["metadata"]["name"])]), None)
    if broken is not None:
        return describe(broken)
    if _is_rolling(running.deployment):
        return ""
    limit = START_SECONDS if pods else SETTLE_SECONDS
    if seen.held(f"down:{running.place}:{bool(pods)}") < limit:
        return ""
    return next((text for text in map(describe, pods) if text), "it has no Pods")


def _is_rolling(deployment: KubeObject) -> bool:
    """Whether a rollout is under way. Source: kubernetes ``pkg/controller/deployment/progress.go``."""
    progressing = condition(deployment, "Progressing")
    return progressing.get("status") == "True" and progressing.get("reason") != "NewReplicaSetAvailable"
