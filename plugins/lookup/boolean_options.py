# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: boolean_options
author: llmops.maas contributors (@llmops)
short_description: Find the booleans in the argument specs of roles
version_added: 0.1.0
description:
  - Gives the options of type C(bool), and those with suboptions of that type, of all entry points of all roles in a
    folder.
options:
  _terms:
    description: Folders that hold roles.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Show which variables of the roles are booleans, or hold some
  ansible.builtin.debug:
    msg: "{{ lookup('llmops.maas.boolean_options', playbook_dir ~ '/roles') }}"
"""

RETURN = r"""
_raw:
  description:
    - One dictionary for each folder. It holds options by name, reduced to C(type) for a boolean, and to C(options) for
      one with suboptions.
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.lookup import LookupBase

from ansible_collections.llmops.maas.plugins.module_utils._common.booleans import boolean_options


class LookupModule(LookupBase):
    """Ansible finds the lookup here."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        del variables, kwargs
        return [_booleans_of(Path(folder)) for folder in terms]


def _booleans_of(roles: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(roles.glob("*/meta/argument_specs.yml")):
        specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        for entry_point in specs.values():
            found.update(boolean_options(entry_point.get("options") or {}))
    return found
