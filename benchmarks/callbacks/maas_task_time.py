# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes down how long the tasks of a playbook took."""

from __future__ import annotations

DOCUMENTATION = r"""
name: maas_task_time
type: notification
short_description: Write the seconds of each task to a file
description:
  - For benchmarks. Appends the seconds from the start of each task to its end, loop included, one per line, to the file
    named by the environment variable MAAS_TASK_TIME.
requirements:
  - enabled by ANSIBLE_CALLBACKS_ENABLED
"""

import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "maas_task_time"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._began = 0.0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._began = time.perf_counter()

    def v2_runner_on_ok(self, result: Any) -> None:
        seconds = time.perf_counter() - self._began
        with Path(os.environ["MAAS_TASK_TIME"]).open("a", encoding="utf-8") as record:
            record.write(f"{seconds}\n")
