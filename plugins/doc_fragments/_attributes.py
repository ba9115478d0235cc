# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # What holds for most modules. A module names only those that differ, each with its support.
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would change, without changing it.
    support: full
  diff_mode:
    description: Returns what changed, or would change in check mode, in diff mode.
    support: none
  idempotent:
    description: A second run with the same input changes nothing.
    support: full
"""

    # For every module that talks to a cluster.
    GROUP = r"""
attributes:
  action_group:
    description: Part of the action group C(llmops.maas.maas), whose C(module_defaults) carry the connection.
    support: full
    membership: [llmops.maas.maas]
"""

    # For modules that wait.
    WAITS = r"""
attributes:
  check_mode:
    details: Does not wait; the task is skipped and says so.
"""
