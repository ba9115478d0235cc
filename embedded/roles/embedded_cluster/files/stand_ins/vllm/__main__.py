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
# An option on a command line, and not a negative number.
_IS_OPTION = re.compile(r"--?[A-Za-z]")


def simulator_arguments(known: set[str], port: str, own: Sequence[str]) -> list[str]:
    """The arguments for vLLM without the options, and their values, that the simulator lacks, and with another port.

    Like ``vllm serve``, it takes the model as the first word or by ``--model``, and underscores in names of options
    (``vllm/utils/argparse_utils.py``).
    """
    model, rest = (own[:1], own[1:]) if own and not _IS_OPTION.match(own[0]) else ([], own)
    kept = [f"--model={word}" for word in model]
    keep = False
    for word in rest:
        if _IS_OPTION.match(word):
            name, equals, value = word.partition("=")
            name = name.replace("_", "-")
            keep = name.startswith("--") and name[2:] in known and name != "--port"
            kept += [f"{name}{equals}{value}"] if keep else []
        elif keep:
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
