# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: kuadrant_services
short_description: Find what a gateway was told about Authorino and Limitador
version_added: 0.1.0
description:
  - Reads the configuration of Kuadrant's filter out of the EnvoyFilters of a Gateway, and gives the services that
    decide about requests, with how long it waits for them and what it does when they do not answer.
options:
  _input:
    description: EnvoyFilters as the API server gives them, of any namespaces.
    type: list
    elements: dict
    required: true
  gateway:
    description: The Gateway (C(namespace), C(name)).
    type: dict
    required: true
  limits_failure_mode:
    description: What should happen to requests that no limits can be looked up for, see C(maas_limits_failure_mode).
    type: str
    choices: [deny, allow]
    default: deny
"""

EXAMPLES = r"""
- name: Show what happens when Authorino or Limitador do not answer
  ansible.builtin.debug:
    msg: "{{ filters | llmops.maas.kuadrant_services(gateway) | map(attribute='failureMode') }}"
  vars:
    gateway: {namespace: llm, name: kuadrant-gateway}
"""

RETURN = r"""
_value:
  description:
    - Services with C(name), C(type), C(failureMode) and C(timeout), as the operator wrote them, and C(wrong), which
      says whether one fails otherwise than it should. Empty when the operator has not configured the Gateway yet.
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._kuadrant import wasm
from ansible_collections.llmops.maas.plugins.plugin_utils._platform import policies


def kuadrant_services(
    envoy_filters: Iterable[Mapping[str, Any]], gateway: Mapping[str, str], limits_failure_mode: str = policies.DENY
) -> list[dict[str, Any]]:
    """See DOCUMENTATION."""
    modes = policies.failure_modes(limits_failure_mode)
    found = [item for item in wasm.services(envoy_filters, gateway) if item["type"] in modes]
    wrong = wasm.wrong(found, modes)
    return [{**item, "wrong": item in wrong} for item in found]


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kuadrant_services": kuadrant_services}
