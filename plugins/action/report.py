# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints lines and tables as they are; documented beside the modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.llmops.maas.plugins.plugin_utils._report.display import host_prefix, show
from ansible_collections.llmops.maas.plugins.plugin_utils._report.layout import LayoutError, Part, read_part, text
from ansible_collections.llmops.maas.plugins.plugin_utils._report.unchecked import note, noted, of_check_mode

_HIDDEN = "(a report that no_log hides)"
_ARGUMENTS: dict[str, Any] = {
    "lines": {"type": "list", "elements": "raw", "default": []},
    "unchecked": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "what": {"type": "str", "required": True},
            "why": {"type": "str", "required": True},
            "items": {"type": "list", "elements": "str", "default": []},
        },
    },
}


class ActionModule(ActionBase):
    _supports_async = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        variables = task_vars or {}
        arguments = _validated(self._task.args)
        checking = bool(variables.get("ansible_check_mode"))
        if checking and arguments["unchecked"]:
            note(arguments["unchecked"])
        parts = _parts(arguments["lines"])
        if checking and not arguments["unchecked"]:
            parts += of_check_mode(noted())
        if self._task.no_log and parts:
            parts = [text(_HIDDEN)]
        shown = show(parts, host_prefix(variables))
        return {**result, "changed": False, "lines": shown}


def _validated(given: Mapping[str, Any]) -> dict[str, Any]:
    answer = ArgumentSpecValidator(_ARGUMENTS).validate(dict(given))
    if answer.error_messages:
        raise AnsibleActionFail("; ".join(answer.error_messages))
    arguments: dict[str, Any] = answer.validated_parameters
    return arguments


def _parts(given: list[Any]) -> list[Part]:
    try:
        return [read_part(part, f"lines[{number}]") for number, part in enumerate(given)]
    except LayoutError as error:
        raise AnsibleActionFail(str(error)) from error
