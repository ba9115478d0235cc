# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: verify_kinds
short_description: What a verification has to read of the cluster
version_added: 0.1.0
description:
  - Gives C(resources) of M(llmops.maas.cluster_info) for the filter P(llmops.maas.verify_plan#filter).
  - Refuses variables that no verification can be planned with, before anything is asked.
options:
  _input:
    description: Variables of the role C(llmops.maas.maas), by their names without C(maas_).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Look at the Gateway, its routes and its policies
  llmops.maas.cluster_info:
    resources: "{{ platform | llmops.maas.verify_kinds }}"
  register: found
"""

RETURN = r"""
_value:
  description: Kinds with C(api_version), and C(namespace) for those of one namespace.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._verify.plan import kinds
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.rows import VerifyError


def verify_kinds(platform: Mapping[str, Any]) -> list[dict[str, str]]:
    """See DOCUMENTATION."""
    try:
        return kinds(platform)
    except VerifyError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"verify_kinds": verify_kinds}
