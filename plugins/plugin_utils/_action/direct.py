# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module inside Ansible's worker process where that makes no difference.

A module is usually packed, started in a new Python and compiled there, each time: that takes longer than most of what
the modules here do. On the control node itself, with the Python that runs Ansible, the module's ``main`` is called
instead, with the same arguments and the same serialization both ways (as ansible.netcommon does, for which ansible-core
keeps AnsibleModule usable in the worker). Everywhere else Ansible runs the module as usual.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import Call, Guard, call, hide, secret_arguments
from ansible_collections.llmops.maas.plugins.module_utils._kube.config import AUTH_ARGUMENTS
from ansible_collections.llmops.maas.plugins.plugin_utils._action.core import module_arguments, module_result
from ansible_collections.llmops.maas.plugins.plugin_utils._report.unchecked import note


class DirectAction(ActionBase):
    """Base of the action plugins. A subclass names its module; what more it does, it does in ``perform``."""

    _supports_check_mode = True
    module: ModuleType

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the task, whatever happens: what nobody expected is a failure without secrets in its words."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        with call() as current:
            for value in secret_arguments(self._spec(), self._task.args):
                hide(value)
            with Guard(current, lambda error: not _is_plain(error, current)) as guard:
                return {**result, **self.perform(task_vars or {})}
            return {**result, "failed": True, "msg": guard.message}

    def perform(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the module, with what is to be done on the controller; returns what is added to the result."""
        raise NotImplementedError

    def _spec(self) -> dict[str, Any]:
        return {**AUTH_ARGUMENTS, **getattr(self.module, "ARGUMENTS", {})}

    def _execute_module(
        self,
        module_name: str | None = None,
        module_args: dict[str, Any] | None = None,
        tmp: str | None = None,
        task_vars: dict[str, Any] | None = None,
        *rest: Any,
        **options: Any,
    ) -> dict[str, Any]:
        variables = task_vars or {}
        arguments = dict(self._task.args if module_args is None else module_args)
        if self._runs_here(variables):
            self._update_module_args(module_name or self._task.action, arguments, variables)
            answer = module_result(printed(self.module, arguments))
        else:
            answer = super()._execute_module(module_name, arguments, tmp, variables, *rest, **options)
        # Not what a task of its own accord runs in check mode.
        if variables.get("ansible_check_mode") and answer.get("unchecked"):
            note(answer["unchecked"])
        return answer

    def _runs_here(self, variables: Mapping[str, Any]) -> bool:
        task = self._task
        elsewhere = (
            self._connection.transport != "local"
            or self._play_context.become
            or task.delegate_to
            or task.async_val
            or any(task.environment or [])
            # Somebody wants to see the module as it is sent.
            or constants.config.get_config_value("DEFAULT_KEEP_REMOTE_FILES")
        )
        return not elsewhere and self._interpreter(variables) == sys.executable

    def _interpreter(self, variables: Mapping[str, Any]) -> str:
        """The Python that is set for modules; empty where Ansible would have to look for one."""
        chosen = variables.get("ansible_python_interpreter")
        return str(self._templar.template(chosen)) if chosen else ""


class ModuleAction(DirectAction):
    """For modules that need nothing else done on the controller."""

    def perform(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        return self._execute_module(task_vars=task_vars, wrap_async=bool(self._task.async_val))


def _is_plain(error: Exception, current: Call) -> bool:
    """Whether it is an error of Ansible, ours among them, that shows no secret: it speaks for itself."""
    return isinstance(error, AnsibleError) and current.mask_foreign(str(error)) == str(error)


def printed(module: ModuleType, arguments: Mapping[str, Any]) -> str:
    """What the module prints for these arguments: its result.

    :raises RuntimeError: if it ends without a result
    """
    output = io.StringIO()
    with module_arguments(arguments), contextlib.redirect_stdout(output):
        try:
            module.main()
        except SystemExit:
            pass
        else:
            raise RuntimeError(f"{module.__name__} ended without a result")
    return output.getvalue()
