# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: gateway_listeners
short_description: Make the listeners of the Gateway, and find those that serve models
version_added: 0.1.0
description:
  - Makes a listener for http for each host name, and one for https where there is a certificate.
  - With https, models are served over https only, unless O(plain_http=allow). Requests for http are redirected or
    refused.
options:
  _input:
    description: Host names.
    type: list
    elements: str
    required: true
  tls_secret:
    description: Name of the Secret with the certificate. Empty means no https.
    type: str
    default: ""
  plain_http:
    description: What happens to http where there is https, see C(maas_plain_http) of the role C(llmops.maas.maas).
    type: str
    choices: [redirect, refuse, allow]
    default: redirect
"""

EXAMPLES = r"""
- name: Show which listeners serve models
  ansible.builtin.debug:
    msg: "{{ (['models.example.com'] | llmops.maas.gateway_listeners(tls_secret='gateway-tls')).serving }}"
"""

RETURN = r"""
_value:
  description:
    - C(listeners) for the Gateway's spec, the names of those that are C(serving) models and of those that are
      C(redirecting) to https, and C(redirects), the names of the routes that do so.
  type: dict
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._gateway import listeners as _listeners


def gateway_listeners(
    hostnames: Sequence[str], tls_secret: str = "", plain_http: str = _listeners.REDIRECT
) -> dict[str, Any]:
    """See DOCUMENTATION."""
    if plain_http not in _listeners.PLAIN_HTTP:
        raise AnsibleFilterError(f"maas_plain_http: {plain_http!r} is none of {', '.join(_listeners.PLAIN_HTTP)}")
    return asdict(_listeners.listeners(hostnames, tls_secret=tls_secret, plain_http=plain_http))


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"gateway_listeners": gateway_listeners}
