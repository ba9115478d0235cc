# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform to verify: its variables with the defaults of the role maas, and what its cluster holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.llmops.maas.plugins.plugin_utils._verify.plan import VerifyPlan, kinds, plan

Json = dict[str, Any]

DEFAULTS = Path(__file__).resolve().parents[2] / "roles/maas/defaults/main"
QWEN = {
    "name": "qwen3",
    "task": "generate",
    "served_names": ["qwen3", "qwen"],
    "paths": ["/qwen3", "/qwen"],
    "rates": [{"limit": 1500, "window": "1h"}, {"limit": 150, "window": "1m"}],
}
NOMIC = {
    "name": "nomic",
    "task": "embed",
    "served_names": ["nomic"],
    "paths": ["/nomic"],
    "rates": [{"limit": 20, "window": "1m"}],
}
USERS = [{"name": "alice", "groups": ["admin"], "key": "not-to-be-seen"}, {"name": "bob", "groups": ["readonly"]}]
NAMES = ("qwen3", "nomic")
CLIENTS = [{"name": "app", "groups": ["developer"]}, {"name": "weak", "groups": ["user"], "role": "no"}]


def platform(**changes: Any) -> Json:
    """Variables of the role maas by their names without the prefix."""
    found: Json = {}
    for name in ("platform", "verification"):
        found |= yaml.safe_load((DEFAULTS / f"{name}.yml").read_text())
    variables = {name.removeprefix("maas_"): value for name, value in found.items()}
    changed = {"users": USERS, "catalogue": [QWEN, NOMIC], **changes}
    tokens = changed.get("auth_mode", "api_key") != "api_key"
    return {**variables, "keycloak_enabled": tokens, **changed}


def item(name: str, namespace: str = "llm", **more: Any) -> Json:
    return {"metadata": {"name": name, "namespace": namespace}, **more}


def objects(address: str = "127.100.0.9", *, tls: bool = False) -> dict[str, list[Json]]:
    """What the cluster holds, by kind: the Gateway, routes and policies of the models, and a route of somebody else."""
    listeners = [{"name": "http", "protocol": "HTTP", "port": 80, "hostname": "localhost"}]
    if tls:
        listeners.append({"name": "https", "protocol": "HTTPS", "port": 443, "hostname": "localhost"})
    parents = [{"name": "kuadrant-gateway", "namespace": "llm"}]
    routes = [item(name, spec={"parentRefs": parents, "hostnames": ["localhost"], "rules": [{}]}) for name in NAMES]
    policies = [item(name, spec={"targetRef": {"kind": "HTTPRoute", "name": name}}) for name in NAMES]
    return {
        "Gateway": [item("other"), item("kuadrant-gateway", spec={"listeners": listeners})],
        "Service": [
            item("kuadrant-gateway-istio", spec={"clusterIP": address}),
            item("keycloak", "keycloak", spec={"clusterIP": address}),
        ],
        "HTTPRoute": [
            *routes,
            item("https-redirect", spec={"parentRefs": parents, "rules": [{}]}),
            item("foreign", "elsewhere", spec={"parentRefs": parents, "hostnames": ["a.example"], "rules": [{}]}),
        ],
        "AuthPolicy": policies,
    }


def planned(
    held: dict[str, list[Json]] | None = None, *, quick: bool = False, check_mode: bool = False, **variables: Any
) -> VerifyPlan:
    """The plan for such a platform; ``held`` are the objects by kind."""
    given = platform(**variables)
    there = objects() if held is None else held
    found = [there.get(entry["kind"], []) for entry in kinds(given)]
    return plan(given, found, "probe-1", quick=quick, check_mode=check_mode)
