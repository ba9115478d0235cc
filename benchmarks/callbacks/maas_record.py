# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes down what the tasks of a playbook were really given: the objects to apply, and what to wait for."""

from __future__ import annotations

DOCUMENTATION = r"""
name: maas_record
type: notification
short_description: Write the arguments of the collection's tasks to a file
description:
  - For benchmarks. Appends one JSON object per task of the collection to the file named by the environment variable
    MAAS_RECORD - C(action), C(name), C(check) (whether the task runs in check mode by itself) and C(arguments).
requirements:
  - enabled by ANSIBLE_CALLBACKS_ENABLED
"""

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

RECORDED = {f"llmops.maas.{name}" for name in ("manifests", "secrets", "resource_wait", "inference_service_wait")}


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "maas_record"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        self._record(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        # In check mode waits skip themselves, but have read their arguments.
        self._record(result)

    @staticmethod
    def _record(result: Any) -> None:
        task = result.task
        arguments = (result.result.get("invocation") or {}).get("module_args")
        if task.action not in RECORDED or not arguments:
            return
        # What is long is shortened in the result; the task has it whole.
        given = result.task_fields.get("args") or {}
        if "definitions" in given:
            arguments = {**arguments, "definitions": given["definitions"]}
        entry = {
            "action": task.action.rpartition(".")[2],
            "name": task.get_name(),
            "check": bool(task.check_mode),
            "arguments": arguments,
        }
        with Path(os.environ["MAAS_RECORD"]).open("a", encoding="utf-8") as record:
            record.write(json.dumps(entry, default=str) + "\n")
