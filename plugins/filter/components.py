# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: components
short_description: Work out what follows from the platform's components
version_added: 0.1.0
description:
  - Takes what each component says of itself (its bundles, namespaces, upstream manifests, forwards, flows and needs)
    and gives what the role P(llmops.maas.maas#role) and the playbooks do with it.
  - Refuses a component with an unknown or missing field, two that claim the same bundle, and a need that comes later.
options:
  _input:
    description:
      - Components by name. Each has C(order), and may have C(enabled), C(bundles), C(namespaces), C(upstream),
        C(minimum_kubernetes), C(forwards), C(flows) and C(needs) (C(components) and C(controllers)).
    type: dict
    required: true
  missing:
    description: Controllers that the cluster cannot run.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show which components can be installed
  ansible.builtin.debug:
    msg: "{{ (components | llmops.maas.components(missing=['kserve-manager'])).works }}"
"""

RETURN = r"""
_value:
  description:
    - C(order) (names, the first to be installed first), C(active) (by name, whether the platform has it),
      C(works) (by name, whether all that it needs is there), C(teardown) (bundles in the order of removal),
      C(namespaces) and C(flows) of enabled components, C(upstream) (manifests by name), C(minimum_kubernetes) (by
      product, such as V(1.29)) and C(forwards).
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.components import ComponentError, derive


def components(entries: Mapping[str, Any], missing: Sequence[str] = ()) -> dict[str, Any]:
    """See DOCUMENTATION."""
    try:
        return derive(entries, missing).as_dict()
    except ComponentError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"components": components}
