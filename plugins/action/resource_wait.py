# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what is waited for while the module of the same name waits."""

from __future__ import annotations

from ansible_collections.llmops.maas.plugins.modules import resource_wait
from ansible_collections.llmops.maas.plugins.plugin_utils._action.wait_slices import WaitAction


class ActionModule(WaitAction):
    module = resource_wait
    rows_key = "resources"
