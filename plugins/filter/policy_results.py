# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: policy_results
short_description: What a cluster says of the policies of the models
version_added: 0.1.0
description:
  - Gives results like those of M(llmops.maas.gateway_check) for the policies that the models need, the components that
    enforce them, and for what the Gateway does when one of these does not answer.
options:
  _input:
    description:
      - Objects of all namespaces by kind, those of V(AuthPolicy), V(RateLimitPolicy), V(TokenRateLimitPolicy),
        V(Kuadrant), V(Deployment) and V(EnvoyFilter).
    type: dict
    required: true
  section:
    description: Which results.
    type: str
    choices: [policies, failure_modes]
    required: true
  gateway:
    description: The Gateway's C(namespace), which is also that of the models, and C(name).
    type: dict
    required: true
  models:
    description: For V(policies), the catalogue.
    type: list
    elements: dict
    default: []
  tiers:
    description: For V(policies), C(maas_tiers).
    type: list
    elements: dict
    default: []
  expected:
    description: For V(failure_modes), V(deny) or V(allow) by type of service.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what fails open
  ansible.builtin.debug:
    msg: "{{ found | llmops.maas.policy_results('failure_modes', gateway=gateway, expected={'auth': 'deny'}) }}"
  vars:
    gateway: {namespace: llm, name: kuadrant-gateway}
"""

RETURN = r"""
_value:
  description: The results.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._verify.state import component_rows, failure_modes, policies

Objects = Sequence[Mapping[str, Any]]


def policy_results(
    found: Mapping[str, Objects],
    section: str,
    gateway: Mapping[str, str],
    models: Objects = (),
    tiers: Objects = (),
    expected: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """See DOCUMENTATION."""
    if section == "failure_modes":
        return failure_modes(found["EnvoyFilter"], gateway, expected or {})
    components = component_rows(found["Kuadrant"], found["Deployment"])
    return components + policies(models, tiers, found, gateway, components)


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"policy_results": policy_results}
