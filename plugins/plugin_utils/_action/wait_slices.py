# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a wait module in slices and report between them what has changed.

A module cannot speak while it runs, and it may run on another host; so it runs for some seconds at a time, each run
going on where the last one ended.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import DirectAction
from ansible_collections.llmops.maas.plugins.plugin_utils._report.display import display, host_prefix, is_quiet, tell

SLICE_SECONDS = 15.0
# The first line comes soon, so that nobody wonders whether anything happens.
FIRST_SLICE_SECONDS = 3.0
MOST_OBJECTS_IN_LINE = 6
PRIVATE_RESULTS = ("finished", "resume", "troubles")


class WaitAction(DirectAction):
    """Base of the wait modules' action plugins; they say which rows of the result to report."""

    _supports_async = False
    rows_key = ""

    def perform(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        wanted = {key: value for key, value in self._task.args.items() if key not in {"resume", "slice_seconds"}}
        quiet = is_quiet(os.environ, display.verbosity)
        progress = WaitProgress(host_prefix(task_vars))
        seconds, resume = FIRST_SLICE_SECONDS, None
        while True:
            arguments = {**wanted, "slice_seconds": seconds, "slice_early": not quiet, "resume": resume}
            answer = self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=False)
            if answer.get("finished", True) or answer.get("failed") or not answer.get("resume"):
                break
            if not quiet:
                progress.tell(answer.get(self.rows_key) or [], answer.get("seconds", 0), answer.get("troubles") or [])
            seconds, resume = SLICE_SECONDS, answer["resume"]
        result = {key: value for key, value in answer.items() if key not in PRIVATE_RESULTS}
        # The slices' state says nothing to people and is long.
        result.get("invocation", {}).get("module_args", {}).pop("resume", None)
        return result


class WaitProgress:
    """Shows a line when something changed since the last one."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._last: object = None

    def tell(self, rows: Sequence[Mapping[str, Any]], seconds: int, troubles: Sequence[str]) -> None:
        news = ([(row.get("name"), row.get("phase"), row.get("reason")) for row in rows], list(troubles))
        if news == self._last:
            return
        self._last = news
        tell(self._prefix + progress_line(rows, seconds, troubles))


def progress_line(rows: Sequence[Mapping[str, Any]], seconds: int, troubles: Sequence[str] = ()) -> str:
    """For example ``2/4 ready after 35 s; qwen: downloading for 20 s; granite: unschedulable for 35 s (0/3 ...)``."""
    if not rows:
        return f"  waiting for the API server for {seconds} s: {'; '.join(troubles) or 'no answer yet'}"
    ready = sum(1 for row in rows if row.get("ready"))
    waiting = [row for row in rows if not row.get("ready")]
    parts = [f"  {ready}/{len(rows)} ready after {seconds} s", *(_part(row) for row in waiting[:MOST_OBJECTS_IN_LINE])]
    if len(waiting) > MOST_OBJECTS_IN_LINE:
        parts.append(f"and {len(waiting) - MOST_OBJECTS_IN_LINE} more")
    if troubles:
        parts.append(f"connection: {troubles[0]}")
    return "; ".join(parts)


# What these phases wait for is plain; for all others the reason is shown.
_PLAIN_PHASES = frozenset({"pulling", "downloading", "loading"})


def _part(row: Mapping[str, Any]) -> str:
    name = f"{row['kind']} {row.get('name')}" if row.get("kind") else row.get("name")
    text = f"{name}: {row.get('phase')} for {row.get('phase_seconds', 0)} s"
    if row.get("phase") in _PLAIN_PHASES and row.get("reason", "").lower() == row.get("phase"):
        return text
    message = " ".join(str(row.get("message") or row.get("reason") or "").split())
    return f"{text} ({message[:120]}{'...' if len(message) > 120 else ''})" if message else text
