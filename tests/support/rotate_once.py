# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the rotation once, in a process of its own that a test may kill: ``python rotate_once.py OPTIONS FOLDER``.

OPTIONS are those of the module as JSON; keys that go to files go below FOLDER, as the action plugin would put them.
The last word on standard error is the peak of its memory in KiB.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible_collections.llmops.maas.plugins.module_utils._keys.delivery import received_by
from ansible_collections.llmops.maas.plugins.modules import api_key_rotation
from ansible_collections.llmops.maas.plugins.plugin_utils._action.direct import printed
from ansible_collections.llmops.maas.plugins.plugin_utils._action.key_action import ControllerReceiver

if __name__ == "__main__":
    with received_by(ControllerReceiver(sys.argv[2], [])):
        sys.stdout.write(printed(api_key_rotation, json.loads(sys.argv[1])))
    # Not ru_maxrss, which counts the memory of the process that has started this one as well.
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    sys.stderr.write(f"\n{peak.split()[1]}\n")
