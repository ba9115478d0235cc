# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: verify_report
short_description: What people read of a verification
version_added: 0.1.0
description:
  - Gives a table for each section of the results, their number and that of the faults, and what could not be checked.
options:
  _input:
    description: Results of M(llmops.maas.gateway_check) or of the filter P(llmops.maas.verify_plan#filter).
    type: list
    elements: dict
    required: true
  sections:
    description: The sections that were asked for, in order. Those of other results follow.
    type: list
    elements: str
    required: true
  url:
    description: Address of the Gateway.
    type: str
    required: true
  host:
    description: Host name that the requests were for.
    type: str
    required: true
  report_dir:
    description: Folder of the reports; empty for none.
    type: str
    default: ""
  unchecked:
    description: What was asked for and not checked, as P(llmops.maas.verify_plan#filter) gives it.
    type: list
    elements: dict
    default: []
  workloads:
    description: Deployments and StatefulSets of the monitoring, which is shown when they are given.
    type: list
    elements: dict
  targets:
    description: What Prometheus said of its targets, an item of what M(llmops.maas.cluster_info) returns as C(answers).
    type: dict
"""

EXAMPLES = r"""
- name: Show the answers
  llmops.maas.report:
    lines: "{{ (checked.results | llmops.maas.verify_report(['access'], 'http://127.0.0.1:8000', 'localhost')).lines }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    lines:
      description: What to print, for M(llmops.maas.report).
      type: list
      elements: dict
    failure:
      description: The number of faults and the first of them, one a line; empty when there are none.
      type: str
    unchecked:
      description: What was asked for and not checked, each with the reason.
      type: list
      elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.unchecked import in_words
from ansible_collections.llmops.maas.plugins.plugin_utils._report import verify_report as _verify_report
from ansible_collections.llmops.maas.plugins.plugin_utils._verify.plan import LeftOut


def verify_report(
    results: Sequence[Mapping[str, Any]],
    sections: Sequence[str],
    url: str,
    host: str,
    report_dir: str = "",
    unchecked: Sequence[LeftOut] = (),
    workloads: Sequence[Mapping[str, Any]] | None = None,
    targets: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """See DOCUMENTATION."""
    about = _verify_report.About(sections, url, host, report_dir, unchecked)
    return {
        "lines": _verify_report.lines(results, about, workloads, targets),
        "failure": _verify_report.failure(results),
        "unchecked": list(map(in_words, unchecked)),
    }


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"verify_report": verify_report}
