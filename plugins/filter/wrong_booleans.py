# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: wrong_booleans
short_description: Find values that have to be booleans and are none
version_added: 0.1.0
description:
  - Gives one message for each variable, or field of a variable, that has type C(bool) in an argument spec and whose
    value is not a boolean. Text counts as one when it is V(true), V(yes), V(on), V(1), V(false), V(no), V(off) or
    V(0), in any case.
options:
  _input:
    description: Values by the names of their variables.
    type: dict
    required: true
  options:
    description:
      - What has to be a boolean, as the lookup P(llmops.maas.boolean_options#lookup) gives it. Other variables are not
        looked at.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse what is no boolean
  ansible.builtin.assert:
    that: __wrong | length == 0
    fail_msg: "{{ __wrong | join('; ') }}"
  vars:
    __wrong: "{{ {'maas_mtls': 'ture'} | llmops.maas.wrong_booleans(options={'maas_mtls': {'type': 'bool'}}) }}"
"""

RETURN = r"""
_value:
  description:
    - One message per wrong value, with its place, such as C(maas_models[0] (qwen3).enabled). Empty when all are right.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common import booleans as _booleans


def wrong_booleans(values: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """See DOCUMENTATION."""
    return _booleans.wrong_booleans(values, options)


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"wrong_booleans": wrong_booleans}
