#!/usr/bin/python

# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secrets
short_description: Keep Secrets with given, generated and composed values
version_added: 0.1.0
description:
  - Makes Secrets whose values are given, generated once and then kept, or composed from other values.
  - Values are made in the module and go to the API server only. They are never returned, shown in a diff or generated
    in check mode.
  - Keys of a Secret that are not named stay as they are, and so do labels and annotations that others have set.
extends_documentation_fragment:
  - llmops.maas._kube_auth
  - llmops.maas._attributes
  - llmops.maas._attributes.group
attributes:
  diff_mode:
    support: full
    details: Shows names of keys, never values.
options:
  secrets:
    description: The Secrets, in order. A later one may read from an earlier one.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the Secret.
        type: str
        required: true
      namespace:
        description: Its namespace, which must exist.
        type: str
        required: true
      labels:
        description: Labels that it should have.
        type: dict
        default: {}
      annotations:
        description: Annotations that it should have.
        type: dict
        default: {}
      data:
        description:
          - Given values by key.
          - Ansible hides them in all output, so text that is not secret belongs in O(secrets[].compose).
        type: dict
        default: {}
      generate:
        description:
          - Number of characters by key, at least 16.
          - An existing value is kept; a missing one is generated from letters and digits.
        type: dict
        default: {}
      compose:
        description:
          - Text by key, in which C(${name}) stands for a key of O(secrets[].data) or O(secrets[].generate), or for a
            name in O(secrets[].variables) or O(secrets[].variables_from).
        type: dict
        default: {}
      variables:
        description: Further values for O(secrets[].compose), which the Secret does not hold itself.
        type: dict
        default: {}
      variables_from:
        description: Another Secret whose values O(secrets[].compose) may use.
        type: dict
        suboptions:
          name:
            description: Name of that Secret.
            type: str
            required: true
          namespace:
            description: Its namespace.
            type: str
            required: true
  state:
    description: Whether the Secrets are kept or removed.
    type: str
    choices: [present, absent]
    default: present
  field_manager:
    description: Name under which the API server records the fields.
    type: str
    default: llmops.maas.secrets
author:
  - llmops.maas contributors (@llmops)
"""

EXAMPLES = r"""
- name: Keep a password, and the URL that holds it
  llmops.maas.secrets:
    secrets:
      - name: redis
        namespace: kuadrant-system
        generate: {password: 40}
        compose: {URL: "redis://:${password}@redis:6379"}
"""

RETURN = r"""
secrets:
  description: What was done with each Secret.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Name of the Secret.
      type: str
    namespace:
      description: Its namespace.
      type: str
    action:
      description: V(created), V(configured), V(unchanged) or V(deleted).
      type: str
    generated:
      description: Keys whose values were generated, or would be in check mode.
      type: list
      elements: str
  sample: [{name: redis, namespace: kuadrant-system, action: created, generated: [password]}]
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import hide
from ansible_collections.llmops.maas.plugins.module_utils._common.guarded_module import GuardedModule, guarded
from ansible_collections.llmops.maas.plugins.module_utils._kube.apply import server_side_apply
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import AUTH_ARGUMENTS, ApiError, Kube, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._secrets.kept import (
    SecretError,
    SecretOutcome,
    checked_specs,
    decode,
    random_text,
    secret_values,
    where_of,
)

_ABSENT: dict[str, Any] = {}


class SecretKeeper:
    """Brings Secrets to their wanted state, one after the other."""

    def __init__(self, kube: Kube, field_manager: str, check_mode: bool) -> None:
        self._kube = kube
        self._field_manager = field_manager
        self._check_mode = check_mode
        # What check mode would have written, for Secrets that read from earlier ones.
        self._planned: dict[tuple[str, str], dict[str, str]] = {}

    def keep(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Make or change one Secret; the result holds names only."""
        current = self._read(spec["namespace"], spec["name"])
        values = decode(current.get("data"), where_of(spec))
        for key, value in values.items():
            # Others may be plain names, as composed ones often are.
            hide(value, doubtful=key not in spec["generate"])
        outcome = secret_values(spec, values, self._variables(spec), self._make())
        for key, value in outcome.values.items():
            hide(value, doubtful=key not in spec["generate"])
        self._planned[spec["namespace"], spec["name"]] = outcome.values
        changes = _changes(spec, current, values, outcome)
        if changes and not self._check_mode:
            self._write(spec, outcome)
        action = "unchanged" if not changes else "configured" if current else "created"
        return _report(spec, action) | {"generated": list(outcome.generated), "changes": changes}

    def remove(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Delete one Secret if it is there."""
        current = self._read(spec["namespace"], spec["name"])
        if not current:
            return _report(spec, "unchanged") | {"generated": [], "changes": []}
        if not self._check_mode:
            self._kube.request("DELETE", _path(spec["namespace"], spec["name"]))
        return _report(spec, "deleted") | {"generated": [], "changes": ["removed"]}

    def _make(self) -> Callable[[int], str]:
        if self._check_mode:
            return lambda length: "-" * length
        return random_text

    def _variables(self, spec: dict[str, Any]) -> dict[str, str]:
        source = spec["variables_from"]
        variables: dict[str, str] = spec["variables"]
        if not source:
            return variables
        key = source["namespace"], source["name"]
        if key in self._planned:
            return self._planned[key] | variables
        found = self._read(*key)
        if not found:
            raise SecretError(
                f"Secret {key[0]}/{key[1]} (variables_from of {spec['name']}) does not exist; make it first"
            )
        read = decode(found.get("data"), f"Secret {key[0]}/{key[1]}")
        for value in read.values():
            hide(value, doubtful=True)
        return read | variables

    def _read(self, namespace: str, name: str) -> dict[str, Any]:
        try:
            return dict(self._kube.request("GET", _path(namespace, name)))
        except ApiError as error:
            if error.status == 404:
                return _ABSENT
            raise

    def _write(self, spec: dict[str, Any], outcome: SecretOutcome) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {key: spec[key] for key in ("name", "namespace", "labels", "annotations")},
            "type": "Opaque",
            # Not stringData: the API server does not record who owns the keys that come that way.
            "data": {key: b64encode(value.encode()).decode() for key, value in outcome.values.items()},
        }
        path = _path(spec["namespace"], spec["name"])
        server_side_apply(self._kube.request, path, body, manager=self._field_manager)


def _path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def _report(spec: dict[str, Any], action: str) -> dict[str, Any]:
    return {"name": spec["name"], "namespace": spec["namespace"], "action": action}


def _changes(
    spec: dict[str, Any], current: dict[str, Any], values: dict[str, str], outcome: SecretOutcome
) -> list[str]:
    """Names of what differs, such as ``data.password``; never a value."""
    metadata = current.get("metadata", {})
    differs = [f"data.{key}" for key, value in outcome.values.items() if values.get(key) != value]
    for field in ("labels", "annotations"):
        there = metadata.get(field) or {}
        differs += [f"{field}.{key}" for key, value in spec[field].items() if there.get(key) != value]
    return sorted(differs)


def _diff(results: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "before_header": f"Secret {result['namespace']}/{result['name']}",
            "after_header": f"Secret {result['namespace']}/{result['name']}",
            "before": "",
            "after": "".join(f"{change} (value hidden)\n" for change in result["changes"]),
        }
        for result in results
        if result["changes"]
    ]


_SOURCE: dict[str, Any] = {"name": {"type": "str", "required": True}, "namespace": {"type": "str", "required": True}}
_SECRET: dict[str, Any] = {
    **_SOURCE,
    "labels": {"type": "dict", "default": {}},
    "annotations": {"type": "dict", "default": {}},
    "data": {"type": "dict", "default": {}, "no_log": True},
    "generate": {"type": "dict", "default": {}},
    "compose": {"type": "dict", "default": {}},
    "variables": {"type": "dict", "default": {}, "no_log": True},
    "variables_from": {"type": "dict", "options": _SOURCE},
}
ARGUMENTS: dict[str, Any] = {
    **AUTH_ARGUMENTS,
    "secrets": {"type": "list", "elements": "dict", "required": True, "options": _SECRET, "no_log": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "field_manager": {"type": "str", "default": "llmops.maas.secrets"},
}


@guarded
def main() -> None:
    module = GuardedModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        present = module.params["state"] == "present"
        specs = checked_specs(module.params["secrets"]) if present else module.params["secrets"]
        keeper = SecretKeeper(Kube.connect(module.params), module.params["field_manager"], module.check_mode)
        results = [keeper.keep(spec) if present else keeper.remove(spec) for spec in specs]
    except (KubeError, SecretError) as error:
        module.fail_json(msg=str(error))
    changed = any(result["changes"] for result in results)
    shown = [{key: result[key] for key in ("name", "namespace", "action", "generated")} for result in results]
    module.exit_json(changed=changed, secrets=shown, diff=_diff(results) if module._diff else [])


if __name__ == "__main__":
    main()
