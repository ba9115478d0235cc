# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories for the door: the role's defaults, with what a test sets."""

from __future__ import annotations

from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._platform.door import Platform, read_platform
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.spec import read_defaults

HOME = {"HOME": "/home/somebody"}
MADE = {
    "maas_cache_dir": "/home/somebody/.cache/llmops-maas",
    "maas_keycloak_url": "http://keycloak.keycloak.svc.cluster.local:8080",
    "maas_verify_report_dir": "/home/somebody/.local/state/llmops-maas/verify",
    "maas_runtimes": {
        "vllm-latest": {"image": "vllm:v0.31.0", "args": ["/mnt/models"]},
        "inference-sim": {"image": "sim:v0.10.2", "self_contained": True},
    },
}
"""Defaults that are made from others."""
QWEN = {"name": "qwen", "storage_uri": "hf://Qwen/Qwen3-0.6B"}
STRONG_KEY = "kR7-x2Qv9_Lm4Wz8Tn5Yb3Hd6Jf1Gs0Pc"


def read(environment: dict[str, str] | None = None, **variables: Any) -> Platform:
    """The door's result for the defaults with these variables, by their names without ``maas_``."""
    given = {f"maas_{name}": value for name, value in variables.items()}
    return read_platform({**read_defaults(), **MADE, **given}, environment=HOME if environment is None else environment)


def values(**variables: Any) -> Any:
    """The result, where nothing is wrong."""
    found = read(**variables)
    assert found.problems == []
    return found.values


def problem(**variables: Any) -> str:
    """The only message."""
    found = read(**variables).problems
    assert len(found) == 1, found
    return found[0]


def model(**fields: Any) -> Any:
    """The catalogue's entry for a model with these fields."""
    return values(models=[{**QWEN, **fields}])["catalogue"][0]


def model_problem(**fields: Any) -> str:
    return problem(models=[{**QWEN, **fields}])
