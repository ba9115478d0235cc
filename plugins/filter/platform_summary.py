# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: platform_summary
short_description: What the platform has, and commands to try next
version_added: 0.1.0
description:
  - Says where the Gateway is, which models are ready, and whose keys there are.
  - Ends with commands that work as printed in the shell that started Ansible; a program that only Ansible's own virtual
    environment has is named by its path.
options:
  _input:
    description:
      - Result of M(llmops.maas.cluster_info) with the Gateways, InferenceServices and Services of the namespace as
        C(resources), in this order.
    type: dict
    required: true
  platform:
    description:
      - Variables of the role C(llmops.maas.maas), without their prefix. C(namespace), C(gateway_name), C(hostnames) and
        C(models), which is the catalogue, have to be there.
      - Further ones are C(users), C(groups), C(auth_mode), C(key_prefix), C(keys_namespace), C(keycloak) with
        C(namespace) and C(clients), C(issuer_url), C(missing), C(summary_variables), C(summary_commands),
        C(kubeconfig), C(context), C(in_cluster), C(gateway_url), C(gateway_ca_cert), C(gateway_validate_certs),
        C(tls_secret), C(issuer_type) and C(local_port).
    type: dict
    required: true
  keys:
    description: API keys as M(llmops.maas.api_key_info) returns them.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show the platform
  llmops.maas.report:
    lines: "{{ cluster | llmops.maas.platform_summary(platform=platform, keys=found.api_keys) }}"
"""

RETURN = r"""
_value:
  description: What to print, for M(llmops.maas.report).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._report.commands import AnsibleCall, Shell
from ansible_collections.llmops.maas.plugins.plugin_utils._report.next_steps import Steps
from ansible_collections.llmops.maas.plugins.plugin_utils._report.summary import (
    SummaryObjects,
    SummarySettings,
    summary,
)


def platform_summary(
    cluster: Mapping[str, Any], platform: Mapping[str, Any], keys: Sequence[Mapping[str, Any]] = ()
) -> list[Any]:
    """See DOCUMENTATION."""
    try:
        about = SummarySettings(**platform)
        gateways, models, services = cluster["resources"]
        found = SummaryObjects(gateways, models, services, cluster["api_groups"], keys)
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"platform_summary: {error}") from error
    return [
        *summary(about, found),
        *Steps(about, found, Shell.this(), AnsibleCall.this(about.summary_variables)).parts(),
    ]


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"platform_summary": platform_summary}
