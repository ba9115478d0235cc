# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: kuadrant_services
short_description: Find what a gateway knows of Authorino and Limitador
version_added: 0.1.0
description:
  - Reads the configuration of Kuadrant's filter out of the EnvoyFilters of a gateway, and gives the services that it
    asks about requests, with how long it waits for them and what it does when they do not answer.
options:
  _input:
    description: EnvoyFilters as the API server gives them.
    type: list
    elements: dict
    required: true
  gateway:
    description: Name of the Gateway.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what happens when Authorino or Limitador do not answer
  ansible.builtin.debug:
    msg: "{{ filters | llmops.maas.kuadrant_services('kuadrant-gateway') | map(attribute='failureMode') }}"
"""

RETURN = r"""
_value:
  description:
    - Services with C(name), C(type), C(failureMode) and C(timeout), as the operator wrote them. Empty when the operator
      has not configured the gateway yet.
  type: list
  elements: dict
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

# Types of services whose failure decides about a request (kuadrant-operator internal/wasm/types.go).
_DECIDING = {"auth", "ratelimit", "ratelimit-check", "ratelimit-report"}


def kuadrant_services(envoy_filters: Iterable[Mapping[str, Any]], gateway: str) -> list[dict[str, Any]]:
    """See DOCUMENTATION."""
    return [
        {"name": name, **service}
        for item in envoy_filters
        if any(target.get("name") == gateway for target in item["spec"].get("targetRefs") or ())
        for configuration in _configurations(item)
        for name, service in configuration["services"].items()
        if service["type"] in _DECIDING
    ]


def _configurations(envoy_filter: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for patch in envoy_filter["spec"].get("configPatches") or ():
        typed = ((patch.get("patch") or {}).get("value") or {}).get("typed_config") or {}
        text = (((typed.get("value") or {}).get("config") or {}).get("configuration") or {}).get("value")
        content = json.loads(text) if text else {}
        if "services" in content:
            yield content


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kuadrant_services": kuadrant_services}
