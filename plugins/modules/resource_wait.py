#!/usr/bin/python
# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: resource_wait
short_description: Wait until Kubernetes resources of any kind are ready
version_added: 0.1.0
author:
  - llmops.maas contributors (@llmops)
description:
  - Waits for any number of resources of any kinds at once, with one list and one watch per kind and namespace. It
    returns within moments of the last one becoming ready and never polls.
  - Each kind has its own rule, and the state that a controller wrote about an older generation of an object never
    counts.
  - Deployments, StatefulSets and DaemonSets are ready when they are rolled out completely; Jobs when complete (a
    failed one fails the task at once); CustomResourceDefinitions when established; Gateways when accepted and
    programmed; GatewayClasses when accepted; HTTPRoutes and GRPCRoutes when each parent accepted them and resolved
    their references; Kuadrant, Authorino and Limitador when ready; Kuadrant's policies (AuthPolicy, RateLimitPolicy,
    TokenRateLimitPolicy, TLSPolicy and DNSPolicy) when accepted and enforced; cert-manager's Certificates and issuers
    when ready; webhook configurations when every webhook of a Service has a CA bundle; PersistentVolumeClaims when
    bound; Services when they exist and, if of type LoadBalancer, have an address; Pods when ready or ended well;
    Namespaces when active; APIServices when available; Prometheuses and Alertmanagers when reconciled and available;
    Secrets, ConfigMaps, ServiceAccounts, RBAC objects and runtimes when they exist.
  - For InferenceServices use M(llmops.maas.inference_service_wait).
extends_documentation_fragment:
  - llmops.maas._kube_auth
  - llmops.maas._wait_slices
  - llmops.maas._attributes
  - llmops.maas._attributes.group
  - llmops.maas._attributes.waits
options:
  resources:
    description: What to wait for.
    type: list
    elements: dict
    required: true
    suboptions:
      api_version:
        description: Group and version, such as V(apps/v1), or V(v1) for the core group.
        type: str
        default: v1
      kind:
        description: Kind, such as V(Deployment).
        type: str
        required: true
      name:
        description: Name of the object. Either this or O(resources[].label_selector).
        type: str
      namespace:
        description: Namespace of the object. Required for namespaced kinds.
        type: str
      label_selector:
        description: Label selector of the objects. At least one must exist.
        type: str
      for:
        description:
          - What to wait for in place of the kind's own rule.
          - V(exists), or V(deleted) until there is none any more.
          - A dictionary with C(condition) and C(status) (default V("True")), or with C(conditions), statuses by
            condition. With C(reasons), lists of reasons by condition, a condition with one of these reasons is right
            whatever its status.
          - A dictionary with C(jmespath), an expression on the object, and C(value), what it must give. Without
            C(value) anything but null, false and empty will do. Values of Secrets and ConfigMaps cannot be read.
            C(parse_json(text)) is there besides the functions of JMESPath, for JSON that somebody put into a string.
        type: raw
      keys:
        description: For Secrets and ConfigMaps, keys that must have a value.
        type: list
        elements: str
      fail_on_reasons:
        description:
          - Reasons of conditions with which to fail without waiting longer, such as V(MissingDependency) of a Kuadrant.
        type: list
        elements: str
        default: []
  timeout:
    description: Seconds after which the task fails.
    type: float
    default: 300
  reasons_grace:
    description: Seconds that a reason in O(resources[].fail_on_reasons) must last before the task fails.
    type: float
    default: 5
  log_lines:
    description: How many of the last log lines to show of a Pod that keeps a workload from being ready. V(0) for none.
    type: int
    default: 20
seealso:
  - module: llmops.maas.inference_service_wait
"""

EXAMPLES = r"""
# Programmed alone does not mean that it runs.
- name: Wait for the gateway and for the Deployment that Istio makes for it
  llmops.maas.resource_wait:
    resources:
      - {api_version: gateway.networking.k8s.io/v1, kind: Gateway, name: kuadrant-gateway, namespace: llm}
      - {api_version: apps/v1, kind: Deployment, name: kuadrant-gateway-istio, namespace: llm}

- name: Wait for Kuadrant, but not when its operator has to be restarted
  llmops.maas.resource_wait:
    resources:
      - api_version: kuadrant.io/v1beta1
        kind: Kuadrant
        name: kuadrant
        namespace: kuadrant-system
        fail_on_reasons: [MissingDependency]
  register: kuadrant
  failed_when: kuadrant is failed and kuadrant.resources | map(attribute='reason') | difference(['MissingDependency'])

- name: Wait for a policy that cannot be enforced as long as the Gateway has no routes
  llmops.maas.resource_wait:
    resources:
      - api_version: kuadrant.io/v1
        kind: AuthPolicy
        name: default-deny
        namespace: llm
        for: {conditions: {Accepted: "True"}}

- name: Wait until Kuadrant has given the gateway its services
  llmops.maas.resource_wait:
    resources:
      - api_version: networking.istio.io/v1alpha3
        kind: EnvoyFilter
        name: kuadrant-kuadrant-gateway
        namespace: llm
        for:
          jmespath: >-
            spec.configPatches[].patch.value.typed_config.value.config.configuration.value | [0]
            | parse_json(@).services

- name: Wait until KServe's webhooks can be called
  llmops.maas.resource_wait:
    resources:
      - {kind: Secret, name: kserve-webhook-server-cert, namespace: kserve, keys: [tls.crt, tls.key]}
      - api_version: admissionregistration.k8s.io/v1
        kind: ValidatingWebhookConfiguration
        name: inferenceservice.serving.kserve.io

- name: Wait until all models are gone
  llmops.maas.resource_wait:
    resources:
      - {kind: Pod, namespace: llm, label_selector: serving.kserve.io/inferenceservice, for: deleted}
"""

RETURN = r"""
resources:
  description: Every object that was waited for. Also there when the task fails.
  returned: always
  type: list
  elements: dict
  contains:
    api_version:
      description: Its group and version.
      type: str
      sample: apps/v1
    kind:
      description: Its kind.
      type: str
      sample: Deployment
    name:
      description: Its name, empty when no object has the labels.
      type: str
      sample: istiod
    namespace:
      description: Its namespace, empty for a cluster-wide object.
      type: str
      sample: istio-system
    ready:
      description: Whether it is ready.
      type: bool
    failed:
      description: Whether it will never be ready.
      type: bool
    phase:
      description: V(ready), V(waiting), V(missing) or V(failed).
      type: str
    reason:
      description:
        - One word that says why it is not ready, mostly the cluster's own.
        - V(ControllerMissing), V(ControllerNotReady) or V(ControllerSilent) when its controller does not act, see
          O(controller_grace).
      type: str
      sample: MissingDependency
    message:
      description: What is the matter, in words.
      type: str
    hint:
      description: Suggested fix, if known.
      type: str
    seconds:
      description: Seconds from the start of the wait until it was ready or had failed; of the whole wait if neither.
      type: int
    phase_seconds:
      description: Seconds that it has been in this phase.
      type: int
seconds:
  description: Seconds that the wait took.
  returned: always
  type: int
unchecked:
  description: What could not be checked, each with C(what), C(why) and C(items), for M(llmops.maas.report).
  returned: in check mode
  type: list
  elements: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import AUTH_ARGUMENTS, Kube, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._wait.criteria import CriterionError, criterion_for
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import WaitOutcome, WaitState
from ansible_collections.llmops.maas.plugins.module_utils._wait.module import (
    SLICE_ARGUMENTS,
    controllers_of,
    end_module,
    not_waited,
    run_slice,
    state_of,
)
from ansible_collections.llmops.maas.plugins.module_utils._wait.report import ReportStyle, WaitReport
from ansible_collections.llmops.maas.plugins.module_utils._wait.resource_watch import (
    ResourceError,
    ResourceJudge,
    WantedResource,
    explained_by_pods,
    locate,
    located_again,
    sources_for,
)

RESOURCE_ARGUMENTS: dict[str, Any] = {
    "api_version": {"type": "str", "default": "v1"},
    "kind": {"type": "str", "required": True},
    "name": {"type": "str"},
    "namespace": {"type": "str"},
    "label_selector": {"type": "str"},
    "for": {"type": "raw"},
    "keys": {"type": "list", "elements": "str", "no_log": False},
    "fail_on_reasons": {"type": "list", "elements": "str", "default": []},
}
ARGUMENTS: dict[str, Any] = {
    "resources": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": RESOURCE_ARGUMENTS,
        "mutually_exclusive": [("name", "label_selector")],
        "required_one_of": [("name", "label_selector")],
    },
    "timeout": {"type": "float", "default": 300.0},
    "reasons_grace": {"type": "float", "default": 5.0},
    "log_lines": {"type": "int", "default": 20},
    "fail_fast": {"type": "bool", "default": True},
}
STYLE = ReportStyle("resources", "are not as wanted", ("phase", "reason", "message", "hint"))


def wanted_of(module: AnsibleModule) -> list[WantedResource]:
    """The resources of the parameters; a mistake in them ends the module."""
    wanted = []
    for index, entry in enumerate(module.params["resources"]):
        try:
            criterion = criterion_for(entry["api_version"], entry["kind"], entry["for"], entry["keys"])
        except CriterionError as error:
            module.fail_json(msg=f"resources[{index}] ({entry['kind']} {entry['name'] or ''}): {error}")
        wanted.append(
            WantedResource(
                api_version=entry["api_version"],
                kind=entry["kind"],
                criterion=criterion,
                name=entry["name"] or "",
                namespace=entry["namespace"] or "",
                label_selector=entry["label_selector"] or "",
                fail_on_reasons=tuple(entry["fail_on_reasons"]),
            )
        )
    if not wanted:
        module.fail_json(msg="There is nothing to wait for: 'resources' is empty.")
    return wanted


def report_of(
    module: AnsibleModule, kube: Kube, judge: ResourceJudge, state: WaitState, out: WaitOutcome
) -> WaitReport:
    lines = module.params["log_lines"]
    verdicts, logs = explained_by_pods(kube, judge, out.verdicts, lines) if out.finished else (dict(out.verdicts), {})
    named = ("api_version", "kind", "name", "namespace")
    identities = {key: {part: getattr(judge.subjects[key][0], part) for part in named} for key in verdicts}
    return WaitReport(STYLE, out, state, verdicts, identities, time.time(), logs)


@guarded
def main() -> None:
    module = GuardedModule(argument_spec={**AUTH_ARGUMENTS, **ARGUMENTS, **SLICE_ARGUMENTS}, supports_check_mode=True)
    wanted = wanted_of(module)
    if module.check_mode:
        what = "; ".join(entry.label for entry in wanted)
        unchecked = not_waited(entry.short for entry in wanted)
        msg = f"check mode: not waited for {what}"
        module.exit_json(changed=False, skipped=True, resources=[], msg=msg, unchecked=unchecked)
    state = state_of(module.params)
    try:
        kube = Kube.connect(module.params)
        if state.paths:
            wanted = located_again(wanted, state.paths)
        else:
            wanted, state.paths = locate(kube, wanted)
    except (KubeError, ResourceError) as error:
        module.fail_json(msg=str(error))
    judge = ResourceJudge(wanted, state, module.params["reasons_grace"], controllers_of(module.params, kube, state))
    outcome = run_slice(module, kube, sources_for(wanted, state.paths), judge, state)
    end_module(module, "resources", report_of(module, kube, judge, state, outcome))


if __name__ == "__main__":
    main()
