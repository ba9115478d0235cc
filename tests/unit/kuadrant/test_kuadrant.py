# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kuadrant's operator and HTTPRoutes say of a Gateway. Inputs are those that readers once took differently."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.llmops.maas.plugins.filter.kuadrant_services import kuadrant_services
from ansible_collections.llmops.maas.plugins.module_utils._wait.expressions import NoValueError, compile_expression
from ansible_collections.llmops.maas.plugins.plugin_utils._kuadrant import routes, wasm
from ansible_collections.llmops.maas.plugins.plugin_utils._platform import policies

WHERE = {"namespace": "llm", "name": "gw"}
TARGET = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}
GOOD = {
    "auth-service": {"type": "auth", "failureMode": "deny", "timeout": "2s"},
    "ratelimit-service": {"type": "ratelimit", "failureMode": "deny"},
    "ratelimit-check-service": {"type": "ratelimit-check", "failureMode": "deny"},
    "ratelimit-report-service": {"type": "ratelimit-report", "failureMode": "deny"},
    "tracing-service": {"type": "tracing", "failureMode": "allow"},
}
DECIDING = [name for name in GOOD if name != "tracing-service"]


def patch(text: Any, name: str = "envoy.filters.http.wasm") -> dict[str, Any]:
    value = {"config": {"configuration": {"value": text}}}
    return {"patch": {"value": {"name": name, "typed_config": {"value": value}}}}


CLUSTER = {"applyTo": "CLUSTER", "patch": {"operation": "ADD", "value": {"name": "kuadrant-auth-service"}}}


def envoy_filter(*patches: Any, namespace: str = "llm", targets: Any = (TARGET,)) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": "kuadrant-gw"}
    return {"metadata": metadata, "spec": {"targetRefs": list(targets), "configPatches": list(patches)}}


def told(services: Any = None, **change: str) -> dict[str, Any]:
    found = GOOD if services is None else services
    return patch(json.dumps({"services": {name: {**item, **change} for name, item in found.items()}, "actionSets": []}))


def without(target: dict[str, str], *fields: str) -> dict[str, str]:
    return {field: value for field, value in target.items() if field not in fields}


@pytest.mark.parametrize(
    ("item", "names"),
    [
        (envoy_filter(told()), DECIDING),
        # The filter's patch need not be the first one.
        (envoy_filter(CLUSTER, told()), DECIDING),
        (envoy_filter(told(), told({"more": {"type": "auth", "failureMode": "deny"}})), [*DECIDING, "more"]),
        (envoy_filter(told(), targets=[without(TARGET, "group")]), DECIDING),
        (envoy_filter(told(), targets=[{**TARGET, "name": "other"}, TARGET]), DECIDING),
        # Of another namespace, kind, group or name; another filter's; nothing yet.
        (envoy_filter(told(), namespace="other"), []),
        (envoy_filter(told(), targets=[{**TARGET, "kind": "Service"}]), []),
        (envoy_filter(told(), targets=[{**TARGET, "group": ""}]), []),
        (envoy_filter(told(), targets=[{**TARGET, "name": "other"}]), []),
        (envoy_filter(told(), targets=[]), []),
        (envoy_filter(patch(json.dumps({"services": GOOD}), name="envoy.filters.http.lua")), []),
        (envoy_filter(patch("{")), []),
        (envoy_filter(patch(None)), []),
        (envoy_filter(patch('{"actionSets": []}')), []),
        (envoy_filter(patch("[]")), []),
        (envoy_filter(CLUSTER), []),
        (envoy_filter(), []),
    ],
)
def test_which_services_a_gateway_asks(item: dict[str, Any], names: list[str]) -> None:
    assert [service["name"] for service in kuadrant_services([item], WHERE)] == names


@pytest.mark.parametrize("limits", ["deny", "allow"])
@pytest.mark.parametrize("changed", DECIDING)
def test_a_service_that_fails_otherwise_than_chosen_is_named(changed: str, limits: str) -> None:
    found = {name: {**item, "failureMode": limits} for name, item in GOOD.items()} | {
        "auth-service": GOOD["auth-service"]
    }
    assert not wrong([envoy_filter(told(found))], limits)
    other = {"deny": "allow", "allow": "deny"}[found[changed]["failureMode"]]
    broken = {**found, changed: {**found[changed], "failureMode": other}}
    assert wrong([envoy_filter(told(broken))], limits) == [changed]
    unsaid = {**found, changed: without(found[changed], "failureMode")}
    assert wrong([envoy_filter(told(unsaid))], limits) == [changed]


def wrong(filters: list[dict[str, Any]], limits: str) -> list[str]:
    return [item["name"] for item in kuadrant_services(filters, WHERE, limits_failure_mode=limits) if item["wrong"]]


ITEMS = [
    envoy_filter(told()),
    envoy_filter(CLUSTER, told()),
    envoy_filter(told(failureMode="allow")),
    envoy_filter(told({"auth-service": {"type": "auth"}})),
    envoy_filter(told(), told({"more": {"type": "auth", "failureMode": "allow"}})),
    envoy_filter(told({"tracing-service": GOOD["tracing-service"]})),
    envoy_filter(told(), targets=[without(TARGET, "group")]),
    envoy_filter(told(), targets=[{**TARGET, "kind": "Service"}]),
    envoy_filter(told(), targets=[]),
    envoy_filter(patch(json.dumps({"services": GOOD}), name="envoy.filters.http.lua")),
    envoy_filter(patch('{"actionSets": []}')),
    envoy_filter(patch("{")),
    envoy_filter(CLUSTER),
    envoy_filter(),
    {"metadata": {"namespace": "llm"}, "spec": {}},
]


@pytest.mark.parametrize("limits", ["deny", "allow"])
@pytest.mark.parametrize("item", ITEMS, ids=range(len(ITEMS)))
def test_the_wait_ends_when_the_filter_finds_nothing_wrong(item: dict[str, Any], limits: str) -> None:
    modes = policies.failure_modes(limits)
    resource = wasm.configured(WHERE, modes)
    assert (resource["kind"], resource["namespace"], resource["name"]) == ("EnvoyFilter", "llm", "kuadrant-gw")
    try:
        reached = compile_expression(resource["for"]["jmespath"])(item) == resource["for"]["value"]
    except NoValueError:
        reached = False
    found = kuadrant_services([item], WHERE, limits)
    assert reached == (bool(found) and not any(service["wrong"] for service in found))


GATEWAY = {
    "metadata": {"namespace": "llm", "name": "gw"},
    "spec": {
        "listeners": [{"name": "http", "protocol": "HTTP"}, {"name": "https", "protocol": "HTTPS"}],
    },
}


def route(*parents: Any, namespace: str = "llm") -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": "r"}, "spec": {"parentRefs": list(parents)}}


@pytest.mark.parametrize(
    ("item", "schemes"),
    [
        (route({"name": "gw"}), {"http", "https"}),
        (route({"name": "gw", "sectionName": "https"}), {"https"}),
        (route({**TARGET, "namespace": "llm", "sectionName": "http"}), {"http"}),
        (route({"name": "gw", "namespace": "llm"}, namespace="other"), {"http", "https"}),
        # The section of another parent says nothing about this one.
        (route({"name": "other"}, {"name": "gw", "sectionName": "https"}), {"https"}),
        (route({"name": "gw"}, namespace="other"), set()),
        (route({"name": "gw", "namespace": "other"}), set()),
        (route({"name": "gw", "kind": "Service", "group": ""}), set()),
        (route({"name": "gw", "kind": "Service"}), set()),
        (route({"name": "gw", "group": "example.com"}), set()),
        (route({"name": "other"}), set()),
        (route(), set()),
    ],
)
def test_which_listeners_a_route_is_attached_to(item: dict[str, Any], schemes: set[str]) -> None:
    assert routes.attached(item, GATEWAY) == bool(schemes)
    assert routes.schemes(item, GATEWAY) == schemes
