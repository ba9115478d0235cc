# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: catalogue
short_description: Validate a model catalogue and fill in its defaults
version_added: 0.1.0
description:
  - Turns the entries of C(maas_models) into complete ones, from which the InferenceService, the routes, the limits and
    the monitoring of each model are made.
  - Refuses a catalogue that could not work, with the entry, the field and what to write instead.
options:
  _input:
    description: The entries, see the role C(llmops.maas.maas) for their fields.
    type: list
    elements: dict
    required: true
  runtimes:
    description: The runtimes that entries may name, by name.
    type: dict
    required: true
  variable:
    description: Name of the variable that holds the entries, for messages.
    type: str
    default: maas_models
"""

EXAMPLES = r"""
- name: Show what the catalogue comes to
  ansible.builtin.debug:
    msg: "{{ maas_models | llmops.maas.catalogue(runtimes=maas_runtimes) | map(attribute='served_names') }}"
"""

RETURN = r"""
_value:
  description:
    - The enabled entries with every field, and with C(rules) (path and rewrite of each route rule), C(rates) (limit and
      window of each rate) and C(revision) (changes whenever the model's Pods have to).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.catalogue import CatalogueError, normalise


def catalogue(
    models: Sequence[Mapping[str, Any]], runtimes: Mapping[str, Any], variable: str = "maas_models"
) -> list[dict[str, Any]]:
    """See DOCUMENTATION."""
    try:
        return normalise(models, runtimes, variable)
    except CatalogueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible finds the filter here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"catalogue": catalogue}
