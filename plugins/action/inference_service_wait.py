# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows which models are on their way while the module of the same name waits for them."""

from __future__ import annotations

from ansible_collections.llmops.maas.plugins.modules import inference_service_wait
from ansible_collections.llmops.maas.plugins.plugin_utils._action.wait_slices import WaitAction


class ActionModule(WaitAction):
    module = inference_service_wait
    rows_key = "services"
