# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the real kubectl makes of manifests, without a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

BINARY = Path(sys.executable).with_name("kubectl")


def read_by_kubectl(data: bytes, folder: Path) -> list[dict[str, Any]]:
    """The objects in that file, each with one annotation more. Raises ValueError with kubectl's error."""
    path = folder / "manifests.yaml"
    path.write_bytes(data)
    command = [BINARY, "--kubeconfig=/dev/null", "annotate", "--local", "-f", path, "read=yes", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr)
    return list(_documents(done.stdout))


def _documents(text: str) -> Any:
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:]
