# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name, in this process where that makes no difference, and shows its progress."""

from __future__ import annotations

from ansible_collections.llmops.maas.plugins.modules import api_key_rotation
from ansible_collections.llmops.maas.plugins.plugin_utils._action.key_action import KeyAction
from ansible_collections.llmops.maas.plugins.plugin_utils._action.progress import ProgressAction


class ActionModule(ProgressAction, KeyAction):
    module = api_key_rotation
