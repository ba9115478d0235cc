# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows how many requests were answered while the module of the same name sends them."""

from __future__ import annotations

from ansible_collections.llmops.maas.plugins.modules import gateway_check
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import ModuleAction
from ansible_collections.llmops.maas.plugins.plugin_utils._action.progress import ProgressAction


class ActionModule(ProgressAction, ModuleAction):
    module = gateway_check
