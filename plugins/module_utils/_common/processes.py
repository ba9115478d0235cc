# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs of the embedded cluster.

ansible-test wants modules to call ``AnsibleModule.run_command``, which can neither end a program after some time, nor
give it an environment of its own, nor write its output into a file while it runs. Those that need that call this file.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any


def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with nothing on its standard input, and keep its output as text.

    :param options: of ``subprocess.run``; with ``stdout`` the output goes there
    :raises OSError: if it cannot be started
    :raises subprocess.TimeoutExpired: if it runs for longer than the option ``timeout`` in seconds
    """
    capture = "stdout" not in options
    return subprocess.run(  # pylint: disable=ansible-bad-function
        command, stdin=subprocess.DEVNULL, text=True, capture_output=capture, check=False, **options
    )


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program that nobody listens to.

    :param options: of ``subprocess.Popen``
    :raises OSError: if it cannot be started
    """
    nothing = subprocess.DEVNULL
    return subprocess.Popen(  # pylint: disable=ansible-bad-function
        command, stdin=nothing, stdout=nothing, stderr=nothing, **options
    )
