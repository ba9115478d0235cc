# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the controller of an object that nothing has noticed, and end the wait for it when that cannot act.

A wait in which every object is noticed in time sends nothing for this. What cannot be read ends no wait.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject
from ansible_collections.llmops.maas.plugins.module_utils._wait.attention import unnoticed
from ansible_collections.llmops.maas.plugins.module_utils._wait.controller_health import (
    LIMITS,
    Fault,
    Running,
    fault_of,
    silent,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.controllers import (
    GATEWAY_CLASSES,
    GATEWAY_CONTROLLERS,
    GATEWAY_GROUP,
    Controller,
    Maker,
    controller_of,
    makers_of,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import WaitState
from ansible_collections.llmops.maas.plugins.module_utils._wait.pods import Observation
from ansible_collections.llmops.maas.plugins.module_utils._wait.readiness import rule_of
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import Verdict

GATEWAYS = f"/apis/{GATEWAY_GROUP}/v1"
DEPLOYMENTS = "/apis/apps/v1/deployments"
LOOK_SECONDS = 5.0
PAGE = 500

Found = TypeVar("Found")


class ControllerReader(Protocol):
    def request(self, method: str, path: str, *, query: Mapping[str, Any] | None = None) -> Any:
        """What the API server answers."""


@dataclass(frozen=True)
class Ignored:
    """An object that for ``seconds`` nothing has noticed; ``item`` is None when it is not there at all.

    ``words`` say what shows that. ``leaving``: it is being deleted, for which a controller may need time.
    """

    verdict: Verdict
    seconds: float
    api_version: str
    kind: str
    namespace: str
    name: str
    item: KubeObject | None
    words: str
    leaving: bool = False


@dataclass(frozen=True)
class _Subject:
    """The controller that has to act; ``quiet`` says whether its silence is a fault.

    ``source`` is what it makes a missing object from, ``note`` what is the matter with that.
    """

    controller: Controller
    source: str = ""
    note: str = ""
    quiet: bool = True


class Controllers:
    """The controllers of one wait. ``grace`` is for how many seconds objects may go unnoticed, 0 for ever."""

    def __init__(self, reader: ControllerReader, state: WaitState, grace: float) -> None:
        self._reader = reader
        self._state = state
        self._grace = grace
        self._now = 0.0
        self._kept: dict[str, tuple[float, Any]] = {}

    def verdicts(self, ignored: Mapping[str, Ignored], now: float) -> dict[str, Verdict]:
        """New verdicts by key: of objects whose controller cannot act, and of those whose source explains them."""
        self._now = now
        subjects = {}
        for key, entry in ignored.items():
            if self._grace and entry.seconds >= self._grace:
                subject = self._subject(entry)
                subjects.update({key: subject} if subject else {})
        waiting = Counter(subject.controller for subject in subjects.values() if subject.quiet)
        found = {}
        for key, subject in subjects.items():
            fault = self._fault(subject, ignored[key].namespace, waiting[subject.controller])
            if fault is not None:
                found[key] = _failed(ignored[key], subject, fault)
            elif subject.note:
                verdict = ignored[key].verdict
                found[key] = replace(verdict, message=f"{verdict.message}; {subject.source}: {subject.note}")
        return found

    def _every_look(self, what: str, ask: Callable[[], Found]) -> Found | None:
        """The answer of ``ask``, which is asked every few seconds; None when the cluster does not let us know."""
        kept = self._kept.get(what)
        if kept is None or self._now - kept[0] >= LOOK_SECONDS:
            try:
                kept = (self._now, ask())
            except KubeError:
                kept = (self._now, None)
            self._kept[what] = kept
        answer: Found | None = kept[1]
        return answer

    def _get(self, path: str) -> KubeObject | None:
        """The object or list there; None when there is none, or none that we may see."""
        return self._every_look(path, lambda: self._reader.request("GET", path))

    # --- which controller -------------------------------------------------------------------------------------------

    def _subject(self, entry: Ignored) -> _Subject | None:
        if entry.item is not None:
            controller = self._controller(entry.api_version, entry.kind, entry.item)
            return _Subject(controller, quiet=not entry.leaving) if controller else None
        for maker, name in makers_of(entry.kind, entry.name):
            source = self._source(maker, entry.namespace, name)
            controller = self._controller(maker.api_version, maker.made_from, source) if source else None
            if source and controller:
                label = f"{maker.made_from} {source['metadata']['name']}"
                rule = rule_of(maker.api_version, maker.made_from)
                return _Subject(controller, label, rule(source).message if rule else "", bool(unnoticed(source)))
        return None

    def _source(self, maker: Maker, namespace: str, name: str) -> KubeObject | None:
        found = self._get(maker.path(quote(namespace, safe=""), quote(name, safe="")))
        if not maker.refers:
            return found
        items = (found or {}).get("items") or []
        return next((item for item in items if (item.get("spec") or {}).get(maker.refers) == name), None)

    def _controller(self, api_version: str, kind: str, item: KubeObject) -> Controller | None:
        if api_version.startswith(f"{GATEWAY_GROUP}/") and kind != "GatewayClass":
            return self._gateway_controller(kind, item)
        return controller_of(api_version, kind, item)

    def _gateway_controller(self, kind: str, item: KubeObject) -> Controller | None:
        """By its class; for a route by that of the first Gateway that it names."""
        spec = item.get("spec") or {}
        if kind == "Gateway":
            name = str(spec.get("gatewayClassName") or "")
            chosen = self._get(f"{GATEWAYS}/gatewayclasses/{quote(name, safe='')}")
            if chosen is None:
                return GATEWAY_CLASSES.get(name)
            return GATEWAY_CONTROLLERS.get((chosen.get("spec") or {}).get("controllerName", ""))
        parent = next((ref for ref in spec.get("parentRefs") or [] if ref.get("kind", "Gateway") == "Gateway"), None)
        if parent is None:
            return None
        namespace = quote(str(parent.get("namespace") or item["metadata"].get("namespace")), safe="")
        gateway = self._get(f"{GATEWAYS}/namespaces/{namespace}/gateways/{quote(str(parent['name']), safe='')}")
        return self._gateway_controller("Gateway", gateway) if gateway else None

    # --- how it is --------------------------------------------------------------------------------------------------

    def _fault(self, subject: _Subject, namespace: str, waiting: int) -> Fault | None:
        controller = subject.controller
        faults = self._every_look(controller.deployment, lambda: self._look(controller, namespace, waiting))
        down, quiet = faults or (None, None)
        return down or (quiet if subject.quiet else None)

    def _look(self, controller: Controller, namespace: str, waiting: int) -> tuple[Fault | None, Fault | None]:
        found = [self._running(item) for item in self._deployments(controller, namespace)]
        history = self._state.history(f"controller {controller.deployment}")
        seen = Observation(LIMITS, history, self._now)
        faults = (fault_of(controller, found, seen), silent(controller, found, waiting, seen) if waiting else None)
        history.close_round()
        return faults

    def _deployments(self, controller: Controller, namespace: str) -> list[KubeObject]:
        """All that run it. Raises KubeError when it cannot be known whether there is one."""
        try:
            # Mostly it has the name of its manifest, and then nothing else has to be read.
            named = self._named(controller.deployment)
            return named if any(map(_is_ready, named)) else [item for item in self._all() if controller.is_run_by(item)]
        except ApiError as error:
            if error.status != 403:
                raise
            near = list(self._near(controller, {controller.namespace, namespace} - {""}))
            if not near:
                raise
            return near

    def _near(self, controller: Controller, namespaces: Iterable[str]) -> Iterator[KubeObject]:
        for namespace in sorted(namespaces):
            path = f"/apis/apps/v1/namespaces/{quote(namespace, safe='')}/deployments/{controller.deployment}"
            with contextlib.suppress(ApiError):
                yield self._reader.request("GET", path)

    def _named(self, name: str) -> list[KubeObject]:
        query = {"fieldSelector": f"metadata.name={name}"}
        return list(self._reader.request("GET", DEPLOYMENTS, query=query).get("items") or [])

    def _all(self) -> Iterator[KubeObject]:
        query: dict[str, Any] = {"limit": PAGE}
        while True:
            answer = self._reader.request("GET", DEPLOYMENTS, query=query)
            yield from answer.get("items") or []
            following = (answer.get("metadata") or {}).get("continue")
            if not following:
                return
            query = {"limit": PAGE, "continue": following}

    def _running(self, deployment: KubeObject) -> Running:
        labels = ((deployment.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        if _is_ready(deployment) or not labels:
            return Running(deployment)
        namespace = quote(str(deployment["metadata"]["namespace"]), safe="")
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}
        answer = self._reader.request("GET", f"/api/v1/namespaces/{namespace}/pods", query=query)
        return Running(deployment, answer.get("items") or [])


def _is_ready(deployment: KubeObject) -> bool:
    return Running(deployment).is_ready


def _failed(entry: Ignored, subject: _Subject, fault: Fault) -> Verdict:
    because = f"its controller {fault.subject}"
    if subject.source:
        because = f"{fault.subject}, which makes it from {subject.source},"
    return replace(
        entry.verdict,
        state="failed",
        reason=fault.reason,
        message=f"{entry.words} after {entry.seconds:.0f} s, and {because} {fault.predicate}",
        hint=fault.hint,
    )
