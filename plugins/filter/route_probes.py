# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: route_probes
short_description: Requests without credentials for every route of a Gateway
version_added: 0.1.0
description:
  - Gives a request of M(llmops.maas.gateway_check) for each host and match of each HTTPRoute that names the Gateway as
    its parent, whoever made it.
  - For a path that is a regular expression, one that it is likely to match.
options:
  _input:
    description: HTTPRoutes of all namespaces.
    type: list
    elements: dict
    required: true
  gateway:
    description: The Gateway.
    type: dict
    required: true
  denied:
    description: Statuses of which the answer must have one.
    type: list
    elements: int
    required: true
  open_routes:
    description: Namespace and name, such as V(llm/health), of routes that anybody may use and that are left out.
    type: list
    elements: str
    default: []
  urls:
    description: Addresses of the Gateway by scheme, each of which is asked for the routes of its listeners.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what will be tried
  ansible.builtin.debug:
    msg: "{{ routes | llmops.maas.route_probes(gateway=gateway, denied=[401, 403, 404]) }}"
"""

RETURN = r"""
_value:
  description: The requests.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._verify.table import routes


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"route_probes": routes}
