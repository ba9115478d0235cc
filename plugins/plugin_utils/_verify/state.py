# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster itself says of the policies: whether they are there, accepted and enforced, and fail closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.maas.plugins.plugin_utils._kuadrant import wasm
from ansible_collections.llmops.maas.plugins.plugin_utils._platform.policies import POLICIES

Row = dict[str, Any]
Objects = Sequence[Mapping[str, Any]]

_MISSING = "missing"
# What enforces policies (Deployments of the Kuadrant operator's chart and of its operands).
COMPONENTS = (
    "kuadrant-operator-controller-manager",
    "authorino-operator",
    "limitador-operator-controller-manager",
    "authorino",
    "limitador-limitador",
)


def policies(
    models: Objects,
    tiers: Objects,
    found: Mapping[str, Objects],
    gateway: Mapping[str, str],
    components: Sequence[Row],
) -> list[Row]:
    """A row for each policy that a model needs, and for the one that denies by default.

    :param models: the catalogue with every field.
    :param tiers: ``maas_tiers``. Both say which policies a model needs, see ``POLICIES``.
    :param found: all objects by kind, of each kind of ``POLICIES``.
    :param gateway: ``namespace`` and ``name``; the namespace is that of the models.
    :param components: rows of ``component_rows``: those that fail are named where a policy is not enforced.
    """
    down = [f"{row['name']} is {row['got']}" for row in components if not row["passed"]]
    rows = []
    for model in models:
        for kind in (entry.kind for entry in POLICIES if entry.needed(model, tiers)):
            name = f"{kind} of HTTPRoute {gateway['namespace']}/{model['name']}"
            policy = _targeting(found[kind], "HTTPRoute", gateway["namespace"], str(model["name"]))
            rows.append(_policy_row(name, policy, ("Accepted", "Enforced"), down, str(model["name"])))
    deny = _targeting(found["AuthPolicy"], "Gateway", gateway["namespace"], gateway["name"])
    # Not Enforced: that it is overridden on every route there is, is right.
    rows.append(
        _policy_row(f"AuthPolicy of Gateway {gateway['namespace']}/{gateway['name']}", deny, ("Accepted",), down)
    )
    return rows


def _targeting(items: Objects, kind: str, namespace: str, name: str) -> Mapping[str, Any] | None:
    for item in items:
        target = item["spec"].get("targetRef") or {}
        if item["metadata"]["namespace"] == namespace and (target.get("kind"), target.get("name")) == (kind, name):
            return item
    return None


def _policy_row(
    name: str, policy: Mapping[str, Any] | None, wanted: Iterable[str], down: Sequence[str], model: str = ""
) -> Row:
    expected = ", ".join(wanted)
    if policy is None:
        return row("policies", name, expected, _MISSING, "there is no such policy; deploy it with --tags auth", model)
    conditions = _conditions(policy)
    unmet = [kind for kind in wanted if (conditions.get(kind) or {}).get("status") != "True"]
    if not unmet:
        return row("policies", name, expected, expected, "", model)
    condition = conditions.get(unmet[0]) or {}
    got = f"{unmet[0]}={condition.get('status', 'Unknown')} ({condition.get('reason', 'no status yet')})"
    reason = "; ".join([str(condition.get("message") or "the operator has not looked at it"), *down])
    return row("policies", name, expected, got, reason, model)


def component_rows(kuadrants: Objects, deployments: Objects) -> list[Row]:
    """A row for the Kuadrant instance and for each component that enforces policies."""
    ready = (_conditions(kuadrants[0]).get("Ready") or {}) if kuadrants else {}
    got = (
        _MISSING
        if not kuadrants
        else "Ready"
        if ready.get("status") == "True"
        else str(ready.get("reason") or "not Ready")
    )
    rows = [row("policies", "Kuadrant", "Ready", got, "" if got == "Ready" else str(ready.get("message") or ""))]
    by_name = {item["metadata"]["name"]: item for item in deployments}
    for name in COMPONENTS:
        got, reason = _availability(by_name.get(name))
        rows.append(row("policies", f"Deployment {name}", "available", got, reason))
    return rows


def _availability(deployment: Mapping[str, Any] | None) -> tuple[str, str]:
    if deployment is None:
        return _MISSING, "there is no such Deployment; deploy it with --tags kuadrant"
    wanted = int(deployment["spec"].get("replicas", 1))
    available = int((deployment.get("status") or {}).get("availableReplicas") or 0)
    if wanted and available >= wanted:
        return "available", ""
    message = (_conditions(deployment).get("Available") or {}).get("message") or ""
    return f"{available} of {wanted} available", str(message) or "no Pod is wanted"


def failure_modes(filters: Objects, gateway: Mapping[str, str], expected: Mapping[str, str]) -> list[Row]:
    """A row for each service that the Gateway asks: what it does when there is no answer.

    :param filters: all EnvoyFilters; the Kuadrant operator writes the configuration of its wasm filter into one.
    :param expected: failure mode by type of service (kuadrant-operator 1.5, internal/wasm/types.go).
    """
    found = {service["type"]: str(service.get("failureMode")) for service in wasm.services(filters, gateway)}
    rows = []
    for kind, mode in expected.items():
        got = found.get(kind, _MISSING)
        reason = "" if got == mode else "set by the environment of the Kuadrant operator's Deployment"
        rows.append(row("failure_modes", f"Failure mode of {kind}", mode, got, reason))
    return rows


def row(section: str, name: str, expected: str, got: str, reason: str, model: str = "") -> Row:
    """A result like those of the module gateway_check."""
    passed = got == expected
    return {
        "section": section,
        "name": name,
        "model": model,
        "user": "",
        "kind": "state",
        "expected": expected,
        "got": got,
        "passed": passed,
        "reason": reason,
        "latency_ms": 0.0,
    }


def _conditions(item: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {entry["type"]: entry for entry in (item.get("status") or {}).get("conditions") or ()}
