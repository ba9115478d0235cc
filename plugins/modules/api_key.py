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
    new key. The previous one stays valid for O(grace) and is removed by the first later run of this module or of
    M(llmops.maas.api_key_rotation).
  - A key that was rotated stays as it is, even when O(value) is still the one that it had at first.
  - Keys that were made by hand are adopted when they have the O(key_labels); a warning says which.
extends_documentation_fragment:
  - llmops.maas._api_keys
  - llmops.maas._api_keys.delivery
  - llmops.maas._kube_auth
  - llmops.maas._attributes
  - llmops.maas._attributes.group
attributes:
  check_mode:
    support: full
    details: Generates no key.
  diff_mode:
    support: full
    details: Says in words what changes, never a value.
options:
  user:
    description: Id of the user; limits are counted under it.
    type: str
    required: true
  name:
    description:
      - Name of the key, for users that have several. The first Secret has this name; later ones use it as a prefix.
      - Default is C(api-key-<user>); for O(state=absent) and O(state=disabled) all keys of the user.
    type: str
  state:
    description:
      - V(present) has a key that is accepted; V(disabled) keeps the Secrets but admits nobody; V(absent) removes them.
      - The last two take effect at once, without a grace period.
    type: str
    choices: [present, absent, disabled]
    default: present
  groups:
    description: Groups of the user. Left out, the key keeps those that it has; a new key has none.
    type: list
    elements: str
  tier:
    description: Short for O(groups) with this one group.
    type: str
  labels:
    description: Further labels of the Secret.
    type: dict
    default: {}
  expires_at:
    description:
      - Moment with its time zone after which the key is not accepted any more, such as V(2026-12-31T23:59:59Z), or
        V(never). The AuthPolicy enforces it.
      - Left out, the key keeps its end; a new key has none.
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
  description: Every change, in words.
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
  description: Where the key was delivered.
  type: list
  elements: str
  returned: success
  sample: [secret alice/model-key]
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.durations import DurationError, duration
from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import DEFAULT_GRACE
from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._keys.api_keys import default_name
from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import (
    DELIVERY_ARGUMENTS,
    Delivery,
    DeliveryError,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.keeper import KeepError, KeptKey, KeyKeeper, WantedKey
from ansible_collections.llmops.maas.plugins.module_utils._keys.material import KeyValueError, check_given
from ansible_collections.llmops.maas.plugins.module_utils._keys.options import (
    KEY_ARGUMENTS,
    KeyScope,
    OptionError,
    dns_name,
    label_option,
    user_id,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import GoneError, TakenError
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import TimeError, moment
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
ERRORS = (
    DeliveryError,
    DurationError,
    GoneError,
    KeepError,
    KeyValueError,
    KubeError,
    OptionError,
    TakenError,
    TimeError,
)


@dataclass(frozen=True)
class KeyRequest:
    """What a task asks for. Reading it from the options is all that happens before the cluster is asked.

    :param named: the option ``name``; empty for the user's default key, or all of them.
    :param delivery: where a key goes; to nowhere unless it is to be present.
    """

    state: str
    named: str
    key: WantedKey
    scope: KeyScope
    delivery: Delivery

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> KeyRequest:
        """
        :raises DeliveryError: ``delivery`` names a place that cannot be used.
        :raises DurationError: ``grace`` is no duration.
        :raises KeyValueError: ``value`` is weak or cannot be sent.
        :raises OptionError: any other option that cannot be used.
        :raises TimeError: ``expires_at`` or ``now`` is no moment.
        """
        state = params["state"]
        delivery = Delivery(params["delivery"] if state == "present" else None)
        return cls(state, params["name"] or "", _wanted(params), KeyScope.of(params), delivery)

    def done(self, keeper: KeyKeeper) -> KeptKey:
        """Bring the key to the state that was asked for."""
        if self.state == "present":
            return keeper.present(self.key, self.delivery)
        kept = KeptKey()
        keys = keeper.keys_of(self.key.user, self.named)
        (keeper.absent if self.state == "absent" else keeper.disable)(keys, kept)
        return kept


def _wanted(params: Mapping[str, Any]) -> WantedKey:
    user = user_id(params["user"])
    value = params["value"] or ""
    if value:
        check_given(value, f"value (user {user})", allow_weak=params["allow_weak"])
    end = params["expires_at"]
    return WantedKey(
        lineage=dns_name(params["name"] or default_name(user), "name"),
        user=user,
        labels=label_option(params["labels"], "labels"),
        grace=duration(params["grace"], "grace"),
        groups=_groups(params["groups"] if params["tier"] is None else [params["tier"]]),
        expires=moment(end, "expires_at") if end and end != "never" else None,
        end_given=bool(end),
        value=value,
    )


def _groups(given: list[str] | None) -> tuple[str, ...] | None:
    """The groups; None when none were given, so that those of the key stay."""
    if given is None:
        return None
    wrong = [group for group in given if not group.strip() or "," in group]
    if wrong:
        raise OptionError(f"groups: {wrong[0]!r} is no group; a group is not empty and has no comma")
    groups = tuple(group.strip() for group in given)
    twice = [group for group in groups if groups.count(group) > 1]
    if twice:
        raise OptionError(f'groups: {twice[0]} is given twice; keep one (1001 is the same as "1001")')
    return groups


@guarded
def main() -> None:
    module = GuardedModule(argument_spec=ARGUMENTS, supports_check_mode=True, mutually_exclusive=[("groups", "tier")])
    try:
        request = KeyRequest.of(module.params)
        store = request.scope.store(Kube.connect(module.params))
        clock = request.scope.clock
        kept = request.done(KeyKeeper(store, clock, module.warn, check=module.check_mode))
    except ERRORS as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(kept.changes),
        action=kept.action,
        changes=kept.changes,
        delivered=kept.delivered,
        key=kept.report(clock.now()),
        diff=kept.diff() if module._diff else [],
    )


if __name__ == "__main__":
    main()
