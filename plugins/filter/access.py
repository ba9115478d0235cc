# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: access
short_description: Turn groups and tiers into the rules of Kuadrant's policies
version_added: 0.1.0
description:
  - Validates C(maas_groups), C(maas_tiers) and the groups of C(maas_users), and adds to each model of the catalogue who
    may use it, and how much of it.
  - Refuses tables that could not be enforced, with the path of the field and what to write instead.
options:
  _input:
    description: Entries as the filter P(llmops.maas.catalogue#filter) gives them.
    type: list
    elements: dict
    required: true
  groups:
    description: The groups, see C(maas_groups) of the role C(llmops.maas.maas).
    type: list
    elements: dict
    required: true
  tiers:
    description: The tiers from the best to the least, see C(maas_tiers) of the role C(llmops.maas.maas).
    type: list
    elements: dict
    required: true
  users:
    description: Users whose groups are checked.
    type: list
    elements: dict
    default: []
  models:
    description: Names of all models that groups may name. Default are those of the input.
    type: list
    elements: str
  identity_groups:
    description: CEL that gives the caller's groups, separated by commas. Default are those of an API key.
    type: str
"""

EXAMPLES = r"""
- name: Show who may use which model, and how much of it
  ansible.builtin.debug:
    msg: "{{ maas_catalogue | llmops.maas.access(groups=maas_groups, tiers=maas_tiers) }}"
"""

RETURN = r"""
_value:
  description:
    - The entries with C(allowed) (a CEL predicate for the AuthPolicy), C(tier) (a CEL expression of the caller's tier),
      C(request_limits_by_tier) and C(token_limits_by_tier) (C(limits) of a RateLimitPolicy and a TokenRateLimitPolicy;
      for further kinds of P(llmops.maas.policy_kinds#lookup) a field each).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._platform import access as _access
from ansible_collections.llmops.maas.plugins.plugin_utils._platform import model_rules
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.api_key import ApiKeyMethod
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.method import Identities


def access(
    catalogue: Sequence[Mapping[str, Any]],
    groups: Sequence[Mapping[str, Any]],
    tiers: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]] = (),
    models: Sequence[str] | None = None,
    identity_groups: str = ApiKeyMethod(Identities()).groups(),
) -> list[dict[str, Any]]:
    """See DOCUMENTATION."""
    known = [str(model["name"]) for model in catalogue] if models is None else models
    try:
        table = _access.read_access(groups, tiers, users, known)
    except _access.AccessError as error:
        raise AnsibleFilterError(str(error)) from error
    return model_rules.of_models(catalogue, table, identity_groups)


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"access": access}
