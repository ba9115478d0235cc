# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says who runs the playbook, and what is waited for while the module of the same name waits."""

from __future__ import annotations

import getpass
import os
import socket
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail

from ansible_collections.llmops.maas.plugins.module_utils._common.durations import DurationError, duration
from ansible_collections.llmops.maas.plugins.modules import run_lock
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import DirectAction
from ansible_collections.llmops.maas.plugins.plugin_utils._report.commands import Shell
from ansible_collections.llmops.maas.plugins.plugin_utils._report.display import tell

# A module cannot speak while it runs, so it waits this long at a time. The first time it does not wait, so that
# nobody wonders what happens.
SLICE_SECONDS = 15


class ActionModule(DirectAction):
    module = run_lock
    _supports_async = False

    def perform(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        if self._connection.transport != "local" or self._task.delegate_to not in (None, "localhost"):
            raise AnsibleActionFail(
                f"{self._task.action} runs on the control node only, where ansible-playbook runs: use it on localhost,"
                " with connection: local"
            )
        arguments = {**self._task.args, "run": this_run(task_vars)}
        try:
            timeout = duration(arguments.get("timeout", run_lock.DEFAULT_TIMEOUT), "timeout (maas_lock_timeout)")
        except DurationError as error:
            raise AnsibleActionFail(str(error)) from error
        # Only who takes the lock may have to wait.
        wait = timeout if arguments.get("state", "acquired") == "acquired" else 0
        return self._wait(arguments, wait, task_vars)

    def _wait(self, arguments: dict[str, Any], timeout: int, variables: dict[str, Any]) -> dict[str, Any]:
        """The module's last result, with lines about what it waits for in between."""
        deadline = time.monotonic() + timeout
        seconds, shown = 0, ""
        while True:
            given = {**arguments, "timeout": f"{seconds}s"}
            answer = self._execute_module(module_args=given, task_vars=variables, wrap_async=False)
            left = deadline - time.monotonic()
            if not (answer.get("failed") and answer.get("waiting_for")) or left <= 0:
                return answer
            if answer["waiting_for"] != shown:
                shown = answer["waiting_for"]
                # Standard error, because standard output may be meant for a program (the JSON callbacks).
                tell(f"  waiting up to {left:.0f} s: {shown}. {answer.get('hint') or ''}".rstrip())
            seconds = max(1, min(SLICE_SECONDS, round(left)))


def this_run(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Who runs which playbook, where. A task runs in a child of ansible-playbook."""
    return {
        "id": uuid.uuid4().hex[:8],
        "pid": os.getppid(),
        "user": _user(variables),
        "host": socket.gethostname(),
        "playbook": _playbook(context.CLIARGS, variables),
        "kubectl": Shell.this().program("kubectl") or "kubectl",
    }


def _user(variables: Mapping[str, Any]) -> str:
    for name in ("awx_user_name", "tower_user_name"):
        if variables.get(name):
            return str(variables[name])
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        # A container's user may have no name.
        return str(os.getuid())


def _playbook(options: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    """What was started, such as ``site.yml --tags models,auth (AWX job 42)``."""
    parts = [Path(str(name)).name for name in options.get("args") or []]
    tags = [str(tag) for tag in options.get("tags") or []]
    if tags and tags != ["all"]:
        parts.append(f"--tags {','.join(tags)}")
    job = variables.get("awx_job_id") or variables.get("tower_job_id")
    if job:
        parts.append(f"(AWX job {job})")
    return " ".join(parts) or "ansible"
