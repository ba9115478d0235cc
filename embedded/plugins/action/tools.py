# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module once per build, so that each one shows while it goes on."""

from __future__ import annotations

from typing import Any

from ansible_collections.llmops.embedded.plugins.modules import tools
from ansible_collections.llmops.embedded.plugins.plugin_utils._building.progress import BuildProgress
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import DirectAction

MODULE = "llmops.embedded.tools"


class ActionModule(DirectAction):
    """First asks what is missing, then has it made, module by module."""

    module = tools

    def perform(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        arguments = dict(self._task.args)
        if arguments.get("tidy"):
            return self._call(arguments, task_vars, check=self._task.check_mode)
        plan = self._call(arguments, task_vars, check=True)
        if plan.get("failed") or self._task.check_mode:
            return plan
        return self._work(arguments, plan, task_vars)

    def _work(self, arguments: dict[str, Any], plan: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        there = [item for item in plan["tools"] if item["source"] != "build"]
        result = {**plan, "tools": there, "changed": False, "unchecked": []}
        groups = _groups(arguments["tools"], plan["tools"])
        progress = BuildProgress(sum(map(len, groups)), sum(item["seconds"] for group in groups for item in group))
        failures: list[str] = []
        for index, group in enumerate(groups):
            names = [item["name"] for item in group]
            arguments["prefetch"] = [item["name"] for later in groups[index + 1 :] for item in later]
            with progress.making(names, sum(item["seconds"] for item in group)) as report:
                made = report(self._call({**arguments, "only": names}, task_vars, check=False))
            if made.get("failed"):
                failures.append(str(made["msg"]))
                continue
            # A host that let nothing through is not asked again.
            arguments["unreachable"] = made["unreachable"]
            result["unreachable"] = made["unreachable"]
            result["paths"] = {**result["paths"], **made["paths"]}
            for key in ("tools", "missing", "notes"):
                result[key] = [*result[key], *made[key]]
            result["changed"] = result["changed"] or made["changed"]
        return {**result, "failed": True, "msg": "\n".join(failures)} if failures else result

    def _call(self, arguments: dict[str, Any], task_vars: dict[str, Any], *, check: bool) -> dict[str, Any]:
        before = self._task.check_mode
        self._task.check_mode = check
        try:
            done: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        finally:
            self._task.check_mode = before
        return done


def _groups(catalogue: list[dict[str, Any]], tools: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """What has to be made, tools of one module together, in the order of the catalogue."""
    modules = {item["name"]: item["module"] for item in catalogue}
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in tools:
        if item["source"] == "build":
            groups.setdefault(modules[item["name"]], []).append(item)
    return list(groups.values())
