# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: network_flows
short_description: Make NetworkPolicies that allow only some flows
version_added: 0.1.0
description:
  - Gives one NetworkPolicy per namespace that denies all traffic but names (DNS), and one per flow.
options:
  _input:
    description:
      - Flows, each with C(name), C(namespace), the labels of its Pods (C(pods)), and C(ingress) or C(egress) or both.
      - An entry of C(ingress) or C(egress) has C(ports), and C(from) or C(to) with peers. A peer is the name of another
        flow, or a dictionary with C(namespace) and perhaps C(pods). Without peers it is anybody.
      - The entry V(api_server) stands for the API server's ports, V(anywhere) for everything.
    type: list
    elements: dict
    required: true
  namespaces:
    description: Namespaces to close.
    type: list
    elements: str
    required: true
  api_server_ports:
    description: Ports on which the API server may listen.
    type: list
    elements: int
    default: [443, 6443, 8443]
  labels:
    description: Labels of the NetworkPolicies.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Let the Gateway's Pods alone talk to a server
  llmops.maas.manifests:
    bundle: flows
    definitions: "{{ flows | llmops.maas.network_flows(namespaces=['web']) }}"
  vars:
    flows:
      - {name: gateway, namespace: web, pods: {app: gateway}, egress: [{ports: [8080], to: [server]}]}
      - {name: server, namespace: web, pods: {app: server}, ingress: [{ports: [8080], from: [gateway]}]}
"""

RETURN = r"""
_value:
  description: Objects of kind C(NetworkPolicy).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.network import FlowError, network_policies


def network_flows(
    flows: Sequence[Any],
    namespaces: Sequence[str],
    api_server_ports: Sequence[int] = (443, 6443, 8443),
    labels: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """See DOCUMENTATION."""
    try:
        return network_policies(flows, namespaces, api_server_ports, labels or {})
    except FlowError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"network_flows": network_flows}
