# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: seal_checks
short_description: Requests that prove that the seal of a Gateway is in force
version_added: 0.1.0
description:
  - Makes requests of M(llmops.maas.gateway_check) that ask on every listener and host for the path that only the seal
    refuses, see P(llmops.maas.gateway_seal#filter).
options:
  _input:
    description: Addresses of the Gateway by scheme, as P(llmops.maas.gateway_urls#filter) gives them.
    type: dict
    required: true
  hosts:
    description: Host names of the Gateway.
    type: list
    elements: str
    required: true
  settle:
    description: How long the refusal is waited for, s.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Show what proves the seal
  ansible.builtin.debug:
    msg: "{{ urls | llmops.maas.seal_checks(hosts=['localhost']) }}"
  vars:
    urls: {http: "http://127.0.0.1:8000"}
"""

RETURN = r"""
_value:
  description: The requests.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._gateway import entry_checks as _entry_checks


def seal_checks(urls: Mapping[str, str], hosts: Sequence[str], settle: int = 0) -> list[dict[str, Any]]:
    """See DOCUMENTATION."""
    return _entry_checks.seal(hosts, urls, settle)


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"seal_checks": seal_checks}
