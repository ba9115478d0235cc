# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What EnvoyFilters change in the virtual hosts of a Gateway, as istiod would: merged filter settings alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .kuadrant import targets

_KEY = "typed_per_filter_config"


def host_settings(envoy_filters: Iterable[Mapping[str, Any]], gateway: Mapping[str, Any]) -> dict[str, Any]:
    """``typed_per_filter_config`` that every virtual host of the Gateway gets."""
    found: dict[str, Any] = {}
    metadata = gateway["metadata"]
    for item in envoy_filters:
        if targets(item, metadata["namespace"], metadata["name"]):
            for patch in item["spec"].get("configPatches") or ():
                if patch.get("applyTo") == "VIRTUAL_HOST" and patch["patch"].get("operation") == "MERGE":
                    found |= patch["patch"]["value"].get(_KEY) or {}
    return {_KEY: found} if found else {}
