# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module inference_service_wait itself and notes when its wait returned.

``python -m benchmarks.waits.probe FILE``; the module's arguments come as JSON on standard input, as from Ansible. FILE
then holds the time in seconds since the epoch.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._wait import module as _wait_module
from ansible_collections.llmops.maas.plugins.module_utils._wait.loop import wait as real_wait
from ansible_collections.llmops.maas.plugins.modules import inference_service_wait


def main() -> None:
    target = Path(sys.argv.pop())

    def noted_wait(*arguments: Any, **options: Any) -> Any:
        outcome = real_wait(*arguments, **options)
        target.write_text(repr(time.time()))
        return outcome

    vars(_wait_module)["wait"] = noted_wait
    inference_service_wait.main()


if __name__ == "__main__":
    main()
