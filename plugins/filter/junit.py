# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: junit
short_description: Results of a verification as JUnit XML
version_added: 0.1.0
description:
  - Gives a document with a test suite for each section of the results.
options:
  _input:
    description: Results of M(llmops.maas.gateway_check) or of the filter P(llmops.maas.verify_plan#filter).
    type: list
    elements: dict
    required: true
  name:
    description: Name of the whole.
    type: str
    default: verify
"""

EXAMPLES = r"""
- name: Write a report
  ansible.builtin.copy:
    content: "{{ checked.results | llmops.maas.junit }}"
    dest: report.xml
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The document.
  type: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._verify.junit import junit as document


def junit(results: Sequence[Mapping[str, Any]], name: str = "verify") -> str:
    """See DOCUMENTATION."""
    return document(results, name)


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"junit": junit}
