#!/usr/bin/python

# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: api_key
short_description: Issue, change, disable or revoke the API key of a user
version_added: 0.1.0
description:
  - Keeps one API key for Authorino, in a Secret that cannot be changed in place.
  - Authorino reads what a Secret says about its user only once. So other groups, another end or another value make a
    new key; the one before it stays valid for O(grace) and is removed by the first run after that, of this module or
    of M(llmops.maas.api_key_rotation).
  - A key that was rotated stays as it is, also when O(value) still names the one that it had at first.
  - Keys that were made by hand are adopted when they bear the O(key_labels); a warning says which.
extends_documentation_fragment:
  - llmops.maas._api_keys
  - llmops.maas._api_keys.delivery
  - llmops.maas._kube_auth
  - llmops.maas._attributes
attributes:
  check_mode:
    support: full
    details: Generates no key.
  diff_mode:
    support: full
    details: Says in words what changes, never a value.
  idempotent:
    support: full
  action_group: {}
options:
  user:
    description: Id of the user; limits are counted under it.
    type: str
    required: true
  name:
    description:
      - Name of the key, for users that have several. The first Secret bears it, later ones begin with it.
      - Default is C(api-key-<user>); for O(state=absent) and O(state=disabled) all keys of the user.
    type: str
  state:
    description:
      - V(present) has a key that is accepted; V(disabled) keeps the Secrets but lets nobody in; V(absent) removes them.
      - The last two act at once, without a grace period.
    type: str
    choices: [present, absent, disabled]
    default: present
  groups:
    description: Groups of the user. Left out, those that the key has stay; a new one has none.
    type: list
    elements: str
  tier:
    description: Short for O(groups) with this one.
    type: str
  labels:
    description: Further labels of the Secret.
    type: dict
    default: {}
  expires_at:
    description:
      - Moment with its time zone after which the key is not accepted any more, such as V(2026-12-31T23:59:59Z), or
        V(never). The AuthPolicy enforces it.
      - Left out, what the key has stays; a new one has no end.
    type: str
  value:
    description:
      - The key itself. Left out, one is generated, of 256 random bits after V(maas_) and the key's id.
      - Printable ASCII without spaces and quotes, at least 32 characters that cannot be guessed.
    type: str
  allow_weak:
    description: Accept a O(value) that is short or can be guessed. For demonstrations only.
    type: bool
    default: false
  grace:
    description: How long a key stays valid after a new one has taken its place, such as V(24h) or V(0).
    type: str
    default: 24h
seealso:
  - module: llmops.maas.api_key_info
  - module: llmops.maas.api_key_rotation
author:
  - llmops.maas contributors (@llmops)
"""

EXAMPLES = r"""
- name: Give alice a key, in a Secret that her application reads
  llmops.maas.api_key:
    user: alice
    groups: [premium]
    expires_at: "2026-12-31T23:59:59Z"
    delivery:
      secret: {namespace: alice, name: model-key}

- name: Revoke all keys of mallory at once
  llmops.maas.api_key:
    user: mallory
    state: absent
"""

RETURN = r"""
action:
  description:
    - What was done, V(created), V(superseded), V(adopted), V(configured), V(enabled), V(disabled), V(deleted),
      V(retired), V(delivered) or V(unchanged).
  type: str
  returned: success
changes:
  description: Every change in words.
  type: list
  elements: str
  returned: success
  sample: ["api-key-alice: issued"]
key:
  description: The key as M(llmops.maas.api_key_info) describes it; only its name where check mode would make one.
  type: dict
  returned: with O(state=present)
  sample: {name: api-key-alice, namespace: kuadrant-system, user: alice, state: active, fingerprint: 0a1b2c3d4e5f}
delivered:
  description: Where the key was brought to.
  type: list
  elements: str
  returned: success
  sample: [secret alice/model-key]
"""

from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import default_name
from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import (
    DELIVERY_ARGUMENTS,
    Delivery,
    DeliveryError,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.keeper import Keeper, KeepError, Kept, Wanted, described
from ansible_collections.llmops.maas.plugins.module_utils._keys.material import KeyValueError, check_given
from ansible_collections.llmops.maas.plugins.module_utils._keys.names import DEFAULT_GRACE
from ansible_collections.llmops.maas.plugins.module_utils._keys.options import (
    KEY_ARGUMENTS,
    OptionError,
    clock_of,
    dns_name,
    store_of,
    user_id,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import GoneError, TakenError
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import Clock, TimeError, duration, moment
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import AUTH_ARGUMENTS, Kube, KubeError

ARGUMENTS: dict[str, Any] = {
    **AUTH_ARGUMENTS,
    **KEY_ARGUMENTS,
    "delivery": DELIVERY_ARGUMENTS,
    "user": {"type": "str", "required": True},
    "name": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent", "disabled"], "default": "present"},
    "groups": {"type": "list", "elements": "str"},
    "tier": {"type": "str"},
    "labels": {"type": "dict", "default": {}},
    "expires_at": {"type": "str"},
    "value": {"type": "str", "no_log": True},
    "allow_weak": {"type": "bool", "default": False},
    "grace": {"type": "str", "default": DEFAULT_GRACE},
}
ERRORS = (DeliveryError, GoneError, KeepError, KeyValueError, KubeError, OptionError, TakenError, TimeError)


def wanted(params: dict[str, Any]) -> Wanted:
    """The key that the options describe. Raises what is wrong with them."""
    user = user_id(params["user"])
    value = params["value"] or ""
    if value:
        check_given(value, f"value (user {user})", allow_weak=params["allow_weak"])
    groups = params["groups"] if params["tier"] is None else [params["tier"]]
    wrong = [group for group in groups or [] if not group.strip() or "," in group]
    if wrong:
        raise OptionError(f"groups: {wrong[0]!r} is no group; a group is not empty and has no comma")
    end = params["expires_at"]
    return Wanted(
        lineage=dns_name(params["name"] or default_name(user), "name"),
        user=user,
        labels=params["labels"],
        grace=duration(params["grace"], "grace"),
        groups=None if groups is None else tuple(group.strip() for group in groups),
        expires=moment(end, "expires_at") if end and end != "never" else None,
        end_given=bool(end),
        value=value,
    )


def act(params: dict[str, Any], keeper: Keeper, kube: Kube) -> Kept:
    """Bring the key to the state that was asked for."""
    if params["state"] == "present":
        return keeper.present(wanted(params), Delivery(store_of(params, kube), params["delivery"]))
    kept = Kept()
    keys = keeper.of(user_id(params["user"]), params["name"] or "")
    (keeper.absent if params["state"] == "absent" else keeper.disable)(keys, kept)
    return kept


def _shown(kept: Kept, clock: Clock) -> dict[str, Any]:
    if kept.key is not None:
        return kept.key.report(clock.now())
    return {"name": kept.name, "lineage": kept.lineage} if kept.name else {}


@guarded
def main() -> None:
    module = GuardedModule(argument_spec=ARGUMENTS, supports_check_mode=True, mutually_exclusive=[("groups", "tier")])
    try:
        clock = clock_of(module.params)
        # Before the cluster is asked.
        wanted(module.params)
        kube = Kube.connect(module.params)
        keeper = Keeper(store_of(module.params, kube), clock, module.warn, check=module.check_mode)
        kept = act(module.params, keeper, kube)
    except ERRORS as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(kept.changes),
        action=kept.action,
        changes=kept.changes,
        delivered=kept.delivered,
        key=_shown(kept, clock),
        diff=described(kept) if module._diff else [],
    )


if __name__ == "__main__":
    main()
