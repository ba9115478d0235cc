#!/usr/bin/python
# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kubernetes control plane of the user's own, without containers and without root."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster
short_description: Run a real Kubernetes control plane as processes of this user
version_added: 0.1.0
description:
  - Runs etcd, the API server, the controller manager, the scheduler, KWOK and a kubelet stand-in on this machine,
    supervised by C(supervisord), for one user and on loopback addresses only.
  - Nodes are simulated. Pods whose image is in the image map run as local processes; all others are simulated by KWOK.
  - Linux only, because every address of C(127.0.0.0/8) must be usable without configuration.
author:
  - llmops.maas contributors (@llmops)
requirements:
  - cryptography
  - supervisor (PyPI)
options:
  name:
    description: Name of the cluster. Clusters with different names run side by side.
    type: str
    default: default
  state:
    description:
      - V(started) makes the cluster if need be and waits until it works.
        It also repairs what a reboot or a killed process left.
      - V(stopped) ends every process of the cluster and keeps its files.
      - V(absent) also removes the files.
    type: str
    choices: [started, stopped, absent]
    default: started
  tools:
    description:
      - Paths of the binaries by name, with at least C(etcd), C(kube-apiserver), C(kube-controller-manager),
        C(kube-scheduler) and C(kwok). See M(llmops.embedded.tools).
      - Required for O(state=started).
    type: dict
  images:
    description: Image map of the kubelet stand-in, as YAML text. It reads the map again when that changes.
    type: str
    default: ""
  stand_ins:
    description:
      - Directory that holds the Python package C(stand_ins).
      - Without it, no kubelet stand-in runs, every Pod is simulated and webhooks are not called through it.
    type: path
  timeout:
    description: Seconds until the cluster must work.
    type: int
    default: 60
extends_documentation_fragment:
  - llmops.maas._attributes
attributes:
  check_mode:
    support: full
    details: Says whether something would be started, stopped or removed, and does nothing.
  diff_mode:
    support: none
    details: There is nothing to compare.
seealso:
  - module: llmops.embedded.tools
"""

EXAMPLES = r"""
- name: Start a cluster
  llmops.embedded.cluster:
    name: default
    tools: "{{ tools.paths }}"
  register: cluster

- name: Remove it
  llmops.embedded.cluster:
    name: default
    state: absent
"""

RETURN = r"""
kubeconfig:
  description: Path of the administrator's kubeconfig (mode 0600).
  returned: always
  type: str
server:
  description: URL of the API server.
  returned: when O(state=started)
  type: str
ports:
  description: Loopback ports by process.
  returned: when O(state=started)
  type: dict
slot:
  description: Service address range (CIDR), a part of C(127.100.0.0/16).
  returned: when O(state=started)
  type: str
audit_log:
  description: Path of the API server's audit log (one JSON event per line, without request bodies).
  returned: always
  type: str
processes:
  description: Every process of the cluster, those of Pods included.
  returned: when O(state=started)
  type: list
  elements: dict
  contains:
    name:
      description: Name of the component, or of the program for processes of Pods.
      type: str
    pid:
      description: Process id, 0 if it does not run now.
      type: int
    state:
      description: State as supervisord says, V(RUNNING) for processes of Pods.
      type: str
    rss:
      description: Resident memory in bytes.
      type: int
actions:
  description: What was done (or, in check mode, would be done), in words.
  returned: always
  type: list
  elements: str
unchecked:
  description: What could not be checked, each with C(what), C(why) and C(items), for M(llmops.maas.report).
  returned: in check mode
  type: list
  elements: dict
"""

import os
import sys
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.control import Cluster, ClusterSpec
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.directory import ClusterDir
from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import SuperviseError

ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "default": "default"},
    "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
    "tools": {"type": "dict"},
    "images": {"type": "str", "default": ""},
    "stand_ins": {"type": "path"},
    "timeout": {"type": "int", "default": 60},
}


def act(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    directory = ClusterDir.named(params["name"])
    spec = ClusterSpec(
        tools=params["tools"] or {},
        images=params["images"],
        stand_ins=params["stand_ins"] or "",
        timeout=params["timeout"],
        dry=module.check_mode,
    )
    cluster = Cluster(params["name"], directory, spec)
    result = cluster.start() if params["state"] == "started" else cluster.stop(purge=params["state"] == "absent")
    return {"kubeconfig": str(directory.kubeconfig), "audit_log": str(directory.audit_log), **result}


@guarded
def main() -> None:
    module = GuardedModule(
        argument_spec=ARGUMENTS, supports_check_mode=True, required_if=[("state", "started", ("tools",))]
    )
    if not sys.platform.startswith("linux"):
        module.fail_json(
            msg=f"The embedded cluster runs on Linux only (this is {sys.platform}). "
            "Use an inventory of a cluster that you have, such as inventories/minikube."
        )
    os.umask(0o077)
    try:
        result = act(module)
    except SuperviseError as error:
        module.fail_json(msg=f"Embedded cluster '{module.params['name']}': {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
