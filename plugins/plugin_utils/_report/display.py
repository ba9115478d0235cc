# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What action plugins show while a task runs: reports, and how far something is.

Ansible's Display shows it at once, also out of a worker process, in every callback and under ansible-runner.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ansible import constants
from ansible.utils import color
from ansible.utils.display import Display

from ansible_collections.llmops.maas.plugins.plugin_utils._report.layout import Part, Style, laid_out, plain

display = Display()

# Callbacks whose standard output is for people. All others may be read by a program: nothing is mixed into theirs.
_FOR_PEOPLE = frozenset({"awx_display", "debug", "default", "dense", "diy", "selective", "unixy", "yaml"})
_COLORS = {"ok": "COLOR_OK", "failed": "COLOR_ERROR", "warning": "COLOR_CHANGED"}
# Looked at where Ansible itself runs: workers, where actions run, have no terminal.
_TERMINAL = sys.stderr.isatty()
_BOLD = "\033[1m{}\033[0m"


def is_quiet(environment: Mapping[str, str], verbosity: int) -> bool:
    """Whether a program reads the output: then progress is shown only when someone asked for more with -v."""
    return verbosity < 1 and under_runner(environment)


def under_runner(environment: Mapping[str, str]) -> bool:
    """Whether ansible-runner, and so perhaps AWX, started this (``ansible_runner/config/_base.py``)."""
    return bool(environment.get("AWX_ISOLATED_DATA_DIR") or environment.get("AWX_HOST"))


def host_prefix(task_vars: Mapping[str, Any]) -> str:
    """What distinguishes lines of several hosts; empty for the control node itself."""
    host = str(task_vars.get("inventory_hostname", "localhost"))
    return "" if host == "localhost" else f"[{host}] "


def shows_on_stdout(callback: str, environment: Mapping[str, str]) -> bool:
    """Whether a report may go to standard output, where this callback writes.

    ansible-runner puts its own callback in the place of the chosen one, which it names in the environment.
    """
    chosen = environment.get("ORIGINAL_STDOUT_CALLBACK") if callback == "awx_display" else None
    return (chosen or callback).rpartition(".")[2] in _FOR_PEOPLE


def painted(words: str, style: Style) -> str:
    """The words in the colours that Ansible is configured for, where it uses colours at all."""
    if not color.ANSIBLE_COLOR or style == "plain":
        return words
    if style == "heading":
        return _BOLD.format(words)
    return str(color.stringc(words, getattr(constants, _COLORS[style])))


def show(parts: Sequence[Part], prefix: str = "") -> int:
    """Show a report; returns its number of lines."""
    callback = str(constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK"))
    stdout = shows_on_stdout(callback, os.environ)
    colours = stdout and not under_runner(os.environ)
    lines = [prefix + line for line in laid_out(parts)]
    coloured = [prefix + line for line in laid_out(parts, painted if colours else plain)]
    if lines:
        display.display("\n".join(coloured), stderr=not stdout, screen_only=True)
        display.display("\n".join(lines), log_only=True)
    return len(lines)


def tell(line: str) -> None:
    """Show how far something is, on standard error, because standard output may be meant for a program."""
    display.display(line, stderr=True)


def moves() -> bool:
    """Whether somebody sees a line that is written over: a terminal, not a file or the log of a CI."""
    return _TERMINAL and not under_runner(os.environ)


def overwrite(line: str) -> None:
    """Show a line where the last one that was shown so stands; an empty one makes room for other output."""
    width = display.columns
    display.display(f"\r{line[:width]:<{width}}\r{line[:width]}", stderr=True, screen_only=True, newline=False)
