# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: model_list
short_description: What the policies of the list of all models need to know
version_added: 0.1.0
description:
  - Gives an entry like those of the filter P(llmops.maas.access#filter), for the path on which the Gateway lists the
    models that a caller may use. The list is an expression in CEL that Authorino evaluates for each request.
options:
  _input:
    description: The catalogue, as the filter P(llmops.maas.catalogue#filter) gives it.
    type: list
    elements: dict
    required: true
  name:
    description: Name of the entry, which no model may have.
    type: str
    required: true
  groups:
    description: Groups as in O(llmops.maas.maas#role:platform:maas_groups).
    type: list
    elements: dict
    required: true
  tiers:
    description: Tiers as in O(llmops.maas.maas#role:platform:maas_tiers).
    type: list
    elements: dict
    required: true
  limits:
    description: Requests of one user, such as V(60/min). Empty means no limit.
    type: str
    default: ""
  models:
    description: Names of all models, also of disabled ones, that groups may name. Default are those of the catalogue.
    type: list
    elements: str
  identity_groups:
    description: CEL that gives the caller's groups, separated by commas. Default are those of an API key.
    type: str
"""

EXAMPLES = r"""
- name: Show how the list is made
  ansible.builtin.debug:
    msg: "{{ maas_catalogue | llmops.maas.model_list('model-list', maas_groups, maas_tiers, limits='60/min') }}"
"""

RETURN = r"""
_value:
  description: >-
    The entry with C(name), C(allowed), C(tier), C(list), C(request_limits_by_tier) and C(token_limits_by_tier).
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._platform import access as _access
from ansible_collections.llmops.maas.plugins.plugin_utils._platform import model_rules
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.api_key import ApiKeyMethod
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.method import Identities
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.rates import RateError


def model_list(
    catalogue: Sequence[Mapping[str, Any]],
    name: str,
    groups: Sequence[Mapping[str, Any]],
    tiers: Sequence[Mapping[str, Any]],
    limits: str = "",
    models: Sequence[str] | None = None,
    identity_groups: str = ApiKeyMethod(Identities()).groups(),
) -> dict[str, Any]:
    """See DOCUMENTATION."""
    known = [str(model["name"]) for model in catalogue] if models is None else models
    try:
        table = _access.read_access(groups, tiers, (), known)
        return model_rules.of_list(catalogue, table, identity_groups, name=name, taken=known, limits=limits)
    except (_access.AccessError, RateError, model_rules.NameTakenError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"model_list": model_list}
