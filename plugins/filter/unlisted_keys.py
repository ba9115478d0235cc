# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: unlisted_keys
short_description: Find API keys that the inventory no longer names
version_added: 0.1.0
description:
  - Of the keys that this collection manages, gives those that neither belong to one of O(users) nor are in O(listed).
  - Names that YAML reads as numbers are the same as their text.
options:
  _input:
    description: RV(llmops.maas.api_key_info#module:api_keys) of the module M(llmops.maas.api_key_info).
    type: list
    elements: dict
    required: true
  users:
    description: Users whose keys all stay, see C(maas_users) of the role C(llmops.maas.maas).
    type: list
    elements: dict
    default: []
  listed:
    description: Keys that stay, see C(maas_api_keys) of the role C(llmops.maas.maas).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Look which keys there are
  llmops.maas.api_key_info:
  register: found

- name: Show those that nobody has listed
  ansible.builtin.debug:
    msg: "{{ found.api_keys | llmops.maas.unlisted_keys(users=maas_users, listed=maas_api_keys) }}"
"""

RETURN = r"""
_value:
  description: The keys that were found, as given.
  type: list
  elements: dict
"""

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._report.key_listing import unlisted


def unlisted_keys(
    keys: Sequence[dict[str, Any]], users: Sequence[dict[str, Any]] = (), listed: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """See DOCUMENTATION."""
    return unlisted(keys, users, listed)


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"unlisted_keys": unlisted_keys}
