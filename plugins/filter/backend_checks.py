# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: backend_checks
short_description: Requests that prove what a backend gets to see of its callers
version_added: 0.1.0
description:
  - Makes requests of M(llmops.maas.gateway_check) for a model, with a credential and with headers that only policies
    may set. A backend of the verification's own answers them, by the header C(x-verify-echo).
options:
  _input:
    description: A model of the catalogue, as the filter P(llmops.maas.catalogue#filter) gives it.
    type: dict
    required: true
  host:
    description: Host name that the requests are for.
    type: str
    required: true
  how:
    description: C(credentials) of the requests, and what these need, see M(llmops.maas.gateway_check).
    type: dict
    required: true
  credential_headers:
    description: Headers that must not reach a backend.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what is asked
  ansible.builtin.debug:
    msg: "{{ maas_catalogue[0] | llmops.maas.backend_checks('localhost', {'user': 'alice'}, ['authorization']) }}"
"""

RETURN = r"""
_value:
  description: The requests.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._gateway.entry_checks import backend


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"backend_checks": backend}
