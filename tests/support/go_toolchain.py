# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go that builds the embedded cluster's programs, for tests that build one of their own."""

from __future__ import annotations

from pathlib import Path

import yaml

from ansible_collections.llmops.embedded.plugins.module_utils._embedded.go_modules import Go, have_go
from ansible_collections.llmops.maas.plugins.module_utils._supervise.state import cache_home

CATALOGUE = Path(__file__).resolve().parents[2] / "embedded/roles/embedded_cluster/vars/main.yml"


def go_toolchain(least: tuple[int, ...], caches: Path) -> Go:
    """At least that version; what it downloads and compiles is kept in ``caches``."""
    package = yaml.safe_load(CATALOGUE.read_text())["__embedded_cluster_go_package"]
    return Go(have_go([least], cache_home(), str(package)).binary, caches)
