# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where and with what a benchmark ran, as far as it matters for the figures."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ansible_collections.kubernetes.core as kubernetes_core
import yaml

from benchmarks import CHECKOUT
from tests.support.api_server import find_binary


def machine() -> dict[str, Any]:
    """Cores that may be used, memory in GiB, and processor."""
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory.split()[1]) / 1024**2, 1),
        "processor": models[0].partition(":")[2].strip() if models else platform.machine(),
    }


def versions() -> dict[str, str]:
    """Versions of the peers and of what they run on."""
    manifest = Path(next(iter(kubernetes_core.__path__))) / "MANIFEST.json"
    server = said(find_binary("kube-apiserver"), "--version")
    client = json.loads(said(str(Path(sys.executable).with_name("kubectl")), "version", "--client", "--output=json"))
    return {
        "llmops.maas": str(yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())["version"]),
        "kubectl": str(client["clientVersion"]["gitVersion"]),
        "kubernetes.core": str(json.loads(manifest.read_text())["collection_info"]["version"]),
        "ansible-core": version("ansible-core"),
        "kubernetes (Python)": version("kubernetes"),
        "Python": platform.python_version(),
        "kube-apiserver": server.removeprefix("Kubernetes ").strip(),
    }


def said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
