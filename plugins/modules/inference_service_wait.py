#!/usr/bin/python
# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: inference_service_wait
short_description: Wait until KServe InferenceServices serve, or say why they never will
version_added: 0.1.0
author:
  - llmops.maas contributors (@llmops)
description:
  - Waits for any number of InferenceServices of a namespace at once, with one list and one watch each for them, their
    Deployments, their Pods and their Events. It returns within moments of the last one becoming ready and never polls.
  - An InferenceService is ready when its Deployments are rolled out completely, RV(services[].reason) names nothing
    more to wait for, its condition C(Ready) is true, its model status is C(UpToDate) and it has a URL.
  - A model that cannot become ready fails the task long before O(timeout), with the Pod, the container, the reason,
    what to do about it, and the last log lines.
  - For InferenceServices in C(RawDeployment) mode.
  - When C(spec.predictor.annotations) has C(llmops.maas/revision), the model is ready only once KServe has carried that
    value over to the Deployment. Nothing else tells a change of the spec that KServe has not seen yet from one that it
    has rolled out.
extends_documentation_fragment:
  - llmops.maas._kube_auth
  - llmops.maas._wait_slices
  - llmops.maas._attributes
  - llmops.maas._attributes.group
  - llmops.maas._attributes.waits
options:
  namespace:
    description: Namespace of the InferenceServices.
    type: str
    required: true
  names:
    description: Names of the InferenceServices. Either these or O(label_selector).
    type: list
    elements: str
    aliases: [name]
  label_selector:
    description:
      - Label selector of the InferenceServices. Those that match when all of them are ready are waited for, at least
        one.
    type: str
  timeout:
    description: Seconds after which models that are still on their way fail the task.
    type: float
    default: 900
  unschedulable_timeout:
    description: Seconds that a model may wait for a node with room. Autoscalers need some minutes.
    type: float
    default: 300
  missing_grace:
    description: Seconds that an InferenceService may be missing or being deleted.
    type: float
    default: 30
  runtime_grace:
    description:
      - Seconds that KServe may call the specification invalid, for example because the runtime has not been created
        yet.
    type: float
    default: 30
  refused_grace:
    description: Seconds that the API server may refuse the Pods, because of a quota, a policy or a webhook.
    type: float
    default: 30
  retry_grace:
    description:
      - Seconds that an image that cannot be pulled, a container that cannot be created, or a load that KServe calls
        blocked may last, if O(sightings) is not reached before.
    type: float
    default: 60
  sightings:
    description: Number of failed image pulls or container creations at which the wait gives up.
    type: int
    default: 3
  max_restarts:
    description:
      - How many restarts of a container that ends with an error are tolerated. Does not hold for downloads that fail
        with a time-out or a server error (tried again until O(timeout)), for refused ones (fail at once), and for
        containers killed for lack of memory (fail the second time, the download at once).
    type: int
    default: 3
  log_lines:
    description: How many of the last log lines to show of a container that failed. V(0) for none.
    type: int
    default: 20
seealso:
  - module: llmops.maas.resource_wait
"""

EXAMPLES = r"""
- name: Wait for two models, half an hour at most
  llmops.maas.inference_service_wait:
    namespace: llm
    names: [qwen3-0-6b-instruct, mistral-7b-instruct]
    timeout: 1800

- name: Wait for all models of the platform and let slow autoscalers add nodes
  llmops.maas.inference_service_wait:
    namespace: llm
    label_selector: app.kubernetes.io/part-of=llmops-maas
    unschedulable_timeout: 900
    fail_fast: false
"""

RETURN = r"""
services:
  description: Every InferenceService that was waited for, in order. Also there when the task fails.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the InferenceService.
      type: str
      sample: qwen3-0-6b-instruct
    namespace:
      description: Its namespace.
      type: str
      sample: llm
    ready:
      description: Whether it is ready.
      type: bool
    failed:
      description: Whether it has failed for good.
      type: bool
    url:
      description: Its URL, when it is ready.
      type: str
      sample: http://qwen3-0-6b-instruct-llm.example.com
    phase:
      description:
        - V(missing), V(invalid), V(pending), V(refused), V(scheduling), V(unschedulable), V(pulling), V(downloading),
          V(creating), V(loading), V(retrying), V(rolling), V(publishing), V(stopped) or V(ready).
      type: str
      sample: downloading
    reason:
      description:
        - One word that says why it is not ready, mostly the cluster's own.
        - V(ControllerMissing), V(ControllerNotReady) or V(ControllerSilent) when KServe does not act, see
          O(controller_grace).
      type: str
      sample: Unschedulable
    message:
      description: What is the matter, in words.
      type: str
      sample: "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    hint:
      description: Suggested fix.
      type: str
    pod:
      description: The Pod in which it was seen.
      type: str
    container:
      description: The container in which it was seen.
      type: str
    seconds:
      description: Seconds from the start of the wait until it was ready or had failed; of the whole wait if neither.
      type: int
      sample: 143
    phase_seconds:
      description: Seconds that it has been in this phase.
      type: int
      sample: 12
    log:
      description: Last log lines of the container, when the model failed.
      type: list
      elements: str
seconds:
  description: Seconds that the wait took.
  returned: always
  type: int
  sample: 143
unchecked:
  description: What could not be checked, each with C(what), C(why) and C(items), for M(llmops.maas.report).
  returned: in check mode
  type: list
  elements: dict
"""

import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import AUTH_ARGUMENTS, Kube, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._models.watch import ModelJudge, Selection
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import WaitOutcome, WaitState
from ansible_collections.llmops.maas.plugins.module_utils._wait.module import (
    SLICE_ARGUMENTS,
    controllers_of,
    end_module,
    not_waited,
    run_slice,
    state_of,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.pods import Limits, needs_log
from ansible_collections.llmops.maas.plugins.module_utils._wait.report import (
    MOST_LOGS,
    ReportStyle,
    WaitReport,
    last_log_lines,
)

ARGUMENTS: dict[str, Any] = {
    "namespace": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "aliases": ["name"]},
    "label_selector": {"type": "str"},
    "timeout": {"type": "float", "default": 900.0},
    "unschedulable_timeout": {"type": "float", "default": 300.0},
    "missing_grace": {"type": "float", "default": 30.0},
    "runtime_grace": {"type": "float", "default": 30.0},
    "refused_grace": {"type": "float", "default": 30.0},
    "retry_grace": {"type": "float", "default": 60.0},
    "sightings": {"type": "int", "default": 3},
    "max_restarts": {"type": "int", "default": 3},
    "log_lines": {"type": "int", "default": 20},
    "fail_fast": {"type": "bool", "default": True},
}
PARTS = ("url", "phase", "reason", "message", "hint", "pod", "container")


def limits_of(params: Mapping[str, Any]) -> Limits:
    return Limits(
        unschedulable=params["unschedulable_timeout"],
        missing=params["missing_grace"],
        runtime=params["runtime_grace"],
        refused=params["refused_grace"],
        retry=params["retry_grace"],
        sightings=params["sightings"],
        restarts=params["max_restarts"],
    )


def selection_of(module: AnsibleModule) -> Selection:
    names = list(dict.fromkeys(module.params["names"] or []))
    selector = module.params["label_selector"] or ""
    if not names and not selector.strip():
        module.fail_json(
            msg="There is nothing to wait for: 'names' is empty. Give at least one name, or use 'label_selector'."
        )
    return Selection(namespace=module.params["namespace"], names=names, label_selector=selector)


def report_of(
    module: AnsibleModule, kube: Kube, selection: Selection, state: WaitState, out: WaitOutcome
) -> WaitReport:
    namespace = selection.namespace
    ended = {
        name: verdict
        for name, verdict in out.verdicts.items()
        if needs_log(verdict) and (verdict.state == "failed" or (out.timed_out and verdict.state != "ready"))
    }
    logs = {
        name: last_log_lines(kube, namespace, verdict, module.params["log_lines"])
        for name, verdict in list(ended.items())[:MOST_LOGS]
    }
    style = ReportStyle(f"InferenceServices in namespace {namespace}", "are not ready", PARTS, full=True)
    identities = {name: {"name": name, "namespace": namespace} for name in out.verdicts}
    return WaitReport(style, out, state, out.verdicts, identities, time.time(), logs)


@guarded
def main() -> None:
    module = GuardedModule(
        argument_spec={**AUTH_ARGUMENTS, **ARGUMENTS, **SLICE_ARGUMENTS},
        mutually_exclusive=[("names", "label_selector")],
        required_one_of=[("names", "label_selector")],
        supports_check_mode=True,
    )
    selection = selection_of(module)
    if module.check_mode:
        what = ", ".join(selection.names) or f"those with {selection.label_selector}"
        unchecked = not_waited(f"InferenceService {name}" for name in selection.names or [what])
        msg = f"check mode: not waited for InferenceServices {what}"
        module.exit_json(changed=False, skipped=True, services=[], msg=msg, unchecked=unchecked)
    try:
        kube = Kube.connect(module.params)
    except KubeError as error:
        module.fail_json(msg=str(error))
    state = state_of(module.params)
    judge = ModelJudge(selection, limits_of(module.params), state, controllers_of(module.params, kube, state))
    outcome = run_slice(module, kube, selection.sources(), judge, state)
    end_module(module, "services", report_of(module, kube, selection, state, outcome))


if __name__ == "__main__":
    main()
