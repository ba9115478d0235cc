# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the platform's variables; documented beside the modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.utils.vars import load_extra_vars

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import hide, leaves, masked
from ansible_collections.llmops.maas.plugins.modules import platform
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import DirectAction
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.door import Platform, read_platform
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.plain import plain
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.spec import (
    PREFIX,
    Variable,
    booleans_of_roles,
    computed_names,
    read_variables,
)

_ARGUMENTS: dict[str, Any] = {"check_only": {"type": "bool", "default": False}}
_SEPARATOR = "\n  - "
# Before ansible-core 2.19 what a filter raises comes as it is.
_TEMPLATE_ERRORS = (
    AnsibleError, ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip


class ActionModule(DirectAction):
    _supports_async = False
    _requires_connection = False
    module = platform

    def perform(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        answer = ArgumentSpecValidator(_ARGUMENTS).validate(dict(self._task.args))
        if answer.error_messages:
            raise AnsibleActionFail("; ".join(answer.error_messages))
        check_only = answer.validated_parameters["check_only"]
        if not check_only and not self._task.no_log:
            raise AnsibleActionFail(
                f"{self._task.action}: the result holds secrets; set no_log: true, or check_only: true"
            )
        found = self._read(task_vars)
        if found.problems:
            return {"failed": True, "msg": _message(found.problems)}
        return {"changed": False} if check_only else {"changed": False, **found.values}

    def _read(self, task_vars: Mapping[str, Any]) -> Platform:
        given, unreadable = self._templated(task_vars)
        for value in _secrets(given, read_variables()):
            hide(value)
        extra_vars = set(load_extra_vars(self._loader))
        return read_platform(given, extra_vars, {name: masked(reason) for name, reason in unreadable.items()})

    def _templated(self, task_vars: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """The variables as plain data, and why others could not be had."""
        given: dict[str, Any] = {}
        unreadable: dict[str, str] = {}
        own, computed = booleans_of_roles(), computed_names()
        for name in sorted(task_vars):
            if name in computed:
                # Made from the result of this very task.
                given[name] = None
            elif name.startswith(PREFIX) or name in own:
                try:
                    given[name] = plain(self._templar.template(task_vars[name]), task_vars.get("omit"))
                except _TEMPLATE_ERRORS as error:
                    # Defaults of other roles may read the result of this task, which is not there yet.
                    if name not in own:
                        unreadable[name] = _reason(error, read_variables().get(name.removeprefix(PREFIX)))
        return given, unreadable


def _reason(error: Exception, variable: Variable | None) -> str:
    """Why a template failed. A filter may quote what it was given, which is not shown where it may be secret."""
    if variable and variable.secret and not isinstance(error, AnsibleUndefinedVariable):
        return "cannot be made: its template failed, on a value that is not shown"
    return f"cannot be made: {error}"


def _message(problems: list[str]) -> str:
    """Short where there is one mistake."""
    if len(problems) == 1:
        return problems[0]
    return _SEPARATOR.join([f"{len(problems)} mistakes in the variables, nothing was changed:", *problems])


def _secrets(given: Mapping[str, Any], variables: Mapping[str, Variable]) -> Iterator[str]:
    for name, variable in variables.items():
        yield from _secret_parts(given.get(f"{PREFIX}{name}"), variable)


def _secret_parts(value: Any, variable: Variable) -> Iterator[str]:
    if variable.no_log or (isinstance(value, str) and variable.secret):
        yield from leaves(value)
    elif isinstance(value, list):
        for entry in value:
            yield from _secret_parts(entry, variable)
    elif isinstance(value, Mapping):
        for name, option in variable.options.items():
            yield from _secret_parts(value.get(name), option)
