# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform as the plan of its policies wants to know it: the defaults of the role, and one inventory's catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.llmops.maas.plugins.filter.auth_plan import auth_plan
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.catalogue import normalise

CHECKOUT = Path(__file__).resolve().parents[2]
MODES = ("api_key", "jwt", "both")


def variables(**changes: Any) -> dict[str, Any]:
    """The variables by their names without ``maas_``."""
    defaults: dict[str, Any] = {}
    for name in ("platform", "verification"):
        defaults |= yaml.safe_load((CHECKOUT / f"roles/maas/defaults/main/{name}.yml").read_text())
    inventory = yaml.safe_load((CHECKOUT / "inventories/embedded/group_vars/all/models.yml").read_text())
    found = {name.removeprefix("maas_"): value for name, value in {**defaults, **inventory}.items()}
    found["catalogue"] = normalise(found["models"], {"vllm-latest": {}}, "maas_models")
    found["keycloak_url"] = "http://keycloak.keycloak.svc.cluster.local:8080"
    found["keycloak_enabled"] = changes.get("auth_mode", "api_key") != "api_key"
    return {**found, **changes}


def planned(mode: str, **changes: Any) -> dict[str, Any]:
    return auth_plan(variables(auth_mode=mode, **changes))


def expressions(plan: dict[str, Any]) -> list[str]:
    """All CEL that Authorino gets of it."""
    rules = [pattern["predicate"] for rule in plan["authorization"].values() for pattern in _predicates(rule)]
    of_models = [entry[name] for entry in plan["entries"] for name in ("allowed", "tier", "list") if name in entry]
    return list(dict.fromkeys([plan["user"], plan["groups"], *rules, *of_models]))


def _predicates(rule: dict[str, Any]) -> list[dict[str, str]]:
    return [*rule.get("when", ()), *rule["patternMatching"]["patterns"]]
