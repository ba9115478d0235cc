# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module once per build, so that each one shows while it goes on."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.llmops.embedded.plugins.modules import tools
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import DirectAction
from ansible_collections.llmops.maas.plugins.plugin_utils._report.display import tell

MODULE = "llmops.embedded.tools"
_HOW = {"download": "downloaded", "image": "taken from its image", "build": "built"}


class ActionModule(DirectAction):
    """First asks what is missing, then has it made, module by module."""

    module = tools

    def perform(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        arguments = dict(self._task.args)
        plan = self._call(arguments, task_vars, check=True)
        if plan.get("failed") or self._task.check_mode:
            return plan
        return self._work(arguments, plan, task_vars)

    def _work(self, arguments: dict[str, Any], plan: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        there = [item for item in plan["tools"] if item["source"] != "build"]
        result = {**plan, "tools": there, "changed": False, "unchecked": []}
        groups = _groups(arguments["tools"], plan["tools"])
        left = sum(item["seconds"] for group in groups for item in group)
        if groups:
            tell(f"  {sum(map(len, groups))} tools are missing; that takes about {_span(left)} on two cores, once")
        for index, group in enumerate(groups):
            arguments["prefetch"] = [item["name"] for later in groups[index + 1 :] for item in later]
            made = self._make(group, arguments, task_vars, left)
            if made.get("failed"):
                return made
            left -= sum(item["seconds"] for item in group)
            # A host that let nothing through is not asked again.
            arguments["unreachable"] = made["unreachable"]
            result["unreachable"] = made["unreachable"]
            for note in made["notes"]:
                tell(f"  {note}")
            result["paths"] = {**result["paths"], **made["paths"]}
            for key in ("tools", "missing", "notes"):
                result[key] = [*result[key], *made[key]]
            result["changed"] = result["changed"] or made["changed"]
        return result

    def _make(
        self, group: list[dict[str, Any]], arguments: dict[str, Any], task_vars: dict[str, Any], left: float
    ) -> dict[str, Any]:
        names = ", ".join(item["name"] for item in group)
        expected = sum(item["seconds"] for item in group)
        tell(f"  {names} {group[0]['version']}: about {_span(expected)} ({_span(left)} for all that is left)")
        begin = time.monotonic()
        made = self._call({**arguments, "only": [item["name"] for item in group]}, task_vars, check=False)
        spent = _span(time.monotonic() - begin)
        if made.get("failed"):
            tell(f"  {names}: failed after {spent}")
        elif made["missing"]:
            tell(f"  {names}: could not be had ({spent}), going on without")
        else:
            how = _HOW.get(made["tools"][0]["source"], "found")
            tell(f"  {names}: {how} in {spent}")
        return made

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


def _span(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 90 else f"{round(whole / 60)} min"
