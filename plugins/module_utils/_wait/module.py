# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the wait modules share: options, running one slice, last log lines, and the words of a failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, Protocol

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import Unchecked, unchecked
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._wait.controller_watch import Controllers, Reader
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import (
    Judge,
    NotConnectedError,
    Outcome,
    Terms,
    WaitState,
    wait,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.verdict import Verdict
from ansible_collections.llmops.maas.plugins.module_utils._wait.watch import Source, Watcher, WatchError

SLICE_ARGUMENTS: dict[str, Any] = {
    "controller_grace": {"type": "float", "default": 10.0},
    "slice_seconds": {"type": "float", "default": 0.0},
    "slice_early": {"type": "bool", "default": True},
    "resume": {"type": "str", "no_log": True},
}
MOST_LOGS = 10


class LogReader(Protocol):
    def text(self, path: str, *, query: Mapping[str, Any] | None = None) -> str:
        """The text that the API server answers."""


def terms_of(params: Mapping[str, Any]) -> Terms:
    return Terms(
        timeout=params["timeout"],
        slice_seconds=params["slice_seconds"],
        early=params["slice_early"],
        fail_fast=params["fail_fast"],
    )


def controllers_of(params: Mapping[str, Any], kube: Reader, state: WaitState) -> Controllers:
    return Controllers(kube, state, params["controller_grace"])


def not_waited(names: Iterable[str]) -> list[Unchecked]:
    """What check mode leaves out."""
    return [unchecked("readiness", "nothing is waited for", names)]


def state_of(params: Mapping[str, Any]) -> WaitState:
    return WaitState.decode(params["resume"], time.time())


def run_slice(module: AnsibleModule, kube: Any, sources: list[Source], judge: Judge, state: WaitState) -> Outcome:
    """Wait for one slice; problems with the cluster end the module with an explanation."""
    watcher = Watcher(kube, sources, resume=state.watched)
    try:
        return wait(watcher, judge, state, terms_of(module.params))
    except WatchError as error:
        fail_watch(module, error)
    except NotConnectedError as error:
        module.fail_json(msg=f"The Kubernetes API server cannot be read: {error}. Check the connection and try again.")
    raise AssertionError("fail_json ends the module")


def fail_watch(module: AnsibleModule, error: WatchError) -> NoReturn:
    status = error.error.status if isinstance(error.error, ApiError) else 0
    hints = {
        401: "The credentials are not accepted: check kubeconfig, token or certificate.",
        403: f"Grant list and watch on {error.source.path} to the user of this connection.",
        404: f"The API server has no such resource ({error.source.path}): install its CustomResourceDefinition first.",
    }
    module.fail_json(msg=f"{hints.get(status, 'The wait cannot be done.')} The server's answer: {error.error}")
    raise AssertionError("fail_json ends the module")


def seconds_of(state: WaitState, key: str, verdict: Verdict, now: float) -> tuple[int, int]:
    """``(seconds, phase_seconds)``: from the start of the wait until ready or failed (or now), and in this phase."""
    since = state.history(key).since.get(f"phase:{verdict.phase}", now)
    until = now if verdict.state == "progressing" else since
    return max(0, round(until - state.began)), max(0, round(now - since))


def sentence(name: str, verdict: Verdict, phase_seconds: int) -> str:
    """One model or object that is not ready, in one line: name, state, where, why."""
    place = "".join([f" in Pod {verdict.pod}" if verdict.pod else "", _container_text(verdict)])
    state = "failed" if verdict.state == "failed" else f"{verdict.phase} for {phase_seconds} s"
    # While all goes well the reason only repeats the phase.
    reason = "" if verdict.reason.lower() == verdict.phase else f": {verdict.reason}"
    return f"{name}: {state}{reason}{place}: {verdict.message}"


def _container_text(verdict: Verdict) -> str:
    return f", container {verdict.container}" if verdict.container else ""


def explain(name: str, verdict: Verdict, phase_seconds: int, log: list[str]) -> list[str]:
    """The lines of a failure message about one object."""
    lines = [sentence(name, verdict, phase_seconds)]
    if verdict.hint:
        lines.append(f"  What to do: {verdict.hint}")
    if log:
        which = " before its restart" if verdict.previous_log else ""
        lines.append(f"  Last log lines of container {verdict.container or 'of the Pod'}{which}:")
        lines.extend(f"    {line}" for line in log)
    return lines


def last_log_lines(kube: LogReader, namespace: str, verdict: Verdict, count: int) -> list[str]:
    """The last lines of the log that explains the verdict; empty when there is none or it cannot be read."""
    if not verdict.pod or not verdict.container or not count:
        return []
    path = f"/api/v1/namespaces/{namespace}/pods/{verdict.pod}/log"
    query = {"container": verdict.container, "tailLines": str(count), "limitBytes": "65536"}
    # The kubelet may have lost the one of the two that the status speaks of.
    for previous in (verdict.previous_log, not verdict.previous_log):
        text = _log(kube, path, {**query, "previous": "true"} if previous else query)
        if text.strip():
            return text.rstrip().splitlines()[-count:]
    return []


def _log(kube: LogReader, path: str, query: Mapping[str, str]) -> str:
    try:
        return kube.text(path, query=query)
    except (KubeError, OSError):
        return ""


def needs_log(verdict: Verdict) -> bool:
    """Whether a container got far enough to have written a log."""
    unstarted = ("Image", "ErrImage", "InvalidImage", "CreateContainer", "RunContainer", "Registry", "Signature")
    return bool(verdict.container) and not verdict.reason.startswith(unstarted)


def collect_logs(kube: LogReader, namespace: str, failed: Mapping[str, Verdict], count: int) -> dict[str, list[str]]:
    """Last log lines by key, of the first few that failed."""
    wanted = [(key, verdict) for key, verdict in failed.items() if needs_log(verdict)][:MOST_LOGS]
    return {key: last_log_lines(kube, namespace, verdict, count) for key, verdict in wanted}


def leave(
    module: AnsibleModule,
    outcome: Outcome,
    state: WaitState,
    rows: dict[str, list[dict[str, Any]]],
    failure: Callable[[], str],
) -> NoReturn:
    """End the module: unfinished slice, success, or failure (``failure`` makes the message, only when needed)."""
    warnings = sorted({text for verdict in outcome.verdicts.values() for text in verdict.warnings})
    common: dict[str, Any] = {"changed": False, "seconds": round(outcome.elapsed), **rows}
    if not outcome.finished:
        module.exit_json(finished=False, resume=state.encode(), troubles=outcome.troubles, **common)
    for text in warnings:
        module.warn(text)
    if outcome.verdicts and all(verdict.state == "ready" for verdict in outcome.verdicts.values()):
        module.exit_json(finished=True, **common)
    module.fail_json(msg=failure(), finished=True, **common)
    raise AssertionError("fail_json ends the module")
