# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: what_runs
short_description: Say which containers of the embedded cluster are real programs
version_added: 0.1.0
description:
  - Sorts the images of Pods into those whose own program runs, those with something else in its place, and those that
    are only reported as running.
options:
  _input:
    description: Pods, as the API server returns them.
    type: list
    elements: dict
    required: true
  images:
    description:
      - Entries of the kubelet stand-in's image map. C(image) is a regular expression for whole names; C(instead) says
        what runs, if it is not the image's own program.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what is real
  llmops.maas.report:
    lines: "{{ cluster.resources[0] | llmops.embedded.what_runs(images=image_map.images) }}"
"""

RETURN = r"""
_value:
  description: What to print, for M(llmops.maas.report).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.embedded.plugins.plugin_utils._reality.containers import RealityError, reality_of


def what_runs(pods: Sequence[Mapping[str, Any]], images: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    try:
        found = reality_of(pods, images)
    except RealityError as error:
        raise AnsibleFilterError(f"what_runs: {error}") from error
    instead = [f"{name} ({what})" for name, what in found.instead.items()]
    rows = [
        ["real programs", ", ".join(["control plane", *found.real])],
        ["something else instead", ", ".join(instead) or "none"],
        ["only reported as running", ", ".join(found.simulated) or "none"],
    ]
    return [{"text": "What this embedded cluster runs", "style": "heading"}, {"rows": rows, "indent": 2}]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"what_runs": what_runs}
