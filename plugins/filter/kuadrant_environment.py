# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: kuadrant_environment
short_description: Environment of Kuadrant's operator for when Authorino or Limitador do not answer
version_added: 0.1.0
description:
  - Gives the variables by which Kuadrant's operator tells Gateways what to do with requests that nobody could decide
    about, for every kind of P(llmops.maas.policy_kinds#lookup). The chart has no values for these.
options:
  _input:
    description: What happens where limits cannot be looked up, V(deny) or V(allow), see C(maas_limits_failure_mode).
    type: str
    required: true
  auth_timeout:
    description: How long Authorino may take, see C(maas_auth_timeout).
    type: str
    required: true
  limits_timeout:
    description: How long Limitador may take, see C(maas_limits_timeout).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the variables
  ansible.builtin.debug:
    msg: "{{ 'deny' | llmops.maas.kuadrant_environment(auth_timeout='2s', limits_timeout='1s') }}"
"""

RETURN = r"""
_value:
  description: Values by the names of the variables.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform import policies


def kuadrant_environment(limits_failure_mode: str, auth_timeout: str, limits_timeout: str) -> dict[str, str]:
    """See DOCUMENTATION."""
    return policies.operator_environment(limits_failure_mode, auth_timeout=auth_timeout, limits_timeout=limits_timeout)


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kuadrant_environment": kuadrant_environment}
