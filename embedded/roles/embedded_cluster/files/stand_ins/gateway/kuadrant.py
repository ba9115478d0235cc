# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration that the Kuadrant operator gives its wasm filter, and which part of it is for which requests.

The fields are those of the operator's wasm configuration (kuadrant-operator 1.5, internal/wasm/types.go).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
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
class Kuadrant:
    """The filter's services by name, and its action sets in order."""

    services: Mapping[str, Service] = field(default_factory=dict)
    action_sets: tuple[ActionSet, ...] = ()

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


def read(text: str) -> Kuadrant:
    """What the configuration of the filter says."""
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
    return Kuadrant(services, tuple(_action_set(item) for item in content["actionSets"]))


def _action_set(item: Mapping[str, Any]) -> ActionSet:
    conditions = item.get("routeRuleConditions") or {}
    return ActionSet(
        hostnames=tuple(conditions.get("hostnames") or ()),
        predicates=tuple(conditions.get("predicates") or ()),
        actions=tuple(item.get("actions") or ()),
    )
