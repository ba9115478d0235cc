# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays of the tests' own, run in a pipe or on a terminal; none of them needs a cluster."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any


def playbook(folder: Path, *tasks: dict[str, Any], **variables: Any) -> Path:
    """A playbook with these tasks; roles of the collection find no cluster to look at, and look at none."""
    given = {"ansible_python_interpreter": "{{ ansible_playbook_python }}", "__maas_preflight": False, **variables}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": given, "tasks": list(tasks)}
    path = folder / "play.yml"
    path.write_text(json.dumps([play]))
    return path


def command(path: Path, *arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(path), *arguments]


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "AWX_", "NO_COLOR"))}
    return {**kept, "TERM": "xterm", "ANSIBLE_HOME": str(folder / "home"), **more}


def run(path: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    given = {"env": environment(path.parent, **more), "cwd": path.parent}
    return subprocess.run(command(path, *arguments), capture_output=True, text=True, timeout=60, check=False, **given)


def on_a_terminal(path: Path, **more: str) -> list[str]:
    """The lines that a terminal of 80 columns gets."""
    controller, terminal = pty.openpty()
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "env": environment(path.parent, **more), "cwd": path.parent}
    process = subprocess.Popen(command(path), stdout=terminal, stderr=terminal, **given)
    os.close(terminal)
    found = io.BytesIO()
    while True:
        try:
            part = os.read(controller, 65536)
        except OSError:  # how Linux reports that nobody holds the terminal any more
            break
        if not part:
            break
        found.write(part)
    os.close(controller)
    assert process.wait(60) == 0, found.getvalue()
    return found.getvalue().decode().replace("\r\n", "\n").split("\n")


def within(lines: list[str], wanted: list[str]) -> bool:
    """Whether these lines follow on one another somewhere."""
    return any(lines[start : start + len(wanted)] == wanted for start in range(len(lines)))
