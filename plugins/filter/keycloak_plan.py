# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: keycloak_plan
short_description: The realm of the deployed Keycloak, and the Secrets of its clients
version_added: 0.1.0
description:
  - Makes the realm that Keycloak imports at its start, with the clients of C(maas_keycloak_clients), and two that lack
    the role or the audience, with which the verification proves that both are asked for.
  - Refuses clients of groups that are not in C(maas_groups).
options:
  _input:
    description:
      - Variables of the role C(llmops.maas.maas), without their prefix. C(groups), C(keycloak_clients),
        C(keycloak_namespace), C(keycloak_realm), C(keycloak_url), C(oidc_audience), C(oidc_role), C(oidc_groups_claim)
        and C(verify_probe_groups) have to be there.
    type: dict
    required: true
  labels:
    description: Labels of the Secrets.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show which clients there are
  ansible.builtin.debug:
    msg: "{{ (platform | llmops.maas.keycloak_plan).realm.clients | map(attribute='clientId') }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    realm:
      description: The realm as Keycloak imports it. Secrets of clients are variables of its environment.
      type: dict
    secrets:
      description: Secrets of the clients, for M(llmops.maas.secrets).
      type: list
      elements: dict
    variables:
      description: Names of those variables (C(name)), each with the C(secret) that holds its value.
      type: list
      elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._platform import keycloak


def keycloak_plan(platform: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """See DOCUMENTATION."""
    groups = [str(group["name"]) for group in platform["groups"]]
    try:
        clients = keycloak.clients(platform["keycloak_clients"], groups, platform["verify_probe_groups"])
    except keycloak.ClientError as error:
        raise AnsibleFilterError(str(error)) from error
    name = platform["keycloak_realm"]
    return {
        "realm": keycloak.realm(
            name,
            clients,
            groups=groups,
            audience=platform["oidc_audience"],
            role=platform["oidc_role"],
            groups_claim=platform["oidc_groups_claim"],
        ),
        "secrets": keycloak.client_secrets(
            clients,
            namespace=platform["keycloak_namespace"],
            realm_address=keycloak.realm_url(platform["keycloak_url"], name),
            labels=labels or {},
        ),
        "variables": [
            {"name": keycloak.secret_variable(number), "secret": client.secret} for number, client in enumerate(clients)
        ],
    }


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"keycloak_plan": keycloak_plan}
