# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: gpu_shortage
short_description: Say how many GPUs a cluster lacks for the models
version_added: 0.1.0
description:
  - Adds up what the models ask for when every replica runs, for each GPU resource by itself.
options:
  _input:
    description: The catalogue, as the filter P(llmops.maas.catalogue#filter) gives it.
    type: list
    elements: dict
    required: true
  offered:
    description: What the nodes have, as RV(llmops.maas.cluster_info#module:extended_resources).
    type: dict
    required: true
  resource:
    description: GPU resource of models that name none.
    type: str
    default: nvidia.com/gpu
"""

EXAMPLES = r"""
- name: Show what is missing
  ansible.builtin.debug:
    msg: "{{ maas_catalogue | llmops.maas.gpu_shortage(offered=cluster.extended_resources) }}"
"""

RETURN = r"""
_value:
  description: What the models ask for, what there is, and what to do. Empty where there is enough.
  type: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform import preflight


def gpu_shortage(
    models: Sequence[Mapping[str, Any]], offered: Mapping[str, int], resource: str = "nvidia.com/gpu"
) -> str:
    """See DOCUMENTATION."""
    return preflight.gpu_shortage(models, resource, offered)


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"gpu_shortage": gpu_shortage}
