#!/usr/bin/python

# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: api_key_info
short_description: List API keys, their users, ages and states
version_added: 0.1.0
description:
  - Lists the API keys that Authorino may know, and those that it should know but does not watch. Never returns their
    values.
extends_documentation_fragment:
  - llmops.maas._api_keys
  - llmops.maas._kube_auth
  - llmops.maas._attributes
  - llmops.maas._attributes.group
attributes:
  diff_mode:
    support: N/A
options:
  users:
    description: Only the keys of these users.
    type: list
    elements: str
    default: []
  adopt_selectors:
    description: Further label selectors of keys, beside O(key_labels), such as V(kuadrant.io/apikeys-by=models).
    type: list
    elements: str
    default: []
author:
  - llmops.maas contributors (@llmops)
"""

EXAMPLES = r"""
- name: Look for keys that are older than 90 days
  llmops.maas.api_key_info:
  register: found

- name: Show whose they are
  ansible.builtin.debug:
    msg: "{{ found.api_keys | selectattr('age_seconds', 'gt', 90 * 86400) | map(attribute='user') }}"
"""

RETURN = r"""
api_keys:
  description: The keys, by user and name.
  type: list
  elements: dict
  returned: success
  contains:
    user:
      description: Id of the user.
      type: str
    groups:
      description: Groups of the user.
      type: list
      elements: str
    name:
      description: Name of the Secret.
      type: str
    namespace:
      description: Its namespace.
      type: str
    lineage:
      description: Name of the key, which stays the same when it is rotated.
      type: str
    key_id:
      description: The part of a generated key that is no secret; empty for keys of other schemes.
      type: str
    state:
      description:
        - V(active); V(retiring), valid until C(retire_after) and then to be deleted; V(expired); or V(unwatched), which
          Authorino does not accept, or accepts without noticing changes.
      type: str
    disabled:
      description: Whether it was disabled.
      type: bool
    managed:
      description: Whether this collection looks after it.
      type: bool
    age_seconds:
      description: Seconds since it was issued.
      type: int
    created_at:
      description: When it was issued.
      type: str
    expires_at:
      description: When it ends; empty for never.
      type: str
    retire_after:
      description: When its grace period ends, after a newer key has taken its place.
      type: str
    superseded_by:
      description: Name of the Secret of the newer key.
      type: str
    fingerprint:
      description: Twelve digits that distinguish it from other keys.
      type: str
counts:
  description: Number of keys by state.
  type: dict
  returned: success
  sample: {active: 4, retiring: 1, expired: 0, unwatched: 0}
"""

from collections import Counter
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._keys.options import KEY_ARGUMENTS, KeyScope, OptionError
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import TimeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import AUTH_ARGUMENTS, Kube, KubeError

STATES = ("active", "retiring", "expired", "unwatched")
ARGUMENTS: dict[str, Any] = {
    **AUTH_ARGUMENTS,
    **KEY_ARGUMENTS,
    "users": {"type": "list", "elements": "str", "default": []},
    "adopt_selectors": {"type": "list", "elements": "str", "default": []},
}


@guarded
def main() -> None:
    module = GuardedModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        scope = KeyScope.of(module.params)
        now = scope.clock.now()
        keys = scope.store(Kube.connect(module.params)).keys(module.params["adopt_selectors"], module.warn)
    except (KubeError, OptionError, TimeError) as error:
        module.fail_json(msg=str(error))
    users = set(module.params["users"])
    found = [key.report(now) for key in keys if not users or key.identity.user in users]
    found.sort(key=lambda row: (row["user"], row["name"]))
    by_state = Counter(row["state"] for row in found)
    module.exit_json(changed=False, api_keys=found, counts={state: by_state[state] for state in STATES})


if __name__ == "__main__":
    main()
