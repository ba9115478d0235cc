# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: local_ports
short_description: Give forwards the ports of this machine that a user chose
version_added: 0.1.0
description:
  - Refuses a name that no forward has, and a value that is no port.
options:
  _input:
    description: C(forwards) of the filter P(llmops.maas.components#filter).
    type: list
    elements: dict
    required: true
  chosen:
    description: Ports by the forward's name, see C(maas_local_ports) of the role P(llmops.maas.maas#role).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Forward the usual ports, the Gateway's elsewhere
  llmops.maas.port_forward:
    forwards: "{{ maas_components.forwards | llmops.maas.local_ports(chosen={'gateway': 8001}) }}"
"""

RETURN = r"""
_value:
  description: The forwards as the module M(llmops.maas.port_forward) takes them.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.components import ComponentError, with_local_ports


def local_ports(forwards: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """See DOCUMENTATION."""
    try:
        return with_local_ports(forwards, chosen or {})
    except ComponentError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"local_ports": local_ports}
