# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Kuadrant operator gives a gateway: the configuration of its wasm filter and the clusters that it calls.

Both are in EnvoyFilters that target the Gateway. The fields are those of the operator's wasm configuration
(kuadrant-operator 1.5, internal/wasm/types.go).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cel

LOG = logging.getLogger(__name__)

AUTH, LIMIT, CHECK, REPORT = "auth", "ratelimit", "ratelimit-check", "ratelimit-report"
KINDS = (AUTH, LIMIT, CHECK, REPORT)
WASM = "envoy.filters.http.wasm"
_DURATION = re.compile(r"([0-9.]+)(ms|us|µs|ns|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def seconds(duration: str) -> float:
    """Seconds of a Go duration, e.g. ``1m30s`` or ``200ms``. Raises ValueError."""
    parts = _DURATION.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"{duration!r} is not a duration")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


@dataclass(frozen=True)
class Service:
    """Something that the filter asks: ``kind`` is one of KINDS, ``timeout`` in seconds."""

    kind: str
    cluster: str
    deny_on_failure: bool
    timeout: float


@dataclass(frozen=True)
class ActionSet:
    """What is to be done for requests to these host names for which all predicates hold."""

    hostnames: tuple[str, ...]
    predicates: tuple[str, ...]
    actions: tuple[Mapping[str, Any], ...]

    def serves(self, hostname: str) -> bool:
        """``hostname`` may itself be a wildcard; then only the same one, or a wider one, covers it."""
        return any(
            pattern in {"*", hostname} or (pattern.startswith("*.") and hostname.endswith(pattern[1:]))
            for pattern in self.hostnames
        )


@dataclass(frozen=True)
class Address:
    """A port of a Kubernetes Service."""

    namespace: str
    service: str
    port: int


@dataclass(frozen=True)
class Kuadrant:
    """The filter's services by name, its action sets in order, and where its clusters lead to."""

    services: Mapping[str, Service] = field(default_factory=dict)
    action_sets: tuple[ActionSet, ...] = ()
    clusters: Mapping[str, Address] = field(default_factory=dict)

    def named(self, kind: str) -> dict[str, Service]:
        return {name: service for name, service in self.services.items() if service.kind == kind}

    def action_set(self, hostname: str, predicates: tuple[str, ...], request: Mapping[str, Any]) -> ActionSet | None:
        """The set for one match of a route: the one that was made for it, else the first that its requests meet."""
        candidates = [item for item in self.action_sets if item.serves(hostname)]
        for item in candidates:
            if item.predicates == predicates:
                return item
        return next((item for item in candidates if all(_holds(text, request) for text in item.predicates)), None)


def _holds(predicate: str, request: Mapping[str, Any]) -> bool:
    context = cel.Context()
    context.add_variable("request", dict(request))
    context.add_function("lowerAscii", str.lower)
    context.add_function("queryMap", lambda _query: dict(request.get("query_map") or {}))
    try:
        return cel.evaluate(predicate, context) is True
    except (ValueError, RuntimeError, TypeError, KeyError) as error:
        LOG.warning("the predicate %s cannot be evaluated: %s", predicate, error)
        return False


def read(envoy_filters: Iterable[Mapping[str, Any]], namespace: str, gateway: str) -> Kuadrant:
    """What the EnvoyFilters of one Gateway say; an empty answer when there are none: then nothing is asked."""
    services: dict[str, Service] = {}
    action_sets: list[ActionSet] = []
    clusters: dict[str, Address] = {}
    for item in envoy_filters:
        if not targets(item, namespace, gateway):
            continue
        for patch in item["spec"].get("configPatches") or ():
            value = (patch.get("patch") or {}).get("value") or {}
            if patch.get("applyTo") == "CLUSTER":
                clusters |= _cluster(value)
            elif value.get("name") == WASM:
                found, sets = _wasm(value)
                services |= found
                action_sets += sets
    return Kuadrant(services, tuple(action_sets), clusters)


def targets(item: Mapping[str, Any], namespace: str, gateway: str) -> bool:
    references = item["spec"].get("targetRefs") or ()
    return item["metadata"]["namespace"] == namespace and any(
        reference.get("kind") == "Gateway" and reference.get("name") == gateway for reference in references
    )


def _cluster(value: Mapping[str, Any]) -> dict[str, Address]:
    """The cluster's name and the Service of its first endpoint, ``<service>.<namespace>.svc...``."""
    try:
        endpoint = value["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        socket = endpoint["address"]["socket_address"]
        service, namespace, _rest = str(socket["address"]).split(".", 2)
        return {str(value["name"]): Address(namespace, service, int(socket["port_value"]))}
    except (KeyError, IndexError, ValueError) as error:
        LOG.warning("cluster %s of an EnvoyFilter is left out: %s", value.get("name"), error)
        return {}


def _wasm(value: Mapping[str, Any]) -> tuple[dict[str, Service], list[ActionSet]]:
    text = value["typed_config"]["value"]["config"]["configuration"]["value"]
    content = json.loads(text)
    services = {
        name: Service(
            kind=item["type"],
            cluster=item["endpoint"],
            deny_on_failure=item.get("failureMode") == "deny",
            timeout=seconds(item.get("timeout") or "20ms"),
        )
        for name, item in content["services"].items()
        if item["type"] in KINDS
    }
    sets = []
    for item in content["actionSets"]:
        conditions = item.get("routeRuleConditions") or {}
        sets.append(
            ActionSet(
                hostnames=tuple(conditions.get("hostnames") or ()),
                predicates=tuple(conditions.get("predicates") or ()),
                actions=tuple(item.get("actions") or ()),
            )
        )
    return services, sets
