# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line: ``python -m stand_ins.vllm SIMULATOR PORT [vLLM's own arguments]``; becomes the simulator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence

_OPTION = re.compile(r"^\s*(?:-\w, )?--([a-z0-9-]+)", re.MULTILINE)


def simulator_arguments(known: set[str], port: str, own: Sequence[str]) -> list[str]:
    """The arguments for vLLM without the options, and their values, that the simulator lacks, and with another port."""
    kept: list[str] = []
    keep = False
    for word in own:
        if word.startswith("--"):
            name = word[2:].partition("=")[0]
            keep = name in known and name != "port"
        if keep:
            kept.append(word)
    dummy = [] if "--force-dummy-tokenizer" in kept else ["--force-dummy-tokenizer"]
    return [*kept, *dummy, f"--port={port}"]


def main() -> None:
    simulator, port, *own = sys.argv[1:]
    text = subprocess.run([simulator, "--help"], capture_output=True, text=True, check=False)
    known = set(_OPTION.findall(text.stdout + text.stderr))
    os.execv(simulator, [simulator, *simulator_arguments(known, port, own)])  # noqa: S606  # a list, no shell


if __name__ == "__main__":
    main()
