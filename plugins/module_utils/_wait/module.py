# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the wait modules share: options, running one slice, and how they end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import Unchecked, unchecked
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError
from ansible_collections.llmops.maas.plugins.module_utils._wait.controller_watch import ControllerReader, Controllers
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import (
    Judge,
    NotConnectedError,
    WaitOutcome,
    WaitState,
    WaitTerms,
    wait,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.report import WaitReport
from ansible_collections.llmops.maas.plugins.module_utils._wait.watch import Source, Watcher, WatchError

SLICE_ARGUMENTS: dict[str, Any] = {
    "controller_grace": {"type": "float", "default": 10.0},
    "slice_seconds": {"type": "float", "default": 0.0},
    "slice_early": {"type": "bool", "default": True},
    "resume": {"type": "str", "no_log": True},
}


def terms_of(params: Mapping[str, Any]) -> WaitTerms:
    return WaitTerms(
        timeout=params["timeout"],
        slice_seconds=params["slice_seconds"],
        early=params["slice_early"],
        fail_fast=params["fail_fast"],
    )


def controllers_of(params: Mapping[str, Any], kube: ControllerReader, state: WaitState) -> Controllers:
    return Controllers(kube, state, params["controller_grace"])


def not_waited(names: Iterable[str]) -> list[Unchecked]:
    """What check mode leaves out."""
    return [unchecked("readiness", "nothing is waited for", names)]


def state_of(params: Mapping[str, Any]) -> WaitState:
    return WaitState.decode(params["resume"], time.time())


def run_slice(module: AnsibleModule, kube: Any, sources: list[Source], judge: Judge, state: WaitState) -> WaitOutcome:
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


def end_module(module: AnsibleModule, name: str, report: WaitReport) -> NoReturn:
    """End the module: unfinished slice, success, or failure.

    :param name: the return value that has the report's rows.
    """
    outcome = report.outcome
    common: dict[str, Any] = {"changed": False, "seconds": round(outcome.elapsed), name: report.rows()}
    if not outcome.finished:
        module.exit_json(finished=False, resume=report.state.encode(), troubles=outcome.troubles, **common)
    for text in sorted({text for verdict in outcome.verdicts.values() for text in verdict.warnings}):
        module.warn(text)
    if outcome.verdicts and all(verdict.state == "ready" for verdict in outcome.verdicts.values()):
        module.exit_json(finished=True, **common)
    module.fail_json(msg=report.failure(), finished=True, **common)
    raise AssertionError("fail_json ends the module")
