# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show how far a module is while it runs, from the line that it keeps in a file."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible import constants

from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import DirectAction
from ansible_collections.llmops.maas.plugins.plugin_utils._report.display import display, host_prefix, is_quiet, tell

# What is over by then is not worth a line.
FIRST_SECONDS = 3.0
SECONDS = 5.0


class ProgressAction(DirectAction):
    """For action plugins whose module has the option ``progress``: shows what it leaves there while it runs."""

    def _execute_module(
        self, module_name: str | None = None, module_args: dict[str, Any] | None = None, *rest: Any, **options: Any
    ) -> dict[str, Any]:
        arguments = {**(self._task.args if module_args is None else module_args), "progress": None}
        # What runs in the background or elsewhere does not see the file.
        elsewhere = self._task.async_val or self._connection.transport != "local"
        silent = elsewhere or is_quiet(os.environ, display.verbosity)
        prefix = host_prefix(options.get("task_vars") or {})
        with contextlib.nullcontext() if silent else shown(prefix) as arguments["progress"]:
            answer = super()._execute_module(module_name, arguments, *rest, **options)
        answer.get("invocation", {}).get("module_args", {}).pop("progress", None)
        return answer


@contextlib.contextmanager
def shown(prefix: str = "", first: float = FIRST_SECONDS, later: float = SECONDS) -> Iterator[str]:
    """A file whose line is shown while the context lasts: after ``first`` seconds, then every ``later`` when it
    changed.
    """
    handle, path = tempfile.mkstemp(prefix="progress-", dir=str(vars(constants)["DEFAULT_LOCAL_TMP"]))
    os.close(handle)
    over = threading.Event()
    thread = threading.Thread(target=_follow, args=(Path(path), prefix, over, first, later), daemon=True)
    thread.start()
    try:
        yield path
    finally:
        over.set()
        thread.join()
        Path(path).unlink(missing_ok=True)


def _follow(path: Path, prefix: str, over: threading.Event, first: float, later: float) -> None:
    last, seconds = "", first
    while not over.wait(seconds):
        seconds = later
        line, end, _rest = path.read_text("utf-8").partition("\n")
        if end and line != last:
            tell(f"{prefix}  {line}")
            last = line
