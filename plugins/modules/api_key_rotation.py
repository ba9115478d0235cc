#!/usr/bin/python

# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: api_key_rotation
short_description: Rotate API keys without a failed request
version_added: 0.1.0
description:
  - For every key that is due, makes a successor, proves that it is accepted, delivers it, and only then marks the old
    one with the moment at which its grace period ends. When that moment has come, deletes the old one and proves that
    it is refused.
  - All state is on the Secrets. A run that is killed at any point is completed by the next one; two runs at once make
    one new key for each old one.
  - Keys that were made by hand are adopted when they have the O(key_labels); a warning says which.
  - Keys that are disabled, that have expired, or whose predecessor is still in its grace period are left as they are.
  - A key that no header can carry, such as one that ends in a line end, is named in a warning and rotated. Nobody can
    send the old one, so it needs no proof that it is refused.
extends_documentation_fragment:
  - llmops.maas._api_keys
  - llmops.maas._api_keys.delivery
  - llmops.maas._kube_auth
  - llmops.maas._attributes
  - llmops.maas._attributes.group
  - llmops.maas._progress
attributes:
  check_mode:
    support: full
    details: Returns the plan. Generates no key and sends none.
  idempotent:
    support: full
    details: Keys that are not due are left as they are.
options:
  max_age:
    description: Keys older than this are due, such as V(30d), V(12h) or V(45m). A number needs its unit.
    type: str
    default: 30d
  users:
    description: Only the keys of these users. Empty means all.
    type: list
    elements: str
    default: []
  selector:
    description: Only keys with these labels.
    type: dict
    default: {}
  force:
    description: Every key is due, whatever its age.
    type: bool
    default: false
  adopt_selectors:
    description:
      - Further label selectors of keys that were made by another scheme, such as V(kuadrant.io/apikeys-by=models).
        Their successors get the O(key_labels), so that the AuthPolicies accept them.
    type: list
    elements: str
    default: []
  grace:
    description: How long an old key stays valid after its successor was delivered, such as V(24h), V(5s) or V(0).
    type: str
    default: 24h
  retire_wait:
    description:
      - How long a run waits for grace periods to end, to delete the old keys itself, such as V(60s). What ends later is
        left to the next run.
    type: str
    default: 60s
  expires_in:
    description: New keys end after this time. Left out, they end when those before them would have.
    type: str
  batch_size:
    description: Number of keys in a batch. Failures are counted after each.
    type: int
    default: 100
  concurrency:
    description: Number of keys that are rotated at the same time, 1 to 64.
    type: int
    default: 8
  max_failures:
    description: With more failed keys than this, no further batch is started.
    type: int
    default: 0
  probe:
    description: How keys are tried, before an old one is marked and after it was deleted.
    type: dict
    suboptions:
      method:
        description:
          - V(gateway) sends requests to O(probe.urls); V(authorino) asks every ready replica of Authorino, for each of
            its AuthConfigs, which needs a way to the Pods; V(authorino_service) asks the address of its Service.
          - V(none) tries nothing, so that nothing is proved.
          - Default is V(gateway) when there are O(probe.urls), else V(authorino).
        type: str
        choices: [gateway, authorino, authorino_service, none]
      urls:
        description: Addresses that answer 401 without a valid key, such as V(https://models.example.com/qwen3/models).
        type: list
        elements: str
        default: []
      times:
        description: How many expected answers in a row prove a key.
        type: int
        default: 3
      timeout:
        description: How long that may take for one key, such as V(30s).
        type: str
        default: 30s
      prefix:
        description: Word before the key in the C(Authorization) header.
        type: str
        default: APIKEY
      ca_cert:
        description: CA certificates of O(probe.urls). Default are the system's.
        type: path
      validate_certs:
        description: Whether the certificates of O(probe.urls) are checked.
        type: bool
        default: true
author:
  - llmops.maas contributors (@llmops)
"""

EXAMPLES = r"""
- name: Rotate keys older than 30 days, with a day to change over
  llmops.maas.api_key_rotation:
    max_age: 30d
    grace: 24h
    probe:
      urls: [https://models.example.com/qwen3/models]
    delivery:
      secret: {namespace: "${user}", name: model-key}

- name: Rotate the keys of alice now, into an encrypted file
  llmops.maas.api_key_rotation:
    users: [alice]
    force: true
    delivery:
      file: keys/${lineage}.vault
"""

RETURN = r"""
api_keys:
  description: What was done with each key, or would be.
  type: list
  elements: dict
  returned: always, once the options are right
  contains:
    user:
      description: Id of the user.
      type: str
    lineage:
      description: Name of the key, which stays the same when it is rotated.
      type: str
    name:
      description: Name of the Secret that the run found.
      type: str
    action:
      description: V(rotate), V(resume) and V(finish) what an earlier run began, V(retire) or V(keep).
      type: str
    reason:
      description: Why.
      type: str
    status:
      description:
        - V(done); V(waiting) for the end of the grace period; V(failed); V(not started) after too many failures;
          V(kept); or V(planned), in check mode.
      type: str
    successor:
      description: Name of the Secret of the newer key.
      type: str
    delivered:
      description: Where it was brought to.
      type: list
      elements: str
    retire_after:
      description: When the grace period ends.
      type: str
    retired:
      description: Whether this run deleted the old key.
      type: bool
    error:
      description: What went wrong, and the fix.
      type: str
counts:
  description: Numbers of keys.
  type: dict
  returned: always, once the options are right
  sample: {keys: 4, due: 4, rotated: 4, retired: 0, waiting: 4, kept: 0, failed: 0, not_started: 0, to_retire: 0}
adopted:
  description: Names of Secrets of other schemes that were adopted.
  type: list
  elements: str
  returned: always, once the options are right
new_keys:
  description: The new keys by the names of their Secrets.
  type: dict
  returned: with O(delivery.registered)
unchecked:
  description: What could not be checked, each with C(what), C(why) and C(items), for M(llmops.maas.report).
  returned: in check mode
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.durations import DurationError, duration
from ansible_collections.llmops.maas.plugins.module_utils._common.fixed_names import DEFAULT_GRACE, KEY_PREFIX
from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._common.header_values import key_problem
from ansible_collections.llmops.maas.plugins.module_utils._common.progress import Progress, followed
from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import unchecked
from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import (
    DELIVERY_ARGUMENTS,
    Delivery,
    DeliveryError,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.options import (
    KEY_ARGUMENTS,
    KeyScope,
    OptionError,
    label_option,
    user_id,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.plan import Due
from ansible_collections.llmops.maas.plugins.module_utils._keys.probe import (
    Authorino,
    ProbeError,
    Prober,
    ProbeTerms,
    gateway,
)
from ansible_collections.llmops.maas.plugins.module_utils._keys.results import KeyResult, counts
from ansible_collections.llmops.maas.plugins.module_utils._keys.rotation import Rotation, RotationOptions
from ansible_collections.llmops.maas.plugins.module_utils._keys.store import KeyStore
from ansible_collections.llmops.maas.plugins.module_utils._keys.times import TimeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import AUTH_ARGUMENTS, Kube, KubeError

ARGUMENTS: dict[str, Any] = {
    **AUTH_ARGUMENTS,
    **KEY_ARGUMENTS,
    "delivery": DELIVERY_ARGUMENTS,
    "max_age": {"type": "str", "default": "30d"},
    "users": {"type": "list", "elements": "str", "default": []},
    "selector": {"type": "dict", "default": {}},
    "force": {"type": "bool", "default": False},
    "adopt_selectors": {"type": "list", "elements": "str", "default": []},
    "grace": {"type": "str", "default": DEFAULT_GRACE},
    "retire_wait": {"type": "str", "default": "60s"},
    "expires_in": {"type": "str"},
    "batch_size": {"type": "int", "default": 100},
    "concurrency": {"type": "int", "default": 8},
    "max_failures": {"type": "int", "default": 0},
    "probe": {
        "type": "dict",
        "options": {
            "method": {"type": "str", "choices": ["gateway", "authorino", "authorino_service", "none"]},
            "urls": {"type": "list", "elements": "str", "default": []},
            "times": {"type": "int", "default": 3},
            "timeout": {"type": "str", "default": "30s"},
            "prefix": {"type": "str", "default": KEY_PREFIX},
            "ca_cert": {"type": "path"},
            "validate_certs": {"type": "bool", "default": True},
        },
    },
    "progress": {"type": "path"},
}
# What the options of ``probe`` are when it is left out.
PROBE = {name: option.get("default") for name, option in ARGUMENTS["probe"]["options"].items()}
LIMITS = {"batch_size": (1, 100_000), "concurrency": (1, 64), "max_failures": (0, 100_000)}


def options_of(params: dict[str, Any]) -> RotationOptions:
    """How to rotate.

    :raises DurationError: an option that is no duration.
    :raises OptionError: any other option that cannot be used.
    """
    for name, (least, most) in LIMITS.items():
        if not least <= params[name] <= most:
            raise OptionError(f"{name}: {params[name]} is not possible; choose {least} to {most}")
    expires_in = duration(params["expires_in"], "expires_in") if params["expires_in"] else None
    grace = duration(params["grace"], "grace")
    if expires_in is not None and expires_in <= grace:
        raise OptionError(
            "expires_in: new keys would end before the grace period of the old ones; choose more than grace"
        )
    users = frozenset(user_id(user) for user in params["users"])
    labels = label_option(params["selector"], "selector")
    return RotationOptions(
        due=Due(duration(params["max_age"], "max_age"), params["force"], users, labels),
        grace=grace,
        retire_wait=duration(params["retire_wait"], "retire_wait"),
        expires_in=expires_in,
        batch_size=params["batch_size"],
        concurrency=params["concurrency"],
        max_failures=params["max_failures"],
        adopt_selectors=params["adopt_selectors"],
    )


def prober_of(params: dict[str, Any], store: KeyStore) -> Prober | None:
    """How keys are tried; None for not at all.

    :raises DurationError: ``probe.timeout`` is no duration.
    :raises OptionError: options that do not fit together.
    """
    probe = {**PROBE, **(params["probe"] or {})}
    method = probe["method"] or ("gateway" if probe["urls"] else "authorino")
    if (method == "gateway") != bool(probe["urls"]):
        raise OptionError("probe.urls: give addresses for the method gateway, and for no other")
    wrong = [url for url in probe["urls"] if not url.startswith(("http://", "https://"))]
    if wrong:
        raise OptionError(f"probe.urls: {wrong[0]!r} is no address that begins with http:// or https://")
    if probe["times"] < 1:
        raise OptionError("probe.times: a key has to be tried at least once; set the method none to try nothing")
    problem = key_problem(probe["prefix"])
    if problem:
        raise OptionError(f"probe.prefix: {probe['prefix']!r} {problem}, so no request can carry it")
    timeout = duration(probe["timeout"], "probe.timeout")
    if method == "none":
        return None
    where = gateway(probe["urls"])
    if method != "gateway":
        where = Authorino(store.read, store.namespace, store.labels, service=method == "authorino_service")
    terms = ProbeTerms(probe["times"], timeout, probe["prefix"], probe["ca_cert"], probe["validate_certs"])
    return Prober(where, terms)


def _so_far(rotation: Rotation) -> str:
    """For people, once it is known which keys there are."""
    found = counts(rotation.results)
    rotated = f"{found['rotated']} of {found['due']} keys rotated, {found['failed']} failed"
    return f"{rotated}, {found['retired']} old ones deleted" if rotation.results else ""


def _owner(result: KeyResult) -> str:
    key = result.step.key
    return f"{key.identity.user or 'nobody'} ({key.name})"


def _failure(rotation: Rotation) -> str:
    """The failed keys, one line each."""
    failed = [result for result in rotation.results if result.error]
    lines = [f"{_owner(result)}: {result.error}" for result in failed]
    shown = lines if len(lines) <= 20 else [*lines[:20], f"and {len(lines) - 20} more"]
    stopped = " No further key was begun." if rotation.stopped else ""
    return f"{len(failed)} of {len(rotation.results)} API keys failed.{stopped}\n" + "\n".join(shown)


@guarded
def main() -> None:
    module = GuardedModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        options, scope = options_of(module.params), KeyScope.of(module.params)
        delivery = Delivery(module.params["delivery"])
        store = scope.store(Kube.connect(module.params))
        prober = prober_of(module.params, store)
        rotation = Rotation(store, prober, delivery, options, scope.clock, module.warn)
        with followed(Progress(module.params["progress"]), lambda: _so_far(rotation)):
            rotation.run(check=module.check_mode)
    except (DeliveryError, DurationError, KubeError, OptionError, ProbeError, TimeError) as error:
        module.fail_json(msg=str(error))
    if prober is None and not module.check_mode:
        module.warn(
            "no key was tried, because the probe's method is none: nothing proves that the new keys are accepted"
        )
    found = counts(rotation.results)
    result: dict[str, Any] = {
        "changed": rotation.changed,
        "api_keys": [result.report() for result in rotation.results],
        "counts": found,
        "adopted": rotation.adopted,
    }
    if module.check_mode and prober and found["due"]:
        result["unchecked"] = [unchecked("whether new keys are accepted", "none is made")]
    if any(result.error for result in rotation.results):
        module.fail_json(msg=_failure(rotation), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
