# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_too_old
short_description: Say for which products a cluster's Kubernetes is too old
version_added: 0.1.0
description:
  - Compares versions by their numbers, so that V(1.9) is older than V(1.29).
options:
  _input:
    description: The oldest Kubernetes of each product.
    type: dict
    required: true
  version:
    description: Version of the cluster, as RV(llmops.maas.cluster_info#module:version).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse an old cluster
  ansible.builtin.assert:
    that: too_old | length == 0
    fail_msg: "{{ too_old }}"
  vars:
    too_old: "{{ {'Istio 1.26': '1.29'} | llmops.maas.kubernetes_too_old(version='1.28.3') }}"
"""

RETURN = r"""
_value:
  description: What is too old for what, and what to upgrade to. Empty where nothing is.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.preflight import VersionError, too_old


def kubernetes_too_old(minimum: Mapping[str, str], version: str) -> str:
    """See DOCUMENTATION."""
    try:
        return too_old(minimum, version)
    except VersionError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kubernetes_too_old": kubernetes_too_old}
