# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: verify_requests
short_description: The table of requests that prove who may do what
version_added: 0.1.0
description:
  - Turns the model catalogue, the users and the inventory's tables of expected statuses into requests of
    M(llmops.maas.gateway_check).
  - Statuses come from those tables alone, never from a policy.
options:
  _input:
    description: The catalogue, as the filter P(llmops.maas.catalogue#filter) gives it.
    type: list
    elements: dict
    required: true
  section:
    description: Which part of the table.
    type: str
    choices: [access, lists, paths, credentials, tokens, probe, hidden, limits]
    required: true
  host:
    description: Host name that the requests are for.
    type: str
    required: true
  users:
    description: For V(access) and V(lists), the users, each with C(name) and C(groups).
    type: list
    elements: dict
    default: []
  user:
    description: For the other parts, the user whose key they bear, or the probe's id.
    type: str
    default: ""
  expected:
    description:
      - For V(access), V(lists), V(tokens) and V(limits), status by group and kind.
      - For V(credentials), status by kind of credential.
      - For V(probe), C(status), C(words), and of the Secret C(name) and C(entry).
    type: dict
    default: {}
  exceptions:
    description: For V(access), V(lists), V(tokens) and V(limits), other statuses for a group, model and kind.
    type: list
    elements: dict
    default: []
  clients:
    description: For V(tokens), clients of the issuer with C(name), C(groups), C(secret) and, without rights, C(lacks).
    type: list
    elements: dict
    default: []
  credentials:
    description: For V(tokens), status by kind of wrong token.
    type: dict
    default: {}
  names:
    description: For V(hidden), C(hosts) and C(paths) that lead nowhere.
    type: dict
    default: {}
  limits:
    description:
      - For V(limits), requests per minute by model, or by model and tier, where they are not those of C(request_limits)
        and the tier.
    type: dict
    default: {}
  tiers:
    description: For V(limits), C(maas_tiers), each with C(user) and C(secret) of the probe as well.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show who may do what
  ansible.builtin.debug:
    msg: "{{ maas_catalogue | llmops.maas.verify_requests('access', 'localhost', users=users, expected=table) }}"
  vars:
    users: [{name: alice, groups: [developer]}]
    table: {developer: {chat: 200, completion: 200, stream: 200, embeddings: 200, models: 200}}
"""

RETURN = r"""
_value:
  description: The requests.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.module_utils._common.names import as_text, named
from ansible_collections.llmops.maas.plugins.plugin_utils._verify import table


def verify_requests(
    models: Sequence[Mapping[str, Any]], section: str, host: str, **options: Any
) -> list[dict[str, Any]]:
    """See DOCUMENTATION."""
    user, expected = as_text(options.get("user")), options.get("expected", {})
    options |= {name: named(options[name]) for name in ("users", "clients", "tiers", "exceptions") if name in options}
    expected = {as_text(group): statuses for group, statuses in expected.items()}
    makers: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "access": lambda: table.access(models, options["users"], expected, options.get("exceptions", []), host),
        "lists": lambda: table.lists(models, options["users"], expected, options.get("exceptions", []), host),
        "paths": lambda: table.paths(models, user, host),
        "credentials": lambda: table.credentials(models, user, expected, host),
        "tokens": lambda: table.tokens(
            models, options["clients"], expected, options.get("exceptions", []), options["credentials"], host
        ),
        "probe": lambda: table.probe(models, expected["words"], expected, expected["status"], host),
        "hidden": lambda: table.hidden(models, options["names"], user, host),
        "limits": lambda: table.bursts(
            models, options["tiers"], options.get("limits", {}), expected, options.get("exceptions", []), host
        ),
    }
    if section not in makers:
        raise AnsibleFilterError(f"verify_requests: no section {section!r}; known are {', '.join(makers)}")
    try:
        return makers[section]()
    except table.TableError as error:
        raise AnsibleFilterError(str(error)) from error
    except KeyError as error:
        raise AnsibleFilterError(f"verify_requests: section {section} needs the option {error}") from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"verify_requests": verify_requests}
