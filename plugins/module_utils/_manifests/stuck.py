# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects whose deletion cannot end, because the controller that has to remove their finalizers does not run."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import Kube, ResourceType
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import ObjectKey
from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject
from ansible_collections.llmops.maas.plugins.module_utils._kube.parallel import error_of, in_parallel
from ansible_collections.llmops.maas.plugins.module_utils._manifests.live_objects import get_object
from ansible_collections.llmops.maas.plugins.module_utils._manifests.record import Entry
from ansible_collections.llmops.maas.plugins.module_utils._wait.controller_watch import (
    LOOK_SECONDS,
    Controllers,
    Ignored,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.controllers import CONTROLLERS, GATEWAY_GROUP
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import WaitState
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import Verdict

# What the namespace controller says of the rest in a namespace that is being deleted: kubernetes
# pkg/controller/namespace/deletion/status_condition_utils.go
_REST = re.compile(r"\b([a-z0-9-]+)\.([a-z0-9.-]+) has \d+ resource instance")
_MOST_INSTANCES = 20


class StuckObjects:
    """Tells which of the objects that are being deleted will stay, and why. One for each wait.

    :param grace: seconds that an object may be on its way out before its controller is looked at; 0 never looks.
    :param clock: seconds that only ever grow; tests give their own.
    """

    def __init__(self, kube: Kube, grace: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._grace = grace
        self._clock = clock
        self._since: dict[ObjectKey, float] = {}
        self._next_look = clock()
        self._controllers = Controllers(kube, WaitState(began=clock()), grace)

    def hopeless(self, leaving: Mapping[ObjectKey, Entry]) -> dict[ObjectKey, str]:
        """Why objects will not go, by key; without those that may still go.

        Nothing is asked before the first of them has been on its way out for as long as ``grace`` says, and then only
        every few seconds.
        """
        now = self._clock()
        seconds = {key: now - self._since.setdefault(key, now) for key in leaving}
        due = {key: entry for key, entry in leaving.items() if seconds[key] >= self._grace}
        if not (self._grace and due) or now < self._next_look:
            return {}
        self._next_look = now + LOOK_SECONDS
        ignored: dict[str, Ignored] = {}
        owners: dict[str, ObjectKey] = {}
        for key, answer in in_parallel(lambda key: self._holders(due[key]), due):
            for holder in [] if error_of(answer) else answer.result():
                name = f"{key.group} {key} {holder['kind']} {_place(holder)}"
                ignored[name], owners[name] = _ignored(key, holder, seconds[key]), key
        verdicts = self._controllers.verdicts(ignored, now)
        return {owners[name]: _text(verdict) for name, verdict in verdicts.items() if verdict.state == "failed"}

    def _holders(self, entry: Entry) -> list[KubeObject]:
        """The objects on their way out that this one waits for because of their finalizers: itself, or what is in it.

        Objects of kinds whose controller is not known are left out.
        """
        live = get_object(self._kube, entry.resource, entry.key)
        if live is None:
            return []
        if entry.kind == "CustomResourceDefinition":
            found = self._instances(live["spec"]["group"], live["spec"]["names"]["plural"], "")
        elif entry.kind == "Namespace":
            # What it says may be of some time ago, so the objects themselves are looked at.
            rest = dict.fromkeys(_REST.findall(" ".join(conditions_of(live))))
            found = [item for plural, group in rest for item in self._instances(group, plural, entry.name)]
        else:
            found = [live]
        return [item for item in found if item["metadata"].get("deletionTimestamp") and finalizers_of(item)]

    def _instances(self, group: str, plural: str, namespace: str) -> list[KubeObject]:
        """The first objects of that resource, of all namespaces if none is given."""
        if group not in CONTROLLERS and group != GATEWAY_GROUP:
            return []
        version = self._kube.request("GET", f"/apis/{group}")["preferredVersion"]["groupVersion"]
        path = ResourceType(version, "", plural, namespaced=True).path(namespace)
        answer = self._kube.request("GET", path, query={"limit": _MOST_INSTANCES})
        kind = str(answer["kind"]).removesuffix("List")
        return [{**item, "apiVersion": version, "kind": kind} for item in answer.get("items") or []]


def _place(item: KubeObject) -> str:
    metadata = item["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def _ignored(key: ObjectKey, holder: KubeObject, seconds: float) -> Ignored:
    itself = (holder["kind"], holder["metadata"]["name"]) == (key.kind, key.name)
    whose = "its" if itself else f"the {holder['kind']} {_place(holder)} goes with it, whose"
    return Ignored(
        verdict=Verdict("progressing", "deleting"),
        seconds=seconds,
        api_version=holder["apiVersion"],
        kind=holder["kind"],
        namespace=str(holder["metadata"].get("namespace") or ""),
        name=holder["metadata"]["name"],
        item=holder,
        words=f"{whose} finalizers ({', '.join(finalizers_of(holder))}) are still there",
        leaving=True,
    )


def finalizers_of(live: KubeObject) -> list[str]:
    """What the object's deletion waits for."""
    return list(live["metadata"].get("finalizers") or (live.get("spec") or {}).get("finalizers") or [])


def conditions_of(live: KubeObject) -> list[str]:
    """What the namespace controller says about a namespace that it cannot empty."""
    if live.get("kind") != "Namespace":
        return []
    conditions = (live.get("status") or {}).get("conditions") or []
    return [str(entry["message"]) for entry in conditions if entry.get("status") == "True" and entry.get("message")]


def _text(verdict: Verdict) -> str:
    return (
        f"{verdict.reason}: {verdict.message}. {verdict.hint.rstrip('.')}. Then run again: the controller removes the"
        " finalizers. If it will never run again, remove them yourself (kubectl edit): nothing is cleaned up then"
    )
