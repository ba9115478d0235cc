# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: rotation_report
short_description: Result of a rotation of API keys as a table
version_added: 0.1.0
description:
  - Says for each key what was done or would be done, and how many there were.
options:
  _input:
    description: Result of M(llmops.maas.api_key_rotation).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what happened to each key
  llmops.maas.report:
    lines: "{{ rotated | llmops.maas.rotation_report }}"
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


def rotation_report(result: Mapping[str, Any]) -> list[Any]:
    """See DOCUMENTATION."""
    return [*_reports.rotation(result["api_keys"], result["counts"])]


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"rotation_report": rotation_report}
