# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: gateway_seal
short_description: Make the EnvoyFilter that refuses what no AuthPolicy has admitted
version_added: 0.1.0
description:
  - Makes an EnvoyFilter around Kuadrant's own. It removes the headers that only policies may set from every request,
    writes the host in lower case, refuses with 403 what no AuthPolicy has admitted, and removes the caller's
    credentials before the backend.
  - Requests are admitted by the header C(x-maas-user), which every AuthPolicy has to add to a request that it lets
    through.
  - It uses filters of Envoy 1.34, which Istio 1.26 has, and later.
options:
  _input:
    description: C(namespace) and C(name) of the Gateway.
    type: dict
    required: true
  open_routes:
    description:
      - HTTPRoutes that anybody may use, as C(namespace/name). Their rules must not have names of their own.
    type: list
    elements: str
    default: []
  open_paths:
    description: Beginnings of paths that anybody may use, such as V(/.well-known/acme-challenge/).
    type: list
    elements: str
    default: []
  credential_headers:
    description: Headers that carry the credentials of callers.
    type: list
    elements: str
    default: [authorization]
  hsts:
    description: Value of the header C(Strict-Transport-Security) of every answer on port 443. Empty leaves it out.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the EnvoyFilter
  ansible.builtin.debug:
    msg: "{{ {'namespace': 'llm', 'name': 'kuadrant-gateway'} | llmops.maas.gateway_seal(open_routes=['llm/public']) }}"
"""

RETURN = r"""
_value:
  description: The EnvoyFilter C(<name>-seal) (networking.istio.io/v1alpha3).
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._gateway import seal as _seal


def gateway_seal(
    gateway: Mapping[str, str],
    open_routes: Sequence[str] = (),
    open_paths: Sequence[str] = (),
    credential_headers: Sequence[str] = ("authorization",),
    hsts: str = "",
) -> dict[str, Any]:
    """See DOCUMENTATION."""
    try:
        return _seal.envoy_filter(
            gateway, open_routes=open_routes, open_paths=open_paths, credential_headers=credential_headers, hsts=hsts
        )
    except _seal.SealError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"gateway_seal": gateway_seal}
