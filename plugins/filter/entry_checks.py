# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: entry_checks
short_description: Requests that prove that nobody comes around the policies
version_added: 0.1.0
description:
  - Makes requests of M(llmops.maas.gateway_check), in three parts.
  - C(seal) asks on every listener and host for the path that only the seal refuses, see
    P(llmops.maas.gateway_seal#filter).
  - C(hosts) writes each host in ways that Envoy takes for the same one, and in some that it does not, for each model
    without a key, with a wrong one and with forged headers of identity.
  - C(transport) asks for models over http where there is https, and looks for C(Strict-Transport-Security).
options:
  _input:
    description: The catalogue, as the filter P(llmops.maas.catalogue#filter) gives it.
    type: list
    elements: dict
    required: true
  hosts:
    description: Host names of the Gateway.
    type: list
    elements: str
    required: true
  urls:
    description: Addresses of the Gateway by scheme, as P(llmops.maas.gateway_urls#filter) gives them.
    type: dict
    required: true
  users:
    description: Users (C(name)), the first of whom must be served with the host in capitals too.
    type: list
    elements: dict
    default: []
  plain_http:
    description: What becomes of http where there is https, see C(maas_plain_http) of the role C(llmops.maas.maas).
    type: str
    choices: [redirect, refuse, allow]
    default: redirect
  hsts:
    description: Value that C(Strict-Transport-Security) must have over https. Empty means that none is asked for.
    type: str
    default: ""
  settle:
    description: For V(seal), how long the refusal is waited for, s.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Show what proves the seal
  ansible.builtin.debug:
    msg: "{{ (maas_catalogue | llmops.maas.entry_checks(hosts=['localhost'], urls=urls)).seal }}"
  vars:
    urls: {http: "http://127.0.0.1:8000"}
"""

RETURN = r"""
_value:
  description: Requests by part, C(seal), C(hosts) and C(transport).
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._gateway import entry_checks as _entry_checks


def entry_checks(
    models: Sequence[Mapping[str, Any]],
    hosts: Sequence[str],
    urls: Mapping[str, str],
    users: Sequence[Mapping[str, Any]] = (),
    plain_http: str = "redirect",
    hsts: str = "",
    settle: int = 0,
) -> dict[str, list[dict[str, Any]]]:
    """See DOCUMENTATION."""
    return {
        "seal": _entry_checks.seal(hosts, urls, settle),
        "hosts": _entry_checks.hosts(models, hosts, urls, users),
        "transport": _entry_checks.transport(models, hosts[0], urls, plain_http=plain_http, hsts=hsts),
    }


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"entry_checks": entry_checks}
