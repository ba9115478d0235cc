# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: policy_kinds
short_description: Kinds of Kuadrant's policies that models have
version_added: 0.1.0
description:
  - Gives the kinds of policies that this collection makes for models, for templates and tasks that have to name them.
options: {}
"""

EXAMPLES = r"""
- name: Show the version of AuthPolicies
  ansible.builtin.debug:
    msg: "{{ lookup('llmops.maas.policy_kinds').AuthPolicy.api_version }}"
"""

RETURN = r"""
_raw:
  description:
    - One dictionary, by kind. Each entry has C(api_version), C(plural), C(services) (types of services of Kuadrant's
      filter that decide for this kind, with the prefix of the operator's variables for them) and C(may_fail_open)
      (whether C(maas_limits_failure_mode) says what happens when these do not answer; the others deny).
  type: list
  elements: dict
"""

from typing import Any

from ansible.plugins.lookup import LookupBase

from ansible_collections.llmops.maas.plugins.plugin_utils._platform import policies


class LookupModule(LookupBase):
    """Ansible finds the lookup here."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        del terms, variables, kwargs
        return [
            {
                policy.kind: {
                    "api_version": policy.api_version,
                    "plural": policy.plural,
                    "services": dict(policy.services),
                    "may_fail_open": policy.may_fail_open,
                }
                for policy in policies.POLICIES
            }
        ]
