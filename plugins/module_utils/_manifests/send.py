# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two ways to carry out a plan: send it, or rehearse it by dry runs (check mode)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.retry import Deadline
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import Manifest
from ansible_collections.llmops.maas.plugins.module_utils._kube.errors import explain, webhook_trouble
from ansible_collections.llmops.maas.plugins.module_utils._kube.parallel import in_parallel
from ansible_collections.llmops.maas.plugins.module_utils._manifests.diff import content, managers
from ansible_collections.llmops.maas.plugins.module_utils._manifests.discovery import wait_served
from ansible_collections.llmops.maas.plugins.module_utils._manifests.live_objects import get_object
from ansible_collections.llmops.maas.plugins.module_utils._manifests.patch import Patcher, secret_values
from ansible_collections.llmops.maas.plugins.module_utils._manifests.plan import ApplyPlan

_PAUSE = 0.2
# Why check mode cannot ask the API server.
_JUDGEMENT = "what the API server says to objects"
_NOT_THERE = _JUDGEMENT, "their kinds or namespaces are not there yet"
_BEING_DELETED = _JUDGEMENT, "they are being deleted"
_NO_ANSWER = _JUDGEMENT, "a webhook that judges them does not answer"


@dataclass(frozen=True)
class Applied:
    """What became of one object.

    ``live`` is the object as it is now, None when the server could not be asked (check mode); ``unasked`` says why.
    Where ``problem`` is set, the object failed, and nothing else counts.
    """

    manifest: Manifest
    action: str = ""
    before: Any = None
    live: Any = None
    warning: str = ""
    unasked: tuple[str, str] | None = None
    problem: str = ""


def send(plan: ApplyPlan, patcher: Patcher, warn: Callable[[str], None]) -> Iterator[Applied]:
    """Apply wave by wave, and yield each object as soon as its wave is done. After a failure no further wave is sent.

    Whoever takes the results must note them at once: what was applied stays applied, whatever happens next.
    """
    waves = plan.waves()
    failed = False
    for number, wave in enumerate(waves, start=1):
        for applied in _send_wave(plan, patcher, wave.manifests):
            failed = failed or bool(applied.problem)
            yield applied
        if wave.definitions and not failed:
            for manifest, problem in wait_served(patcher.kube, wave.manifests, patcher.options.timeout):
                failed = True
                yield Applied(manifest, problem=problem)
        unsent = sum(len(later.manifests) for later in waves[number:])
        if failed and unsent:
            warn(f"{unsent} objects that come later were not applied because of the failures")
            return


def rehearse(plan: ApplyPlan, patcher: Patcher) -> Iterator[Applied]:
    """Ask the API server what each object would be after an apply, and yield that."""
    for manifest, answer in in_parallel(lambda manifest: _rehearse_one(plan, patcher, manifest), plan.work):
        yield _settled(plan, manifest, answer)


def _send_wave(plan: ApplyPlan, patcher: Patcher, manifests: Sequence[Manifest]) -> Iterator[Applied]:
    deadline = Deadline(patcher.options.timeout)
    for manifest, answer in in_parallel(lambda manifest: _send_one(plan, patcher, manifest, deadline), manifests):
        yield _settled(plan, manifest, answer)


def _settled(plan: ApplyPlan, manifest: Manifest, answer: Future[Applied]) -> Applied:
    try:
        return answer.result()
    except KubeError as error:
        live = manifest.key in plan.seen.live
        return Applied(manifest, problem=explain(error, secret_values(manifest), live=live, pins=manifest.pins))


def _send_one(plan: ApplyPlan, patcher: Patcher, manifest: Manifest, deadline: Deadline) -> Applied:
    resource = plan.resolved.resources[manifest.key]
    before = _undeleted(plan, patcher, manifest, deadline)
    live = patcher.apply(manifest, resource, before, deadline, new_kind=plan.resolved.is_new_kind(manifest))
    return Applied(manifest, _action(before, live), before, live)


def _undeleted(plan: ApplyPlan, patcher: Patcher, manifest: Manifest, deadline: Deadline) -> Any:
    """The object as it is, or None. One that is being deleted is waited for: it would take the change with it."""
    if manifest.key not in plan.seen.live:
        return None
    finalizers: list[str] = []
    for _turn in deadline.attempts(_PAUSE):
        live = get_object(patcher.kube, plan.resolved.resources[manifest.key], manifest.key)
        if live is None or not live["metadata"].get("deletionTimestamp"):
            return live
        finalizers = live["metadata"].get("finalizers") or []
    raise KubeError(
        f"it is being deleted and still not gone after {deadline.seconds:g} s; it waits for"
        f" {', '.join(finalizers) or 'nothing that is named'}: is the controller that removes it running?"
    )


def _rehearse_one(plan: ApplyPlan, patcher: Patcher, manifest: Manifest) -> Applied:
    resource = plan.resolved.resources[manifest.key]
    before = get_object(patcher.kube, resource, manifest.key) if manifest.key in plan.seen.live else None
    unasked = Applied(manifest, "created", unasked=_NOT_THERE)
    if before is not None and before["metadata"].get("deletionTimestamp"):
        return replace(unasked, unasked=_BEING_DELETED)
    if before is None and (plan.resolved.is_new_kind(manifest) or manifest.namespace in plan.seen.absent):
        return unasked
    try:
        live = patcher.dry_run(manifest, resource, before)
    except ApiError as error:
        if before is None and error.status == 404:
            return unasked
        if webhook_trouble(error):
            action = "created" if before is None else "configured"
            warning = f"not checked by the server: {error.message}"
            return Applied(manifest, action, before, warning=warning, unasked=_NO_ANSWER)
        raise
    return Applied(manifest, _action(before, live), before, live)


def _action(before: Any, live: Any) -> str:
    if before is None or before["metadata"]["uid"] != live["metadata"]["uid"]:
        return "created"
    if content(before) == content(live) and managers(before) == managers(live):
        return "unchanged"
    return "configured"
