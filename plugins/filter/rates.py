# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: rates
short_description: Turn readable rates into those of a Kuadrant policy
version_added: 0.1.0
description:
  - Reads rates as people write them and gives the C(rates) of a RateLimitPolicy or TokenRateLimitPolicy.
  - Refuses units and windows that Kuadrant does not know.
options:
  _input:
    description: Rates separated by commas, such as V(100/min, 1000/h). An empty string gives no rates.
    type: str
    required: true
  field:
    description: Path of the value in the inventory, for messages.
    type: str
    default: rate
"""

EXAMPLES = r"""
- name: Show the rates of a policy
  ansible.builtin.debug:
    msg: "{{ '100/min, 1000/h' | llmops.maas.rates }}"
"""

RETURN = r"""
_value:
  description: One dictionary per rate, with C(limit) (a number) and C(window) (a duration such as V(1m)).
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.rates import RateError, parse_rates


def rates(text: str, field: str = "rate") -> list[dict[str, int | str]]:
    """See DOCUMENTATION."""
    try:
        return parse_rates(text, field)
    except RateError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"rates": rates}
