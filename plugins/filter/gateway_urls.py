# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: gateway_urls
short_description: Addresses at which a Gateway can be reached from here
version_added: 0.1.0
description:
  - As P(llmops.maas.gateway_url#filter), for each scheme that the Gateway has a listener for.
  - Or the one address that somebody has set, such as that of a forwarded port. Of that only its own scheme is known.
options:
  _input:
    description: The Gateway.
    type: dict
    required: true
  service:
    description: Its Service.
    type: dict
    required: true
  url:
    description: Address to use instead, see C(maas_gateway_url) of the role C(llmops.maas.maas). Empty means none.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the addresses
  ansible.builtin.debug:
    msg: "{{ gateway | llmops.maas.gateway_urls(service=service, url=maas_gateway_url) }}"
"""

RETURN = r"""
_value:
  description:
    - Address by scheme, such as C(http) and V(http://127.0.0.1:8000). Empty when the Gateway has no address that can be
      reached from here.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.gateway_url import reachable


def gateway_urls(gateway: Mapping[str, Any] | None, service: Mapping[str, Any] | None, url: str = "") -> dict[str, str]:
    """See DOCUMENTATION."""
    return reachable(gateway, service, url)


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"gateway_urls": gateway_urls}
