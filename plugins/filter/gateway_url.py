# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: gateway_url
short_description: Address at which a Gateway can be reached from here
version_added: 0.1.0
description:
  - The address of the Gateway's Service if that is on this machine, otherwise that of the
    Gateway's status; with the port of its first listener for https, or for http if there is none.
options:
  _input:
    description: The Gateway.
    type: dict
    required: true
  service:
    description: Its Service.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the address
  ansible.builtin.debug:
    msg: "{{ gateway | llmops.maas.gateway_url(service=service) }}"
"""

RETURN = r"""
_value:
  description: The address, such as V(http://127.0.0.1:8000).
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.gateway_url import AddressError
from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.gateway_url import gateway_url as address


def gateway_url(gateway: Mapping[str, Any] | None, service: Mapping[str, Any] | None) -> str:
    """See DOCUMENTATION."""
    try:
        return address(gateway or None, service or None)
    except AddressError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"gateway_url": gateway_url}
