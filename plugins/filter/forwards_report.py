# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: forwards_report
short_description: Forwarded ports as a table
version_added: 0.1.0
description:
  - Says which port of this machine leads where, and which Services the cluster does not have.
options:
  _input:
    description: Result of M(llmops.maas.port_forward).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what leads where
  llmops.maas.report:
    lines: "{{ forwarded | llmops.maas.forwards_report }}"
"""

RETURN = r"""
_value:
  description: What to print, for M(llmops.maas.report).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._report import reports as _reports


def forwards_report(result: Mapping[str, Any]) -> list[Any]:
    """See DOCUMENTATION."""
    return [*_reports.forwards(result["forwards"], result["absent"])]


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"forwards_report": forwards_report}
