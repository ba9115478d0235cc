# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: auth_plan
short_description: What the routes and policies of the models are made from
version_added: 0.1.0
description:
  - Decides how callers show who they are, what each of them may do, and what has to be ready when that is in force. The
    role C(llmops.maas.auth) only lays it out.
options:
  _input:
    description:
      - Variables of the role C(llmops.maas.maas), without their prefix. C(namespace), C(gateway_name), C(gateway_url),
        C(hostnames), C(tls_enabled), C(tls_secret), C(plain_http), C(catalogue), C(models), C(model_list),
        C(model_list_limits), C(groups), C(tiers), C(limits_failure_mode), C(auth_mode), C(api_key_prefix),
        C(oidc_issuer_url), C(oidc_jwks_url), C(oidc_audience), C(oidc_role), C(oidc_groups_claim), C(keycloak_enabled),
        C(keycloak_namespace), C(keycloak_realm), C(keycloak_url) and C(cluster_dns) have to be there.
    type: dict
    required: true
  found:
    description:
      - Gateways of the platform's namespace, Services of that namespace, and Services of Keycloak's namespace, as
        C(resources) of M(llmops.maas.cluster_info), in this order.
    type: list
    elements: list
    default: []
"""

EXAMPLES = r"""
- name: Show how callers are known
  ansible.builtin.debug:
    msg: "{{ (platform | llmops.maas.auth_plan(found=cluster.resources)).authentication }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    user:
      description: CEL of the caller's user id.
      type: str
    groups:
      description: CEL of the caller's groups, separated by commas.
      type: str
    authentication:
      description: C(authentication) of each AuthPolicy.
      type: dict
    authorization:
      description: C(authorization) of each AuthPolicy, without what only one model asks for.
      type: dict
    unauthenticated:
      description: What callers read who are not known, in JSON.
      type: str
    unauthorized:
      description: What callers read who are known and may not do that, in JSON.
      type: str
    entries:
      description: >-
        Models and their list, as the filters P(llmops.maas.access#filter) and P(llmops.maas.model_list#filter) give
        them, with C(limits), the policies with limits (C(api_version), C(kind), C(limits)).
      type: list
      elements: dict
    lists:
      description: Name of the list of models, where there is one.
      type: list
      elements: str
    list_path:
      description: Path of the list of models.
      type: str
    user_header:
      description: Header by which the seal knows what a policy has admitted.
      type: str
    list_header:
      description: Header with the list of models.
      type: str
    listeners:
      description: Names of the listeners that are C(serving) models, and of those that are C(redirecting) to https.
      type: dict
    redirect:
      description: Name of the route and the policy that send clients to https.
      type: str
    wanted:
      description: Resources for M(llmops.maas.resource_wait) that have to be ready.
      type: list
      elements: dict
    configured:
      description: >-
        Resource for M(llmops.maas.resource_wait) that is ready when Kuadrant has configured the Gateway as
        C(limits_failure_mode) says.
      type: dict
    urls:
      description: Addresses of the Gateway by scheme. Empty where it cannot be reached from here.
      type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.access import AccessError
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.methods import ModeError
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.auth.plan import ClusterObjects, plan
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.model_rules import NameTakenError
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.rates import RateError


def auth_plan(platform: Mapping[str, Any], found: Sequence[Sequence[Mapping[str, Any]]] = ()) -> dict[str, Any]:
    """See DOCUMENTATION."""
    try:
        return plan(platform, ClusterObjects(*found))
    except (AccessError, RateError, ModeError, NameTakenError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"auth_plan": auth_plan}
