# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders in the home directory of whoever runs this, which a container may not have."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.problems import Problems
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.spec import Variable
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.values import Values


def check_home(
    values: Values, variables: Mapping[str, Variable], environment: Mapping[str, str], problems: Problems
) -> None:
    """Without ``HOME`` a path that was to begin with it begins at the root, as ``/.cache`` does."""
    if environment.get("HOME"):
        return
    for name, variable in variables.items():
        if variable.type == "path" and name in values.readable() and values[name].startswith("/."):
            problems.add(
                f"maas_{name}",
                f"{values[name]!r} was meant to be in the home directory, but HOME is not set; set HOME in the"
                f" environment, or maas_{name} to a path that can be used",
            )
